"""ImageNet's three-stage boxes: one draws a box, others verify its quality, others verify coverage, until covered.

Stages are named ``draw:n``, ``quality:n`` and ``coverage:n``; each is a task of its own, whose ``payload`` carries the
boxes accepted so far (and the candidate), so any stage can be shown from its own row. Whoever drew a box is not asked
whether it is good, nor who found nothing to draw whether all is covered. When an image is covered, its first task's
label is all accepted boxes.

Source: H. Su, J. Deng, L. Fei-Fei: Crowdsourcing Annotations for Visual Object Detection. HCOMP 2012. What is covered
gives gold by itself, as there: see ``labeling.collecting.box_golds``.
"""

from __future__ import annotations

import json
from math import prod
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy, pgettext_lazy

from labeling import webhooks
from labeling.collecting import marking, tasks
from labeling.models import Assignment, Consensus, ConsensusQuerySet, Gold, Judgment, Project, Task
from labeling.text.words import gettext as _

MOST_ROUNDS = 60
METHOD = "three_stage_boxes"
MADE_GOLD = ":gold-"  # in the stage of what box_golds makes, which is no stage of the workflow
JUDGED = {"quality": "candidate", "coverage": "boxes"}  # the part of its payload that a stage's answers are about
STAGES = {
    "label": pgettext_lazy("noun", "Label"),
    "draw": gettext_lazy("Draw a box"),
    "quality": gettext_lazy("Verify its quality"),
    "coverage": gettext_lazy("Verify coverage"),
}
Box = dict[str, Any]


def hold(*, task_id: int) -> None:
    """Lock all tasks of the image before one of them is decided: what follows from that may void others of them."""
    for image_id, project_id in Task.objects.filter(pk=task_id).values_list("image_id", "project_id"):
        tasks.hold(images=[image_id], project_id=project_id)


def advance(*, task_id: int) -> Task | None:
    """Open what follows a task of the workflow that has just retired; None while it is open or when all is done.

    Under ``hold``, which the caller asks for before it writes anything.
    """
    task = Task.objects.select_related("image", "project").get(pk=task_id)
    if task.is_gold or MADE_GOLD in task.stage:
        return None
    kind, _, number = task.stage.partition(":")
    if kind == "draw" and task.state == Task.State.OPEN:
        tasks.retire(task_id=task_id, because=Task.Because.MAXIMUM)  # one person draws; others judge
    elif task.state == Task.State.OPEN:
        return None
    accepted: list[Box] = list(task.payload.get("boxes", []))
    if kind == "draw":
        return _after_draw(task, accepted, number)
    answer = Consensus.objects.filter(task=task).values_list("answer", flat=True).first()
    if kind == "quality":
        candidate = task.payload["candidate"]
        if answer is True:
            return _open(task, f"coverage:{number}", {"boxes": [*accepted, candidate]})
        return _draw_again(task, number, {"boxes": accepted, "rejected": candidate})
    if kind == "coverage" and answer is True:
        _void(task, "")
        _finish(task, accepted)
        return None
    return _draw_again(task, number, {"boxes": accepted})


def settle_drawing(*, task: Task, answers: dict[str, Any]) -> None:
    """A reviewer draws: with these boxes and those that were accepted before, the image is covered. Under ``hold``.

    Nothing happens for other stages, or where the reviewer could not tell.
    """
    boxes = answers.get("box")
    is_drawing = task.project.in_stages and task.stage.startswith("draw:")
    if is_drawing and isinstance(boxes, list) and not task.is_gold:
        _void(task, "")
        _finish(task, [*task.payload.get("boxes", []), *boxes])


def cover(*, task: Task, boxes: list[Box]) -> None:
    """All boxes of the image came in with it: nobody is asked for them. ``task`` is its first. Under ``hold``."""
    _void(task, "")
    _release([task.pk])
    tasks.retire(task_id=task.pk, because=Task.Because.GOLD)
    _finish(task, boxes)


