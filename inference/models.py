"""The rows of the inference room: how a project serves, what its versions said, and what came of it.

Which version answers is not a row of this room: the alias of ``training.ModelVersion`` says it, and processes look it
up (``inference.engine.routing``). What is here: the settings of serving, the scores of the pool, the requests that were
kept on purpose, figures of the traffic, and labels that a model gave under an audit.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.told import ToldField

SHARE = (MinValueValidator(0.0), MaxValueValidator(1.0))


class Reason(models.TextChoices):
    """Why an image is sent to the crowd."""

    UNCERTAIN = "uncertain", _("The model is unsure")
    NOVEL = "novel", _("It is unlike the training images")
    RANDOM = "random", _("Drawn at random, so that the training set stays fair")
    WRONG = "wrong", _("A person said that the answer is wrong")


class Deployment(models.Model):
    """How a project serves. A project without a row serves its champion by the defaults below."""

    class Challenger(models.TextChoices):
        OFF = "off", _("Does not run")
        SHADOW = "shadow", _("Runs beside the champion; its answers are compared, not returned")
        SHARE = "share", _("Answers a share of the traffic")

    def __str__(self) -> str:
        return f"project {self.project_id}"

    @classmethod
    def of(cls, project_id: int) -> Deployment:
        """The project's settings of serving; the defaults where nobody has changed any."""
        return cls.objects.filter(pk=project_id).first() or cls(project_id=project_id)

    project = models.OneToOneField("labeling.Project", models.CASCADE, related_name="+", primary_key=True)
    challenger_mode = models.CharField(max_length=10, choices=Challenger, default=Challenger.SHADOW)
    challenger_share = models.FloatField(default=0.1, validators=[MinValueValidator(0.0), MaxValueValidator(0.5)])
    random_share = models.FloatField(
        default=0.2, validators=SHARE, help_text=_("Share of the crowd's next tasks drawn at random.")
    )
    # Keeping what strangers send is off until somebody turns it on.
    sample_rate = models.FloatField(
        default=0, validators=SHARE, help_text=_("Share of the requests' images that may be kept.")
    )
    sample_quota = models.PositiveIntegerField(default=200, help_text=_("Kept images a day at most."))
    retention_days = models.PositiveIntegerField(
        default=30,
        validators=[MaxValueValidator(3650)],
        help_text=_("Kept images that nobody labels are deleted after so many days."),
    )
    auto_label = models.BooleanField(default=False)
    error_bound = models.FloatField(
        default=0.02,
        validators=[MinValueValidator(0.001), MaxValueValidator(0.999)],
        help_text=_("Wrong labels that the model may add, as a share."),
    )
    auto_label_stopped = ToldField(blank=True, help_text=_("Why it stopped by itself."))
    auto_label_waits = ToldField(blank=True, help_text=_("Why it gives no label now."))
    auto_label_since = models.DateTimeField(null=True, blank=True, help_text=_("Labels from then on are audited."))
    drift_trains = models.BooleanField(default=False, help_text=_("Drift starts a training run."))
    scored_version = models.ForeignKey("training.ModelVersion", models.SET_NULL, null=True, related_name="+")
    scored_at = models.DateTimeField(null=True, blank=True)
    scored_to = models.BigIntegerField(default=0, help_text=_("The newest image that it had seen by then."))
    compared_version = models.ForeignKey(
        "training.ModelVersion", models.SET_NULL, null=True, blank=True, related_name="+",
        help_text=_("The challenger that was asked about the crowd's next images."),
    )  # fmt: skip
    judged_at = models.DateTimeField(null=True, blank=True, help_text=_("Consensus up to here is compared."))
    claimed_at = models.DateTimeField(null=True, blank=True, help_text=_("A process is scoring the pool since."))
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(challenger_share__gte=0, challenger_share__lte=0.5), name="deployment_challenger_share"
            ),
            models.CheckConstraint(
                condition=Q(random_share__gte=0, random_share__lte=1), name="deployment_random_share"
            ),
            models.CheckConstraint(condition=Q(sample_rate__gte=0, sample_rate__lte=1), name="deployment_sample_rate"),
            models.CheckConstraint(condition=Q(error_bound__gt=0, error_bound__lt=1), name="deployment_error_bound"),
        ]


