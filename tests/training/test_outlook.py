"""What more labels would bring a version: measured after it is live, and said where its figures are."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from labeling.models import Project
from tests.training.drawing import labeled_project
from training import outlook, plots, services
from training.models import ModelVersion


def test_a_version_says_what_more_labels_would_bring(db: None, run_actors: Callable[[], int]) -> None:
    project = labeled_project(count=180)
    services.request_run(project=project, cause="person")
    run_actors()

    version = ModelVersion.objects.get()
    found = version.metrics["learning_curve"]
    learned = sum(sum(version.run.snapshot.counts[side].values()) for side in ("train", "validation"))
    assert [point["images"] for point in found["points"]][-1] == learned
    assert found["points"][-1]["error"] == pytest.approx(version.metrics["top1_error"])  # it is the version's head
    said = plots.outlook(found)
    folder = settings.DATA_DIR / version.artifact
    assert json.loads((folder / "manifest.json").read_text()) == version.manifest
    assert "Error by images learned" in (folder / "MODEL_CARD.md").read_text()

    outlook.measure(version.pk)  # a message that comes twice
    assert ModelVersion.objects.get().metrics["learning_curve"] == found
    browser = Client()
    browser.force_login(project.owner)
    page = browser.get(f"/projects/{project.slug}/models/1/").content.decode()
    assert "What more labels bring" in page
    assert said in page
    assert browser.get(f"/api/v1/projects/{project.slug}/models/1/").json()["metrics"]["learning_curve"] == found


def page_of(version: ModelVersion) -> str:
    browser = Client()
    browser.force_login(version.project.owner)
    page: str = browser.get(f"/projects/{version.project.slug}/models/{version.number}/").content.decode()
    return page[page.index("<h2>What more labels bring</h2>") :]


def test_a_version_of_few_images_says_how_many_it_takes(project: Project, run_actors: Callable[[], int]) -> None:
    services.request_run(project=project, cause="person")
    run_actors()

    version = ModelVersion.objects.get()
    assert "learning_curve" not in version.metrics
    counts = version.run.snapshot.counts
    learned, held_out = (
        sum(sum(counts[side].values()) for side in sides) for sides in (("train", "validation"), ("test",))
    )
    assert learned >= 32  # it is for want of held-out ones
    assert (
        "from 32 learned images (16 for each category) and 20 held-out ones on; here are"
        f" {learned} and {held_out}. Let the crowd label more" in page_of(version)
    )


def test_a_version_that_has_no_curve_for_another_reason_says_it(
    project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    services.request_run(project=project, cause="person")
    run_actors()
    version = ModelVersion.objects.get()

    version.manifest["counts"]["test"] = {"circle": 15, "square": 15}
    version.save()
    assert "measured in the background" in page_of(version)
    version.created_at -= timedelta(hours=2)  # of an older release, say, that did not measure it
    version.save()
    assert "not measured for this version" in page_of(version)
    version.manifest["counts"]["train"] = {"circle": 100, "square": 3}
    version.manifest["counts"]["validation"] = {"square": 4}
    version.save()
    assert "at least two categories have 8 learned images" in page_of(version)
    version.manifest["recipe"] = "fine_tuning"
    version.save()
    assert "A run by feature extraction on the same labels tells it" in page_of(version)
    version.manifest["recipe"] = "feature_extraction"
    version.save()
    monkeypatch.setattr(outlook, "MOST_IMAGES", 10)
    assert "with more than 10 labeled images" in page_of(version)


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "from 12.0 % to 10.0 % (95 % interval 8.0 % to 11.5 %)"),
        ("little", "bring little: the error is at 12.0 %"),
        ("unknown", "too few to tell"),
    ],
)
def test_no_more_is_promised_than_the_curve_shows(verdict: str, said: str) -> None:
    points = [{"images": n, "error": e, "interval": [e - 0.02, e + 0.02]} for n, e in ((50, 0.14), (100, 0.12))]
    found = {"points": points, "verdict": verdict, "twice": {"images": 200, "error": 0.1, "interval": [0.08, 0.115]}}

    assert said in plots.outlook(found).replace("\u202f", " ")
    drawn = plots.learning_curve(found)
    assert ("200" in [row[0] for row in drawn.rows]) == (verdict == "better")
