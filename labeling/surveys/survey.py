"""The survey of a project as it stood at one version: its questions with their choices, ready to ask and to check.

A version never changes once it is written, so each process keeps what it has read. Answers are checked here and
nowhere else, whether they come from a page, the API, an import or a gold list.

A lease is answered under the version that it was handed out with, so an owner may edit while people work. What such an
answer says to a question of another version counts there when that question, under the same key, would take it
(``Survey.counted``); the rest stays in the judgment as it was said and counts for nothing.
See docs/decisions/0005-survey-versions.md.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from labeling.errors import CrowdtuneError
from labeling.models import Project, SurveyVersion
from labeling.questions import CANT_TELL, KINDS, BadAnswer, conditions
from labeling.questions.boxes import KnownBoxes
from labeling.questions.kind import is_number
from labeling.questions.text import KnownText
from labeling.surveys import translations
from labeling.surveys.translations import AS_WRITTEN, Wording
from labeling.text.spellings import folded
from labeling.text.words import gettext as _
from labeling.text.words import tell

# Above this many choices a question is answered by type-ahead search, and the list does not travel with each task.
MANY_CHOICES = 200


@dataclass(frozen=True)
class Asked:
    """One question of a survey; ``options`` holds the resolved ``choices``."""

    id: int
    key: str
    kind: str
    prompt: str
    help_text: str
    required: bool
    options: dict[str, Any]
    show_if: dict[str, Any] | None
    stage: str
    words: Mapping[str, str] = field(default_factory=dict)  # for "yes", say; those of the platform where it has none
    wordnet: Mapping[str, str] = field(default_factory=dict)  # key of a choice -> its WordNet id, where it has one

    @property
    def statistic(self) -> str:
        """How judgments of it are combined, as its kind says."""
        return KINDS[self.kind].statistic

    @property
    def classes(self) -> list[str]:
        """The labels of its posterior; none where the kind has none."""
        return KINDS[self.kind].classes(self.options)

    @property
    def is_shuffled(self) -> bool:
        """Whether each task shows the choices in an order of its own; long lists are searched and have none."""
        return bool(self.options.get("shuffle")) and 1 < len(self.options.get("choices", ())) <= MANY_CHOICES

    def ordered(self, seed: str) -> list[dict[str, str]]:
        """The choices in the order that the seed gives (see ``order_seed``), where the question asks for one."""
        choices = list(self.options.get("choices", ()))
        if not seed or not self.is_shuffled:
            return choices
        drawn = {choice["key"]: f"{seed}:{self.key}:{choice['key']}".encode() for choice in choices}
        return sorted(choices, key=lambda choice: hashlib.sha256(drawn[choice["key"]]).digest())

    def meant(self, said: str) -> str | None:
        """The key of the choice that a file means, by its key, name or WordNet id, with capitals or spaces around as
        may be; None where that could be several, or is none.
        """
        keys = self._called.get(folded(said.strip()), set())
        return said if said in keys else next(iter(keys)) if len(keys) == 1 else None

    @cached_property
    def _called(self) -> dict[str, set[str]]:
        """What choices are called -> the keys of those that are."""
        found: dict[str, set[str]] = defaultdict(set)
        for choice in self.options.get("choices", ()):
            key = choice["key"]
            for name in (key, choice.get("name"), self.wordnet.get(key)):
                if name:
                    found[folded(str(name).strip())].add(key)
        return dict(found)

    def public(self) -> dict[str, Any]:
        """What a worker's program needs to ask it."""
        choices = self.options.get("choices", [])
        many = len(choices) > MANY_CHOICES
        options = {name: value for name, value in self.options.items() if name != "choices"}
        shown = {
            "key": self.key,
            "kind": self.kind,
            "prompt": self.prompt,
            "help_text": self.help_text,
            "required": self.required,
            "options": options,
            "choices": None if many else choices,
            "choice_count": len(choices),
            "show_if": self.show_if,
        }
        return {**shown, "words": self.words} if self.words else shown

    def in_full(self) -> Asked:
        """The question to who knows the answer: to all boxes of an image, of which a worker may be asked for fewer."""
        if self.kind != "boxes":
            return self
        return replace(self, options={name: value for name, value in self.options.items() if name != "most"})

    def check(self, answer: Any, width: int | None, height: int | None) -> Any:
        """The canonical answer, or BadAnswer."""
        if answer == CANT_TELL and isinstance(answer, str):
            if self.options.get("cant_tell"):
                return CANT_TELL
            if self.kind != "text":
                raise BadAnswer(_('this question does not offer "I can\'t tell".'))
        options = self.options
        if width is not None and self.kind == "boxes":
            options = {**options, "width": width, "height": height}
        return KINDS[self.kind].answer(answer, options)


