"""In which language a person is asked: as the switch of the pages says it, or a program by ``Accept-Language``.

Where the survey is not translated into that language, it is asked in the one that it is written in. Whoever reads a
language that the pages do not speak chooses it beside the task (``COOKIE``), until they switch the pages to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.db.models import F, Func, JSONField
from django.db.models.fields.json import KT
from django.http import HttpRequest
from django.utils.translation.trans_real import parse_accept_lang_header

from labeling.errors import CrowdtuneError
from labeling.models import Project, SurveyVersion
from labeling.surveys import tongues
from labeling.surveys.survey import Survey
from labeling.surveys.translations import Worded
from labeling.text.words import gettext as _

COOKIE = "asked_in"  # "<language of the pages>:<language of the survey>"
AskedIn = Callable[[Survey], str]
# A survey's languages, each with its instructions, or null: its other texts, which may be many, stay in the database.
_INSTRUCTIONS = Func(
    "document",
    template="(SELECT jsonb_object_agg(key, value->'instructions') FROM jsonb_each(%(expressions)s->'translations'))",
    output_field=JSONField(),
)


def language_of(request: HttpRequest, asked: Survey) -> str:
    """The language in which this person is asked; empty where the survey tells nothing of languages."""
    return "" if asked.written is None else _chosen(request, asked.languages)


def _chosen(request: HttpRequest, offered: list[str]) -> str:
    switched = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, "")
    of_pages, _colon, chosen = request.COOKIES.get(COOKIE, "").partition(":")
    if chosen in offered and of_pages == switched:
        return chosen
    wanted = [switched] if switched else [code for code, _share in _accepted(request)]
    return next((found for code in wanted if (found := tongues.matching(code, offered))), offered[0])


def _accepted(request: HttpRequest) -> tuple[tuple[str, float], ...]:
    return parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))


def choice(request: HttpRequest, code: str) -> str:
    """What COOKIE keeps of a person's choice."""
    return f"{request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME, '')}:{code}"


def worded(request: HttpRequest, asked: Survey) -> Survey:
    """The survey in this person's language."""
    return asked.worded(language_of(request, asked))


def instructions_of(request: HttpRequest, projects: Iterable[Project]) -> dict[int, str]:
    """What a list says of each project: its instructions in this person's language, by one query for all of them."""
    told: dict[int, str] = {project.pk: project.instructions for project in projects}
    versions = SurveyVersion.objects.filter(
        project__in=list(told), version=F("project__survey_version"), document__has_key="language"
    )
    for pk, original, said in versions.values_list("project_id", KT("document__language"), _INSTRUCTIONS):
        code = _chosen(request, [original, *(said or {})])
        words = (said or {}).get(code)
        told[pk] = Worded(told[pk], original) if words is None else Worded(words, code)
    return told


def of_answer(request: HttpRequest, body: Mapping[str, Any]) -> AskedIn:
    """The language in which an answer's question was shown: what comes with the answer says so, or the request does."""

    def find(asked: Survey) -> str:
        said = body.get("language")
        if asked.written is None or said in (None, ""):
            return language_of(request, asked)
        if said not in asked.languages:
            message = _("language is the one in which the question was shown: %(known)s; got %(value)s.") % {
                "known": ", ".join(asked.languages),
                "value": f"{said!r:.40}",
            }
            raise CrowdtuneError("bad_answer", message, field="language")
        return str(said)

    return find


def as_written(asked: Survey) -> str:
    """What nobody showed in any language: an answer from elsewhere."""
    return ""
