"""Labels that exist already come in: as gold, as suggestions, or as the judgments of a named source. Worker-side.

Each line is checked by the survey like any answer. Written in parts with the position reached, so a killed import
goes on where it was; gold and suggestions written twice are the same, and a source judges each image once.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from django.db import transaction

from labeling.collecting import marking, tasks
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.export.imagefolder import folders
from labeling.importing import judgments, naming, pixels, sources, staged
from labeling.importing.known import READERS, Files, Known, Passed, Refused, UnreadableError, imagefolder
from labeling.importing.known.files import MOST_PASSED
from labeling.importing.said import Said
from labeling.jobs import NOT_KNOWN, Report
from labeling.models import Gold, Image, Job, Project, Task
from labeling.questions import BadAnswer
from labeling.surveys.survey import Asked
from labeling.text.spellings import is_storable, written
from labeling.text.words import gettext as _

CHUNK = 500  # are looked up together
WRITTEN = 25  # in one go: whoever answers in the project waits for the row in which both count


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of an ``import_labels`` job; see ``labeling.jobs.run``."""
    arguments = {**job.arguments, "later": staged.later(job.project)}
    position = int(report.result.get("position", 0))
    counts = Counter({name: int(report.result[name]) for name in COUNTS if name in report.result})
    take, names = TAKES[arguments["as"]], naming.Names(job.project)
    said = Said(job.pk, position)
    with sources.opened(arguments["file"]["spool"]) as stored:
        try:
            reader = READERS[arguments["format"]](Files(stored, arguments["file"]["name"]))
            found = itertools.islice(reader, position, None)
            while chunk := list(itertools.islice(found, CHUNK)):
                asked = _asked(job.project, arguments["as"])
                parts = _looked_up(names, chunk, arguments, asked)
                for some in (parts[start : start + WRITTEN] for start in range(0, len(parts), WRITTEN)):
                    with transaction.atomic():
                        there = _held(job.project, some)
                        ready = _checked(there, asked, arguments, report, said)
                        counts.update(take(job.project, ready, arguments, report))
                        counts.update(_uploads(there))
                        position += len(some)
                        said.keep(position)
                        report.result.update(counts, position=position)
                        report.checkpoint(NOT_KNOWN, _("%(done)s labels") % {"done": position})
        except UnreadableError as error:
            raise CrowdtuneError("unreadable", error.args[0]) from error
    silent, unasked = report.result.pop(SILENT, 0), report.result.pop(UNASKED, {})
    labels = position - report.passed() - silent - sum(unasked.values())
    if not position:
        sources.clean(job.pk)
        raise CrowdtuneError(
            "nothing_found",
            _("Nothing in %(file)s is a label in the format %(format)s. Choose its own format, or another file.")
            % {"file": arguments["file"]["name"], "format": arguments["format"]},
        )
    fitting.settle(job.project_id, report.progress)
    sources.clean(job.pk)
    if silent:
        told = _("Images without a box or a class in the file: it says nothing of what they show.")
        report.pass_over(arguments["file"]["name"], told, silent)
    for control, count in unasked.items():
        told = arguments["later"].get(control, _("The survey has no rating, number or text with this key."))
        report.pass_over(control, told, count)
    report.refuse_nothing_taken(labels, arguments["file"]["name"])
    return {**counts, "labels": labels}


class _Label(NamedTuple):
    image: Image
    question: Asked
    answer: Any
    by: str = ""  # who has answered, where the file has answers of several


Checked = list[_Label]
Counts = dict[str, int]  # what came of them, as a job's result tells it
NOTHING: Any = object()  # what a file says of an image where it says nothing
SILENT = "silent"  # how many such images there were so far, in the result of a job that runs
UPLOADS = "uploads"  # how many were found by the name that they had before Label Studio took them
COUNTS = (*judgments.COUNTS, UPLOADS)
UNASKED = "unasked"  # and how many answers there were to each question that the project does not ask


Parts = list[tuple[Known, Image] | Refused | Passed]


