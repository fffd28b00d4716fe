"""What happens near the budget's end, when it is spent, and when it is raised. Worker-side."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from labeling import webhooks
from labeling.collecting import leases
from labeling.models import Consensus, Project, Task

# Within so many judgments of the budget's end, leases under way are counted against it.
NEAR_THE_END = 2000
# What a task wanted it still wants. Where late answers made that up there was nobody to decide upon it: one more.
_REOPEN = """
WITH under_way AS (
    SELECT task_id, count(*) AS leases FROM labeling_assignment
    WHERE task_id = ANY(%(tasks)s) AND state = 'leased' GROUP BY task_id
),
needed AS (
    SELECT t.id, t.judgment_count + coalesce(u.leases, 0) AS taken, (u.leases IS NULL)::int AS least
    FROM labeling_task t LEFT JOIN under_way u ON u.task_id = t.id WHERE t.id = ANY(%(tasks)s)
)
UPDATE labeling_task t SET state = 'open', retired_because = '', retired_at = NULL,
    wanted = greatest(t.wanted, n.taken + n.least), open_slots = greatest(t.wanted - n.taken, n.least)
FROM needed n WHERE n.id = t.id RETURNING t.id"""


def is_near_the_end(project: Project) -> bool:
    """Whether so little of the budget is left that leases under way have to be counted against it."""
    if project.budget is None or not project.price_per_judgment:
        return False
    return (project.budget - project.spent) / project.price_per_judgment <= NEAR_THE_END


def has_room(*, project: Project) -> bool:
    """Whether the budget allows one more lease; near its end under a lock that lasts to the end of the transaction."""
    return not is_near_the_end(project) or leases.affordable(project_id=project.pk) > 0


def retire_when_spent(*, project_id: int) -> int:
    """Retire all open tasks of a project whose budget is spent; returns how many."""
    with transaction.atomic():
        row = Project.objects.get(pk=project_id)
        if not row.is_spent:
            return 0
        # Tasks before the project, as everyone does: an answer holds its task when it comes to the project's row.
        open_tasks = Task.objects.filter(project=row, state=Task.State.OPEN)
        ids = list(open_tasks.order_by("pk").select_for_update().values_list("pk", flat=True))
        if not _held(project_id).is_spent:  # an owner was quicker, and what was closed now nobody would open again
            return 0
        count = Task.objects.filter(pk__in=ids).update(
            state=Task.State.RETIRED, retired_because=Task.Because.BUDGET, retired_at=timezone.now(), open_slots=0
        )
        Consensus.objects.filter(task_id__in=ids).update(is_final=True)
        webhooks.tell_retired(project=row, reasons=dict.fromkeys(ids, Task.Because.BUDGET))
        Project.objects.filter(pk=row.pk).update(retired_count=F("retired_count") + count)
    return count


def _held(project_id: int) -> Project:
    """The project as it is now, and stays until the transaction ends."""
    return Project.objects.select_for_update().get(pk=project_id)


def reopen_when_affordable(*, project_id: int, most: int | None = None) -> int:
    """Open again what the end of the budget retired, once there is money for it; returns how many tasks."""
    with transaction.atomic():
        row = Project.objects.get(pk=project_id)
        if row.is_spent:
            return 0
        ended = Task.objects.filter(project=row, retired_because=Task.Because.BUDGET, is_gold=False)
        short = ended.filter(state=Task.State.RETIRED, judgment_count__lt=row.judgments_max)
        ids = list(short.order_by("pk")[:most].select_for_update().values_list("pk", flat=True))
        if _held(project_id).is_spent:  # answers were quicker, and what was opened now nobody would close again
            return 0
        leases.fetch(_REOPEN, {"tasks": ids})
        Consensus.objects.filter(task_id__in=ids, decided_by=None).update(is_final=False)
        Project.objects.filter(pk=row.pk).update(retired_count=Greatest(F("retired_count") - len(ids), 0))
    return len(ids)
