"""The rows of the labeling room: a project, its images, and what people said about them.

The database enforces what must never happen (two judgments of one worker on one task, more leases than slots);
verbs across rows live in ``services.py``.
"""

from __future__ import annotations

import decimal
import random
import secrets
import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.questions.kind import CANT_TELL


def random_key() -> float:
    """A uniform number in [0, 1): the tie-breaker of the claim order, so that no query sorts by RANDOM()."""
    return random.random()


def invite_token() -> str:
    return secrets.token_urlsafe(16)


class Role(models.TextChoices):
    """What a person may do in one project; each role can do all that the ones after it can."""

    OWNER = "owner", _("Owner")
    MANAGER = "manager", _("Manager")
    REVIEWER = "reviewer", _("Reviewer")
    WORKER = "worker", _("Worker")


class Project(models.Model):
    class Access(models.TextChoices):
        OPEN = "open", _("Anyone signed in may label")
        INVITED = "invited", _("Only people who were invited")

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    instructions = models.TextField(blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    access = models.CharField(max_length=10, choices=Access, default=Access.INVITED)
    invite = models.CharField(max_length=40, default=invite_token, unique=True)
    survey_version = models.PositiveIntegerField(default=1)
    judgments_min = models.PositiveSmallIntegerField(default=3)
    judgments_max = models.PositiveSmallIntegerField(default=7)
    confidence = models.FloatField(default=0.95, help_text=_("A task retires when its posterior reaches this."))
    aggregator = models.CharField(max_length=30, default="adaptive")
    lease_seconds = models.PositiveIntegerField(default=600)
    price_per_judgment = models.DecimalField(max_digits=8, decimal_places=4, default=0)
    budget = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    gold_rate = models.FloatField(default=0.1, help_text=_("Share of claims that are hidden gold, where there is any."))
    is_paused = models.BooleanField(default=False)
    is_demo = models.BooleanField(default=False)
    # Denormalised in the transaction that causes them, so that no page counts judgments.
    image_count = models.PositiveIntegerField(default=0)
    task_count = models.PositiveIntegerField(default=0)
    retired_count = models.PositiveIntegerField(default=0)
    judgment_count = models.PositiveIntegerField(default=0)
    # Grows with every judgment made, withdrawn or imported; the full fit writes down what it has seen.
    answers_version = models.PositiveBigIntegerField(default=0)
    fitted_version = models.PositiveBigIntegerField(default=0)
    fitted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(judgments_min__gte=1), name="project_judgments_min_positive"),
            models.CheckConstraint(
                condition=Q(judgments_max__gte=F("judgments_min")), name="project_judgments_max_not_below_min"
            ),
            models.CheckConstraint(condition=Q(confidence__gt=0, confidence__lt=1), name="project_confidence_in_0_1"),
        ]

    def __str__(self) -> str:
        return self.name

    def primary_question(self) -> Question | None:
        """The question a classifier learns: the first that has one answer out of several."""
        return self.questions.filter(kind__in=["single_choice", "yes_no"]).order_by("position", "id").first()

    @property
    def cost(self) -> decimal.Decimal:
        return self.judgment_count * self.price_per_judgment

    @property
    def is_spent(self) -> bool:
        """Whether one more judgment would not fit into the budget."""
        return self.budget is not None and self.cost + self.price_per_judgment > self.budget


class Membership(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.WORKER)
    # The worker's record in this project: written in the submit transaction and by the consensus fit.
    judgment_count = models.PositiveIntegerField(default=0)
    skip_count = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    accuracy = models.FloatField(null=True, blank=True, help_text=_("Estimated by the last consensus fit."))
    gold_seen = models.PositiveIntegerField(default=0)
    gold_right = models.PositiveIntegerField(default=0)
    is_paused = models.BooleanField(default=False)
    paused_because = models.CharField(max_length=300, blank=True)
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]


class Category(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="categories")
    key = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")

    class Meta:
        ordering = ["position", "id"]
        verbose_name_plural = "categories"
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="category_key_once")]


class Question(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="questions")
    key = models.SlugField(max_length=60)
    kind = models.CharField(max_length=30, help_text=_("A key of labeling.questions.KINDS."))
    prompt = models.CharField(max_length=500)
    help_text = models.TextField(blank=True)
    required = models.BooleanField(default=True)
    options = models.JSONField(default=dict, blank=True, help_text=_("What the kind needs: its own checked shape."))
    show_if = models.JSONField(null=True, blank=True)
    position = models.PositiveIntegerField(default=0)
    fit = models.JSONField(default=dict, blank=True, help_text=_("What the last full fit believes of the crowd."))

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="question_key_once")]

    def choices(self) -> list[dict[str, str]]:
        """The answers to choose from, ``[{"key", "name"}]``: the question's own, else the project's categories."""
        own = self.options.get("choices")
        if own:
            return [{"key": choice["key"], "name": choice.get("name", choice["key"])} for choice in own]
        return [{"key": key, "name": name} for key, name in self.project.categories.values_list("key", "name")]


class WorkerSkill(models.Model):
    """What the last full fit says of one worker at one question: read by the update at each submit."""

    question = models.ForeignKey(Question, models.CASCADE, related_name="skills")
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    accuracy = models.FloatField()
    confusion = models.JSONField(null=True, blank=True, help_text=_("Rows are the truth; null above 50 classes."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["question", "worker"], name="skill_once")]


