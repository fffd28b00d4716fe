"""Pictures and files that were made, in a local folder, under addresses that we signed; they never change, so browsers
keep them, and who lost the connection fetches the rest. Source: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotModified,
    StreamingHttpResponse,
)

from labeling.files import storage

YEAR = 31_536_000
PIECE = 2**16
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
    if part is None:
        return FileResponse(default_storage.open(name, "rb"), content_type=kind)
    if not part:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
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
