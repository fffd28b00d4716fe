"""One lease as the labeling page's script takes it: the same shape as the API's claim, and what the page must say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.collecting.leases import MOST, Lease
from labeling.files import storage
from labeling.models import Judgment, Membership, Project
from labeling.surveys.survey import Asked, Survey
from labeling.views import asking

# A pause longer than this, in seconds, is not work.
GAP_CAP = 30
ASSIGNMENTS = "/api/v1/assignments/"


def task_data(lease: Lease, asked: Survey) -> dict[str, Any]:
    """``asked`` is the lease's survey, in the person's language."""
    return {
        "id": str(lease.id),
        "task": lease.task_id,
        "stage": lease.asked_as,
        "order": asked.orders(lease.stage, lease.order_seed),
        "signature": signature(lease),
        "payload": lease.payload,
        "hint": hint(lease, asked),
        "suggestion": suggestion(lease, asked.at(lease.stage)),
        "image": {
            "id": lease.image_id,
            "url": storage.file_url(lease.display),
            "width": lease.width,
            "height": lease.height,
        },
        "expires_at": lease.expires_at.isoformat(),
        "lasts": (lease.expires_at - timezone.now()).total_seconds(),  # a device's clock may be wrong
        "prefetch": [storage.file_url(image["display"]) for image in lease.upcoming[:2]],
    }


def signature(lease: Lease) -> str:
    """Tasks of one signature are asked by the same form; another one needs a new page."""
    return f"{lease.survey_version}:{lease.asked_as}"


def marks(payload: Mapping[str, Any], also: Sequence[tuple[str, Any]] = ()) -> list[dict[str, Any]]:
    """The boxes that a task shows without asking for them, as ``templates/labeling/_marks.html`` draws them."""
    named = [("accepted", box) for box in payload.get("boxes", [])]
    named += [(name, payload[name]) for name in ("candidate", "rejected") if payload.get(name)]
    for answer in (payload.get("suggestions") or {}).values():
        named += drawn("suggested", answer)
    named += also
    return [{"name": name, **dict(zip(asking.SIDES, row["box"], strict=True))} for name, row in named]


def drawn(name: str, answer: Any) -> list[tuple[str, Any]]:
    """The boxes of an answer under a name; none of an answer in words."""
    return [(name, row) for row in answer] if _is_drawn(answer) else []


def hint(lease: Lease, asked: Survey) -> str:
    """What a person must know of the boxes that the task shows: of a single one, what it was taken for, too; of all of
    them, which objects need one."""
    payload = lease.payload
    name = next((name for name in ("candidate", "rejected", "boxes") if payload.get(name)), "")
    drawing = next((question for question in asked.questions if question.kind == "boxes"), None)
    if lease.asked_as == "coverage" and drawing is not None:
        return " ".join([_hints()[name or "none"], *_needed(drawing)])
    if name in ("", "boxes") or drawing is None:
        return _hints()[name] if name else ""
    category = _("It was drawn as: %(category)s.") % {"category": asking.spoken(drawing, [payload[name]])}
    return " ".join([_hints()[name], category, *([_hints()["boxes"]] if payload.get("boxes") else [])])


def _needed(drawing: Asked) -> list[str]:
    names = [choice["name"] for choice in drawing.options["choices"]]
    told = _("What needs one: %(categories)s.") % {"categories": ", ".join(names)}
    return [told] if len(names) <= asking.BUTTONS else []


def suggestion(lease: Lease, questions: Sequence[Asked]) -> str:
    """The model's answer in a sentence, by the name that the worker knows; empty for a blind task.

    Where several questions are asked, it says which of them it answers: "yes" may be meant for any.
    """
    found = lease.payload.get("suggestions") or {}
    told = [question for question in questions if _is_spoken(found.get(question.key))]
    boxes = _words()["suggested_boxes"] if any(map(_is_drawn, found.values())) else ""
    said = [asking.spoken(question, found[question.key]) for question in told]
    if len(questions) > 1:
        said = [f"{question.prompt} {answer}" for question, answer in zip(told, said, strict=True)]
    words = _words()["suggestion"].replace("%s", ", ".join(said)) if said else ""
    return " ".join(filter(None, [words, boxes]))


def _is_spoken(answer: Any) -> bool:
    """Whether an answer is told in words; boxes are drawn, and None says nothing."""
    return answer is not None and not _is_drawn(answer)


def _is_drawn(answer: Any) -> bool:
    return isinstance(answer, list) and bool(answer) and isinstance(answer[0], dict)


def _hints() -> dict[str, str]:
    return {
        "candidate": _("Judge the box with the thick blue line."),
        "rejected": _("The dashed red box was turned down. Draw a better one."),
        "boxes": _("Green boxes are accepted already."),
        "none": _("No box is accepted so far."),
    }


def own_progress(project: Project, member: Membership) -> dict[str, int]:
    """How many answers the person gave, of as many as there are images to ask about.

    It moves by one with each answer; one about an image that was deleted since was given all the same. How many tasks
    there are or are finished would tell hidden gold from the rest: an answer to gold finishes no task and makes none.
    Nobody knows how many rounds the three stages take, nor who will be asked at which: there is no total (0).
    """
    done = member.judgment_count
    if project.in_stages:
        return {"done": done, "total": 0}
    return {"done": done, "total": max(project.image_count + member.deleted_count, done, 1)}


def lately_counted(member: Membership) -> list[str]:
    """The assignments whose answers :func:`own_progress` counts, last first, as far back as an outbox may wait."""
    judgments = Judgment.objects.filter(
        worker=member.user_id, project=member.project_id, source="worker", withdrawn_at=None
    )
    return [str(pk) for pk in judgments.order_by("-id").values_list("assignment_id", flat=True)[:MOST]]


def client_data(
    request: HttpRequest,
    project: Project,
    member: Membership,
    lease: Lease,
    asked: Survey,
    given: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything that static/js/label.js needs; it holds no address and no sentence of its own."""
    return {
        **_in_language(asked),
        "user": request.user.pk,
        "project": project.slug,
        "phase": member.phase,
        "task": task_data(lease, asked),
        "signature": signature(lease),
        "questions": [question.public() for question in asked.at(lease.stage)],
        "answers": given or {},
        "counted": lately_counted(member),
        "warning": member.warning,
        "can_undo": member.judgment_count > 0,
        "gap_cap": GAP_CAP,
        "claim": reverse("label-next", args=[project.slug]),
        "undo": reverse("label-undo", args=[project.slug]),
        "assignments": ASSIGNMENTS,
        "words": _words(),
    }


