"""A list of images with what is known of them: CSV with a header, or JSON Lines.

Columns: ``url`` (fetched under the rules of ``labeling.files.remote``), or ``path`` (a member of the zip, or the
name of a file, sent with the list; also called file, file_name, filename or image). Optional are ``name`` (what the
project calls it), ``label`` (also answer, category or class) and ``metadata``; every other column is metadata too.
These are the names of Hugging Face's ``metadata.csv`` and ``metadata.jsonl``. A row that cannot be used is told by its
line.

Source: https://huggingface.co/docs/datasets/image_dataset (ImageFolder with metadata).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from labeling.errors import CrowdtuneError
from labeling.importing.known.lines import Lines, array, objects, text_of
from labeling.text.spellings import is_storable
from labeling.text.words import gettext as _

PATHS = ("path", "file_name", "filename", "file", "image")
LABELS = ("label", "answer", "category", "class")
MOST_METADATA = 20_000  # characters of JSON


class Row(NamedTuple):
    """One image of the list; ``problem`` says why it cannot be used."""

    line: int
    name: str
    url: str
    path: str
    label: Any
    metadata: dict[str, Any]
    problem: str = ""


def rows(stored: IO[bytes]) -> Iterator[Row]:
    """Every row, in order; a blank line is none.

    Raises:
        CrowdtuneError: bad_manifest, when it is no such list at all.
    """
    start, lines = text_of(stored)
    if start == "[":
        raise CrowdtuneError("bad_manifest", array())
    expected = _("Expected a JSON object with url or path.")
    found: Iterable[tuple[int, dict[Any, Any], str]] = objects(lines, expected) if start == "{" else _csv(lines)
    for number, values, problem in found:
        extra = values.pop(None, None)
        if problem:
            yield _unusable(number, problem)
        else:
            row = _row(number, values)
            yield row._replace(problem=_("The line has more fields than the header.")) if extra else row


def _unusable(line: int, problem: str) -> Row:
    return Row(line, "", "", "", None, {}, problem)


def _csv(text: Iterable[str]) -> Iterable[tuple[int, dict[Any, Any], str]]:
    try:
        lines = Lines(text)
    except ValueError as error:
        raise CrowdtuneError("bad_manifest", error.args[0]) from error
    if not lines.columns & {"url", *PATHS}:
        raise CrowdtuneError(
            "bad_manifest",
            _("A manifest needs a column url or path in its first line; it has %(value)s.")
            % {"value": ", ".join(sorted(lines.columns)) or "none"},
        )
    return lines


def _row(line: int, values: Mapping[Any, Any]) -> Row:
    given = {str(key).strip().lower(): value for key, value in values.items()}
    url = _text(given.pop("url", ""))
    path = _first(given, PATHS)
    label = next((given.pop(name) for name in LABELS if given.get(name) not in (None, "")), None)
    name = _text(given.pop("name", "")) or path or name_at(url)
    metadata, problem = _metadata(given)
    if not is_storable([name, url, path, label, metadata]):
        return _unusable(line, _("The row holds characters that no database stores."))
    if bool(url) == bool(path):
        problem = _("Say either url or path.") if url else _("The row names neither url nor path.")
    return Row(line, name, url, path, label, metadata, problem)


def name_at(url: str) -> str:
    """What an address calls its file; the whole of it where it calls it nothing, or is no address."""
    try:
        return PurePosixPath(unquote(urlsplit(url).path)).name or url
    except ValueError:  # half a bracket: why it cannot be fetched is said when it is
        return url


def _metadata(given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The other columns, and what a column of that name holds as JSON; empty cells say nothing."""
    known = given.pop("metadata", None)
    if isinstance(known, str) and known.strip():
        try:
            known = json.loads(known)
        except (ValueError, RecursionError):
            return {}, _("metadata must be a JSON object.")
    if known not in (None, "") and not isinstance(known, dict):
        return {}, _("metadata must be a JSON object.")
    found = {**{name: value for name, value in given.items() if value not in (None, "") and name}, **(known or {})}
    if len(json.dumps(found)) > MOST_METADATA:
        return {}, _("At most %(most)s characters of metadata are kept for an image.") % {"most": MOST_METADATA}
    return found, ""


def _first(given: dict[str, Any], names: tuple[str, ...]) -> str:
    texts = [_text(given.pop(name, "")) for name in names]
    return next((text for text in texts if text), "")


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