def _asked(project: Project, take_as: str) -> dict[str, Asked]:
    return staged.asked(project, is_known=take_as == "gold")


def _looked_up(
    names: naming.Names, chunk: list[Known | Refused | Passed], arguments: dict[str, Any], asked: dict[str, Asked]
) -> Parts:
    """Each part of the file with its image."""
    parts = [part for part in chunk if isinstance(part, Known)]
    if arguments["format"] == "imagefolder":
        question = _question(asked, arguments.get("question", ""))
        folders = _folders(question)
        parts = [imagefolder.in_folders(known, folders.get, question.meant) for known in parts]
    found = iter([_with_image(*pair) for pair in zip(parts, _images(names, parts), strict=True)])
    return [next(found) if isinstance(part, Known) else part for part in chunk]


def _with_image(known: Known, image: Image | CrowdtuneError) -> tuple[Known, Image] | Refused:
    if isinstance(image, Image):
        return known, image
    return Refused(f"{known.image}", image.message, image.code)


def _held(project: Project, parts: Parts) -> Parts:
    """The parts once their tasks are locked, which who deletes an image holds: it may be gone since its look-up."""
    images = {part[1].pk for part in parts if isinstance(part, tuple)}
    tasks.hold(images=images, project_id=project.pk)
    there = set(Image.objects.filter(pk__in=images).values_list("pk", flat=True))
    return [
        _with_image(part[0], _no_image(part[0], set())) if isinstance(part, tuple) and part[1].pk not in there else part
        for part in parts
    ]


def _uploads(parts: Parts) -> Counts:
    count = sum(isinstance(part, tuple) and naming.is_before_upload(f"{part[0].image}", part[1]) for part in parts)
    return {UPLOADS: count} if count else {}


def _checked(parts: Parts, asked: dict[str, Asked], arguments: dict[str, Any], report: Report, said: Said) -> Checked:
    """What can be used of them; the rest is reported by image."""
    ready: Checked = []
    for part in parts:
        if isinstance(part, Passed):
            report.pass_over(part.what, part.why, part.count)
            continue
        if isinstance(part, Refused):
            report.error(part.where, part.code, part.why)
            continue
        known, image = part
        if known.question in arguments["later"]:
            _count_unasked(known.question, report)
            continue
        if known.kinds and (known.control not in asked or asked[known.control].kind not in known.kinds):
            _count_unasked(known.control, report)
            continue
        try:
            question, answer = _answered(known, image, asked, arguments)
            if answer is NOTHING:
                report.result[SILENT] = report.result.get(SILENT, 0) + 1
            else:
                by = known.by if arguments["as"] == "judgments" else ""
                said.check_is_first(image.pk, [question.key, by] if by else question.key, answer)
                ready.append(_Label(image, question, answer, by))
        except (BadAnswer, CrowdtuneError) as error:
            report.error(f"{known.image}", "bad_answer", error.args[0])
    return ready


def _count_unasked(control: str, report: Report) -> None:
    unasked, name = report.result.setdefault(UNASKED, {}), written(control[:300])
    name = name if name in unasked or len(unasked) < MOST_PASSED else "…"
    unasked[name] = unasked.get(name, 0) + 1


def _answered(known: Known, image: Image, asked: dict[str, Asked], arguments: dict[str, Any]) -> tuple[Asked, Any]:
    """The question that is meant, and what the file answers to it, which may be NOTHING."""
    is_of_many = known.boxed or known.classed
    # Boxes of another project's export name its question; they still fit the one that asks for boxes here.
    named = known.question if known.question in asked or not known.boxed else ""
    key = known.control if known.control in asked else named or arguments.get("question", "")
    question = _question(asked, key, ["boxes"] if known.boxed else [], is_of_many)
    answer = judgments.parse(question, pixels.drawn(known, image) if question.kind == "boxes" else _classes(known))
    if is_of_many and question.kind != "boxes":
        answer = bool(answer) if known.sole and question.kind == "yes_no" else _class_of(question, answer)
    if answer is NOTHING:
        return question, NOTHING
    return question, question.check(judgments.as_asked(question, answer), image.width, image.height)


