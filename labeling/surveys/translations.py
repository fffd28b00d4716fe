"""A survey's words in other languages: what there is to translate, what an owner wrote, and the survey in one of them.

Translations stand beside the categories and questions that they are of, by language and then by what is translated:
``{"hi": {"questions": {"animal": {"prompt": "…"}}, "categories": {"cat": {"name": "…"}}}}``. They hold words alone:
keys, and so answers, are the same in every language. What has no translation is shown as it was written first, text by
text. See docs/decisions/0006-languages-of-a-survey.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import translation

from labeling.questions.kind import BadAnswer
from labeling.surveys import tongues
from labeling.text.spellings import is_storable
from labeling.text.words import gettext as _

# The longest text of each field, in characters. Parts that are named by the owner stand in for "*".
MOST_WORDS = 10_000
LONGEST = {
    "instructions": 50_000, "prompt": 500, "help_text": MOST_WORDS, "description": MOST_WORDS, "name": 200, "unit": 30,
    "sections": 200, "choices": 200, "labels": 200, "captions": 500, "answers": 100,
}  # fmt: skip
# What the platform says for an answer, in the languages that it speaks; a survey in another one brings its own.
ANSWERS = ("yes", "no", "cant_tell", "none", "no_box")
Path = tuple[str, ...]


class Text(NamedTuple):
    """One text that a worker reads, by where it stands: ``("questions", "animal", "prompt")``."""

    path: Path
    original: str

    @property
    def name(self) -> str:
        return name_of(self.path)

    @property
    def longest(self) -> int:
        return longest(self.path)


class Worded(str):
    """A text that knows its language, for the attributes ``lang`` and ``dir`` of what shows it."""

    __slots__ = ("language",)
    language: str

    def __new__(cls, text: str, language: str) -> Worded:
        made = super().__new__(cls, text)
        made.language = language
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.language


def name_of(path: Path) -> str:
    """A path as one word, for forms and files. The last part of each is from a fixed list, or of a fixed depth."""
    return "/".join(path)


def longest(path: Path) -> int:
    """How many characters a text at ``path`` may have."""
    return LONGEST[path[2] if len(path) > 2 else path[0]]


def leaves(written: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each text of nested translations with its path; what is no object ends a path."""
    if not isinstance(written, Mapping) or len(path) > 4:
        yield path, written
        return
    for part, inner in written.items():
        yield from leaves(inner, (*path, part))


class Wording:
    """The words of a survey in one language; the original's where a text has no translation.

    Args:
        document: The frozen survey. One without translations has every text as it is.
        code: A language of it.
    """

    def __init__(self, document: Mapping[str, Any], code: str) -> None:
        self.original: str = document.get("language", "")
        self.code = code
        self._translated = dict(leaves(document.get("translations", {}).get(code, {})))

    def of(self, path: Path, original: str) -> str:
        """The text that stands at ``path``."""
        if not self.original or not original:
            return original
        found = self._translated.get(path)
        return Worded(original, self.original) if found is None else Worded(found, self.code)

    def instructions(self, original: str) -> str:
        return self.of(("instructions",), original)

    def answers(self) -> dict[str, str]:
        """What it says for yes, no and "I can't tell", where it brings words of its own."""
        return {
            name: Worded(words, self.code) for name in ANSWERS if (words := self._translated.get(("answers", name)))
        }


AS_WRITTEN = Wording({}, "")


def texts(document: Mapping[str, Any], instructions: str = "") -> list[Text]:
    """Every text of the survey that a worker reads, in the order in which an owner meets them."""
    found = [Text(("instructions",), instructions)] if instructions.strip() else []
    sections = dict.fromkeys(section for row in document["questions"] if (section := row["options"].get("section")))
    found += [Text(("sections", section), section) for section in sections]
    for row in document["questions"]:
        found += [Text(("questions", row["key"], *path), text) for path, text in _of_question(row) if text]
    for row in document["categories"]:
        found += [Text(("categories", row["key"], part), row[part]) for part in ("name", "description") if row[part]]
    return found


