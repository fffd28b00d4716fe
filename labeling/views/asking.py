"""One question as a page asks it: what its template needs, in the order and with the keys that a worker sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.questions import CANT_TELL, conditions
from labeling.surveys.survey import MANY_CHOICES, Asked
from labeling.surveys.translations import said_by_pages

# Up to here every option is a button; above, a person types the first letters.
BUTTONS = 24
# Kinds that one press can answer.
ONE_PRESS = {"yes_no", "single_choice", "rating"}
BLANK_ROWS = 3
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]+)?")
COLOURS = 8
SIDES = {"x": "x", "y": "y", "width": gettext_lazy("Width"), "height": gettext_lazy("Height")}


def is_instant(questions: Sequence[Asked]) -> bool:
    """Whether the task is answered by one press: a single question whose options all are buttons."""
    if len(questions) != 1 or questions[0].kind not in ONE_PRESS or not questions[0].required:
        return False
    return len(questions[0].options.get("choices", ())) <= BUTTONS


def shown(
    questions: Sequence[Asked],
    *,
    slug: str,
    seed: str = "",
    version: int | None = None,
    language: str = "",
    answers: Mapping[str, Any] | None = None,
    problems: Mapping[str, list[str]] | None = None,
    blank_rows: int = BLANK_ROWS,
) -> list[dict[str, Any]]:
    """The questions of one task for ``templates/labeling/questions/``; ``answers`` are what stands in the form.

    ``seed`` gives the order of shuffled choices, ``version`` is the survey's that a search among choices is about, and
    ``language`` the one of the questions, where the survey tells it.
    """
    answers, problems = answers or {}, problems or {}
    instant = is_instant(questions)
    has_boxes = any(question.kind == "boxes" for question in questions)
    rows = []
    for question in questions:
        row = _one(question, answers.get(question.key), seed, instant, blank_rows)
        row["error"] = " ".join(problems.get(question.key, ()))
        row["none_key"] = not has_boxes  # where there are, n draws one
        row["hidden"] = not conditions.holds(question.show_if, answers)
        row["search_url"] = f"{reverse('label-choices', args=[slug])}?question={question.key}"
        if version is not None:
            row["search_url"] += f"&version={version}"
        if language:
            row["search_url"] += f"&language={language}"
        rows.append(row)
    return rows


def _one(question: Asked, value: Any, seed: str, instant: bool, blank_rows: int) -> dict[str, Any]:
    options = question.options
    choices = options.get("choices", [])
    row: dict[str, Any] = {
        "key": question.key,
        "name": f"a.{question.key}",
        "kind": question.kind,
        "template": f"labeling/questions/{question.kind}.html",
        "prompt": question.prompt,
        "help_text": question.help_text,
        "required": question.required,
        "options": options,
        "section": options.get("section") or "",
        "examples": _examples(options.get("examples")),
        "cant_tell": bool(options.get("cant_tell")),
        "words": _words(question),
        "instant": instant,
        "radio": question.kind in ONE_PRESS and len(choices) <= BUTTONS,
        "value": value,
        "choices": choices,
        "typeahead": question.kind == "single_choice" and len(choices) > BUTTONS,
    }
    row.update(_kind_parts(question, value, choices, seed, blank_rows))
    # A scale from 0 has that key for its first step: who means the step must not have said that they can't tell.
    row["cant_key"] = "" if any(choice.get("hotkey") == "0" for choice in row["shown_choices"]) else "0"
    if instant and row["cant_tell"]:
        row["shown_choices"] = [
            *row["shown_choices"],
            {"key": CANT_TELL, "name": row["words"]["cant_tell"], "hotkey": row["cant_key"], "cant": True},
        ]
    return row


def _words(question: Asked) -> dict[str, str]:
    """What stands for an answer: in the survey's own words where it brings them, else in the language of the page."""
    return {**said_by_pages(), **question.words}


