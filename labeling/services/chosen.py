"""One change to the images that a person chose by hand: decided, known, asked again or sooner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Q

from labeling import audit
from labeling.collecting import changing, marking, tasks
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Project, Task
from labeling.services.review import decide_task, reopen_task
from labeling.surveys import survey
from labeling.text.words import gettext as _


@dataclass(frozen=True)
class Changed:
    """How many tasks were changed and how many stayed as they were, and why the first of these did."""

    count: int
    left: int
    why: str = ""


def change_images(
    *, project: Project, ids: Sequence[int], user: Any, change: str, answers: dict[str, Any] | None = None
) -> Changed:
    """Change the first task of each chosen image; what refuses the change stays as it is and keeps no other from it.

    Args:
        change: ``decide`` (by a person, for good, with what is sure of other questions), ``gold`` (known, beside what
            is known of other questions), ``ask_more`` (of a finished task, one judgment), ``sooner`` (of an open one).
        answers: By question, of the first two.

    Raises:
        CrowdtuneError: invalid, when there is no such change, or an answer is wanting; bad_gold.
    """
    if change not in CHANGES:
        raise CrowdtuneError("invalid", _("change must be one of %(names)s.") % {"names": ", ".join(CHANGES)})
    if change in WITH_ANSWER and not answers:
        raise CrowdtuneError("invalid", _("Choose an answer first."))
    rows = Task.objects.filter(project=project, image_id__in=list(ids), stage=tasks.first_stage(project))
    return CHANGES[change](project, list(rows.select_related("image", "project").order_by("pk")), user, answers or {})


def _one_by_one(change: Callable[[Task], Any], chosen: Sequence[Task]) -> Changed:
    refused = []
    for task in chosen:
        try:
            change(task)
        except CrowdtuneError as error:
            refused.append(error.message)
    return Changed(len(chosen) - len(refused), len(refused), *refused[:1])


def _decide(project: Project, chosen: Sequence[Task], user: Any, answers: dict[str, Any]) -> Changed:
    sure = _sure_labels(project, chosen)
    return _one_by_one(lambda task: decide_task(task=task, answers={**sure[task.pk], **answers}, user=user), chosen)


def _sure_labels(project: Project, chosen: Sequence[Task]) -> dict[int, dict[str, Any]]:
    """Task -> what must be answered beside what a person says of many, where that is sure or decided: as in Review."""
    rows = Consensus.objects.filter(task__in=[task.pk for task in chosen], question__required=True).asked(project)
    rows = rows.filter(Q(confidence__gte=project.confidence) | Q(decided_by__isnull=False))
    told: dict[int, dict[str, Any]] = {task.pk: {} for task in chosen}
    for task_id, key, answer in rows.values_list("task_id", "question__key", "answer"):
        told[task_id][key] = answer
    asked = survey.current(project)
    return {task_id: asked.counted(labels) for task_id, labels in told.items()}


def _ask_more(project: Project, chosen: Sequence[Task], user: Any, answers: dict[str, Any]) -> Changed:
    return _one_by_one(lambda task: reopen_task(task=task, user=user), chosen)


def _sooner(project: Project, chosen: Sequence[Task], user: Any, answers: dict[str, Any]) -> Changed:
    count = changing.hand_out_sooner([task.pk for task in chosen])
    return Changed(count, len(chosen) - count, _("Only an open task can be handed out sooner."))


def _gold(project: Project, chosen: Sequence[Task], user: Any, answers: dict[str, Any]) -> Changed:
    entry = marking.normal(project, {"answers": answers})
    with transaction.atomic():
        held = Task.objects.filter(pk__in=[task.pk for task in chosen]).order_by("pk")
        rows = list(held.select_related("image").select_for_update(of=("self",)))
        entries = [(task, entry) for task in rows]
        marking.mark_all(entries=entries, project=project, source=getattr(user, "username", ""))
        told = {"count": len(rows), "use": entry["use"], "answers": answers}
        audit.write(project=project, user=user, action="gold_set", changes=told)
    return Changed(len(rows), len(chosen) - len(rows))


CHANGES: dict[str, Callable[[Project, Sequence[Task], Any, dict[str, Any]], Changed]] = {
    "decide": _decide,
    "gold": _gold,
    "ask_more": _ask_more,
    "sooner": _sooner,
}
WITH_ANSWER = {"decide", "gold"}
