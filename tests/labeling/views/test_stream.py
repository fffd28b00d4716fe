"""What the labeling page's script may send."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling.models import Project

pytestmark = pytest.mark.django_db


def test_a_body_that_says_no_number_is_refused_in_words(project: Project, worker: User) -> None:
    client = Client()
    client.force_login(worker)
    good = ('{"hold": 2}', "{}", "", '{"hold": 1e3}')
    bad = ('{"hold": "many"}', '{"hold": null}', '{"hold": [1]}', '{"hold": 1e999}', "[]", "{", "\xff")
    for body in (*good, *bad):
        answer = client.post(f"/label/{project.slug}/next/", body, content_type="application/json")
        assert answer.status_code == (200 if body in good else 400), body
        if body in bad:
            assert answer.json()["error"]["code"] == "bad_request"


def test_the_refusal_is_in_the_readers_language(project: Project, worker: User) -> None:
    client = Client(headers={"Accept-Language": "hi"})
    client.force_login(worker)
    answer = client.post(f"/label/{project.slug}/next/", "[]", content_type="application/json")
    assert answer.json()["error"]["message"] == "JSON ऑब्जेक्ट चाहिए था।"
