"""How many requests may wait for their bodies at once. Each holds a thread of the web server, however long that takes.

A dozen uploads over a slow line, or from phones that lost the network in the middle of one, would hold every thread,
and nobody would be answered any more. So all threads but a few may read bodies, and half of them large ones; who finds
no place for a while is refused, and may come again. A proxy that takes a body in before it passes it on, as nginx
does, keeps all of this away.

Source: https://github.com/emmett-framework/granian, whose ``wsgi.input`` knows no end of waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

SECONDS = 2.0
LARGE = 2**20
SPARE = 2  # threads that wait for no body


class Crowded(Exception):
    """Too many bodies are on their way."""


class Patience:
    """A WSGI application that reads so many bodies at once."""

    def __init__(self, application: Callable[..., Iterable[bytes]], threads: int) -> None:
        self._application = application
        self._all = threading.Semaphore(max(1, threads - SPARE))
        self._large = threading.Semaphore(max(1, threads // 2))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length):
            places = (self._large, self._all) if int(length) > LARGE else (self._all,)
            environ["wsgi.input"] = Body(environ["wsgi.input"], places)
        return self._application(environ, start_response)


class Body:
    """A request's body, which is read only in a place of each kind."""

    def __init__(self, inner: Any, places: Sequence[threading.Semaphore]) -> None:
        self._inner = inner
        self._places = places

    def read(self, *size: int) -> bytes:
        return self._read(self._inner.read, *size)

    def readline(self, *size: int) -> bytes:
        return self._read(self._inner.readline, *size)

    def _read(self, read: Callable[..., bytes], *size: int) -> bytes:
        """
        Raises:
            Crowded: There was no place.
        """
        held = []
        try:
            for places in self._places:
                if not places.acquire(timeout=SECONDS):
                    raise Crowded
                held.append(places)
            return read(*size)
        finally:
            for places in held:
                places.release()
