"""The languages of a survey: which one it is written in, and its translations. They stand in its versions alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from labeling import audit
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.questions import BadAnswer
from labeling.surveys import tongues, translations
from labeling.text.words import gettext as _

PARTS = ("language", "translations", "outdated", "instructions")


def stored_wordings(project: Project) -> dict[str, Any]:
    """What the survey's version says of languages; a part that it has not is left out.

    ``outdated`` are the names of texts, by language, whose original has changed since they were translated, and
    ``instructions`` are those that its translations are of.
    """
    found = project.frozen_survey()
    return {part: found[part] for part in PARTS if part in found}


def progress_of(project: Project) -> list[dict[str, Any]]:
    """Each language of the survey, how many of its texts have a translation, and how many are out of date."""
    document = project.frozen_survey()
    found = []
    for code, words in document.get("translations", {}).items():
        asked = translations.to_translate(document, project.instructions, code)
        has = _names(words)
        done = sum(text.name in has for text in asked)
        outdated = len(outdated_of(project, document, code))
        row = {"code": code, "name": tongues.NAMES[code], "done": done, "total": len(asked), "outdated": outdated}
        found.append(row)
    return found


def outdated_of(project: Project, document: Mapping[str, Any], code: str) -> set[str]:
    """The names of texts whose original has changed since they were translated."""
    found = set(document.get("outdated", {}).get(code, ()))
    has_instructions = "instructions" in document.get("translations", {}).get(code, {})
    if has_instructions and document.get("instructions") != project.instructions:
        found.add("instructions")
    return found


def wordings_after(
    project: Project,
    user: Any,
    document: Mapping[str, Any],
    language: str | None,
    wordings: Mapping[str, Any] | None,
    unread: Collection[str] = (),
) -> dict[str, Any]:
    """The same for the version that is made now: what is stored, less what the survey has not any more, and these.

    Args:
        unread: The names of texts of ``wordings`` that nobody has looked at: those that are out of date stay so.

    Raises:
        CrowdtuneError: bad_survey.
    """
    before = project.frozen_survey()
    renamed = translations.renamed_sections(before, document) if before else {}
    found = translations.kept(before.get("translations", {}), document, renamed)
    try:
        original = before.get("language", "") if language is None else language and translations.language(language)
        given = _by_code(wordings)
        for code, words in given.items():
            found[code] = {} if words is None else translations.checked(code, words, document)
    except BadAnswer as error:
        raise bad_survey("translations", error.args[0]) from error
    found = {code: words for code, words in found.items() if words}
    if found and (not original or original in found):
        message = _("Say by `language` which language the survey is written in: one that it is not translated into.")
        raise bad_survey("language", message)
    _say_who_reads(project, user, set(found) - set(before.get("translations", {})))
    after: dict[str, Any] = {"language": original} if original else {}
    if found:
        after |= {"translations": found, "instructions": project.instructions}
        changed = _changed(before, document, project.instructions)
        changed |= {translations.name_of(("sections", section)) for section in renamed.values()}
        old = {code: changed | set(before.get("outdated", {}).get(code, ())) for code in found}
        old |= {code: old[code] & set(unread) for code in set(found) & set(given)}
        still = {code: sorted(names & _names(found[code])) for code, names in old.items()}
        after |= {"outdated": names} if (names := {code: rows for code, rows in still.items() if rows}) else {}
    return after


def _changed(before: Mapping[str, Any], document: Mapping[str, Any], instructions: str) -> set[str]:
    """The names of texts that were other words before."""
    if "translations" not in before:
        return set()
    was = {text.name: text.original for text in translations.texts(before, before.get("instructions", ""))}
    now = {text.name: text.original for text in translations.texts(document, instructions)}
    return {name for name, original in now.items() if was.get(name, original) != original}


def _names(words: Mapping[str, Any]) -> set[str]:
    return {translations.name_of(path) for path, _text in translations.leaves(words)}


def _by_code(wordings: Any) -> dict[str, Any]:
    if not isinstance(wordings or {}, Mapping):
        raise BadAnswer(_("expected {language: {…}}, got %(value)s.") % {"value": f"{wordings!r:.80}"})
    return {translations.language(code): words for code, words in (wordings or {}).items()}


def _say_who_reads(project: Project, user: Any, codes: Iterable[str]) -> None:
    """A project that states whom it is for is for those, too, who read a new translation."""
    new = sorted({code.partition("-")[0] for code in codes} - set(project.languages))
    if project.languages and new:
        before, project.languages = project.languages, [*project.languages, *new]
        project.save(update_fields=["languages"])
        audit.write(project=project, user=user, action="settings", changes={"languages": [before, project.languages]})


def bad_survey(field: str, message: str) -> CrowdtuneError:
    return CrowdtuneError("bad_survey", message, field=field)
