"""Which image of the project a file means by a name. Worker-side.

A file knows an image by its whole name or by the end of it, with or without its suffix, or by more folders than the
image came with; a folder called images says nothing, and Windows writes its folders with backslashes. What several
images could be is nobody's: a label that lands on the wrong one is worse than a line in the report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from labeling.exporting import safe_name
from labeling.models import Image, Project
from labeling.questions.kind import is_storable

MOST = 1000  # folders, more than any name has
Named = tuple[dict[str, Image], set[str]]


def find(project: Project, names: Collection[str]) -> Named:
    """Images by what a file calls them, and the names that could be several."""
    found, shared = called(project, names)
    best = _nearest(project, set(names) - set(found) - shared)
    one = {name: next(iter(images)) for name, images in best.items() if len(images) == 1}
    rows = Image.objects.filter(project=project).in_bulk(set(one.values()))
    found |= {name: rows[pk] for name, pk in one.items() if pk in rows}
    return found, shared | {name for name, images in best.items() if len(images) > 1}


def called(project: Project, names: Iterable[str]) -> Named:
    """Images that are called exactly so, and the names that several have."""
    found: dict[str, Image] = {}
    shared = set()
    for image in Image.objects.filter(project=project, name__in=[name for name in names if is_storable(name)]):
        if image.name in found:
            shared.add(image.name)
        found[image.name] = image
    return {name: image for name, image in found.items() if name not in shared}, shared


def _nearest(project: Project, names: Collection[str]) -> dict[str, set[int]]:
    """The images of which each name says the most; a name that says nothing of any is left out."""
    said = {name: _parts(name) for name in names}
    ends: dict[str, list[str]] = defaultdict(list)
    for name, parts in said.items():
        ends[parts[-1]].append(name)
    best: dict[str, tuple[tuple[int, bool], set[int]]] = {}
    for pk, full in Image.objects.filter(project=project).values_list("pk", "name").iterator() if ends else ():
        for end, folders, whole in _endings(pk, full):
            for name in ends.get(end, ()):
                common = _common(said[name][:-1], folders, alone=len(ends[end]) == 1)
                if common is None:
                    continue
                fit = (common, whole)
                if name not in best or fit > best[name][0]:
                    best[name] = (fit, {pk})
                elif fit == best[name][0]:
                    best[name][1].add(pk)
    return {name: images for name, (_fit, images) in best.items()}


def _endings(pk: int, name: str) -> Iterator[tuple[str, list[str] | None, bool]]:
    """(how the image's name may end, the folders above or None where they say no more, whether that is all of it)."""
    *folders, last = _parts(name)
    exported = f"{pk}-{safe_name(name.rpartition('/')[2])}"  # as an export has it where the name alone would not do
    yield last, folders, True
    yield _stem(last), folders, False
    yield exported, None, True
    yield _stem(exported), None, False


def _common(said: list[str], folders: list[str] | None, *, alone: bool) -> int | None:
    """How many folders both tell, the lowest of them; None where they differ, or one name of several is too long."""
    if folders is None:
        return MOST
    common = min(len(said), len(folders))
    if said[len(said) - common :] != folders[len(folders) - common :]:
        return None
    return None if len(said) > len(folders) and not alone else common


def _parts(name: str) -> list[str]:
    parts = name.replace("\\", "/").split("/")
    return [*(part for part in parts[:-1] if part not in {"", ".", "..", "images"}), parts[-1]]


def _stem(last: str) -> str:
    return last.rpartition(".")[0] or last
