"""Hidden gold of covered images in the three-stage box workflow, made by itself and on request. Worker-side.

For quality a good box and the same one perturbed, for coverage all boxes and all but one, as in the paper that
``labeling.collecting.workflow`` names. An image gives gold once: what is taken back is not made again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from math import ceil
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from labeling import audit
from labeling.collecting import marking, rightness, tasks, workflow
from labeling.collecting.workflow import MADE_GOLD, Box
from labeling.models import Assignment, Consensus, Image, Judgment, Project, Task
from labeling.text.words import gettext as _

MOST_IMAGES = 25  # that give gold by themselves: with 100 tasks of it, rules and labels know a person well
OF_AN_IMAGE = 4  # tasks: a good box and a bad one, all boxes and all but one
TRIES = 20
Plan = tuple[str, dict[str, Any], dict[str, bool]]  # stage, payload, answers


def keep(project_id: int) -> int:
    """Make as much as the project's rate of hidden gold needs, and no more; returns how many tasks are new.

    Of so large a share of the covered images as gold is of what people are asked.
    """
    project = Project.objects.filter(pk=project_id, archived_at=None, gold_rate__gt=0).first()
    if project is None or not project.in_stages or project.is_spent:
        return 0
    wanted = _wanted(project, workflow.covered(project).exclude(answer=[]).count())
    lacking = wanted - _made(project).values("image").distinct().count()
    if lacking <= 0:
        return 0
    with transaction.atomic():
        made = make(project=project, images=lacking)
        if made:
            audit.write(project=project, user=None, action="box_golds_made", changes={"count": made})
    return made


def in_the_end(project: Project) -> int:
    """As many tasks of gold as make themselves until all images are covered; before the first one they cost, too."""
    return _wanted(project, project.image_count) * OF_AN_IMAGE if project.in_stages else 0


def _wanted(project: Project, covered: int) -> int:
    """Of how many images."""
    return min(ceil(project.gold_rate * covered), MOST_IMAGES)


def make(*, project: Project, images: int = 5) -> int:
    """Make gold of up to so many covered images that gave none; returns how many tasks are new."""
    with transaction.atomic():
        chosen = list(islice(_usable(project), images))
        tasks.hold(images=chosen, project_id=project.pk)
        # Looked at again under the lock: another may have made gold of them, or found a box bad after all.
        rows = _unused(project).filter(task__image__in=chosen).select_related("task__image").order_by("id")
        return sum(_make_of(project, row.task.image, row.answer) for row in rows)


def _made(project: Project) -> QuerySet[Task]:
    return Task.objects.filter(project=project, stage__contains=MADE_GOLD)


def _unused(project: Project) -> QuerySet[Consensus]:
    """The labels of covered images that gave no gold; not where a verdict waits for a reviewer, which may be wrong."""
    disputed = tasks.disputed(project).values("image")
    rows = workflow.covered(project).exclude(answer=[])
    return rows.exclude(task__image__in=_made(project).values("image")).exclude(task__image__in=disputed)


def _usable(project: Project) -> Iterator[int]:
    """The ids of images that gold can be made of."""
    for row in _unused(project).select_related("task__image").order_by("id").iterator(chunk_size=100):
        if _plans(row.task.image, row.answer):
            yield row.task.image_id


def _plans(image: Image, boxes: Sequence[Box]) -> list[Plan]:
    """What to ask about the image; nothing where the boxes lie so that the right answers are not plain."""
    dice = random.Random(image.pk)
    # One of two boxes around the same thing can be left out, and everything is covered still.
    alone = [box for box in boxes if sum(_is_same(box, other) for other in boxes) == 1]
    if not alone:
        return []
    box = dice.choice(alone)
    tries = (perturbed(box, image.width, image.height, dice) for _try in range(TRIES))
    wrong = next((tried for tried in tries if not any(_is_same(tried, other) for other in boxes)), None)
    if wrong is None:
        return []
    rest = [other for other in boxes if other is not box]
    return [
        (f"quality{MADE_GOLD}good", {"boxes": rest, "candidate": box}, {"good": True}),
        (f"quality{MADE_GOLD}bad", {"boxes": rest, "candidate": wrong}, {"good": False}),
        (f"coverage{MADE_GOLD}all", {"boxes": boxes}, {"covered": True}),
        (f"coverage{MADE_GOLD}one-missing", {"boxes": rest}, {"covered": False}),
    ]


def _is_same(box: Box, other: Box) -> bool:
    return rightness.matches([box], [other])


def perturbed(box: Box, width: int, height: int, dice: random.Random) -> Box:
    """A box that is wrong for the same object: moved and scaled until it overlaps by less than a half.

    One that is nearly as large as the image may have no room to be moved, and be as good when it is scaled up.
    """
    x, y, w, h = box["box"]
    sideways, upright = dice.choice([-1, 1]) * dice.uniform(0.35, 0.6), dice.choice([-1, 1]) * dice.uniform(0.35, 0.6)
    scale = dice.choice([dice.uniform(0.5, 0.7), dice.uniform(1.4, 1.8)])
    w2, h2 = min(w * scale, width), min(h * scale, height)
    left = min(max(x + sideways * w, 0.0), width - w2)
    top = min(max(y + upright * h, 0.0), height - h2)
    return {**box, "box": [round(left, 2), round(top, 2), round(w2, 2), round(h2, 2)]}


def _make_of(project: Project, image: Image, boxes: Sequence[Box]) -> int:
    """Under the lock of the image's tasks."""
    made = []
    for stage, payload, answers in _plans(image, boxes):
        task = tasks.open_for(image=image, project=project, stage=stage, payload=payload)
        entry = {"answers": answers, "use": "hidden"}
        marking.mark(task=task, project=project, entry=entry, source=workflow.METHOD)
        made.append(task)
    _spare_who_drew(project, image, made)
    return len(made)


def _spare_who_drew(project: Project, image: Image, golds: Sequence[Task]) -> None:
    """Nobody is asked about boxes of their own: as if they had skipped the tasks, before all that they did skip."""
    draws = {"task__image": image, "task__stage__startswith": "draw:"}
    drew = set(Judgment.objects.filter(**draws, withdrawn_at=None).values_list("worker_id", flat=True))
    drew |= set(Consensus.objects.filter(**draws, decided_by__isnull=False).values_list("decided_by_id", flat=True))
    # A rule on skips in a row looks at the newest, and nobody has skipped these.
    first = image.created_at - timedelta(seconds=1)
    skipped = [
        Assignment(
            task=task, project=project, worker_id=worker_id, state=Assignment.State.SKIPPED, slot=0,
            reason=_("drew the box"), created_at=first, expires_at=first,
        )
        for task in golds
        for worker_id in sorted(drew)
    ]  # fmt: skip
    Assignment.objects.bulk_create(skipped)
