"""A project: what is asked, about which categories, of how many people, at what price."""

from __future__ import annotations

import decimal
import secrets
from typing import Any

from django.conf import settings
from django.core.validators import MaxLengthValidator, MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.questions import CLASSED, KINDS

MOST_JUDGMENTS = 1000
MOST_INSTRUCTIONS = 50_000  # characters; they go out with each list of projects
SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def invite_token() -> str:
    return secrets.token_urlsafe(16)


class LiveProjects(models.Manager["Project"]):
    """Without those that are deleted and whose rows are still on their way out; see ``labeling.upkeep.purging``."""

    def get_queryset(self) -> models.QuerySet[Project]:
        return super().get_queryset().filter(deleted_at=None)

    def at_work(self) -> models.QuerySet[Project]:
        """Without those that are archived: what the platform does by itself, it does for these."""
        return self.filter(archived_at=None)


class Project(models.Model):
    class Access(models.TextChoices):
        OPEN = "open", _("Anyone signed in may label")
        INVITED = "invited", _("Only people who were invited")

    class Workflow(models.TextChoices):
        LABEL = "label", _("Each image is asked about once, by several people")
        THREE_STAGE_BOXES = "three_stage_boxes", _("Draw a box, verify its quality, verify coverage")

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    instructions = models.TextField(blank=True, validators=[MaxLengthValidator(MOST_INSTRUCTIONS)])
    languages = models.JSONField(default=list, blank=True, help_text=_("Language codes a worker should know."))
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    access = models.CharField(max_length=10, choices=Access, default=Access.INVITED)
    invite = models.CharField(max_length=40, default=invite_token, unique=True)
    workflow = models.CharField(max_length=20, choices=Workflow, default=Workflow.LABEL)
    survey_version = models.PositiveIntegerField(default=1)
    judgments_min = models.PositiveSmallIntegerField(
        default=3, validators=[MinValueValidator(1), MaxValueValidator(MOST_JUDGMENTS)]
    )
    judgments_max = models.PositiveSmallIntegerField(default=7, validators=[MaxValueValidator(MOST_JUDGMENTS)])
    confidence = models.FloatField(default=0.95, help_text=_("A task retires when its posterior reaches this."))
    aggregator = models.CharField(max_length=30, default="adaptive")
    stopping = models.CharField(
        max_length=20, default="confidence", help_text=_("Which policy says that a task has heard enough.")
    )
    lease_seconds = models.PositiveIntegerField(
        default=600, validators=[MinValueValidator(1), MaxValueValidator(7 * 86_400)]
    )
    price_per_judgment = models.DecimalField(
        max_digits=8, decimal_places=4, default=0, validators=[MinValueValidator(0)]
    )
    budget = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    gold_rate = models.FloatField(
        default=0.1, validators=SHARE, help_text=_("Share of claims that are hidden gold, where there is any.")
    )
    qualification_share = models.FloatField(
        default=0.8, validators=SHARE, help_text=_("Share of the qualification test to get right.")
    )
    show_suggestions = models.BooleanField(default=False, help_text=_("Show the model's answer as a suggestion."))
    blind_share = models.FloatField(
        default=0.2, validators=SHARE, help_text=_("Share of tasks without it, so anchoring shows.")
    )
    is_paused = models.BooleanField(default=False)
    is_demo = models.BooleanField(default=False)
    # Denormalised in the transaction that causes them, so that no page counts judgments.
    image_count = models.PositiveIntegerField(default=0)
    task_count = models.PositiveIntegerField(default=0)
    retired_count = models.PositiveIntegerField(default=0)
    judgment_count = models.PositiveIntegerField(default=0)
    gold_count = models.PositiveIntegerField(default=0)
    rule_count = models.PositiveIntegerField(default=0)
    webhook_count = models.PositiveIntegerField(default=0)
    spent = models.DecimalField(max_digits=14, decimal_places=4, default=0)
    # Grows with every judgment made, withdrawn or imported; the full fit writes down what it has seen.
    answers_version = models.PositiveBigIntegerField(default=0)
    fitted_version = models.PositiveBigIntegerField(default=0)
    fitted_at = models.DateTimeField(null=True, blank=True)
    fit_started_at = models.DateTimeField(null=True, blank=True, help_text=_("A full fit is under way since."))
    created_at = models.DateTimeField(default=timezone.now)
    archived_at = models.DateTimeField(null=True, blank=True, help_text=_("Since then it is read-only and rests."))
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LiveProjects()
    with_deleted = models.Manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(judgments_min__gte=1), name="project_judgments_min_positive"),
            models.CheckConstraint(
                condition=Q(judgments_max__gte=F("judgments_min")), name="project_judgments_max_not_below_min"
            ),
            models.CheckConstraint(condition=Q(confidence__gt=0, confidence__lt=1), name="project_confidence_in_0_1"),
            models.CheckConstraint(condition=Q(gold_rate__gte=0, gold_rate__lte=1), name="project_gold_rate_in_0_1"),
        ]

    def __str__(self) -> str:
        return self.name

    def primary_question(self) -> Question | None:
        """The question a classifier learns: the first that has one answer out of several."""
        return self.questions.learnable().first()

    @property
    def in_stages(self) -> bool:
        """Whether boxes are drawn, and verified in later tasks of the same image."""
        return self.workflow == self.Workflow.THREE_STAGE_BOXES

    def frozen_survey(self) -> dict[str, Any]:
        """The document of the survey's version; empty before there is the first."""
        rows = self.survey_versions.filter(version=self.survey_version)
        return rows.values_list("document", flat=True).first() or {}

    @property
    def finished(self) -> tuple[int, int]:
        """(done, all) of the tasks; of the images where one finished task opens the next, which has the work grow.

        An image that is not done has one open task in such a workflow, so the open ones tell the images that wait.
        """
        if self.in_stages:
            return max(self.image_count - (self.task_count - self.retired_count), 0), self.image_count
        return self.retired_count, self.task_count

    @property
    def cost(self) -> decimal.Decimal:
        """What the judgments so far have cost, each at the price of its day."""
        return decimal.Decimal(self.spent)

    @property
    def is_spent(self) -> bool:
        """Whether one more judgment would not fit into the budget."""
        return self.budget is not None and self.spent + self.price_per_judgment > self.budget


