"""How a project serves, over the API: settings, figures, keys, kept images, batch jobs and downloads."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inference import services
from inference.api.predicting import ANSWERING, REFUSALS
from inference.batch import WRITERS
from inference.models import Deployment, KeyLimit, Reason, Sample
from inference.monitoring import figures
from inference.services.deploying import FIELDS
from inference.services.jobs import DOWNLOADS
from labeling.accounts import permissions
from labeling.accounts.permissions import Right
from labeling.api.base import JobStartedSerializer, ProjectView, link, listing, parsed, started
from labeling.api.choices import Choice
from labeling.api.parsers import FormParser, JSONParser, MultiPartParser
from labeling.files.storage import image_url
from labeling.models import ApiKey, Project
from labeling.services import revoke_key


class DeploymentSerializer(serializers.ModelSerializer):
    serializer_choice_field = Choice

    class Meta:
        model = Deployment
        fields = [*FIELDS, "auto_label_stopped", "auto_label_waits", "scored_at"]
        read_only_fields = ["auto_label_stopped", "auto_label_waits", "scored_at"]


class VersionFiguresSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    alias = serializers.CharField(allow_blank=True)
    requests = serializers.IntegerField()
    images = serializers.IntegerField()
    p50_ms = serializers.FloatField(allow_null=True)
    p99_ms = serializers.FloatField(allow_null=True)
    compared = serializers.IntegerField()
    agreement = serializers.FloatField(allow_null=True)
    judged = serializers.IntegerField()
    live_accuracy = serializers.FloatField(allow_null=True)
    judged_random = serializers.IntegerField()
    live_accuracy_random = serializers.FloatField(allow_null=True)


class DriftSerializer(serializers.Serializer):
    version = serializers.IntegerField()
    day = serializers.DateField(help_text="UTC.")
    images = serializers.IntegerField(help_text="Of that day's requests; of fewer than 50 no alarm is given.")
    input_drift = serializers.FloatField(
        help_text="How far they are from the training images; 1 is what chance reaches."
    )
    input_alarm = serializers.FloatField(help_text="The input drift beyond which the alarm is given.")
    novel_share = serializers.FloatField(
        allow_null=True,
        help_text="Share of them that are unlike all training images; one in a hundred is expected. Null where fewer"
        " than 50 were looked at.",
    )
    novel_alarm = serializers.FloatField(allow_null=True, help_text="The share beyond which the alarm is given.")
    class_drift = serializers.FloatField(help_text="Population stability index of the predicted classes.")
    class_alarm = serializers.FloatField(help_text="The class drift beyond which the alarm is given.")
    is_alarm = serializers.BooleanField()


class ServingSerializer(serializers.Serializer):
    settings = DeploymentSerializer()
    versions = VersionFiguresSerializer(many=True)
    drift = DriftSerializer(many=True, help_text="Of each day with requests, of the last 90, oldest first.")


class KeySerializer(serializers.Serializer):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    prefix = serializers.CharField(read_only=True)
    scopes = serializers.ListField(
        child=Choice(choices=["predict", "label", "manage"]), default=["predict"],
        help_text="`predict` asks the classifier, and reads of a project what it asks, but none of its images; `label` "
        "sees these and answers. `manage` includes making keys, of every scope, and adding people: such a key can get "
        "whatever its person may in the project, and what it made stays when it is revoked.",
    )  # fmt: skip
    per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10**9, default=None,
        help_text="Images a minute that the key may ask the classifier about; other calls are not counted.",
    )  # fmt: skip
    per_day = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10**9, default=None, help_text="As much a day.",
    )  # fmt: skip
    days = serializers.IntegerField(
        write_only=True, required=False, allow_null=True, min_value=1, max_value=3650,
        help_text="How long the key is valid; without it, for ever. `expires_at` gives the same as a point in time.",
    )  # fmt: skip
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    created_at = serializers.DateTimeField(read_only=True)
    last_used_at = serializers.DateTimeField(read_only=True, allow_null=True)

    def validate_expires_at(self, moment: datetime | None) -> datetime | None:
        if moment is not None and moment <= timezone.now():
            raise serializers.ValidationError(_("It is over already."))
        return moment

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        if given.get("days") and given.get("expires_at"):
            raise serializers.ValidationError({"days": [_("Give either `days` or `expires_at`.")]})
        return given


class KeyMadeSerializer(KeySerializer):
    token = serializers.CharField(read_only=True, help_text="The key itself: only in the answer that made it.")


class SampleSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="image_id", help_text="Of the image: ask about it, or delete it, by this.")
    name = serializers.CharField(source="image.name")
    sha256 = serializers.CharField(source="image.sha256", help_text="Of the file as it was sent.")
    url = serializers.SerializerMethodField()
    model_version = serializers.IntegerField(source="version.number")
    reason = Choice(choices=Reason.choices)
    created_at = serializers.DateTimeField()

    def get_url(self, row: Sample) -> str:
        return link(self.context["request"], image_url(row.image))


class BatchSerializer(serializers.Serializer):
    format = Choice(choices=list(WRITERS), default="csv")
    excel = serializers.BooleanField(
        default=False, help_text="Begin the file with the mark (BOM) by which Excel knows UTF-8 (csv)."
    )
    stored = serializers.BooleanField(
        default=False,
        help_text="The project's own images, each of them: `answer` and `certainty` are the crowd's label of the "
        "`question` that the version learned, once that is final, else what the version says; `answered_by` tells "
        "`crowd` or `model`. Both are empty where the image's file cannot be read and nobody has labeled it.",
    )
    files = serializers.ListField(child=serializers.FileField(), required=False)
    archive = serializers.FileField(required=False)
    urls = serializers.ListField(child=serializers.CharField(max_length=2000), required=False, max_length=100_000)
    prefix = serializers.CharField(required=False, default="", max_length=500, allow_blank=True)
    s3 = serializers.CharField(
        required=False, default="", max_length=1200, allow_blank=True,
        help_text="`s3://bucket/prefix`, of a bucket that the setting IMPORT_BUCKETS allows.",
    )  # fmt: skip
    version = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=10**6)


class DownloadSerializer(serializers.Serializer):
    format = Choice(choices=list(DOWNLOADS))
    version = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=10**6)


class ServingView(ProjectView):
    """Settings of serving, and what each version answered in the last seven days."""

    rights = {"GET": "manage", "PATCH": "manage"}

    @extend_schema(operation_id="serving", tags=["serving"], responses={200: ServingSerializer} | REFUSALS)
    def get(self, request: Request, slug: str) -> Response:
        return Response(_serving(self.project(request, slug)))

    @extend_schema(
        operation_id="serving_change", tags=["serving"], request=DeploymentSerializer(partial=True),
        responses={200: ServingSerializer} | REFUSALS,
    )  # fmt: skip
    def patch(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        changes = parsed(DeploymentSerializer, request, partial=True)
        services.configure(project=project, changes=changes, user=request.user)
        return Response(_serving(project))


def _serving(project: Project) -> dict[str, Any]:
    return {
        "settings": DeploymentSerializer(Deployment.of(project.pk)).data,
        "versions": [one.as_json() for one in figures.by_version(project)],
        "drift": figures.drift_days(project),
    }


class KeysView(ProjectView):
    """Keys of this project's programs."""

    rights = {"GET": "manage", "POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(operation_id="keys", tags=["serving"], **listing(KeySerializer))
    def get(self, request: Request, slug: str) -> Response:
        rows = ApiKey.objects.filter(project=self.project(request, slug))
        return self.page(request, rows, KeySerializer, seen=_with_limits)

    @extend_schema(
        operation_id="key_make", tags=["serving"], request=KeySerializer, responses={201: KeyMadeSerializer} | REFUSALS
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        values = parsed(KeySerializer, request)
        scopes = tuple(dict.fromkeys(values.pop("scopes")))
        row, token = services.make_limited_key(project=project, user=request.user, scopes=scopes, **values)
        return _made(row, token)


def _with_limits(rows: list[Any]) -> None:
    limits = KeyLimit.objects.filter(key__in=rows).in_bulk(field_name="key_id")
    for row in rows:
        limit = limits.get(row.pk)
        row.per_minute, row.per_day = limit and limit.per_minute, limit and limit.per_day


def _made(row: ApiKey, token: str) -> Response:
    _with_limits([row])
    return Response({**KeySerializer(row).data, "token": token}, status=201)


class KeyView(ProjectView):
    """Revoke a key: programs with it stop working at once."""

    rights = {"DELETE": "manage"}
    even_archived = frozenset({"DELETE"})

    @extend_schema(operation_id="key_revoke", tags=["serving"], request=None, responses={204: None} | REFUSALS)
    def delete(self, request: Request, slug: str, key_id: int) -> Response:
        project = self.project(request, slug)
        revoke_key(key=get_object_or_404(ApiKey, project=project, pk=key_id), user=request.user)
        return Response(status=204)


class KeyRotateView(ProjectView):
    """A new key with the same rights; the old one works for another day."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(
        operation_id="key_rotate", tags=["serving"], request=None, responses={201: KeyMadeSerializer} | REFUSALS
    )
    def post(self, request: Request, slug: str, key_id: int) -> Response:
        project = self.project(request, slug)
        old = get_object_or_404(ApiKey, project=project, pk=key_id)
        row, token = services.rotate_key(key=old, user=request.user)
        return _made(row, token)


class SamplesView(ProjectView):
    """Images that were kept from requests, the newest first."""

    rights = {"GET": "manage"}

    @extend_schema(operation_id="samples", tags=["serving"], **listing(SampleSerializer))
    def get(self, request: Request, slug: str) -> Response:
        rows = Sample.objects.filter(project=self.project(request, slug)).select_related("image", "version")
        return self.page(request, rows, SampleSerializer)


class SampleView(ProjectView):
    """An image that was kept from a request."""

    rights = {"DELETE": "manage"}
    even_archived = frozenset({"DELETE"})

    @extend_schema(operation_id="sample_delete", tags=["serving"], request=None, responses={204: None} | REFUSALS)
    def delete(self, request: Request, slug: str, image_id: int) -> Response:
        services.delete_sample(project=self.project(request, slug), image_id=image_id, user=request.user)
        return Response(status=204)


class BatchView(ProjectView):
    """Predict over many images in the background; the job's result has the file's address.

    A row for each: `image`, `id` of a stored one, `category` and `probability` of the likeliest, `uncertainty`,
    `margin`, `model_version`, and `p:` with the key of each category.

    Images that come with the request or are at addresses count against the key's limits as one request. `stored` tells
    the crowd's labels, `prefix` and `s3` read with the platform's own rights: they need the right to manage, and are
    not counted.
    """

    rights = {"POST": "predict"}
    even_archived = frozenset({"POST"})
    parser_classes = [MultiPartParser, FormParser, JSONParser]

    @extend_schema(
        operation_id="predict_batch", tags=["predict"], request=BatchSerializer,
        responses={202: JobStartedSerializer} | ANSWERING,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        values = parsed(BatchSerializer, request)
        output = values.pop("format")
        job = services.start_batch(project=project, user=request.user, output=output, key=request.auth, **values)
        return started(job)

    def right(self, request: Request) -> Right:
        """A key that manages and has not the scope to predict may as before."""
        has = partial(permissions.key_has, request.user)
        return "manage" if has("manage") and not has("predict") else super().right(request)


class DownloadView(ProjectView):
    """A version for another framework, made in the background."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(
        operation_id="model_download", tags=["serving"], request=DownloadSerializer,
        responses={202: JobStartedSerializer} | ANSWERING,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        values = parsed(DownloadSerializer, request)
        job = services.start_download(
            project=project, user=request.user, output=values["format"], version=values["version"]
        )
        return started(job)
