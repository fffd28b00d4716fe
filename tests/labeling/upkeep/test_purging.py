"""A deleted project is out of sight at once; its rows go in batches, whatever is killed, and hold nobody up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Consensus, Image, Judgment, Membership, Project, Task
from labeling.upkeep import purging
from tests.labeling.conftest import claim, client, person
from training.models import ImageTrait


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)


@pytest.mark.django_db
def test_a_deleted_project_is_out_of_sight_before_any_row_is_gone(project: Project) -> None:
    worker = person("worker")
    services.join_by_invite(invite=project.invite, user=worker)
    api, labels = client(project.owner), client(worker)
    claimed = labels.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    job = services.start_export(project=project, user=project.owner, into="csv")
    images = Image.objects.filter(project=project).count()
    assert api.delete(f"/api/v1/projects/{project.slug}/").status_code == 204
    assert Image.objects.filter(project=project).count() == images
    for path in ("", "images/", "tasks/", "labels/", "stats/"):
        assert api.get(f"/api/v1/projects/{project.slug}/{path}").status_code == 404
    hidden = Project.with_deleted.get(pk=project.pk)
    for path in (f"projects/{hidden.slug}/", f"jobs/{job.pk}/"):
        assert api.get(f"/api/v1/{path}").status_code == 404
    assert api.get("/api/v1/projects/").json()["results"] == []
    body = {"answers": {"category": "cat"}}
    answered = labels.post(f"/api/v1/assignments/{claimed['id']}/judgment/", body, format="json")
    assert answered.status_code == 404
    assert not Judgment.objects.exists()
    assert not Membership.objects.filter(user=worker).exists()


@pytest.mark.django_db
def test_the_address_is_free_at_once_and_a_second_deletion_does_nothing(project: Project) -> None:
    old = Project.objects.get(pk=project.pk)
    services.delete_project(project=project)
    services.delete_project(project=old)
    again = services.create_project(owner=old.owner, name=old.name, categories=["cat"], slug=old.slug)
    assert again.slug == old.slug
    assert Project.objects.get() == again


@pytest.mark.django_db
def test_a_process_killed_between_two_batches_leaves_the_rest_to_the_next(
    project: Project, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.delete_project(project=project)
    batch, done = purging._batch, []

    def dies(project_id: int, last: int) -> int:
        if done:
            raise KeyboardInterrupt
        done.append(project_id)
        return batch(project_id, last)

    with monkeypatch.context() as patched:
        patched.setattr(purging, "_batch", dies)
        with pytest.raises(KeyboardInterrupt):
            purging.run()
    left = Image.objects.filter(project=project).count()
    assert left > 0
    assert Project.with_deleted.filter(pk=project.pk).exists()
    assert purging.run() == 1
    assert not Image.objects.filter(project=project).exists()
    assert not Task.objects.filter(project=project).exists()
    assert not Project.with_deleted.filter(pk=project.pk).exists()


@pytest.mark.django_db
def test_another_project_keeps_its_rows(project: Project, make_project: Callable[..., Project]) -> None:
    other = make_project(name="Others")
    held = Task.objects.filter(project=other).count()
    services.delete_project(project=project)
    assert purging.run() == 1
    assert purging.run() == 0
    assert Task.objects.filter(project=other).count() == held


@pytest.mark.django_db
def test_what_other_rooms_and_people_hung_on_an_image_goes_with_it(project: Project, worker: User) -> None:
    image = Image.objects.filter(project=project).order_by("pk")[0]
    ImageTrait.objects.create(project=project, image=image, look=b"", group="g")
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"}, seconds=1)
    services.delete_project(project=project)
    assert purging.run() == 1
    for rows in (Image, Task, Assignment, Judgment, Consensus, ImageTrait):
        assert not rows.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_rows_that_another_process_deletes_are_left_to_it(make_project: Callable[..., Project]) -> None:
    project = make_project(images=3)
    services.delete_project(project=project)
    found: list[Any] = []

    def other() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            found.append(purging.run())
        finally:
            connections.close_all()

    with transaction.atomic():
        first = Image.objects.filter(project_id=project.pk).order_by("pk").select_for_update()[:1].get()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert found == [0]
        assert list(Image.objects.filter(project_id=project.pk)) == [first]
    assert purging.run() == 1


@pytest.mark.django_db
def test_nobody_claims_or_changes_what_is_deleted(project: Project) -> None:
    worker = person("worker")
    row = Project.objects.get(pk=project.pk)
    services.delete_project(project=project)
    with pytest.raises((CrowdtuneError, Project.DoesNotExist)):
        services.change_project(project=row, user=row.owner, name="Back")
    with pytest.raises((CrowdtuneError, Project.DoesNotExist)):
        services.join_by_invite(invite=row.invite, user=worker)
