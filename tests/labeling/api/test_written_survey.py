"""A survey as JSON: what the published schema allows is taken, what it does not know is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from labeling.errors import CrowdtuneError
from labeling.questions import KINDS
from labeling.services import surveys
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


ODD: list[Any] = [
    None, "", " ", 0, 3.0, 2.5, -1, True, "x", [], ["a"], [""], ["cant_tell"], [{"key": "a"}], [{"name": "a"}], [1], {},
    {"1": "b"}, {"1": 2}, "x" * 600, "cant_tell", ["https://e.org/a.jpg"], [{"url": "ftp://e.org"}], "---",
]  # fmt: skip
# The ends of a scale in their order, and parents that are categories, are what a schema cannot say.
UNSAID = {("rating", name) for name in ("least", "most", "min", "max")}


def odd_surveys() -> Iterator[dict[str, Any]]:
    """A survey of one question, with something odd in one place of it."""
    good: dict[str, Any] = {"categories": ["cat"], "questions": [{"key": "q", "kind": "yes_no"}]}
    for kind, odd in product(KINDS, ODD):
        for name in sorted({*written.PARTS, *written.BESIDE, "other"} - {"kind"}):
            if (kind, name) not in UNSAID:
                yield {**good, "questions": [{"key": "q", "kind": kind, name: odd}]}
        yield {**good, "questions": [{"kind": kind, "options": {"examples": odd, "cant_tell": True}}]}
    for odd in ODD:
        yield {**good, "categories": [odd]}
        for name in sorted(set(written.CATEGORY) - {"parent"}):
            yield {**good, "categories": [{"key": "k", "name": "n", name: odd}]}
        for test in ({"question": "q", "answered": odd}, {"question": odd}, {"not": odd}, {"all": odd}, {"any": [odd]}):
            yield {**good, "questions": [*good["questions"], {"key": "r", "kind": "text", "show_if": test}]}


def is_taken(survey: dict[str, Any]) -> bool:
    try:
        surveys.checked_categories(survey["categories"])
        surveys.checked_questions(survey["questions"])
    except CrowdtuneError:
        return False
    return True


def test_the_schema_allows_what_is_taken_and_nothing_else() -> None:
    validator = Draft202012Validator(written.schema())
    odd = list(odd_surveys())[::11]  # each place and each odd thing, not all of them in all
    assert len(odd) > 300
    assert [one for one in odd if is_taken(one) != validator.is_valid(one)] == []
    assert len({is_taken(one) for one in odd}) == 2


@pytest.mark.parametrize(
    "part", [{"prompt": "x" * 501}, {"prompt": 3}, {"help_text": {"hi": "x"}}, {"stage": "s" * 21}]
)
def test_a_text_is_refused_sooner_than_cut_or_made_of_something_else(api: APIClient, part: dict[str, Any]) -> None:
    answer = post(api, {"key": "q", "kind": "text", **part})
    assert (answer.status_code, next(iter(part)) in answer.json()["error"]["message"]) == (400, True)


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
