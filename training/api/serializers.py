"""The shapes of runs, versions and backbones in the API: reading only; rules are in the services."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.choices import Choice
from training.models import ModelVersion, Recipe, Snapshot, TrainingPolicy, TrainingRun
from training.runs.queueing import OPTIONS
from training.services.policies import FIELDS
from training.zoo import catalogue


class BackboneField(serializers.CharField):
    """A key of the table of backbones, also as Keras calls it."""

    def to_internal_value(self, data: Any) -> str:
        return catalogue.key_of(super().to_internal_value(data))


class RunRequest(serializers.Serializer[Any]):
    """What to train; what is left out comes from the project's policy."""

    beside = OPTIONS  # by their own names

    backbone = BackboneField(
        required=False,
        help_text="A key of /api/v1/backbones/, auto, or champion: go on from what the champion has learned.",
    )
    recipe = Choice(choices=Recipe.choices, required=False)
    augmentation = serializers.BooleanField(required=False)
    options = serializers.DictField(
        required=False,
        help_text="seed, epochs, hidden, label_smoothing, mirror (false: never), …; each"
        " may as well stand beside `backbone` by its own name.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        beside = {name: value for name, value in self.initial_data.items() if name in OPTIONS}
        return {**attrs, "options": {**beside, **attrs.get("options", {})}}


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ["id", "digest", "categories", "counts", "item_count", "left_out", "created_at"]


class FailureSerializer(serializers.Serializer[Any]):
    message = serializers.CharField()
    advice = serializers.CharField()


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    """A training run: what it was asked, where it is, what came of it."""

    project = serializers.SlugRelatedField[Any](slug_field="slug", read_only=True)
    snapshot = SnapshotSerializer()
    requested_by = serializers.SlugRelatedField[Any](slug_field="username", read_only=True, allow_null=True)
    model_version = serializers.SerializerMethodField()
    failure = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields = [
            "id",
            "project",
            "state",
            "stage",
            "progress",
            "epoch",
            "epochs",
            "images_per_second",
            "seconds_left",
            "cause",
            "requested_by",
            "backbone",
            "recipe",
            "augmentation",
            "seed",
            "options",
            "snapshot",
            "metrics",
            "history",
            "cost",
            "model_version",
            "failure",
            "log",
            "attempts",
            "created_at",
            "started_at",
            "finished_at",
        ]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_model_version(self, run: TrainingRun) -> int | None:
        version = getattr(run, "model_version", None)
        return version.number if version else None

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_failure(self, run: TrainingRun) -> dict[str, str] | None:
        return {"message": run.failure, "advice": run.advice} if run.failure else None


class RunRow(RunSerializer):
    """A run in a list: without its log, curves and class balance, and with a summary of its metrics."""

    snapshot = serializers.SlugRelatedField[Any](slug_field="digest", read_only=True)  # type: ignore[assignment]
    metrics = serializers.DictField(source="summary", read_only=True)

    class Meta(RunSerializer.Meta):
        fields = [name for name in RunSerializer.Meta.fields if name not in ("log", "history", "options")]


class SameImagesSerializer(serializers.Serializer[Any]):
    """How good a version is on the images that all versions were last measured on together."""

    of = serializers.IntegerField(help_text="The version whose held-out images they are; none was trained on them.")
    count = serializers.IntegerField()
    right = serializers.IntegerField()
    interval = serializers.ListField(
        child=serializers.FloatField(), help_text="Of the share that is right: 95 %, Wilson's."
    )
    ahead = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="How far that version's accuracy is ahead of this one's, as a 95 % interval; null where the images"
        " are too few to tell. Beside one that was champion, and so chose what the crowd was asked first, images are"
        " weighed as in decisions: it may differ from the plain counts.",
    )
    champion = serializers.IntegerField(required=False, help_text="The version that was champion then, if measured.")
    ahead_of_champion = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        required=False,
        help_text="How far this version's accuracy is ahead of that one's, in the same way.",
    )


