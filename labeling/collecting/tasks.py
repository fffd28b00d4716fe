"""What happens to a task between judgments: it opens, wants more, retires, is disputed, reopens. Worker-side.

Called by the consensus at each submit and by the verbs in ``labeling.services``; each function is one or two statements
and keeps the project's counters true in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from labeling.collecting.leases import fetch
from labeling.models import Assignment, Consensus, Gold, Image, Project, Question, Task

# The stage at which an image's first task starts, by workflow.
FIRST_STAGE = {Project.Workflow.LABEL: "label", Project.Workflow.THREE_STAGE_BOXES: "draw:1"}

MOST_COUNTED = 1000  # tasks that wait for a reviewer: a page says that there are more
ENOUGH_CHECKS = 10  # known answers where labels differ from the plain majority, which an owner is asked for


def first_stage(project: Project) -> str:
    return FIRST_STAGE[Project.Workflow(project.workflow)]


def wanted_at(project: Project, stage: str) -> int:
    """How many judgments a new task of the stage wants: a box is drawn by one and verified by several."""
    return 1 if stage.startswith("draw:") else project.judgments_min


def disputed(project: Project) -> QuerySet[Task]:
    """Tasks that ended at their maximum without a sure answer, which wait for a reviewer."""
    unsure = Consensus.objects.filter(project=project, decided_by=None, confidence__lt=project.confidence)
    unsure = unsure.asked(project)
    return Task.objects.filter(
        project=project,
        state=Task.State.RETIRED,
        retired_because=Task.Because.MAXIMUM,
        judgment_count__gte=2,  # one answer alone disagrees with nobody
        pk__in=unsure.values("task_id"),
    )


def disputed_among(project: Project, ids: Iterable[int]) -> set[int]:
    """Which of these tasks wait for a reviewer: the others are sure enough, if they were not when they ended."""
    return set(disputed(project).filter(pk__in=list(ids)).values_list("pk", flat=True))


def disputed_count(project: Project) -> int:
    return counted(disputed(project))


def differing(question: Question) -> QuerySet[Task]:
    """Tasks whose label, which nobody has decided, is not the plain majority's; of several questions only what is
    closed, for a known answer to one would end asking the others.
    """
    rows = Consensus.objects.filter(project=question.project_id, question=question, decided_by=None)
    found = rows.asked(question.project).differing_from_majority().values("task_id")
    queue = Task.objects.filter(project=question.project_id, is_gold=False, pk__in=found)
    is_one = not question.project.in_stages and question.project.questions.count() == 1
    return queue if is_one else queue.filter(state=Task.State.RETIRED)


def checks(question: Question) -> int:
    """How many known answers say whether labels that differ are right."""
    use = Gold.Use.CHECK
    return Gold.objects.filter(task__project=question.project_id, use=use, answers__has_key=question.key).count()


def counted(queue: QuerySet[Task]) -> int:
    """How many there are; where there are more than ``MOST_COUNTED``, one more than that."""
    return queue.order_by()[: MOST_COUNTED + 1].count()


def leave_disputed(*, project: Project, task_ids: Sequence[int]) -> int:
    """Let those of these tasks that wait for a reviewer wait no more, whose labels stay; returns how many."""
    return disputed(project).filter(pk__in=task_ids).update(retired_because=Task.Because.PERSON)


def open_for(*, image: Image, project: Project, stage: str, payload: dict | None = None) -> Task:
    """Open the image's task at a stage, once; returns the one that is there."""
    wanted = wanted_at(project, stage)
    with transaction.atomic():
        task, created = Task.objects.get_or_create(
            image=image,
            stage=stage,
            defaults={"project": project, "wanted": wanted, "open_slots": wanted, "payload": payload or {}},
        )
        if created:
            Project.objects.filter(pk=project.pk).update(task_count=F("task_count") + 1)
    return task


def open_for_all(*, images: Iterable[Image], project: Project, stage: str) -> int:
    """Open a task for each of these new images; returns how many. The counter is the caller's."""
    wanted = wanted_at(project, stage)
    rows = [Task(project=project, image=image, stage=stage, wanted=wanted, open_slots=wanted) for image in images]
    return len(Task.objects.bulk_create(rows))


