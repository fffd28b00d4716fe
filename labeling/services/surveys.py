"""The survey of a project: its categories and questions, replaced as a whole, each time as a new version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import RestrictedError

from labeling import audit
from labeling.errors import CrowdtuneError
from labeling.models import Category, CategoryExample, Project, Question, SurveyVersion
from labeling.questions import CANT_TELL, KINDS, BadAnswer, conditions
from labeling.resilience import races
from labeling.services.wordings import bad_survey, stored_wordings, wordings_after
from labeling.surveys import survey, written
from labeling.surveys.differences import differences
from labeling.surveys.starters import BOX_QUESTIONS, DEFAULT_QUESTIONS
from labeling.text.spellings import is_storable
from labeling.text.words import gettext as _
from labeling.upkeep import discarding

MOST_CATEGORIES = 50_000
MOST_QUESTIONS = 200
_MOVE = """
UPDATE labeling_category c SET parent_id = v.parent
FROM unnest(%s::bigint[], %s::bigint[]) AS v(id, parent) WHERE c.id = v.id"""


@races.retried
def replace_survey(
    *,
    project: Project,
    user: Any,
    categories: Sequence[Any] | None = None,
    questions: Sequence[Mapping[str, Any]] | None = None,
    language: str | None = None,
    wordings: Mapping[str, Any] | None = None,
    unread: Collection[str] = (),
    seen: int = 0,
) -> Project:
    """Set the categories and/or questions to these; rows whose key stays keep their id and their judgments.

    Leases that are out keep the version that they were handed out with. A question that changes its kind is a new one.

    Args:
        categories: Names, or ``{"key", "name", "description", "parent", "wordnet_id"}``; one that is there already and
            only named here stays as it is.
        language: The code of the language that the survey is written in.
        wordings: Translations by language code, each of them whole; None takes one out. Languages that are not named
            keep theirs, and so does each text that the survey still has.
        unread: The names of texts of ``wordings`` that nobody has looked at: those that are out of date stay so.
        seen: The version that the person saw who asks for this, where it is known: what others have saved since is not
            written over.

    Raises:
        CrowdtuneError: bad_survey, with what is wrong where; survey_changed.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        changed = [part for part, rows in (("categories", categories), ("questions", questions)) if rows is not None]
        _check_unchanged(project, changed, wordings or (), seen)
        if categories is not None:
            _write_categories(project, checked_categories(_completed(project, categories)))
        if questions is not None:
            _write_questions(project, checked_questions(questions))
        elif project.survey_version == 1 and not project.questions.exists():
            _write_questions(project, checked_questions(BOX_QUESTIONS if project.in_stages else DEFAULT_QUESTIONS))
        if questions is not None:
            check_conditions(survey.parse(project.survey_version, build_document(project)))
        _freeze(project, user, language, wordings, unread)
    return project


def _check_unchanged(project: Project, parts: Iterable[str], codes: Iterable[str], seen: int) -> None:
    before = project.survey_versions.filter(version=seen).first()
    if before is None:
        return
    now = build_document(project) | stored_wordings(project)
    was, words = before.document.get("translations", {}), now.get("translations", {})
    if any(before.document[part] != now[part] for part in parts) or any(was.get(c) != words.get(c) for c in codes):
        message = _(
            "This was saved meanwhile, by somebody else or from elsewhere: it is version %(now)s now, and you began "
            "with %(seen)s. Load it anew to see it; to write over it, save again, as a program with this "
            "`survey_version`."
        ) % {"now": project.survey_version, "seen": seen}
        raise CrowdtuneError("survey_changed", message, 409)


def _freeze(
    project: Project, user: Any, language: str | None, wordings: Mapping[str, Any] | None, unread: Collection[str]
) -> None:
    document = build_document(project)
    document |= wordings_after(project, user, document, language, wordings, unread)
    before = project.survey_versions.filter(version=project.survey_version).first()
    if before is not None and before.document == document:
        return  # sent again as it is
    _check_stages(project, document)
    _check_choices(project, document)
    if before is not None:
        project.survey_version += 1
        if any(before.document[part] != document[part] for part in ("categories", "questions")):
            project.answers_version += 1  # what judgments say to the new questions is fitted anew
        project.save(update_fields=["survey_version", "answers_version"])
    SurveyVersion.objects.create(
        project=project, version=project.survey_version, document=document, created_by_id=getattr(user, "pk", None)
    )
    if before is not None:
        changes = {"version": project.survey_version, **differences(before.document, document)}
        audit.write(project=project, user=user, action="survey", changes=changes)


