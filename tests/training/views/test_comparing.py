"""The zoo, and comparisons of its networks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from labeling.models import Job, Project
from training.learning.networks.backbones import BACKBONES
from training.models import ModelVersion, TrainingPolicy


def test_the_zoo_tells_the_historic_line_and_this_projects_errors(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/backbones/?project=shapes").content.decode()

    assert "AlexNet" in page
    assert "Error in this project" in page
    assert '<li><a href="/projects/shapes/training/">Training</a></li>' in page  # the way back

    Project.objects.update(access="open")  # to label in; its figures are for those who see its models
    other = Client()
    other.force_login(get_user_model().objects.create_user("other"))
    page = other.get("/backbones/?project=shapes").content.decode()
    assert "AlexNet" in page
    assert "Error in this project" not in page


def test_the_network_that_runs_take_is_among_those_compared_unless_unticked(
    owner: Client, project: Project, settings: Any, tmp_path: Path
) -> None:
    settings.KERAS_HOME = tmp_path
    path = tmp_path / "models" / BACKBONES["mobilenet_v2_1.0"].weights_file
    path.parent.mkdir()
    path.write_bytes(b"something")
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    offered = re.findall(r'type="checkbox" name="backbones" value="([^"]+)"( checked)?', page)
    assert offered == [("mobilenet_v2_1.0", " checked"), ("crowdtune_small", " checked")]


def test_a_bake_off_measures_candidates_and_its_winner_becomes_the_recipe(
    owner: Client, project: Project, run_actors: Callable[[], int]
) -> None:
    body = {"backbones": ["crowdtune_small"], "recipes": ["feature_extraction:0", "feature_extraction:1"]}
    owner.post("/projects/shapes/training/compare/start/", body)
    run_actors()

    job = Job.objects.get(kind="bake_off")
    assert job.state == "succeeded", job.message
    assert [row["augmentation"] for row in job.result["rows"]] == [False, True]
    zoo = owner.get("/backbones/?project=shapes").content.decode()
    mine = zoo.partition("crowdtune_small")[2].partition("</tr>")[0]
    least = min(row["top1_error"] for row in job.result["rows"])
    assert mine.endswith(f'<td class="num">{100 * least:.1f}\u202f%</td>')
    assert sum(row["winner"] for row in job.result["rows"]) == 1
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    assert "Winner" in page
    assert (
        sum(row.get("may_be_as_good", False) for row in job.result["rows"]) == page.count("May be as good</span>") == 1
    )
    assert "1 other may be as good: so few images cannot tell them apart." in page
    assert "Use Crowdtune small from now on" in page or "Use Crowdtune small augmented from now on" in page
    assert "there is no top-5 error to compare" in page
    assert "Error and size" in page
    used = owner.post(f"/projects/shapes/training/compare/{job.pk}/use/", {"candidate": "1"}, follow=True)
    assert "Runs use Crowdtune small augmented from now on." in used.content.decode()
    policy = TrainingPolicy.objects.get(project=project)
    assert (policy.backbone, policy.augmentation) == ("crowdtune_small", True)

    alone = [row for row in job.result["rows"] if row["winner"]]  # the quicker one: the clock says which
    Job.objects.filter(pk=job.pk).update(result={**job.result, "rows": alone})
    assert "Error and size" not in owner.get("/projects/shapes/training/compare/").content.decode()  # a plot of one dot

    owner.post("/projects/shapes/training/compare/start/", body)
    # The page goes on by itself from there to the end; what it can do next must not stay closed.
    assert "disabled" not in owner.get("/projects/shapes/training/compare/").content.decode()
    assert (
        "under way already"
        in owner.post("/projects/shapes/training/compare/start/", body, follow=True).content.decode()
    )
    again = Job.objects.filter(kind="bake_off").latest("created_at")
    owner.post(f"/projects/shapes/training/compare/{again.pk}/cancel/")
    run_actors()
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    assert "Winner" in page
    assert f"{job.pk}/use/" in page
    assert "what the one before it found" in page


@pytest.mark.slow
def test_the_experiment_of_every_course_is_one_button(
    owner: Client, project: Project, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.learning.networks import small
    from training.learning.tuning import scratch as from_scratch

    monkeypatch.setattr(from_scratch, "OPTIONS", replace(from_scratch.OPTIONS, epochs=2))
    monkeypatch.setattr(small, "BLOCKS", small.BLOCKS[4:7])  # to trace all of them takes most of the time
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    form = page[page.index("The classic course experiment") :].partition("</form>")[0]
    recipes = re.findall(r'name="recipes" value="([^"]+)"', form)
    assert recipes == [
        "from_scratch:1", "feature_extraction:0", "feature_extraction:1", "fine_tuning:0", "fine_tuning:1"
    ]  # fmt: skip

    owner.post(
        "/projects/shapes/training/compare/start/",
        {"backbones": re.findall(r'name="backbones" value="([^"]+)"', form), "recipes": recipes[:2]},
    )
    run_actors()

    job = Job.objects.get(kind="bake_off")
    assert job.state == "succeeded", job.message
    scratch, extraction = job.result["rows"]
    assert (scratch["recipe"], scratch["winner"]) == ("from_scratch", False)
    assert len(scratch["curves"]["val_accuracy"]) == len(scratch["curves"]["accuracy"]) == 2
    assert extraction["winner"]
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    assert "Right answers on the validation part" in page
    assert "Training minus validation" in page
    assert page.count('name="candidate"') == 1
    owner.post(f"/projects/shapes/training/compare/{job.pk}/use/", {"candidate": "0"})
    assert not TrainingPolicy.objects.filter(project=project).exists()
