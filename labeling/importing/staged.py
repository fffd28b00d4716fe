"""Labels that come into the three-stage box workflow. Worker-side.

Who knows all boxes of an image has nothing to ask: it is covered, and gives gold for the stages as any other. What an
export of such a project says of its later stages follows from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from labeling import webhooks
from labeling.collecting import tasks, workflow
from labeling.models import Image, Project, Task
from labeling.surveys import survey
from labeling.surveys.survey import Asked
from labeling.text.words import gettext as _


def asked(project: Project, *, is_known: bool) -> dict[str, Asked]:
    """The questions that a label can answer: those of an image's first task. Of what ``is_known`` that are all boxes of
    an image, where a worker is asked for one at a time.
    """
    questions = survey.current(project).at(tasks.first_stage(project))
    if project.in_stages and is_known:
        questions = tuple(one.in_full() for one in questions)
    return {question.key: question for question in questions}


def later(project: Project) -> dict[str, str]:
    """The questions of other stages, and why a label of them is none here."""
    keys = {question.key for question in survey.current(project).questions} - asked(project, is_known=False).keys()
    return dict.fromkeys(keys, _("A later stage asks this; it follows from the boxes."))


def cover(project: Project, known: Iterable[tuple[Image, Sequence[dict[str, Any]]]], there: dict[int, Task]) -> None:
    """These are all boxes of the images, whose tasks the caller holds; ``there``: their first ones."""
    for image, found in known:
        workflow.cover(task=there[image.pk], boxes=list(found))
    closed = {task.pk: Task.Because.GOLD for task in there.values() if task.state == Task.State.OPEN}
    webhooks.tell_retired(project=project, reasons=closed)
