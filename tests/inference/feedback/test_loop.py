"""What closes the loop between two trainings."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from PIL import Image as Picture

from inference.engine import runtime
from inference.engine.engine import Answer
from inference.engine.routing import VersionRef, routes
from inference.feedback import backlog, loop
from inference.models import Deployment, Drift, Sample, Traffic
from inference.monitoring import drift, stored_reference
from inference.monitoring.traffic import LOOKED, TOGETHER, recorder
from tests.inference.serving import DIM, URL, ask
from training.learning.files import read_arrays, write_arrays
from training.models import ImageTrait, TrainingPolicy, TrainingRun


def test_one_project_whose_loop_breaks_does_not_keep_the_others_from_theirs(project, champion, caplog) -> None:
    Deployment.objects.create(project=project, retention_days=2_000_000_000)  # no calendar goes back so far
    loop.close_all()
    assert "its loop could not be closed" in caplog.text


def test_an_archived_project_answers_and_keeps_scores_and_labels_nothing(
    api, project, champion, add_images, monkeypatch
) -> None:
    add_images(range(3))
    api.patch(URL + "serving/", {"sample_rate": 1.0, "auto_label": True}, format="json")
    routes.forget()
    monkeypatch.setattr("random.random", lambda: 0.0)
    assert ask(api, 50).status_code == 200
    kept = Sample.objects.get()
    assert backlog.due_projects() == [project.pk]
    assert api.post(f"/api/v1/projects/{project.slug}/archive/").status_code == 200
    assert ask(api, 51).status_code == 200
    assert Sample.objects.get() == kept
    assert backlog.due_projects() == []
    for part in ("_judge", "_look_for_drift"):
        monkeypatch.setattr(loop, part, pytest.fail)
    monkeypatch.setattr(loop.autolabel, "step", pytest.fail)
    Sample.objects.update(created_at=timezone.now() - timedelta(days=31))
    loop.close(project.pk)
    assert not Sample.objects.exists(), "what strangers sent goes when its time is over, archived or not"


def test_its_keys_are_still_made_and_revoked(api, project, champion) -> None:
    api.post(f"/api/v1/projects/{project.slug}/archive/")
    made = api.post(URL + "keys/", {"name": "shop"}, format="json")
    assert made.status_code == 201
    assert api.post(f"{URL}keys/{made.json()['id']}/rotate/").status_code == 201
    assert api.delete(f"{URL}keys/{made.json()['id']}/").status_code == 204
    assert api.patch(URL + "serving/", {"sample_rate": 1.0}, format="json").status_code == 409


def trained_on(champion, images):
    """The version was trained on these images, and its summary says so."""
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    assert stored_reference.ensure_reference(champion) is not None


def test_requests_unlike_the_training_images_raise_the_drift_of_the_day(
    api, project, champion, add_images, monkeypatch
) -> None:
    trained_on(champion, add_images(range(60)))
    Deployment.objects.create(project=project, drift_trains=True)
    begun = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: begun)  # Drift is of a day, and a midnight may come in between
    for seed in range(55):
        ask(api, seed)
    recorder.flush()
    loop.close(project.pk)
    calm = Drift.objects.get()
    assert not calm.is_alarm
    assert not TrainingPolicy.objects.exists()
    with monkeypatch.context() as patch:
        patch.setattr(drift, "chance_limit", pytest.fail)  # 200 draws: not while nobody asks
        loop.close(project.pk)
    Traffic.objects.all().delete()
    white = io.BytesIO()
    Picture.new("RGB", (40, 40), "white").save(white, "PNG")
    storm = []
    for count in (drift.LEAST - 1, 57 - drift.LEAST):
        for _ in range(count):
            api.post(URL + "predict/", {"image": io.BytesIO(white.getvalue())}, format="multipart")
        recorder.flush()
        loop.close(project.pk)
        storm.append(Drift.objects.get())
    few, stormy = storm
    assert (few.is_alarm, stormy.is_alarm) == (False, True)
    assert few.feature_distance > 2 * few.feature_limit  # so few may well be so
    assert stormy.feature_distance > calm.feature_distance
    policy = TrainingPolicy.objects.get()
    assert policy.drift_at is not None
    assert "unlike those learned (56)" in policy.drift_reason
    TrainingRun.objects.create(project=project, snapshot=champion.run.snapshot, cause="drift", state="succeeded")
    TrainingPolicy.objects.update(drift_at=None)
    loop.close(project.pk)
    assert TrainingPolicy.objects.get().drift_at is None, "or each label more that day would start a run"


def test_a_few_strangers_among_the_requests_give_the_alarm(project, champion, add_images, monkeypatch) -> None:
    trained_on(champion, add_images(range(60)))
    ref = VersionRef.of(champion)
    reference = stored_reference.reference_of(ref)
    assert reference is not None
    begun = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: begun)
    learned = np.rint(reference.class_shares * 60).astype(int)
    probabilities = np.eye(len(ref.categories))[np.repeat(np.arange(len(learned)), learned)]
    asked = reference.points[np.arange(len(probabilities)) % 60] * 100
    asked[:12] *= -1  # as far from all training images as any can be
    recorder.answered(Answer(ref, ref.categories, probabilities, asked, 0.01), project.slug)
    recorder.flush()
    monkeypatch.setattr(drift, "FAR", np.inf)  # the distance of these is large, too
    loop.close(project.pk)
    day = Drift.objects.get()
    assert day.novel_share == 12 / 60
    assert day.novel_limit == drift.novel_limit(60, 60) < day.novel_share
    assert day.class_psi < drift.PSI_ALARM
    assert day.is_alarm


def test_of_very_many_requests_some_are_looked_at_for_strangers(project, champion, add_images) -> None:
    trained_on(champion, add_images(range(60)))
    ref = VersionRef.of(champion)
    reference = stored_reference.reference_of(ref)
    assert reference is not None
    probabilities = np.eye(len(ref.categories))[np.zeros(60, int)]
    for _ in range(10):
        recorder.answered(Answer(ref, ref.categories, probabilities, -reference.points[:60], 0.01), project.slug)
    recorder.flush()
    moments = Traffic.objects.get().moments
    assert (moments["count"], moments["looked"], moments["novel"]) == (600, LOOKED, LOOKED)


@pytest.mark.parametrize("left", [0, 100, -1])
def test_a_damaged_summary_of_the_training_images_costs_no_answer_and_is_made_again(
    api, project, champion, add_images, settings, left: int
) -> None:
    images = add_images(range(20))
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    assert stored_reference.ensure_reference(champion) is not None
    path = settings.DATA_DIR / champion.artifact / stored_reference.FILE
    path.write_bytes(path.read_bytes()[:left])
    runtime.engine.cache_clear()
    assert {ask(api, seed).status_code for seed in range(TOGETHER)} == {200}
    assert recorder.flush() == 1
    assert stored_reference.ensure_reference(champion) is not None
    loop.close(project.pk)


def test_what_was_summed_beside_an_older_releases_summary_is_no_drift_from_the_one_made_anew(
    api, project, champion, add_images, settings
) -> None:
    trained_on(champion, add_images(range(60)))
    for seed in range(drift.LEAST + 5):
        ask(api, seed)
    recorder.flush()
    row = Traffic.objects.get()
    row.moments["sums"] = [100 * one for one in row.moments["sums"]]  # along other axes
    row.save()
    path = settings.DATA_DIR / champion.artifact / stored_reference.FILE
    write_arrays(path, {name: array for name, array in read_arrays(path).items() if name != "middle"})
    runtime.engine.cache_clear()
    loop.close(project.pk)
    assert stored_reference.ensure_reference(champion) is not None
    assert not Drift.objects.filter(is_alarm=True).exists()


def test_the_summary_averages_maps_and_keeps_one_of_near_duplicates(project, champion, add_images, settings) -> None:
    images = add_images(range(20))
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    for image in images[:5]:
        ImageTrait.objects.create(image=image, project=project, look=b"", group=images[0].sha256)
    facts = settings.DATA_DIR / "trunks" / "tiny-0000" / "trunk.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"shape": [2, DIM // 2]}))
    runtime.engine.cache_clear()
    reference = stored_reference.ensure_reference(champion)
    assert reference is not None
    assert reference.points.shape == (16, DIM // 2)
    assert len(set(reference.image_ids) & {image.pk for image in images[:5]}) == 1