def to_translate(document: Mapping[str, Any], instructions: str, code: str) -> list[Text]:
    """What there is to write in a language: all texts, and what stands for answers where the pages do not speak it."""
    found = texts(document, instructions)
    if code in dict(settings.LANGUAGES):
        return found
    said = said_by_pages()
    return found + [Text(("answers", name), said[name]) for name in answers_of(document)]


def said_by_pages() -> dict[str, str]:
    """ANSWERS in the language of the page."""
    return {
        "yes": _("Yes"),
        "no": _("No"),
        "cant_tell": _("I can't tell"),
        "none": _("None of these"),
        "no_box": _("There is none in this image"),
    }


def _of_question(row: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    options = row["options"]
    yield ("prompt",), row["prompt"]
    yield ("help_text",), row["help_text"]
    for choice in options.get("choices") or ():
        yield ("choices", choice["key"]), choice["name"]
    for step, label in _steps(options):
        yield ("labels", step), label
    yield ("unit",), options.get("unit") or ""
    captions = [example["caption"] for example in _captioned(options)]
    for caption in dict.fromkeys(captions):
        yield ("captions", caption), caption


def _captioned(options: Mapping[str, Any]) -> list[Any]:
    return [
        row for row in options.get("examples") or () if isinstance(row, dict) and isinstance(row.get("caption"), str)
    ]


def _steps(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names of a scale's steps by step; of a list that names the ends alone, these."""
    labels = options.get("labels") or []
    if isinstance(labels, Mapping):
        return list(labels.items())
    least, most = int(options.get("least", 1)), int(options.get("most", 5))
    if len(labels) == most - least + 1:
        return [(str(least + place), label) for place, label in enumerate(labels)]
    return [(str(least), labels[0]), (str(most), labels[-1])] if len(labels) > 1 else []


def answers_of(document: Mapping[str, Any]) -> list[str]:
    """Which of ANSWERS the questions show."""
    kinds = {row["kind"] for row in document["questions"]}
    asked = {"yes": "yes_no", "no": "yes_no", "none": "multiple_choice", "no_box": "boxes"}
    shown = {name for name, kind in asked.items() if kind in kinds}
    if any(row["options"].get("cant_tell") for row in document["questions"]):
        shown.add("cant_tell")
    return [name for name in ANSWERS if name in shown]


def translated(document: Mapping[str, Any], code: str) -> dict[str, Any]:
    """The document with its words in the language, each knowing which it is in."""
    words = Wording(document, code)
    categories = [_named(words, ("categories", row["key"], "name"), row) for row in document["categories"]]
    said = _said_in(code) | words.answers()
    questions = [
        {
            **_question(row, words),
            "words": {name: said[name] for name in answers_of({"questions": [row]}) if name in said},
        }
        for row in document["questions"]
    ]
    return {"categories": categories, "questions": questions}


def _said_in(code: str) -> dict[str, str]:
    """ANSWERS in a language that the pages speak, whatever language they are read in; none in another."""
    if code not in dict(settings.LANGUAGES):
        return {}
    with translation.override(code):
        return {name: Worded(text, code) for name, text in said_by_pages().items()}


def _named(words: Wording, path: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """A choice by its name in the language; ``original`` is the one that it was given first, where that differs."""
    name = words.of(path, row["name"])
    return {**row, "name": name} if name == row["name"] else {**row, "name": name, "original": row["name"]}


def _question(row: Mapping[str, Any], words: Wording) -> dict[str, Any]:
    options, at = dict(row["options"]), ("questions", row["key"])
    if options.get("section"):
        options["section"] = words.of(("sections", options["section"]), options["section"])
    if options.get("choices"):
        options["choices"] = [_named(words, (*at, "choices", choice["key"]), choice) for choice in options["choices"]]
    if options.get("unit"):
        options["unit"] = words.of((*at, "unit"), options["unit"])
    if steps := {step: words.of((*at, "labels", step), label) for step, label in _steps(options)}:
        options["labels"] = steps if isinstance(options["labels"], Mapping) else _labels(options["labels"], steps)
    if _captioned(options):
        options["examples"] = [
            {**example, "caption": words.of((*at, "captions", example["caption"]), example["caption"])}
            if example in _captioned(options)
            else example
            for example in options["examples"]
        ]
    parts = {part: words.of((*at, part), row[part]) for part in ("prompt", "help_text")}
    return {**row, **parts, "options": options}


def _labels(labels: list[str], steps: Mapping[str, str]) -> list[str]:
    """A list with the names of its steps, or of its ends, as these say them."""
    named = list(steps.values())
    return named if len(named) == len(labels) else [named[0], *labels[1:-1], named[-1]]


def checked(code: str, words: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """A translation from outside -> as it is stored: without empty texts.

    Raises:
        BadAnswer: With the language and the text that is wrong, and what is known there.
    """
    if not isinstance(words, Mapping):
        told = _("%(language)s: expected an object of texts, got %(value)s.")
        raise BadAnswer(told % {"language": code, "value": f"{words!r:.80}"})
    known = _known(document)
    said = {path: _text(code, path, text, known) for path, text in leaves(words)}
    return nested({path: said[path] for path in known if said.get(path)})


def _known(document: Mapping[str, Any]) -> dict[Path, None]:
    """Every path that a translation may have."""
    paths = [("instructions",), *(("answers", name) for name in ANSWERS)]
    return dict.fromkeys([*paths, *(text.path for text in texts(document))])


def language(code: Any) -> str:
    """A language's code as it is stored.

    Raises:
        BadAnswer: It is not known.
    """
    known = str(code).strip().lower().replace("_", "-")
    if known not in tongues.NAMES:
        told = _(
            "%(code)s is no language code that is known here, such as hi, ar or pt-br; the JSON Schema has them all."
        )
        raise BadAnswer(told % {"code": f"{code!r:.40}"})
    return known


def _text(code: str, path: Path, text: Any, known: Mapping[Path, None]) -> str:
    name = name_of(path)
    if path not in known:
        raise BadAnswer(_unknown(code, path, known))
    if not isinstance(text, str) or not is_storable(text):
        told = _("%(language)s: %(name)s is text that a database stores, got %(value)s.")
        raise BadAnswer(told % {"language": code, "name": name, "value": f"{text!r:.80}"})
    if len(text) > longest(path):
        told = _("%(language)s: %(name)s has at most %(most)s characters, got %(length)s.")
        raise BadAnswer(told % {"language": code, "name": name, "most": longest(path), "length": len(text)})
    return text.strip()


def _unknown(code: str, path: Path, known: Mapping[Path, None]) -> str:
    """What of the path the survey does not have, and what it has there."""
    depth = next((depth for depth in range(len(path), 0, -1) if any(one[:depth] == path[:depth] for one in known)), 0)
    there = list(dict.fromkeys(one[depth] for one in known if one[:depth] == path[:depth] and len(one) > depth))
    if depth == len(path):
        told = _("%(language)s: %(name)s is an object of %(known)s.")
    else:
        told = _("%(language)s: the survey has nothing to translate at %(name)s; known there: %(known)s.")
    shown = ", ".join(there[:20]) + (" …" if len(there) > 20 else "")
    return told % {"language": code, "name": f"{name_of(path):.80}", "known": shown or "–"}


def nested(flat: Mapping[Path, str]) -> dict[str, Any]:
    """Texts by path -> as an owner writes them."""
    found: dict[str, Any] = {}
    for path, text in flat.items():
        inner = found
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = text
    return found


def kept(
    translations: Mapping[str, Any], document: Mapping[str, Any], renamed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Those of stored translations whose texts the survey still has; a section's under the name that it has by now."""
    if not translations:
        return {}
    known = _known(document)
    moved: dict[Path, Path] = {("sections", old): ("sections", new) for old, new in (renamed or {}).items()}
    found = {
        code: {at: text for path, text in leaves(words) if (at := moved.get(path, path)) in known}
        for code, words in translations.items()
    }
    return {code: nested(flat) for code, flat in found.items() if flat}


def renamed_sections(before: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, str]:
    """Old name -> new one of each section that is called otherwise by now: it is only a name at its questions."""
    was, now = ({row["key"]: row["options"].get("section") for row in one["questions"]} for one in (before, document))
    gone, new = set(was.values()) - set(now.values()), set(now.values()) - set(was.values())
    return {old: now[key] for key, old in was.items() if old and old in gone and now.get(key) and now[key] in new}
