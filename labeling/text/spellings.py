"""One name that is written in two ways. Pure.

Macs take an accent apart from its letter (NFD), keyboards do not (NFC): whoever reads both sees no difference. Browsers
and programs send the quote of an upload's name as %22, which nobody can tell from a name that has a %22 of its own. A
file must be found under either.

Source: Unicode Standard Annex 15; HTML, 4.10.22.7 (multipart form data).
"""

from __future__ import annotations

import re
from typing import Any
from unicodedata import normalize

SENT = {'"': "%22", "\r": "%0D", "\n": "%0A"}
_AS_SENT = str.maketrans({ord(sign): sent for sign, sent in SENT.items()})


_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


def no_device(name: str) -> str:
    """A name of a file or a folder, and none that Windows keeps for a device: a folder con cannot be made there.

    Source: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
    """
    return f"_{name}" if _DEVICE.match(name) else name


def composed(name: str) -> str:
    return normalize("NFC", name)


def written(name: str) -> str:
    """As a database and a file of text can hold it: file systems and tars have names that are no text."""
    return name.encode(errors="replace").decode().replace("\x00", "\ufffd")


def is_storable(value: Any) -> bool:
    """Whether a database's JSON can hold every text in the value: no NUL, no half of a surrogate pair."""
    if isinstance(value, str):
        return "\x00" not in value and (value.isascii() or _has_bytes(value))
    if isinstance(value, dict):
        return all(is_storable(item) for pair in value.items() for item in pair)
    return all(is_storable(item) for item in value) if isinstance(value, list) else True


def _has_bytes(text: str) -> bool:
    """Whether it is UTF-8's to write, which half a pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def folded(name: str) -> str:
    """The same of all names that are one file on a Mac or on Windows, which make no difference of small and capital."""
    return composed(composed(name).casefold())


def compared(name: str) -> str:
    """The one way that names are compared in."""
    name = composed(name)
    for sign, sent in SENT.items():
        name = name.replace(sent, sign)
    return name


def spellings(name: str) -> dict[str, None]:
    """All ways, as it is given first."""
    plain = compared(name)
    ways = (name, plain, plain.translate(_AS_SENT))
    return dict.fromkeys((*ways, *(normalize(form, way) for form in ("NFC", "NFD") for way in ways)))
