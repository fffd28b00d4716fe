"""JSON of any length, a part at a time: the members of the outermost object, and the items of its lists. Pure.

What lies in memory is a window of the text, which is as long as the longest member or item makes it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

MOST_PART = 32 * 2**20  # characters of a member or an item
_BLANK = re.compile(r"[ \t\n\r]*")
_ENDS = frozenset(",:]} \t\n\r")  # what may stand behind a value
_DECODER = json.JSONDecoder()


class Walk:
    """``(name, value)`` of each member; a list is an iterator of its items, good until the next member. Of a document
    that is no object, one member without a name.

    Raises:
        ValueError: The text is no JSON, where the walk has come to; the message says where.
        RecursionError: A part is nested deeper than the parser goes.
    """

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts, self._text, self._at, self._before = texts, "", 0, 0

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        if self._peek() == "{":
            for _part in self._parts("}"):
                name = self._value()
                self._take(":")
                if not isinstance(name, str):
                    raise self._error("Expecting names")
                yield from self._member(name)
        else:
            yield from self._member("")
        if self._peek():
            raise self._error("Extra data")

    def _member(self, name: str) -> Iterator[tuple[str, Any]]:
        if self._peek() != "[":
            yield name, self._value()
            return
        items = (self._value() for _part in self._parts("]"))
        yield name, items
        deque(items, maxlen=0)

    def _parts(self, end: str) -> Iterator[None]:
        """Stand before each part of an object or a list, which are parted by commas."""
        self._take("{[")
        if self._peek() == end:
            self._take(end)
            return
        while True:
            yield
            if self._take(f",{end}") == end:
                return

    def _value(self) -> Any:
        while True:
            self._peek()
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError as error:
                failed: ValueError | None = error
            else:
                failed = None
                if self._text[end : end + 1] in _ENDS:
                    break
            # It may go on in what has not been taken yet: a number, too.
            if len(self._text) - self._at > MOST_PART or not self._more():
                break
        if failed is not None:
            at = getattr(failed, "pos", self._at) - self._at
            raise self._error(getattr(failed, "msg", str(failed)), at) from failed
        self._at = end
        return value

    def _peek(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _take(self, signs: str) -> str:
        """The next character, which is one of these."""
        sign = self._peek()
        if not sign or sign not in signs:
            raise self._error(f"Expecting {' or '.join(signs)}")
        self._at += 1
        return sign

    def _more(self) -> bool:
        """Take more of the text than there is left of it, and drop what has been read; False at the end."""
        left = self._text[self._at :]
        taken, size = [left], 0
        while size <= len(left) and (text := next(self._texts, None)) is not None:
            taken.append(text)
            size += len(text)
        if size:
            self._before += self._at
            self._text, self._at = "".join(taken), 0
        return size > 0

    def _error(self, told: str, ahead: int = 0) -> ValueError:
        return ValueError(f"{told}: char {self._before + self._at + ahead}")