def build_document(project: Project) -> dict[str, Any]:
    """What the survey is now, as it will be frozen."""
    fields = ("key", "name", "description", "parent__key", "wordnet_id")  # no rows of ours: there may be 50,000
    rows = project.categories.order_by("position", "id").values_list(*fields)
    names = ("key", "name", "description", "parent", "wordnet_id")
    return {"categories": [dict(zip(names, row, strict=True)) for row in rows], "questions": stored_questions(project)}


def stored_questions(project: Project) -> list[dict[str, Any]]:
    """The questions of ``build_document``, without its categories."""
    fields = ("id", "key", "kind", "prompt", "help_text", "required", "options", "show_if", "stage")
    return list(project.questions.order_by("position", "id").values(*fields))


def _check_stages(project: Project, document: dict[str, Any]) -> None:
    """Each stage of the workflow asks what it stands on: a task without a question could never be answered."""
    asked = {(question["stage"], question["key"], question["kind"]) for question in document["questions"]}
    if project.in_stages:
        needed = {(question["stage"], question["key"], question["kind"]) for question in BOX_QUESTIONS}
        if not needed <= asked:
            told = ", ".join(f"{key} ({kind}, {stage})" for stage, key, kind in sorted(needed - asked))
            raise bad_survey(
                "questions", _("The workflow of boxes stands on these questions: %(missing)s.") % {"missing": told}
            )
    elif not any(stage == "label" for stage, _key, _kind in asked):
        raise bad_survey("questions", _("At least one question must be of the stage %(stage)s.") % {"stage": "'label'"})


def _check_choices(project: Project, document: dict[str, Any]) -> None:
    """A question of choices needs some, its own or the project's categories, and as many as it asks for."""
    for question in survey.parse(project.survey_version, document).questions:
        least, count = question.options.get("least", 0), len(question.options.get("choices", []))
        if question.kind == "multiple_choice" and 0 < count < least:
            told = _("The question %(words)s asks for at least %(least)s of %(count)s choices: nobody could answer it.")
            raise bad_survey("questions", told % {"words": repr(question.prompt), "least": least, "count": count})
        if "choices" in question.options and not question.options["choices"]:
            told = _("The question %(words)s needs choices: give the project categories, or the question its own.")
            fields = {"categories": [_("At least one category is needed.")]}
            raise CrowdtuneError("bad_survey", told % {"words": repr(question.prompt)}, fields=fields)


def check_conditions(asked: survey.Survey) -> None:
    """No condition asks for an answer that its question does not take: it would always hold, or never, unmeant.

    Raises:
        CrowdtuneError: bad_survey, with the answers that there are.
    """
    by_key = {question.key: question for question in asked.questions}
    for question in asked.questions:
        for key, test, value in conditions.compared(question.show_if):
            try:
                _check_compared(by_key[key], test, value)
            except BadAnswer as error:
                told = _("Question %(key)s: its condition asks for what %(other)s cannot be answered with: %(problem)s")
                raise bad_survey(
                    "questions", told % {"key": question.key, "other": repr(key), "problem": error.args[0]}
                ) from error


def _check_compared(other: survey.Asked, test: str, value: Any) -> None:
    if test in {"equals", "in"}:
        for answer in value if test == "in" else [value]:
            other.check(answer, None, None)
    elif test == "contains":
        if other.statistic != "set":
            raise BadAnswer(_("'contains' is for questions that take several choices."))
        KINDS["single_choice"].answer(value, other.options)
    elif test in {"at_least", "at_most"} and other.statistic != "median":
        raise BadAnswer(_("%(name)s is for scales and numbers.") % {"name": repr(test)})


def _completed(project: Project, categories: Sequence[Any]) -> list[Any]:
    """With what the project knows of those that are named and no more, as the API lists them: a program that reads the
    list and adds one takes no other's description away. A parent that goes is none."""
    known = {row["key"]: row for row in build_document(project)["categories"]}
    named = {item.strip() for item in categories if isinstance(item, str)} & set(known)
    if not named:
        return list(categories)
    stays = named | {item.get("key") or item.get("name") for item in categories if isinstance(item, Mapping)}
    for key in named:
        if known[key]["parent"] not in stays:
            known[key]["parent"] = None
    return [known.get(item.strip(), item) if isinstance(item, str) else item for item in categories]


