"""How many requests may wait for their bodies at once. Each holds a thread of the web server, however long that takes.

A dozen uploads over a slow line, or from phones that lost the network in the middle of one, would hold every thread,
and nobody would be answered any more. So all threads but a few may read bodies, and half of them large ones, as
``labeling.resilience.outside`` counts them; who finds no place for a while is refused, and may come again.

``lines.py`` has the system end a line at whose other end nobody is any more, and itself ends one on which not even
a PIECE has come in SILENT seconds: 218 bytes a second, a tenth of what a phone of the second generation sends. Either
frees its place. A proxy that takes a body in before it passes it on, as nginx does, keeps all of this away.

Source: https://github.com/emmett-framework/granian, whose ``wsgi.input`` knows no end of waiting.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from labeling.resilience.turns import Crowded, Places

SECONDS = 2.0
SILENT = 75.0  # seconds: longer than any request is worked on (``PATIENCE`` of ``inference.intake.inputs``)
LARGE = 2**20
PIECE = 2**14  # bytes
UNREAD = 2**24  # bytes that are of a body that are taken in though its answer is known


class Patience:
    """A WSGI application that reads so many bodies at once."""

    def __init__(self, application: Callable[..., Iterable[bytes]], small: Places, large: Places) -> None:
        self._application = application
        self._small, self._large = small, large
        self._coming: set[Body] = set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or not int(length):
            return self._application(environ, start_response)
        places = self._large if int(length) > LARGE else self._small
        body = Body(environ["wsgi.input"], int(length), places, environ.get("REMOTE_ADDR", ""))
        self._coming.add(body)
        try:
            answer = self._application(environ | {"wsgi.input": body}, start_response)
            if "HTTP_EXPECT" not in environ:  # who waits to be told to send has sent nothing
                body.finish()
            return answer
        finally:
            self._coming.discard(body)
            body.leave()

    def waited_for(self) -> list[tuple[str, float]]:
        """Of each body that is not there, nor its next piece: from where it comes, and since how many seconds."""
        now = time.monotonic()
        return [(body.address, now - since) for body in tuple(self._coming) if (since := body.since) is not None]


class Body:
    """A request's body, with a place from its first piece to its last: what has begun is not refused."""

    def __init__(self, inner: Any, length: int, places: Places, address: str = "") -> None:
        self.address = address
        self.since: float | None = None  # when the piece that is being read was asked for
        self._inner = inner
        self._left = length
        self._places = places
        self._is_held = False
        self._refused = False
        self._is_wanted = True

    def read(self, size: int | None = -1) -> bytes:
        """In pieces: the server's own read returns when all has come, and until then a slow line would seem silent."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        pieces = []
        while wanted > 0 and (piece := self._read(self._inner.read, min(wanted, PIECE))):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def readline(self, *size: int) -> bytes:
        return self._read(self._inner.readline, *size)

    def finish(self) -> None:
        """Take in what nobody has read, should there be a place for it and it come soon.

        The server closes the line of a body that was not read to its end, and a client that is still sending, as
        browsers are, is told of a line that broke and not what the answer said.
        """
        end = time.monotonic() + SECONDS
        self._is_wanted = False
        with contextlib.suppress(Crowded):
            while 0 < self._left <= UNREAD and not self._refused and time.monotonic() < end:
                if not self._read(self._inner.read, min(self._left, PIECE)):
                    break

    def _read(self, read: Callable[..., bytes], *size: int) -> bytes:
        self._enter()
        self.since = time.monotonic()
        try:
            piece = read(*size)
        finally:
            self.since = None
        self._left -= len(piece)
        if self._left <= 0 or not piece:
            self.leave()
        return piece

    def _enter(self) -> None:
        """
        Raises:
            Crowded: There is no place.
        """
        if self._is_held:
            return
        if not self._places.take(waits=self._is_wanted):
            self._refused = True
            raise Crowded
        self._is_held = True

    def leave(self) -> None:
        if self._is_held:
            self._is_held = False
            self._places.leave()
