"""The threads of the web server that may wait for somebody outside: who sends a body, takes a file, has a picture, or
keeps our files.

Each such wait holds a thread, however long it takes. A few threads wait for nobody, and what may be long, of whatever
kind, leaves some to the small bodies: the labels of people and the questions of programs. Half may be of one long kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from labeling.resilience.turns import Crowded, Places

SPARE = max(1, settings.WEB_THREADS // 6)  # threads that no kind of wait takes, and so many more that no long one does
ANY = Places(settings.WEB_THREADS - SPARE)
LONG = Places(settings.WEB_THREADS - 2 * SPARE, ANY)


def half(seconds: float | None = None) -> Places:
    """Places for one long kind."""
    return Places(settings.WEB_THREADS // 2, LONG, seconds)


# A store that hangs is waited for forty seconds; until the first has waited for a place in vain, all may: not long.
STORE = half(seconds=0.5)


@contextmanager
def stored() -> Iterator[None]:
    """A place for a request that reads or writes files in the store; not to be entered twice.

    Raises:
        Crowded: There is none.
    """
    if not STORE.take():
        raise Crowded
    try:
        yield
    finally:
        STORE.leave()