def checked_categories(categories: Sequence[Any]) -> list[dict[str, Any]]:
    """Names or objects -> rows with key, name, description, wordnet_id, parent (a key)."""
    rows = [_category(item) for item in categories]
    keys = [row["key"] for row in rows]
    if len(rows) > MOST_CATEGORIES:
        raise bad_survey(
            "categories",
            _("At most %(most_categories)s categories are allowed, got %(rows)s.")
            % {"most_categories": MOST_CATEGORIES, "rows": len(rows)},
        )
    if len(set(keys)) != len(keys):
        twice = Counter(keys).most_common(1)[0][0]
        raise bad_survey(
            "categories", _("Each category must be there once; %(twice)s is there twice.") % {"twice": repr(twice)}
        )
    _check_parents({row["key"]: row["parent"] for row in rows})
    return rows


def _check_parents(parents: Mapping[str, str | None]) -> None:
    """Every parent is a category, and none stands below itself."""
    sound: set[str] = set()
    for key in parents:
        path: dict[str, None] = {}  # in its order; a list of 50,000 would be searched for minutes
        above: str | None = key
        while above is not None and above not in sound:
            if above not in parents:
                raise bad_survey(
                    "categories",
                    _("The parent %(parent)s of %(key)s is not a category.")
                    % {"parent": repr(above), "key": repr(next(reversed(path)))},
                )
            if above in path:
                raise bad_survey("categories", _("%(name)s cannot stand below itself.") % {"name": above})
            path[above] = None
            above = parents[above]
        sound.update(path)


def _category(item: Any) -> dict[str, Any]:
    row = {"key": item} if isinstance(item, str) else item
    if not isinstance(row, Mapping) or not isinstance(row.get("key") or row.get("name"), str):
        raise bad_survey(
            "categories", _("Expected a name or {key, name, …}, got %(item)s.") % {"item": f"{item!r:.80}"}
        )
    if not is_storable(dict(row)) or not all(
        row.get(name) is None or isinstance(row[name], str) for name in written.CATEGORY
    ):
        raise bad_survey(
            "categories",
            _("Every part of a category is text that a database stores; got %(item)s.") % {"item": f"{item!r:.80}"},
        )
    key = str(row.get("key") or row["name"]).strip()
    if not key or len(key) > 100 or key == CANT_TELL or any(ord(character) < 32 for character in key):
        raise bad_survey(
            "categories",
            _("A category's key is one line of 1 to 100 characters without tabs, not %(cant_tell)s; got %(key)s.")
            % {"cant_tell": repr(CANT_TELL), "key": f"{key!r:.120}"},
        )
    return {
        "key": key,
        "name": str(row.get("name") or key).strip()[:200],
        "description": str(row.get("description") or ""),
        "wordnet_id": str(row.get("wordnet_id") or "")[:20],
        "parent": row.get("parent") or None,
    }


def _write_categories(project: Project, rows: list[dict[str, Any]]) -> None:
    keys = [row["key"] for row in rows]
    gone = project.categories.exclude(key__in=keys)
    discarding.note_examples(CategoryExample.objects.filter(category__in=gone))
    gone.delete()
    words = ("name", "description", "wordnet_id")
    Category.objects.bulk_create(
        [
            Category(project=project, position=position, **{name: row[name] for name in ("key", *words)})
            for position, row in enumerate(rows)
        ],
        update_conflicts=True,
        unique_fields=["project", "key"],
        update_fields=[*words, "position"],
    )
    ids = dict(project.categories.values_list("key", "id"))
    parents = {row["key"]: ids.get(row["parent"]) for row in rows}
    there = project.categories.values_list("key", "id", "parent_id")
    moved = [(pk, parents[key]) for key, pk, above in there if above != parents[key]]
    if moved:  # not by bulk_update, whose statement has a branch a row: half a minute for ImageNet's taxonomy
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, [list(column) for column in zip(*moved, strict=True)])


