"""What another aggregator would say of the same judgments: ``?method=`` of the labels. Worker-side.

The full fit stores each method's view beside the project's own (``Consensus.others``). Where judgments came since, a
small project is fitted again on the spot; a large one shows its last full fit, and majority, which needs no fit, is
always counted fresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from labeling.aggregation import AGGREGATORS
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, combine
from labeling.consensus import fitting
from labeling.consensus.base import QuestionFit, scaled
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Judgment, Project
from labeling.surveys import survey
from labeling.surveys.survey import Asked
from labeling.text.words import gettext as _

SMALL = 20_000  # judgments that are fitted within a request
View = dict[str, Any]


def checked(method: str) -> str:
    """The method, or a CrowdtuneError that names those there are."""
    if method not in AGGREGATORS:
        raise CrowdtuneError(
            "unknown_method",
            _("Expected a method out of %(aggregators)s; got %(method)s.")
            % {"aggregators": ", ".join(AGGREGATORS), "method": f"{method!r:.60}"},
        )
    return method


def of_rows(*, project: Project, rows: Sequence[Consensus], method: str) -> dict[int, View]:
    """Consensus id -> ``{"answer", "confidence", "posterior"}`` as this method sees it; gold is nobody's view."""
    rows = [row for row in rows if row.method not in {method, "gold"} or row.decided_by_id is not None]
    if not rows:
        return {}
    if project.fitted_version == project.answers_version and all(method in row.others for row in rows):
        return {row.pk: row.others[method] for row in rows}
    if project.judgment_count <= SMALL:
        fits = _fits(project.pk, project.answers_version, project.survey_version, method)
        return {row.pk: _view(fits[row.question_id].combined(row.task_id)) for row in rows if _has(fits, row)}
    if method == "majority":
        return _majority(project, rows)
    return {row.pk: row.others[method] for row in rows if method in row.others}


def show(project: Project, rows: Sequence[Consensus], method: str) -> None:
    """Let the rows (in memory) say what the method says; rows that it has no view of stay as they are."""
    views = of_rows(project=project, rows=rows, method=method)
    for row in rows:
        if row.pk in views:
            view = views[row.pk]
            row.answer, row.confidence, row.posterior = view["answer"], view["confidence"], view["posterior"]
            row.method = method


def _has(fits: dict[int, QuestionFit], row: Consensus) -> bool:
    return row.question_id in fits and row.task_id in fits[row.question_id].said_of


@lru_cache(maxsize=8)
def _fits(project_id: int, answers_version: int, survey_version: int, method: str) -> dict[int, QuestionFit]:
    return fitting.fit_all(Project.objects.get(pk=project_id), method, beside=False)


def _majority(project: Project, rows: Sequence[Consensus]) -> dict[int, View]:
    """Counted from the judgments of these rows' tasks alone."""
    now = survey.current(project)
    asked: dict[int, Asked] = {question.id: question for question in now.questions}
    said: dict[int, list[tuple[int, Any]]] = {}
    weights = fitting.weights_of(project)
    judgments = Judgment.objects.filter(task_id__in=[row.task_id for row in rows], withdrawn_at=None).order_by("id")
    for task, worker, version, answers in judgments.values_list("task_id", "worker_id", "survey_version", "answers"):
        said.setdefault(task, []).append((worker, answers if version == now.version else now.counted(answers)))
    found: dict[int, View] = {}
    for row in rows:
        question = asked.get(row.question_id)
        if question is None:
            continue
        given = [
            Said(who, answers[question.key], float(weights.get(who, 1.0) > 0))
            for who, answers in said.get(row.task_id, [])
            if question.key in answers
        ]
        belief = Belief.ignorant(question.classes, "majority")
        combined = combine(question.statistic, given, scaled(question), belief, {})
        if combined is not None:
            found[row.pk] = _view(combined)
    return found


def _view(combined: Combined) -> View:
    return {"answer": combined.answer, "confidence": combined.confidence, "posterior": combined.posterior}
