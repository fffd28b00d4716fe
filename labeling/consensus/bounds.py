"""When a project asks more or fewer people, or stops by another policy, its open tasks follow. Worker-side.

What an open task wants was written down when it was opened, and is decided upon at its next answer. Where fewer people
are asked there may be no next answer: those who are there have all given theirs.
"""

from __future__ import annotations

from django.db import transaction

from labeling import webhooks
from labeling.collecting import workflow
from labeling.collecting.leases import fetch
from labeling.consensus.update import update_task
from labeling.models import Project, Task

FOLLOWED = {"judgments_min", "judgments_max", "confidence", "stopping"}  # settings that open tasks follow
PART = 1000
# More than the least is asked for by the decision that follows.
_WANT = """
WITH held AS MATERIALIZED (
    SELECT t.id, t.asked_for, t.judgment_count + (
        SELECT count(*) FROM labeling_assignment a WHERE a.task_id = t.id AND a.state = 'leased') AS taken
    FROM labeling_task t
    WHERE t.id = ANY(%(tasks)s) AND t.state = 'open' AND NOT t.is_gold
),
now AS (SELECT h.id, h.taken, greatest(%(least)s, h.asked_for, h.taken) AS wanted FROM held h)
UPDATE labeling_task t SET wanted = n.wanted, open_slots = n.wanted - n.taken FROM now n
WHERE t.id = n.id AND (t.wanted <> n.wanted OR t.open_slots <> n.wanted - n.taken) RETURNING t.id"""


def follow(project_id: int) -> None:
    """Have each open task want as many people as it would if it were opened now, and end those that have enough."""
    last = 0
    while last := _part(project_id, last):
        pass


def _part(project_id: int, last: int) -> int:
    """Go through some open tasks after ``last``; returns the last id, or 0 when none is left."""
    with transaction.atomic():
        project = Project.objects.get(pk=project_id)  # anew: it may have been changed again
        rows = Task.objects.filter(project=project, state=Task.State.OPEN, is_gold=False, pk__gt=last)
        # A box is drawn by one person, however many verify it, and anew where a person asked for that.
        rows = rows.exclude(stage__startswith="draw:").order_by("pk")
        held = list(rows.select_for_update(of=("self",)).values_list("pk", "judgment_count")[:PART])
        fetch(_WANT, {"tasks": [pk for pk, _count in held], "least": project.judgments_min})
    for pk, count in held:
        if count:
            _decide(project, pk)
    return held[-1][0] if held else 0


def _decide(project: Project, task_id: int) -> None:
    """What the task's next answer would decide, and cause."""
    in_stages = project.workflow == Project.Workflow.THREE_STAGE_BOXES
    with transaction.atomic():
        if in_stages:
            workflow.hold(task_id=task_id)
        task = Task.objects.select_for_update(of=("self",)).filter(pk=task_id, state=Task.State.OPEN).first()
        if task is None:
            return
        update_task(task_id=task_id)
        if in_stages:
            workflow.advance(task_id=task_id, project=project)
        ended = Task.objects.filter(pk=task_id, state=Task.State.RETIRED)
        webhooks.tell_retired(project=project, reasons=dict(ended.values_list("pk", "retired_because")))
