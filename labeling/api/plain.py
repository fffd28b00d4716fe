"""Which requests may be answered by a short way, before sessions, cookies, languages and addresses are looked at.

Only a program's plain POST: nothing in it that just the long way understands. Everything else goes on to the views.
"""

from __future__ import annotations

from django.http import HttpRequest

# Headers that only the long way understands.
LONG = ("HTTP_COOKIE", "HTTP_ORIGIN", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING", "HTTP_X_HTTP_METHOD_OVERRIDE")
ACCEPTED = {"*/*", "application/json", "application/json, */*", "application/json, text/plain, */*"}
# What the long way's middleware would have added to an answer.
HEADERS = {"X-Frame-Options": "DENY", "Vary": "Accept-Language, origin"}


def is_plain(request: HttpRequest, *, most: int) -> bool:
    """Whether the request is such a POST, of a body of at most so many bytes. Its host is for the caller to check."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or "0"
    return (
        request.method == "POST"
        and not any(meta.get(name) for name in LONG)
        and not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT", "*/*") in ACCEPTED
        and length.isdecimal()
        and int(length) <= most
    )
