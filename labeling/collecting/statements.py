"""The statements of answering: a lease becomes a judgment, which the consensus and every counter follow. Worker-side.

Everyone locks a task before its assignments: a claim that holds the task may have to wait for an assignment made a
moment ago, and must not be waited for by its answer. One statement writes assignment, judgment, task and
membership and tells what all have said; a second one writes what the consensus makes of it. The project's own row,
which all workers of a project share, is written last and held for as short as possible.

Where nobody writes the task after an answer's first look at it, all that follows is known beforehand and becomes one
statement (``record_as_seen``): two exchanges with the database an answer, where there would be five.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils import timezone

from labeling import days
from labeling.collecting.leases import fetch
from labeling.models import Project, Task

LONGEST_SECONDS = 3600.0


class Recorded(NamedTuple):
    """The judgment as it was stored, and its task as it is now, under the lock that the statement took.

    ``heard`` is what ``heard`` below would say; None when somebody wrote the task in between, so that it must be asked.
    """

    judgment_id: int
    task_id: int
    judgment_count: int
    wanted: int
    asked_for: int
    state: str
    retired_because: str
    created_at: datetime
    heard: list[Heard] | None = None
    is_as_looked_at: bool = True  # no write since the answer's first look


class Heard(NamedTuple):
    """One judgment of a task, and what is known of its worker: ``skills`` are (question, accuracy, confusion) rows."""

    worker_id: int
    answers: Any
    survey_version: int
    weight: float
    skills: Sequence[tuple[int, float, Any]] | None


class Seen(NamedTuple):
    """A task at an answer's first look at it, in the order of ``SEEN``."""

    row: str  # the version of its row
    judgment_count: int
    wanted: int
    asked_for: int
    state: str
    retired_because: str
    weight: float  # of the worker who is about to answer
    skills: Sequence[tuple[int, float, Any]] | None
    others: Sequence[Sequence[Any]] | None  # what each ``Heard`` is made of

    def with_answer(self, *, task_id: int, worker_id: int, answers: dict[str, Any], version: int) -> Recorded:
        """The task as it will be with this answer."""
        said = [Heard(*one) for one in self.others or ()]
        said.append(Heard(worker_id, answers, version, self.weight, self.skills))
        count = self.judgment_count + 1
        return Recorded(
            0, task_id, count, self.wanted, self.asked_for, self.state, self.retired_because, timezone.now(), said
        )


def _of_worker(worker: str, project: str = "%(project)s", questions: str = "%(questions)s") -> str:
    """Two columns: the weight of a worker, though they may have left, and their skills."""
    return f"""
coalesce((SELECT m.weight FROM labeling_membership m WHERE m.project_id = {project} AND m.user_id = {worker}),
         (SELECT d.weight FROM labeling_departure d WHERE d.project_id = {project} AND d.user_id = {worker}), 1.0), (
    SELECT json_agg(json_build_array(s.question_id, s.accuracy, s.confusion)) FROM labeling_workerskill s
    WHERE s.worker_id = {worker} AND s.question_id = ANY({questions}))"""


# Of an assignment a with its task t, gold g and project p, beside OF_PROJECT. Where all is known of gold, reading what
# very many have said of it would only take time.
OF_PROJECT = (
    "CROSS JOIN LATERAL (SELECT ARRAY(SELECT id FROM labeling_question WHERE project_id = p.id) AS questions) q"
)
SEEN = f"""t.xmin::text, t.judgment_count, t.wanted, t.asked_for, t.state, t.retired_because,
{_of_worker("a.worker_id", "p.id", "q.questions")},
CASE WHEN NOT t.is_gold OR EXISTS (
    SELECT FROM labeling_question w WHERE w.project_id = p.id AND NOT g.answers ? w.key) THEN (
    SELECT json_agg(json_build_array(h.worker_id, h.answers, h.survey_version,
                                     {_of_worker("h.worker_id", "p.id", "q.questions")}) ORDER BY h.id)
    FROM labeling_judgment h WHERE h.task_id = t.id AND h.withdrawn_at IS NULL) END"""

