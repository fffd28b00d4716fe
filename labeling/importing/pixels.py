"""Boxes as a file has them -> boxes in natural pixels of the upright image. Worker-side."""

from __future__ import annotations

from typing import Any

from labeling.files import imaging, storage
from labeling.importing.known import Known
from labeling.models import Image
from labeling.questions import BadAnswer
from labeling.questions.kind import is_number
from labeling.text.words import gettext as _


def drawn(known: Known, image: Image) -> Any:
    """The boxes in natural pixels. As everywhere, what is drawn counts where there are crowds beside it.

    Raises:
        BadAnswer: There are crowds alone, and no box would say that nothing is there.
    """
    if known.crowds and not known.answer:
        raise BadAnswer(_("the file has only regions of crowds here (iscrowd, IsGroupOf), and no box of one thing."))
    return _pixels(known, image)


def _pixels(known: Known, image: Image) -> Any:
    """Shares of the image, as centre and size -> natural pixels from the corner."""
    if not known.relative:
        return _upright(known, image) if known.size not in {None, (image.width, image.height)} else known.answer
    sides = (image.width, image.height) * 2
    return [
        {
            "category": item["category"],
            "box": [_unrounded(n * side, side) for n, side in zip((x - w / 2, y - h / 2, w, h), sides, strict=True)],
        }
        for item in known.answer
        for x, y, w, h in [item["box"]]
    ]


def _unrounded(number: float, side: int) -> float:
    """The thousandths of a pixel that our shares of nine digits were made of: the last digit of a box at the edge would
    be cut off, and the next export be another one.
    """
    near = round(number, 3)
    return near if abs(near - number) <= side * 1e-9 else number


def _upright(known: Known, image: Image) -> Any:
    """Boxes of a tool that looked at the pixels as a camera stored them, turned as EXIF says.

    Raises:
        BadAnswer: The picture that the file tells of is another one: cut, or larger, or smaller.
    """
    data = storage.read_original(image) if known.size == (image.height, image.width) else None
    boxes = [imaging.turned(item["box"], data) if data and _is_box(item.get("box")) else None for item in known.answer]
    if None in boxes:
        raise BadAnswer(
            _("the file tells of %(said)s pixels, the image has %(real)s: these boxes are not in its pixels.")
            % {"said": "{} x {}".format(*known.size or ()), "real": f"{image.width} x {image.height}"}
        )
    return [{**item, "box": box} for item, box in zip(known.answer, boxes, strict=True)]


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(is_number(number) for number in value)
