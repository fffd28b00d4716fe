"""What an owner sets to be told and to be safe: rules for workers, webhooks, and the log of all changes."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.told import ToldField, ToldJSONField


def webhook_secret() -> str:
    return secrets.token_urlsafe(32)


class Rule(models.Model):
    """If <measure> over the worker's last <window> is <below | at least> <threshold>, then <action>.

    Source: Toloka's quality control rules, as data instead of code.
    """

    class Measure(models.TextChoices):
        GOLD_ACCURACY = "gold_accuracy", _("Accuracy on gold")
        AGREEMENT = "agreement", _("Agreement with the consensus")
        MEDIAN_SECONDS = "median_seconds", _("Median seconds per task")
        SKIPS_IN_A_ROW = "skips_in_a_row", _("Skips in a row")
        SAME_IN_A_ROW = "same_in_a_row", _("Same answer in a row")

    class Comparison(models.TextChoices):
        BELOW = "below", _("is below")
        AT_LEAST = "at_least", _("is at least")

    class Action(models.TextChoices):
        WARN = "warn", _("Warn")
        PAUSE = "pause", _("Pause the worker")
        TRAIN = "train", _("Require training")
        WEIGHT = "weight", _("Lower the weight")
        OVERLAP = "overlap", _("Raise the overlap of the worker's tasks")

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="rules")
    measure = models.CharField(max_length=20, choices=Measure)
    window = models.PositiveIntegerField(default=10, help_text=_("Over so many of the worker's last judgments."))
    comparison = models.CharField(max_length=10, choices=Comparison, default=Comparison.BELOW)
    threshold = models.FloatField()
    action = models.CharField(max_length=10, choices=Action)
    value = models.FloatField(null=True, blank=True, help_text=_("The new weight, or how many judgments more."))
    message = models.CharField(max_length=300, blank=True, help_text=_("What the worker reads."))
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        told = f"{self.get_measure_display()} {self.get_comparison_display()} {self.threshold}"
        return f"{told}: {self.get_action_display()}"


class RuleEvent(models.Model):
    """A rule that fired: what it measured and did, kept for the worker's and the owner's eyes."""

    rule = models.ForeignKey(Rule, models.SET_NULL, null=True, related_name="events")
    membership = models.ForeignKey("labeling.Membership", models.CASCADE, related_name="rule_events")
    description = ToldField()
    measured = models.FloatField()
    judgment_count = models.PositiveIntegerField(default=0, help_text=_("The worker's count when it fired."))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["membership", "-id"])]

    def __str__(self) -> str:
        return str(self.description)


class AuditEntry(models.Model):
    """Who changed which setting of a project, from what to what."""

    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="audit")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=60)
    changes = ToldJSONField(default=dict, help_text=_('{"field": [before, after]}'))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["project", "-id"])]

    def __str__(self) -> str:
        return f"{self.action}, project {self.project_id}"


class Webhook(models.Model):
    project = models.ForeignKey("labeling.Project", models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=100, default=webhook_secret)
    events = models.JSONField(default=list, help_text=_("Names of events; empty means all."))
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Given up")

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=40)
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = ToldField(blank=True)
    next_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        indexes = [
            # The oldest that waits is found however many have been delivered.
            models.Index(fields=["id"], condition=models.Q(state="waiting"), name="webhook_waiting"),
            models.Index(fields=["webhook", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.get_state_display()}"
