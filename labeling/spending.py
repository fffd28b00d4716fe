"""What happens when the budget is spent. Worker-side."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import Consensus, Project, Task


def retire_when_spent(*, project_id: int) -> int:
    """Retire all open tasks of a project whose budget is spent; returns how many."""
    with transaction.atomic():
        row = Project.objects.get(pk=project_id)
        if not row.is_spent:
            return 0
        # Tasks before the project, as everyone does: an answer holds its task when it comes to the project's row.
        open_tasks = Task.objects.filter(project=row, state=Task.State.OPEN)
        ids = list(open_tasks.order_by("pk").select_for_update().values_list("pk", flat=True))
        count = Task.objects.filter(pk__in=ids).update(
            state=Task.State.RETIRED, retired_because=Task.Because.BUDGET, retired_at=timezone.now(), open_slots=0
        )
        Consensus.objects.filter(task_id__in=ids).update(is_final=True)
        Project.objects.filter(pk=row.pk).update(retired_count=F("retired_count") + count)
    return count
