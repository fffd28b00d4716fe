"""Which image of the project a file means by a name. Worker-side.

A file knows an image by its whole name or by the end of it, with or without its suffix, or by more folders than the
image came with; a folder called images says nothing, and Windows writes its folders with backslashes. What several
images could be is nobody's: a label that lands on the wrong one is worse than a line in the report.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property

import numpy as np

from labeling.exporting import safe_name
from labeling.models import Image, Project
from labeling.text.spellings import compared, composed, is_storable, spellings

UPLOADED = re.compile(r"(?P<folders>(?:.*[/\\])?)(?P<prefix>[0-9a-f]{8}-)(?P<name>[^/\\]+)")  # by Label Studio
MOST = 1000  # folders, more than any name has
BATCH = 5000
Named = tuple[dict[str, Image], set[str]]


class Names:
    """What the images of a project are called: read once, however many chunks of a file ask for them.

    It keeps no names, only which images a name may end with, by the ends' hashes: 64 bytes an image.
    """

    def __init__(self, project: Project) -> None:
        self.project = project

    def find(self, names: Collection[str]) -> Named:
        """Images by what a file calls them, and the names that could be several."""
        found, shared = called(self.project, names)
        best = self._nearest(set(names) - set(found) - shared)
        one = {name: next(iter(images)) for name, images in best.items() if len(images) == 1}
        rows = Image.objects.filter(project=self.project).in_bulk(set(one.values()))
        found |= {name: rows[pk] for name, pk in one.items() if pk in rows}
        return found, shared | {name for name, images in best.items() if len(images) > 1}

    def _nearest(self, names: Collection[str]) -> dict[str, set[int]]:
        """The images of which each name says the most; a name that says nothing of any is left out."""
        said = {name: _parts(name) for name in names}
        ends: dict[str, list[str]] = defaultdict(list)
        for name, parts in said.items():
            ends[parts[-1]].append(name)
        best: dict[str, tuple[tuple[int, bool], set[int]]] = {}
        for pk, full in self._ending(ends):
            for end, folders, whole in _endings(pk, full):
                for name, common in _fitting({name: said[name][:-1] for name in ends.get(end, ())}, folders):
                    fit = (common, whole)
                    if name not in best or fit > best[name][0]:
                        best[name] = (fit, {pk})
                    elif fit == best[name][0]:
                        best[name][1].add(pk)
        return {name: images for name, (_fit, images) in best.items()}

    def _ending(self, ends: Collection[str]) -> Iterator[tuple[int, str]]:
        """The images whose names may end so, and their names."""
        if not ends:
            return
        hashes, images = self._by_end
        asked = np.array([hash(end) for end in ends], dtype=np.int64)
        firsts, lasts = np.searchsorted(hashes, asked, "left"), np.searchsorted(hashes, asked, "right")
        spans = [images[first:last] for first, last in zip(firsts, lasts, strict=True) if first < last]
        found = np.unique(np.concatenate(spans)).tolist() if spans else []
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            yield from Image.objects.filter(project=self.project, pk__in=batch).values_list("pk", "name")

    @cached_property
    def _by_end(self) -> tuple[np.ndarray, np.ndarray]:
        """(the hashes of how names may end, sorted; the image of each)."""
        hashes, images = array("q"), array("q")
        for pk, name in Image.objects.filter(project=self.project).values_list("pk", "name").iterator():
            for end in {end for end, _folders, _whole in _endings(pk, name)}:
                hashes.append(hash(end))
                images.append(pk)
        order = np.argsort(np.frombuffer(hashes, dtype=np.int64), kind="stable")
        return np.frombuffer(hashes, dtype=np.int64)[order], np.frombuffer(images, dtype=np.int64)[order]


def called(project: Project, names: Iterable[str]) -> Named:
    """Images that are called so, and the names that several have; one that is spelled exactly so comes first."""
    asked = {name: compared(name) for name in names if is_storable(name)}
    there: dict[str, list[Image]] = defaultdict(list)
    for image in Image.objects.filter(project=project, name__in={one for name in asked for one in spellings(name)}):
        there[compared(image.name)].append(image)
    found = {}
    for name, one in asked.items():
        if one in there:
            found[name] = [image for image in there[one] if image.name == name] or there[one]
    shared = {name for name, images in found.items() if len(images) > 1}
    return {name: images[0] for name, images in found.items() if name not in shared}, shared


def before_upload(names: Collection[str]) -> dict[str, str]:
    """What files were called before Label Studio put eight signs before their names, where one alone was called so."""
    matches = {name: match for name in names if (match := UPLOADED.fullmatch(name))}
    first = {name: f"{match['folders']}{match['name']}" for name, match in matches.items()}
    counts = Counter(compared(one) for one in first.values())
    return {name: one for name, one in first.items() if counts[compared(one)] == 1}


def is_before_upload(name: str, image: Image) -> bool:
    """Whether the image was found by such a name."""
    match = UPLOADED.fullmatch(name)
    return match is not None and match["prefix"] not in image.name


def _endings(pk: int, name: str) -> Iterator[tuple[str, list[str] | None, bool]]:
    """(how the image's name may end, the folders above or None where they say no more, whether that is all of it)."""
    *folders, last = _parts(name)
    # As an export has it where the name alone would not do.
    exported = compared(f"{pk}-{safe_name(composed(name).rpartition('/')[2])}")
    yield last, folders, True
    yield _stem(last), folders, False
    yield exported, None, True
    yield _stem(exported), None, False


def _fitting(said: dict[str, list[str]], folders: list[str] | None) -> list[tuple[str, int]]:
    """The names whose folders are the image's, and how many of them both tell.

    Of several with more folders than the image has, it can be only one, and which is not known.
    """
    if folders is None:
        return [(name, MOST) for name in said]
    fits = [(name, common) for name, above in said.items() if (common := _common(above, folders)) is not None]
    deeper = [name for name, _count in fits if len(said[name]) > len(folders)]
    return [(name, common) for name, common in fits if len(deeper) < 2 or len(said[name]) <= len(folders)]


def _common(said: list[str], folders: list[str]) -> int | None:
    """How many folders both tell, the lowest of them; None where they differ."""
    common = min(len(said), len(folders))
    return common if said[len(said) - common :] == folders[len(folders) - common :] else None


def _parts(name: str) -> list[str]:
    parts = compared(name).replace("\\", "/").split("/")
    return [*(part for part in parts[:-1] if part not in {"", ".", "..", "images"}), parts[-1]]


def _stem(last: str) -> str:
    return last.rpartition(".")[0] or last
