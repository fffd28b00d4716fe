"""Labels that exist already come in: as gold, as suggestions, or as the judgments of a named source. Worker-side.

Each line is checked by the survey like any answer. Written in chunks with the position reached, so a killed import
goes on where it was; gold and suggestions written twice are the same, and a source judges each image once.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from django.db import transaction

from labeling.collecting import goldmarks, tasks
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.export.imagefolder import folder
from labeling.importing import said, sources
from labeling.importing.known import READERS, Files, Known, Refused, UnreadableError, imagefolder
from labeling.jobs import Report
from labeling.models import Gold, Image, Job, Project, Task
from labeling.questions import KINDS, BadAnswer
from labeling.questions.kind import is_storable
from labeling.surveys import survey
from labeling.surveys.survey import Asked
from labeling.words import gettext as _

CHUNK = 500
BOXED = {"coco", "yolo", "voc"}  # what holds boxes, and a class as one around the whole image


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of an ``import_labels`` job; see ``labeling.jobs.run``."""
    arguments = job.arguments
    position = int(report.result.get("position", 0))
    imported = int(report.result.get("imported", 0))
    take = TAKES[arguments["as"]]
    with sources.opened(arguments["file"]["spool"]) as stored:
        try:
            reader = READERS[arguments["format"]](Files(stored, arguments["file"]["name"]))
            found = itertools.islice(reader, position, None)
            while chunk := list(itertools.islice(found, CHUNK)):
                with transaction.atomic():
                    imported += take(job.project, _checked(job.project, chunk, arguments, report), arguments)
                    position += len(chunk)
                    report.result.update(position=position, imported=imported)
                    report.checkpoint(
                        min(position / (position + CHUNK), 0.99), _("%(done)s images") % {"done": position}
                    )
        except UnreadableError as error:
            raise CrowdtuneError("unreadable", error.args[0]) from error
    fitting.settle(job.project_id, report.progress)
    sources.clean(job.pk)
    return {"imported": imported, "images": position}


Checked = list[tuple[Image, Asked, Any]]
NOTHING: Any = object()  # what a file says of an image where it says nothing


def _checked(project: Project, found: list[Known | Refused], arguments: dict[str, Any], report: Report) -> Checked:
    """What can be used of a chunk; the rest is reported by image."""
    asked = {question.key: question for question in survey.current(project).at(tasks.first_stage(project))}
    for part in found:
        if isinstance(part, Refused):
            report.error(part.where, "unreadable", part.why)
    chunk = [part for part in found if isinstance(part, Known)]
    if arguments["format"] == "imagefolder":
        folders = _folders(asked, arguments.get("question", ""))
        chunk = [imagefolder.in_folders(known, folders) for known in chunk]
    whole = _called(project, {known.path for known in chunk if known.path and is_name(known.path)})
    images = _images(project, {one.image for one in chunk if one.path not in whole and is_name(one.image)})
    ready: Checked = []
    for known in chunk:
        image = whole.get(known.path) or (images.get(known.image) if is_name(known.image) else None)
        if image is None:
            report.error(
                f"{known.image}".encode(errors="replace").decode().replace("\x00", "\ufffd"),
                "unknown_image",
                _("No image of the project has this name. Upload it first."),
            )
            continue
        try:
            question = _question(asked, known.question or arguments.get("question", ""), arguments["format"])
            answer = said.parse(question, _pixels(known, image))
            if arguments["format"] in BOXED and question.kind != "boxes":
                answer = _class_of(question, answer)
            if answer is not NOTHING:
                ready.append((image, question, question.check(answer, image.width, image.height)))
        except (BadAnswer, CrowdtuneError) as error:
            report.error(known.image, "bad_answer", error.args[0])
    return ready


def of_images(project: Project, labeled: list[tuple[str, Image, Any]], report: Report) -> Checked:
    """What can be used of labels given with their images, each ``answer`` or ``{question: answer}``; else a report."""
    asked = {question.key: question for question in survey.current(project).at(tasks.first_stage(project))}
    ready: Checked = []
    for where, image, label in labeled:
        try:
            answers = label if isinstance(label, dict) else {_question(asked, "", "csv").key: label}
            for key, answer in answers.items():
                question = _question(asked, str(key), "csv")
                value = said.parse(question, str(answer) if question.kind == "single_choice" else answer)
                ready.append((image, question, question.check(value, image.width, image.height)))
        except (BadAnswer, CrowdtuneError) as error:
            why = _("The image is taken, its label is not: %(why)s") % {"why": error.args[0]}
            report.error(where, "bad_label", why)
    return ready


