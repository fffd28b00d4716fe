"""The survey builder: what is composed is what is stored, and the preview shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

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
