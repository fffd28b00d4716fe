"""Judgments made elsewhere come in: CSV or JSONL of image, worker, question, answer, seconds. Worker-side.

They are kept as judgments of named workers with the source ``import``, beside those made here, and take part in the
consensus. Lines of one worker about one image become one judgment. Written in chunks with the position reached, so a
killed import goes on where it was and writes nothing twice.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F

from labeling.accounts import people
from labeling.collecting import statements, tasks
from labeling.consensus import fitting
from labeling.errors import CrowdtuneError
from labeling.importing import naming, settled, sources
from labeling.importing.known import labelstudio, table
from labeling.importing.known.lines import Lines, array, objects, text_of
from labeling.jobs import Report
from labeling.models import Assignment, Departure, Image, Job, Judgment, Membership, Project, Task
from labeling.questions import CANT_TELL, BadAnswer
from labeling.surveys import survey
from labeling.surveys.survey import Asked
from labeling.text import cells
from labeling.text.spellings import is_storable
from labeling.text.words import gettext as _

COUNTS = ("imported", "added", "duplicates")  # what came of judgments: see ``store``
WORKERS = ("worker", "worker_id", "workerid", "annotator")
NAMED = {"image": table.IMAGES, "worker": WORKERS, "answer": table.ANSWERS}  # as others call the columns, ours first
CHUNK = 200  # lines, written in one go: whoever answers in the project waits for the row in which both count


class Line(NamedTuple):
    number: int
    image: str
    worker: str
    question: str
    answer: Any
    seconds: Any
    problem: str = ""
    sha256: str = ""


def run(job: Job, report: Report) -> dict[str, Any]:
    """The work of an ``import_judgments`` job; see ``labeling.jobs.run``."""
    project = job.project
    position = int(report.result.get("position", 0))
    counts = Counter({name: int(report.result[name]) for name in COUNTS if name in report.result})
    names = naming.Names(project)
    with sources.opened(job.arguments["file"]["spool"]) as stored:
        size = max(stored.size, 1)
        lines = itertools.islice(read(stored), position, None)
        while chunk := list(itertools.islice(lines, CHUNK)):
            position += len(chunk)
            with transaction.atomic():
                counts.update(_write(names, chunk, report))
                report.result.update(counts, position=position)
                report.checkpoint(stored.tell() / size, _("%(done)s lines") % {"done": position})
    if not position:
        sources.clean(job.pk)
        told = _("There is no judgment in %(file)s.")
        raise CrowdtuneError("nothing_found", told % {"file": job.arguments["file"]["name"]})
    fitting.settle(job.project_id, report.progress)
    settled.look_again(project, job.created_at)
    sources.clean(job.pk)
    report.refuse_nothing_taken(position, job.arguments["file"]["name"])
    return {**counts, "lines": position}


def read(stored: Any) -> Iterator[Line]:
    """Lines of a CSV with a header or of JSONL, told apart by the first character."""
    start, lines = text_of(stored)
    if not start:
        return
    if start == "[":
        raise CrowdtuneError("bad_csv", array())
    is_csv = start != "{"
    expected = _("Expected a JSON object with image, worker and answer.")
    for number, row, problem in _csv(lines) if is_csv else objects(lines, expected):
        if problem:
            yield Line(number, "", "", "", None, None, problem)
            continue
        values = {str(key).strip().lower(): value for key, value in row.items() if key is not None}
        if isinstance(values.get("judgments"), list):
            yield from _exported(number, values)
            continue
        if is_csv:
            values = {key: cells.read(value) if isinstance(value, str) else value for key, value in values.items()}
            values["seconds"] = str(values.get("seconds") or "").replace(",", ".")  # of a decimal comma
        image, worker, answer = (values.get(table.first(values, names)) for names in NAMED.values())
        yield Line(
            number,
            labelstudio.called(str(image or "").strip()),
            str(worker or "").strip(),
            str(values.get("question") or "").strip(),
            answer,
            values.get("seconds"),
            sha256=_hash(values),
        )


def _csv(text: Iterable[str]) -> Iterable[tuple[int, dict[Any, Any], str]]:
    try:
        lines = Lines(text)
    except ValueError as error:
        raise CrowdtuneError("bad_csv", error.args[0]) from error
    missing = [name for name, names in NAMED.items() if not table.first(lines.columns, names)]
    if missing:
        told = _("The CSV needs the columns image, worker and answer; it has no %(missing)s, but %(columns)s.")
        there = ", ".join(sorted(lines.columns))
        raise CrowdtuneError("bad_csv", told % {"missing": ", ".join(missing), "columns": there})
    return lines


def _exported(number: int, row: dict[str, Any]) -> Iterator[Line]:
    """The judgments of one image in our export to JSON Lines."""
    for judgment in row["judgments"]:
        said = judgment if isinstance(judgment, dict) else {}
        answers: Any = said.get("answers") if isinstance(said.get("answers"), dict) else {"": None}
        for question, answer in answers.items():
            worker = str(said.get("worker") or "").strip()
            image = str(row.get("image") or "").strip()
            yield Line(number, image, worker, question, answer, said.get("seconds"), sha256=_hash(row))


def _hash(row: dict[str, Any]) -> str:
    """The picture's, which our exports tell: a name that several images have is another one in the file."""
    text = row.get("sha256")
    return text if isinstance(text, str) and is_storable(text) else ""


