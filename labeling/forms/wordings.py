"""The form of one translation: a field for each text, under the text's name, and the same as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from labeling.importing.known.lines import Lines, text_of
from labeling.surveys.translations import Text, leaves, name_of, nested, to_translate
from labeling.text import cells

COLUMNS = ("text", "original", "translation")
PART_NAMES = {
    "instructions": gettext_lazy("Instructions"),
    "sections": gettext_lazy("Section"),
    "prompt": gettext_lazy("Question"),
    "help_text": gettext_lazy("Help"),
    "choices": gettext_lazy("Option"),
    "labels": gettext_lazy("Name of a step"),
    "unit": gettext_lazy("Unit"),
    "captions": gettext_lazy("Caption"),
    "name": gettext_lazy("Category"),
    "description": gettext_lazy("Description"),
    "answers": gettext_lazy("Answer"),
}


class Row(NamedTuple):
    """One text as the page shows it."""

    name: str
    label: str
    original: str
    words: str
    longest: int
    is_long: bool
    is_outdated: bool


def rows(texts: list[Text], words: Mapping[str, str], outdated: set[str]) -> Iterator[Row]:
    """The texts with what stands for each in the language, by name."""
    for text in texts:
        part = text.path[2] if len(text.path) > 2 else text.path[0]
        is_long = part in {"instructions", "help_text", "description"} or len(text.original) > 80
        label = str(PART_NAMES[part])
        said = words.get(text.name, "")
        yield Row(text.name, label, text.original, said, text.longest, is_long, text.name in outdated)


def by_name(words: Mapping[str, Any]) -> dict[str, str]:
    """A stored translation -> its texts by name."""
    return {name_of(path): text for path, text in leaves(words)}


def sent_words(data: QueryDict, document: Mapping[str, Any], instructions: str = " ") -> dict[str, Any]:
    """The translation that a form holds; a text that the form has no field of stays as it is stored."""
    code = data.get("code", "")
    stored = dict(leaves(document.get("translations", {}).get(code, {})))
    sent = {
        text.path: str(data[text.name]).replace("\r\n", "\n")
        for text in to_translate(document, instructions, code)
        if text.name in data
    }
    return nested({path: words for path, words in {**stored, **sent}.items() if words.strip()})


def untouched(document: Mapping[str, Any], code: str, words: Mapping[str, Any]) -> set[str]:
    """The names of texts that stand in ``words`` as they are stored."""
    stored = leaves(document.get("translations", {}).get(code, {}))
    return {name_of(path) for path, _text in set(stored) & set(leaves(words))}


def table(texts: list[Text], words: Mapping[str, str]) -> str:
    """Each text with its original and its translation, for people who translate in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for text in texts:
        writer.writerow([text.name, cells.plain(text.original), cells.plain(words.get(text.name, ""))])
    return "\ufeff" + out.getvalue()


def from_table(data: bytes, texts: list[Text], words: Mapping[str, Any]) -> dict[str, Any]:
    """A table that comes back, as any spreadsheet writes one -> the whole translation; a text that it leaves out stays.

    Raises:
        ValueError: With what was expected and what came.
    """
    _start, written = text_of(io.BytesIO(data))
    read = Lines(written)
    if not {"text", "translation"} <= read.columns:
        told = _("The table needs the columns %(columns)s; it has %(found)s.")
        found = ", ".join(sorted(filter(None, read.columns))) or "–"
        raise ValueError(told % {"columns": ", ".join(COLUMNS), "found": f"{found:.200}"})
    lines = []
    for number, row, problem in read:
        if problem:
            raise ValueError(_("Line %(line)s: %(problem)s") % {"line": number, "problem": problem})
        lines.append({str(name).strip().lower(): value for name, value in row.items()})
    paths = {text.name: text.path for text in texts}
    unknown = [line["text"] for line in lines if line["text"] not in paths]
    if unknown:
        told = _("The survey has no text %(name)s; take the table as it is downloaded here.")
        raise ValueError(told % {"name": repr(f"{unknown[0]:.80}")})
    given = {paths[line["text"]]: cells.read(line["translation"] or "") for line in lines}
    return nested({path: text for path, text in {**dict(leaves(words)), **given}.items() if text.strip()})
