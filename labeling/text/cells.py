"""Words of strangers in the cells of a CSV, which a spreadsheet would run as a formula. Pure.

A name or an answer that begins like a formula gets an apostrophe before it, as spreadsheets themselves write text; our
readers of CSV take it off again. Numbers stay as they are.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import contextlib
import re

_BEGINS = r"[=+\-@\t\r\n＝＋－＠]"  # the last four as East Asia types them
_FORMULA = re.compile(f"'*{_BEGINS}")
_QUOTED = re.compile(f"'+{_BEGINS}")


def plain(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    if not _FORMULA.match(text):
        return text
    with contextlib.suppress(ValueError):
        float(text)
        return text
    return f"'{text}"


def read(cell: str) -> str:
    """What ``plain`` was given."""
    return cell[1:] if _QUOTED.match(cell) else cell


class Echo:
    """A file that hands back what is written to it, so that csv can write into a stream."""

    def write(self, value: str) -> str:
        return value
