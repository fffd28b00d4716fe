"""The threads of the web server that may wait for somebody outside: who sends a body, takes a file, or has a picture.

Each such wait holds a thread, however long it takes. A few threads wait for nobody, and what may be long, of whatever
kind, leaves some to the small bodies: the labels of people and the questions of programs. Half may be of one long kind.
"""

from __future__ import annotations

from django.conf import settings

from labeling.resilience.turns import Places

SPARE = max(1, settings.WEB_THREADS // 6)  # threads that no kind of wait takes, and so many more that no long one does
ANY = Places(settings.WEB_THREADS - SPARE)
LONG = Places(settings.WEB_THREADS - 2 * SPARE, ANY)


def half() -> Places:
    """Places for one long kind."""
    return Places(settings.WEB_THREADS // 2, LONG)