def checked_questions(questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Questions from outside -> rows, each checked by its kind."""
    if not questions or len(questions) > MOST_QUESTIONS:
        raise bad_survey(
            "questions",
            _("A survey has 1 to %(most_questions)s questions, got %(questions)s.")
            % {"most_questions": MOST_QUESTIONS, "questions": len(questions)},
        )
    earlier: set[str] = set()
    rows = []
    for position, item in enumerate(questions):
        try:
            row = _question(item, position, earlier)
        except BadAnswer as error:
            key = item.get("key", position) if isinstance(item, Mapping) else position
            raise bad_survey("questions", _("Question %(key)s: %(error)s") % {"key": key, "error": error}) from error
        earlier.add(row["key"])
        rows.append(row)
    return rows


def _question(item: Mapping[str, Any], position: int, earlier: set[str]) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise BadAnswer(_("expected {key, kind, prompt}, got %(item)s.") % {"item": f"{item!r:.80}"})
    if not is_storable(dict(item)):
        raise BadAnswer(_("it holds characters that no database stores."))
    key, kind = _text(item, "key", 60) or f"question_{position + 1}", item.get("kind")
    if not key.replace("_", "").replace("-", "").isalnum() or not key.isascii() or len(key) > 60 or key in earlier:
        raise BadAnswer(
            _("a key has 1 to 60 letters, digits, - and _, each key once; got %(key)s.") % {"key": f"{key!r:.80}"}
        )
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadAnswer(
            _("kind must be one of %(kinds)s; got %(kind)s.") % {"kinds": ", ".join(KINDS), "kind": f"{kind!r:.40}"}
        )
    options = _options(item)
    required = item.get("required", True)
    if not isinstance(required, bool):
        raise BadAnswer(_("required must be true or false, got %(value)s.") % {"value": f"{required!r:.40}"})
    condition = item.get("show_if")
    if condition is not None:
        conditions.check(condition, earlier)
    return {
        "key": key,
        "kind": kind,
        "prompt": _text(item, "prompt", written.MOST_PROMPT) or key,
        "help_text": _text(item, "help_text"),
        "required": required,
        "options": KINDS[kind].options(options),
        "show_if": condition,
        "stage": _text(item, "stage", written.MOST_STAGE) or "label",
        "position": position,
    }


def _text(item: Mapping[str, Any], name: str, most: int | None = None) -> str:
    text = "" if item.get(name) is None else item[name]
    if not isinstance(text, str):
        raise BadAnswer(_("%(name)s is text, got %(value)s.") % {"name": name, "value": f"{text!r:.40}"})
    if most is not None and len(text) > most:
        told = _("%(name)s has at most %(most)s characters, got %(count)s.")
        raise BadAnswer(told % {"name": name, "most": most, "count": len(text)})
    return text


def _options(item: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a question, which stand in ``options``, beside it, or both; a list there is its choices."""
    unknown = sorted(set(item) - {*written.PARTS, *written.BESIDE})
    if unknown:
        known = ", ".join([*(part for part in written.PARTS if part not in {"id", "position"}), *written.BESIDE])
        told = _("%(unknown)s is not known here; a question has %(known)s.")
        raise BadAnswer(told % {"unknown": ", ".join(unknown), "known": known})
    inside = {} if item.get("options") is None else item["options"]
    if not isinstance(inside, Mapping | list):
        raise BadAnswer(_("options must be an object, got %(value)s.") % {"value": f"{inside!r:.80}"})
    options = {"choices": inside} if isinstance(inside, list) else {**inside}
    options |= {name: item[name] for name in written.BESIDE if name in item}
    for name, known in written.SAME.items():
        if name in options:
            options.setdefault(known, options.pop(name))
    return {name: value for name, value in options.items() if value is not None or name not in written.BESIDE}


def _write_questions(project: Project, rows: list[dict[str, Any]]) -> None:
    kinds = {row["key"]: row["kind"] for row in rows}
    gone = [pk for pk, key, kind in project.questions.values_list("pk", "key", "kind") if kinds.get(key) != kind]
    try:
        project.questions.filter(pk__in=gone).delete()
    except RestrictedError as error:
        kept = ", ".join(sorted({str(getattr(row, "question", row)) for row in error.restricted_objects}))
        raise bad_survey(
            "questions",
            _(
                "A training set stands on the question %(kept)s: it cannot go or change its kind. "
                "Keep it, not required, and ask the new question under another key."
            )
            % {"kept": repr(kept)},
        ) from error
    Question.objects.bulk_create(
        [Question(project=project, **row) for row in rows],
        update_conflicts=True,
        unique_fields=["project", "key"],
        update_fields=["kind", "prompt", "help_text", "required", "options", "show_if", "stage", "position"],
    )
