"""What the labeling page's script may send."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling.models import Judgment, Project
from tests.labeling.conftest import answer

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


def test_an_undo_that_comes_twice_takes_back_one_answer_by_page_form_and_api(project: Project, worker: User) -> None:
    client = Client()
    client.force_login(worker)
    given = [str(answer(project, worker).assignment_id) for _ in range(2)]
    page = client.get(f"/label/{project.slug}/").content.decode()
    assert f'name="undo" value="{given[1]}"' in page
    undo = {"assignment": given[1]}
    for address in (f"/label/{project.slug}/undo/", f"/api/v1/projects/{project.slug}/judgments/undo/"):
        assert client.post(address, undo, content_type="application/json").status_code == 200
    client.post(f"/label/{project.slug}/", {"undo": given[1]})
    assert str(Judgment.objects.get(withdrawn_at=None).assignment_id) == given[0]
