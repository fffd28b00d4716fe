"""What every question kind offers: check its options, check an answer, say its shape to programs.

Pure. A kind is a handful of functions in a dataclass rather than a class to inherit from; the file name is the key in
KINDS and the name in the database.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labeling.text.words import gettext as _

# "I can't tell" is an answer of its own, stored as such and never counted as a vote for a category.
CANT_TELL = "cant_tell"

Options = dict[str, Any]
Schema = dict[str, Any]


class BadAnswer(ValueError):
    """An answer or an option is not what the kind takes; the message says what is."""


@dataclass(frozen=True)
class Kind:
    """One kind of question.

    ``options`` returns the checked options or raises BadAnswer. ``answer`` returns the canonical answer or raises.
    ``schema`` is the JSON Schema (2020-12) of an answer. ``classes`` are the labels of a posterior, for kinds that have
    one. ``statistic`` says how judgments are combined: by ``class``, ``set``, ``median``, ``text`` or ``boxes``.
    """

    options: Callable[[Options], Options]
    answer: Callable[[Any, Options], Any]
    schema: Callable[[Options], Schema]
    classes: Callable[[Options], list[str]]
    statistic: str


def is_number(value: Any) -> bool:
    """Whether it is a number that arithmetic can use: no truth value, not endless, not beyond what a float holds."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def choice_keys(options: Options) -> list[str]:
    return [choice["key"] for choice in options.get("choices", [])]


def known_options(options: Options, *names: str) -> Options:
    """The options, with ``choices`` as {key, name}; ``names`` are those that the kind takes beside what all take.

    Raises:
        BadAnswer: One is unknown, or of a wrong type.
    """
    unknown = sorted(set(options) - {*names, "cant_tell", "section", "examples"})
    if unknown:
        raise BadAnswer(
            _("unknown options %(unknown)s; this kind takes %(known)s.")
            % {"unknown": ", ".join(unknown), "known": ", ".join(names) or "none"}
        )
    for name in ("cant_tell", "shuffle", "whole"):
        if not isinstance(options.get(name, False), bool):
            raise BadAnswer(
                _("%(name)s must be true or false, got %(value)s.") % {"name": name, "value": f"{options[name]!r:.40}"}
            )
    for name in ("section", "unit"):
        if not isinstance(options.get(name, ""), str):
            raise BadAnswer(_("%(name)s is text, got %(value)s.") % {"name": name, "value": f"{options[name]!r:.40}"})
    if "choices" in options:
        options = {**options, "choices": _choices(options["choices"])}
    examples = options.get("examples", [])
    for row in examples if isinstance(examples, list) else [None]:
        url = row.get("url") if isinstance(row, dict) else row
        if not isinstance(url, str) or not url.startswith(("https://", "http://", "/", "data:image/")):
            raise BadAnswer(
                _("examples must be addresses of pictures (https://…), got %(value)s.") % {"value": f"{url!r:.80}"}
            )
    return options


def _choices(choices: Any) -> list[dict[str, str]]:
    if not isinstance(choices, list):
        raise BadAnswer(_("choices must be a list of names or of {key, name}."))
    rows = [{"key": c, "name": c} if isinstance(c, str) else c for c in choices]
    if not all(isinstance(r, dict) and isinstance(r.get("key"), str) and r["key"].strip() for r in rows):
        raise BadAnswer(_("each choice needs a key that is not empty."))
    rows = [{"name": row.get("label", ""), **row} for row in rows]  # label: as many others write it
    if not all(isinstance(row["name"], str) for row in rows):
        raise BadAnswer(_("the name of a choice is text."))
    # As those of a project's categories: spaces around a name do not survive the forms and files of others.
    rows = [{**row, "key": (key := row["key"].strip()), "name": row["name"].strip() or key} for row in rows]
    keys = [row["key"] for row in rows]
    if len(set(keys)) != len(keys) or CANT_TELL in keys:
        raise BadAnswer(
            _("choices must differ from each other and from %(cant_tell)s.") % {"cant_tell": repr(CANT_TELL)}
        )
    return rows


def number_option(options: Options, name: str, default: float | None = None) -> float | None:
    """A number or nothing.

    Raises:
        BadAnswer: It is something else.
    """
    value = options.get(name, default)
    if value is not None and not is_number(value):
        raise BadAnswer(_("%(name)s must be a number, got %(value)s.") % {"name": name, "value": f"{value!r:.80}"})
    return value


def whole_option(options: Options, name: str, default: int | None = None) -> int | None:
    """As ``number_option``, without a fraction."""
    value = number_option(options, name, default)
    if value is not None and value != int(value):
        raise BadAnswer(
            _("%(name)s must be a whole number, got %(value)s.") % {"name": name, "value": f"{value!r:.80}"}
        )
    return None if value is None else int(value)


def no_classes(options: Options) -> list[str]:
    return []
