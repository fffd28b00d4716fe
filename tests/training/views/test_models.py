"""The pages of versions: lists, cards, downloads, and which one answers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from labeling.files import storage
from labeling.models import Image, Project
from training.models import ModelVersion, Snapshot, TrainingRun
from training.views.models import download


def test_the_models_page_shows_versions_with_interval_and_decision(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/models/").content.decode()

    assert "First model" in page
    assert f"{100 * version.metrics['top1']:.1f}" in page
    assert "Champion" in page
    assert "Download version 1" in page
    assert '<ol class="training-log" tabindex="0" aria-labelledby="changes">' in page  # a long one scrolls, by keys too


def test_large_numbers_of_images_are_grouped(owner: Client, version: ModelVersion) -> None:
    Snapshot.objects.update(item_count=12345)
    for page in ("models/", f"training/runs/{version.run_id}/"):
        assert "12,345" in owner.get(f"/projects/shapes/{page}").content.decode()


def test_a_versions_page_says_what_its_figures_mean(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/models/1/").content.decode()
    for told in ("Precision: of the images", "rare ones count as much", "knows by heart", "how often it is right"):
        assert told in page


def test_each_figure_says_how_far_chance_may_reach(owner: Client, version: ModelVersion) -> None:
    """Also in the card that travels with the version; one of before has figures alone."""
    page = owner.get("/projects/shapes/models/1/").content.decode()
    low, high = version.metrics["macro_f1_interval"]
    row = version.metrics["per_class"]["square"]
    reach = [f"{100 * end:.0f}\u202f%" for end in row["recall_interval"]]

    assert f"95 % interval {low:.2f} to {high:.2f}" in page
    assert f'<abbr title="95 % interval">{reach[0]} – {reach[1]}</abbr>' in page
    assert f"by chance alone it would be up to {100 * version.metrics['ece_by_chance']:.1f}\u202f% on " in page
    assert "In brackets: 95 % intervals." in page
    for ece, is_chance in ((version.metrics["ece_by_chance"], True), (version.metrics["ece_by_chance"] + 0.01, False)):
        ModelVersion.objects.update(metrics=version.metrics | {"ece": ece})
        told = f"by chance up to {100 * version.metrics['ece_by_chance']:.0f}\u202f%"
        assert (told in owner.get("/projects/shapes/models/").content.decode()) == is_chance
    assert f"macro F1 {version.metrics['macro_f1']:.3f} ({low:.2f} to {high:.2f})" in page
    assert f"| {row['recall']:.3f} ({row['recall_interval'][0]:.2f} to {row['recall_interval'][1]:.2f}) |" in page

    for name in ("macro_f1_interval", "top5_interval", "ece_by_chance"):
        del version.metrics[name]
    version.metrics["per_class"]["square"] = {name: row[name] for name in ("precision", "recall", "f1", "count")}
    version.manifest["metrics"] = version.metrics
    version.save()
    page = owner.get("/projects/shapes/models/1/").content.decode()
    assert f"{100 * row['recall']:.1f}\u202f%</td>" in page
    assert "In brackets" not in page


@pytest.mark.parametrize(
    "address",
    [
        "/projects/shapes/models/", "/projects/shapes/training/", "/projects/shapes/training/summary/",
        "/projects/shapes/serving/", "/api/v1/projects/shapes/models/", "/api/v1/projects/shapes/training-runs/",
        "/api/v1/projects/shapes/serving/",
    ],
)  # fmt: skip
def test_lists_leave_what_grows_with_the_categories_in_the_database(
    address: str, owner: Client, version: ModelVersion
) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert owner.get(address).status_code == 200
    lists = [query["sql"] for query in asked if not query["sql"].endswith(" LIMIT 1")]
    whole = [sql for sql in lists if re.search(r'"(metrics|manifest|history)"(,|$)', sql.partition(" FROM ")[0])]
    assert not whole


def test_the_model_card_travels_with_the_download(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/models/1/").content.decode()
    archive: Any = owner.get("/projects/shapes/models/1/download/")

    assert "<h3>Where not to trust it</h3>" in page
    assert "## Where not to trust it" in page
    content = b"".join(archive.streaming_content)
    for name in (b"manifest.json", b"head.npz", b"MODEL_CARD.md", b"trunk/trunk.xml"):
        assert name in content


@pytest.mark.usefixtures("version")
def test_a_download_is_packed_into_a_file_and_not_into_memory(project: Project) -> None:
    request: Any = RequestFactory().get("/")
    request.user = project.owner

    answer: Any = download(request, "shapes", 1)

    assert os.fstat(answer.file_to_stream.fileno()).st_size == int(answer["Content-Length"]) > 10_000
    answer.close()


def test_a_version_whose_files_are_gone_says_so_instead_of_an_empty_download(
    owner: Client, version: ModelVersion
) -> None:
    (settings.DATA_DIR / version.artifact).rename(settings.DATA_DIR / "elsewhere")
    try:
        page = owner.get("/projects/shapes/models/1/download/")
    finally:
        (settings.DATA_DIR / "elsewhere").rename(settings.DATA_DIR / version.artifact)

    assert page.status_code == 404
    assert "not on this server any more" in page.content.decode()


def copy_of(version: ModelVersion) -> ModelVersion:
    """Version 2: the same again."""
    project = version.project
    return ModelVersion.objects.create(
        project=project,
        run=TrainingRun.objects.create(
            project=project,
            snapshot=version.run.snapshot,
            cause="person",
            state="succeeded",
            backbone="crowdtune_small",
        ),
        number=2,
        categories=version.categories,
        metrics=version.metrics,
        manifest=version.manifest,
        artifact=version.artifact,
    )


@pytest.mark.parametrize("page", ["/projects/shapes/models/", "/projects/shapes/models/2/"])
def test_a_click_makes_a_version_challenger_and_another_withdraws_it(
    page: str, owner: Client, version: ModelVersion
) -> None:
    second, address = copy_of(version), "/projects/shapes/models/2/challenge/"

    assert owner.get(page).content.decode().count("Make challenger") == 1
    assert "Version 2 is the challenger now." in owner.post(address, follow=True).content.decode()
    second.refresh_from_db()
    assert second.alias == "challenger"

    shown = owner.get(page).content.decode()
    assert 'name="do" value="withdraw"' in shown
    assert "Make challenger" not in shown
    assert "is the challenger no longer" in owner.post(address, {"do": "withdraw"}, follow=True).content.decode()
    second.refresh_from_db()
    assert second.alias == ""
    assert "is not the challenger" in owner.post(address, {"do": "withdraw"}, follow=True).content.decode()


def test_promote_and_roll_back_by_one_click(owner: Client, version: ModelVersion) -> None:
    second = copy_of(version)

    owner.post("/projects/shapes/models/2/promote/")
    second.refresh_from_db()
    assert second.alias == "champion"
    assert "Roll back to version 1" in owner.get("/projects/shapes/models/").content.decode()

    owner.post("/projects/shapes/models/rollback/")
    version.refresh_from_db()
    assert version.alias == "champion"


def test_a_versions_page_leads_to_its_answers_for_all_images_by_one_press(
    owner: Client, project: Project, version: ModelVersion, run_actors: Callable[[], int]
) -> None:
    page = owner.get("/projects/shapes/models/1/").content.decode()
    action = "/projects/shapes/serving/answers/"
    assert re.search(rf'action="{action}">.*?name="version" value="1"', page)
    ready = owner.post(action, {"version": 1}).headers["Location"]
    run_actors()
    rows = storage.read(project.jobs.get(kind="predict").result["file"]).decode().splitlines()[1:]
    assert len(rows) == Image.objects.filter(project=project).count()
    assert "shapes-answers.csv" in owner.get(ready).content.decode()