class Prediction(models.Model):
    """What one version said of one stored image before the crowd did. ``is_correct`` is filled when the crowd has.

    Written a million at a time: no index that another one covers, and of the foreign keys only the version's is checked
    row by row. The project follows from the version, and PostgreSQL would lock, and so write, each of a million images
    to check theirs; what is written is joined with the images instead, and the next scoring sweeps away what a deletion
    at that very moment left behind.
    """

    project = models.ForeignKey(
        "labeling.Project", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    image = models.ForeignKey("labeling.Image", models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+", db_index=False)
    category = models.CharField(max_length=100)
    probability = models.FloatField()
    uncertainty = models.FloatField()
    novelty = models.FloatField(null=True, blank=True)
    reason = models.CharField(max_length=10, choices=Reason, blank=True)
    is_correct = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    judged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["image", "version"], name="prediction_once")]
        # All that a gallery's page and its counts look at: a category's rows are found in it without their table.
        indexes = [
            models.Index(
                fields=["version", "probability", "image"], include=["category", "is_correct"], name="prediction_sure"
            )
        ]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.category}"


class Sample(models.Model):
    """An image that came with a request and was kept, so that the crowd can say what it shows."""

    NAMED = "request-"  # begins the image's name

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    image = models.OneToOneField("labeling.Image", models.CASCADE, related_name="+")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+")
    reason = models.CharField(max_length=10, choices=Reason)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "-created_at"])]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.get_reason_display()}"


class AutoLabel(models.Model):
    """A label that the model gave, or (``is_audit``) would have given where the crowd is asked to check it."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    image = models.OneToOneField("labeling.Image", models.CASCADE, related_name="+")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+")
    category = models.CharField(max_length=100)
    probability = models.FloatField()
    is_audit = models.BooleanField(default=False)
    is_correct = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["project", "is_audit", "is_correct"])]

    def __str__(self) -> str:
        return f"image {self.image_id}: {self.category}"


class Traffic(models.Model):
    """What one process answered for one version in some seconds. Rows are only added, and summed when read."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    requests = models.PositiveIntegerField(default=0)
    images = models.PositiveIntegerField(default=0)
    latencies = models.JSONField(default=list, help_text=_("Requests per bucket of traffic.BUCKETS."))
    compared = models.PositiveIntegerField(default=0, help_text=_("Images that the challenger answered too."))
    agreed = models.PositiveIntegerField(default=0)
    classes = models.JSONField(default=dict, help_text=_("Category -> images predicted as it."))
    moments = models.JSONField(
        default=dict, help_text=_("Sums of projected features, and how many are novel: see monitoring.drift.")
    )

    class Meta:
        verbose_name_plural = "traffic"
        indexes = [models.Index(fields=["project", "version", "-at"])]

    def __str__(self) -> str:
        return f"project {self.project_id}, version {self.version_id}"


class Drift(models.Model):
    """How far one day's requests were from the version's training images."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+")
    version = models.ForeignKey("training.ModelVersion", models.CASCADE, related_name="+")
    day = models.DateField()
    images = models.PositiveIntegerField()
    feature_distance = models.FloatField()
    feature_limit = models.FloatField(help_text=_("What chance alone stays below 99 times in 100."))
    novel_share = models.FloatField(null=True, help_text=_("Of the images looked at; null where they are too few."))
    novel_limit = models.FloatField(null=True, help_text=_("What chance alone stays within 999 times in 1,000."))
    class_psi = models.FloatField()
    is_alarm = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "day"], name="drift_once_a_day")]

    def __str__(self) -> str:
        return f"project {self.project_id}, version {self.version_id}"


class KeyLimit(models.Model):
    """How many images a key may ask about, and how many it has in this minute and on this day (UTC)."""

    key = models.OneToOneField("labeling.ApiKey", models.CASCADE, related_name="+")
    # A key that was replaced uses up what the one in its place may ask about, as long as that one is there.
    counts_at = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    per_day = models.PositiveIntegerField(null=True, blank=True)
    minute = models.DateTimeField(null=True, blank=True)
    minute_used = models.PositiveIntegerField(default=0)
    day = models.DateField(null=True, blank=True)
    day_used = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"key {self.key_id}"
