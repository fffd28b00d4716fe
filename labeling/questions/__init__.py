"""The kinds of questions. CONTRIBUTING.md says what to write to add one."""

from __future__ import annotations

from labeling.questions.boxes import BOXES
from labeling.questions.kind import CANT_TELL, BadAnswer, Kind
from labeling.questions.multiple_choice import MULTIPLE_CHOICE
from labeling.questions.number import NUMBER
from labeling.questions.rating import RATING
from labeling.questions.single_choice import SINGLE_CHOICE
from labeling.questions.text import TEXT
from labeling.questions.yes_no import YES_NO

KINDS: dict[str, Kind] = {
    "yes_no": YES_NO,
    "single_choice": SINGLE_CHOICE,
    "multiple_choice": MULTIPLE_CHOICE,
    "rating": RATING,
    "text": TEXT,
    "number": NUMBER,
    "boxes": BOXES,
}
# Those whose labels are classes: a classifier learns them, and two methods can be told to differ on one.
CLASSED = [name for name, kind in KINDS.items() if kind.statistic == "class"]

__all__ = ["CANT_TELL", "CLASSED", "KINDS", "BadAnswer", "Kind"]
