"""``show_if``: whether a question is asked, given the answers so far. Pure; decided on the server.

A condition is one of ``{"question": key, "equals": value}``, ``{"question": key, "in": [values]}``,
``{"question": key, "contains": value}`` (of a multiple choice), ``{"question": key, "answered": true}``,
``{"question": key, "at_least" | "at_most": number}``, ``{"all": […]}``, ``{"any": […]}`` and ``{"not": condition}``.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from labeling.questions.kind import BadAnswer, is_number
from labeling.text.words import gettext as _

TESTS = ("equals", "in", "contains", "answered", "at_least", "at_most")


def check(condition: Any, earlier: set[str], depth: int = 0) -> None:
    """Return when the condition is well-formed and looks only at earlier questions.

    Raises:
        BadAnswer: With what was expected and what came.
    """
    if not isinstance(condition, dict) or depth > 8:
        raise BadAnswer(
            _("expected a condition such as {'question': …, 'equals': …}, got %(condition)s.")
            % {"condition": f"{condition!r:.80}"}
        )
    for name in ("all", "any"):
        if set(condition) == {name} and isinstance(condition[name], list) and condition[name]:
            for part in condition[name]:
                check(part, earlier, depth + 1)
            return
    if set(condition) == {"not"}:
        check(condition["not"], earlier, depth + 1)
        return
    tests = [name for name in TESTS if name in condition]
    if len(tests) != 1 or set(condition) != {"question", tests[0]}:
        raise BadAnswer(
            _("expected 'question' and one of %(tests)s; got %(condition)s.")
            % {"tests": ", ".join(TESTS), "condition": ", ".join(sorted(condition))}
        )
    if not isinstance(condition["question"], str) or condition["question"] not in earlier:
        raise BadAnswer(
            _(
                "the condition under which it is asked looks at %(question)s, which is not an earlier question. "
                "Earlier ones: %(keys)s."
            )
            % {"question": repr(condition["question"]), "keys": ", ".join(sorted(earlier)) or "–"}
        )
    if tests[0] == "in" and not isinstance(condition["in"], list):
        raise BadAnswer(_("'in' takes a list of answers."))
    if tests[0] == "answered" and not isinstance(condition["answered"], bool):
        value = f"{condition['answered']!r:.40}"
        raise BadAnswer(_("%(name)s must be true or false, got %(value)s.") % {"name": "answered", "value": value})
    if tests[0] in {"at_least", "at_most"} and not is_number(condition[tests[0]]):
        value = f"{condition[tests[0]]!r:.80}"
        raise BadAnswer(_("%(name)s must be a number, got %(value)s.") % {"name": tests[0], "value": value})


def compared(condition: Any) -> list[tuple[str, str, Any]]:
    """Every question that a well-formed condition looks at, the test, and what its answer is compared with.

    Example:
        >>> compared({"any": [{"question": "animal", "equals": "cat"}, {"question": "size", "at_least": 3}]})
        [('animal', 'equals', 'cat'), ('size', 'at_least', 3)]
    """
    if condition is None:
        return []
    for name in ("all", "any"):
        if name in condition:
            return [row for part in condition[name] for row in compared(part)]
    if "not" in condition:
        return compared(condition["not"])
    test = next(name for name in TESTS if name in condition)
    return [(condition["question"], test, condition[test])]


def holds(condition: Mapping[str, Any] | None, answers: Mapping[str, Any]) -> bool:
    """Whether the condition is true of the answers; None is always true. A question without an answer makes it false.

    Example:
        >>> holds({"question": "animal", "equals": "cat"}, {"animal": "cat"})
        True
    """
    if condition is None:
        return True
    if "all" in condition:
        return all(holds(part, answers) for part in condition["all"])
    if "any" in condition:
        return any(holds(part, answers) for part in condition["any"])
    if "not" in condition:
        return not holds(condition["not"], answers)
    key = condition["question"]
    if "answered" in condition:
        return (answers.get(key) is not None) == bool(condition["answered"])
    return key in answers and _compare(condition, answers[key])


class Conditional(Protocol):
    """A question, as far as its condition goes."""

    @property
    def key(self) -> str: ...
    @property
    def show_if(self) -> Mapping[str, Any] | None: ...


Question = TypeVar("Question", bound=Conditional)


def rules_out(condition: Mapping[str, Any] | None, said: Mapping[str, Any], told: Container[str]) -> bool:
    """Whether labels speak against the condition: they do not where none of what it looks at has one.

    Args:
        said: Question -> label, of those that are asked themselves.
        told: All questions that have a label, also one that is ruled out.
    """
    return not holds(condition, said) and any(key in told for key, _test, _value in compared(condition))


def shown(questions: Iterable[Question], answers: Mapping[str, Any]) -> list[Question]:
    """The questions, in their order, that labels of a task rule out none of: one that is hidden opens no other.

    Where people disagree about an animal, some have told the collar of what is labeled a cat. The same of all labels of
    a project, as SQL, is ``Consensus.objects.asked``.
    """
    found: list[Question] = []
    said: dict[str, Any] = {}
    for question in questions:
        if not rules_out(question.show_if, said, answers):
            found.append(question)
            if question.key in answers:
                said[question.key] = answers[question.key]
    return found


def _compare(condition: Mapping[str, Any], answer: Any) -> bool:
    if "equals" in condition:
        return _is_same(answer, condition["equals"])
    if "in" in condition:
        return any(_compare({"equals": value}, answer) for value in condition["in"])
    if "contains" in condition:
        return isinstance(answer, list) and condition["contains"] in answer
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return False
    return answer >= condition["at_least"] if "at_least" in condition else answer <= condition["at_most"]


def _is_same(answer: Any, said: Any) -> bool:
    if isinstance(answer, list) and isinstance(said, list):  # several choices, of which none is the first
        return len(answer) == len(said) and all(item in said for item in answer)
    return bool(answer == said) and isinstance(answer, bool) == isinstance(said, bool)
