"""The rows of the training room: a frozen training set, a run with one cause and one outcome, a version."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Func, OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models import Job, Project, Question
from labeling.models.told import ToldField, ToldJSONField

CAUSES = {
    "new_labels": _("New labels"),
    "age": _("The last run was old"),
    "schedule": _("The hour of the daily run"),
    "drift": _("Drift in what is asked"),
    "person": _("A person"),
    "api": _("A program"),
}


class Recipe(models.TextChoices):
    FEATURE_EXTRACTION = "feature_extraction", _("Feature extraction")
    FINE_TUNING = "fine_tuning", _("Fine-tuning")
    FINE_TUNING_DEEPER = "fine_tuning_deeper", _("Fine-tuning, deeper")


# Of a comparison's candidates only, no recipe of a run: a compact network from random weights.
FROM_SCRATCH = "from_scratch"


class TrainingPolicy(models.Model):
    """When and how a project trains by itself. Beside the project, because labeling never knows of training."""

    project = models.OneToOneField("labeling.Project", models.CASCADE, related_name="+", primary_key=True)
    backbone = models.CharField(max_length=60, default="auto", help_text=_("A key of the zoo, auto, or champion."))
    recipe = models.CharField(max_length=20, choices=Recipe, default=Recipe.FEATURE_EXTRACTION)
    augmentation = models.BooleanField(default=False)
    mirror = models.BooleanField(default=True, help_text=_("Augmentation may swap left and right."))
    automatic_training = models.BooleanField(default=True)
    soft_labels = models.BooleanField(default=True, help_text=_("Learn the posterior, not only its best answer."))
    min_labels_per_category = models.PositiveIntegerField(default=8)
    min_new_labels = models.PositiveIntegerField(default=20)
    min_new_share = models.FloatField(default=0.1)
    quiet_seconds = models.PositiveIntegerField(default=2, help_text=_("Wait so long after the last new label."))
    max_age_hours = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=168,
        validators=[MaxValueValidator(87_600)],  # ten years: far beyond, there is no date any more to say
        help_text=_("When the last run is older than this, one new label is enough."),
    )
    daily_at = models.TimeField(
        null=True, blank=True, help_text=_("Train each day at this time (UTC), if anything is new.")
    )
    drift_at = models.DateTimeField(null=True, blank=True)
    drift_reason = ToldField(blank=True)
    status = ToldField(blank=True, help_text=_("Why the last check did not start a run."))
    checked_at = models.DateTimeField(null=True, blank=True)
    # What the project's counters were at the last check, and when time alone may change its answer: see runs.due.
    seen = models.CharField(max_length=80, blank=True)
    look_again_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "training policies"
        constraints = [
            models.CheckConstraint(condition=Q(min_new_labels__gte=1), name="policy_needs_something_new"),
            models.CheckConstraint(condition=Q(min_labels_per_category__gte=2), name="policy_needs_two_a_category"),
            models.CheckConstraint(condition=Q(min_new_share__gte=0, min_new_share__lte=1), name="policy_share_in_0_1"),
        ]

    def __str__(self) -> str:
        return f"project {self.project_id}"

    @classmethod
    def of(cls, project: Project) -> TrainingPolicy:
        """The project's policy; a project that never chose has the defaults."""
        return cls.objects.filter(project=project).first() or cls(project=project)


class ImageTrait(models.Model):
    """What training knows of an image's looks: a tiny thumbnail, and the near-duplicates it belongs with.

    ``group`` is the SHA-256 of the first image that looked like this one. It is given once and never changes, so that
    an image stays on its side of the split for ever, and its near-duplicates with it.
    """

    image = models.OneToOneField("labeling.Image", models.CASCADE, related_name="+", primary_key=True)
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    look = models.BinaryField(help_text=_("The image as 8 x 8 RGB pixels, 192 bytes."))
    group = models.CharField(max_length=64)
    bucket = models.BigIntegerField(null=True, help_text=_("Of the first image of a group: see traits.bucket_of."))

    class Meta:
        indexes = [
            models.Index(fields=["project", "group"]),
            models.Index(fields=["project", "bucket"], name="trait_leaders", condition=Q(bucket__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"image {self.image_id}"


class ProjectFiles(models.Model):
    """That a project has files under DATA_DIR. Outlives it, so that they are found then: training.leftovers."""

    project = models.OneToOneField(
        "labeling.Project", models.DO_NOTHING, related_name="+", primary_key=True, db_constraint=False
    )

    def __str__(self) -> str:
        return f"project {self.project_id}"


class EmbeddingCursor(models.Model):
    """How far the images of a project have been embedded by one trunk in the background."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    trunk_key = models.CharField(max_length=120)
    last_image_id = models.BigIntegerField(default=0)
    busy_until = models.DateTimeField(default=timezone.now, help_text=_("Somebody embeds until then."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "trunk_key"], name="embedding_cursor_once")]

    def __str__(self) -> str:
        return f"project {self.project_id}, {self.trunk_key}"


class Snapshot(models.Model):
    """A training set that never changes. ``digest`` is over its sorted items, categories and splits."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    question = models.ForeignKey("labeling.Question", models.RESTRICT, related_name="+")
    digest = models.CharField(max_length=64)
    categories = models.JSONField(help_text=_("Category keys in the order of the model's outputs."))
    counts = models.JSONField(help_text=_('{"train": {"cat": 12, …}, "validation": …, "test": …}'))
    item_count = models.PositiveIntegerField()
    left_out = models.JSONField(default=dict, help_text=_("Category or reason -> how many labels were not taken."))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "question", "digest"], name="snapshot_once_per_question")
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.item_count} images)"