class Image(models.Model):
    """One picture of one project, content-addressed: the same bytes twice are one row.

    ``width`` and ``height`` are natural pixels after EXIF transposition, the space in which boxes are stored.
    ``original``, ``display`` (at most 1600 px, what a worker sees) and ``thumbnail`` (320 px) are storage names.
    """

    project = models.ForeignKey(Project, models.CASCADE, related_name="images")
    sha256 = models.CharField(max_length=64)
    name = models.CharField(max_length=300)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    byte_count = models.PositiveBigIntegerField()
    original = models.CharField(max_length=300)
    display = models.CharField(max_length=300)
    thumbnail = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "sha256"], name="image_bytes_once_per_project")]
        indexes = [models.Index(fields=["project", "name"])]


class Task(models.Model):
    """One image at one stage, waiting for judgments from different workers."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        RETIRED = "retired", _("Retired")

    class Because(models.TextChoices):
        CONFIDENT = "confident", _("The posterior is confident enough")
        MAXIMUM = "maximum", _("The maximum of judgments is reached")
        BUDGET = "budget", _("The budget is spent")
        PERSON = "person", _("A person decided")
        GOLD = "gold", _("The answer was given with the image")

    project = models.ForeignKey(Project, models.CASCADE, related_name="tasks")
    image = models.ForeignKey(Image, models.CASCADE, related_name="tasks")
    stage = models.CharField(max_length=30, default="label")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    retired_because = models.CharField(max_length=12, choices=Because, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    priority = models.FloatField(default=0, help_text=_("Higher is sooner; a model's uncertainty raises it."))
    random = models.FloatField(default=random_key)
    # Judgments that this task wants now: starts at the project's minimum, grows while it is not confident.
    wanted = models.PositiveSmallIntegerField(default=3)
    judgment_count = models.PositiveSmallIntegerField(default=0)
    open_slots = models.PositiveSmallIntegerField(default=3, help_text=_("wanted - judgments - live leases"))
    is_gold = models.BooleanField(default=False)
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


class Gold(models.Model):
    """A known answer of one question on one task; ``answers`` maps question keys to answers."""

    task = models.OneToOneField(Task, models.CASCADE, related_name="gold")
    answers = models.JSONField()
    source = models.CharField(max_length=100, blank=True)


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
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    slot = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.LEASED)
    reason = models.CharField(max_length=300, blank=True, help_text=_("Why it was skipped or released."))
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
            models.UniqueConstraint(
                fields=["project", "worker"], name="assignment_one_live_lease", condition=Q(state="leased")
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="assignment_expiry", condition=Q(state="leased")),
        ]


class Judgment(models.Model):
    """One worker's answers to one task. Append-only: an undo withdraws, it never deletes."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="judgments")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    assignment = models.OneToOneField(Assignment, models.PROTECT, null=True, blank=True, related_name="judgment")
    answers = models.JSONField(help_text=_("Question key -> answer, as the question kind defines it."))
    seconds = models.FloatField(null=True, blank=True)
    survey_version = models.PositiveIntegerField(default=1)
    source = models.CharField(max_length=20, default="worker", help_text=_("worker | import"))
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task", "worker"], name="judgment_once_per_worker", condition=Q(withdrawn_at=None)
            )
        ]
        indexes = [models.Index(fields=["project", "id"]), models.Index(fields=["worker", "project", "id"])]


class ConsensusQuerySet(models.QuerySet["Consensus"]):
    def for_training(self, project: Project) -> ConsensusQuerySet:
        """What a classifier may learn: final answers of the primary question, without "can't tell"."""
        return self.filter(project=project, question=project.primary_question(), is_final=True).exclude(
            answer=CANT_TELL
        )


class Consensus(models.Model):
    """What the judgments of a task say together about one question, with how sure that is."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="consensus")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    question = models.ForeignKey(Question, models.CASCADE, related_name="+")
    answer = models.JSONField()
    confidence = models.FloatField()
    posterior = models.JSONField(default=dict, help_text=_("Category key -> probability; sums to 1."))
    method = models.CharField(max_length=30)
    judgment_count = models.PositiveSmallIntegerField(default=0)
    is_final = models.BooleanField(default=False, help_text=_("The task is retired: training may use it."))
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConsensusQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "question"], name="consensus_once")]
        indexes = [models.Index(fields=["project", "question", "is_final", "id"])]


class Job(models.Model):
    """A long piece of work that a person waits for: an import, an export."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="jobs")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    progress = models.FloatField(default=0)
    message = models.CharField(max_length=500, blank=True)
    arguments = models.JSONField(default=dict)
    result = models.JSONField(default=dict)
    errors = models.JSONField(default=list)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["project", "-created_at"]), models.Index(fields=["state", "heartbeat_at"])]


class ApiKey(models.Model):
    """A program's or a person's key. Only the SHA-256 of its 256 random bits is stored; the key is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text=_("The first characters, to recognise it by."))
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list, help_text=_("Any of predict, label, manage."))
    project = models.ForeignKey(Project, models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
