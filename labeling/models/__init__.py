"""The rows of the labeling room: a project, its images, and what people said about them.

One file a theme; import them from here. A fact about one row is a method or a constraint there, a verb across rows
lives in ``labeling.services``.
"""

from __future__ import annotations

from labeling.models.job import DiscardedFile, Job, MoreErrors
from labeling.models.judgment import Consensus, ConsensusQuerySet, Judgment, WorkerSkill
from labeling.models.oversight import AuditEntry, Rule, RuleEvent, Webhook, WebhookDelivery
from labeling.models.project import (
    MOST_INSTRUCTIONS,
    MOST_JUDGMENTS,
    Category,
    CategoryExample,
    Project,
    Question,
    SurveyVersion,
)
from labeling.models.task import Assignment, Gold, Image, Task
from labeling.models.worker import ApiKey, Appeal, Departure, Membership, PastWork, Profile, Role

__all__ = [
    "MOST_INSTRUCTIONS",
    "MOST_JUDGMENTS",
    "ApiKey",
    "Appeal",
    "Assignment",
    "AuditEntry",
    "Category",
    "CategoryExample",
    "Consensus",
    "ConsensusQuerySet",
    "Departure",
    "DiscardedFile",
    "Gold",
    "Image",
    "Job",
    "Judgment",
    "Membership",
    "MoreErrors",
    "PastWork",
    "Profile",
    "Project",
    "Question",
    "Role",
    "Rule",
    "RuleEvent",
    "SurveyVersion",
    "Task",
    "Webhook",
    "WebhookDelivery",
    "WorkerSkill",
]
