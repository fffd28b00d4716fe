"""An archived project rests: it is read, and nothing in it changes until it is opened again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, AuditEntry, Job, Membership, Project, Task
from tests.labeling.conftest import answer, claim, client, person
from training.models import Snapshot, TrainingRun

pytestmark = pytest.mark.django_db


def call(user: User, project: Project, verb: str) -> Any:
    return client(user).post(f"/api/v1/projects/{project.slug}/{verb}/")


@pytest.fixture
def archived(project: Project, owner: User) -> Project:
    assert call(owner, project, "archive").status_code == 200
    return Project.objects.get(pk=project.pk)


def page(user: User, path: str) -> Any:
    browser = Client()
    browser.force_login(user)
    return browser.get(path)


def test_leases_end_and_an_answer_that_comes_later_is_refused_in_words(
    project: Project, worker: User, owner: User
) -> None:
    held = claim(project, worker)
    call(owner, project, "archive")
    held.refresh_from_db()
    assert held.state == Assignment.State.EXPIRED
    api = client(worker)
    for _way in range(2):  # the long one, then the short one, since the key has been used by now
        sent = api.post(f"/api/v1/assignments/{held.pk}/judgment/", {"answers": {"category": "cat"}}, format="json")
        assert (sent.status_code, sent.json()["error"]["code"]) == (409, "project_archived")
        claimed = api.post(f"/api/v1/projects/{project.slug}/assignments/")
        assert (claimed.status_code, claimed.json()["error"]["code"]) == (409, "project_archived")
    assert not Task.objects.filter(project=project, judgment_count__gt=0).exists()


def test_a_skip_that_comes_later_changes_nothing(project: Project, worker: User, owner: User) -> None:
    held = claim(project, worker)
    services.archive_project(project=project, user=owner)
    with pytest.raises(CrowdtuneError, match="archived"):
        services.skip_assignment(assignment_id=held.pk, worker=worker)
    held.refresh_from_db()
    assert held.state == Assignment.State.EXPIRED
    assert not Membership.objects.filter(project=project, skip_count__gt=0).exists()


def test_no_job_begins_in_a_project_that_was_archived_since_it_was_read(project: Project, owner: User) -> None:
    services.archive_project(project=project, user=owner)
    assert project.archived_at is None, "as a request holds it that began before"
    file = SimpleUploadedFile("answers.csv", b"file,answer")
    with pytest.raises(CrowdtuneError, match="archived"):
        services.import_judgments(project=project, file=file, user=owner)
    assert not Job.objects.exists()
    services.start_export(project=project, into="csv", user=owner)


def test_an_answer_is_neither_taken_back_nor_an_appeal_heard(project: Project, worker: User, owner: User) -> None:
    answer(project, worker)
    member = Membership.objects.get(project=project, user=worker)
    services.pause_worker(member=member, because="Too fast.")
    services.archive_project(project=project, user=owner)
    now = Project.objects.get(pk=project.pk)
    with pytest.raises(CrowdtuneError, match="archived"):
        services.undo_last(project=now, worker=worker)
    with pytest.raises(CrowdtuneError, match="archived"):
        services.appeal_pause(member=Membership.objects.get(pk=member.pk), text="I was not.")


def test_workers_are_not_offered_it_and_who_has_its_address_is_told(archived: Project, worker: User) -> None:
    assert archived.name not in page(worker, "/label/").content.decode()
    shown = page(worker, f"/label/{archived.slug}/")
    assert shown.status_code == 409
    assert "This project is archived" in shown.content.decode()
    assert page(person("nora"), f"/join/{archived.invite}/").status_code == 404
    browser = Client()
    browser.force_login(person("otto"))
    Project.objects.filter(pk=archived.pk).update(access=Project.Access.OPEN)
    assert browser.post(f"/label/{archived.slug}/start/").status_code == 302
    assert not Membership.objects.filter(user__username="otto").exists()


def test_lists_hide_it_behind_a_filter(archived: Project, owner: User, make_project: Callable[..., Project]) -> None:
    other = make_project(name="At work")
    api = client(owner)

    def listed(query: str) -> list[str]:
        return [row["slug"] for row in api.get(f"/api/v1/projects/{query}").json()["results"]]

    assert listed("") == listed("?is_archived=false") == [other.slug]
    assert listed("?is_archived=true") == [archived.slug]
    assert api.get(f"/api/v1/projects/{archived.slug}/").json()["archived_at"] is not None
    shown = page(owner, "/projects/").content.decode()
    assert f"/projects/{archived.slug}/" not in shown
    assert "1 archived" in shown
    shown = page(owner, "/projects/?archived").content.decode()
    assert f"/projects/{archived.slug}/" in shown
    assert f"/projects/{other.slug}/" not in shown


def test_its_pages_say_so_and_refuse_what_would_change_it(archived: Project, owner: User) -> None:
    browser = Client()
    browser.force_login(owner)
    overview = browser.get(f"/projects/{archived.slug}/").content.decode()
    assert "This project is archived" in overview
    assert overview.count('<li class="good">') == overview.partition('class="todo"')[2].count("<li") == 1
    assert "data-upload" not in browser.get(f"/projects/{archived.slug}/images/").content.decode()
    refused = browser.post(f"/projects/{archived.slug}/settings/", {"name": "Other"})
    assert refused.status_code == 403
    assert "nothing changes in it" in refused.content.decode()
    assert browser.post(f"/projects/{archived.slug}/labels/export/", {"format": "csv"}).status_code == 302
    assert Job.objects.filter(project=archived, kind="export").exists()


def test_its_webhooks_which_are_told_of_exports_still_can_be_turned_off_and_removed(
    project: Project, owner: User
) -> None:
    one, two = (
        services.add_webhook(project=project, user=owner, url=f"https://example.org/{name}") for name in ("one", "two")
    )
    assert call(owner, project, "archive").status_code == 200
    browser = Client()
    browser.force_login(owner)
    assert browser.post(f"/projects/{project.slug}/settings/webhooks/{one.pk}/", {"action": "off"}).status_code == 302
    address = f"/api/v1/projects/{project.slug}/webhooks/{two.pk}/"
    assert client(owner).patch(address, {"is_active": False}, format="json").status_code == 200
    assert not project.webhooks.filter(is_active=True).exists()
    assert client(owner).delete(address).status_code == 204


def test_it_opens_again_as_it_was_and_the_log_tells(archived: Project, worker: User, owner: User) -> None:
    assert call(owner, archived, "reopen").json()["archived_at"] is None
    answer(archived, worker)
    assert call(owner, archived, "reopen").status_code == 200  # which changes nothing more
    told = AuditEntry.objects.filter(project=archived, action__in=["archived", "unarchived"]).order_by("pk")
    assert list(told.values_list("action", flat=True)) == ["archived", "unarchived"]


def test_a_job_under_way_is_waited_for_and_a_training_run_is_cancelled(project: Project, owner: User) -> None:
    question = project.primary_question()
    assert question is not None
    snapshot = Snapshot.objects.create(
        project=project, question=question, digest="0" * 64, categories=[], counts={}, item_count=0
    )
    run = TrainingRun.objects.create(project=project, snapshot=snapshot, cause="new_labels", backbone="auto")
    job = Job.objects.create(project=project, kind="import_images")
    refused = call(owner, project, "archive")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "jobs_live")
    job.state = Job.State.SUCCEEDED
    job.save()
    assert call(owner, project, "archive").status_code == 200
    run.refresh_from_db()
    assert run.state == TrainingRun.State.CANCELLED


def test_what_the_platform_does_by_itself_it_does_for_projects_at_work_alone(
    project: Project, make_project: Callable[..., Project]
) -> None:
    other = make_project(name="At work")
    assert set(Project.objects.at_work()) == {project, other}
    Project.objects.filter(pk=project.pk).update(archived_at=timezone.now())
    assert set(Project.objects.at_work()) == {other}