def of_images(
    project: Project, labeled: list[tuple[str, Image, Any]], take_as: str, report: Report, said: Said
) -> Checked:
    """What can be used of labels given with their images, each ``answer`` or ``{question: answer}``; else a report."""
    asked = _asked(project, take_as)
    ready: Checked = []
    for where, image, label in labeled:
        try:
            answers = label if isinstance(label, dict) else {_question(asked, "").key: label}
            for key, answer in answers.items():
                question = _question(asked, str(key))
                value = judgments.parse(question, str(answer) if question.kind == "single_choice" else answer)
                value = question.check(judgments.as_asked(question, value), image.width, image.height)
                said.check_is_first(image.pk, question.key, value)
                ready.append(_Label(image, question, value))
        except (BadAnswer, CrowdtuneError) as error:
            why = _("The image is taken, its label is not: %(why)s") % {"why": error.args[0]}
            report.error(where, "bad_label", why)
    return ready


def _question(asked: dict[str, Asked], key: str, before: Collection[str] = (), of_many: bool = False) -> Asked:
    """The one that is called so, or that alone fits: of the kinds ``before`` classes, and ``of_many`` where several
    may be said of an image.
    """
    if key in asked:
        return asked[key]
    classes = {"single_choice", "yes_no", *({"multiple_choice"} if of_many else ())}
    by_kinds = [before, classes]
    suited = next(
        (found for kinds in by_kinds if (found := [one for one in asked.values() if one.kind in kinds])),
        list(asked.values()),
    )
    if key or len(suited) != 1:
        raise CrowdtuneError(
            "unknown_question",
            _("Say which question: one of %(asked)s; got %(key)s.") % {"asked": ", ".join(asked), "key": repr(key)},
        )
    return suited[0]


def _class_of(question: Asked, boxes: Any) -> Any:
    """What the categories of an image's annotations answer to a question of classes; their boxes say no more."""
    found = list(dict.fromkeys(str(item["category"]) for item in boxes))
    if question.kind == "multiple_choice":
        return found
    if len(found) > 1:
        raise BadAnswer(_("expected one category an image, got %(found)s.") % {"found": ", ".join(found[:20])})
    return judgments.parse(question, found[0]) if found else NOTHING


def _folders(question: Asked) -> dict[str, str]:
    """Folder -> category of the question that image folders answer, as an export has them."""
    if question.kind == "boxes":
        told = _(
            "A folder names a category, and %(question)s asks for boxes. Bring boxes in from COCO, YOLO or Pascal VOC, "
            "or add a question of one choice to the survey. The images alone come in where images are added."
        )
        raise CrowdtuneError("unsuited", told % {"question": repr(question.key)})
    return {**{key: key for key in question.classes}, **{name: key for key, name in folders(question.classes).items()}}


def _classes(known: Known) -> Any:
    return [*known.answer, *({"category": name} for name in known.crowds)] if known.crowds else known.answer


def is_name(value: Any) -> bool:
    """Whether an image can be called so."""
    return isinstance(value, str) and is_storable(value)


