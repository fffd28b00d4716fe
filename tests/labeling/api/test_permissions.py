"""The permission matrix, cell by cell: each call by an owner, manager, reviewer, worker, visitor and stranger.

A visitor is anyone signed in, in a project that is open to all; a stranger is anyone signed in, in a project that is
not; nobody is signed in as nobody. What a member may not do is 403; what a stranger asks for is 404, as if it were not
there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from labeling import services
from labeling.accounts import permissions
from labeling.accounts.keys import create_key
from labeling.api.routes import routes
from labeling.models import Job, Project, Task
from tests.labeling.conftest import claim, client, person, picture

pytestmark = pytest.mark.django_db

# For each right, who has it. Anything that the view answers but 401, 403 and 404 means "let in".
WHO = {
    "manage": {"owner", "manager"},
    "review": {"owner", "manager", "reviewer"},
    "label": {"owner", "manager", "reviewer", "worker", "visitor"},
    "view": {"owner", "manager", "reviewer", "worker", "visitor"},
}
PEOPLE = ["owner", "manager", "reviewer", "worker", "visitor", "stranger", "nobody"]
CALLS = [
    ("GET", "projects/{slug}/", "view"),
    ("PATCH", "projects/{slug}/", "manage"),
    ("GET", "projects/{slug}/survey/schema/", "view"),
    ("GET", "projects/{slug}/categories/", "view"),
    ("GET", "projects/{slug}/categories/{category}/", "view"),
    ("PATCH", "projects/{slug}/categories/{category}/", "manage"),
    ("POST", "projects/{slug}/categories/{category}/examples/", "manage"),
    ("PATCH", "projects/{slug}/categories/{category}/examples/{example}/", "manage"),
    ("DELETE", "projects/{slug}/categories/{category}/examples/{example}/", "manage"),
    ("GET", "projects/{slug}/images/", "view"),
    ("POST", "projects/{slug}/images/", "manage"),
    ("GET", "projects/{slug}/images/{image}/", "view"),
    ("DELETE", "projects/{slug}/images/{image}/", "manage"),
    ("GET", "projects/{slug}/jobs/", "manage"),
    ("GET", "jobs/{job}/", "manage"),
    ("GET", "jobs/{job}/refused/", "manage"),
    ("POST", "jobs/{job}/cancel/", "manage"),
    ("GET", "projects/{slug}/tasks/", "review"),
    ("GET", "tasks/{task}/", "review"),
    ("GET", "tasks/{task}/gold/", "manage"),
    ("PUT", "tasks/{task}/gold/", "manage"),
    ("DELETE", "tasks/{task}/gold/", "manage"),
    ("POST", "tasks/{task}/decide/", "review"),
    ("POST", "tasks/{task}/reopen/", "review"),
    ("POST", "tasks/{task}/retire/", "review"),
    ("GET", "tasks/{task}/provenance/", "review"),
    ("GET", "projects/{slug}/judgments/", "review"),
    ("POST", "projects/{slug}/judgments/import/", "manage"),
    ("POST", "projects/{slug}/judgments/undo/", "label"),
    ("POST", "projects/{slug}/assignments/", "label"),
    ("GET", "projects/{slug}/standing/", "label"),
    ("GET", "projects/{slug}/workers/", "review"),
    ("POST", "projects/{slug}/workers/", "manage"),
    ("GET", "projects/{slug}/workers/role-worker/", "review"),
    ("PATCH", "projects/{slug}/workers/role-worker/", "manage"),
    ("DELETE", "projects/{slug}/workers/role-worker/", "manage"),
    ("GET", "projects/{slug}/invite/", "manage"),
    ("POST", "projects/{slug}/invite/", "manage"),
    ("GET", "projects/{slug}/labels/", "review"),
    ("GET", "projects/{slug}/stats/", "review"),
    ("POST", "projects/{slug}/grid/", "label"),
    ("PUT", "projects/{slug}/grid/", "label"),
    ("GET", "projects/{slug}/rules/", "review"),
    ("POST", "projects/{slug}/rules/", "manage"),
    ("GET", "projects/{slug}/rules/{rule}/", "review"),
    ("PATCH", "projects/{slug}/rules/{rule}/", "manage"),
    ("DELETE", "projects/{slug}/rules/{rule}/", "manage"),
    ("GET", "projects/{slug}/webhooks/", "manage"),
    ("POST", "projects/{slug}/webhooks/", "manage"),
    ("GET", "projects/{slug}/webhooks/{hook}/", "manage"),
    ("PATCH", "projects/{slug}/webhooks/{hook}/", "manage"),
    ("POST", "projects/{slug}/webhooks/{hook}/secret/", "manage"),
    ("POST", "projects/{slug}/webhooks/{hook}/send-again/", "manage"),
    ("DELETE", "projects/{slug}/webhooks/{hook}/", "manage"),
    ("GET", "projects/{slug}/audit/", "manage"),
    ("GET", "projects/{slug}/appeals/", "manage"),
    ("POST", "projects/{slug}/appeals/", "label"),
    ("POST", "projects/{slug}/appeals/{appeal}/", "manage"),
    ("GET", "projects/{slug}/earnings/", "manage"),
    ("POST", "projects/{slug}/tasks/change/", "manage"),
    ("POST", "projects/{slug}/tasks/box-golds/", "manage"),
    ("POST", "projects/{slug}/labels/import/", "manage"),
    ("POST", "projects/{slug}/exports/", "review"),
    ("POST", "projects/{slug}/copy/", "manage"),
    ("POST", "projects/{slug}/archive/", "manage"),
    ("POST", "projects/{slug}/reopen/", "manage"),
    ("POST", "projects/{slug}/hand-over/", "manage"),
]
# Of no project's, of a link's holder, or the worker's own (below).
NO_ROWS = re.compile(r"auth/|survey/schema/|projects/$|invitations/|assignments/")


@pytest.fixture
def place(make_project: Callable[..., Project], owner: User) -> Callable[[str], tuple[APIClient, dict[str, Any]]]:
    """For one of PEOPLE: their client, and the names in a project where they are that."""

    def build(who: str) -> tuple[APIClient, dict[str, Any]]:
        project = make_project(images=2, access="open" if who == "visitor" else "invited")
        person("role-worker")
        services.add_member(project=project, username="role-worker")
        job = Job.objects.create(project=project, kind="test", requested_by=owner)
        task, other = Task.objects.filter(project=project).order_by("pk")
        names = {"slug": project.slug, "job": job.pk, "task": task.pk, "image": other.image_id}
        names.update(_overseen(project))
        if who == "owner":
            return client(owner), names
        if who == "nobody":
            return client(), names
        user = person(f"the-{who}")
        if who in {"manager", "reviewer", "worker"}:
            services.add_member(project=project, username=user.username, role=who)
        return client(user), names

    return build


def _overseen(project: Project) -> dict[str, Any]:
    rule = services.add_rule(project=project, user=project.owner, measure="gold_accuracy", threshold=0.5, action="warn")
    hook = services.add_webhook(project=project, user=project.owner, url="https://example.org/hook")
    member = services.ensure_member(project=project, user=person("paused"))
    services.pause_worker(member=member, because="Too fast.")
    appeal = services.appeal_pause(member=member, text="I was not.")
    category = project.categories.get(key="cat")
    example = services.add_example(category=category, data=picture(), alt="a cat", user=project.owner)
    shown = {"category": category.pk, "example": example.pk}
    return {"rule": rule.pk, "hook": hook.pk, "appeal": appeal.pk, **shown}


@pytest.mark.parametrize("who", PEOPLE)
def test_the_permission_matrix(who: str, place: Callable[[str], tuple[APIClient, dict[str, Any]]]) -> None:
    api, names = place(who)
    wrong = []
    for method, path, right in CALLS:
        answer = api.generic(method, f"/api/v1/{path.format(**names)}", "{}", content_type="application/json")
        let_in = who in WHO[right]
        expected: Any = {401} if who == "nobody" else {404} if who == "stranger" else {403}
        if path.startswith("jobs/") and not let_in and who != "nobody":
            expected = {404}  # a job says nothing of its project
        refused = answer.status_code in {401, 403, 404}
        gone = (method == "DELETE" and "workers" in path) or (method == "GET" and path.endswith("gold/"))
        missing = answer.status_code == 404 and gone
        if (let_in and refused and not missing) or (not let_in and answer.status_code not in expected):
            wrong.append(f"{who} {method} {path}: {answer.status_code}, expected {'in' if let_in else expected}")
        if refused or answer.status_code >= 400:
            assert set(answer.json()) == {"error"}, (method, path, answer.content)
    assert wrong == []


def test_an_archived_project_refuses_every_call_that_would_change_it(
    place: Callable[[str], tuple[APIClient, dict[str, Any]]],
) -> None:
    api, names = place("owner")
    Project.objects.filter(slug=names["slug"]).update(archived_at=timezone.now())
    taken = set()
    for method, path, _right in CALLS:
        if method != "GET":
            url = f"/api/v1/{path.format(**names)}"
            answer = api.generic(method, url, "{}", content_type="application/json")
            if answer.status_code == 409 and answer.json()["error"]["code"] == "project_archived":
                continue
            taken.add((method, path.partition("}/")[2] or path))
    assert taken == {
        ("POST", "cancel/"),
        ("POST", "exports/"),
        ("DELETE", "workers/role-worker/"),
        ("PATCH", "webhooks/{hook}/"),
        ("POST", "webhooks/{hook}/secret/"),
        ("POST", "webhooks/{hook}/send-again/"),
        ("DELETE", "webhooks/{hook}/"),
        ("POST", "copy/"),
        ("POST", "archive/"),
        ("POST", "reopen/"),
        ("POST", "hand-over/"),
    }


def test_every_address_of_a_project_is_in_this_matrix_or_needs_a_row() -> None:
    known = {re.sub(r"\{\w+\}|role-worker", "{}", path) for _method, path, _right in CALLS}
    paths = {re.sub(r"<[\w:]+>", "{}", str(address.pattern)) for address in routes([])}
    assert {path for path in paths if not NO_ROWS.match(path)} == known


def test_what_is_asked_for_by_head_is_answered_as_by_get(
    place: Callable[[str], tuple[APIClient, dict[str, Any]]],
) -> None:
    api, names = place("reviewer")  # who may ask for some of it
    paths = [f"/api/v1/{path.format(**names)}" for method, path, _right in CALLS if method == "GET"]
    assert [api.head(path).status_code for path in paths] == [api.get(path).status_code for path in paths]


def test_only_the_owner_deletes_a_project(place: Callable[[str], tuple[APIClient, dict[str, Any]]]) -> None:
    api, names = place("manager")
    assert api.delete(f"/api/v1/projects/{names['slug']}/").status_code == 403
    owner_api = client(Project.objects.get(slug=names["slug"]).owner)
    assert owner_api.delete(f"/api/v1/projects/{names['slug']}/").status_code == 204
    assert not Project.objects.exists()


@pytest.mark.parametrize(("who", "refused"), [("owner", False), ("manager", True)])
def test_only_an_owner_makes_managers_and_changes_them(
    place: Callable[[str], tuple[APIClient, dict[str, Any]]], who: str, refused: bool
) -> None:
    api, names = place(who)
    project = Project.objects.get(slug=names["slug"])
    person("another")
    services.add_member(project=project, username="another", role="manager")
    before = list(project.memberships.order_by("pk").values())
    for method, path, body in (
        ("patch", "workers/another/", {"is_paused": True}),
        ("patch", "workers/another/", {"is_paused": False}),
        ("patch", "workers/another/", {"role": "worker"}),
        ("patch", "workers/another/", {"role": "manager"}),
        ("post", "workers/", {"username": "another", "role": "worker"}),
        ("post", "workers/", {"username": "role-worker", "role": "manager"}),
        ("patch", "workers/role-worker/", {"role": "manager"}),
        ("delete", "workers/another/", {}),
    ):
        answer = getattr(api, method)(f"/api/v1/projects/{project.slug}/{path}", body, format="json")
        assert (answer.status_code == 403) == refused, (method, path, body, answer.content)
        if refused:
            assert answer.json()["error"]["code"] == "permission_denied"
            assert list(project.memberships.order_by("pk").values()) == before


def test_a_manager_leads_reviewers_and_workers_and_can_lay_the_role_down(
    place: Callable[[str], tuple[APIClient, dict[str, Any]]],
) -> None:
    api, names = place("manager")
    people = f"/api/v1/projects/{names['slug']}/workers/"
    assert api.patch(f"{people}role-worker/", {"role": "reviewer"}, format="json").status_code == 200
    assert api.delete(f"{people}role-worker/").status_code == 204
    assert api.patch(f"{people}the-manager/", {"role": "worker"}, format="json").status_code == 200
    assert api.patch(f"{people}the-manager/", {"role": "manager"}, format="json").status_code == 403


def test_a_key_of_one_project_is_a_stranger_in_another(make_project: Callable[..., Project]) -> None:
    here, there = make_project(), make_project()
    _, key = services.add_member(project=here, username="crowd-1")
    services.add_member(project=there, username="crowd-1")
    api = APIClient(headers={"Authorization": f"Token {key}"})
    assert api.post(f"/api/v1/projects/{here.slug}/assignments/").status_code == 201
    assert api.post(f"/api/v1/projects/{there.slug}/assignments/").status_code == 404
    worker = User.objects.get(username="crowd-1")
    leases = [claim(project, worker).pk for project in (here, there)]
    assert [api.get(f"/api/v1/assignments/{lease}/").status_code for lease in leases] == [200, 404]
    assert [row["slug"] for row in api.get("/api/v1/projects/").json()["results"]] == [here.slug]


def test_a_superusers_key_of_one_project_lists_no_other(make_project: Callable[..., Project]) -> None:
    here, _there = make_project(), make_project()
    root = User.objects.create_superuser("root")
    _, key = create_key(user=root, project=here, scopes=("predict",))
    api = APIClient(headers={"Authorization": f"Token {key}"})
    assert [row["slug"] for row in api.get("/api/v1/projects/").json()["results"]] == [here.slug]


@pytest.mark.parametrize(
    ("role", "statuses"),
    [("worker", [201, 403, 403, 403]), ("reviewer", [201, 200, 202, 403]), ("manager", [201, 200, 202, 200])],
)
def test_the_key_that_comes_with_a_role_opens_what_the_role_does(
    project: Project, owner: User, role: str, statuses: list[int]
) -> None:
    of = f"/api/v1/projects/{project.slug}/"
    made = client(owner).post(f"{of}workers/", {"username": "robin", "role": role}).json()
    api = APIClient(headers={"Authorization": f"Token {made['token']}"})
    found = [
        api.post(f"{of}assignments/").status_code,
        api.get(f"{of}labels/").status_code,
        api.post(f"{of}exports/", {"format": "csv"}).status_code,
        api.patch(of, {"instructions": "Look closely."}).status_code,
    ]
    assert found == statuses
    own = api.post("/api/v1/projects/", {"name": "Own", "categories": ["a", "b"]})
    assert (own.status_code, "for all projects" in own.json()["error"]["message"]) == (403, True)


@pytest.mark.parametrize(("scopes", "status"), [(("label",), 403), (("manage",), 200)])
def test_a_key_does_what_its_scopes_say(project: Project, owner: User, scopes: tuple[str, ...], status: int) -> None:
    api = client(owner, scopes=scopes)
    assert api.patch(f"/api/v1/projects/{project.slug}/", {"name": "Animals"}).status_code == status
    assert permissions.may(owner, project, "manage")


def test_a_key_that_only_predicts_reads_what_is_asked_but_no_image_and_no_figure_of_the_project(
    project: Project, owner: User
) -> None:
    """It lies in the page of a web site, where everybody can read it."""
    of = f"/api/v1/projects/{project.slug}/"
    predicts, labels, manages = (client(owner, scopes=(scope,)) for scope in ("predict", "label", "manage"))
    image = labels.get(f"{of}images/").json()["results"][0]["id"]
    for path in ("images/", f"images/{image}/", "labels/", "judgments/", "workers/", "stats/", "tasks/", "jobs/"):
        assert predicts.get(of + path).status_code == 403, path
    for api in (labels, manages):
        assert [api.get(f"{of}images/{end}").status_code for end in ("", f"{image}/")] == [200, 200]
    told = {api: api.get(of).json() for api in (predicts, manages)}
    assert [told[predicts][name] for name in ("budget", "spent", "task_count", "retired_count")] == [None] * 4
    assert told[predicts]["categories"] == told[manages]["categories"] != []
    assert told[manages]["spent"] == "0.0000"
    assert "'label'" in predicts.get(f"{of}images/").json()["error"]["message"]


def test_an_assignment_is_its_worker_s_alone(project: Project, worker: User, owner: User) -> None:
    assignment = claim(project, worker)
    for verb in ("judgment", "skip", "release"):
        answer = client(owner).post(f"/api/v1/assignments/{assignment.pk}/{verb}/", {"answers": {"category": "cat"}})
        assert answer.status_code == 404


def test_a_key_joins_no_project_that_it_may_not_label_in(make_project: Callable[..., Project]) -> None:
    one, other = make_project(), make_project(name="Other")
    user = person("paula")
    for refused in (client(user, scopes=("predict",)), client(user, project=other)):
        assert refused.post(f"/api/v1/invitations/{one.invite}/").status_code == 403
    assert not one.memberships.filter(user=user).exists()
    assert client(user, scopes=("label",)).post(f"/api/v1/invitations/{one.invite}/").status_code == 200