def _question(asked: dict[str, Asked], key: str, form: str) -> Asked:
    if key in asked:
        return asked[key]
    classes = {"single_choice", "yes_no", *({"multiple_choice"} if form in BOXED else ())}
    by_kinds = [{"boxes"}, classes] if form in BOXED else [classes]
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
    return said.parse(question, found[0]) if found else NOTHING


def _folders(asked: dict[str, Asked], key: str) -> dict[str, str]:
    """Folder -> category of the question that image folders answer."""
    question = _question(asked, key, "imagefolder")
    return {folder(name): name for name in KINDS[question.kind].classes(question.options)}


def _pixels(known: Known, image: Image) -> Any:
    """Shares of the image, as centre and size -> natural pixels from the corner."""
    if not known.relative:
        return known.answer
    width, height = image.width, image.height
    return [
        {
            "category": item["category"],
            "box": [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height],
        }
        for item in known.answer
        for x, y, w, h in [item["box"]]
    ]


def is_name(value: Any) -> bool:
    """Whether an image can be called so."""
    return isinstance(value, str) and is_storable(value)


def _called(project: Project, names: set[str]) -> dict[str, Image]:
    return {image.name: image for image in Image.objects.filter(project=project, name__in=names)}


def _images(project: Project, names: set[str]) -> dict[str, Image]:
    """Images by what the file calls them: the whole name, its last part, or either without its suffix.

    A folder called images says nothing. A file may know the folder of a picture that came without any.
    """
    rows = Image.objects.filter(project=project)
    found = _called(project, names)
    missing = names - set(found)
    if missing:
        parts = Counter(PurePosixPath(name).name for name in missing)
        lasts = {last: name for name in missing if parts[last := PurePosixPath(name).name] == 1}
        for image in rows.only("id", "name", "width", "height", "project_id").order_by("-pk").iterator():
            path = PurePosixPath(image.name)
            bare = PurePosixPath(*(part for part in path.parts if part != "images")).with_suffix("").as_posix()
            known = {path.name, path.with_suffix("").as_posix(), path.stem, bare} & missing
            if "/" not in image.name and not known:
                known = {lasts[name] for name in (path.name, path.stem) if name in lasts}
            for name in known:
                found[name] = image
    return found


def _as_gold(project: Project, ready: Checked, arguments: dict[str, Any]) -> int:
    entries: dict[int, dict[str, Any]] = {}
    for image, question, answer in ready:
        entries.setdefault(image.pk, {})[question.key] = answer
    tasks.hold(images=entries, project_id=project.pk)
    for image_id, answers in entries.items():
        task = _task(project, next(image for image, _, _ in ready if image.pk == image_id))
        goldmarks.mark(
            task=task, project=project, entry={"answers": answers, "use": Gold.Use.HIDDEN}, source=arguments["source"]
        )
    return len(entries)


def _as_suggestions(project: Project, ready: Checked, arguments: dict[str, Any]) -> int:
    for image, question, answer in ready:
        task = _task(project, image)
        known = {**task.payload.get("suggestions", {}), question.key: answer}
        payload = {
            **task.payload,
            "suggestions": known,
            "suggested_by": arguments["source"],
            "blind_share": project.blind_share,
        }
        Task.objects.filter(pk=task.pk).update(payload=payload)
    return len(ready)


def _as_judgments(project: Project, ready: Checked, arguments: dict[str, Any]) -> int:
    worker = said.workers(project, {arguments["source"]})[arguments["source"]]
    answers: dict[tuple[int, int], dict[str, Any]] = {}
    for image, question, answer in ready:
        answers.setdefault((image.pk, worker), {})[question.key] = answer
    return said.store(project, answers, dict.fromkeys(answers), {image.pk: image for image, _, _ in ready})


def _task(project: Project, image: Image) -> Task:
    return tasks.open_for(image=image, project=project, stage=tasks.first_stage(project))


TAKES: dict[str, Callable[[Project, Checked, dict[str, Any]], int]] = {
    "gold": _as_gold,
    "suggestions": _as_suggestions,
    "judgments": _as_judgments,
}
LABELS_AS = tuple(TAKES)