def _images(names: naming.Names, chunk: list[Known]) -> list[Image | CrowdtuneError]:
    """The image of each: by its bytes, by its name with the folders that it has in the file, or by its name alone, and
    if no image is called so, by that which it had before Label Studio took it.
    """
    hashes = {known.sha256 for known in chunk if known.sha256 and is_name(known.sha256)}
    same = {image.sha256: image for image in Image.objects.filter(project=names.project, sha256__in=hashes)}
    rest = [known for known in chunk if known.sha256 not in same]
    whole, shared = names.find({known.path for known in rest if known.path and is_name(known.path)})
    rest = [known for known in rest if known.path not in whole and is_name(known.image)]
    alone, unclear = names.find({known.image for known in rest})
    uploads = naming.before_upload({known.image for known in rest} - alone.keys() - unclear)
    before, several = names.find(set(uploads.values()))
    alone |= {name: before[one] for name, one in uploads.items() if one in before}
    unclear |= {name for name, one in uploads.items() if one in several}
    # One name in two folders of the file: what of it the project has not by its folder, it may not have at all.
    paths = Counter(name for name, _path in {(known.image, known.path) for known in chunk if is_name(known.image)})
    shared |= unclear | {name for name, count in paths.items() if count > 1}
    found: list[Image | CrowdtuneError] = []
    for known in chunk:
        image = same.get(known.sha256) or whole.get(known.path)
        if image is None and is_name(known.image) and not shared & {known.image, known.path}:
            image = alone.get(known.image)
        found.append(image or _no_image(known, shared))
    return found


def _no_image(known: Known, shared: set[str]) -> CrowdtuneError:
    if is_name(known.image) and shared & {known.image, known.path}:
        told = _("Several images of the project could be meant. Let the file tell the folders of their names.")
        return CrowdtuneError("ambiguous_image", told)
    return CrowdtuneError("unknown_image", _("No image of the project has this name. Upload it first."))


def _as_gold(project: Project, ready: Checked, arguments: dict[str, Any], report: Report) -> Counts:
    entries: dict[int, dict[str, Any]] = {}
    for image, question, answer, _by in ready:
        entries.setdefault(image.pk, {})[question.key] = answer
    tasks.hold(images=entries, project_id=project.pk)
    there = _tasks(project, ready)
    if project.in_stages:
        staged.cover(project, [(image, answer) for image, _question, answer, _by in ready], there)
        return {"imported": len(ready)}
    # What a file says of an image in several lines may come in several goes.
    marks = [(there[image_id], {"answers": answers, "use": Gold.Use.HIDDEN}) for image_id, answers in entries.items()]
    marking.mark_all(entries=marks, project=project, source=arguments["source"])
    return {"imported": sum(len(answers) for answers in entries.values())}


def _as_suggestions(project: Project, ready: Checked, arguments: dict[str, Any], report: Report) -> Counts:
    there = _tasks(project, ready)
    for image, question, answer, _by in ready:
        task = there[image.pk]
        task.payload = {
            **task.payload,
            "suggestions": {**task.payload.get("suggestions", {}), question.key: answer},
            "suggested_by": arguments["source"],
            "blind_share": project.blind_share,
        }
    Task.objects.bulk_update(there.values(), ["payload"])
    return {"imported": len(ready)}


def _as_judgments(project: Project, ready: Checked, arguments: dict[str, Any], report: Report) -> Counts:
    source = arguments["source"]
    names = {label.by: f"{source} {label.by}".strip() for label in ready}
    workers = judgments.workers(project, set(names.values()))
    answers: dict[tuple[int, int], dict[str, Any]] = {}
    for image, question, answer, by in ready:
        answers.setdefault((image.pk, workers[names[by]]), {})[question.key] = answer
    images = {image.pk: image for image, _question, _answer, _by in ready}

    def differs(pair: tuple[int, int]) -> None:
        report.error(images[pair[0]].name, "already_answered", judgments.answered_otherwise())

    return judgments.store(project, answers, dict.fromkeys(answers), images, differs)


def _tasks(project: Project, ready: Checked) -> dict[int, Task]:
    """Image -> its first task, which is made where it has none."""
    images, stage = {image.pk: image for image, *_label in ready}, tasks.first_stage(project)
    there = {task.image_id: task for task in Task.objects.filter(image__in=images, stage=stage).select_related("image")}
    made = images.keys() - there.keys()
    return there | {pk: tasks.open_for(image=images[pk], project=project, stage=stage) for pk in made}


TAKES: dict[str, Callable[[Project, Checked, dict[str, Any], Report], Counts]] = {
    "gold": _as_gold,
    "suggestions": _as_suggestions,
    "judgments": _as_judgments,
}
LABELS_AS = tuple(TAKES)
