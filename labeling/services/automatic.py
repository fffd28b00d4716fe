"""Labels that a model gives where it is sure; training never learns from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db import transaction

from labeling import webhooks
from labeling.collecting import tasks
from labeling.models import Consensus, Project, Question, Task

MODEL = "model"  # the method of such a consensus row


def label_by_model(*, project: Project, labels: Mapping[int, tuple[str, float]]) -> list[int]:
    """Retire untouched tasks with a model's answer to the primary question.

    Args:
        labels: Image id -> (category, probability).

    Returns:
        The ids of the images that were labeled: those whose task is open and has no judgment yet.
    """
    question = project.primary_question()
    if question is None or not labels:
        return []
    with transaction.atomic():
        waiting = Task.objects.select_for_update(of=("self",), skip_locked=True).filter(
            project=project, image__in=list(labels), state=Task.State.OPEN, judgment_count=0, is_gold=False
        )
        found = dict(waiting.values_list("pk", "image_id"))
        fields = ["answer", "confidence", "method", "posterior", "judgment_count", "is_final", "updated_at"]
        Consensus.objects.bulk_create(
            [_row(project, question, pk, *labels[image_id]) for pk, image_id in found.items()],
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["task", "question"],
            update_fields=fields,
        )
        retired = tasks.retire_all(task_ids=list(found), because=Task.Because.MODEL)
        webhooks.tell_retired(project=project, reasons=dict.fromkeys(retired, Task.Because.MODEL))
        return [image_id for pk, image_id in found.items() if pk in retired]


def withdraw_model_labels(*, project: Project, images: Sequence[int]) -> list[int]:
    """Take a model's answers back: the tasks are open again, as if nobody had answered them.

    Returns:
        The ids of the images whose label was withdrawn; those that a person has answered or decided since keep theirs.
    """
    with transaction.atomic():
        given = Task.objects.select_for_update(of=("self",)).filter(
            project=project, image__in=images, retired_because=Task.Because.MODEL, judgment_count=0, is_gold=False
        )
        found = dict(given.order_by("pk").values_list("pk", "image_id"))
        Consensus.objects.filter(task__in=found, method=MODEL).delete()
        reopened = tasks.reopen_all(task_ids=list(found))
        return [image_id for pk, image_id in found.items() if pk in reopened]


def _row(project: Project, question: Question, task_id: int, category: str, probability: float) -> Consensus:
    return Consensus(
        project=project,
        question=question,
        task_id=task_id,
        answer=category == "yes" if question.kind == "yes_no" else category,
        confidence=probability,
        posterior={category: probability},
        method=MODEL,
        judgment_count=0,
        is_final=True,
    )