@dataclass(frozen=True, eq=False)  # hashed by identity: a version is loaded once a process
class Survey:
    version: int
    questions: tuple[Asked, ...]
    written: Mapping[str, Any] | None = None  # the document it is of, where that tells its language
    wording: Wording = AS_WRITTEN

    @property
    def languages(self) -> list[str]:
        """The languages that it can be asked in, the original's first; none where it does not tell its own."""
        return [self.written["language"], *self.written.get("translations", ())] if self.written else []

    @property
    def language(self) -> str:
        """The language that it is worded in, where it is known."""
        return self.wording.code

    def worded(self, code: str) -> Survey:
        """The same survey in one of its languages: other words, the same keys and answers."""
        return self if self.written is None else _worded(self, code)

    def at(self, stage: str) -> tuple[Asked, ...]:
        """The questions of a task's stage; ``draw:2`` is the second round of the stage ``draw``."""
        name = stage.partition(":")[0]
        return tuple(question for question in self.questions if question.stage == name)

    def public(self, stage: str, seed: str = "") -> list[dict[str, Any]]:
        """The questions of a stage as a program asks them; choices in the seed's order where that is asked for."""
        questions = _public(self, stage.partition(":")[0])
        if not seed or not _is_shuffled(self, stage.partition(":")[0]):
            return questions
        return [
            {**shown, "choices": question.ordered(seed)} if question.is_shuffled else shown
            for question, shown in zip(self.at(stage), questions, strict=True)
        ]

    def public_json(self, stage: str, seed: str) -> str:
        """``public`` as JSON text, made once where every task shows the same."""
        name = stage.partition(":")[0]
        return json.dumps(self.public(name, seed)) if seed and _is_shuffled(self, name) else _public_json(self, name)

    def orders(self, stage: str, seed: str) -> dict[str, list[str]]:
        """Question -> keys of its choices as this seed shows them; only shuffled questions are in it."""
        return {q.key: [choice["key"] for choice in q.ordered(seed)] for q in self.at(stage) if q.is_shuffled}

    def check(self, stage: str, answers: Any, *, width: int | None = None, height: int | None = None) -> dict[str, Any]:
        """Answers from outside -> canonical answers of the questions that are shown.

        Raises:
            CrowdtuneError: bad_answer, with the reason under each question's key in ``fields``.
        """
        asked = self.at(stage)
        if not isinstance(answers, Mapping):
            raise CrowdtuneError(
                "bad_answer",
                _("Expected answers as {question: answer}, got %(answers)s.") % {"answers": f"{answers!r:.80}"},
                field="answers",
            )
        problems: dict[str, str] = {
            key: _("There is no question %(key)s here.") % {"key": repr(key)}
            for key in set(answers) - {q.key for q in asked}
        }
        checked: dict[str, Any] = {}
        for question in asked:
            if not conditions.holds(question.show_if, checked):
                continue
            answer = answers.get(question.key)
            if answer is None:
                if question.required:
                    problems[question.key] = _("An answer to %(prompt)s is required.") % {
                        "prompt": repr(question.prompt)
                    }
                continue
            try:
                checked[question.key] = question.check(answer, width, height)
            except BadAnswer as error:
                problems[question.key] = error.args[0]
        if problems:
            name, why = next(iter(problems.items()))
            raise CrowdtuneError("bad_answer", tell("%(name)s: %(why)s", {"name": name, "why": why}), fields=problems)
        if not checked:
            raise CrowdtuneError("bad_answer", _("At least one question must be answered."))
        return checked

    def counted(self, answers: Mapping[str, Any], *, in_full: bool = False) -> dict[str, Any]:
        """Those of the answers that this version would take: what an answer to another version still says here."""
        found = {}
        for question in self.questions:
            if question.key in answers:
                try:
                    asked = question.in_full() if in_full else question
                    found[question.key] = asked.check(answers[question.key], None, None)
                except BadAnswer:
                    continue
        return found


