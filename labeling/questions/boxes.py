"""Boxes: ``[{"category": "cat", "box": [x, y, width, height]}]``.

COCO's convention: natural pixels of the EXIF-transposed image, origin at the top left; ``[]`` says there is none.
Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

from typing import Any

from labeling.questions.kind import (
    BadAnswer,
    Kind,
    Options,
    Schema,
    choice_keys,
    is_number,
    known_options,
    whole_option,
)
from labeling.text.words import gettext as _

MOST = 1000
SLACK = 1.0  # pixels a box may stand over the image's edge, from rounding in a client; it is clipped


class KnownBoxes(list[dict[str, Any]]):
    """All boxes of an image, of which a worker is asked for fewer: for ``asked_for`` of them, whichever."""

    def __init__(self, boxes: list[dict[str, Any]], asked_for: int) -> None:
        super().__init__(boxes)
        self.asked_for = asked_for


def _options(options: Options) -> Options:
    most = whole_option(options, "most", MOST)
    if most is not None and most < 0:
        raise BadAnswer(_("expected a number of at least %(least)s, got %(value)s.") % {"least": 0, "value": most})
    return known_options(options, "choices", "most")


def _answer(value: Any, options: Options) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > options.get("most", MOST):
        raise BadAnswer(
            _("expected a list of at most %(most)s boxes, got %(value)s.")
            % {"most": options.get("most", MOST), "value": f"{value!r:.80}"}
        )
    return [_box(item, options) for item in value]


def _box(item: Any, options: Options) -> dict[str, Any]:
    keys = choice_keys(options)
    if not isinstance(item, dict) or set(item) - {"category", "box"} or not isinstance(item.get("box"), list):
        raise BadAnswer(
            _('expected {"category": …, "box": [x, y, width, height]}, got %(item)s.') % {"item": f"{item!r:.80}"}
        )
    category = item.get("category") or (keys[0] if len(keys) == 1 else None)
    if category not in keys:
        raise BadAnswer(
            _("expected a category out of %(keys)s; got %(category)s.")
            % {"keys": ", ".join(keys[:20]), "category": repr(category)}
        )
    numbers = item["box"]
    good = len(numbers) == 4 and all(is_number(n) for n in numbers)
    if not good or numbers[2] <= 0 or numbers[3] <= 0:
        raise BadAnswer(
            _("expected a box [x, y, width, height] with a positive size, got %(numbers)s.")
            % {"numbers": f"{numbers!r:.80}"}
        )
    return {"category": category, "box": _clip([float(n) for n in numbers], options)}


def _clip(box: list[float], options: Options) -> list[float]:
    """``options`` carries the image's ``width`` and ``height`` when the answer belongs to one."""
    width, height = options.get("width"), options.get("height")
    if width is None or height is None:
        return box
    x, y, w, h = box
    if x < -SLACK or y < -SLACK or x + w > width + SLACK or y + h > height + SLACK:
        raise BadAnswer(
            _("the box %(box)s stands over the edge of the image of %(width)s x %(height)s pixels.")
            % {"box": box, "width": width, "height": height}
        )
    left, top = min(max(x, 0.0), width), min(max(y, 0.0), height)
    right, bottom = min(x + w, float(width)), min(y + h, float(height))
    if right <= left or bottom <= top:
        raise BadAnswer(_("the box %(box)s is outside of the image.") % {"box": box})
    # A side that was not cut is kept as it came: the difference of its ends is off by the last digit.
    wide = w if (left, right) == (x, x + w) else right - left
    high = h if (top, bottom) == (y, y + h) else bottom - top
    return [left, top, wide, high]


def _schema(options: Options) -> Schema:
    number = {"type": "number"}
    sides = [number, number, {**number, "exclusiveMinimum": 0}, {**number, "exclusiveMinimum": 0}]
    box = {"type": "array", "minItems": 4, "maxItems": 4, "prefixItems": sides, "items": number}
    keys = choice_keys(options)
    item = {
        "type": "object",
        "required": ["box"] if len(keys) == 1 else ["category", "box"],
        "properties": {"category": {"type": "string", "enum": keys}, "box": box},
        "additionalProperties": False,
    }
    return {"type": "array", "items": item, "maxItems": options.get("most", MOST)}


BOXES = Kind(_options, _answer, _schema, choice_keys, "boxes")