def _in_language(asked: Survey) -> dict[str, str]:
    """What an answer tells with it; nothing where the survey tells nothing of languages."""
    return {"language": asked.language} if asked.language else {}


def grid_data(
    request: HttpRequest, project: Project, asked: Survey, question: Asked, tiles: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The same for static/js/grid.js."""
    outbox, words = outbox_data(request), _words()
    return {
        **outbox,
        **_in_language(asked),
        "words": {
            **outbox["words"],
            **{name: words[name] for name in ("unseen", "broken", "offline")},
            "skip": _("Skip"),
        },
        "project": project.slug,
        "question": question.key,
        "tiles": [{"id": tile["id"], "task": tile["task"]} for tile in tiles],
        "gap_cap": GAP_CAP,
    }


def outbox_data(request: HttpRequest) -> dict[str, Any]:
    """What a page needs that sends answers which wait on the device, as static/js/waiting.js does."""
    words = _words()
    return {
        "user": request.user.pk,
        "assignments": ASSIGNMENTS,
        "words": {name: words[name] for name in ("waiting", "sign_in", "sent")},
    }


def _words() -> dict[str, str]:
    return {
        "suggestion": _("The model suggests: %s. Trust your own eyes."),
        "suggested_boxes": _("The dotted boxes are the model's. Trust your own eyes."),
        "required": _("This question needs an answer."),
        "required_one": _("At least one question must be answered."),
        "from_list": _("Choose an answer from the list."),
        "required_boxes": _("Draw a box, or say that there is none."),
        "number": _("Enter a number."),
        "whole_number": _("Enter a whole number."),
        "at_least": _("At least %s, please."),
        "at_most": _("At most %s, please."),
        "too_long": _("At most %s characters, please."),
        "waiting": _("Offline: %s waiting"),
        "waiting_left": _("Offline: %s waiting, %s left"),
        "none_left": _("No connection, and no image is left on this device. The next ones come when it is back."),
        "sign_in": _("Sign in to send %s"),
        "sent": _("Back online: what waited is being sent."),
        "offline": _("No connection. Your answers are kept on this device, and sent when it is back."),
        "next": _("Next image."),
        "undone": _("The last answer is taken back; here it is again."),
        "alt": _("The image to look at"),
        "closer": _("Look closer (z)"),
        "broken": _("This image did not load. You can skip it."),
        "unseen": _("What did not load is not answered. One at a time, it can be skipped."),
        "too_small": _("That box is too small. Draw a larger one, or zoom in first."),
        "box": _("Box %s"),
        "box_added": _("Box added."),
        "box_deleted": _("Box deleted."),
        "delete": _("Delete"),
        "category": _("Category"),
        "boxes_count": _("Boxes: %s."),
        "stage": _("Image with boxes. n makes a new box, arrow keys move it, question mark lists all keys."),
        "tools": _("Box tools"),
        "new_box": _("New box (n)"),
        "next_box": _("Next box"),
        "its_category": _("Category of this box (c)"),
        "take": _("Take the dotted boxes"),
        "undo": _("Undo (Ctrl+Z)"),
        "redo": _("Redo (Ctrl+Shift+Z)"),
        "zoom_in": _("Zoom in (+)"),
        "zoom_out": _("Zoom out (-)"),
        "whole": _("Whole image (f)"),
    }