def _release(task_ids: list[int]) -> None:
    leases = Assignment.objects.filter(task_id__in=task_ids, state=Assignment.State.LEASED)
    leases.update(state=Assignment.State.RELEASED, reason=_("decided anew before"))


def _after_draw(task: Task, accepted: list[Box], number: str) -> Task | None:
    drawn = Judgment.objects.filter(task=task, withdrawn_at=None).order_by("-id").first()
    boxes = drawn.answers.get("box") if drawn else None
    if isinstance(boxes, list) and boxes:
        follower = _open(task, f"quality:{number}", {"boxes": accepted, "candidate": boxes[0]})
        reason = _("drew the box")
    else:
        follower = _open(task, f"coverage:{number}", {"boxes": accepted})
        reason = _("found nothing to draw")
    if follower is None or drawn is None:
        return follower
    # Nobody judges an answer of their own: as if they had skipped the task.
    Assignment.objects.get_or_create(
        task=follower,
        worker_id=drawn.worker_id,
        state=Assignment.State.SKIPPED,
        defaults={"project": task.project, "slot": 0, "reason": reason, "expires_at": timezone.now()},
    )
    return follower


def _open(task: Task, stage: str, payload: dict[str, Any]) -> Task | None:
    """Open the stage that follows; whatever followed an earlier decision on the same task is void."""
    _void(task, stage)
    follower = tasks.open_for(image=task.image, project=task.project, stage=stage, payload=payload)
    if follower.state == Task.State.OPEN:
        return follower
    judged = JUDGED.get(stage.partition(":")[0], "")
    is_same = follower.payload.get(judged) == payload.get(judged)
    Task.objects.filter(pk=follower.pk).update(payload=payload)
    if follower.judgment_count >= follower.wanted and is_same:
        return advance(task_id=follower.pk)  # it was answered then: go on from there
    tasks.reopen(task_id=follower.pk, count=tasks.wanted_at(task.project, stage))
    follower.refresh_from_db()
    return follower


def void(*, task: Task) -> None:
    """A task that is open again: what followed its last answer waits for the next one. Under ``hold``."""
    if task.project.in_stages and MADE_GOLD not in task.stage:
        _void(task, "")


def _void(task: Task, follower: str) -> None:
    """Retire what is open beyond this task, with its leases, but for the stage that follows now.

    Gold that was made of the image while it was covered is not known to be right any more.
    """
    open_now = Task.objects.filter(image=task.image, state=Task.State.OPEN, is_gold=False).exclude(stage=follower)
    stages = open_now.exclude(stage__contains=MADE_GOLD)
    later = [row.pk for row in stages if _place(row.stage) > _place(task.stage)]
    tasks.retire_all(task_ids=later, because=Task.Because.PERSON)
    webhooks.tell_retired(project=task.project, reasons=dict.fromkeys(later, Task.Because.PERSON))
    _release(later)
    Consensus.objects.filter(task__image=task.image, task__stage="draw:1", method=METHOD).update(is_final=False)
    golds = Gold.objects.filter(task__image=task.image, task__stage__contains=MADE_GOLD)
    if task_ids := list(golds.values_list("task", flat=True)):
        marking.forget(project=task.project, task_ids=task_ids)
        Project.objects.filter(pk=task.project_id).update(gold_count=Greatest(F("gold_count") - len(task_ids), 0))


def _place(stage: str) -> tuple[int, int]:
    """Where in the workflow of an image a stage stands: its round, then draw, quality, coverage."""
    kind, _, number = stage.partition(":")
    return int(number), ("draw", "quality", "coverage").index(kind)


def _draw_again(task: Task, number: str, payload: dict[str, Any]) -> Task | None:
    round_number = int(number) + 1
    if round_number > MOST_ROUNDS:
        _finish(task, payload["boxes"])
        return None
    return _open(task, f"draw:{round_number}", payload)