def hold(*, images: Iterable[int], project_id: int) -> None:
    """Lock the images' tasks, all of them and in one order, before anything that writes several of them or the project.

    Everyone comes to a task before the project's row: who held that and came for one more task would wait for a person
    whose answer holds the task and waits for the project.
    """
    rows = Task.objects.filter(project_id=project_id, image_id__in=list(images)).order_by("pk")
    list(rows.select_for_update(of=("self",)).values_list("pk"))


_RETIRE_ALL = """
WITH closed AS (
    UPDATE labeling_task SET state = 'retired', retired_because = %(because)s, retired_at = %(now)s, open_slots = 0
    WHERE id = ANY(%(tasks)s) AND state = 'open' RETURNING id, project_id
),
final AS (UPDATE labeling_consensus c SET is_final = true FROM closed WHERE c.task_id = closed.id),
counted AS (
    UPDATE labeling_project p SET retired_count = p.retired_count + c.tasks
    FROM (SELECT project_id, count(*) AS tasks FROM closed GROUP BY project_id) c WHERE p.id = c.project_id
)
SELECT id FROM closed"""


def retire_all(*, task_ids: Sequence[int], because: str) -> set[int]:
    """Close those of many tasks, whose rows the caller has locked, that are open; returns them."""
    return {pk for (pk,) in fetch(_RETIRE_ALL, {"tasks": list(task_ids), "because": str(because)})}


def retire(*, task_id: int, because: str) -> bool:
    """Close an open task with its reason; leases under way may still be answered. False when it was not open."""
    return bool(retire_all(task_ids=[task_id], because=because))


_MORE = """
UPDATE labeling_task t SET wanted = t.wanted + least(%(count)s, m.most - t.wanted),
    asked_for = CASE WHEN %(insists)s THEN t.wanted + least(%(count)s, m.most - t.wanted) ELSE t.asked_for END,
    open_slots = t.open_slots + least(%(count)s, m.most - t.wanted)
FROM labeling_project p CROSS JOIN LATERAL (SELECT p.judgments_max + %(void)s AS most) m
WHERE t.id = %(task)s AND p.id = t.project_id AND t.state = 'open' AND t.wanted < m.most RETURNING t.id"""


def open_more(*, task_id: int, count: int = 1, insists: bool = False, void: int = 0) -> bool:
    """Want ``count`` more judgments of an open task, never beyond the project's maximum. False when that is reached.

    Args:
        insists: They are asked for even where the task becomes sure before.
        void: So many of its judgments count for nothing, and towards no maximum.
    """
    return bool(fetch(_MORE, {"task": task_id, "count": count, "insists": insists, "void": void}))


# A task that somebody writes at this moment is left out: who holds a task must not wait for another. Held first, then
# counted: a lease that was made or answered while one statement looked for both would be missed.
_HOLD_FREE = "SELECT t.id FROM labeling_task t WHERE t.id = ANY(%(tasks)s) ORDER BY t.id FOR UPDATE OF t SKIP LOCKED"
_MORE_OF = """
WITH held AS MATERIALIZED (
    SELECT t.id, t.state, t.wanted, t.judgment_count + (
        SELECT count(*) FROM labeling_assignment a WHERE a.task_id = t.id AND a.state = 'leased') AS taken,
        p.judgments_max AS most
    FROM labeling_task t JOIN labeling_project p ON p.id = t.project_id
    WHERE t.id = ANY(%(tasks)s) AND NOT t.is_gold AND (t.state = 'open' OR (
        t.retired_because IN ('confident', 'maximum') AND p.workflow = 'label'
        AND (p.budget IS NULL OR p.spent + p.price_per_judgment <= p.budget)))
),
more AS (
    SELECT h.*, b.base + least(%(count)s, h.most - b.base) AS now_wanted FROM held h
    CROSS JOIN LATERAL (SELECT CASE WHEN h.state = 'open' THEN h.wanted ELSE h.taken END AS base) b
    WHERE b.base < h.most
),
asked AS (
    UPDATE labeling_task t SET state = 'open', retired_because = '', retired_at = NULL, wanted = m.now_wanted,
        asked_for = m.now_wanted, open_slots = m.now_wanted - m.taken
    FROM more m WHERE t.id = m.id RETURNING t.id, t.project_id, m.state
),
opened AS (
    UPDATE labeling_consensus c SET is_final = false FROM asked a
    WHERE c.task_id = a.id AND a.state = 'retired' AND c.decided_by_id IS NULL
),
counted AS (
    UPDATE labeling_project p SET retired_count = greatest(p.retired_count - a.tasks, 0)
    FROM (SELECT project_id, count(*) AS tasks FROM asked WHERE state = 'retired' GROUP BY project_id) a
    WHERE p.id = a.project_id
)
SELECT id FROM asked"""