_HEARD = f"""
SELECT h.task_id, h.worker_id, h.answers, h.survey_version, {_of_worker("h.worker_id")}
FROM labeling_judgment h WHERE h.task_id = ANY(%(tasks)s) AND h.withdrawn_at IS NULL ORDER BY h.id"""
_DONE = """
done AS (
    UPDATE labeling_assignment a SET state = 'submitted' FROM held
    WHERE a.id = %(assignment)s AND a.task_id = held.task_id AND (a.state = 'leased') IS TRUE  -- by its id alone
    RETURNING a.id, a.task_id, a.project_id, a.worker_id
)"""
_SAID = """
person AS (
    UPDATE labeling_membership m SET judgment_count = m.judgment_count + 1,
        seconds = m.seconds + coalesce(%(seconds)s::float8, 0), earned = m.earned + %(price)s,
        gold_seen = m.gold_seen + %(measured)s, gold_right = m.gold_right + %(right)s,
        streak_days = CASE WHEN m.last_day >= %(today)s::date THEN m.streak_days  -- later: a person who went west
                           WHEN m.last_day = %(today)s::date - 1 THEN m.streak_days + 1 ELSE 1 END,
        last_day = greatest(m.last_day, %(today)s::date)
    FROM done WHERE m.project_id = done.project_id AND m.user_id = done.worker_id RETURNING m.id
),
said AS (
    INSERT INTO labeling_judgment (task_id, project_id, worker_id, assignment_id, answers, seconds, survey_version,
                                   language, source, is_gold, price, created_at)
    SELECT done.task_id, done.project_id, done.worker_id, done.id, %(answers)s::jsonb, %(seconds)s::float8,
           %(version)s, %(language)s, %(source)s, counted.is_gold, %(price)s, %(now)s
    FROM done JOIN counted ON counted.id = done.task_id RETURNING id
)"""
_RECORD = f"""
WITH held AS MATERIALIZED (
    SELECT t.id AS task_id,
           t.xmin = (SELECT s.xmin FROM labeling_task s WHERE s.id = a.task_id) AS is_as_seen,  -- no write in between
           t.xmin = %(row)s::xid AS is_as_looked_at
    FROM labeling_assignment a JOIN labeling_task t ON t.id = a.task_id
    WHERE a.id = %(assignment)s FOR UPDATE OF t
),
{_DONE},
counted AS (
    UPDATE labeling_task t SET judgment_count = t.judgment_count + 1 FROM done
    WHERE t.id = done.task_id
    RETURNING t.id, t.judgment_count, t.wanted, t.asked_for, t.is_gold, t.state, t.retired_because
),
{_SAID}
SELECT said.id, counted.id, counted.judgment_count, counted.wanted, counted.asked_for, counted.state,
       counted.retired_because, %(now)s::timestamptz, held.is_as_looked_at, held.is_as_seen,
       h.worker_id, h.answers, h.survey_version, {_of_worker("h.worker_id")}
FROM said, counted, done, held, LATERAL (
    SELECT j.id, j.worker_id, j.answers, j.survey_version FROM labeling_judgment j
    WHERE j.task_id = counted.id AND j.withdrawn_at IS NULL AND %(hears)s
    UNION ALL SELECT said.id, done.worker_id, %(answers)s::jsonb, %(version)s::int  -- itself unseen
) h ORDER BY h.id"""

_WRITTEN = """
written AS (
    INSERT INTO labeling_consensus (task_id, project_id, question_id, answer, confidence, posterior, method,
                                    judgment_count, is_final, updated_at, others)
    SELECT %(task)s, %(project)s, r.question, r.answer, r.confidence, r.posterior, %(method)s, r.judgments, %(final)s,
           %(now)s, '{{}}'
    FROM {only} json_to_recordset(%(rows)s::json)
        AS r(question bigint, answer jsonb, confidence float8, posterior jsonb, judgments int)
    ON CONFLICT (task_id, question_id) DO UPDATE SET answer = excluded.answer, confidence = excluded.confidence,
        posterior = excluded.posterior, method = excluded.method, judgment_count = excluded.judgment_count,
        is_final = labeling_consensus.is_final OR excluded.is_final, updated_at = excluded.updated_at
    {where}
    RETURNING task_id
)"""
_OTHERS = """
others AS (  -- rows of questions that the task is not asked any more; a row can be written only once
    UPDATE labeling_consensus c SET is_final = true FROM closed
    WHERE c.task_id = closed.id AND c.question_id <> ALL(%(asked)s) RETURNING c.task_id
)"""
_IS_SPENT = "budget IS NOT NULL AND spent + price_per_judgment > budget"
_SETTLE = f"""
WITH {_WRITTEN.format(only="", where="")},
closed AS (
    UPDATE labeling_task SET state = 'retired', retired_because = %(because)s, retired_at = %(now)s, open_slots = 0
    WHERE id = %(task)s AND state = 'open' AND %(because)s::text <> '' RETURNING id
),
{_OTHERS},
project AS (
    UPDATE labeling_project p SET judgment_count = p.judgment_count + %(count)s, spent = p.spent + %(price)s,
        answers_version = p.answers_version + %(count)s, retired_count = p.retired_count + (SELECT count(*) FROM closed)
    WHERE p.id = %(project)s AND (%(count)s > 0 OR EXISTS (SELECT FROM closed))
    RETURNING p.spent, p.budget, p.price_per_judgment
)
SELECT {_IS_SPENT} FROM project"""