class SnapshotItem(models.Model):
    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="items")
    image = models.ForeignKey("labeling.Image", models.CASCADE, related_name="+")
    sha256 = models.CharField(max_length=64)
    label = models.CharField(max_length=100)
    posterior = models.JSONField(default=dict, help_text=_("Category key -> probability; empty = sure of the label."))
    confidence = models.FloatField()
    judgment_count = models.PositiveSmallIntegerField(default=0)
    split = models.CharField(max_length=10)  # train | validation | test | left_out

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "image"], name="snapshot_item_once")]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.label}, {self.split}"


class LearnedPictures(models.Model):
    """What a snapshot gave to train and validate with. An image that is deleted takes its item with it, but uploaded
    again it is no new picture to the versions that learned it."""

    snapshot = models.OneToOneField(Snapshot, models.CASCADE, related_name="+", primary_key=True)
    hashes = models.BinaryField(help_text=_("The first 8 bytes of the SHA-256 of each."))

    class Meta:
        verbose_name_plural = "learned pictures"

    def __str__(self) -> str:
        return f"snapshot {self.snapshot_id}"


# Of metrics, what grows with the categories: the confusion of 500 has 750 kB, and pages list a hundred versions.
PER_CATEGORY = ("confusion", "per_class")
LARGE = ("metrics", "manifest")  # of a version


def _summary() -> Func:
    kept = "(%(expressions)s - ARRAY[{}])".format(", ".join(f"'{name}'" for name in PER_CATEGORY))
    return Func(F("metrics"), template=kept, output_field=models.JSONField())


class TrainingRunQuerySet(models.QuerySet["TrainingRun"]):
    def live(self) -> TrainingRunQuerySet:
        """Those that have not ended."""
        return self.filter(state__in=TrainingRun.LIVE)

    def summarised(self) -> TrainingRunQuerySet:
        """For lists, with their versions' numbers: what is large stays in the database, metrics are a ``summary``."""
        large = ("metrics", "history", "log", *(f"model_version__{name}" for name in ("categories", *LARGE)))
        return self.select_related("model_version").defer(*large).annotate(summary=_summary())


class TrainingRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    LIVE = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    snapshot = models.ForeignKey(Snapshot, models.RESTRICT, related_name="runs")
    cause = models.CharField(max_length=30)  # new_labels | age | schedule | drift | person | api
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    backbone = models.CharField(max_length=60)
    recipe = models.CharField(max_length=20, choices=Recipe)
    augmentation = models.BooleanField(default=False)
    seed = models.PositiveIntegerField(default=0)
    options = ToldJSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    stage = models.CharField(max_length=20, blank=True)  # a key of training.runs.pipeline.STAGES
    progress = models.FloatField(default=0)
    epoch = models.PositiveIntegerField(default=0)
    epochs = models.PositiveIntegerField(default=0)
    images_per_second = models.FloatField(null=True, blank=True)
    seconds_left = models.FloatField(null=True, blank=True)
    history = models.JSONField(default=dict, help_text=_('{"loss": […], "accuracy": […], "val_loss": …}'))
    metrics = models.JSONField(default=dict)
    cost = models.JSONField(default=dict, help_text=_("CPU and wall seconds, images embedded: differs run by run."))
    log = ToldJSONField(default=list, help_text=_("[{at, message}], newest last, at most 200"))
    failure = ToldField(blank=True)
    advice = ToldField(blank=True, help_text=_("What a person can do about the failure."))
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = TrainingRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project"], name="one_live_run_per_project", condition=Q(state__in=["queued", "running"])
            )
        ]
        indexes = [models.Index(fields=["project", "-created_at"]), models.Index(fields=["state", "heartbeat_at"])]

    def __str__(self) -> str:
        return f"{self.pk} ({self.backbone}, {self.recipe})"

    @property
    def cause_in_words(self) -> str:
        return str(CAUSES.get(self.cause, self.cause))

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE

    @property
    def took(self) -> float | None:
        """Seconds from its first start to its end, whatever interrupted it between."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max((self.finished_at - self.started_at).total_seconds(), 0.0)  # less where the clock was set back

    @property
    def ahead(self) -> int:
        """How many runs and comparisons a trainer is at or comes to before this run, while it is queued."""
        if self.state != self.State.QUEUED:
            return 0
        compared = Job.objects.live().filter(kind="bake_off", created_at__lt=self.created_at)
        return TrainingRun.objects.live().filter(created_at__lt=self.created_at).count() + compared.count()


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def champions(self) -> ModelVersionQuerySet:
        """Those that answer: at most one a project."""
        return self.filter(alias=ModelVersion.Alias.CHAMPION)

    def challengers(self) -> ModelVersionQuerySet:
        """Those that may run beside the champion: at most one a project."""
        return self.filter(alias=ModelVersion.Alias.CHALLENGER)

    def of_primary_question(self) -> ModelVersionQuerySet:
        """Those that learned what their project's classifier is to answer now.

        A version answers only the question that it learned: one with the same categories is another question still.
        """
        asked = Question.objects.filter(project=OuterRef("project")).learnable().values("pk")[:1]
        return self.filter(run__snapshot__question=Subquery(asked))

    def slim(self) -> ModelVersionQuerySet:
        """What is large stays in the database until somebody asks for it."""
        return self.defer(*LARGE)

    def summarised(self) -> ModelVersionQuerySet:
        """For lists, with their runs and snapshots: of metrics a ``summary``, of the manifest the files' ``hashes``."""
        rows = (
            self.slim()
            .select_related("run__snapshot")
            .defer(*(f"run__{name}" for name in ("metrics", "history", "log")))
        )
        return rows.annotate(summary=_summary(), hashes=F("manifest__files"))


class ModelVersion(models.Model):
    """One trained classifier: a folder under DATA_DIR/models with a manifest, and how good it is."""

    class Alias(models.TextChoices):
        CHAMPION = "champion", _("Champion")
        CHALLENGER = "challenger", _("Challenger")

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    run = models.OneToOneField(TrainingRun, models.RESTRICT, related_name="model_version")
    number = models.PositiveIntegerField()
    alias = models.CharField(max_length=12, choices=Alias, blank=True)
    categories = models.JSONField()
    metrics = models.JSONField(default=dict)
    manifest = models.JSONField(default=dict, help_text=_("What artifact.py wrote, hashes included."))
    # Beside the metrics, which stay as they are: this is measured anew with each newer version (training.same_images).
    same_images = models.JSONField(
        default=dict,
        blank=True,
        db_default={},
        help_text=_("How good it is on the held-out images of the newest version measured."),
    )
    artifact = models.CharField(max_length=300, help_text=_("Folder, relative to DATA_DIR."))
    decision = ToldField(blank=True, help_text=_("Why it was or was not promoted."))
    promoted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["project"], name="one_champion", condition=Q(alias="champion")),
            models.UniqueConstraint(fields=["project"], name="one_challenger", condition=Q(alias="challenger")),
        ]

    def __str__(self) -> str:
        return f"version {self.number}, project {self.project_id}"

    @property
    def question_id(self) -> int:
        """The question that it learned."""
        return self.run.snapshot.question_id


class AliasChange(models.Model):
    """The audit of promotions: which version took or lost an alias, by whom and why. Rollback reads it backwards."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="alias_changes")
    replaced = models.ForeignKey(ModelVersion, models.SET_NULL, null=True, related_name="+")
    alias = models.CharField(max_length=12, choices=ModelVersion.Alias)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=10)  # gate | promote | rollback | challenge | withdraw
    reason = ToldField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.kind}: {self.alias}, project {self.project_id}"


class Suspect(models.Model):
    """A label that a version doubts: it has not seen the image and disagrees."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="suspects")
    image = models.ForeignKey("labeling.Image", models.CASCADE, related_name="+")
    label = models.CharField(max_length=100)
    predicted = models.CharField(max_length=100)
    label_probability = models.FloatField()
    predicted_probability = models.FloatField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text=_("When it went back to the crowd."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "image"], name="suspect_once_per_version")]
        ordering = ["label_probability", "id"]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.label}, not {self.predicted}?"
