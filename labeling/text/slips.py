"""Names that nobody knows, of which some look like one that is known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from labeling.text.words import gettext as _

MOST_COMPARED = 100  # a body may have a million names, and each takes a fifth of a millisecond


def slips(came: Iterable[str], known: Collection[str]) -> dict[str, list[str]]:
    """A refusal of each that looks like a slip: whoever wrote `min_confidense` would take every row for sure.

    What is nothing like ours is left alone, as everywhere: programs and caches add names of their own.
    """
    others = list(islice((name for name in came if name not in known), MOST_COMPARED))
    if not others:
        return {}
    told = _("Not known here; did you mean `%(name)s`?")
    meant = {name: get_close_matches(name, known, n=1, cutoff=0.75) for name in others}
    return {name: [told % {"name": names[0]}] for name, names in meant.items() if names}
