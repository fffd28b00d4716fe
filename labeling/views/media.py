"""Pictures in a local folder, under addresses that we signed; they never change, so browsers keep them."""

from __future__ import annotations

import mimetypes

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseNotModified

from labeling.files import storage

YEAR = 31_536_000


def media(request: HttpRequest, signature: str, name: str) -> HttpResponse | FileResponse:
    """``/media/<signature>/<name>``: whoever holds the address may read, until it is over."""
    if not storage.is_valid(name, signature) or not default_storage.exists(name):
        raise Http404
    tag = f'"{name.rpartition("/")[2]}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if kind.startswith("text/"):  # ours all are; some readers take what is not told for latin-1
        kind += "; charset=utf-8"
    response = FileResponse(default_storage.open(name, "rb"), content_type=kind)
    response["Cache-Control"] = f"private, max-age={YEAR}, immutable"
    response["ETag"] = tag
    # A stranger's bytes are shown as a picture and never run as a page.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
