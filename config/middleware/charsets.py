"""In what charset a body is read: in UTF-8, unless its type names another that people write in.

Not every codec that Python knows makes text of bytes, some make halves of characters, and some take long over little;
Django, which uses whichever a request names, breaks on them, and where the address has a query even before there is a
request that a middleware could look at. Hence a door before Django's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.utils.http import parse_header_parameters

READ = {"utf-8", "ascii", "iso8859-1", "iso8859-15", "cp1252"}  # by Python's own names
_BOUNDARY = re.compile(r';\s*boundary=("[^"]*"|[^;]*)', re.IGNORECASE)


class Charsets:
    """A WSGI application that is told of no charset which it could not read."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        kind = environ.get("CONTENT_TYPE", "")
        if ("charset" in kind.lower() or "*" in kind) and not _is_read(kind):
            environ["CONTENT_TYPE"] = without(kind)
        return self._application(environ, start_response)


def _is_read(kind: str) -> bool:
    try:
        _main, parameters = parse_header_parameters(kind)
        return codecs.lookup(parameters.get("charset", "utf-8")).name in READ
    except (LookupError, ValueError):  # also of a parameter that says in which charset itself is written
        return False


def without(kind: str) -> str:
    """The type, and of its parameters the one that it cannot do without."""
    boundary = _BOUNDARY.search(kind)
    return kind.partition(";")[0] + (boundary[0] if boundary else "")
