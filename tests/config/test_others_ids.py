"""An id of another project's opens nothing in one's own: every call of the schema and every page that takes one."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver

from inference.models import Sample
from labeling import services
from labeling.accounts.keys import create_key
from labeling.models import ApiKey, Job, Project
from tests import ROOT
from tests.labeling.conftest import claim, client, person, picture
from training.models import ModelVersion, Snapshot, TrainingRun
from training.services.bakeoffs import KIND

pytestmark = pytest.mark.django_db

# What a call wants in its body before it looks at anything else. Each other one is sent an empty one.
BODIES = {
    "submit_judgment": {"answers": {"category": "cat"}},
    "decide_task": {"answers": {"category": "cat"}},
    "set_gold": {"answers": {"category": "cat"}},
    "decide_appeal": {"verdict": "accept"},
    "bake_offs_use": {"candidate": 0},
}


def calls() -> list[tuple[str, str, str]]:
    """Method, path and name of each call that takes an id beside, or instead of, a project's slug."""
    schema = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    return [
        (method, path, call["operationId"])
        for path, methods in schema["paths"].items()
        for method, call in methods.items()
        if set(re.findall(r"{(\w+)}", path)) - {"slug", "invite"} and path.startswith("/api/v1/")
    ]


def full_project(owner: User) -> tuple[Project, dict[str, Any]]:
    """A project with a row of everything that an address can name."""
    project = services.create_project(owner=owner, name="Theirs", categories=["cat", "dog"])
    services.add_images(project=project, images={f"{n}.png": picture(n) for n in range(2)})
    worker = person("their-worker")
    services.add_member(project=project, username=worker.username)
    lease = claim(project, worker)
    member = services.ensure_member(project=project, user=worker)
    services.pause_worker(member=member, because="Too fast.")
    category = project.categories.get(key="cat")
    snapshot = Snapshot.objects.create(
        project=project,
        question=project.primary_question(),
        digest="0" * 64,
        categories=["cat"],
        counts={},
        item_count=0,
    )
    run = TrainingRun.objects.create(
        project=project, snapshot=snapshot, cause="person", backbone="tiny", recipe="feature_extraction"
    )
    version = ModelVersion.objects.create(project=project, run=run, number=7, categories=["cat"], manifest={})
    Sample.objects.create(project=project, image=lease.task.image, version=version, reason="random")
    hook = services.add_webhook(project=project, user=owner, url="https://example.org/hook")
    rule = services.add_rule(project=project, user=owner, measure="gold_accuracy", threshold=0.5, action="warn")
    return project, {
        "task_id": lease.task_id,
        "image_id": lease.task.image_id,
        "assignment_id": lease.pk,
        "job_id": Job.objects.create(project=project, kind=KIND, requested_by=owner).pk,
        "run_id": run.pk,
        "version": version.number,
        "category_id": category.pk,
        "example_id": services.add_example(category=category, data=picture(), alt="a cat", user=owner).pk,
        "rule_id": rule.pk,
        "webhook_id": hook.pk,
        "key_id": create_key(user=owner, project=project, scopes=("predict",))[0].pk,
        "appeal_id": services.appeal_pause(member=member, text="No.").pk,
        "username": worker.username,
        "member_id": member.pk,
        "number": version.number,
        "name": "heat",
        "code": "hi",
    }


# What `pk` in the address of a page is, by where it begins; the longest beginning counts.
PAGES = {
    "images/": "image_id",
    "tasks/": "task_id",
    "review/": "task_id",
    "workers/": "member_id",
    "workers/appeals/": "appeal_id",
    "settings/categories/": "category_id",
    "settings/rules/": "rule_id",
    "settings/webhooks/": "webhook_id",
    "settings/keys/": "key_id",
    "jobs/": "job_id",
}


def addresses() -> set[str]:
    """The rest of the address of each page of a project, as the resolver has it."""
    below: set[str] = set()

    def walk(patterns: list[Any], before: str) -> None:
        for one in patterns:
            path = before + str(one.pattern)
            if hasattr(one, "url_patterns"):
                walk(one.url_patterns, path)
            elif path.startswith("projects/<slug:slug>/"):
                below.add(path.removeprefix("projects/<slug:slug>/"))

    walk(get_resolver().url_patterns, "")
    return below


def pages(names: dict[str, Any]) -> list[str]:
    """The rest of the address of each page of a project that takes an id, with that of ``names`` in it.

    A language's code is no id: each project has those that it wants.
    """
    return [filled(path, names) for path in sorted(addresses()) if "<" in path and "<str:code>" not in path]


def filled(path: str, names: dict[str, Any]) -> str:
    start = max((start for start in PAGES if path.startswith(start)), key=len, default="")
    return re.sub(r"<\w+:(\w+)>", lambda found: str(names[PAGES[start] if found[1] == "pk" else found[1]]), path)


def everything() -> dict[str, Any]:
    """All rows of the rooms; of keys only which there are, since each use of one is written down."""
    models = [
        model for room in ("labeling", "training", "inference") for model in apps.get_app_config(room).get_models()
    ]
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values_list(*(["pk"] if model is ApiKey else [])))
        for model in models
    }


def test_an_id_of_another_project_opens_nothing_in_ones_own_or_by_itself() -> None:
    owner = person("owner-of-another")
    own = services.create_project(owner=owner, name="Own", categories=["cat", "dog"])
    services.add_images(project=own, images={"own.png": picture(9)})
    theirs, names = full_project(person("their-owner"))
    api = client(owner)
    before = everything()
    let_in = {}
    for method, path, name in calls():
        address = path.format(**{"slug": own.slug, **names})
        answer = getattr(api, method)(address, BODIES.get(name, {}), format="json")
        if answer.status_code != 404:
            let_in[f"{method} {path}"] = (answer.status_code, answer.content[:200])
    assert let_in == {}
    assert everything() == before
    there = client(theirs.owner)  # whom all of it is there for, but a lease, which is its worker's alone
    read = [path.format(**{"slug": theirs.slug, **names}) for method, path, _name in calls() if method == "get"]
    assert {path for path in read if there.get(path).status_code == 404} == {
        f"/api/v1/assignments/{names['assignment_id']}/",
        f"/api/v1/tasks/{names['task_id']}/gold/",
    }


def test_no_page_shows_or_changes_what_is_another_projects() -> None:
    owner = person("owner-of-another")
    own = services.create_project(owner=owner, name="Own", categories=["cat", "dog"])
    theirs, names = full_project(person("their-owner"))
    browser, there = Client(), Client()
    browser.force_login(owner)
    there.force_login(theirs.owner)
    before = everything()
    looked = {rest: browser.get(f"/projects/{own.slug}/{rest}").status_code for rest in pages(names)}
    assert {rest: code for rest, code in looked.items() if code not in {404, 405}} == {}
    pressed = {rest: browser.post(f"/projects/{own.slug}/{rest}").status_code for rest in pages(names)}
    assert {rest: code for rest, code in pressed.items() if code not in {302, 404, 405}} == {}
    assert everything() == before
    # That of a version shows files that this one has not.
    there_is = [rest for rest in pages(names) if not rest.startswith(("models/", "training/insights/"))]
    seen = {rest: there.get(f"/projects/{theirs.slug}/{rest}").status_code for rest in there_is}
    assert {rest: code for rest, code in seen.items() if code not in {200, 302, 405}} == {}
