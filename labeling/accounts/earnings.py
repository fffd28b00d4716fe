"""What people are owed: by project for its owner, over all projects for themselves. Worker-side.

What was earned outlives the membership (``Departure``) and the project (``PastWork``); nobody's money goes with a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Coalesce

from labeling.models import Departure, Judgment, Membership, PastWork, Project


@dataclass(frozen=True)
class Owed:
    """One person's work in one project."""

    user_id: int
    judgments: int
    seconds: float
    earned: Decimal


def work_of(user_id: int) -> list[Membership | Departure | PastWork]:
    """What the person did in each project, also in those that they were taken out of and those that are gone."""
    here: dict[str, Any] = {"user_id": user_id, "project__deleted_at": None}
    members = Membership.objects.filter(**here).select_related("project")
    left = Departure.objects.filter(**here).exclude(project__in=members.values("project"))
    return [*members, *left.select_related("project"), *PastWork.objects.filter(user_id=user_id)]


def owed(project: Project) -> Iterator[Owed]:
    """Everybody who said something in the project, be their images gone or they."""
    members, left = _members(project), _left(project)
    for rows in (members, left):
        yield from (
            Owed(row.user_id, row.judgment_count, row.seconds, row.earned) for row in rows.filter(judgment_count__gt=0)
        )
    said = Judgment.objects.filter(project=project, withdrawn_at=None).order_by()
    # Of whom nothing was kept when they were taken out, as older versions did.
    others = said.exclude(worker__in=members.values("user")).exclude(worker__in=left.values("user")).values("worker")
    for found in others.annotate(n=Count("id"), time=Coalesce(Sum("seconds"), 0.0), earned=Sum("price")):
        yield Owed(found["worker"], found["n"], found["time"], found["earned"])


def total_owed(project: Project) -> tuple[int, Decimal]:
    """How many people have earned something in the project, and how much together; without reading a judgment."""
    sums = [
        rows.filter(earned__gt=0).exclude(user=project.owner_id).aggregate(n=Count("id"), earned=Sum("earned"))
        for rows in (_members(project), _left(project))
    ]
    return sum(row["n"] for row in sums), sum((row["earned"] or Decimal(0) for row in sums), Decimal(0))


def keep(project: Project) -> None:
    """Before the project goes: what each person did in it."""
    rows = [
        PastWork(
            user_id=row.user_id,
            name=project.name,
            slug=project.slug,
            judgment_count=row.judgments,
            seconds=row.seconds,
            earned=row.earned,
        )
        for row in owed(project)
    ]
    PastWork.objects.bulk_create(rows, batch_size=2000)


def _members(project: Project) -> QuerySet[Membership]:
    return Membership.objects.filter(project=project)


def _left(project: Project) -> QuerySet[Departure]:
    return Departure.objects.filter(project=project).exclude(user__in=_members(project).values("user"))
