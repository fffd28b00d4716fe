"""What a file has said so far of each picture and question: of what it says in several places the first stays.

By hashes, since a file may be long. What is new is kept beside the upload at each checkpoint, so that an import that
was killed knows it again. What was kept of a part that was not written in the end is told, and kept, anew. TOGETHER
files become one, and as many of those: a million labels lie in some dozens, each written a few times.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from array import array
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from labeling.files import storage
from labeling.importing import sources
from labeling.questions import BadAnswer
from labeling.text.words import gettext as _

PREFIX = "said-"
TOGETHER = 16  # files that become one


class Said:
    """What the file of a job has said before ``position``."""

    def __init__(self, job_id: Any, position: int) -> None:
        self._folder = sources.spool_folder(job_id)
        self._answers: dict[int, int] = {}
        self._new = array("q")
        self._kept: list[list[tuple[int, array[int]]]] = [[]]  # files of one size: where each ends, and what it holds
        if position:
            self._read(position)

    def _read(self, position: int) -> None:
        with contextlib.suppress(FileNotFoundError):  # the upload is gone, too, and its reader says so
            for name in sorted(default_storage.listdir(self._folder)[1]):
                if name.startswith(PREFIX) and int(name.removeprefix(PREFIX)) <= position:
                    pairs = array("q", storage.read(f"{self._folder}/{name}"))
                    self._kept[0].append((int(name.removeprefix(PREFIX)), pairs))
                    for place, answer in zip(pairs[::2], pairs[1::2], strict=True):
                        self._answers.setdefault(place, answer)

    def check_is_first(self, image_id: int, question: Any, answer: Any) -> None:
        """
        Raises:
            BadAnswer: The file has said something else of this picture.
        """
        same = float(answer) if isinstance(answer, int | float) else answer  # 4 and 4.0 are one number
        place, said = _number([image_id, question]), _number(same)
        if place not in self._answers:
            self._answers[place] = said
            self._new.extend((place, said))
        elif self._answers[place] != said:
            raise BadAnswer(_("a line above says something else of the same picture."))

    def keep(self, position: int) -> None:
        """Store what is new since the last time; ``position`` is where the part that is being written ends.

        What it was called for before is written by now, and can be put together.
        """
        if self._new:
            self._gather()
            self._put(position, self._new)
            self._kept[0].append((position, self._new))
            self._new = array("q")

    def _gather(self) -> None:
        for size, kept in enumerate(self._kept):
            if len(kept) < TOGETHER:
                return
            last = kept[-1][0]
            pairs = array("q")
            for _position, some in kept:
                pairs.extend(some)
            self._put(last, pairs)  # in place of the last one: whatever a kill leaves of the others says the same
            for position, _pairs in kept[:-1]:
                default_storage.delete(self._name(position))
            self._kept[size] = []
            if size + 1 == len(self._kept):
                self._kept.append([])
            self._kept[size + 1].append((last, pairs))

    def _put(self, position: int, pairs: array[int]) -> None:
        storage.put_file(self._name(position), ContentFile(pairs.tobytes()))

    def _name(self, position: int) -> str:
        return f"{self._folder}/{PREFIX}{position:09d}"


def _number(value: Any) -> int:
    text = json.dumps(value, sort_keys=True).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)
