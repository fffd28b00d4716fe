"""One name that is written in two ways: Macs take an accent apart from its letter (NFD), keyboards do not (NFC). Pure.

Whoever reads both sees no difference, so that a file must be found under either.

Source: Unicode Standard Annex 15.
"""

from __future__ import annotations

from unicodedata import normalize


def composed(name: str) -> str:
    """The one way that names are compared in."""
    return normalize("NFC", name)


def spellings(name: str) -> dict[str, None]:
    """All ways, as it is given first."""
    return dict.fromkeys((name, composed(name), normalize("NFD", name)))