def parse(question: Asked, value: Any) -> Any:
    """An answer as a file writes it -> as the kind takes it: in CSV everything but a choice or text is JSON, or several
    choices as people write them, cat|dog.
    """
    if isinstance(value, str) and question.kind not in {"single_choice", "text"}:
        lowered = value.strip().lower()
        if question.kind == "yes_no" and lowered in {"yes", "true", "1", "no", "false", "0"}:
            return lowered in {"yes", "true", "1"}
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = value
        if question.kind == "multiple_choice" and not isinstance(read, list):
            return _several(question, read if isinstance(read, str) else value)
        return read
    return value


def _several(question: Asked, text: str) -> Any:
    """``cat|dog`` -> its choices; where a choice's own name has a bar, what is called so is that one."""
    if text.strip() in {"", CANT_TELL}:
        return text.strip()
    return [text] if question.meant(text) else [name.strip() for name in text.split("|")]


def as_asked(question: Asked, answer: Any) -> Any:
    """The answer with the keys of the categories that it means: a file of another tool may call them by their names or
    WordNet ids. What could mean several, or none, stays as it is.
    """
    if question.kind == "boxes" and isinstance(answer, list):
        return [
            {**item, "category": _key(question, item.get("category"))} if isinstance(item, dict) else item
            for item in answer
        ]
    if question.kind == "multiple_choice" and isinstance(answer, list):
        return [_key(question, item) for item in answer]
    return _key(question, answer) if question.kind == "single_choice" else answer


def _key(question: Asked, said: Any) -> Any:
    return (question.meant(said) or said) if isinstance(said, str) else said


def answered_otherwise() -> str:
    return _("The worker's answer about this image is there already, and another one; it stays as it was.")


