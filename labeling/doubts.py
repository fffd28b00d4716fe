"""What of its crowd an owner should look at: people far behind the others, and questions that are read differently.

Both read what the last fit found, so that a page may ask.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import sqrt

from django.db.models import Count, QuerySet

from labeling.models import Judgment, Membership, Project, Question, WorkerSkill

LEAST_JUDGMENTS = 10  # below that an estimate says little of a person
LEAST_PEOPLE = 5  # whose middle the others are compared with
FAR = 0.1  # behind the middle; less is no reason to do anything, however sure it is
ERRORS = 3  # standard errors of a share that chance does not reach
LEAST_TASKS = 20
BY_CHANCE = 0.2  # Krippendorff's alpha: 0 is what guesses agree on; below .667 he draws no conclusions
OFTEN = 0.75  # who agrees on so many answers reads the question alike, however rare one of the answers is


@dataclass(frozen=True)
class AtQuestion:
    """How one person does at one question, and how most do; ``middle`` is None where they are too few."""

    question: int
    accuracy: float
    middle: float | None
    is_behind: bool


def far_behind(project: Project) -> list[Membership]:
    """The people who are far less accurate at some question than most, the least accurate first.

    Who is paused, or counts for nothing, has been dealt with. A question that all are bad at shows nobody.
    """
    members = _heard(project)
    behind = {worker for worker, rows in _by_person(project, members).items() if any(row.is_behind for row in rows)}
    return [row for user, row in members.items() if user in behind and not row.is_paused and row.weight > 0]


def by_question(project: Project, member: Membership) -> dict[int, AtQuestion]:
    """How the person does at each question that the last fit knows something of."""
    found = _by_person(project, {**_heard(project), member.user_id: member})
    return {row.question: row for row in found.get(member.user_id, ())}


def _heard(project: Project) -> dict[int, Membership]:
    rows = Membership.objects.filter(project=project, judgment_count__gte=LEAST_JUDGMENTS).exclude(accuracy=None)
    return {member.user_id: member for member in rows.select_related("user").order_by("accuracy", "pk")}


def _by_person(project: Project, members: Mapping[int, Membership]) -> dict[int, list[AtQuestion]]:
    skills: dict[tuple[int, str], dict[int, float]] = {}
    found = WorkerSkill.objects.filter(question__project=project, worker__in=members)
    for question, key, worker, accuracy in found.values_list("question", "question__key", "worker", "accuracy"):
        skills.setdefault((question, key), {})[worker] = accuracy
    people: dict[int, list[AtQuestion]] = {}
    for (question, key), said in skills.items():
        middle = statistics.median(said.values()) if len(said) >= LEAST_PEOPLE else None
        behind = _far(said, middle, {worker: members[worker].judgment_count for worker in said})
        if behind:  # some of their judgments may say nothing to it: it was left out, in a file too, or not asked yet
            behind = _far(said, middle, _answered(project, key, behind))
        for worker, accuracy in said.items():
            people.setdefault(worker, []).append(AtQuestion(question, accuracy, middle, worker in behind))
    return people


def _far(said: Mapping[int, float], middle: float | None, counts: Mapping[int, int]) -> set[int]:
    """Of the people who are counted, those who are behind the middle by more than chance explains."""
    return {worker for worker, count in counts.items() if middle is not None and _is_far(said[worker], middle, count)}


def _answered(project: Project, key: str, workers: Collection[int]) -> dict[int, int]:
    """How often each of these people has answered the question."""
    rows = Judgment.objects.filter(project=project, worker__in=workers, withdrawn_at=None, answers__has_key=key)
    return dict(rows.values_list("worker").annotate(Count("id")).order_by())


def _is_far(accuracy: float, middle: float, judgments: int) -> bool:
    if judgments < LEAST_JUDGMENTS:
        return False
    return middle - accuracy > max(FAR, ERRORS * sqrt(middle * (1 - middle) / judgments))


def unclear(project: Project) -> QuerySet[Question]:
    """The questions that people agree on hardly more than by guessing, the worst first."""
    alpha = "fit__figures__krippendorff_alpha"
    # What the data could not tell is null, which JSON's order puts before all numbers.
    asked = project.questions.filter(**{f"{alpha}__gte": -1, f"{alpha}__lt": BY_CHANCE})
    often = asked.filter(fit__figures__percent__lt=OFTEN, fit__figures__tasks__gte=LEAST_TASKS)
    return often.order_by(alpha, "id").only("key", "prompt")
