"""The pages of the training room."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from labeling.models import Job, Membership, Project
from training import services
from training.features import answers, insights
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.runs import due
from training.views.models import download


@pytest.fixture
def owner(project: Project, client: Client) -> Client:
    client.force_login(project.owner)
    return client


@pytest.fixture
def version(project: Project, run_actors: Callable[[], int]) -> ModelVersion:
    services.request_run(project=project, cause="person", requested_by=project.owner)
    run_actors()
    return ModelVersion.objects.get()


def test_the_training_page_says_why_no_run_has_started(owner: Client) -> None:
    page = owner.get("/projects/shapes/training/").content.decode()

    assert "new labels, at least" in page
    assert "No run yet" in page


def test_a_page_that_asks_again_does_not_count_very_many_labels_again_until_something_was_decided(
    owner: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LONG_SECONDS", 0)
    monkeypatch.setattr(due, "REST", 1_000_000)
    live = "/projects/shapes/training/live/"
    first = owner.get(live).content
    with CaptureQueriesContext(connection) as asked:
        assert owner.get(live).content == first
    assert not [query for query in asked if "labeling_consensus" in query["sql"]]
    services.set_policy(project=project, changes={"automatic_training": False}, user=project.owner)
    assert "Automatic training is off" in owner.get(live).content.decode()


def test_an_owner_starts_watches_and_reads_a_run(
    owner: Client, project: Project, run_actors: Callable[[], int]
) -> None:
    body = {"backbone": "crowdtune_small", "recipe": "feature_extraction"}
    assert owner.post("/projects/shapes/training/start/", body).status_code == 302
    run = TrainingRun.objects.get()

    waiting = owner.get(f"/projects/shapes/training/runs/{run.pk}/").content.decode()
    assert "hx-trigger" in waiting
    assert "Queued" in waiting

    run_actors()
    done = owner.get(f"/projects/shapes/training/runs/{run.pk}/live/").content.decode()
    assert "hx-trigger" not in done
    assert "Confusion matrix" in done
    assert "Reliability" in done
    assert "Champion" in done
    assert "Took" in done
    assert "Time left" not in done
    for page in ("training", "models"):
        lists = owner.get(f"/projects/shapes/{page}/").content.decode()
        assert '<td class="nowrap">Crowdtune small' in lists


def test_a_second_run_is_refused_in_words(owner: Client, project: Project) -> None:
    services.request_run(project=project, cause="person")
    body = {"backbone": "auto", "recipe": "feature_extraction"}

    page = owner.post("/projects/shapes/training/start/", body, follow=True).content.decode()

    assert "A run of this project is queued" in page
    assert TrainingRun.objects.count() == 1


def test_a_queued_run_is_cancelled_by_its_button(owner: Client, project: Project) -> None:
    run = services.request_run(project=project, cause="person")

    page = owner.post(f"/projects/shapes/training/runs/{run.pk}/cancel/", follow=True).content.decode()

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert "Cancelled" in page


def test_the_policy_is_saved_and_audited(owner: Client, project: Project) -> None:
    body = {
        "backbone": "auto",
        "recipe": "fine_tuning",
        "automatic_training": "on",
        "min_labels_per_category": 12,
        "min_new_labels": 30,
        "min_new_share": 0.2,
        "quiet_seconds": 5,
        "max_age_hours": "",
        "daily_at": "03:30",
    }

    owner.post("/projects/shapes/training/policy/", body)

    policy = TrainingPolicy.objects.get()
    assert (policy.recipe, policy.min_labels_per_category, policy.max_age_hours) == ("fine_tuning", 12, None)
    assert str(policy.daily_at) == "03:30:00"
    audit = project.audit.get(action="training_policy")
    assert audit.changes["min_labels_per_category"] == [8, 12]


def test_two_pages_of_the_policy_do_not_set_each_other_back(owner: Client, project: Project) -> None:
    form = owner.get("/projects/shapes/training/").context["policy_form"]
    stood = {name: value for name in form.fields if (value := form[name].value()) is not None and value is not False}
    meanwhile = {"automatic_training": False, "daily_at": time(3, 30), "max_age_hours": None, "min_new_share": 0.3}
    services.set_policy(project=project, changes=meanwhile, user=project.owner)

    owner.post("/projects/shapes/training/policy/", {**stood, "shown": form.shown, "min_new_labels": 30})

    policy = TrainingPolicy.objects.get()
    assert {name: getattr(policy, name) for name in meanwhile} == meanwhile
    assert policy.min_new_labels == 30
    assert owner.get("/projects/shapes/training/").content.count(b'name="shown"') == 1


def test_a_wrong_policy_comes_back_with_what_is_wrong(owner: Client) -> None:
    page = owner.post("/projects/shapes/training/policy/", {"backbone": "auto", "recipe": "magic", "min_new_share": 2})

    assert page.status_code == 400
    assert {"recipe", "min_new_share"} <= set(page.context["policy_form"].errors)
    assert "__all__" not in page.context["policy_form"].errors
    assert not TrainingPolicy.objects.exists()


def test_the_models_page_shows_versions_with_interval_and_decision(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/models/").content.decode()

    assert "First model" in page
    assert f"{100 * version.metrics['top1']:.1f}" in page
    assert "Champion" in page
    assert "Download version 1" in page
    assert '<ol class="training-log" tabindex="0" aria-labelledby="changes">' in page  # a long one scrolls, by keys too


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

    assert "Where not to trust it" in page
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


def test_the_overview_fragment_names_champion_and_next_run(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/training/summary/").content.decode()

    assert "Version 1" in page
    assert "Nothing is new since the last run." in page


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
    assert "there is no top-5 error to compare" in page
    owner.post(f"/projects/shapes/training/compare/{job.pk}/use/", {"candidate": "1"})
    policy = TrainingPolicy.objects.get(project=project)
    assert (policy.backbone, policy.augmentation) == ("crowdtune_small", True)

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
    from training.learning import scratch as from_scratch

    monkeypatch.setattr(from_scratch, "OPTIONS", replace(from_scratch.OPTIONS, epochs=4))
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    form = page[page.index("The experiment of every course") :].partition("</form>")[0]
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
    assert len(scratch["curves"]["val_accuracy"]) == len(scratch["curves"]["accuracy"]) == 4
    assert extraction["winner"]
    page = owner.get("/projects/shapes/training/compare/").content.decode()
    assert "Right answers on the validation part" in page
    assert "Training minus validation" in page
    assert page.count('name="candidate"') == 1
    owner.post(f"/projects/shapes/training/compare/{job.pk}/use/", {"candidate": "0"})
    assert not TrainingPolicy.objects.filter(project=project).exists()


def test_insights_show_neighbours_of_an_image(owner: Client, version: ModelVersion) -> None:
    page = owner.get("/projects/shapes/training/insights/").content.decode()

    assert "Nearest labeled images" in page
    assert "Why " in page
    pictures = re.findall(r'src="(/projects/shapes/training/insights/[^"]+)"', page)
    assert len(pictures) >= 5
    for address in pictures:
        answer = owner.get(address)
        assert (answer.status_code, answer.content[:4]) == (200, b"\x89PNG")
    assert owner.get(pictures[0].replace("heat", "secret")).status_code == 404
    assert "Likely label errors" in page
    (index,) = insights.pictures_folder().glob(f"*/*/{version.pk}/index.json")
    for damage in (lambda: index.write_bytes(index.read_bytes()[:50]), index.with_name("filters.png").unlink):
        damage()
        assert owner.get("/projects/shapes/training/insights/").status_code == 200
        assert [owner.get(address).status_code for address in pictures] == [200] * len(pictures)


def test_insights_say_why_no_layer_can_be_shown(owner: Client, version: ModelVersion) -> None:
    gone, other = version.project.images.order_by("id")[:2]
    default_storage.delete(gone.original)
    unreadable = owner.get(f"/projects/shapes/training/insights/?image={gone.pk}")
    (settings.DATA_DIR / version.artifact / "head.npz").write_bytes(b"x")
    answers._load.cache_clear()
    damaged = owner.get(f"/projects/shapes/training/insights/?image={other.pk}")

    assert (unreadable.status_code, damaged.status_code) == (200, 200)
    assert f"{gone.name} cannot be read" in unreadable.content.decode()
    assert "is not the file that the training run wrote" in damaged.content.decode()


PAGES = [
    "training/",
    "training/live/",
    "training/summary/",
    "training/compare/",
    "training/insights/",
    "models/",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_worker_sees_none_of_the_owners_pages(path: str, project: Project, client: Client) -> None:
    worker = get_user_model().objects.create_user("worker1")
    Membership.objects.create(project=project, user=worker, role="worker")
    client.force_login(worker)

    assert client.get(f"/projects/shapes/{path}").status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_cannot_tell_that_the_project_exists(path: str, project: Project, client: Client) -> None:
    client.force_login(get_user_model().objects.create_user("stranger"))

    assert client.get(f"/projects/shapes/{path}").status_code == 404
