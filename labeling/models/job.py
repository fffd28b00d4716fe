"""A long piece of work that a person waits for."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import ExpressionWrapper, F, Func
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.told import ToldField, ToldJSONField


class JobQuerySet(models.QuerySet["Job"]):
    def live(self) -> JobQuerySet:
        """Those that have not ended."""
        return self.filter(state__in=Job.LIVE)

    def with_first_errors(self) -> JobQuerySet:
        """With ``first_errors``, ten at most, in place of ``errors``: of a page of jobs these were megabytes."""
        first = Func(F("errors"), template="jsonb_path_query_array(%(expressions)s, '$[0 to 9]')")
        return self.defer("errors").annotate(first_errors=ExpressionWrapper(first, ToldJSONField()))


class Job(models.Model):
    """A long piece of work that a person waits for: an import, an export."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    LIVE = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="jobs")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=40)
    actor = models.CharField(max_length=80, blank=True, help_text=_("Which actor to send it to again when stuck."))
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    progress = models.FloatField(default=0)
    message = ToldField(blank=True)
    arguments = models.JSONField(default=dict)
    result = ToldJSONField(default=dict)
    errors = ToldJSONField(default=list)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["project", "-created_at"]), models.Index(fields=["state", "heartbeat_at"])]

    def __str__(self) -> str:
        return f"{self.kind}, {self.state}"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE


class MoreErrors(models.Model):
    """What a job refused beyond those in its own row, which is written again with each part of the work: one row a
    part, written once.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="more_errors")
    errors = ToldJSONField(default=list)

    def __str__(self) -> str:
        return f"{len(self.errors)} refused"


class DiscardedFile(models.Model):
    """A stored file that is to go unless something refers to it again; see ``labeling.upkeep.discarding``."""

    name = models.CharField(max_length=300, help_text="Of a file, or a folder of waiting uploads and a /.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the image that it belonged to.")
    due_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"])]

    def __str__(self) -> str:
        return self.name
