"""Labels that a version doubts: back to the crowd with them, or decided by a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling import services as labeling
from labeling.aggregation.combine import answer_of
from labeling.errors import CrowdtuneError
from labeling.models import Task
from labeling.models.task import ASKED_BACK
from labeling.text.words import gettext as _
from training.errors import NothingToDo
from training.models import ModelVersion, Suspect

MORE_JUDGMENTS = 2
# Before what a model orders, which it does anew again and again; after whatever a person has put first by hand.
PRIORITY = ASKED_BACK


@transaction.atomic
def send_back(*, version: ModelVersion, suspect_ids: Sequence[int], user: Any) -> int:
    """Reopen the tasks of the suspects, ask for more judgments of each, soon; returns how many were reopened.

    Raises:
        NothingToDo: None is chosen, or none of them can be asked again.
    """
    if not suspect_ids:
        raise NothingToDo(_("Choose the images that the crowd should label again."))
    rows = version.suspects.select_for_update().filter(pk__in=suspect_ids, sent_at=None)
    sent: list[Suspect] = []
    for suspect in rows:
        task = Task.objects.filter(
            image=suspect.image_id, stage="label", state=Task.State.RETIRED, is_gold=False
        ).first()
        if task is not None and _reopened(task, user):
            sent.append(suspect)
    if not sent:
        raise NothingToDo(_("None of these can be asked again: they are open already, gold, or at their maximum."))
    labeling.raise_priority(project=version.project, priorities={suspect.image_id: PRIORITY for suspect in sent})
    version.suspects.filter(pk__in=[suspect.pk for suspect in sent]).update(sent_at=timezone.now())
    return len(sent)


def _reopened(task: Task, user: Any) -> bool:
    try:
        with transaction.atomic():
            labeling.reopen_task(task=task, user=user, count=MORE_JUDGMENTS)
    except CrowdtuneError:
        return False
    return True


def decide_suspect(*, version: ModelVersion, suspect_id: int, keeps: bool, user: Any) -> None:
    """Decide, for good, that a doubted label is right (``keeps``), or what the model says instead.

    Raises:
        NothingToDo: It is none of the version's, or cannot be decided, and why.
    """
    suspect = version.suspects.filter(pk=suspect_id).first()
    if suspect is None:
        raise NothingToDo(_("This label is not doubted any more: look at the next one."))
    question = version.run.snapshot.question
    answers = {question.key: answer_of(suspect.label if keeps else suspect.predicted, question.kind)}
    done = labeling.change_images(
        project=version.project, ids=[suspect.image_id], user=user, change="decide", answers=answers
    )
    if not done.count:
        raise NothingToDo(done.why or _("This label is not doubted any more: look at the next one."))
