"""What people said, what it means together, and how far each of them is to be trusted."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import GreaterThan
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from labeling.models.asked import ruled_out
from labeling.models.project import Project
from labeling.questions.kind import CANT_TELL


class Judgment(models.Model):
    """One worker's answers to one task. Append-only: an undo withdraws, it never deletes."""

    task = models.ForeignKey("labeling.Task", models.CASCADE, related_name="judgments")
    # As the task's: see labeling.models.task on keys without index or constraint.
    project = models.ForeignKey(
        "labeling.Project", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_index=False)
    assignment = models.OneToOneField(
        "labeling.Assignment", models.CASCADE, null=True, blank=True, related_name="judgment"
    )
    answers = models.JSONField(help_text=_("Question key -> answer, as the question kind defines it."))
    seconds = models.FloatField(null=True, blank=True)
    survey_version = models.PositiveIntegerField(default=1)
    language = models.CharField(
        max_length=12,
        blank=True,
        default="",
        db_default="",
        help_text=_("In which language the questions were shown, where the survey has several."),
    )
    source = models.CharField(max_length=20, default="worker", help_text=_("worker | import"))
    is_gold = models.BooleanField(default=False, help_text=_("Made on a task whose answer was known."))
    is_practice: bool | None = None  # not stored: by the lease that it was just given under
    price = models.DecimalField(max_digits=8, decimal_places=4, default=0)
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["task", "worker"], name="judgment_once_per_worker", condition=Q(withdrawn_at=None)
            )
        ]
        indexes = [models.Index(fields=["project", "id"]), models.Index(fields=["worker", "project", "id"])]

    def __str__(self) -> str:
        return f"task {self.task_id}, user {self.worker_id}"


TIE = 1e-5  # shares of votes are kept with six digits


def _of_majority(*path: Any) -> Coalesce:
    """A number of the plain majority's view at the last full fit; 0 where there is none."""
    found = Func(F("others"), Value("majority"), *path, function="jsonb_extract_path_text")
    return Coalesce(Cast(found, models.FloatField()), 0.0)


class ConsensusQuerySet(models.QuerySet["Consensus"]):
    def asked(self, project: Project) -> ConsensusQuerySet:
        """Without those of this project that its labels of other questions rule out: whose image is labeled a cat has
        no label of a dog's collar, whatever those have said who took it for a dog.
        """
        out = ruled_out(self, list(project.questions.only("key", "show_if")))
        return self if out is None else self.exclude(out)

    def differing_from_majority(self, differing: bool = True) -> ConsensusQuerySet:
        """Where another label has more of the votes than the row's own, or all other rows.

        By what the last full fit kept of the votes: of questions with classes, where the method is another than
        majority. Of labels with as many votes each none differs, nor does gold, which is no word of the crowd.
        """
        text = Func(F("answer"), template="(%(expressions)s #>> '{}')", output_field=models.TextField())
        said = [When(answer=True, then=Value("yes")), When(answer=False, then=Value("no"))]
        label = Case(*said, default=text, output_field=models.TextField())
        ahead = _of_majority(Value("confidence")) - _of_majority(Value("posterior"), label)
        differs = GreaterThan(ahead, TIE) & ~Q(method="gold")
        return self.filter(differs) if differing else self.exclude(differs)

    def for_training(self, project: Project) -> ConsensusQuerySet:
        """What a classifier may learn: final answers of the primary question, without "can't tell".

        What a model labeled is left out: a classifier that learns its own answers drifts onto its belief.
        """
        final = self.filter(project=project, question=project.primary_question(), is_final=True).asked(project)
        return final.exclude(answer=CANT_TELL).exclude(method="model")


class Consensus(models.Model):
    """What the judgments of a task say together about one question, with how sure that is."""

    task = models.ForeignKey("labeling.Task", models.CASCADE, related_name="consensus", db_index=False)
    project = models.ForeignKey(
        "labeling.Project", models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    question = models.ForeignKey("labeling.Question", models.CASCADE, related_name="+")
    answer = models.JSONField()
    confidence = models.FloatField()
    posterior = models.JSONField(default=dict, help_text=_("Category key -> probability; sums to 1."))
    method = models.CharField(max_length=30)
    others = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("Other aggregators' views at the last full fit: answer, confidence, posterior."),
    )
    judgment_count = models.PositiveSmallIntegerField(default=0)
    is_final = models.BooleanField(default=False, help_text=_("The task is retired: training may use it."))
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    objects = ConsensusQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "consensus"
        constraints = [models.UniqueConstraint(fields=["task", "question"], name="consensus_once")]
        indexes = [models.Index(fields=["project", "question", "is_final", "id"])]

    def __str__(self) -> str:
        return f"task {self.task_id}: {self.answer!s:.60} ({self.confidence:.2f})"


class WorkerSkill(models.Model):
    """What the last full fit says of one worker at one question: read by the update at each submit."""

    question = models.ForeignKey("labeling.Question", models.CASCADE, related_name="skills")
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    accuracy = models.FloatField()
    confusion = models.JSONField(null=True, blank=True, help_text=_("Rows are the truth; null above 50 classes."))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["question", "worker"], name="skill_once")]

    def __str__(self) -> str:
        return f"user {self.worker_id}, question {self.question_id}: {self.accuracy:.2f}"
