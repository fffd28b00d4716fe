"""Bodies and addresses of somebody who looks for what breaks: each is refused, and nothing does."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from labeling.models import Job, Project
from tests.labeling.conftest import client, picture

pytestmark = pytest.mark.django_db
API = "/api/v1/projects"
LISTS = ("", *(f"pets/{name}/" for name in ("images", "categories", "workers", "training-runs", "models", "keys")))


@pytest.fixture
def api(project: Project) -> APIClient:
    return client(project.owner)


def test_a_cursor_of_ones_own_making_is_refused(api: APIClient) -> None:
    for path, place in product(LISTS, ("abc", "", "\x00", "9" * 5000, "é", "2026-13-45")):
        cursor = base64.b64encode(urlencode({"p": place}).encode()).decode()
        assert api.get(f"{API}/{path}", {"cursor": cursor}).status_code in {400, 404}, (path, place)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("post", "exports", '{"format": "\\ud800"}', "format"),
        ("post", "exports", '{"format": "\\u0000"}', "format"),
        ("post", "images", '{"urls": ["https://example.org/\\u0000"]}', "urls"),
        ("post", "images", '{"urls": ["https://example.org/"], "gold": {"a\\u0000": "cat"}}', "gold"),
        ("patch", "", '{"languages": ["\\u0000"]}', "languages"),
        ("patch", "", '{"confidence": 1e400}', None),
        ("post", "keys", '{"scopes": ["\\ud800"]}', "scopes"),
        ("post", "bake-offs", '{"candidates": [{"backbone": "\\ud800"}]}', "candidates"),
    ],
)
def test_what_no_row_can_keep_is_refused(api: APIClient, method: str, path: str, body: str, field: str | None) -> None:
    address = f"{API}/pets/{path}/" if path else f"{API}/pets/"
    answer = getattr(api, method)(address, body, content_type="application/json")
    assert answer.status_code == 400
    assert list(answer.json()["error"]["fields"]) == ([field] if field else [])
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["source", "gold", "labels_as"])
def test_a_form_with_a_nul_is_refused(api: APIClient, name: str) -> None:
    body: dict[str, Any] = {"files": SimpleUploadedFile("a.png", picture(7)), name: "a\x00"}
    answer = api.post(f"{API}/pets/images/", body, format="multipart")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [name])


def test_a_cursor_of_another_list_is_told_of_as_one(api: APIClient) -> None:
    cursor = base64.b64encode(b"p=319").decode()
    answer = api.get(f"{API}/pets/training-runs/", {"cursor": cursor})
    assert (answer.status_code, "no such cursor" in answer.json()["error"]["message"]) == (404, True)


def test_a_body_that_was_written_to_a_file_on_windows_is_read(api: APIClient) -> None:
    body = b"\xef\xbb\xbf" + b'{"instructions": "Look twice."}'
    assert api.patch(f"{API}/pets/", body, content_type="application/json").json()["instructions"] == "Look twice."


def test_a_file_without_a_name_is_asked_for_with_one(api: APIClient) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\n' + picture(1) + b"\r\n--x--\r\n"
    answer = api.post(f"{API}/pets/images/", body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 400
    assert "file name" in answer.json()["error"]["fields"]["files"][0]


def test_gold_of_a_form_that_cannot_be_read_is_refused(api: APIClient) -> None:
    for gold in ("9" * 5000, "[" * 100_000, '{"a.png": 1e400}', '{"a.png": "\\u0000"}', "{"):
        body: dict[str, Any] = {"files": SimpleUploadedFile("a.png", picture(7)), "gold": gold}
        answer = api.post(f"{API}/pets/images/", body, format="multipart")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_gold"), gold[:20]
        assert re.search(r"[^.]\.$", answer.json()["error"]["message"])


def test_a_backbone_that_can_be_no_name_is_refused_as_one_that_is_not_there(api: APIClient) -> None:
    for key in ("x" * 5000, "../models", "..", "/etc"):
        answer = api.post(f"{API}/pets/training-runs/", {"backbone": key}, format="json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid"), key


def test_one_end_of_the_judgments_per_task_is_changed_alone(api: APIClient, project: Project) -> None:
    answer = api.patch(f"{API}/pets/", {"judgments_per_task": {"max": 9}}, format="json")
    assert answer.json()["judgments_per_task"] == {"min": project.judgments_min, "max": 9}
    assert api.patch(f"{API}/pets/", {"judgments_per_task": {}}, format="json").status_code == 200


def test_an_address_of_a_picture_that_nobody_signed_leads_nowhere(api: APIClient) -> None:
    for signature in ("ffffffff.é", "ffffffff.", "é.a", "-1.a", "f" * 9000):
        assert api.get(f"/media/{signature}/projects/1/a.jpg").status_code == 404, signature


def test_an_answer_with_a_nul_is_refused_by_the_short_way_as_by_the_long(
    make_project: Callable[..., Project], owner: User
) -> None:
    make_project(name="Notes", questions=[{"key": "note", "kind": "text", "prompt": "What?"}])
    api = client(owner)
    lease = api.post(f"{API}/notes/assignments/").json()
    for _way in range(2):  # a key is used by the long way first
        answer = api.post(
            f"/api/v1/assignments/{lease['id']}/judgment/",
            '{"answers": {"note": "\\ud800"}}',
            content_type="application/json",
        )
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["answers"])
