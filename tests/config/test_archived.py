"""An archived project is read-only: by every call of the schema, and by every form of its pages."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from labeling.models import Assignment, Project
from tests import ROOT
from tests.config.test_others_ids import BODIES, addresses, everything, filled, full_project
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db

# What is still taken, since it changes nothing that the project holds, or ends what others have in it.
TAKEN = {
    "archive_project", "copy_project", "delete_project", "hand_over_project", "reopen_project",
    "explain", "predict", "predict_batch", "start_export", "model_download", "v2_models_infer_create",
    "v2_models_versions_infer_create",
    "key_make", "key_revoke", "key_rotate", "sample_delete", "remove_worker",
    "cancel_job", "training_runs_cancel", "release_assignment", "change_webhook", "remove_webhook",
    "replace_webhook_secret", "send_again",
}  # fmt: skip
TAKEN_PAGES = {
    "labels/export/", "playground/", "serving/answers/", "serving/download/", "settings/archive/", "settings/copy/",
    "settings/danger/", "settings/keys/", "settings/keys/<int:pk>/", "settings/owner/", "settings/survey/preview/",
    "settings/webhooks/<int:pk>/", "jobs/<uuid:pk>/cancel/",
}  # fmt: skip


@pytest.fixture
def archived() -> tuple[Project, dict[str, Any]]:
    project, names = full_project(person("olga"))
    Assignment.objects.update(state=Assignment.State.EXPIRED)  # as archiving ends leases
    Project.objects.update(archived_at=timezone.now())
    return project, names


def test_every_call_that_would_change_an_archived_project_is_refused(archived: tuple[Project, dict[str, Any]]) -> None:
    project, names = archived
    owner, worker = client(project.owner), client(User.objects.get(username="their-worker"))
    schema = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    before, taken = everything(), {}
    for path, methods in schema["paths"].items():
        for method, call in methods.items():
            name = call["operationId"]
            if method == "get" or name in TAKEN or not {"slug", *names} & set(path.replace("}", "{").split("{")):
                continue
            api = worker if "/assignments/{" in path else owner
            answer = getattr(api, method)(path.format(slug=project.slug, **names), BODIES.get(name, {}), format="json")
            if answer.status_code != 409 or answer.json()["error"]["code"] != "project_archived":
                taken[name] = (method, path, answer.status_code, answer.content[:200])
    assert taken == {}
    assert everything() == before


def test_every_form_that_would_change_an_archived_project_is_refused(archived: tuple[Project, dict[str, Any]]) -> None:
    project, names = archived
    browser = Client()
    browser.force_login(project.owner)
    before = everything()
    looked = {
        path: browser.post(f"/projects/{project.slug}/{filled(path, names)}").status_code
        for path in addresses() - TAKEN_PAGES
    }
    assert {path: code for path, code in looked.items() if code not in {403, 405}} == {}
    assert everything() == before
