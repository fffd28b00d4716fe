"""Lines of a CSV with a header, one by one: one that cannot be read is told, and those after it are read. Pure.

Fields are parted by commas, or by what parts those of the header: semicolons where a spreadsheet counts with decimal
commas, or tabs. A cell holds what an export writes, a posterior over many categories or hundreds of boxes; beyond
MOST_FIELD it is a quotation mark that nobody closed, which would swallow the rest of the file.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from labeling.words import gettext as _

MOST_FIELD = 2**20  # characters
csv.field_size_limit(MOST_FIELD)  # of the whole process; by itself 131,072, less than some cells of our own exports


def array() -> str:
    """What is said of a JSON array, where JSON Lines or CSV were expected."""
    return _("Expected one JSON object a line, or CSV with a header; this begins like a JSON array of them all.")


class Lines:
    """``columns`` are the names in the header, trimmed and in small letters.

    Raises:
        ValueError: The header is no CSV; the message says why.
    """

    def __init__(self, text: Iterable[str]) -> None:
        lines = iter(text)
        header = next(lines, "")
        delimiter = max(",;\t", key=header.count)  # the comma where there are as many of each
        self._rows = csv.DictReader(itertools.chain([header], lines), delimiter=delimiter)
        try:
            self.columns = {str(name).strip().lower() for name in self._rows.fieldnames or ()}
        except csv.Error as error:
            raise ValueError(_("The first line is no CSV: %(error)s.") % {"error": error}) from error

    def __iter__(self) -> Iterator[tuple[int, dict[Any, Any], str]]:
        """(line on which the row ends, as an editor counts; the row; why there is none)."""
        while True:
            try:
                row = next(self._rows, None)
            except csv.Error as error:
                told = _("This is no line of a CSV: %(error)s. Is a quotation mark missing?") % {"error": error}
                yield self._rows.reader.line_num, {}, told
                continue
            if row is None:
                return
            yield self._rows.reader.line_num, row, ""
