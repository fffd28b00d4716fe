"""The short way and the whole way say the same: same answers, same refusals, same rows."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from labeling import services
from labeling.accounts.keys import create_key, kept
from labeling.models import ApiKey, Assignment, Judgment, Membership, Project
from labeling.surveys import survey
from tests.labeling.conftest import claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(worker: User) -> str:
    return create_key(user=worker)[1]


def ways(key: str) -> dict[str, APIClient]:
    """``Bearer`` is understood as well, but only by the whole way."""
    ApiKey.objects.update(last_used_at=timezone.now())
    return {
        "short": APIClient(headers={"Authorization": f"Token {key}"}),
        "whole": APIClient(headers={"Authorization": f"Bearer {key}"}),
    }


def shape(value: Any) -> Any:
    """What a program sees of the form: names and kinds, in no order of the names."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


def test_a_claim_looks_the_same_both_ways(project: Project, worker: User, key: str) -> None:
    both = {name: api.post(f"/api/v1/projects/{project.slug}/assignments/") for name, api in ways(key).items()}
    assert {answer.status_code for answer in both.values()} == {201}
    assert both["short"].json()["id"] == both["whole"].json()["id"]
    assert both["short"].json()["expires_at"] == both["whole"].json()["expires_at"]
    assert shape(both["short"].json()) == shape(both["whole"].json())
    assert both["short"]["Content-Language"] == both["whole"]["Content-Language"] == "en"
    assert both["short"]["Content-Length"] == str(len(both["short"].content))


@pytest.mark.parametrize("way", ["short", "whole"])
def test_each_way_counts_claims_and_answers_under_their_views(
    project: Project, worker: User, key: str, way: str
) -> None:
    def counted(view: str) -> float:
        name = "django_http_responses_total_by_status_view_method_total"
        return REGISTRY.get_sample_value(name, {"status": "201", "view": view, "method": "POST"}) or 0

    api = ways(key)[way]
    address = f"/api/v1/projects/{project.slug}/assignments/"
    claim, submit = resolve(address).view_name, resolve(f"/api/v1/assignments/{uuid.uuid4()}/judgment/").view_name
    before = counted(claim), counted(submit)
    lease = api.post(address).json()
    assert api.post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "cat"}}).status_code == 201
    assert (counted(claim), counted(submit)) == (before[0] + 1, before[1] + 1)


def test_an_answer_looks_the_same_both_ways(project: Project, worker: User, key: str) -> None:
    stored = {}
    for name, api in ways(key).items():
        lease = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
        body = {"answers": {"category": "cat"}, "seconds": 2.5}
        stored[name] = api.post(f"/api/v1/assignments/{lease['id']}/judgment/", body)
        again = api.post(f"/api/v1/assignments/{lease['id']}/judgment/", body)
        assert (stored[name].status_code, again.status_code) == (201, 200)
        assert again.json() == stored[name].json()
    assert shape(stored["short"].json()) == shape(stored["whole"].json())
    assert Judgment.objects.count() == 2


