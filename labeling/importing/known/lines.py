"""Lines of a CSV with a header, or of JSON, one by one: one that cannot be read is told, and those after it are read.
Pure.

Fields are parted by commas, or by what parts those of the header: semicolons where a spreadsheet counts with decimal
commas, tabs, or bars; a first line ``sep=;``, as Excel's, says by what. Blank rows, which a spreadsheet writes as
separators alone, are none. A cell holds what an export writes, a posterior over many categories or hundreds of boxes;
beyond MOST_FIELD it is a quotation mark that nobody closed, which would swallow the rest of the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, Any

from labeling.text.words import gettext as _

MOST_FIELD = 2**20  # characters
_BLANK = ',;|" \t\r\n'
_SAID = re.compile(r"\"?sep=([,;|\t])\"?[\r\n]*")
csv.field_size_limit(MOST_FIELD)  # of the whole process; by itself 131,072, less than some cells of our own exports


def encoding_of(start: bytes) -> str:
    """UTF-16 where the file begins with its mark, as a spreadsheet's "Unicode text" does, or with half a letter of it;
    else UTF-8.
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = start.find(b"\x00")
    return ("utf-16-be", "utf-16-le")[half] if half >= 0 and len(start.strip(b"\x00")) else "utf-8-sig"


def text_of(stored: IO[bytes]) -> tuple[str, Iterator[str]]:
    """The first character of a file, and its lines.

    A byte that is no UTF-8 becomes half of a surrogate pair, by which :func:`is_foreign` knows its line. NUL, which no
    database text can hold, becomes U+FFFD.
    """
    encoding = encoding_of(stored.read(2))
    stored.seek(0)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    text = io.TextIOWrapper(stored, encoding=encoding, newline="", errors=errors)
    start = text.read(1)
    text.seek(0)

    def lines() -> Iterator[str]:
        for line in text:
            yield line.replace("\x00", "\ufffd")
        text.detach()

    return start, lines()


def is_foreign(text: Any) -> bool:
    """Whether a text of :func:`text_of` holds bytes in another encoding, which would store names that nobody wrote."""
    return isinstance(text, str) and not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text)


def not_utf8() -> str:
    return _('This is not UTF-8. Save the file as UTF-8 (in a spreadsheet: "CSV UTF-8") and send it again.')


def workbook() -> str:
    """What is said of a zip, as workbooks are, where a CSV was expected."""
    return _('This is a zip or the own file of a spreadsheet. Send the CSV itself (there: "CSV UTF-8").')


def array() -> str:
    """What is said of a JSON array, where JSON Lines or CSV were expected."""
    return _("Expected one JSON object a line, or CSV with a header; this begins like a JSON array of them all.")


def objects(text: Iterable[str], expected: str) -> Iterator[tuple[int, dict[str, Any], str]]:
    """JSON Lines as :class:`Lines` gives rows: (number of the line; its object; why there is none)."""
    for number, line in enumerate(text, start=1):
        if is_foreign(line):
            yield number, {}, not_utf8()
        elif line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield (number, row, "") if isinstance(row, dict) else (number, {}, expected)


class Lines:
    """``columns`` are the names in the header, trimmed and in small letters.

    Raises:
        ValueError: The header is no CSV, is a zip's, or names two columns alike; the message says why.
    """

    def __init__(self, text: Iterable[str]) -> None:
        lines = iter(text)
        self._skipped, delimiter = 0, ""
        header = next(lines, "")
        while (said := _SAID.fullmatch(header)) or (header and not header.strip(_BLANK)):
            delimiter = said[1] if said else delimiter
            self._skipped += 1
            header = next(lines, "")
        delimiter = delimiter or max(",;\t|", key=header.count)  # the comma where there are as many of each
        if header.startswith("PK\x03\x04"):
            raise ValueError(workbook())
        if is_foreign(header):
            raise ValueError(not_utf8())
        # Who writes a blank after each separator writes quotation marks behind it.
        is_spaced = f"{delimiter} " in header
        rows = itertools.chain([header], lines)
        self._rows = csv.DictReader(rows, delimiter=delimiter, skipinitialspace=is_spaced)
        try:
            names = [str(name).strip().lower() for name in self._rows.fieldnames or ()]
        except csv.Error as error:
            raise ValueError(_("The first line is no CSV: %(error)s.") % {"error": error}) from error
        self.columns = set(names)
        twice = [name for name, count in Counter(names).items() if name and count > 1]
        if twice:
            told = _("Two columns are called %(name)s: give each its own name.")
            raise ValueError(told % {"name": ", ".join(sorted(twice))})

    def __iter__(self) -> Iterator[tuple[int, dict[Any, Any], str]]:
        """(line on which the row ends, as an editor counts; the row; why there is none)."""
        while True:
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                told = _("This is no line of a CSV: %(error)s. Is a quotation mark missing?") % {"error": error}
                yield self._line(), {}, told
                continue
            if row is None:
                return
            cells = [cell for cell in [*row.values(), *(row.get(None) or ())] if isinstance(cell, str)]
            if any(cell.strip() for cell in cells):
                yield self._line(), row, not_utf8() if any(map(is_foreign, cells)) else ""

    def _line(self) -> int:
        return self._rows.reader.line_num + self._skipped