class VersionSerializer(serializers.ModelSerializer[ModelVersion]):
    """A trained classifier: how good it is, what it was made of, whether it answers."""

    version = serializers.IntegerField(source="number")
    run = serializers.PrimaryKeyRelatedField[Any](read_only=True)
    backbone = serializers.CharField(source="run.backbone")
    recipe = serializers.CharField(source="run.recipe")
    augmentation = serializers.BooleanField(source="run.augmentation")
    snapshot = serializers.CharField(source="run.snapshot.digest")
    same_images = serializers.SerializerMethodField()
    hashes = serializers.SerializerMethodField()

    class Meta:
        model = ModelVersion
        fields = [
            "id",
            "version",
            "alias",
            "categories",
            "metrics",
            "same_images",
            "decision",
            "run",
            "backbone",
            "recipe",
            "augmentation",
            "snapshot",
            "hashes",
            "promoted_at",
            "created_at",
        ]

    @extend_schema_field(SameImagesSerializer(allow_null=True))
    def get_same_images(self, version: ModelVersion) -> dict[str, Any] | None:
        """None where it was not measured with the others: its own ``metrics`` are of other images."""
        return version.same_images or None

    @extend_schema_field(serializers.DictField())
    def get_hashes(self, version: ModelVersion) -> dict[str, Any]:
        hashes: dict[str, Any] = version.manifest.get("files", {})
        return hashes


class VersionRow(VersionSerializer):
    """A version in a list: with a summary of its metrics."""

    metrics = serializers.DictField(source="summary", read_only=True)
    hashes = serializers.DictField(read_only=True)  # type: ignore[assignment]


class ReasonRequest(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, help_text="Kept in the audit.")


class BackboneSerializer(serializers.Serializer[Any]):
    """One architecture of the zoo."""

    name = serializers.CharField(source="key", help_text="What `backbone` of a project and of a run takes.")
    key = serializers.CharField(help_text="The same as `name`.")
    title = serializers.CharField()
    year = serializers.IntegerField()
    family = serializers.CharField()
    parameters = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Side of the square input in pixels.")
    top1_error = serializers.FloatField(allow_null=True, help_text="Published ImageNet error in percent.")
    top5_error = serializers.FloatField(allow_null=True)
    licence = serializers.CharField()
    weights = serializers.CharField(help_text="verified, unknown_hash, missing, damaged, bundled or random.")
    weights_file = serializers.SerializerMethodField(
        help_text='Name of the file that is here, or would satisfy it; "" where none is published.'
    )

    def get_weights_file(self, row: dict[str, Any]) -> str:
        """Where on the server it lies is for its operator (``manage.py weights``)."""
        return Path(row["weights_file"]).name


# The format `time` of JSON Schema is one with its offset (RFC 3339), which an answer has not.
@extend_schema_field({"type": "string", "example": "03:30:00"})
class ClockField(serializers.TimeField):
    """A time of day in UTC. Of one that names another offset, Django would keep the digits alone."""

    def to_internal_value(self, value: Any) -> time:
        with contextlib.suppress(ValueError, TypeError):
            said = time.fromisoformat(value)
            if said.tzinfo is not None:
                value = datetime.combine(date(2000, 1, 2), said).astimezone(UTC).time()
        return super().to_internal_value(value)


class PolicySerializer(serializers.ModelSerializer[TrainingPolicy]):
    """When and how a project trains by itself."""

    serializer_choice_field = Choice
    backbone = BackboneField(required=False, max_length=60, help_text="A key of the zoo, auto, or champion.")
    daily_at = ClockField(
        required=False, allow_null=True, help_text="Train each day at this time (UTC), if anything is new."
    )

    class Meta:
        model = TrainingPolicy
        fields = FIELDS
        extra_kwargs: dict[str, dict[str, Any]] = {
            "min_labels_per_category": {"min_value": 2},
            "min_new_labels": {"min_value": 1},
            "min_new_share": {"min_value": 0, "max_value": 1},
        }


class DecisionSerializer(serializers.Serializer[Any]):
    """Whether a run is due, and why not yet."""

    start = serializers.BooleanField()
    reason = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True)
    new_labels = serializers.IntegerField()
    needed_labels = serializers.IntegerField()
    short_categories = serializers.DictField(child=serializers.IntegerField())
