"""When a project asks more or fewer people, or stops by another policy, its open tasks follow. Worker-side, as a job.

What an open task wants was written down when it was opened, and is decided upon at its next answer. Where fewer people
are asked there may be no next answer: those who are there have all given theirs.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from labeling import webhooks
from labeling.collecting import workflow
from labeling.collecting.leases import fetch
from labeling.consensus.update import update_task
from labeling.jobs import Report
from labeling.models import Job, Project, Task
from labeling.text.words import gettext as _

FOLLOWED = {"judgments_min", "judgments_max", "confidence", "stopping"}  # settings that open tasks follow
PART = 200
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


def run(job: Job, report: Report) -> None:
    """Have each open task want as many people as it would if it were opened now, and end those that have enough."""
    rows = _held(job.project)
    result = {"last": 0, "done": 0, "of": rows.count(), **report.result}
    while part := _part(job.project_id, result["last"]):
        result["last"] = part[-1]
        result["done"] += len(part)
        report.result.update(result)
        all_of_it = max(result["done"], result["of"])
        said = _("%(done)s of %(all)s tasks") % {"done": result["done"], "all": all_of_it}
        report.checkpoint(result["done"] / all_of_it, said)


def are_due(project: Project) -> bool:
    """Whether there is a task that follows."""
    return _held(project).exists()


def _held(project: Project) -> QuerySet[Task]:
    # A box is drawn by one person, however many verify it, and anew where a person asked for that.
    rows = Task.objects.filter(project=project, state=Task.State.OPEN, is_gold=False)
    return rows.exclude(stage__startswith="draw:").order_by("pk")


def _part(project_id: int, last: int) -> list[int]:
    """Go through some open tasks after ``last``; returns their ids."""
    with transaction.atomic():
        project = Project.objects.get(pk=project_id)  # anew: it may have been changed again
        rows = _held(project).filter(pk__gt=last).select_for_update(of=("self",))
        held = list(rows.values_list("pk", "judgment_count")[:PART])
        fetch(_WANT, {"tasks": [pk for pk, _count in held], "least": project.judgments_min})
    for pk, count in held:
        if count:
            _decide(project, pk)
    return [pk for pk, _count in held]


def _decide(project: Project, task_id: int) -> None:
    """What the task's next answer would decide, and cause."""
    with transaction.atomic():
        if project.in_stages:
            workflow.hold(task_id=task_id)
        task = Task.objects.select_for_update(of=("self",)).filter(pk=task_id, state=Task.State.OPEN).first()
        if task is None:
            return
        update_task(task_id=task_id)
        if project.in_stages:
            workflow.advance(task_id=task_id)
        ended = Task.objects.filter(pk=task_id, state=Task.State.RETIRED)
        webhooks.tell_retired(project=project, reasons=dict(ended.values_list("pk", "retired_because")))
