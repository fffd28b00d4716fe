"""Who may see a job and what came of it: whoever may still start one like it, on the pages as over the API."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.models import Job, Membership, Project
from tests.labeling.conftest import client, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita(project: Project) -> User:
    user = person("rita")
    services.add_member(project=project, username="rita", role="reviewer")
    return user


def made(project: Project, user: User, kind: str) -> Job:
    result = {"file": f"exports/{kind}.zip"}
    return Job.objects.create(project=project, kind=kind, requested_by=user, state="succeeded", result=result)


def test_a_reviewer_sees_the_export_that_was_asked_for_until_the_role_ends(project: Project, rita: User) -> None:
    address = f"/api/v1/jobs/{made(project, rita, 'export').pk}/"
    assert "exports/export.zip" in client(rita).get(address).json()["result"]["url"]
    member = Membership.objects.get(user=rita)
    services.change_member(member=member, role="worker", by=project.owner)
    assert client(rita).get(address).status_code == 404
    services.remove_member(member=member, by=project.owner)
    assert client(rita).get(address).status_code == 404
    assert client(rita).post(f"{address}cancel/").status_code == 404


def test_a_key_for_predictions_alone_opens_no_export_of_its_owner(project: Project) -> None:
    address = f"/api/v1/jobs/{made(project, project.owner, 'export').pk}/"
    assert client(project.owner, scopes=("predict", "label")).get(address).status_code == 404
    assert client(project.owner, scopes=("manage",)).get(address).status_code == 200


@pytest.mark.parametrize("kind", ["download", "predict"])
def test_what_a_model_made_is_not_among_a_reviewers_jobs(project: Project, rita: User, kind: str) -> None:
    job = made(project, project.owner, kind)
    pages = [f"/projects/{project.slug}/{path}" for path in ("jobs/", f"jobs/{job.pk}/", "images/")]
    reader, owning = Client(), Client()
    reader.force_login(rita)
    owning.force_login(project.owner)
    assert not any(f"exports/{kind}.zip" in reader.get(page).content.decode() for page in pages)
    assert all(f"exports/{kind}.zip" in owning.get(page).content.decode() for page in pages[:2])


def test_a_list_of_jobs_has_the_first_few_that_each_refused_and_the_number_of_all(project: Project) -> None:
    told = [{"item": f"{number}.png", "code": "bad", "message": "Not a picture."} for number in range(30)]
    made(project, project.owner, "export")
    Job.objects.create(project=project, kind="import_images", errors=told, result={"refused": 30})
    listed = client(project.owner).get(f"/api/v1/projects/{project.slug}/jobs/").json()["results"]
    assert [(job["errors"], job["result"].get("refused")) for job in listed] == [(told[:10], 30), ([], None)]
    assert client(project.owner).get(f"/api/v1/jobs/{listed[0]['id']}/").json()["errors"] == told
