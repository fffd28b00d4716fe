"""While a project is fitted: of which tasks a question's answers are left out, since the labels of others rule it out.

Who took a cat for a dog and told its collar says nothing of how well the crowd knows collars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeling.consensus.base import Judgments, QuestionFit
from labeling.models import Consensus, Project
from labeling.questions import conditions
from labeling.surveys.survey import Asked, Survey


class Labels:
    """The labels of the tasks where something was said of a question with a condition, as the fit comes to them."""

    def __init__(
        self, project: Project, asked: Survey, judgments: Judgments, golds: Mapping[int, Mapping[str, Any]]
    ) -> None:
        conditional = [question for question in asked.questions if question.show_if]
        tests = [row for question in conditional for row in conditions.compared(question.show_if)]
        self._looked_at = {key for key, _test, _value in tests}
        self._judgments, self._golds = judgments, golds
        self._said: dict[int, dict[str, Any]] = {}
        self._told: dict[int, set[str]] = {}
        for question in conditional:
            for task in judgments.of(question.key).task:
                self._said.setdefault(task, {})
                self._told.setdefault(task, set())
        self._decided: dict[tuple[int, str], Any] = {}
        if conditional:
            rows = Consensus.objects.filter(project=project, question__key__in=self._looked_at).exclude(decided_by=None)
            for task, key, answer in rows.values_list("task_id", "question__key", "answer"):
                self._decided[task, key] = answer

    def leave_out(self, question: Asked) -> None:
        """Leave out of the judgments what was said of this question where the labels so far rule it out."""
        if question.key in self._looked_at:
            for task in self._judgments.of(question.key).task:
                if task in self._told:
                    self._told[task].add(question.key)
        if question.show_if:
            out = {
                task
                for task in set(self._judgments.of(question.key).task)
                if question.key not in self._golds.get(task, {})
                and conditions.rules_out(question.show_if, self._said[task], self._told[task])
            }
            if out:
                self._judgments.drop(question.key, out)

    def add(self, question: Asked, found: QuestionFit) -> None:
        """Take the question's labels for those of the next: what is known or decided, else what was combined."""
        if question.key not in self._looked_at:
            return
        for task in found.said_of & self._said.keys():
            known = self._golds.get(task, {})
            if question.key in known:
                self._said[task][question.key] = known[question.key]
            elif (task, question.key) in self._decided:
                self._said[task][question.key] = self._decided[task, question.key]
            else:
                self._said[task][question.key] = found.combined(task).answer
