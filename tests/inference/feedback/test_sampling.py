"""Pictures of requests that are kept on purpose."""

from __future__ import annotations

import hashlib
import io
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from inference.engine.engine import Answer
from inference.engine.routing import VersionRef, routes
from inference.feedback import loop, sampling
from inference.models import Deployment, Prediction, Reason, Sample
from inference.monitoring import stored_reference
from inference.monitoring.reference import NOVEL
from labeling.collecting import tasks
from labeling.files import storage
from labeling.models import DiscardedFile, Image, Job, Project, Task
from labeling.services import decide_task
from labeling.upkeep import discarding
from tests.inference.serving import CATEGORIES, DIM, URL, ask, picture
from training.models import ModelVersion


def test_nothing_is_kept_unless_somebody_turned_it_on(api, project, champion) -> None:
    ask(api)
    assert Image.objects.count() == 0


def test_kept_images_become_tasks_once_within_the_quota_and_can_be_deleted(api, project, champion) -> None:
    api.patch(URL + "serving/", {"sample_rate": 1.0, "sample_quota": 3}, format="json")
    routes.forget()
    for seed in [*range(40), 0, 1]:
        assert ask(api, seed).status_code == 200
    kept = list(Sample.objects.all())
    assert len(kept) == 3
    assert Task.objects.filter(image__in=[row.image_id for row in kept], priority__gt=1).count() == 3
    assert Prediction.objects.count() == 3
    listed = api.get(URL + "samples/").json()["results"]
    assert [row["id"] for row in listed] == [row.image_id for row in reversed(kept)]
    assert {row["sha256"] for row in listed} <= {hashlib.sha256(picture(seed)).hexdigest() for seed in range(40)}
    assert {row["model_version"] for row in listed} == {1}
    assert {row["reason"] for row in listed} <= set(Reason)
    assert all(row["url"].startswith("http://testserver/media/") for row in listed)
    assert api.delete(f"{URL}samples/{kept[0].image_id}/").status_code == 204
    assert api.delete(f"{URL}samples/{kept[0].image_id}/").status_code == 404
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    loop.close(project.pk)
    assert Sample.objects.count() == 0
    assert Image.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_keep_no_more_than_the_quota(project, champion, monkeypatch: pytest.MonkeyPatch) -> None:
    Deployment.objects.create(project=project, sample_rate=1.0, sample_quota=2)
    monkeypatch.setattr("random.random", lambda: 0.0)
    looked, has_quota, all_looked = threading.local(), sampling._has_quota, threading.Barrier(6, timeout=60)

    def after_all_looked(of: Project) -> bool:
        found = has_quota(of)
        if not hasattr(looked, "once"):
            looked.once = True
            all_looked.wait()
        return found

    monkeypatch.setattr(sampling, "_has_quota", after_all_looked)
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(partial(_keep, project, champion), range(6))) == 2
    assert Sample.objects.count() == 2
    DiscardedFile.objects.update(due_at=timezone.now())
    discarding.run()
    assert {path.stem for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()} == {
        Path(getattr(image, variant)).stem for image in Image.objects.all() for variant in discarding.VARIANTS
    }


