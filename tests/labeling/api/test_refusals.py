"""What nobody should send: each is refused in the contract's shape, and names what is wrong, before anything breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from labeling.models import Project, Task
from labeling.surveys import survey
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db
API = "/api/v1"
TEXT = {"key": "q", "kind": "text", "prompt": "p"}
NUMBER = {"key": "n", "kind": "number", "prompt": "p"}


@pytest.fixture
def api(db: None) -> APIClient:
    return client(person("olga"))


def asks(**values: Any) -> dict[str, Any]:
    return {"questions": [{**TEXT, **values}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"categories": [{"key": "a", "parent": ["b"]}]}, "bad_survey"),
        ({"categories": [{"key": "a", "parent": "a"}]}, "bad_survey"),
        ({"categories": [{"key": "a", "parent": "b"}, {"key": "b", "parent": "a"}]}, "bad_survey"),
        ({"categories": [{"key": "a", "name": "a\x00"}]}, "invalid"),
        ({"categories": [{"key": "a", "description": "a\x00"}]}, "invalid"),
        ({"categories": ["\ud800"]}, "invalid"),
        (asks(section="a\x00"), "invalid"),
        (asks(examples={"a": 1}), "bad_survey"),
        (asks(examples=[1]), "bad_survey"),
        (asks(examples=5), "bad_survey"),
        (asks(options="cat, dog"), "bad_survey"),
        (asks(stage="elsewhere"), "bad_survey"),
        (asks(kind="rating", labels=5), "bad_survey"),
        (asks(kind="single_choice", choices=[{"key": "a", "name": 5}]), "bad_survey"),
        ({"categories": [], "questions": [{**TEXT, "kind": "single_choice"}]}, "bad_survey"),
        (asks(kind="multiple_choice", least=3), "bad_survey"),
        (asks(kind="multiple_choice", choices=["a", "b", "c"], least=4), "bad_survey"),
        ({"questions": [TEXT, {**TEXT, "key": "r", "show_if": {"question": ["q"], "equals": 1}}]}, "bad_survey"),
        ({"questions": [NUMBER, {**TEXT, "show_if": {"question": "n", "at_least": "three"}}]}, "bad_survey"),
        ({"questions": [NUMBER, {**TEXT, "show_if": {"question": "n", "at_most": True}}]}, "bad_survey"),
        ({"workflow": "three_stage_boxes", "questions": [TEXT]}, "bad_survey"),
        ({"languages": "en"}, "invalid"),
        ({"languages": [{"a": 1}]}, "invalid"),
        ({"languages": ["en", "klingon"]}, "invalid"),
        ({"languages": ["en", "en"]}, "invalid"),
    ],
)
def test_a_project_that_could_not_be_stored_or_asked_is_refused(
    api: APIClient, body: dict[str, Any], code: str
) -> None:
    text = json.dumps({"name": "Pets", "categories": ["cat", "dog"], **body})
    answer = api.post(f"{API}/projects/", text, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert answer.json()["error"]["fields"]
    assert not Project.objects.exists()


def test_a_confidence_that_no_label_can_have_is_refused_by_its_name(api: APIClient) -> None:
    for value in (0, 1, 95):
        body = {"name": "Pets", "categories": ["cat", "dog"], "confidence": value}
        answer = api.post(f"{API}/projects/", body, format="json")
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["confidence"])
        assert "between 0 and 1" in answer.json()["error"]["message"]


def test_answers_that_are_no_object_are_refused_by_their_name(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    owner = client(project.owner)
    lease = owner.post(f"{API}/projects/{project.slug}/assignments/").json()
    for answers in (None, "cat", [], ["cat"], 5):
        answer = owner.post(f"{API}/assignments/{lease['id']}/judgment/", {"answers": answers}, format="json")
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["answers"]), answers


@pytest.mark.parametrize(
    ("setting", "most", "said"),
    [
        ("DATA_UPLOAD_MAX_NUMBER_FILES", 1, "At most 1 files"),
        ("DATA_UPLOAD_MAX_NUMBER_FIELDS", 1, "At most 1 fields"),
        ("DATA_UPLOAD_MAX_MEMORY_SIZE", 3, "besides its files"),
    ],
)
def test_a_form_of_more_than_a_request_may_have_is_told_how_much_that_is(
    make_project: Callable[..., Project], settings: Any, setting: str, most: int, said: str
) -> None:
    project = make_project(images=0)
    setattr(settings, setting, most)
    body = {"files": [SimpleUploadedFile("a.png", b"a"), SimpleUploadedFile("b.png", b"b")], "gold": "{}  ", "b": ""}
    answer = client(project.owner).post(f"{API}/projects/{project.slug}/images/", body, format="multipart")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert said in answer.json()["error"]["message"]


def test_a_refusal_says_what_would_be_taken(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0)
    api = client(project.owner)
    for method, path, headers, status, said in (
        ("POST", "exports/", {"Content-Type": "text/plain"}, 415, '"text/plain"; this call takes application/json, '),
        ("POST", "images/", {"Content-Type": "multipart/form-data"}, 400, "Leave that header to your HTTP library"),
        ("GET", "tasks/", {"Accept": "text/csv"}, 406, "answers by application/json,"),
        ("GET", "tasks/?cursor=7", {}, 404, "Follow `next`"),
        ("GET", "judgments/?since=2026-11-29T10:00:00+01:00", {}, 400, "a + is written %2B"),
    ):
        kind = headers.get("Content-Type", "application/json")
        answer = api.generic(method, f"{API}/projects/{project.slug}/{path}", "x=y", kind, headers=headers)
        assert answer.status_code == status, path
        assert said in answer.json()["error"]["message"]


def test_a_choice_without_a_name_is_called_by_its_key(api: APIClient) -> None:
    body = {"name": "Pets", **asks(kind="single_choice", choices=[{"key": "cat"}])}
    question = api.post(f"{API}/projects/", body, format="json").json()["questions"][0]
    assert question["options"]["choices"] == [{"key": "cat", "name": "cat"}]


@pytest.mark.parametrize(
    ("kind", "answer"), [("multiple_choice", ["cat"]), ("rating", 2), ("boxes", []), ("text", "a")]
)
def test_an_option_that_is_null_is_as_if_it_were_left_out(api: APIClient, kind: str, answer: Any) -> None:
    asked = asks(kind=kind, options={"least": None, "most": None} if kind != "text" else {"most": None})
    made = api.post(f"{API}/projects/", {"name": "Pets", "categories": ["cat"], **asked}, format="json").json()
    assert made["questions"][0]["options"] == {}
    survey.load(made["id"], 1).check("label", {"q": answer})


def test_the_workflow_of_a_project_stays_what_it_was_made_with(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    owner = client(project.owner)
    answer = owner.patch(f"{API}/projects/{project.slug}/", {"workflow": "three_stage_boxes"}, format="json")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["workflow"])
    assert owner.patch(f"{API}/projects/{project.slug}/", {"workflow": "label"}, format="json").status_code == 200


def test_gold_that_could_not_be_stored_is_refused_with_the_upload_and_not_in_its_job(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=1)
    cat = {"answers": {"category": "cat"}}
    unfit = [*({**cat, "position": place} for place in ("first", -1, 2**31)), {**cat, "explanation": ["a"]}]
    cases: list[tuple[dict[str, Any], str, str]] = [
        *(({"a.png": entry}, "bad_gold", "a.png") for entry in (*unfit, {"answers": {}})),
        ({"a\x00.png": "cat"}, "invalid", "gold"),
        ({"a.png": {**cat, "explanation": "a\x00"}}, "invalid", "gold"),
    ]
    for gold, code, field in cases:
        body = {"urls": ["https://example.org/a.png"], "gold": gold}
        answer = client(project.owner).post(f"{API}/projects/{project.slug}/images/", body, format="json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code), gold
        assert list(answer.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize("body", [{"answers": {"category": "cat"}, "position": 10**12}, {"answers": {}}])
def test_gold_of_one_task_that_could_not_be_stored_is_refused(
    make_project: Callable[..., Project], body: dict[str, Any]
) -> None:
    project = make_project(images=1)
    task = Task.objects.get(project=project)
    assert client(project.owner).put(f"{API}/tasks/{task.pk}/gold/", body, format="json").status_code == 400
    task.refresh_from_db()
    assert not task.is_gold


def test_a_webhook_for_events_that_never_come_is_refused(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0)
    for events in (["judgment.created", "judgement.made"], "judgment.created", [5]):
        body = {"url": "https://example.org/hook", "events": events}
        answer = client(project.owner).post(f"{API}/projects/{project.slug}/webhooks/", body, format="json")
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["events"]), events


def test_an_address_with_a_nul_is_refused(project: Project) -> None:
    api = client(project.owner)
    for path in ("invitations/%00/", "projects/pets/workers/%00/"):
        for answer in (api.get(f"{API}/{path}"), api.post(f"{API}/{path}")):
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request"), path


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"judgments_per_task": 3}, {"judgments_per_task": ["Invalid data. Expected a dictionary, but got int."]}),
        (
            {"judgments_per_task": {"min": 0, "max": "many"}},
            {
                "judgments_per_task": [
                    "min: Ensure this value is greater than or equal to 1.",
                    "max: A valid integer is required.",
                ]
            },
        ),
        (
            {"questions": [TEXT, {"key": ""}]},
            {"questions": ["1: key: This field may not be blank.", "1: kind: This field is required."]},
        ),
    ],
)
def test_what_is_wrong_with_a_part_of_a_field_is_told_in_the_fields_list(
    api: APIClient, body: dict[str, Any], fields: dict[str, Any]
) -> None:
    refused = api.post(f"{API}/projects/", {"name": "A", "categories": ["cat"], **body}, format="json")
    assert (refused.status_code, refused.json()["error"]["fields"]) == (400, fields)
    name, told = next(iter(fields.items()))
    assert refused.json()["error"]["message"] == f"{name}: {told[0]}"


def test_one_end_of_the_number_of_judgments_is_enough(api: APIClient) -> None:
    body = {"name": "A", "categories": ["cat"], "judgments_per_task": {"min": 2}}
    made = api.post(f"{API}/projects/", body, format="json")
    assert (made.status_code, made.json().get("judgments_per_task")) == (201, {"min": 2, "max": 7})


def test_a_choice_that_is_none_is_told_which_there_are(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    api, task = client(project.owner), Task.objects.get().pk
    of, luck = f"projects/{project.slug}/", {"measure": "luck", "action": "warn", "threshold": 1}
    cases: list[tuple[str, str, dict[str, Any], str]] = [
        ("put", f"tasks/{task}/gold/", {"answers": "cat", "use": "training"}, "expected one of hidden, practice"),
        ("post", f"{of}exports/", {"format": "xml"}, "expected one of coco, "),
        ("post", f"{of}rules/", luck, "expected one of gold"),
        ("patch", of, {"access": "closed"}, "expected one of open, invited"),
        ("patch", of, {"recipe": "magic"}, "expected one of feature_extraction, "),
        ("get", f"{of}tasks/", {"state": "shut"}, "expected one of open, "),
        ("get", "projects/", {"access": "closed"}, "expected one of open, invited"),
    ]
    for method, path, body, named in cases:
        sent = {"data": body} if method == "get" else {"data": body, "format": "json"}
        answer = getattr(api, method)(f"{API}/{path}", **sent)
        assert answer.status_code == 400, path
        assert named in answer.json()["error"]["message"]
