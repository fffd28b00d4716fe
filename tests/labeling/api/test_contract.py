"""The calls of the public contract, one after the other, as a program outside makes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from labeling.models import Project
from tests.labeling.conftest import client, person, picture

pytestmark = pytest.mark.django_db
API = "/api/v1/"


def upload(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def api() -> APIClient:
    return client(person("paula"))


def make(api: APIClient, **body: Any) -> str:
    answer = api.post(f"{API}projects/", {"name": "Pets", "categories": ["cat", "dog"], **body})
    assert answer.status_code == 201, answer.content
    return answer.json()["slug"]


def test_a_name_and_a_password_give_a_token_that_works() -> None:
    person("tina")
    answer = APIClient().post(f"{API}auth/token/", {"username": "tina", "password": "a long enough one"})
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "expiry"}
    with_key = APIClient(headers={"Authorization": f"Token {answer.json()['token']}"})
    assert with_key.get(f"{API}projects/").status_code == 200


def test_a_wrong_password_is_refused_in_the_contract_s_shape() -> None:
    person("tina")
    answer = APIClient().post(f"{API}auth/token/", {"username": "tina", "password": "wrong"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "bad_credentials"
    assert set(answer.json()["error"]) == {"code", "message", "fields"}


def test_only_wrong_passwords_count_towards_the_limit_of_tries() -> None:
    person("tina")
    ours = {"username": "tina", "password": "a long enough one"}
    api = APIClient()
    for _number in range(25):
        assert api.post(f"{API}auth/token/", ours).status_code == 200
    for _number in range(20):
        assert api.post(f"{API}auth/token/", {**ours, "password": "wrong"}).status_code == 401
    refused = api.post(f"{API}auth/token/", ours)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "throttled")
    assert 0 < int(refused["Retry-After"]) <= 60


def test_a_project_is_created_with_its_survey_and_read_back(api: APIClient) -> None:
    slug = make(api, judgments_per_task={"min": 2, "max": 4})
    body = api.get(f"{API}projects/{slug}/").json()
    assert body["categories"] == ["cat", "dog"]
    assert [question["kind"] for question in body["questions"]] == ["single_choice"]
    assert body["judgments_per_task"] == {"min": 2, "max": 4}
    assert body["role"] == "owner"


def test_what_is_made_or_started_says_where_it_is(api: APIClient) -> None:
    made = api.post(f"{API}projects/", {"name": "Pets", "categories": ["cat", "dog"]})
    assert api.get(made["Location"]).json()["slug"] == made.json()["slug"] == "pets"
    started = api.post(f"{made['Location']}exports/", {"format": "csv"})
    assert api.get(started["Location"]).json()["id"] == started.json()["job"]
    copy = api.post(f"{made['Location']}copy/", {"name": "Other"})
    assert api.get(copy["Location"]).json()["name"] == "Other"


def test_a_survey_that_names_the_version_it_was_written_from_writes_over_nobody_s(api: APIClient) -> None:
    url = f"{API}projects/{make(api)}/"
    mine = theirs = api.get(url).json()
    theirs = {**theirs, "categories": ["cat", "dog", "seal"]}
    done = api.patch(url, theirs)
    assert (done.status_code, "ignored" in done.json()) == (200, False)
    refused = api.patch(url, {**mine, "categories": ["cat", "dog", "crab"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "survey_changed")
    assert "a program with this `survey_version`" in refused.json()["error"]["message"]
    assert api.get(url).json()["categories"] == ["cat", "dog", "seal"]
    assert api.patch(url, {"categories": ["cat", "dog", "crab"]}).status_code == 200  # it does not say


def test_who_reads_the_categories_and_sends_them_back_takes_nothing_away(api: APIClient) -> None:
    rows = [{"key": "animal"}, {"key": "cat", "name": "The cat", "parent": "animal", "description": "Meows."}]
    url = f"{API}projects/{make(api, categories=[*rows, *map(str, range(300))])}/"
    read = api.get(url).json()
    assert len(read["categories"]) == 200
    assert api.patch(url, {**read, "instructions": "Look."}).json()["survey_version"] == 1
    assert len(api.get(f"{url}categories/", {"page_size": 500}).json()["results"]) == 302
    api.patch(url, {"categories": ["animal", "cat", "dog"], "remove_unread": True})
    _animal, cat, dog = api.get(f"{url}categories/").json()["results"]
    assert (cat["name"], cat["parent"], cat["description"], dog["name"]) == ("The cat", "animal", "Meows.", "dog")
    api.patch(url, {"categories": ["dog", "cat"]})
    assert [row["parent"] for row in api.get(f"{url}categories/").json()["results"]] == [None, None]
    api.patch(url, {"categories": ["dog", {"key": "cat"}]})
    assert api.get(f"{url}categories/").json()["results"][1]["description"] == ""


def test_categories_that_reading_does_not_show_go_only_where_that_is_said(api: APIClient) -> None:
    url = f"{API}projects/{make(api, categories=[str(number) for number in range(203)])}/"
    read = api.get(url).json()["categories"]
    refused = api.patch(url, {"categories": [*read, "new"]})
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["categories"])
    assert "3 categories that reading the project does not show, '200' for one" in refused.json()["error"]["message"]
    whole = [row["key"] for row in api.get(f"{url}categories/", {"page_size": 500}).json()["results"]]
    assert api.patch(url, {"categories": [*whole[1:], {"name": "new"}]}).status_code == 200
    assert "ignored" not in api.patch(url, {"categories": ["0", "1"], "remove_unread": True}).json()
    assert api.get(url).json()["categories"] == ["0", "1"]


def test_a_change_may_name_one_end_of_the_judgments_per_task(api: APIClient) -> None:
    url = f"{API}projects/{make(api, judgments_per_task={'min': 2, 'max': 4})}/"
    assert api.patch(url, {"judgments_per_task": {"max": 3}}).json()["judgments_per_task"] == {"min": 2, "max": 3}
    assert api.patch(url, {"judgments_per_task": {"min": 1}}).json()["judgments_per_task"] == {"min": 1, "max": 3}
    assert api.patch(url, {"judgments_per_task": {}}).json()["judgments_per_task"] == {"min": 1, "max": 3}
    refused = api.patch(url, {"judgments_per_task": {"min": 4}})
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["judgments_per_task"])


@pytest.mark.parametrize("as_file", [False, True])
def test_gold_comes_as_a_field_or_as_a_file_of_the_form(
    api: APIClient, run_actors: Callable[[], int], as_file: bool
) -> None:
    url = f"{API}projects/{make(api)}/images/"
    text = b'{"a.png": "cat"}'
    gold: Any = upload("gold.json", text) if as_file else text.decode()
    sent = api.post(url, {"files": [upload("a.png", picture(1))], "gold": gold}, format="multipart")
    assert sent.status_code == 202, sent.content
    run_actors()
    assert [row["name"] for row in api.get(f"{url}?is_gold=true").json()["results"]] == ["a.png"]
    gold = upload("gold.json", b"\xff") if as_file else "{"
    refused = api.post(url, {"files": [upload("b.png", picture(2))], "gold": gold}, format="multipart")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_gold")


def test_a_form_says_what_json_says(api: APIClient, make_project: Callable[..., Project]) -> None:
    urlencoded: dict[str, Any] = {"content_type": "application/x-www-form-urlencoded"}
    url = f"{API}projects/"
    plain = api.post(url, "name=Pets&categories=cat&categories=dog", **urlencoded).json()
    same = api.post(url, {"name": "Pets", "categories": ["cat", "dog"]}).json()
    own = {"id", "slug", "url", "created_at", "questions"}
    assert {name: plain[name] for name in plain.keys() - own} == {name: same[name] for name in same.keys() - own}
    body = {"name": "Pets", "categories": "cat", "judgments_per_task": '{"min": 1, "max": 2}', "is_paused": "true"}
    body["questions"] = '[{"key": "there", "kind": "yes_no", "prompt": "Is there a cat?"}]'
    made = api.post(url, body, format="multipart").json()
    assert (made["categories"], made["judgments_per_task"]) == (["cat"], {"min": 1, "max": 2})
    assert ([question["key"] for question in made["questions"]], made["is_paused"]) == (["there"], True)
    parts = api.post(url, "name=P&categories=a&judgments_per_task.min=2&judgments_per_task.max=2", **urlencoded).json()
    assert parts["judgments_per_task"] == {"min": 2, "max": 2}
    rule = "measure=agreement&threshold=0.5&action=warn"
    assert api.post(f"{url}{made['slug']}/rules/", rule, **urlencoded).json()["is_active"] is True


def test_a_judgment_comes_by_a_form_too(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    worker = client(project.owner)
    lease = worker.post(f"{API}projects/{project.slug}/assignments/").json()
    body = {"answers": '{"category": "cat"}', "seconds": "3.5"}
    stored = worker.post(f"{API}assignments/{lease['id']}/judgment/", body, format="multipart")
    assert (stored.status_code, stored.json()["answers"], stored.json()["seconds"]) == (201, {"category": "cat"}, 3.5)


def test_the_whole_way_of_an_image_from_upload_to_label(api: APIClient, run_actors: Callable[[], int]) -> None:
    slug = make(api, judgments_per_task={"min": 1, "max": 1})
    sent = api.post(
        f"{API}projects/{slug}/images/",
        {"files": [upload("a.png", picture(1)), upload("b.png", picture(2))]},
        format="multipart",
    )
    assert sent.status_code == 202, sent.content
    run_actors()
    job = api.get(f"{API}jobs/{sent.json()['job']}/").json()
    assert (job["state"], job["progress"], job["errors"]) == ("succeeded", 1.0, [])
    assert job["result"]["imported"] == 2
    added = api.post(f"{API}projects/{slug}/workers/", {"username": "crowd-1", "role": "worker"})
    assert added.status_code == 201
    crowd = APIClient(headers={"Authorization": f"Token {added.json()['token']}"})
    claimed = crowd.post(f"{API}projects/{slug}/assignments/")
    assert claimed.status_code == 201, claimed.content
    body = claimed.json()
    assert {"id", "task", "image", "questions", "expires_at", "prefetch"} <= set(body)
    assert {"id", "url", "width", "height"} <= set(body["image"])
    assert len(body["prefetch"]) == 1
    seen = crowd.get(body["image"]["url"])
    assert seen.status_code == 200
    assert b"".join(seen.streaming_content).startswith(b"\xff\xd8")
    for close in cast("Any", seen)._resource_closers:  # close() would end the test's own connection too
        close()
    answers = {"answers": {body["questions"][0]["key"]: "cat"}, "seconds": 3.2}
    url = f"{API}assignments/{body['id']}/judgment/"
    assert crowd.post(url, answers).status_code == 201
    assert crowd.post(url, answers).status_code == 200
    labels = api.get(f"{API}projects/{slug}/labels/").json()["results"]
    assert [(row["answer"], row["judgments"]) for row in labels] == [("cat", 1)]
    assert labels[0]["image"]["id"] == body["image"]["id"]
    judgments = api.get(f"{API}projects/{slug}/judgments/").json()["results"]
    assert [(row["worker"], row["seconds"]) for row in judgments] == [("crowd-1", 3.2)]
    stats = api.get(f"{API}projects/{slug}/stats/").json()
    assert stats["progress"]["judgments"] == 1


def test_nothing_left_is_204(api: APIClient) -> None:
    slug = make(api)
    answer = api.post(f"{API}projects/{slug}/assignments/")
    assert (answer.status_code, answer.content) == (204, b"")


def test_an_archive_with_bad_members_imports_the_good_ones_and_names_the_others(
    api: APIClient, run_actors: Callable[[], int]
) -> None:
    slug = make(api)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good/a.png", picture(1))
        archive.writestr("../evil.png", picture(2))
        archive.writestr("empty.png", b"")
        archive.writestr("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    sent = api.post(
        f"{API}projects/{slug}/images/", {"archive": upload("a.zip", buffer.getvalue())}, format="multipart"
    )
    run_actors()
    job = api.get(f"{API}jobs/{sent.json()['job']}/").json()
    assert job["state"] == "succeeded"
    assert {row["item"]: row["code"] for row in job["errors"]} == {
        "../evil.png": "unsafe_name",
        "empty.png": "empty_file",
        "drawing.svg": "svg",
    }
    assert [row["name"] for row in api.get(f"{API}projects/{slug}/images/").json()["results"]] == ["good/a.png"]


def test_judgments_made_elsewhere_come_in_as_csv(api: APIClient, run_actors: Callable[[], int]) -> None:
    slug = make(api, judgments_per_task={"min": 3, "max": 3})
    api.post(f"{API}projects/{slug}/images/", {"files": [upload("a.png", picture(1))]}, format="multipart")
    run_actors()
    lines = (
        "image,worker,answer,seconds\na.png,w1,cat,2.5\na.png,w2,cat,\na.png,w3,dog,1\nb.png,w1,cat,1\na.png,w4,cow,1\n"
    )
    sent = api.post(
        f"{API}projects/{slug}/judgments/import/", {"file": upload("said.csv", lines.encode())}, format="multipart"
    )
    assert sent.status_code == 202, sent.content
    run_actors()
    job = api.get(f"{API}jobs/{sent.json()['job']}/").json()
    assert job["result"]["imported"] == 3
    assert [(row["item"], row["code"]) for row in job["errors"]] == [
        ("line 5", "unknown_image"),
        ("line 6", "bad_answer"),
    ]
    (label,) = api.get(f"{API}projects/{slug}/labels/").json()["results"]
    assert (label["answer"], label["judgments"]) == ("cat", 3)
    assert {row["source"] for row in api.get(f"{API}projects/{slug}/judgments/").json()["results"]} == {"import"}


@pytest.mark.parametrize(
    ("body", "kind", "state", "told"),
    [
        ("image,worker,answer\na.png,w1,cat\n", "text/csv", "succeeded", ""),
        ('{"image": "a.png", "worker": "w1", "answer": "cat"}\n', "application/x-ndjson", "succeeded", ""),
        ("\ufeff", "text/csv", "failed", "There is no judgment in file."),
    ],
)
def test_a_file_of_judgments_may_be_the_body_itself(
    api: APIClient, run_actors: Callable[[], int], body: str, kind: str, state: str, told: str
) -> None:
    slug = make(api)
    api.post(f"{API}projects/{slug}/images/", {"files": [upload("a.png", picture(1))]}, format="multipart")
    sent = api.generic("POST", f"{API}projects/{slug}/judgments/import/", body, content_type=kind)
    run_actors()
    job = api.get(f"{API}jobs/{sent.json()['job']}/").json()
    assert (job["state"], job["message"]) == (state, told)


def test_a_filter_that_no_row_can_meet_is_refused_instead_of_ignored(api: APIClient) -> None:
    slug = make(api)
    for query in (
        "tasks/?state=asleep",
        "tasks/?is_gold=maybe",
        "images/?is_gold=maybe",
        "images/?state=asleep",
        "judgments/?since=yesterday",
        "judgments/?withdrawn=perhaps",
        "labels/?min_confidence=high",
        "labels/?min_confidence=95",
        "labels/?max_confidence=-0.1",
        "judgments/?task=first",
        "labels/?is_final=maybe",
        "labels/?differs_from_majority=maybe",
        "labels/?retired_because=fun",
        "workers/?role=king",
    ):
        answer = api.get(f"{API}projects/{slug}/{query}")
        assert answer.status_code == 400, query
        assert set(answer.json()["error"]["fields"]) == {query.partition("?")[2].partition("=")[0]}


def test_a_list_of_judgments_reads_the_tasks_of_nobody_else(api: APIClient, project: Project) -> None:
    """A filter by task read every task of the platform at each look, to name those that may be asked for."""
    judgments, task = f"{API}projects/{make(api)}/judgments/", project.tasks.first()
    with CaptureQueriesContext(connection) as asked:
        assert api.get(judgments, {"task": task.pk}).json()["results"] == []
    assert [one["sql"] for one in asked if 'FROM "labeling_task"' in one["sql"]] == []
    assert api.get(judgments, {"task": 2**40}).json()["results"] == []


@pytest.mark.parametrize("query", ["is_paused=maybe", "access=some"])
def test_a_filter_of_projects_that_none_can_meet_is_refused(api: APIClient, query: str) -> None:
    make(api)
    assert api.get(f"{API}projects/?{query}").status_code == 400
    assert len(api.get(f"{API}projects/?is_paused=false&access=invited").json()["results"]) == 1


def test_a_filter_keeps_what_it_names(api: APIClient, run_actors: Callable[[], int]) -> None:
    slug = make(api)
    api.post(f"{API}projects/{slug}/images/", {"files": [upload("a.png", picture(1))]}, format="multipart")
    run_actors()
    assert len(api.get(f"{API}projects/{slug}/tasks/?state=open").json()["results"]) == 1
    assert api.get(f"{API}projects/{slug}/tasks/?state=retired").json()["results"] == []
    assert len(api.get(f"{API}projects/{slug}/images/?is_gold=False").json()["results"]) == 1
    assert api.get(f"{API}projects/{slug}/images/?is_gold=true").json()["results"] == []
    assert len(api.get(f"{API}projects/{slug}/images/?state=open").json()["results"]) == 1
    assert len(api.get(f"{API}projects/{slug}/workers/?role=owner").json()["results"]) == 1
    assert api.get(f"{API}projects/{slug}/workers/?role=worker").json()["results"] == []
