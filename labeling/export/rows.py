"""What an export writes: the project's head and one row per image. Pure, so that a format is a function of these.

Rows are walked once, since the project goes on changing meanwhile; no format holds more than one of them in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from labeling.text.words import gettext as _

Answer = Any


class ExportRefusedError(ValueError):
    """The format cannot hold what the project has; the message says which can."""


@dataclass(frozen=True)
class Label:
    """The consensus of one image about one question."""

    answer: Answer
    confidence: float
    posterior: Mapping[str, float]
    judgments: int
    method: str
    final: bool
    retired_because: str = ""


@dataclass(frozen=True)
class Said:
    """One judgment: who answered what, when, how long it took, and on which version of the survey."""

    worker: str
    answers: Mapping[str, Answer]
    seconds: float | None
    survey_version: int
    created_at: str
    stage: str = "label"
    language: str = ""  # of the survey's, that was shown; empty where it tells none


@dataclass(frozen=True)
class Row:
    """One image. ``name`` is unique in the export and safe as a file name; sizes in natural pixels."""

    image_id: int
    name: str
    width: int
    height: int
    sha256: str
    labels: Mapping[str, Label]
    judgments: Sequence[Said]
    read: Callable[[], bytes]

    def is_labeled(self, question: Question) -> bool:
        """Whether it was looked at for boxes or classes, which may be none; who cannot tell has not said that."""
        label = self.labels.get(question.key)
        return label is not None and (isinstance(label.answer, list) or class_of(label.answer) in question.choices)

    def boxes(self, question: Question) -> Iterator[tuple[str, list[float]]]:
        """(category, ``[x, y, width, height]``) of each box; a class is a box around the whole image.

        Without those of categories that the survey does not ask for any more.
        """
        label = self.labels.get(question.key)
        if label is None:
            return
        found = label.answer if isinstance(label.answer, list) else [class_of(label.answer)]
        for item in found:
            if question.kind == "boxes" and isinstance(item, Mapping):
                if item["category"] in question.choices:
                    yield item["category"], [float(number) for number in item["box"]]
            elif question.kind != "boxes" and item in question.choices:
                yield str(item), [0.0, 0.0, float(self.width), float(self.height)]


@dataclass(frozen=True)
class Question:
    """``choices`` are keys in their order; empty for kinds without choices."""

    key: str
    kind: str
    prompt: str
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class Header:
    project: str
    name: str
    questions: Sequence[Question]
    exported_at: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def first(self, *kinds: str) -> Question | None:
        """The first question of one of these kinds."""
        return next((question for question in self.questions if question.kind in kinds), None)

    def boxes(self, title: str) -> Question:
        """What a format of boxes can hold of the project: its boxes, else its first question of classes.

        Raises:
            ExportRefusedError: There is neither.
        """
        question = self.first("boxes") or self.first("single_choice", "yes_no", "multiple_choice")
        if question is None:
            told = _("%(title)s holds boxes and categories; this project has neither. Choose csv, jsonl or parquet.")
            raise ExportRefusedError(told % {"title": title})
        return question

    @property
    def with_images(self) -> bool:
        return bool(self.options.get("images"))


Rows = Callable[[], Iterator[Row]]
FilesOf = Literal["", "name", "stem"]


@dataclass(frozen=True)
class Format:
    """How a format writes itself: ``write(header, rows, out)`` into a binary stream that can seek.

    ``files`` says what files of an archive are called by, so that it must differ on any system: the pictures' names, or
    these without their suffix.
    """

    title: str
    extension: str
    write: Callable[[Header, Rows, IO[bytes]], None]
    files: FilesOf = ""


def text(answer: Answer) -> str:
    """An answer in a cell: a choice or text as it is, anything else as JSON. ``labeling.importing`` reads it back."""
    return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def class_of(answer: Answer) -> str | None:
    """An answer that is one class, by its key; None for every other."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return answer if isinstance(answer, str) else None