def _finish(task: Task, boxes: list[Box]) -> None:
    """All accepted boxes are the label of the image's first task."""
    first = Task.objects.filter(image=task.image, stage="draw:1").first()
    question = task.project.questions.filter(kind="boxes").first()
    if first is None or question is None:
        return
    Consensus.objects.update_or_create(
        task=first,
        question=question,
        defaults={
            "project": task.project,
            "answer": boxes,
            "confidence": _certainty(task, boxes),
            "method": METHOD,
            "judgment_count": Judgment.objects.filter(task__image=task.image, withdrawn_at=None).count(),
            "is_final": True,
        },
    )
    Project.objects.filter(pk=task.project_id).update(answers_version=F("answers_version") + 1)


def _certainty(task: Task, boxes: list[Box]) -> float:
    """The chance that each box is good and that none is missing, as if verifiers erred by themselves each time.

    What a reviewer drew is known.
    """
    if task.stage.startswith("draw:"):
        return 1.0
    rows = Consensus.objects.filter(task__image=task.image, task__stage__startswith="quality:", answer=True)
    rows = rows.exclude(task__stage__contains=MADE_GOLD)
    good = {_named(box): sure for box, sure in rows.values_list("task__payload__candidate", "confidence")}
    covered_now = Consensus.objects.filter(task=task).first()
    none_missing = 0.0 if covered_now is None else covered_now.confidence
    if covered_now is not None and covered_now.answer is not True:
        none_missing = 1.0 - none_missing
    return none_missing * prod(good.get(_named(box), 1.0) for box in boxes)


def _named(box: Box) -> str:
    return json.dumps(box, sort_keys=True)


def labels_of(project: Project) -> ConsensusQuerySet:
    """The rows that say something of an image; of several on one question the last stage's is the image's.

    What other labels rule out was in the end not asked, and says nothing. In the three stages a box is a candidate
    until all boxes of its image are known, and the tasks of gold, which show boxes that were spoiled on purpose, say
    nothing of the image.
    """
    rows = Consensus.objects.filter(project=project).asked(project)
    if not project.in_stages:
        return rows
    candidates = Q(task__stage__startswith="draw:") & ~Q(method__in=[METHOD, marking.GOLD_METHOD])
    return rows.exclude(candidates).exclude(task__stage__contains=MADE_GOLD)


def say_stage(stage: str) -> str:
    """``draw:2`` as people read it; what gold is made of is no round."""
    kind, _sep, turn = stage.partition(":")
    name = str(STAGES.get(kind, kind))
    return now("%(stage)s, round %(number)s") % {"stage": name, "number": turn} if turn.isdigit() else name


def covered(project: Project) -> QuerySet[Consensus]:
    """The labels of images that the three stages are done with: all their boxes."""
    return Consensus.objects.filter(project=project, method=METHOD, task__stage="draw:1", is_final=True)


def figures(project: Project) -> dict[str, Any]:
    """Seconds per accepted box by stage, as the paper's table: drawing, quality, coverage."""
    said = Judgment.objects.filter(project=project, withdrawn_at=None, is_gold=False)
    seconds = {
        kind: said.filter(task__stage__startswith=f"{kind}:").aggregate(total=Sum("seconds"))["total"] or 0.0
        for kind in ("draw", "quality", "coverage")
    }
    judged = labels_of(project).filter(is_final=True, task__stage__startswith="quality:", task__is_gold=False)
    verdicts = judged.aggregate(accepted=Count("id", filter=Q(answer=True)), all=Count("id"))
    accepted = verdicts["accepted"]
    return {
        "accepted_boxes": accepted,
        "accepted_share": accepted / verdicts["all"] if verdicts["all"] else None,
        "covered_images": covered(project).count(),
        "seconds_per_accepted_box": {kind: total / accepted if accepted else None for kind, total in seconds.items()},
    }