def _kind_parts(
    question: Asked, value: Any, choices: list[dict[str, str]], seed: str, blank_rows: int
) -> dict[str, Any]:
    options = question.options
    if question.kind == "yes_no":
        choices = [{"key": key, "name": _words(question)[key]} for key in ("yes", "no")]
        return {"shown_choices": _keyed(choices, {True: "yes", False: "no"}.get(value, value))}
    if question.kind == "rating":
        least, most = int(options.get("least", 1)), int(options.get("most", 5))
        low, high = _scale_ends(options)
        scale = [{"key": str(step), "name": str(step)} for step in range(least, most + 1)]
        shown_scale = _keyed(scale, None if value is None else str(value))
        for choice in shown_scale:  # the key of a step is its own digit
            choice["hotkey"] = choice["key"] if choice["key"] in set("0123456789") else ""
        return {
            "shown_choices": shown_scale,
            "low_label": low,
            "high_label": high,
            "steps": (least, most),
            "step_count": len(scale),
            "half_count": -(-len(scale) // 2),
        }
    choices = question.ordered(seed)
    if question.kind == "single_choice" and len(choices) > BUTTONS:
        names = {choice["key"]: choice["name"] for choice in choices}
        matches = _keyed(close(choices, str(value)), value) if value not in (None, *names) else []
        listed = choices if len(choices) <= MANY_CHOICES else []
        return {"shown_choices": listed, "value_name": names.get(value, value), "matches": matches}
    parts: dict[str, Any] = {"shown_choices": _keyed(choices, value)}
    if question.kind == "multiple_choice":
        parts |= {"may_be_empty": not options.get("least"), "is_none": value == []}
    if question.kind == "boxes":
        parts |= _box_parts(value, blank_rows, options.get("most"))
    return parts


def _keyed(choices: Sequence[Mapping[str, str]], value: Any) -> list[dict[str, Any]]:
    """Choices with their number key, colour, and whether they are chosen."""
    chosen = value if isinstance(value, list) else [value]
    return [
        {
            "key": choice["key"],
            "name": choice["name"],
            "hotkey": str(index + 1) if index < 9 else "",
            "checked": choice["key"] in chosen,
            "series": index % COLOURS + 1,
        }
        for index, choice in enumerate(choices)
    ]


def _box_parts(value: Any, blank_rows: int, most: int | None) -> dict[str, Any]:
    given = [box for box in value if isinstance(box, dict)] if isinstance(value, list) else []
    boxes = [box for box in given if isinstance(box.get("box"), list)]
    room = max(most - len(boxes), 0) if most else blank_rows + 1
    rows = [
        {
            "name": _("Box %s") % number,  # as static/js/boxes/list.js names it
            "category": box.get("category"),
            "sides": list(zip(SIDES, SIDES.values(), box.get("box", ("",) * len(SIDES)), strict=False)),
        }
        for number, box in enumerate([*boxes, *[{}] * min(blank_rows, room)], 1)
    ]
    return {"rows": rows, "is_full": blank_rows >= room, "is_none": value == [], "value_json": json.dumps(boxes)}


def _examples(examples: Any) -> list[dict[str, str]]:
    rows = examples if isinstance(examples, list) else []
    pictures = [{"url": row} if isinstance(row, str) else row for row in rows if isinstance(row, str | dict)]
    return [row for row in pictures if row.get("url")]


def with_examples(response: HttpResponse, rows: Iterable[Mapping[str, Any]]) -> HttpResponse:
    """The page of these questions may show pictures from where their examples lie, as no other page may."""
    found = {_host(example["url"]) for row in rows for example in row["examples"]}
    response.picture_hosts = sorted(found - {""})  # type: ignore[attr-defined]  # config.middleware.security reads it
    return response


def _host(url: str) -> str:
    """As a Content Security Policy names it; nothing for this site, and where it would say more than a host there."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        host = (parts.hostname or "").encode("idna").decode() + port
    except ValueError:
        return ""
    if not _HOST.fullmatch(host):
        return ""
    return f"{parts.scheme}://{host}" if parts.scheme else host


def _scale_ends(options: Mapping[str, Any]) -> tuple[str, str]:
    labels = options.get("labels") or []
    if isinstance(labels, dict):
        ends = str(options.get("least", 1)), str(options.get("most", 5))
        return labels.get(ends[0], ""), labels.get(ends[1], "")
    return (labels[0], labels[-1]) if len(labels) > 1 else ("", "")


def close(choices: Sequence[dict[str, str]], text: str, most: int = 30) -> list[dict[str, str]]:
    """The choices that a person who typed ``text`` may mean: names that begin with it, then names that hold it, then
    those whose name as it was written first does.
    """
    needle = text.strip().casefold()
    ranked: list[list[dict[str, str]]] = [[], [], []]
    for choice in choices:
        name = choice["name"].casefold()
        if needle in name:
            ranked[not name.startswith(needle)].append(choice)
        elif needle in choice.get("original", "").casefold():
            ranked[2].append(choice)
    return [choice for rank in ranked for choice in rank][:most]


def spoken(question: Asked, answer: Any) -> str:
    """An answer in a person's words: names of choices instead of keys."""
    if answer is None:
        return "–"
    words = _words(question)
    if answer == CANT_TELL:
        return words["cant_tell"]
    if isinstance(answer, bool):
        return words["yes"] if answer else words["no"]
    names = {choice["key"]: choice["name"] for choice in question.options.get("choices", [])}
    if isinstance(answer, list):
        keys = [item.get("category", "") if isinstance(item, dict) else item for item in answer]
        return ", ".join(str(names.get(key, key)) for key in keys) or words["none"]
    return names[answer] if answer in names else str(answer)