def _write(names: naming.Names, chunk: list[Line], report: Report) -> dict[str, int]:
    """One chunk; returns what came of it, see ``store``."""
    project = names.project
    questions = {question.key: question for question in survey.current(project).at(tasks.first_stage(project))}
    images, shared = _images(names, chunk)
    same = _same(project, chunk)
    known = workers(project, {line.worker for line in chunk if line.worker and is_storable(line.worker)})
    found: dict[tuple[int, int], dict[str, Any]] = {}
    seconds: dict[tuple[int, int], float | None] = {}
    numbers: dict[tuple[int, int], int] = {}

    def differs(number: int) -> None:
        report.error(f"line {number}", "already_answered", answered_otherwise())

    for line in chunk:
        if line.problem:
            report.error(f"line {line.number}", "bad_row", line.problem)
            continue
        if not is_storable([line.image, line.worker]):
            report.error(f"line {line.number}", "bad_row", _("The row holds characters that no database stores."))
            continue
        try:
            if line.sha256 not in same and line.image in shared:
                told = _("Several images of the project are called %(image)s: say which by its id.")
                raise CrowdtuneError("ambiguous_image", told % {"image": repr(line.image)})
            image, worker, key, answer = _checked(
                line, questions, same.get(line.sha256) or images.get(line.image), known
            )
        except CrowdtuneError as error:
            report.error(f"line {line.number}", error.code, error.message)
            continue
        pair = (image.pk, worker)
        if found.setdefault(pair, {}).setdefault(key, answer) != answer:
            differs(line.number)
            continue
        took = statements.usable_seconds(line.seconds)
        seconds[pair] = seconds.get(pair) if took is None else took  # many files tell it once, beside the first answer
        numbers[pair] = line.number
    rows = {image.pk: image for image in [*images.values(), *same.values()]}
    return store(project, found, seconds, rows, lambda pair: differs(numbers[pair]))


def _checked(
    line: Line, questions: dict[str, Asked], image: Image | None, workers: dict[str, int]
) -> tuple[Image, int, str, Any]:
    if image is None:
        raise CrowdtuneError(
            "unknown_image",
            _("There is no image %(image)s (by name or id) in the project.") % {"image": repr(line.image)},
        )
    if not line.worker:
        raise CrowdtuneError("no_worker", _("Each line needs a worker's name."))
    key = line.question or (next(iter(questions)) if len(questions) == 1 else "")
    if key not in questions:
        raise CrowdtuneError(
            "unknown_question",
            _("Expected one of %(questions)s; got %(key)s.") % {"questions": ", ".join(questions), "key": repr(key)},
        )
    try:
        answer = as_asked(questions[key], parse(questions[key], line.answer))
        answer = questions[key].check(answer, image.width, image.height)
    except BadAnswer as error:
        raise CrowdtuneError("bad_answer", error.args[0]) from error
    return image, workers[line.worker], key, answer


def _same(project: Project, chunk: list[Line]) -> dict[str, Image]:
    """Images by the hash of their bytes."""
    hashes = {line.sha256 for line in chunk} - {""}
    found = Image.objects.filter(project=project, sha256__in=hashes) if hashes else ()
    return {image.sha256: image for image in found}


def _images(names: naming.Names, chunk: list[Line]) -> tuple[dict[str, Image], set[str]]:
    """Images by what the lines call them (a name, see ``naming``, or the id), and names that several have."""
    project, said = names.project, {line.image for line in chunk if is_storable(line.image)}
    numbers = {int(name) for name in said if name.isdecimal() and len(name) < 19}  # ids end at 2**63
    by_id = {str(image.pk): image for image in Image.objects.filter(project=project, pk__in=numbers)}
    named, shared = naming.called(project, said)
    found, unclear = names.find(said - by_id.keys() - named.keys() - shared)
    return {**by_id, **named, **found}, shared | unclear


def workers(project: Project, names: set[str]) -> dict[str, int]:
    """Worker names -> user ids: members of the project, else accounts that only stand for a name."""
    accounts = {name: people.usernames(name, project.slug) for name in names}
    asked = [username for each in accounts.values() for username in each]
    members = Membership.objects.filter(project=project, user__username__in=asked).select_related("user")
    known = {member.user.username: member.user for member in members}
    found: dict[str, int | None] = {}
    for name, usernames in accounts.items():
        those = [known[username] for username in usernames if username in known]
        found[name] = next((one.pk for one in those if one.username == name or people.stands_for(one, name)), None)
    for name in sorted(name for name, user in found.items() if user is None):
        user = people.stand_in(name, project)
        Membership.objects.get_or_create(project=project, user=user, defaults=Departure.of(project, user.pk))
        found[name] = user.pk
    return {name: user for name, user in found.items() if user is not None}


