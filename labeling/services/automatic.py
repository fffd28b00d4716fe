"""Labels that a model gives where it is sure; training never learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from labeling import tasks
from labeling.models import Consensus, Project, Task

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
    done = []
    with transaction.atomic():
        waiting = Task.objects.select_for_update(of=("self",), skip_locked=True).filter(
            project=project, image__in=list(labels), state=Task.State.OPEN, judgment_count=0, is_gold=False
        )
        for task in waiting:
            category, probability = labels[task.image_id]
            answer = category == "yes" if question.kind == "yes_no" else category
            row: dict[str, Any] = {"project": project, "answer": answer, "confidence": probability, "method": MODEL}
            row |= {"posterior": {category: probability}, "judgment_count": 0, "is_final": True}
            Consensus.objects.update_or_create(task=task, question=question, defaults=row)
            if tasks.retire(task_id=task.pk, because=Task.Because.MODEL):
                done.append(task.image_id)
    return done
