"""A survey as JSON: what the published schema allows is taken, what it does not know is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from labeling.questions import KINDS
from labeling.surveys import written
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db
API = "/api/v1/"
CHOICES = ["cat", {"key": "dog", "name": "a dog"}]
SURVEY: dict[str, Any] = {
    "categories": ["cat", {"key": "n1", "name": "dog", "description": "barks", "wordnet_id": "n1", "parent": "cat"}],
    "questions": [
        {"key": "has", "kind": "yes_no", "prompt": "An animal?", "cant_tell": True, "section": "First"},
        {"key": "which", "kind": "single_choice", "choices": CHOICES, "shuffle": True,
         "show_if": {"question": "has", "equals": True}},
        {"key": "all", "kind": "multiple_choice", "options": {"choices": CHOICES, "least": 1, "most": 2},
         "show_if": {"any": [{"question": "has", "answered": True}, {"not": {"question": "which", "in": ["cat"]}}]}},
        {"key": "good", "kind": "rating", "least": 1, "most": 7, "labels": {"1": "bad", "7": "good"}},
        {"key": "note", "kind": "text", "required": False, "most": 80, "examples": ["https://example.com/a.jpg"]},
        {"key": "count", "kind": "number", "least": 0, "whole": True, "unit": "legs"},
        {"key": "boxes", "kind": "boxes", "help_text": "Tight.", "options": {"most": 3}},
    ],
}  # fmt: skip


@pytest.fixture
def api() -> APIClient:
    return client(person("paula"))


def post(api: APIClient, *questions: Any) -> Any:
    return api.post(f"{API}projects/", {"name": "P", "categories": ["cat", "dog"], "questions": list(questions)})


def test_the_schema_of_surveys_is_published_and_what_it_allows_is_taken(api: APIClient) -> None:
    schema = APIClient().get(f"{API}survey/schema/").json()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(SURVEY)
    answer = api.post(f"{API}projects/", {"name": "P", **SURVEY})
    assert answer.status_code == 201, answer.content
    read = {"categories": SURVEY["categories"], "questions": answer.json()["questions"]}
    Draft202012Validator(schema).validate(read)
    again = api.patch(f"{API}projects/{answer.json()['slug']}/", read)
    assert (again.status_code, again.json()["survey_version"]) == (200, 1)
    assert set(written.OPTIONS) == set(KINDS)


@pytest.mark.parametrize("name", ["randomize", "allow_cant_tell", "text", "categories", "optional"])
def test_a_part_of_a_question_that_nobody_knows_is_named_and_not_lost(api: APIClient, name: str) -> None:
    answer = post(api, {"key": "q", "kind": "single_choice", name: True})
    assert (answer.status_code, name in answer.json()["error"]["message"]) == (400, True)
    assert "cant_tell" in answer.json()["error"]["message"]


@pytest.mark.parametrize("inside", [True, False])
def test_the_ends_of_a_scale_may_be_called_min_and_max(api: APIClient, inside: bool) -> None:
    ends = {"min": 0, "max": 10}
    answer = post(api, {"key": "q", "kind": "rating", **({"options": ends} if inside else ends)})
    assert answer.json()["questions"][0]["options"] == {"least": 0, "most": 10}


def test_a_list_of_options_is_the_choices(api: APIClient) -> None:
    answer = post(api, {"key": "q", "kind": "single_choice", "options": ["good", "bad"]})
    assert [choice["key"] for choice in answer.json()["questions"][0]["options"]["choices"]] == ["good", "bad"]


@pytest.mark.parametrize("part", [{"required": "false"}, {"cant_tell": "no"}, {"shuffle": 1}, {"section": {"a": 1}}])
def test_what_is_no_truth_value_or_text_is_refused(api: APIClient, part: dict[str, Any]) -> None:
    assert post(api, {"key": "q", "kind": "single_choice", **part}).status_code == 400


def test_when_tasks_are_done_is_a_setting_of_the_api_too(api: APIClient) -> None:
    made = api.post(f"{API}projects/", {"name": "P", "categories": ["cat", "dog"], "stopping": "imagenet"}).json()
    assert made["stopping"] == "imagenet"
    changed = api.patch(f"{API}projects/{made['slug']}/", {"stopping": "fixed"})
    assert (changed.status_code, changed.json()["stopping"]) == (200, "fixed")
    assert api.patch(f"{API}projects/{made['slug']}/", {"stopping": "never"}).status_code == 400