class Category(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="categories")
    key = models.CharField(max_length=100)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    wordnet_id = models.CharField(max_length=20, blank=True, help_text=_("As ImageNet names it: n02084071."))
    position = models.PositiveIntegerField(default=0)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")

    class Meta:
        ordering = ["position", "id"]
        verbose_name_plural = "categories"
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="category_key_once")]

    def __str__(self) -> str:
        return self.name


class CategoryExample(models.Model):
    """A picture that shows workers what a category means; not an image of the project: nobody is asked about it."""

    category = models.ForeignKey(Category, models.CASCADE, related_name="examples")
    file = models.CharField(max_length=200, help_text=_("Its name in the storage: an upright JPEG."))
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    alt = models.CharField(max_length=300, blank=True, help_text=_("What it shows, for those who cannot see it."))
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["category", "file"], name="category_example_once")]

    def __str__(self) -> str:
        return self.alt or self.file


class QuestionQuerySet(models.QuerySet["Question"]):
    def learnable(self) -> QuestionQuerySet:
        """Those that a classifier can learn, the project's primary question first."""
        return self.filter(kind__in=CLASSED, stage="label").order_by("position", "id")


class Question(models.Model):
    project = models.ForeignKey(Project, models.CASCADE, related_name="questions")
    key = models.SlugField(max_length=60)
    kind = models.CharField(max_length=30, help_text=_("A key of labeling.questions.KINDS."))
    prompt = models.CharField(max_length=500)
    help_text = models.TextField(blank=True)
    required = models.BooleanField(default=True)
    options = models.JSONField(default=dict, blank=True, help_text=_("What the kind needs: its own checked shape."))
    show_if = models.JSONField(null=True, blank=True)
    stage = models.CharField(max_length=20, default="label", help_text=_("The stage of the workflow that asks it."))
    position = models.PositiveIntegerField(default=0)
    fit = models.JSONField(default=dict, blank=True, help_text=_("What the last full fit believes of the crowd."))

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="question_key_once")]

    def __str__(self) -> str:
        return self.key

    @property
    def statistic(self) -> str:
        """How judgments of it are combined, as its kind says."""
        return KINDS[self.kind].statistic

    def choices(self) -> list[dict[str, str]]:
        """The answers to choose from, ``[{"key", "name"}]``: the question's own, else the project's categories."""
        own = self.options.get("choices")
        if own:
            return [{"key": choice["key"], "name": choice.get("name", choice["key"])} for choice in own]
        return [{"key": key, "name": name} for key, name in self.project.categories.values_list("key", "name")]


class SurveyVersion(models.Model):
    """The questions and categories as they stood: every judgment knows which version it answered."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="survey_versions")
    version = models.PositiveIntegerField()
    document = models.JSONField(help_text=_('{"categories": […], "questions": […]}'))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="survey_version_once")]

    def __str__(self) -> str:
        return f"version {self.version}, project {self.project_id}"