@pytest.mark.parametrize("way", ["short", "whole"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"answers": {"category": "cow"}}, 400, "bad_answer"),
        ({"answers": {}}, 400, "bad_answer"),
        ({"answers": None}, 400, "bad_answer"),
        ({}, 400, "invalid"),
        ([1], 400, "invalid"),
    ],
)
def test_bad_bodies_are_refused_alike(
    project: Project, worker: User, key: str, way: str, body: Any, status: int, code: str
) -> None:
    lease = claim(project, worker)
    answer = ways(key)[way].post(f"/api/v1/assignments/{lease.pk}/judgment/", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert Assignment.objects.get(pk=lease.pk).state == "leased"


@pytest.mark.parametrize("way", ["short", "whole"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param('{"answers": ' + "[" * 200_000, id="deep"),
        '{"answers": {"category": "cat"}, "seconds": NaN}',
        '\ufeff\ufeff{"answers": {"category": "cat"}}',
    ],
)
def test_what_is_no_json_is_refused_alike(project: Project, worker: User, key: str, way: str, body: str) -> None:
    lease = claim(project, worker)
    path = f"/api/v1/assignments/{lease.pk}/judgment/"
    answer = ways(key)[way].generic("POST", path, body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parse_error")
    assert ".)" not in answer.json()["error"]["message"]


@pytest.mark.parametrize("way", ["short", "whole"])
def test_why_somebody_is_paused_is_told_as_it_was_written(project: Project, worker: User, key: str, way: str) -> None:
    """Words that look like a sentence of ours are not read as one: filled in, this one would have a million letters."""
    because = '{"msgid": "%(a)1000000d", "params": {"a": 1}}'
    services.pause_worker(member=Membership.objects.get(user=worker), because=because)
    answer = ways(key)[way].post(f"/api/v1/projects/{project.slug}/assignments/")
    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == f"You are paused: {because}. You can appeal."


@pytest.mark.parametrize("way", ["short", "whole"])
def test_unknown_assignments_and_keys_are_refused_alike(project: Project, key: str, way: str) -> None:
    body = {"answers": {"category": "cat"}}
    assert ways(key)[way].post(f"/api/v1/assignments/{uuid.uuid4()}/judgment/", body).status_code == 404
    assert ways("wrong")[way].post(f"/api/v1/projects/{project.slug}/assignments/").status_code == 401


def test_an_expired_key_and_a_closed_account_are_refused(project: Project, worker: User, key: str) -> None:
    api = ways(key)["short"]
    ApiKey.objects.update(expires_at=timezone.now())
    assert api.post(f"/api/v1/projects/{project.slug}/assignments/").status_code == 401
    ApiKey.objects.update(expires_at=None)
    User.objects.filter(pk=worker.pk).update(is_active=False)
    assert api.post(f"/api/v1/projects/{project.slug}/assignments/").status_code == 401


@pytest.mark.parametrize("way", ["short", "whole"])
def test_a_key_that_was_got_by_a_password_ends_with_it_and_others_stay(
    project: Project, worker: User, key: str, way: str
) -> None:
    claims = f"/api/v1/projects/{project.slug}/assignments/"
    got = APIClient().post("/api/v1/auth/token/", {"username": worker.username, "password": "a long enough one"})
    token = got.json()["token"]
    assert ways(token)[way].post(claims).status_code == ways(key)[way].post(claims).status_code == 201
    worker.set_password("another long one")
    worker.save()
    assert ways(token)[way].post(claims).status_code == 401
    assert ways(key)[way].post(claims).status_code == 201
    assert [row.name for row in kept(worker)] == [""]


def test_the_use_of_a_key_is_written_down_now_and_then(project: Project, key: str) -> None:
    APIClient(headers={"Authorization": f"Token {key}"}).post(f"/api/v1/projects/{project.slug}/assignments/")
    assert ApiKey.objects.get().last_used_at is not None


def test_the_short_way_asks_the_orm_nothing(project: Project, key: str) -> None:
    """Its statements are prepared by hand and so not in this list; what the ORM asks would be."""
    api = ways(key)["short"]
    survey.current(project)  # read once a process and version, as is the last fit
    with CaptureQueriesContext(connection) as asked:
        lease = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    assert [query["sql"] for query in asked if query["sql"].startswith("SELECT")] == []
    with CaptureQueriesContext(connection) as asked:
        api.post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "cat"}})
    frozen = [query["sql"] for query in asked if query["sql"].startswith("SELECT")]
    assert len(frozen) <= 1


def test_refusals_of_the_short_way_are_in_the_readers_language(project: Project, worker: User, key: str) -> None:
    lease = claim(project, worker)
    path, body = f"/api/v1/assignments/{lease.pk}/judgment/", {"answers": {"category": "cow"}}
    said = {}
    for name, api in ways(key).items():
        answer = api.post(path, body, headers={"Accept-Language": "hi"})
        said[name] = (answer.status_code, answer.json()["error"])
    assert said["short"] == said["whole"]
    assert any("\u0900" <= letter <= "\u097f" for letter in json.dumps(said["short"][1], ensure_ascii=False))
    next_reader = ways(key)["short"].post(path, body)
    assert json.dumps(next_reader.json(), ensure_ascii=False).isascii()


@pytest.mark.parametrize("way", ["short", "whole"])
def test_a_host_that_is_not_ours_and_the_headers_are_alike(project: Project, key: str, way: str) -> None:
    api = ways(key)[way]
    path = f"/api/v1/projects/{project.slug}/assignments/"
    assert api.post(path, headers={"Host": "elsewhere.example"}).status_code == 400
    answer = api.post(path)
    assert answer["X-Frame-Options"] == "DENY"
    assert "Accept-Language" in answer["Vary"]
    assert "Content-Security-Policy" in answer
    assert answer["X-Request-ID"]


def test_a_browser_of_another_origin_gets_what_the_whole_way_tells_it(
    project: Project, key: str, settings: Any
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
    path = f"/api/v1/projects/{project.slug}/assignments/"
    answer = ways(key)["short"].post(path, headers={"Origin": "https://app.example"})
    assert answer.status_code == 201
    assert answer["Access-Control-Allow-Origin"] == "https://app.example"