@pytest.mark.django_db(transaction=True)
def test_no_request_waits_while_the_picture_of_another_is_stored(
    project, champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    Deployment.objects.create(project=project, sample_rate=1.0, sample_quota=9)
    monkeypatch.setattr("random.random", lambda: 0.0)
    slow, put = hashlib.sha256(picture(0)).hexdigest(), storage.put
    begun, kept = threading.Event(), threading.Event()

    def slowly(name: str, content: bytes) -> None:
        if slow in name:
            begun.set()
            kept.wait(300)
        put(name, content)

    monkeypatch.setattr(storage, "put", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(_keep, project, champion, 0)
        assert begun.wait(120)
        try:
            assert pool.submit(_keep, project, champion, 1).result(timeout=120) == 1
        finally:
            kept.set()
        assert first.result() == 1


def _keep(project: Project, champion: ModelVersion, seed: int) -> int:
    """What a request's thread does; how many of its one picture were kept."""
    answer = Answer(VersionRef.of(champion), CATEGORIES, np.full((1, 3), 1 / 3), np.zeros((1, DIM)), 0.0)
    try:
        return len(sampling.maybe_keep(project=project, answer=answer, pictures=[(0, picture(seed))], share=1.0))
    finally:
        connection.close()


@pytest.mark.parametrize(("drawn", "reason"), [(0.1, Reason.RANDOM), (0.9, Reason.UNCERTAIN)])
def test_what_is_drawn_at_random_is_drawn_before_it_is_known_to_be_unsure(
    drawn: float, reason: Reason, monkeypatch: pytest.MonkeyPatch, champion
) -> None:
    """The live accuracy is taken on what was drawn at random: of the sure ones alone it would be too high."""
    monkeypatch.setattr("random.random", lambda: drawn)
    unsure = Answer(VersionRef.of(champion), CATEGORIES, np.full((1, 3), 1 / 3), np.zeros((1, DIM), np.float32), 0.0)

    assert sampling._reason(sampling._scores(unsure, 0)) == reason


def test_what_is_unlike_the_training_images_is_kept_as_novel_sure_or_not_and_goes_before_what_is_like_them(
    project, champion, add_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    for image in add_images(range(60)):
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    reference = stored_reference.ensure_reference(champion)
    assert reference is not None
    Deployment.objects.create(project=project, sample_rate=1.0, sample_quota=9)
    monkeypatch.setattr("random.random", lambda: 0.9)
    like = reference.points.mean(axis=0)
    unlike = -like
    sure, unsure = np.array([0.98, 0.01, 0.01]), np.full(3, 1 / 3)
    features, probabilities = np.stack([like, like, unlike, unlike]), np.stack([sure, unsure, sure, unsure])
    answer = Answer(VersionRef.of(champion), CATEGORIES, probabilities, features, 0.0)
    pictures = [(index, picture(100 + index)) for index in range(4)]
    sampling.maybe_keep(project=project, answer=answer, pictures=pictures, share=1.0)
    rows = Prediction.objects.filter(image__in=Sample.objects.values("image")).order_by("id")
    assert [row.reason for row in rows] == ["uncertain", "novel", "novel"]
    assert [(row.novelty or 0) > NOVEL for row in rows] == [False, True, True]
    unsure_of, novel, both = [Task.objects.get(image=row.image_id).priority for row in rows]
    assert both > max(unsure_of, novel)
    assert novel > 1.4, "not the last, for being sure of"


def test_what_is_imported_afterwards_is_the_projects_own_and_stays(api, project, champion, run_actors) -> None:
    api.patch(URL + "serving/", {"sample_rate": 1.0}, format="json")
    routes.forget()
    seed = next(seed for seed in range(100) if ask(api, seed) and Sample.objects.exists())
    file = io.BytesIO(picture(seed))
    file.name = "mine.png"
    assert api.post(f"{URL}images/", {"files": file}, format="multipart").status_code == 202
    run_actors()
    assert Job.objects.get(kind="import_images").result["duplicates"] == 1
    assert not Sample.objects.exists()
    ask(api, seed)  # a request with it once more does not make it one again
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    loop.close(project.pk)
    assert Image.objects.count() == 1


def test_what_somebody_labels_or_imports_at_the_moment_when_it_is_to_leave_stays(
    api, project, champion, owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.patch(URL + "serving/", {"sample_rate": 1.0}, format="json")
    routes.forget()
    seed = iter(range(400))
    while Sample.objects.count() < 4:
        ask(api, next(seed))
    labeled, imported, answered, left = Image.objects.order_by("pk")
    Task.objects.filter(image=answered).update(judgment_count=1, open_slots=1)  # of several that are wanted
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    hold = tasks.hold

    def others_first(**what: Any) -> None:
        """They hold the tasks when the pictures that are to leave have been looked up."""
        monkeypatch.setattr(tasks, "hold", hold)
        decide_task(task=labeled.tasks.get(), answers={"label": "red"}, user=owner)
        Sample.objects.filter(image=imported).delete()
        hold(**what)

    monkeypatch.setattr(tasks, "hold", others_first)

    assert sampling.forget_old(project=project) == 1

    assert set(Image.objects.values_list("pk", flat=True)) == {labeled.pk, imported.pk, answered.pk}
    assert not Image.objects.filter(pk=left.pk).exists()


def test_a_full_disk_keeps_nobody_from_the_answer(api, project, champion) -> None:
    api.patch(URL + "serving/", {"sample_rate": 1.0}, format="json")
    routes.forget()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # which the system says like a full disk
    try:
        statuses = {ask(api, seed, (300, 200)).status_code for seed in range(10)}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert statuses == {200}
    assert not Sample.objects.exists()