def open_more_of(*, task_ids: Sequence[int], count: int) -> set[int]:
    """Insist on ``count`` more judgments of these tasks, never beyond the project's maximum; returns those changed.

    Those that were sure, or had as many as were wanted, are open again; what a person closed stays closed, as do a
    task whose answer is known and, where boxes are drawn in stages, one that the next stage has followed.
    """
    with transaction.atomic():
        held = [pk for (pk,) in fetch(_HOLD_FREE, {"tasks": list(task_ids)})]
        return {pk for (pk,) in fetch(_MORE_OF, {"tasks": held, "count": count})}


def reopen(*, task_id: int, count: int = 0) -> bool:
    """Take a retirement back: the task is open again and wants ``count`` judgments more than it has.

    They are asked for, however sure it is and however many the project's maximum says.
    """
    with transaction.atomic():
        task = Task.objects.select_for_update().get(pk=task_id)
        if task.state != Task.State.RETIRED or task.is_gold:
            return False
        leased = task.assignments.filter(state=Assignment.State.LEASED).count()
        wanted = task.judgment_count + leased + count
        task.state, task.retired_because, task.retired_at = Task.State.OPEN, "", None
        task.wanted, task.open_slots = max(wanted, 1), max(wanted, 1) - task.judgment_count - leased
        task.asked_for = task.wanted if count else task.asked_for
        task.save(update_fields=["state", "retired_because", "retired_at", "wanted", "asked_for", "open_slots"])
        Consensus.objects.filter(task_id=task_id, decided_by=None).update(is_final=False)
        Project.objects.filter(pk=task.project_id).update(retired_count=Greatest(F("retired_count") - 1, 0))
    return True


_REOPEN_ALL = """
WITH under_way AS (
    SELECT task_id, count(*) AS leases FROM labeling_assignment
    WHERE task_id = ANY(%(tasks)s) AND state = 'leased' GROUP BY task_id
),
taken AS (
    SELECT t.id, t.judgment_count + coalesce(u.leases, 0) AS slots
    FROM labeling_task t LEFT JOIN under_way u ON u.task_id = t.id WHERE t.id = ANY(%(tasks)s)
),
opened AS (
    UPDATE labeling_task t SET state = 'open', retired_because = '', retired_at = NULL,
        wanted = greatest(t.wanted, n.slots), open_slots = greatest(t.wanted, n.slots) - n.slots
    FROM taken n WHERE n.id = t.id AND t.state = 'retired' AND NOT t.is_gold RETURNING t.id, t.project_id
),
counted AS (
    UPDATE labeling_project p SET retired_count = greatest(p.retired_count - o.tasks, 0)
    FROM (SELECT project_id, count(*) AS tasks FROM opened GROUP BY project_id) o WHERE p.id = o.project_id
)
SELECT id FROM opened"""


def reopen_all(*, task_ids: Sequence[int]) -> set[int]:
    """Take the retirement of many tasks back, whose rows the caller has locked; returns those that were retired.

    They want what they wanted before.
    """
    return {pk for (pk,) in fetch(_REOPEN_ALL, {"tasks": list(task_ids)})}
