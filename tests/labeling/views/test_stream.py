"""What the labeling page's script may send."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling.models import Project

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"hold": 2}', 200), ("{}", 200), ("", 200), ('{"hold": 1e3}', 200),
        ('{"hold": "many"}', 400), ('{"hold": null}', 400), ('{"hold": [1]}', 400), ('{"hold": 1e999}', 400),
        ("[]", 400), ("{", 400), ("\xff", 400),
    ],
)  # fmt: skip
def test_a_body_that_says_no_number_is_refused_in_words(project: Project, worker: User, body: Any, status: int) -> None:
    client = Client()
    client.force_login(worker)
    answer = client.post(f"/label/{project.slug}/next/", body, content_type="application/json")
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "bad_request"


def test_the_refusal_is_in_the_readers_language(project: Project, worker: User) -> None:
    client = Client(headers={"Accept-Language": "hi"})
    client.force_login(worker)
    answer = client.post(f"/label/{project.slug}/next/", "[]", content_type="application/json")
    assert answer.json()["error"]["message"] == "JSON ऑब्जेक्ट चाहिए था।"