def store(
    project: Project,
    found: dict[tuple[int, int], dict[str, Any]],
    seconds: dict[tuple[int, int], float | None],
    images: dict[int, Image],
    differs: Callable[[tuple[int, int]], None] = lambda _pair: None,
) -> dict[str, int]:
    """Write what is new; ``differs`` is told of who has said something else about an image before.

    Returns:
        How many judgments are new (``imported``), how many of those that were there say more than before (``added``),
        and how many said all of it already (``duplicates``).
    """
    there = _tasks(project, {image: images[image] for image, _ in found})
    # The rows are locked in one order, so that a submit and an import wait for each other instead of embracing.
    locked = list(Task.objects.filter(pk__in=there.values()).order_by("pk").select_for_update())
    gold = {task.pk for task in locked if task.is_gold}
    old = {
        (row.task_id, row.worker_id): row
        for row in Judgment.objects.filter(task_id__in=there.values(), withdrawn_at=None)
    }
    new, touched = [], set()
    added_to = repeated = 0
    for (image_id, worker), answers in found.items():
        task_id = there[image_id]
        stored = old.get((task_id, worker))
        if stored is not None:
            added, is_other = _beside(stored, answers)
            if is_other:
                differs((image_id, worker))
            added_to += bool(added)
            repeated += not added and not is_other
            if added:
                Judgment.objects.filter(pk=stored.pk).update(answers={**stored.answers, **added})
                touched.add(task_id)
            continue
        touched.add(task_id)
        new.append(
            Judgment(
                task_id=task_id,
                project=project,
                worker_id=worker,
                answers=answers,
                seconds=seconds[image_id, worker],
                survey_version=project.survey_version,
                source="import",
                is_gold=task_id in gold,
            )
        )
    Judgment.objects.bulk_create(new, batch_size=1000)
    _count(project, new, locked)
    if touched:
        Project.objects.filter(pk=project.pk).update(answers_version=F("answers_version") + 1)
    settled.settle(project, [task for task in locked if task.pk in touched])
    return {"imported": len(new), "added": added_to, "duplicates": repeated}


def _tasks(project: Project, images: dict[int, Image]) -> dict[int, int]:
    """Image -> its first task, which is made where it has none."""
    stage = tasks.first_stage(project)
    there = dict(Task.objects.filter(image_id__in=images, stage=stage).values_list("image_id", "id"))
    for image_id in images.keys() - there.keys():
        there[image_id] = tasks.open_for(image=images[image_id], project=project, stage=stage).pk
    return there


def _beside(stored: Judgment, answers: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """What is added to a judgment that is there already, and whether something else is said than it says."""
    missing = {key: answer for key, answer in answers.items() if key not in stored.answers}
    if missing and stored.source != "import":  # what somebody said here is theirs alone to add to
        return {}, True
    return missing, any(stored.answers.get(key, answer) != answer for key, answer in answers.items())


def _count(project: Project, new: list[Judgment], locked: list[Task]) -> None:
    """Count what is new in its tasks, which are locked, in its workers' records, and in the project."""
    if not new:
        return
    per_task = Counter(row.task_id for row in new)
    per_worker: dict[int, list[float]] = {}
    for row in new:
        per_worker.setdefault(row.worker_id, []).append(row.seconds or 0.0)
    leases = Assignment.objects.filter(task_id__in=per_task, state=Assignment.State.LEASED)
    leased = Counter(leases.values_list("task_id", flat=True))
    answered = [task for task in locked if task.pk in per_task]
    for task in answered:
        task.judgment_count += per_task[task.pk]
        taken = task.judgment_count + leased[task.pk]
        task.wanted = max(task.wanted, taken)
        task.open_slots = task.wanted - taken if task.state == Task.State.OPEN else 0
    statements.write_counts(answered)
    members = Membership.objects.filter(project=project, user_id__in=per_worker)
    list(members.order_by("user_id").select_for_update())  # in one order, for another import that names the same people
    statements.count_workers(project_id=project.pk, seconds=per_worker)
    Project.objects.filter(pk=project.pk).update(judgment_count=F("judgment_count") + len(new))
