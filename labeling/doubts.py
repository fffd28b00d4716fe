"""What of its crowd an owner should look at: people far behind the others, and questions that are read differently.

Both read what the last fit found, so that a page may ask.
"""

from __future__ import annotations

import statistics
from math import sqrt

from django.db.models import QuerySet

from labeling.models import Membership, Project, Question, WorkerSkill

LEAST_JUDGMENTS = 10  # below that an estimate says little of a person
LEAST_PEOPLE = 5  # whose middle the others are compared with
FAR = 0.1  # behind the middle; less is no reason to do anything, however sure it is
ERRORS = 3  # standard errors of a share that chance does not reach
LEAST_TASKS = 20
BY_CHANCE = 0.2  # Krippendorff's alpha: 0 is what guesses agree on; below .667 he draws no conclusions
OFTEN = 0.75  # who agrees on so many answers reads the question alike, however rare one of the answers is


def far_behind(project: Project) -> list[Membership]:
    """The people who are far less accurate at some question than most, the least accurate first.

    Who is paused, or counts for nothing, has been dealt with. A question that all are bad at shows nobody.
    """
    rows = Membership.objects.filter(project=project, judgment_count__gte=LEAST_JUDGMENTS).exclude(accuracy=None)
    members = {member.user_id: member for member in rows.select_related("user").order_by("accuracy", "pk")}
    skills: dict[int, dict[int, float]] = {}
    found = WorkerSkill.objects.filter(question__project=project, worker__in=members)
    for question, worker, accuracy in found.values_list("question", "worker", "accuracy"):
        skills.setdefault(question, {})[worker] = accuracy
    behind: set[int] = set()
    for said in skills.values():
        if len(said) < LEAST_PEOPLE:
            continue
        middle = statistics.median(said.values())
        for worker, accuracy in said.items():
            chance = ERRORS * sqrt(middle * (1 - middle) / members[worker].judgment_count)
            if middle - accuracy > max(FAR, chance):
                behind.add(worker)
    return [row for user, row in members.items() if user in behind and not row.is_paused and row.weight > 0]


def unclear(project: Project) -> QuerySet[Question]:
    """The questions that people agree on hardly more than by guessing, the worst first."""
    alpha = "fit__figures__krippendorff_alpha"
    # What the data could not tell is null, which JSON's order puts before all numbers.
    asked = project.questions.filter(**{f"{alpha}__gte": -1, f"{alpha}__lt": BY_CHANCE})
    often = asked.filter(fit__figures__percent__lt=OFTEN, fit__figures__tasks__gte=LEAST_TASKS)
    return often.order_by(alpha, "id").only("key", "prompt")
