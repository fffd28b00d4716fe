"""Numbers as they stand in a query or a form."""

from __future__ import annotations


def whole(text: str | None, otherwise: int = 0) -> int:
    """The number, or another where the text is none that the id of a row can be."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else otherwise  # ids end at 2**63