@lru_cache(maxsize=512)
def _worded(survey: Survey, code: str) -> Survey:
    assert survey.written is not None
    return parse_worded(survey.version, survey.written, code)


@lru_cache(maxsize=512)
def _public(survey: Survey, stage: str) -> list[dict[str, Any]]:
    return [question.public() for question in survey.at(stage)]


@lru_cache(maxsize=512)
def _is_shuffled(survey: Survey, stage: str) -> bool:
    return any(question.is_shuffled for question in survey.at(stage))


@lru_cache(maxsize=512)
def _public_json(survey: Survey, stage: str) -> str:
    return json.dumps(_public(survey, stage))


def order_seed(*, worker_id: int, task_id: int) -> str:
    """Choices come in one order for one worker at one task, by page and by API, now and later on."""
    return f"{worker_id}:{task_id}"


def current(project: Project) -> Survey:
    return load(project.pk, project.survey_version)


def answerable(project_id: int, version: int, known: Mapping[str, Any]) -> dict[str, Any]:
    """What of a known answer the form of this version could have said: nobody is measured by what was not asked.

    A number is a float here, whoever wrote it: near enough is right, also of what was counted. What is written and not
    chosen is a KnownText; more boxes than are asked for are KnownBoxes.
    """
    asked = load(project_id, version)
    questions = {one.key: one for one in asked.questions}
    return {key: _to_compare(questions[key], value) for key, value in asked.counted(known, in_full=True).items()}


def _to_compare(question: Asked, known: Any) -> Any:
    if question.kind == "number" and is_number(known):
        return float(known)
    most = question.options.get("most")
    if question.kind == "boxes" and most is not None and isinstance(known, list) and len(known) > most:
        return KnownBoxes(known, most)
    return KnownText(known) if question.kind == "text" and known != CANT_TELL else known


@lru_cache(maxsize=512)
def load(project_id: int, version: int) -> Survey:
    """The survey of one version, from its frozen document."""
    document = SurveyVersion.objects.values_list("document", flat=True).get(project_id=project_id, version=version)
    return parse(version, document)


def parse(version: int, document: Mapping[str, Any]) -> Survey:
    return Survey(version, _questions(document), document if document.get("language") else None)


def parse_worded(version: int, document: Mapping[str, Any], code: str) -> Survey:
    """The same in one of its languages."""
    return Survey(version, _questions(translations.translated(document, code)), document, Wording(document, code))


def _questions(document: Mapping[str, Any]) -> tuple[Asked, ...]:
    categories = [
        {part: row[part] for part in ("key", "name", "original") if part in row} for row in document["categories"]
    ]
    wordnet = {row["key"]: row["wordnet_id"] for row in document["categories"] if row.get("wordnet_id")}
    return tuple(_asked(row, categories, wordnet) for row in document["questions"])


def _asked(row: Mapping[str, Any], categories: list[dict[str, str]], wordnet: Mapping[str, str]) -> Asked:
    options = dict(row["options"])
    if KINDS[row["kind"]].statistic in {"class", "set", "boxes"} and row["kind"] != "yes_no":
        options["choices"] = options.get("choices") or categories
    return Asked(
        id=row["id"],
        key=row["key"],
        kind=row["kind"],
        prompt=row["prompt"],
        help_text=row["help_text"],
        required=row["required"],
        options=options,
        show_if=row["show_if"],
        stage=row["stage"],
        words=row.get("words", {}),
        wordnet={} if row["options"].get("choices") else wordnet,
    )


def json_schema(survey: Survey, stage: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of the ``answers`` of one stage, for programs that build or check them."""
    properties = {}
    for question in survey.at(stage):
        schema = KINDS[question.kind].schema(question.options)
        if question.options.get("cant_tell"):
            schema = {"anyOf": [schema, {"const": CANT_TELL}]}
        properties[question.key] = {**schema, "title": question.prompt}
    required = [q.key for q in survey.at(stage) if q.required and q.show_if is None]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Answers to version {survey.version} of the survey",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
