"""A wish that nobody knows is refused by its name, and not passed over as if it were done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from labeling.models import Job, Judgment, Project, Task
from tests.labeling.conftest import client, person, picture

pytestmark = pytest.mark.django_db
API = "/api/v1"


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project(images=2, access="open")


@pytest.fixture
def api(project: Project) -> APIClient:
    return client(project.owner)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("exports/", {"format": "csv", "judgement": True}),
        ("rules/", {"measure": "accuracy", "wnidow": 5}),
        ("webhooks/", {"url": "https://example.org/", "event": "task.retired"}),
        ("workers/", {"username": "wanda", "role": "worker", "rolle": "manager"}),
        ("training-runs/", {"recipe": "feature_extraction", "epoch": 5}),
        ("tasks/change/", {"action": "close", "staet": "open"}),
        ("images/", {"urls": ["https://example.org/a.jpg"], "lables_as": "gold"}),
    ],
)
def test_a_key_that_is_not_known_is_refused_by_its_name(
    api: APIClient, project: Project, path: str, body: dict[str, Any]
) -> None:
    answer = api.post(f"{API}/projects/{project.slug}/{path}", body, format="json")
    wrong = list(body)[-1]
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")
    assert "Not known here; expected some of " in str(answer.json()["error"]["fields"][wrong])
    assert not Job.objects.exists()


def test_the_other_faults_of_the_body_are_told_with_it(api: APIClient, project: Project) -> None:
    answer = api.post(f"{API}/projects/{project.slug}/exports/", {"format": "doc", "final ": True}, format="json")
    assert set(answer.json()["error"]["fields"]) == {"format", "final "}


def test_a_form_is_held_to_the_same_and_may_bring_a_browsers_token(api: APIClient, project: Project) -> None:
    files = {"file": SimpleUploadedFile("a.csv", b"image,answer\n"), "format": "csv", "as": "gold"}
    address = f"{API}/projects/{project.slug}/labels/import/"
    answer = api.post(address, {**files, "csrfmiddlewaretoken": "x", "sorce": "me"}, format="multipart")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["sorce"])
    files["file"] = SimpleUploadedFile("a.csv", b"image,answer\n")
    assert api.post(address, {**files, "csrfmiddlewaretoken": "x"}, format="multipart").status_code == 202
    pictures = {"files": SimpleUploadedFile("a.png", picture(1)), "csrfmiddlewaretoken": "x"}
    images = f"{API}/projects/{project.slug}/images/"
    assert api.post(images, pictures, format="multipart").status_code == 202
    answer = api.post(images, {"files[]": SimpleUploadedFile("b.png", picture(2))}, format="multipart")
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["files[]"])


def test_an_option_of_training_may_stand_by_its_own_name(api: APIClient, project: Project) -> None:
    answer = api.post(f"{API}/projects/{project.slug}/training-runs/", {"epochs": 5, "seed": 3}, format="json")
    assert answer.status_code == 409  # there is too little to train on, and nothing wrong with the wish


def test_what_a_worker_sends_is_never_lost_for_what_stands_beside_it(project: Project) -> None:
    worker = client(person("wanda"))
    first = worker.post(f"{API}/projects/{project.slug}/assignments/", {"tab": 3}, format="json").json()
    skipped = {"reason": "blurred", "answers": {}}
    assert worker.post(f"{API}/assignments/{first['id']}/skip/", skipped, format="json").status_code == 200
    lease = worker.post(f"{API}/projects/{project.slug}/assignments/").json()
    body = {"answers": {"category": "cat"}, "seconds": 2, "tab": 3}
    assert worker.post(f"{API}/assignments/{lease['id']}/judgment/", body, format="json").status_code == 201
    assert Judgment.objects.count() == 1


def test_nobody_is_kept_out_for_what_a_program_sends_beside_name_and_password(worker: User) -> None:
    worker.set_password("correct horse battery")
    worker.save()
    body = {"username": worker.username, "password": "correct horse battery", "remember": True}
    assert APIClient().post(f"{API}/auth/token/", body, format="json").status_code == 200


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5", "²", "0" * 5000])
@pytest.mark.parametrize("path", ["images", "tasks", "training-runs"])
def test_a_size_of_pages_that_is_no_number_of_rows_is_refused(
    api: APIClient, project: Project, path: str, size: str
) -> None:
    answer = api.get(f"{API}/projects/{project.slug}/{path}/", {"page_size": size})
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, ["page_size"])


@pytest.mark.parametrize("size", ["1", "", "501", "9" * 5000])
def test_a_larger_page_than_there_is_is_the_largest(api: APIClient, project: Project, size: str) -> None:
    answer = api.get(f"{API}/projects/{project.slug}/tasks/", {"page_size": size})
    assert answer.status_code == 200
    assert len(answer.json()["results"]) == (1 if size == "1" else Task.objects.count())


@pytest.mark.parametrize(
    ("path", "slip", "meant"),
    [
        ("", "is_archive", "is_archived"),
        ("categories", "serach", "search"),
        ("labels", "min_confidense", "min_confidence"),
        ("labels", "confidense", "min_confidence"),
        ("tasks", "image_id", "image"),
        ("judgments", "wroker", "worker"),
        ("images", "pagesize", "page_size"),
    ],
)
def test_a_filter_with_a_slip_in_its_name_does_not_let_every_row_through(
    api: APIClient, project: Project, path: str, slip: str, meant: str
) -> None:
    answer = api.get(f"{API}/projects/{project.slug}/{path}/" if path else f"{API}/projects/", {slip: "1"})
    assert answer.status_code == 400
    assert f"`{meant}`" in answer.json()["error"]["fields"][slip][0]


@pytest.mark.parametrize(
    ("path", "field"),
    [("images", "created_at"), ("labels", "answer"), ("jobs", "project"), ("audit", "user"), ("webhooks", "is_active")],
)
def test_to_ask_for_some_of_the_rows_by_what_no_filter_knows_does_not_give_them_all(
    api: APIClient, project: Project, path: str, field: str
) -> None:
    answer = api.get(f"{API}/projects/{project.slug}/{path}/", {field: "1"})
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [field])


def test_jobs_are_asked_for_by_their_kind_and_their_state(api: APIClient, project: Project) -> None:
    for state in ("failed", "succeeded"):
        Job.objects.create(project=project, kind="export", state=state)
    url = f"{API}/projects/{project.slug}/jobs/"
    for asked, count in (({"state": "failed"}, 1), ({"kind": "export"}, 2), ({"kind": "import", "state": "failed"}, 0)):
        assert len(api.get(url, asked).json()["results"]) == count
    assert api.get(url, {"state": "lost"}).status_code == 400


LISTS = ["images/", "tasks/", "labels/", "jobs/", "audit/", "categories/", ""]


@pytest.mark.parametrize("path", LISTS)
def test_an_order_or_a_part_that_no_list_has_is_refused_with_what_there_is(
    api: APIClient, project: Project, path: str
) -> None:
    url = f"{API}/projects/{project.slug}/{path}" if path else f"{API}/projects/"
    for name, value in (("ordering", "-id"), ("sort", "id"), ("offset", "0"), ("page", "2")):
        answer = api.get(url, {name: value})
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [name])
        assert "`page_size`" in answer.json()["error"]["fields"][name][0]
    assert api.get(url, {"search": "a"}).status_code == (200 if path in {"", "categories/"} else 400)
    for name in ("q", "query"):
        answer = api.get(url, {name: "a"})
        assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [name])


@pytest.mark.parametrize("path", LISTS)
def test_parameters_that_programs_add_of_their_own_are_left_alone(api: APIClient, project: Project, path: str) -> None:
    foreign = {"_": "1764432000", "utm_source": "mail", "format": "json", "limit": "5", "page_size": "5", "cursor": ""}
    url = f"{API}/projects/{project.slug}/{path}" if path else f"{API}/projects/"
    assert api.get(url, foreign).status_code == 200


@pytest.mark.parametrize(
    ("more", "field", "meant"),
    [
        ({"judgements_per_task": {"min": 1, "max": 2}}, "judgements_per_task", "`judgments_per_task`"),
        ({"question": [{"kind": "yes_no"}]}, "question", "`questions`"),
        ({"judgments_per_task": {"mni": 1}}, "judgments_per_task", "mni: Not known here; expected some of max, min."),
        ({"categories": ["a", {"key": "b", "parnet": "a"}]}, "categories", "parnet: Not known here; did you mean"),
    ],
)
def test_a_slip_in_what_a_project_shall_be_is_refused_when_it_is_made_and_when_it_is_changed(
    api: APIClient, project: Project, more: dict[str, Any], field: str, meant: str
) -> None:
    body = {"name": "Other", "categories": ["a", "b"], **more}
    made = api.post(f"{API}/projects/", body, format="json")
    changed = api.patch(f"{API}/projects/{project.slug}/", more, format="json")
    assert (made.status_code, changed.status_code, Project.objects.count()) == (400, 400, 1)
    assert meant in made.json()["error"]["fields"][field][0]
    assert meant in changed.json()["error"]["fields"][field][0]


def test_what_a_project_has_not_is_taken_and_told_of_as_ignored(api: APIClient, project: Project) -> None:
    body = {"name": "Seals", "categories": ["a", {"key": "b", "color": "red"}], "slug": "mine", "team": "blue"}
    made = api.post(f"{API}/projects/", body, format="json")
    assert (made.status_code, made.json()["slug"], made.json()["ignored"]) == (201, "seals", ["slug", "team"])
    whole = {**api.get(f"{API}/projects/{project.slug}/").json(), "instructions": "Look twice."}
    assert "ignored" not in whole
    changed = api.patch(f"{API}/projects/{project.slug}/", whole, format="json")
    assert (changed.status_code, changed.json()) == (200, whole)
    sent = {"slug": "mine", "role": "owner", "x" * 9000: 1}
    again = api.patch(f"{API}/projects/{project.slug}/", sent, format="json")
    assert (again.status_code, again.json()["ignored"]) == (200, ["slug", "x" * 100])
