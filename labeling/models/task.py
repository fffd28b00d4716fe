"""An image, the tasks it gives, what is known of them, and the leases on them.

The database enforces what must never happen: more leases than slots, one worker twice on one task.

A foreign key has no index of its own where another index begins with it, and where a row repeats its task's project
the task's key is the constraint: each claim and each answer pays for every index, and a check of the project would lock
the one row that all workers of it share.
"""

from __future__ import annotations

import random
import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from labeling.models.told import ToldField

# What orders the open tasks: up to 2 a model, above that and up to this what is asked back (an audit, an answer that
# somebody called wrong). What people of the project want first comes before both.
ASKED_BACK = 3.0


def random_key() -> float:
    """A uniform number in [0, 1): the tie-breaker of the claim order, so that no query sorts by RANDOM()."""
    return random.random()


class Image(models.Model):
    """One picture of one project, content-addressed: the same bytes twice are one row.

    ``width`` and ``height`` are natural pixels after EXIF transposition, the space in which boxes are stored.
    ``original``, ``display`` (at most 1600 px, what a worker sees) and ``thumbnail`` (320 px) are storage names.
    """

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="images", db_index=False)
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    byte_count = models.PositiveBigIntegerField()
    original = models.CharField(max_length=300)
    display = models.CharField(max_length=300)
    thumbnail = models.CharField(max_length=300)
    metadata = models.JSONField(default=dict, blank=True, db_default={}, help_text=_("What a manifest said of it."))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="image_bytes_once_per_project")]
        # The second is for files that no row refers to any more: they are looked for in all projects.
        indexes = [models.Index(fields=["project", "name"]), models.Index(fields=["sha256"])]

    def __str__(self) -> str:
        return self.name


class Task(models.Model):
    """One image at one stage, waiting for judgments from different workers."""

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("state", "Open")
        RETIRED = "retired", _("Retired")

    class Because(models.TextChoices):
        CONFIDENT = "confident", _("The label is sure enough")
        MAXIMUM = "maximum", _("The maximum of judgments is reached")
        BUDGET = "budget", _("The budget is spent")
        PERSON = "person", _("A person decided")
        GOLD = "gold", _("The answer was given with the image")
        MODEL = "model", _("The model was sure enough")

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="tasks", db_index=False)
    image = models.ForeignKey(Image, models.CASCADE, related_name="tasks", db_index=False)
    stage = models.CharField(max_length=30, default="label")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    retired_because = models.CharField(max_length=12, choices=Because, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    priority = models.FloatField(default=0, help_text=_("Higher is sooner; a model's uncertainty raises it."))
    random = models.FloatField(default=random_key)
    # Judgments that this task wants now: starts at the project's minimum, grows while it is not confident.
    wanted = models.PositiveSmallIntegerField(default=3)
    # With fewer it stays open, however sure: a person or a rule asked for so many.
    asked_for = models.PositiveSmallIntegerField(default=0, db_default=0)
    judgment_count = models.PositiveSmallIntegerField(default=0)
    open_slots = models.PositiveSmallIntegerField(default=3, help_text=_("wanted - judgments - live leases"))
    is_gold = models.BooleanField(default=False)
    payload = models.JSONField(
        default=dict, blank=True, help_text=_("What the stage shows beside the image: boxes to verify, a suggestion.")
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "stage"], name="task_once_per_image_and_stage"),
            models.CheckConstraint(
                condition=Q(state="open", retired_because="") | (Q(state="retired") & ~Q(retired_because="")),
                name="task_retirement_has_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(open_slots__lte=F("wanted") - F("judgment_count")), name="task_slots_within_wanted"
            ),
            models.CheckConstraint(condition=Q(judgment_count__lte=F("wanted")), name="task_not_over_collected"),
        ]
        indexes = [
            # The claim order: only open tasks with a free slot are in this index, so it stays small.
            models.Index(
                F("project"),
                F("priority").desc(),
                F("random"),
                F("id"),
                name="task_claim_order",
                condition=Q(state="open", open_slots__gt=0),
            ),
            models.Index(fields=["project", "state", "id"]),
            models.Index(fields=["project", "random"], name="task_gold_order", condition=Q(is_gold=True)),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.stage})"


class Gold(models.Model):
    """What is known of one task: question key -> answer.

    A check says of the labels how far they are right. People are not asked about it, and not measured by it: it was
    chosen because they disagree, so good people are often wrong there.
    """

    class Use(models.TextChoices):
        HIDDEN = "hidden", _("Hidden among real tasks")
        PRACTICE = "practice", _("Practice, with instant feedback")
        QUALIFICATION = "qualification", _("Qualification test")
        CHECK = "check", _("A check of labels, which nobody is asked about")

    task = models.OneToOneField(Task, models.CASCADE, related_name="gold")
    answers = models.JSONField()
    use = models.CharField(max_length=15, choices=Use, default=Use.HIDDEN)
    explanation = models.TextField(blank=True, help_text=_("Shown after a practice answer."))
    position = models.PositiveIntegerField(default=0)
    source = models.CharField(max_length=100, blank=True)

    def __str__(self) -> str:
        return f"task {self.task_id}: {self.get_use_display()}"


class Assignment(models.Model):
    """A worker's lease on one slot of a task."""

    class State(models.TextChoices):
        LEASED = "leased", _("Leased")
        SUBMITTED = "submitted", _("Submitted")
        SKIPPED = "skipped", _("Skipped")
        RELEASED = "released", _("Released")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        EXPIRED = "expired", _("Expired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    task = models.ForeignKey(Task, models.CASCADE, related_name="assignments")
    project = models.ForeignKey(
        "labeling.Project", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    slot = models.PositiveSmallIntegerField()
    survey_version = models.PositiveIntegerField(
        default=1, help_text=_("The form that was handed out: its answer is checked against this version.")
    )
    price = models.DecimalField(
        max_digits=8,
        decimal_places=4,
        null=True,
        help_text=_("What its answer earns, whatever is paid for later ones."),
    )
    state = models.CharField(max_length=10, choices=State, default=State.LEASED)
    reason = ToldField(blank=True, help_text=_("Why it was skipped or released."))
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task", "slot"], name="assignment_slot_once", condition=Q(state__in=["leased", "submitted"])
            ),
            models.UniqueConstraint(
                fields=["task", "worker"],
                name="assignment_worker_once",
                condition=Q(state__in=["leased", "submitted", "skipped"]),
            ),
        ]
        indexes = [
            models.Index(
                fields=["worker", "project", "created_at"], name="assignment_live", condition=Q(state="leased")
            ),
            models.Index(fields=["expires_at"], name="assignment_expiry", condition=Q(state="leased")),
        ]

    def __str__(self) -> str:
        return f"task {self.task_id}, user {self.worker_id}: {self.get_state_display()}"
