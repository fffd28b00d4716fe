"""Whether tasks wait for somebody who is not there: all of a project's people have seen them. Worker-side."""

from __future__ import annotations

from labeling.collecting.leases import fetch
from labeling.models import Membership, Project

MOST_COUNTED = 1000  # a page says that there are more
# As a claim sees it: labeling.collecting.leases.
_SEEN_BY_ALL = """
SELECT count(*) FROM (
    SELECT 1 FROM labeling_task t
    WHERE t.project_id = %(project)s AND t.state = 'open' AND t.open_slots > 0 AND NOT t.is_gold
        AND t.judgment_count >= %(least)s
        AND NOT EXISTS (
            SELECT 1 FROM unnest(%(people)s::bigint[]) w (id)
            WHERE NOT EXISTS (SELECT 1 FROM labeling_assignment x WHERE x.task_id = t.id AND x.worker_id = w.id
                              AND x.state IN ('leased', 'submitted', 'skipped'))
            AND NOT EXISTS (SELECT 1 FROM labeling_judgment y WHERE y.task_id = t.id AND y.worker_id = w.id
                            AND y.withdrawn_at IS NULL))
    LIMIT %(most)s) s"""


def by_all(project: Project) -> int:
    """How many open tasks nobody of the project can be handed any more; one more than MOST_COUNTED for more.

    Where boxes are drawn in stages, tasks come back to people, and it is not known.
    """
    if project.workflow != Project.Workflow.LABEL:
        return 0
    members = Membership.objects.filter(project=project, is_paused=False).exclude(phase=Membership.Phase.FAILED)
    people = dict(members.values_list("user_id", "skip_count"))
    # Each has answered such a task, or skipped it: most tasks of a project at work have too few answers for that.
    least = sum(not skipped for skipped in people.values())
    if not people or least > project.judgments_max:
        return 0
    values = {"project": project.pk, "people": list(people), "least": least, "most": MOST_COUNTED + 1}
    return int(fetch(_SEEN_BY_ALL, values)[0][0])