# The project's own row comes last, as everywhere: hence the count of what else was written, never below nought.
_RECORD_AS_SEEN = f"""
WITH held AS MATERIALIZED (
    SELECT t.id AS task_id FROM labeling_task t WHERE t.id = %(task)s AND t.xmin = %(row)s::xid FOR UPDATE OF t
),
{_DONE},
counted AS (
    UPDATE labeling_task t SET judgment_count = t.judgment_count + 1,
        state = CASE WHEN %(closes)s THEN 'retired' ELSE t.state END,
        retired_because = CASE WHEN %(closes)s THEN %(because)s ELSE t.retired_because END,
        retired_at = CASE WHEN %(closes)s THEN %(now)s ELSE t.retired_at END,
        open_slots = CASE WHEN %(closes)s THEN 0 ELSE t.open_slots END
    FROM done WHERE t.id = done.task_id RETURNING t.id, t.is_gold
),
{_SAID},
{_WRITTEN.format(only="done CROSS JOIN", where="WHERE labeling_consensus.decided_by_id IS NULL")},
closed AS (SELECT id FROM counted WHERE %(closes)s),
{_OTHERS},
project AS (
    UPDATE labeling_project p SET judgment_count = p.judgment_count + 1, spent = p.spent + %(price)s,
        answers_version = p.answers_version + 1, retired_count = p.retired_count + %(closes)s::int
    FROM done WHERE p.id = done.project_id AND (SELECT count(*) FROM person) + (
        SELECT count(*) FROM written) + (SELECT count(*) FROM others) >= 0
    RETURNING p.spent, p.budget, p.price_per_judgment
)
SELECT said.id, %(now)s::timestamptz, {_IS_SPENT} FROM said, project"""

_COUNT = f"""
UPDATE labeling_project SET judgment_count = judgment_count + %(count)s, spent = spent + %(price)s,
    answers_version = answers_version + 1 WHERE id = %(project)s RETURNING {_IS_SPENT}"""


def record(
    *,
    assignment_id: uuid.UUID,
    project_id: int,
    row: str,
    answers: dict[str, Any],
    seconds: float | None,
    version: int,
    price: Decimal,
    language: str = "",
    questions: Sequence[int] = (),
    right: bool | None = None,
    hears: bool = True,
    source: str = "worker",
) -> Recorded | None:
    """Turn a live lease into a judgment, or None when the lease is not live any more.

    ``row`` is its task's at the first look, ``language`` the one that was shown; the skills at ``questions`` are told
    with what was heard: itself alone where it ``hears`` no others. ``right`` says how an answer went that measures.
    """
    values = {
        "assignment": assignment_id,
        "project": project_id,
        "row": row,
        "answers": json.dumps(answers),
        "seconds": seconds,
        "version": version,
        "language": language,
        "price": price,
        "today": days.today(),
        "questions": list(questions),
        "source": source,
        "hears": hears,
        "measured": int(right is not None),
        "right": int(right is True),
    }
    rows = fetch(_RECORD, values)
    if not rows:
        return None
    recorded, is_as_seen = Recorded(*rows[0][:8])._replace(is_as_looked_at=rows[0][8]), rows[0][9]
    # It sees what was there when it began. An answer that it then waited for is missing, one taken back meanwhile is
    # not; a number of them would not tell, but whoever did either wrote the task.
    return recorded._replace(heard=[Heard(*row[10:]) for row in rows]) if is_as_seen else recorded


