"""The rows of the training room: a frozen training set, a run with one cause and one outcome, a version."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Recipe(models.TextChoices):
    FEATURE_EXTRACTION = "feature_extraction", _("Feature extraction")
    FINE_TUNING = "fine_tuning", _("Fine-tuning")


class TrainingPolicy(models.Model):
    """When and how a project trains by itself. Beside the project, because labeling never knows of training."""

    project = models.OneToOneField("labeling.Project", models.CASCADE, related_name="+", primary_key=True)
    backbone = models.CharField(max_length=60, default="auto", help_text=_("A key of BACKBONES, or auto."))
    recipe = models.CharField(max_length=20, choices=Recipe, default=Recipe.FEATURE_EXTRACTION)
    augmentation = models.BooleanField(default=False)
    automatic_training = models.BooleanField(default=True)
    min_labels_per_category = models.PositiveIntegerField(default=8)
    min_new_labels = models.PositiveIntegerField(default=20)
    min_new_share = models.FloatField(default=0.1)
    quiet_seconds = models.PositiveIntegerField(default=15, help_text=_("Wait so long after the last new label."))
    status = models.CharField(max_length=300, blank=True, help_text=_("Why the last check did not start a run."))
    checked_at = models.DateTimeField(null=True, blank=True)


class Snapshot(models.Model):
    """A training set that never changes. ``digest`` is over its sorted items, categories and splits."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    question = models.ForeignKey("labeling.Question", models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    categories = models.JSONField(help_text=_("Category keys in the order of the model's outputs."))
    counts = models.JSONField(help_text=_('{"train": {"cat": 12, …}, "validation": …, "test": …}'))
    item_count = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="snapshot_content_once")]


class SnapshotItem(models.Model):
    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="items")
    image = models.ForeignKey("labeling.Image", models.CASCADE, related_name="+")
    sha256 = models.CharField(max_length=64)
    label = models.CharField(max_length=100)
    posterior = models.JSONField(default=dict)
    confidence = models.FloatField()
    split = models.CharField(max_length=10)  # train | validation | test

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "image"], name="snapshot_item_once")]


class TrainingRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="runs")
    cause = models.CharField(max_length=30)  # new_labels | person | api | drift
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    backbone = models.CharField(max_length=60)
    recipe = models.CharField(max_length=20, choices=Recipe)
    augmentation = models.BooleanField(default=False)
    seed = models.PositiveIntegerField(default=0)
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=20, blank=True)  # features | fit | evaluate | export | verify
    progress = models.FloatField(default=0)
    epoch = models.PositiveIntegerField(default=0)
    epochs = models.PositiveIntegerField(default=0)
    images_per_second = models.FloatField(null=True, blank=True)
    history = models.JSONField(default=dict, help_text=_('{"loss": […], "accuracy": […], "val_loss": …}'))
    metrics = models.JSONField(default=dict)
    log = models.JSONField(default=list, help_text=_("[{at, message}], newest last, at most 200"))
    failure = models.TextField(blank=True)
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project"], name="one_live_run_per_project", condition=Q(state__in=["queued", "running"])
            )
        ]
        indexes = [models.Index(fields=["project", "-created_at"])]


class ModelVersion(models.Model):
    """One trained classifier: a folder under DATA_DIR/models with a manifest, and how good it is."""

    class Alias(models.TextChoices):
        CHAMPION = "champion", _("Champion")
        CHALLENGER = "challenger", _("Challenger")

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    run = models.OneToOneField(TrainingRun, models.PROTECT, related_name="model_version")
    number = models.PositiveIntegerField()
    alias = models.CharField(max_length=12, choices=Alias, blank=True)
    categories = models.JSONField()
    metrics = models.JSONField(default=dict)
    manifest = models.JSONField(default=dict, help_text=_("What artifact.py wrote, hashes included."))
    artifact = models.CharField(max_length=300, help_text=_("Folder, relative to DATA_DIR."))
    decision = models.CharField(max_length=500, blank=True, help_text=_("Why it was or was not promoted."))
    promoted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["project"], name="one_champion", condition=Q(alias="champion")),
            models.UniqueConstraint(fields=["project"], name="one_challenger", condition=Q(alias="challenger")),
        ]
