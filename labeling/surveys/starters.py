"""What a new project can begin as: the questions of each starting point.

To add one: an entry here; the page and its test read this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

Question = dict[str, Any]
# Of a project that is created without questions.
DEFAULT_QUESTIONS: list[Question] = [{"key": "category", "kind": "single_choice", "prompt": "What is in this image?"}]

# The three stages of ImageNet's box workflow; see labeling.collecting.workflow.
BOX_QUESTIONS: list[Question] = [
    {
        "key": "box",
        "kind": "boxes",
        "stage": "draw",
        "prompt": gettext_noop("Draw one box around one object that has none yet."),
        "help_text": gettext_noop(
            "All that is visible of it, as tight as possible. If no object is left, say that there is none."
        ),
        "most": 1,
    },
    {
        "key": "good",
        "kind": "yes_no",
        "stage": "quality",
        "prompt": gettext_noop("Is the highlighted box good?"),
        "help_text": gettext_noop(
            "It holds every visible part of one object of its category, as tightly as possible, and only one."
        ),
    },
    {
        "key": "covered",
        "kind": "yes_no",
        "stage": "coverage",
        "prompt": gettext_noop("Does every object have a box?"),
    },
]


@dataclass(frozen=True)
class Starter:
    """A starting point.

    Args:
        needs_categories: How many an owner has to name at least; none are asked for where it is 0.
        page: Where its owner goes on.
    """

    name: str | Promise
    description: str | Promise
    icon: str
    prompt: str | Promise
    needs_categories: int
    questions: Callable[[str], list[Question]]
    workflow: str = "label"
    page: str = "project-images"


def _one(key: str, kind: str, **options: Any) -> Callable[[str], list[Question]]:
    def build(prompt: str) -> list[Question]:
        return [{"key": key, "kind": kind, "prompt": prompt, "required": True, "options": options}]

    return build


def _stages(prompt: str) -> list[Question]:
    """The workflow's own questions, in the owner's language; ``prompt`` is that of the first."""
    told = [
        {name: _(text) if name in {"prompt", "help_text"} else text for name, text in question.items()}
        for question in BOX_QUESTIONS
    ]
    return [{**told[0], "prompt": prompt}, *told[1:]]


def _survey(prompt: str) -> list[Question]:
    """A beginning that needs no categories; its owner composes the rest in the builder."""
    return [
        {
            "key": "answer",
            "kind": "yes_no",
            "prompt": prompt,
            "required": True,
            "options": {"cant_tell": True},
        },
        {
            "key": "quality",
            "kind": "rating",
            "prompt": _("How good is the picture?"),
            "required": True,
            "options": {"least": 1, "most": 5},
            "show_if": {"question": "answer", "answered": True},
        },
        {"key": "remark", "kind": "text", "prompt": _("Anything to add?"), "required": False, "options": {"most": 500}},
    ]


STARTERS: dict[str, Starter] = {
    "single_choice": Starter(
        gettext_lazy("One category per image"),
        gettext_lazy("Cat or dog? The usual start for a classifier."),
        "tag",
        gettext_lazy("What does this image show?"),
        2,
        _one("category", "single_choice", cant_tell=True),
    ),
    "yes_no": Starter(
        gettext_lazy("Yes or no"),
        gettext_lazy("The quickest question there is: one key a picture."),
        "circle-check",
        gettext_lazy("Is there a person in this image?"),
        0,
        _one("answer", "yes_no", cant_tell=True),
    ),
    "multiple_choice": Starter(
        gettext_lazy("Several categories"),
        gettext_lazy("Everything that applies, of a list."),
        "tags",
        gettext_lazy("What is in this image? Choose all that apply."),
        2,
        _one("categories", "multiple_choice"),
    ),
    "boxes": Starter(
        gettext_lazy("Bounding boxes"),
        gettext_lazy("Several people draw; their boxes are combined."),
        "square-dashed",
        gettext_lazy("Draw a box around each object."),
        1,
        _one("boxes", "boxes"),
    ),
    "three_stage_boxes": Starter(
        gettext_lazy("Boxes in three stages"),
        gettext_lazy("ImageNet's way: draw one box, verify its quality, verify coverage. A third cheaper."),
        "crop",
        gettext_lazy("Draw one box around one object that has none yet."),
        1,
        _stages,
        workflow="three_stage_boxes",
    ),
    "survey": Starter(
        gettext_lazy("A survey"),
        gettext_lazy("Several questions an image, with conditions. Compose it after this page."),
        "list",
        gettext_lazy("Is there a person in this image?"),
        0,
        _survey,
        page="project-survey",
    ),
}
