"""A survey in several languages: its texts, what is refused, and who is asked in which."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from labeling import services
from labeling.consensus import provenance
from labeling.errors import CrowdtuneError
from labeling.models import Judgment, Project, SurveyVersion
from labeling.surveys import asked_in, survey, tongues, translations, written
from labeling.views import asking, noscript
from tests.labeling.conftest import answer, claim, client, person

pytestmark = pytest.mark.django_db
API = "/api/v1/"
SURVEY: dict[str, Any] = {
    "categories": [{"key": "cat", "name": "Cat", "description": "It purrs."}, {"key": "dog", "name": "Dog"}],
    "questions": [
        {"key": "animal", "kind": "single_choice", "prompt": "Which animal?", "help_text": "Look.", "cant_tell": True},
        {"key": "size", "kind": "rating", "prompt": "How large?", "labels": ["small", "large"], "section": "Details"},
        {"key": "colour", "kind": "multiple_choice", "prompt": "Which colours?", "choices": ["red", "a/b"]},
        {"key": "legs", "kind": "number", "prompt": "Legs?", "unit": "legs"},
        {"key": "tame", "kind": "yes_no", "prompt": "Is it tame?", "examples": [{"url": "/a.jpg", "caption": "Tame"}]},
    ],
    "instructions": "Be quick.",
}
HINDI: dict[str, Any] = {
    "instructions": "जल्दी करें।",
    "sections": {"Details": "विवरण"},
    "categories": {"cat": {"name": "बिल्ली", "description": "यह घुरघुराती है।"}},
    "questions": {
        "animal": {"prompt": "कौन सा जानवर?"},
        "size": {"labels": {"1": "छोटा", "5": "बड़ा"}},
        "colour": {"choices": {"red": "लाल", "a/b": "मिला हुआ"}},
        "legs": {"unit": "पैर"},
        "tame": {"captions": {"Tame": "पालतू"}},
    },
}
ARABIC: dict[str, Any] = {"questions": {"animal": {"prompt": "أي حيوان؟"}}, "answers": {"cant_tell": "لا أعرف"}}


@pytest.fixture
def worded(make_project: Callable[..., Project]) -> Project:
    return make_project(**SURVEY, language="en", wordings={"hi": HINDI, "ar": ARABIC})


def lease_of(project: Project, language: str, who: APIClient) -> dict[str, Any]:
    found = who.post(f"{API}projects/{project.slug}/assignments/", headers={"Accept-Language": language})
    assert found.status_code == 201, found.content
    data: dict[str, Any] = found.json()
    return data


def member(project: Project, name: str) -> User:
    user = person(name)
    services.add_member(project=project, username=name, role="worker")
    return user


def test_each_text_is_shown_in_the_language_asked_for_and_else_as_it_was_written(worded: Project) -> None:
    asked = survey.current(worded).worded("hi")
    animal, size, colour, legs, tame = asked.questions
    assert (animal.prompt, animal.help_text) == ("कौन सा जानवर?", "Look.")
    assert [choice["name"] for choice in animal.options["choices"]] == ["बिल्ली", "Dog"]
    assert (size.prompt, size.options["labels"], size.options["section"]) == ("How large?", ["छोटा", "बड़ा"], "विवरण")
    assert [(choice["key"], choice["name"]) for choice in colour.options["choices"]] == [
        ("red", "लाल"), ("a/b", "मिला हुआ"),
    ]  # fmt: skip
    assert legs.options["unit"] == "पैर"
    assert tame.options["examples"][0]["caption"] == "पालतू"
    assert [getattr(text, "language", "") for text in (animal.prompt, animal.help_text)] == ["hi", "en"]
    assert asked.check("label", {"animal": "cat", "size": 5, "colour": ["red"], "legs": 4, "tame": True})
    assert asked.wording.instructions("Be quick.") == "जल्दी करें।"


def test_a_project_says_its_translations_and_takes_what_it_said(worded: Project) -> None:
    owner = client(worded.owner)
    read = owner.get(f"{API}projects/{worded.slug}/").json()
    assert (read["language"], read["translations"]) == ("en", {"hi": HINDI, "ar": ARABIC})
    schema = written.schema()
    Draft202012Validator(schema).validate({part: read[part] for part in ("language", "translations", "questions")})
    again = owner.patch(f"{API}projects/{worded.slug}/", {"translations": read["translations"], "language": "en"})
    assert again.json()["survey_version"] == read["survey_version"]
    assert "translations" not in owner.get(f"{API}projects/").json()["results"][0]
    gone = owner.patch(f"{API}projects/{worded.slug}/", {"translations": {"ar": None}}).json()
    assert (gone["translations"], gone["survey_version"]) == ({"hi": HINDI}, read["survey_version"] + 1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"translations": {"tlh": HINDI}}, "'tlh' is no language code"),
        ({"translations": {"hi": {"questions": {"animl": {"prompt": "क"}}}}}, "questions/animl/prompt; known there:"),
        ({"translations": {"hi": {"questions": {"size": {"choices": {"1": "क"}}}}}}, "known there: prompt, labels"),
        ({"translations": {"hi": {"questions": {"colour": {"choices": {"blue": "क"}}}}}}, "known there: red, a/b"),
        ({"translations": {"hi": {"categories": {"cow": {"name": "गाय"}}}}}, "known there: cat, dog"),
        ({"translations": {"hi": {"questions": {"animal": "क"}}}}, "questions/animal is an object of prompt"),
        ({"translations": {"hi": {"questions": {"animal": {"prompt": 3}}}}}, "is text that a database stores, got 3"),
        ({"translations": {"hi": {"questions": {"animal": {"prompt": "क" * 501}}}}}, "at most 500 characters, got 501"),
        ({"translations": {"hi": ["क"]}}, "expected an object of texts"),
        ({"translations": ["hi"]}, "expected {language"),
        ({"translations": {"en": HINDI}}, "Say by `language`"),
        ({"language": "ar"}, "Say by `language`"),
        ({"language": "english"}, "'english' is no language code"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_translation_is_told_with_its_place(
    change: dict[str, Any], told: str, worded: Project
) -> None:
    refused = client(worded.owner).patch(f"{API}projects/{worded.slug}/", change)
    assert refused.status_code == 400, refused.content
    assert told in json.loads(refused.content)["error"]["message"]
    assert Project.objects.get(pk=worded.pk).survey_version == worded.survey_version


def test_translations_need_the_language_of_the_original(project: Project) -> None:
    words = {"hi": {"categories": {"cat": {"name": "बिल्ली"}}}}
    refused = client(project.owner).patch(f"{API}projects/{project.slug}/", {"translations": words})
    assert "Say by `language`" in refused.json()["error"]["message"]
    taken = client(project.owner).patch(f"{API}projects/{project.slug}/", {"translations": words, "language": "EN"})
    assert (taken.status_code, taken.json()["language"]) == (200, "en")


def test_a_program_is_asked_by_its_accept_language_and_the_answer_says_in_which(worded: Project) -> None:
    said = {}
    for name, language, known in [
        ("hira", "hi-IN, en;q=0.5", "hi"), ("aida", "fr, ar;q=0.7", "ar"), ("fred", "fr", "en"),
        ("nell", "en, hi", "en"),
    ]:  # fmt: skip
        who = client(member(worded, name))
        lease = lease_of(worded, language, who)
        assert lease["language"] == known
        said[name] = lease["questions"][0]["prompt"]
        body = {"answers": {"animal": "cat", "size": 5, "colour": [], "legs": 4, "tame": True}}
        stored = who.post(f"{API}assignments/{lease['id']}/judgment/", body, headers={"Accept-Language": language})
        assert (stored.status_code, stored.json()["language"]) == (201, known)
    assert said == {"hira": "कौन सा जानवर?", "aida": "أي حيوان؟", "fred": "Which animal?", "nell": "Which animal?"}
    rows = client(worded.owner).get(f"{API}projects/{worded.slug}/judgments/?language=hi").json()["results"]
    assert [row["language"] for row in rows] == ["hi"]
    told = provenance.of_task(Judgment.objects.get(language="hi").task)
    assert told["judgments"][0]["language"] == "hi"


def test_an_answer_that_says_its_language_is_believed_if_the_survey_has_it(worded: Project) -> None:
    who = client(member(worded, "wanda"))
    lease = lease_of(worded, "hi", who)
    body = {"answers": {"animal": "cat", "size": 5, "colour": [], "legs": 4, "tame": True}}
    refused = who.post(f"{API}assignments/{lease['id']}/judgment/", {**body, "language": "de"})
    assert "en, ar, hi" in refused.json()["error"]["message"]
    stored = who.post(f"{API}assignments/{lease['id']}/judgment/", {**body, "language": "ar"})
    assert stored.json()["language"] == "ar"


def test_without_translations_nothing_is_asked_told_or_stored_of_languages(project: Project, worker: User) -> None:
    document = SurveyVersion.objects.get(project=project).document
    assert set(document) == {"categories", "questions"}
    assert survey.current(project).worded("hi") is survey.current(project)
    lease = lease_of(project, "hi", client(worker))
    assert "language" not in lease
    made = answer(project, worker)
    assert made.language == ""
    assert "language" not in services.stored_json(judgment=made)


def test_a_translation_asks_the_database_no_more_than_one_wording(worded: Project, project: Project) -> None:
    counts = []
    for asked in (project, worded):
        who = client(member(asked, f"w{asked.pk}"))
        lease_of(asked, "hi", who)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            lease_of(asked, "hi", who)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_translation_is_a_new_version_that_no_answer_is_fitted_anew_for(project: Project, worker: User) -> None:
    lease = claim(project, worker)
    words = {"hi": {"categories": {"cat": {"name": "बिल्ली"}}}}
    saved = services.replace_survey(project=project, user=project.owner, language="en", wordings=words)
    assert (saved.survey_version, saved.answers_version) == (project.survey_version + 1, project.answers_version)
    judgment, _ = services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})
    assert judgment.survey_version == project.survey_version
    assert (
        survey.load(project.pk, judgment.survey_version).worded("hi").questions[0].options["choices"][0]["name"]
        == "cat"
    )


def test_what_is_taken_out_of_a_survey_takes_its_translation_with_it_and_the_rest_stays(worded: Project) -> None:
    questions = [row for row in SURVEY["questions"] if row["key"] != "colour"]
    services.replace_survey(project=worded, user=worded.owner, questions=questions)
    worded.refresh_from_db()
    left = SurveyVersion.objects.get(project=worded, version=worded.survey_version).document["translations"]["hi"]
    assert left == {**HINDI, "questions": {key: row for key, row in HINDI["questions"].items() if key != "colour"}}


def test_a_translation_whose_original_changes_is_out_of_date_until_it_is_written_anew(worded: Project) -> None:
    first = {**SURVEY["questions"][0], "prompt": "Which animal is this?"}
    services.replace_survey(project=worded, user=worded.owner, questions=[first, *SURVEY["questions"][1:]])
    services.change_project(project=worded, user=worded.owner, instructions="Take your time.")
    worded.refresh_from_db()
    from_page = {row["code"]: (row["done"], row["total"], row["outdated"]) for row in services.progress_of(worded)}
    assert from_page == {"hi": (11, 17, 2), "ar": (2, 21, 1)}
    services.replace_survey(project=worded, user=worded.owner, wordings={"hi": HINDI})
    worded.refresh_from_db()
    assert {row["code"]: row["outdated"] for row in services.progress_of(worded)} == {"hi": 0, "ar": 1}


def test_who_saves_over_the_translation_of_somebody_else_is_told(worded: Project) -> None:
    seen = worded.survey_version
    services.replace_survey(project=worded, user=worded.owner, wordings={"hi": ARABIC | {"answers": {}}}, seen=seen)
    services.replace_survey(project=worded, user=worded.owner, wordings={"ar": None}, seen=seen)
    with pytest.raises(CrowdtuneError, match="saved meanwhile"):
        services.replace_survey(project=worded, user=worded.owner, wordings={"hi": HINDI}, seen=seen)


def test_a_project_that_states_its_languages_is_for_readers_of_a_translation_too(
    make_project: Callable[..., Project],
) -> None:
    stated = make_project(languages=["en"], **SURVEY, language="en", wordings={"pt-br": ARABIC})
    assert stated.languages == ["en", "pt"]


def test_a_copy_of_a_project_has_its_translations(worded: Project) -> None:
    copy = services.copy_project(project=worded, user=worded.owner)
    assert survey.current(copy).languages == survey.current(worded).languages
    assert survey.current(copy).worded("hi").wording.instructions("Be quick.") == "जल्दी करें।"


def test_the_switch_of_the_pages_rules_until_a_person_chooses_a_language_beside_the_task(worded: Project) -> None:
    asked = survey.current(worded)

    def shown(accept: str = "", **cookies: str) -> str:
        request = RequestFactory().get("/", headers={"Accept-Language": accept})
        request.COOKIES.update(cookies)
        return asked_in.language_of(request, asked)

    assert shown("ar", django_language="hi") == "hi"
    assert shown("hi", django_language="en") == "en"
    assert shown("hi", asked_in=":ar") == "ar"
    assert shown("hi", django_language="en", asked_in="en:ar") == "ar"
    assert shown("hi", django_language="hi", asked_in="en:ar") == "hi"
    assert shown("*") == shown("no such; header") == "en"


def test_every_language_has_a_name_and_a_direction() -> None:
    assert {code for code in tongues.NAMES if tongues.direction(code) == "rtl"} >= {"ar", "fa", "he", "ur", "ps", "sd"}
    assert tongues.NAMES["hi"] == "हिन्दी"
    assert max(map(len, tongues.NAMES)) <= (Judgment._meta.get_field("language").max_length or 0)


def test_a_text_has_one_name_and_every_part_a_longest_length(worded: Project) -> None:
    document = SurveyVersion.objects.get(project=worded, version=worded.survey_version).document
    texts = translations.to_translate(document, worded.instructions, "ar")
    assert len({text.name for text in texts}) == len(texts)
    assert all(len(text.original) <= text.longest for text in texts)


def test_yes_no_and_the_like_are_said_in_the_language_of_the_question_whatever_the_pages_are_in(
    worded: Project,
) -> None:
    with translation.override("en"):
        *_others, legs, tame = survey.current(worded).worded("hi").questions
        assert (tame.words, legs.words) == ({"yes": "हाँ", "no": "नहीं"}, {})
        assert [choice["name"] for choice in asking.shown([tame], slug="x")[0]["shown_choices"]] == ["हाँ", "नहीं"]
    with translation.override("hi"):
        assert survey.current(worded).worded("en").questions[4].words == {"yes": "Yes", "no": "No"}
        assert survey.current(worded).worded("ar").questions[0].words == {"cant_tell": "لا أعرف"}
        assert asking.spoken(survey.current(worded).worded("ar").questions[4], True) == "हाँ"


def test_a_choice_is_found_by_its_name_in_both_languages_and_in_that_of_the_page(make_project: Any) -> None:
    names = {f"a{n}": f"Animal {n}" for n in range(300)} | {"cat": "Cat", "ten": "Ten"}
    hindi = {"cat": {"name": "बिल्ली"}, "a1": {"name": "Ten"}, "ten": {"name": "दस"}}
    rows = [{"key": key, "name": name} for key, name in names.items()]
    project = make_project(
        categories=rows,
        language="en",
        wordings={"hi": {"categories": hindi}, "ar": {"categories": {"cat": {"name": "قطة"}}}},
    )
    browser = Client(headers={"Accept-Language": "en"})
    browser.force_login(project.owner)
    address = f"/label/{project.slug}/choices/?question=category&version=1"

    def found(text: str, language: str = "hi") -> list[str]:
        results = browser.get(f"{address}&q={text}&language={language}").json()["results"]
        return [row["key"] for row in results]

    assert found("बिल") == found("CAT") == ["cat"]
    assert found("cat", "tlh") == ["cat"]
    assert browser.get(f"{address}&q=cat&language=ar").json()["results"][0]["name"] == "قطة"
    assert found("ten") == ["a1", "ten"]
    question = survey.current(project).worded("hi").questions[0]

    def typed(text: str) -> Any:
        return noscript.from_form([question], QueryDict(f"a.category={text}"))["category"]

    assert [typed(text) for text in ("बिल्ली", "cat", "दस", "TEN")] == ["cat", "cat", "ten", "a1"]
    assert "&language=hi" in asking.shown([question], slug="x", language="hi")[0]["search_url"]


def test_a_list_of_projects_has_each_one_s_instructions_in_the_reader_s_language_by_one_query(
    worded: Project, make_project: Any
) -> None:
    plain = make_project(name="Plain", instructions="Look.")
    other = make_project(name="Other", instructions="Regarde.", language="fr")
    request = RequestFactory().get("/", headers={"Accept-Language": "hi"})
    with CaptureQueriesContext(connection) as queries:
        told = asked_in.instructions_of(request, [worded, plain, other])
    assert len(queries) == 1
    assert [told[project.pk] for project in (worded, plain, other)] == ["जल्दी करें।", "Look.", "Regarde."]
    assert [getattr(text, "language", "") for text in told.values()] == ["hi", "", "fr"]
    request.META["HTTP_ACCEPT_LANGUAGE"] = "ar"
    assert asked_in.instructions_of(request, [worded]) == {worded.pk: "Be quick."}
    Project.objects.filter(pk=worded.pk).update(access="open", task_count=1)
    browser = Client(headers={"Accept-Language": "hi"})
    browser.force_login(person("ravi"))
    assert '<p class="small muted" lang="hi" dir="ltr">जल्दी करें।</p>' in browser.get("/label/").content.decode()


def test_a_section_that_is_called_otherwise_keeps_its_translation_and_is_to_be_looked_at(
    make_project: Callable[..., Project],
) -> None:
    first = {"key": "animal", "kind": "text", "prompt": "What?", "section": "Look"}
    rows = [first, {**first, "key": "legs", "section": "Count"}]
    words = {"hi": {"sections": {"Look": "देखें", "Count": "गिनें"}}}
    project = make_project(questions=rows, language="en", wordings=words)
    rows = [{**first, "section": "Look closely"}, {**first, "key": "legs", "section": ""}]
    project = services.replace_survey(project=project, user=project.owner, questions=rows)
    document = project.survey_versions.get(version=project.survey_version).document
    assert document["translations"] == {"hi": {"sections": {"Look closely": "देखें"}}}
    assert document["outdated"] == {"hi": ["sections/Look closely"]}
