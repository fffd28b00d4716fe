"""The survey builder: what is composed is what is stored, and the preview shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.forms.survey import SurveyForms, initial_of
from labeling.models import Project
from labeling.services.surveys import build_document, checked_questions

SURVEY: list[dict[str, Any]] = [
    {"key": "animal", "kind": "single_choice", "prompt": "Which?", "options": {"cant_tell": True, "shuffle": True}},
    {"key": "indoors", "kind": "yes_no", "prompt": "Indoors?", "help_text": "A roof counts."},
    {"key": "room", "kind": "text", "prompt": "Room?", "required": False, "options": {"most": 50},
     "show_if": {"question": "indoors", "equals": True}},
    {"key": "parts", "kind": "multiple_choice", "prompt": "What is seen?",
     "options": {"choices": [{"key": "head", "name": "The head"}, "tail"], "least": 1, "most": 2},
     "show_if": {"question": "animal", "in": ["cat", "dog"]}},
    {"key": "sharp", "kind": "rating", "prompt": "How sharp?",
     "options": {"least": 1, "most": 7, "labels": ["bad", "good"]}},
    {"key": "legs", "kind": "number", "prompt": "Legs?",
     "options": {"least": 0, "most": 8, "whole": True, "unit": "legs"},
     "show_if": {"question": "sharp", "at_least": 3}},
    {"key": "where", "kind": "boxes", "prompt": "Where?", "options": {"section": "Places", "most": 9},
     "show_if": {"any": [{"question": "animal", "answered": True}, {"not": {"question": "indoors", "equals": True}}]}},
]  # fmt: skip


def sent(forms: SurveyForms) -> dict[str, Any]:
    """What a browser sends of these forms."""
    data: dict[str, Any] = {"q": [form.prefix for form in forms.forms]}
    for form in forms.forms:
        for name in form.fields:
            value = form[name].value()
            if value is not None and value is not False:
                data[f"{form.prefix}-{name}"] = "on" if value is True else value
    return data


def test_a_survey_of_every_kind_goes_through_the_builder_unchanged(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    owning.post(f"{address}json/", {"document": json.dumps(SURVEY)})
    project.refresh_from_db()
    stored = build_document(project)["questions"]
    assert [row["key"] for row in stored] == [row["key"] for row in SURVEY]
    response = owning.post(address, sent(SurveyForms.stored(stored)), follow=True)
    assert "has no new version" in response.content.decode()
    assert build_document(project)["questions"] == stored
    before = project.survey_version
    project.refresh_from_db()
    assert project.survey_version == before


def test_questions_are_added_moved_and_removed_without_a_script(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    page = owning.get(address)
    data = sent(SurveyForms(page.context["forms"]))
    page = owning.post(address, {**data, "action": "add:rating"})
    assert [form["kind"].value() for form in page.context["forms"]] == ["single_choice", "rating"]
    data = sent(SurveyForms(page.context["forms"]))
    page = owning.post(address, {**data, "action": "up:1"})
    assert [form["kind"].value() for form in page.context["forms"]] == ["rating", "single_choice"]
    assert not any(form.errors for form in page.context["forms"])
    page = owning.post(address, {**sent(SurveyForms(page.context["forms"])), "action": "remove:1"})
    assert [form["kind"].value() for form in page.context["forms"]] == ["single_choice"]
    assert project.questions.count() == 1


def test_a_survey_that_cannot_be_is_kept_on_the_page_with_the_reason(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    data = sent(SurveyForms(owning.get(address).context["forms"]))
    response = owning.post(address, {**data, "0-if_question": "nowhere"})
    assert response.status_code == 400
    assert "not an earlier question" in response.content.decode()
    assert response.context["forms"][0]["if_question"].value() == "nowhere"


def test_a_question_without_choices_is_named_by_its_words(project: Project, owning: Client) -> None:
    project.categories.all().delete()
    asked = {"q": ["0"], "0-kind": "single_choice", "0-prompt": "Which animal?"}
    response = owning.post(f"/projects/{project.slug}/settings/survey/", asked)
    assert response.status_code == 400
    assert "The question 'Which animal?' needs choices" in response.context["problem"]


def test_keys_that_are_left_out_come_from_the_words_and_do_not_collide(project: Project, owning: Client) -> None:
    data = {"q": ["0", "1"]}
    for number in "01":
        data |= {f"{number}-kind": "yes_no", f"{number}-prompt": "Is it red today?"}  # type: ignore[dict-item]
    owning.post(f"/projects/{project.slug}/settings/survey/", data)
    assert [q.key for q in project.questions.order_by("position")] == ["is_it_red", "is_it_red_2"]


def test_the_preview_shows_what_was_sent_before_it_is_stored(project: Project, owning: Client) -> None:
    data = {"q": "0", "0-kind": "yes_no", "0-prompt": "Is it a zebra?"}
    response = owning.post(f"/projects/{project.slug}/settings/survey/preview/", data)
    assert "Is it a zebra?" in response.content.decode()
    assert "Is it a zebra?" not in [q.prompt for q in project.questions.all()]


def test_a_new_scale_has_five_steps_and_is_previewed_before_it_has_words(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    page = owning.post(address, {**sent(SurveyForms(owning.get(address).context["forms"])), "action": "add:rating"})
    scale = page.context["forms"][1]
    assert (scale["least"].value(), scale["most"].value()) == (1, 5)
    shown = owning.post(f"{address}preview/", sent(SurveyForms(page.context["forms"])))
    assert not shown.context["problem"]
    assert len(shown.context["questions"]) == 2
    saved = owning.post(address, {**sent(SurveyForms(page.context["forms"])), "action": "save"})
    assert saved.status_code == 400  # its words are still asked for


def test_the_preview_may_stand_in_a_frame_of_ours_and_no_other_page_may(project: Project, owning: Client) -> None:
    framed = owning.get(f"/projects/{project.slug}/settings/survey/preview/")
    assert framed["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in framed["Content-Security-Policy"]
    assert owning.get(f"/projects/{project.slug}/settings/survey/")["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("question", SURVEY, ids=lambda question: question["key"])
def test_a_stored_question_is_shown_as_it_is(question: dict[str, Any]) -> None:
    row = checked_questions([*SURVEY])[SURVEY.index(question)]
    initial = initial_of(row)
    assert (initial["key"], initial["kind"], initial["prompt"]) == (row["key"], row["kind"], row["prompt"])
    assert bool(initial["if_question"] or initial["if_json"]) == (row["show_if"] is not None)


def test_the_schema_of_answers_names_every_question(project: Project, owning: Client) -> None:
    schema = owning.get(f"/projects/{project.slug}/settings/survey/schema/").json()
    assert list(schema["properties"]) == ["category"]


def two(condition: dict[str, str], first: dict[str, str] | None = None) -> dict[str, Any]:
    """What a browser sends of a question and of a second one that is asked only if."""
    first = {"kind": "single_choice", "key": "animal", "prompt": "Which?", "choices": "cat\ndog", **(first or {})}
    second = {"kind": "yes_no", "key": "collar", "prompt": "A collar?", **condition}
    rows = [(f"{number}-{name}", value) for number, row in enumerate((first, second)) for name, value in row.items()]
    return {"q": ["0", "1"], **dict(rows)}


def test_a_condition_that_could_never_hold_is_told_with_the_answers_there_are(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    cases: tuple[tuple[dict[str, str], str, str, str], ...] = (
        ({}, "equals", "Cat", "expected one of cat, dog; got"),
        ({}, "in", "cat, horse", "expected one of cat, dog; got"),
        ({}, "at_least", "infinity", "must be a number"),
        ({}, "at_least", "3", "is for scales and numbers"),
        ({}, "contains", "cat", "take several choices"),
        ({"kind": "yes_no"}, "equals", "maybe", "expected true or false"),
        ({"kind": "number"}, "equals", "nan", "expected a number"),
        ({"kind": "rating", "least": "1", "most": "5"}, "equals", "9", "from 1 to 5"),
    )
    for first, test, value, told in cases:
        data = two({"if_question": "animal", "if_test": test, "if_value": value}, first)
        answer = owning.post(f"{address}preview/", data)
        assert told in answer.context["problem"]
    response = owning.post(address, data)
    assert response.status_code == 400
    assert told in str(response.context["problem"])
    assert response.context["forms"][1]["if_value"].value() == value


def test_what_a_negated_condition_asks_for_in_vain_is_not_told_as_one_that_never_holds(project: Project) -> None:
    seen, collar = {"key": "animal", "kind": "single_choice"}, {"key": "collar", "kind": "yes_no"}
    condition = {"not": {"question": "animal", "equals": "Cat"}}
    with pytest.raises(CrowdtuneError) as refused:
        services.replace_survey(project=project, user=project.owner, questions=[seen, {**collar, "show_if": condition}])
    assert "its condition asks for what 'animal' cannot be answered with: expected one of cat, dog" in str(
        refused.value.message
    )


def test_a_survey_that_was_saved_from_elsewhere_is_written_over_only_by_who_was_told(
    project: Project, owning: Client
) -> None:
    survey, categories = (f"/projects/{project.slug}/settings/{name}/" for name in ("survey", "categories"))
    seen = {"seen": str(owning.get(survey).context["seen"])}
    data = {**two({}), **seen}
    services.replace_survey(project=project, user=project.owner, categories=["cat", "dog", "ape"])
    owning.post(survey, data)  # of the questions nothing is new
    assert project.questions.count() == 2
    for page, sent in (
        (survey, {**data, "0-prompt": "Which animal?"}),
        (f"{survey}json/", {**seen, "document": json.dumps([{"kind": "yes_no", "key": "other"}])}),
        (categories, {**seen, "text": "bat"}),
    ):
        drawn = owning.post(survey, {**sent, "action": "add:text"}) if page == survey else None
        assert drawn is None or drawn.context["seen"] == int(seen["seen"])
        refused = owning.post(page, sent)
        assert (refused.status_code, "This was saved meanwhile" in refused.content.decode()) == (400, True)
        again = owning.post(page, {**sent, "seen": str(refused.context["seen"])})
        assert again.status_code == 302
    assert list(project.questions.values_list("key", flat=True)) == ["other"]
    assert list(project.categories.values_list("key", flat=True)) == ["bat"]


def test_yes_and_no_are_read_in_the_words_of_the_page(project: Project, owning: Client) -> None:
    for language, value, stored in (("hi", "हाँ", True), ("hi", "नहीं", False), ("hi", "no", False), ("en", "Yes", True)):
        data = two({"if_question": "animal", "if_test": "equals", "if_value": value}, {"kind": "yes_no"})
        owning.post(f"/projects/{project.slug}/settings/survey/", data, headers={"Accept-Language": language})
        assert project.questions.get(key="collar").show_if == {"question": "animal", "equals": stored}, value


def test_a_condition_names_an_earlier_question_by_its_words(project: Project, owning: Client) -> None:
    for said in ("Which?", "which", "animal"):
        data = two({"if_question": said, "if_test": "equals", "if_value": "cat", "prompt": f"{said}: a collar?"})
        owning.post(f"/projects/{project.slug}/settings/survey/", data)
        assert project.questions.get(key="collar").show_if == {"question": "animal", "equals": "cat"}, said


def test_a_condition_on_several_choices_compares_with_a_list(project: Project, owning: Client) -> None:
    data = two({"if_question": "animal", "if_test": "equals", "if_value": "cat, dog"}, {"kind": "multiple_choice"})
    owning.post(f"/projects/{project.slug}/settings/survey/", data)
    assert project.questions.get(key="collar").show_if == {"question": "animal", "equals": ["cat", "dog"]}


@pytest.mark.parametrize(
    "condition",
    [
        {"question": "animal", "in": ["cat, tame", "dog"]},
        {"question": "parts", "equals": ["a, b", "c"]},
        {"question": "parts", "in": [["c", "d"], ["d"]]},
    ],
)
def test_a_condition_that_the_fields_cannot_say_is_saved_as_it_was(
    project: Project, owning: Client, condition: dict[str, Any]
) -> None:
    survey = [
        {"key": "animal", "kind": "single_choice", "prompt": "Which?", "options": {"choices": ["cat, tame", "dog"]}},
        {"key": "parts", "kind": "multiple_choice", "prompt": "Parts?", "options": {"choices": ["a, b", "c", "d"]}},
        {"key": "collar", "kind": "yes_no", "prompt": "A collar?", "show_if": condition},
    ]
    address = f"/projects/{project.slug}/settings/survey/"
    owning.post(f"{address}json/", {"document": json.dumps(survey)})
    response = owning.post(address, sent(SurveyForms(owning.get(address).context["forms"])))
    assert response.status_code == 302, response.context["problem"]
    assert project.questions.get(key="collar").show_if == condition


def test_the_keys_for_a_condition_are_offered(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    page = owning.post(address, {**two({}, {"key": ""}), "action": "add:yes_no"}).content.decode()
    assert '<option value="which">Which?</option><option value="collar">A collar?</option>' in page


def test_pasted_json_that_is_refused_stays_in_its_field(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/json/"
    for document, told in (('[{"kind": "yes_no", ]', "not valid JSON"), ('[{"kind": "riddle"}]', "kind must be")):
        response = owning.post(address, {"document": document})
        assert response.status_code == 400
        assert response.context["document"] == document
        assert told in response.context["problem"]
    document = json.dumps(build_document(project)["questions"])
    assert "has no new version" in owning.post(address, {"document": document}, follow=True).content.decode()


def test_captions_and_names_of_steps_go_through_the_builder(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/survey/"
    scale = {
        "key": "sharp",
        "kind": "rating",
        "prompt": "How sharp?",
        "options": {
            "least": 1,
            "most": 5,
            "labels": {"1": "bad", "5": "good"},
            "examples": [{"url": "https://example.org/a.jpg", "caption": "A 2"}, "https://example.org/b.jpg"],
        },
    }
    owning.post(f"{address}json/", {"document": json.dumps([scale])})
    stored = build_document(project)["questions"]
    assert "has no new version" in owning.post(address, sent(SurveyForms.stored(stored)), follow=True).content.decode()
    assert build_document(project)["questions"] == stored


def test_an_example_that_is_no_address_is_refused(project: Project, owning: Client) -> None:
    data = {"q": ["0"], "0-kind": "yes_no", "0-prompt": "Red?", "0-examples": "a picture of mine"}
    response = owning.post(f"/projects/{project.slug}/settings/survey/", data)
    assert response.status_code == 400
    assert "addresses of pictures" in response.context["problem"]


def test_the_builder_of_a_large_taxonomy_reads_none_of_its_categories(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project()
    with CaptureQueriesContext(connection) as queries:
        assert owning.get(f"/projects/{project.slug}/settings/survey/").status_code == 200
    assert [query["sql"] for query in queries if "labeling_category" in query["sql"]] == []


def test_a_long_survey_that_is_refused_shows_what_was_wrong(project: Project, owning: Client) -> None:
    asked = {f"{number}-{name}": value for number in range(6) for name, value in (("kind", "number"), ("prompt", "?"))}
    sent = {"q": [str(number) for number in range(6)], "action": "save", **asked}
    opened = 'class="question-more" open'
    address = f"/projects/{project.slug}/settings/survey/"
    assert owning.post(address, {**sent, "2-prompt": "", "2-kind": "number"}).content.decode().count(opened) == 1
    refused = {**sent, "0-kind": "rating", "0-least": "1", "0-most": "2.5"}
    assert owning.post(address, refused).content.decode().count(opened) == 6  # no form knows which
