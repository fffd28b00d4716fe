"""People in a project: their role and record, their profile, their keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from labeling import days
from labeling.models.told import ToldField


class Role(models.TextChoices):
    """What a person may do in one project; each role can do all that the ones after it can."""

    OWNER = "owner", _("Owner")
    MANAGER = "manager", _("Manager")
    REVIEWER = "reviewer", _("Reviewer")
    WORKER = "worker", _("Worker")


class Membership(models.Model):
    class Phase(models.TextChoices):
        INSTRUCTIONS = "instructions", _("Reading the instructions")
        PRACTICE = "practice", _("Practice round")
        QUALIFICATION = "qualification", _("Qualification test")
        WORKING = "working", _("Real tasks")
        FAILED = "failed", _("Did not pass the qualification test")

    # The unique index begins with the project; one more would only mislead a plan to read all of its members.
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="memberships", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role, default=Role.WORKER)
    # The worker's record in this project: written in the submit transaction and by the consensus fit.
    judgment_count = models.PositiveIntegerField(default=0)
    deleted_count = models.PositiveIntegerField(default=0, help_text=_("Of these, about images deleted since."))
    skip_count = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0)
    accuracy = models.FloatField(null=True, blank=True, help_text=_("Estimated by the last consensus fit."))
    gold_seen = models.PositiveIntegerField(default=0)
    gold_right = models.PositiveIntegerField(default=0)
    is_paused = models.BooleanField(default=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_because = ToldField(blank=True)
    warning = ToldField(blank=True, help_text=_("A rule's message, until it is read."))
    phase = models.CharField(max_length=15, choices=Phase, default=Phase.WORKING)
    weight = models.FloatField(default=1, help_text=_("Of the worker's judgments in a consensus; a rule may lower it."))
    earned = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    streak_days = models.PositiveIntegerField(default=0)
    last_day = models.DateField(null=True, blank=True)
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"user {self.user_id}, project {self.project_id}: {self.get_role_display()}"

    @property
    def last_appeal(self) -> Appeal | None:
        return self.appeals.order_by("-id").first()

    @property
    def days_in_a_row(self) -> int:
        """The streak that goes on; 0 after a day without an answer, though the row keeps what it was."""
        yesterday = days.today() - timedelta(days=1)
        return self.streak_days if self.last_day and self.last_day >= yesterday else 0


class Departure(models.Model):
    """What is kept of a person who was taken out of a project: what is owed, how little it counts, and a pause."""

    KEPT = (
        "judgment_count", "deleted_count", "seconds", "earned", "weight", "is_paused", "paused_at", "paused_because",
    )  # fmt: skip

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    judgment_count = models.PositiveIntegerField()
    deleted_count = models.PositiveIntegerField(default=0)
    seconds = models.FloatField()
    earned = models.DecimalField(max_digits=14, decimal_places=4)
    weight = models.FloatField()
    is_paused = models.BooleanField()
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_because = ToldField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="departure_once")]

    def __str__(self) -> str:
        return f"user {self.user_id}, project {self.project_id}"

    @classmethod
    def of(cls, project: Any, user_id: int) -> dict[str, Any]:
        """What the membership of a person who comes back begins with."""
        return cls.objects.filter(project=project, user_id=user_id).values(*cls.KEPT).first() or {}

    @classmethod
    def note(cls, member: Membership) -> None:
        """Before the membership goes."""
        kept = {name: getattr(member, name) for name in cls.KEPT}
        cls.objects.update_or_create(project_id=member.project_id, user_id=member.user_id, defaults=kept)


class PastWork(models.Model):
    """What is kept of a person's work in a project that its owner deleted: it is owed all the same."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    slug = models.CharField(max_length=80)
    judgment_count = models.PositiveIntegerField()
    seconds = models.FloatField()
    earned = models.DecimalField(max_digits=14, decimal_places=4)
    deleted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"user {self.user_id}, {self.slug}, deleted"


class Profile(models.Model):
    """What a person says of themself once, for all projects."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="profile")
    languages = models.JSONField(default=list, blank=True, help_text=_("Language codes, best first."))
    about = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"user {self.user_id}"


class Appeal(models.Model):
    """A paused worker's word against the pause."""

    class State(models.TextChoices):
        OPEN = "open", pgettext_lazy("state", "Open")
        ACCEPTED = "accepted", _("Accepted")
        REJECTED = "rejected", _("Rejected")

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="appeals")
    text = models.TextField(max_length=2000)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    answer = ToldField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["membership"], name="one_open_appeal", condition=Q(state="open"))
        ]

    def __str__(self) -> str:
        return self.text[:80]


class ApiKey(models.Model):
    """A program's or a person's key. Only the SHA-256 of its 256 random bits is stored; the key is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100, blank=True)
    prefix = models.CharField(max_length=12, help_text=_("The first characters, to recognise it by."))
    digest = models.CharField(max_length=64, unique=True)
    of_password = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("The digest of the stored password that it was got by; it ends with that."),
    )
    scopes = models.JSONField(default=list, help_text=_("Any of predict, label, manage."))
    project = models.ForeignKey("labeling.Project", models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    lifetime = models.DurationField(
        null=True, blank=True, help_text=_("How long it was made to last; one that replaces it lasts as long.")
    )

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"
