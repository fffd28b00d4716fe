"""The log of changes: who changed what in a project, from what to what. Worker-side."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from labeling.models import AuditEntry, Gold, Project, Role, Rule

# What each action is called on the page; programs read the key. The rooms above add theirs.
ACTIONS: dict[str, Any] = {
    "created": _("Created the project"),
    "copied_from": _("Copied it from another project"),
    "copied": _("Copied the project"),
    "archived": _("Archived the project"),
    "unarchived": _("Reopened the project"),
    "settings": _("Changed settings"),
    "invite_renewed": _("Renewed the invitation link"),
    "survey": _("Changed the survey"),
    "rule_added": _("Added a rule"),
    "rule_changed": _("Changed a rule"),
    "rule_removed": _("Removed a rule"),
    "webhook_added": _("Added a webhook"),
    "webhook_changed": _("Changed a webhook"),
    "webhook_removed": _("Removed a webhook"),
    "webhook_secret_replaced": _("Replaced a webhook's secret"),
    "webhook_sent_again": _("Sent to a webhook again what was given up"),
    "key_created": _("Made a key"),
    "key_made": _("Made a key"),  # as the serving page once wrote it
    "key_revoked": _("Revoked a key"),
    "member_added": _("Added a person"),
    "member_changed": _("Changed a person's role"),
    "member_removed": _("Removed a person"),
    "handed_over": _("Handed the project over"),
    "worker_paused": _("Paused a worker"),
    "worker_resumed": _("Let a worker go on"),
    "worker_weighed": _("Set a worker's weight"),
    "appeal_decided": _("Decided an appeal"),
    "decided": _("Decided a task"),
    "retired": _("Retired a task"),
    "reopened": _("Reopened a task"),
    "tasks_changed": _("Changed the tasks of many labels"),
    "images_deleted": _("Deleted images"),
    "gold_set": _("Made a task's answer known"),
    "gold_removed": _("Made a task's answer unknown again"),
    "box_golds_made": _("Made gold of boxes"),
    "example_added": _("Added an example picture"),
    "example_changed": _("Changed an example picture"),
    "example_removed": _("Removed an example picture"),
}

# What is called what: forms add the names of their fields, those of the rooms above too. In this order they are shown.
FIELDS: dict[str, Any] = {
    "project": _("Project"),
    "username": _("Person"),
    "role": _("Role"),
    "because": _("Why"),
    "accepted": _("Accepted"),
    "weight": _("Weight"),
    "task": _("Task"),
    "count": _("How many"),
    "change": pgettext_lazy("noun", "Change"),
    "question": _("Question"),
    "answer": _("Answer"),
    "answers": _("Answers"),
    "said": _("Somebody said"),
    "final": _("Final"),
    "below": _("Less sure than"),
    "differs": _("Not the majority's"),
    "use": _("What it is for"),
    "category": _("Category"),
    "categories": _("Categories"),
    "questions": _("Questions"),
    "language": _("Language"),
    "translations": _("Translations"),
    "description": _("Description"),
    "parent": _("Belongs to"),
    "prompt": _("Question"),
    "help_text": _("Help"),
    "kind": _("Kind"),
    "required": _("An answer is required"),
    "options": _("Options"),
    "show_if": _("Ask only if"),
    "shows": _("What it shows"),
    "rule": _("Rule"),
    "is_active": _("Turned on"),
    "url": _("Address"),
    "events": _("Events"),
    "prefix": _("Begins with"),
    "scopes": pgettext_lazy("what a key allows", "May"),
    "version": _("Version"),
    "workflow": _("Workflow"),
    "champion": _("Champion"),
    "challenger": _("Challenger"),
    "reason": _("Why"),
}
# What the values of a field are called; likewise.
VALUES: dict[str, Mapping[str, Any]] = {
    "access": dict(Project.Access.choices),
    "workflow": dict(Project.Workflow.choices),
    "role": dict(Role.choices),
    "use": dict(Gold.Use.choices),
    "measure": dict(Rule.Measure.choices),
    "comparison": dict(Rule.Comparison.choices),
    "action": dict(Rule.Action.choices),
}
# The fields that are shares, and are read as percentages; forms add theirs.
SHARES = {"below"}


def write(*, project: Project, user: Any, action: str, changes: Mapping[str, Any] | None = None) -> None:
    """Add an entry; ``changes`` maps a field to ``[before, after]``, or to one value where there is no before."""
    user_id = getattr(user, "pk", None)
    values = {name: _plain(value) for name, value in (changes or {}).items()}
    AuditEntry.objects.create(project=project, user_id=user_id, action=action, changes=values)


def differences(row: models.Model, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The fields of ``values`` that differ from the row: ``{field: [before, after]}``."""
    return {name: [getattr(row, name), value] for name, value in values.items() if getattr(row, name) != value}


def _plain(value: Any) -> Any:
    """JSON has no decimals and no moments."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, decimal.Decimal | datetime.date | datetime.time):  # a datetime is a date, too
        return str(value)
    if isinstance(value, models.Model):
        return value.pk
    return value
