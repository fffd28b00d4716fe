"""Pictures and files that were made, in a local folder, under addresses that we signed; they never change, so browsers
keep them, and who lost the connection fetches the rest. Source: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.utils.translation import gettext as _

from labeling.files import storage
from labeling.resilience import outside

YEAR = 31_536_000
PIECE = 2**16
LARGE = 2**21  # bytes: less lies with the system until a slow line has taken it, and holds no thread of ours
SENDING = outside.half()  # large files
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def media(request: HttpRequest, signature: str, name: str) -> HttpResponse | StreamingHttpResponse:
    """``/media/<signature>/<name>``: whoever holds the address may read, until it is over."""
    if not storage.is_valid(name, signature) or not default_storage.exists(name):
        raise Http404
    tag = f'"{name.rpartition("/")[2]}"'
    response: HttpResponse | StreamingHttpResponse
    if request.headers.get("If-None-Match") == tag:
        response = HttpResponseNotModified()  # its headers take the place of those that the browser has kept
    else:
        response = _content(request, name, tag)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = f"private, max-age={YEAR}, immutable"
    response["ETag"] = tag
    # A stranger's bytes are shown as a picture and never run as a page.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _content(request: HttpRequest, name: str, tag: str) -> HttpResponse | StreamingHttpResponse:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/"):  # ours all are; some readers take what is not told for latin-1
        kind += "; charset=utf-8"
    size = default_storage.size(name)
    part = _part(request, tag, size)
    if part is not None and not part:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    is_large = request.method == "GET" and (size if part is None else len(part)) > LARGE
    if is_large and not SENDING.take():
        told = _("Too many downloads are on their way. Try again in a moment.")
        plain = "text/plain; charset=utf-8"
        return HttpResponse(told, status=503, content_type=plain, headers={"Retry-After": "10"})
    try:
        response = _file(name, kind, part, size)
    except OSError:  # it was there a moment ago
        if is_large:
            SENDING.leave()
        raise
    if is_large:
        response.streaming_content = _Sent(response.streaming_content)
    return response


class _Sent:
    """What is sent in a place, which is left when the response is closed, however far it came."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        SENDING.leave()


def _file(name: str, kind: str, part: range | None, size: int) -> Any:
    if part is None:
        return FileResponse(default_storage.open(name, "rb"), content_type=kind)
    headers = {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{size}", "Content-Length": str(len(part))}
    return StreamingHttpResponse(_pieces(name, part), status=206, content_type=kind, headers=headers)


def _part(request: HttpRequest, tag: str, size: int) -> range | None:
    """The bytes that are asked for, none of which may be there; None for all, as where several parts are asked for."""
    found = _RANGE.fullmatch(request.headers.get("Range", "")) if request.method == "GET" else None
    if found is None or request.headers.get("If-Range", tag) != tag:
        return None
    first, last = (int(number) if number else None for number in found.groups())
    if first is None:
        return range(max(size - last, 0), size) if last is not None else None
    if last is not None and last < first:
        return None
    return range(first, size if last is None else min(last + 1, size))


def _pieces(name: str, part: range) -> Iterator[bytes]:
    with default_storage.open(name, "rb") as file:
        file.seek(part.start)
        left = len(part)
        while left and (piece := file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