def record_as_seen(
    *,
    assignment_id: uuid.UUID,
    project: Project,
    seen: Seen,
    task: Recorded,
    seconds: float | None,
    language: str,
    price: Decimal,
    rows: Sequence[Mapping[str, Any]],
    because: str,
    right: bool | None = None,
) -> tuple[Recorded, bool] | None:
    """``record`` and ``settle`` in one, for a project in which nothing else follows an answer.

    Args:
        assignment_id: Of a live lease.
        project: Its project.
        seen: Its task at the first look.
        task: ``seen.with_answer``; the last that it heard is the answer to store.
        seconds, language, right: As for ``record``.
        price: Of this judgment.
        rows: The consensus that this answer makes, as for ``settle``.
        because: Why the task retires now; empty where it stays open, or was retired already.

    Returns:
        The judgment, and whether the next would not fit into the budget. None, and nothing is written, where somebody
        wrote the task after the look or the lease is over.
    """
    assert task.heard
    answer = task.heard[-1]
    values = {
        "assignment": assignment_id,
        "project": project.pk,
        "task": task.task_id,
        "row": seen.row,
        "answers": json.dumps(answer.answers),
        "seconds": seconds,
        "version": answer.survey_version,
        "language": language,
        "source": "worker",
        "price": price,
        "today": days.today(),
        "method": project.aggregator,
        "rows": json.dumps(rows),
        "asked": [row["question"] for row in rows],
        "because": str(because),
        "closes": bool(because),
        "final": task.state != Task.State.OPEN or bool(because),
        "measured": int(right is not None),
        "right": int(right is True),
    }
    found = fetch(_RECORD_AS_SEEN, values)
    if not found:
        return None
    return task._replace(judgment_id=found[0][0], created_at=found[0][1]), found[0][2]


def heard(*, task_ids: Sequence[int], project_id: int, questions: Sequence[int]) -> dict[int, list[Heard]]:
    """What all have said of each task, in the order in which they did, with their skills at these questions."""
    found: dict[int, list[Heard]] = {task_id: [] for task_id in task_ids}
    values = {"tasks": list(task_ids), "project": project_id, "questions": list(questions)}
    for task_id, *row in fetch(_HEARD, values):
        found[task_id].append(Heard(*row))
    return found


def settle(
    *, task: Recorded, project: Project, rows: Sequence[Mapping[str, Any]], because: str, price: Decimal | None
) -> bool:
    """Write a task's consensus, retire the task when there is a reason, and count a judgment of this price, if any.

    ``rows`` have ``question``, ``answer``, ``confidence``, ``posterior`` and ``judgments``. A row that is final stays
    so. Returns whether the project was counted and the next judgment would not fit into its budget.
    """
    values = {
        "task": task.task_id,
        "project": project.pk,
        "method": project.aggregator,
        "rows": json.dumps(rows),
        "asked": [row["question"] for row in rows],
        "because": str(because),
        "final": task.state != Task.State.OPEN or bool(because),
        "count": 0 if price is None else 1,
        "price": 0 if price is None else price,
    }
    found = fetch(_SETTLE, values)
    return bool(found and found[0][0])


def count(*, project_id: int, judgments: int, price: Decimal) -> bool:
    """Move the project's counters by some judgments; True when the next one would not fit into the budget."""
    return bool(fetch(_COUNT, {"project": project_id, "count": judgments, "price": price})[0][0])


_COUNT_TASKS = """
UPDATE labeling_task t SET judgment_count = r.judgments, wanted = r.wanted, open_slots = r.open
FROM unnest(%(tasks)s::bigint[], %(judgments)s::int[], %(wanted)s::int[], %(open)s::int[])
    AS r(task, judgments, wanted, open) WHERE t.id = r.task RETURNING t.id"""
_COUNT_WORKERS = """
UPDATE labeling_membership m SET judgment_count = m.judgment_count + r.judgments, seconds = m.seconds + r.seconds
FROM unnest(%(workers)s::bigint[], %(judgments)s::int[], %(seconds)s::float8[]) AS r(worker, judgments, seconds)
WHERE m.project_id = %(project)s AND m.user_id = r.worker RETURNING m.id"""


def write_counts(rows: Sequence[Task]) -> None:
    """Store how many judgments these tasks, whose rows are locked, have, want and wait for."""
    values = {
        "tasks": [task.pk for task in rows],
        "judgments": [task.judgment_count for task in rows],
        "wanted": [task.wanted for task in rows],
        "open": [task.open_slots for task in rows],
    }
    fetch(_COUNT_TASKS, values)


def count_workers(*, project_id: int, seconds: Mapping[int, Sequence[float]]) -> None:
    """Add to the records of workers, whose rows are locked, a judgment for each of the times that they took."""
    values = {
        "project": project_id,
        "workers": list(seconds),
        "judgments": [len(took) for took in seconds.values()],
        "seconds": [sum(took) for took in seconds.values()],
    }
    fetch(_COUNT_WORKERS, values)


def usable_seconds(value: Any) -> float | None:
    """Active seconds as a client reports them: a finite number, or its text, capped at an hour; else not known."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_SECONDS) if 0 <= seconds < float("inf") else None
