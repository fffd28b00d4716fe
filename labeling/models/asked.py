"""What ``labeling.questions.conditions`` says of answers, as SQL of labels: which label a task's other labels rule out.

Nothing of it is stored: a label that becomes another one, or a condition that the owner changes, tells at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import Any, Protocol

from django.db import models
from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.lookups import Exact

from labeling.questions import conditions


class Conditional(Protocol):
    """A question, as far as its condition goes."""

    @property
    def pk(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def show_if(self) -> Mapping[str, Any] | None: ...


def ruled_out(labels: QuerySet[Any], questions: Sequence[Conditional]) -> Q | None:
    """Those of ``labels`` whose question the task's others rule out; None where no question has a condition.

    Gold is what an owner knows, and no label speaks against it.
    """
    of_task = labels.model._default_manager.filter(task=OuterRef("task"))
    by_key = {question.key: question for question in questions}
    found = [
        Q(question=one.pk) & _speaks_against(of_task, one.show_if, by_key)
        for one in questions
        if one.show_if is not None
    ]
    return reduce(or_, found) & ~Q(method="gold") if found else None


def _speaks_against(of_task: QuerySet[Any], condition: Mapping[str, Any], by_key: Mapping[str, Conditional]) -> Q:
    """``conditions.rules_out``: where nothing that the condition looks at has a label, nothing does."""
    names = {key for key, _test, _value in conditions.compared(condition)}
    told = of_task.filter(question__in=[by_key[name].pk for name in names if name in by_key])
    return Q(Exists(told)) & ~_holds(of_task, condition, by_key)


def _holds(of_task: QuerySet[Any], condition: Mapping[str, Any], by_key: Mapping[str, Conditional]) -> Q:
    for name, joined in (("all", and_), ("any", or_)):
        if name in condition:
            return reduce(joined, [_holds(of_task, part, by_key) for part in condition[name]])
    if "not" in condition:
        return ~_holds(of_task, condition["not"], by_key)
    question = by_key.get(condition["question"])
    if question is None:
        return Q(Value(False)) if condition.get("answered", True) else Q(Value(True))
    said = of_task.filter(question=question.pk)
    said = said.exclude(answer=None) if "answered" in condition else said.filter(_compares(condition))
    found = Q(Exists(said))
    if question.show_if is not None:
        found &= ~_speaks_against(of_task, question.show_if, by_key)
    return found if condition.get("answered", True) else ~found


def _compares(condition: Mapping[str, Any]) -> Q:
    if "equals" in condition:
        return _is_same(condition["equals"])
    if "in" in condition:
        return reduce(or_, [_is_same(value) for value in condition["in"]], Q(Value(False)))
    if "contains" in condition:
        return Q(answer__contains=[condition["contains"]])
    kind = Func(F("answer"), function="jsonb_typeof", output_field=models.TextField())
    limit = Q(answer__gte=condition["at_least"]) if "at_least" in condition else Q(answer__lte=condition["at_most"])
    return Q(Exact(kind, "number")) & limit


def _is_same(said: Any) -> Q:
    if isinstance(said, list):  # several choices, of which none is the first
        return Q(answer__contains=said, answer__contained_by=said)
    return Q(answer=said)
