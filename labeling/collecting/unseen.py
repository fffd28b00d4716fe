"""Whether tasks wait for somebody who is not there: all of a project's people have seen them. Worker-side."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Said, combine
from labeling.collecting.leases import fetch
from labeling.models import Membership, Project, Role

MOST_COUNTED = 1000  # a page says that there are more
# So far down the queue: what nobody can be handed gathers at its head, and below there is work for somebody.
LOOKED_AT = 10_000
# As a claim sees it: labeling.collecting.leases.
_SEEN_BY_ALL = """
SELECT count(*) FROM (
    SELECT 1 FROM (
        SELECT id, judgment_count FROM labeling_task
        WHERE project_id = %(project)s AND state = 'open' AND open_slots > 0 AND NOT is_gold
        ORDER BY priority DESC, random, id LIMIT %(looked_at)s) t
    WHERE t.judgment_count >= %(least)s
        AND NOT EXISTS (
            SELECT 1 FROM unnest(%(people)s::bigint[]) w (id)
            WHERE NOT EXISTS (SELECT 1 FROM labeling_assignment x WHERE x.task_id = t.id AND x.worker_id = w.id
                              AND x.state IN ('leased', 'submitted', 'skipped'))
            AND NOT EXISTS (SELECT 1 FROM labeling_judgment y WHERE y.task_id = t.id AND y.worker_id = w.id
                            AND y.withdrawn_at IS NULL))
    LIMIT %(most)s) s"""


# Who runs the project and has answered nothing: people wait in vain for somebody who may never come to label.
_ONLY_WATCHES = ~Q(role=Role.WORKER) & Q(judgment_count=0, skip_count=0)


def _people(project: Project) -> QuerySet[Membership]:
    """Who may be handed tasks."""
    return Membership.objects.filter(project=project, is_paused=False).exclude(phase=Membership.Phase.FAILED)


def are_spare(project: Project) -> bool:
    """Whether somebody who runs the project could answer what waits."""
    return _people(project).filter(_ONLY_WATCHES).exists()


def most_heard(project: Project) -> int:
    """How many answers a task of the project can get: by who drew it a box is not verified."""
    return max(_people(project).exclude(_ONLY_WATCHES).count() - project.in_stages, 0)


def too_few_verify(project: Project) -> bool:
    """Whether no box of three stages can be accepted: all but who drew it are fewer than that takes."""
    if not project.in_stages or project.retired_count >= project.task_count:
        return False
    return most_heard(project) < _accepted_by(project)


def _accepted_by(project: Project) -> int:
    """How many people it takes to be sure that a box is good where all of them say so, by what is known of the crowd
    as a whole.
    """
    if project.stopping == "fixed":
        return project.judgments_min
    fit = project.questions.filter(kind="yes_no", stage="quality").order_by("id").values_list("fit", flat=True).last()
    belief = Belief.read(fit or {}, ["yes", "no"], project.aggregator)
    for people in range(project.judgments_min, project.judgments_max):
        combined = combine("class", [Said(0, True)] * people, {}, belief, {})
        if combined is not None and combined.confidence >= project.confidence:
            return people
    return project.judgments_max


def by_all(project: Project) -> int:
    """How many open tasks nobody who labels in the project can be handed any more; one more than MOST_COUNTED for more.

    Of those at the head of the queue, LOOKED_AT of them.
    """
    # Who has seen few is asked about first, which most often settles it.
    members = _people(project).exclude(_ONLY_WATCHES).order_by("judgment_count")
    people = dict(members.values_list("user_id", "skip_count"))
    # Each has answered such a task, or skipped it: most tasks of a project at work have too few answers for that.
    least = sum(not skipped for skipped in people.values())
    if project.in_stages:
        least -= 1  # who drew a box is not asked whether it is good
    if not people or least > project.judgments_max:
        return 0
    bounds = {"looked_at": LOOKED_AT, "most": MOST_COUNTED + 1}
    values = {"project": project.pk, "people": list(people), "least": least, **bounds}
    return int(fetch(_SEEN_BY_ALL, values)[0][0])
