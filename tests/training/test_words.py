"""What a run says of itself is told in the language of whoever reads it, on the page and by the API."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client
from django.utils.translation import override

from labeling.models import AuditEntry, Project
from tests.labeling.conftest import client as program
from training import services
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.runs import due, running

HINDI = {"Accept-Language": "hi"}
LATIN = re.compile(r"\b[a-z]{3,} [a-z]{3,}\b")  # two plain words of English


def test_the_log_of_a_run_is_read_in_hindi(project: Project, client: Client, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    run_actors()
    client.force_login(project.owner)
    path = f"/projects/{project.slug}/training/runs/{run.pk}/"
    page = client.get(path, headers=HINDI).content.decode()
    english = program(project.owner).get(f"/api/v1/training-runs/{run.pk}/").json()
    hindi = program(project.owner).get(f"/api/v1/training-runs/{run.pk}/", headers=HINDI).json()

    assert len(english["log"]) == len(hindi["log"]) > 5
    assert "Looking at the images." in [line["message"] for line in english["log"]]
    for line in hindi["log"]:
        assert not LATIN.search(line["message"]), line
        assert line["message"] in page
    with override("hi"):
        assert ModelVersion.objects.get().decision.startswith("पहला मॉडल: ")


def test_the_error_of_a_failed_run_and_its_advice_are_read_in_hindi(project: Project, client: Client) -> None:
    run = services.request_run(project=project, cause="person")
    TrainingRun.objects.filter(pk=run.pk).update(
        state="running", attempts=running.MAX_ATTEMPTS, heartbeat_at=run.created_at - 2 * running.STALE_AFTER
    )
    running.stuck_runs()
    client.force_login(project.owner)
    page = client.get(f"/projects/{project.slug}/training/runs/{run.pk}/", headers=HINDI).content.decode()
    english = program(project.owner).get(f"/api/v1/training-runs/{run.pk}/").json()
    hindi = program(project.owner).get(f"/api/v1/training-runs/{run.pk}/", headers=HINDI).json()

    assert english["failure"]["message"].startswith("The run was interrupted 4 times")
    assert hindi["failure"]["message"].startswith("प्रशिक्षण 4 बार रुका")
    assert hindi["failure"]["message"] in page
    assert "The run was interrupted" not in page
    assert "छोटा आधार नेटवर्क" in page


def test_a_failure_from_before_that_is_plain_text_is_shown_as_it_is(project: Project, client: Client) -> None:
    run = services.request_run(project=project, cause="person")
    line = {"at": "2026-01-01T00:00:00+00:00", "message": "An old line."}
    TrainingRun.objects.filter(pk=run.pk).update(state="failed", failure="Something old.", log=[line])
    client.force_login(project.owner)
    page = client.get(f"/projects/{project.slug}/training/runs/{run.pk}/", headers=HINDI).content.decode()
    assert "Something old." in page
    assert "An old line." in page


def test_why_no_run_has_started_is_kept_for_readers_of_every_language(project: Project) -> None:
    TrainingPolicy.objects.create(project=project, min_new_labels=5000)
    with override("hi"):
        due.start_due_runs(lambda _project, _decision: None)
    assert "of 5,000 new labels" in TrainingPolicy.objects.get().status
    with override("hi"):
        assert not LATIN.search(TrainingPolicy.objects.get().status)


def test_a_rollback_is_told_in_hindi_with_the_words_of_whoever_did_it(
    project: Project, run_actors: Callable[[], int], client: Client
) -> None:
    for _number in range(2):
        services.request_run(project=project, cause="person")
        run_actors()
    services.promote(version=ModelVersion.objects.get(number=2), user=project.owner)
    services.rollback(project=project, user=project.owner, reason="Too many cats.")

    client.force_login(project.owner)
    page = client.get(f"/projects/{project.slug}/settings/log/", headers=HINDI).content.decode()
    assert "पहले के मॉडल संस्करण पर लौटे" in page
    assert "Too many cats." in page
    with override("en"):
        why = AuditEntry.objects.get(action="model_rollback").changes["reason"]
        assert why == f"Rolled back from version 2 by {project.owner}: Too many cats."


def test_a_run_says_what_it_is_at_where_it_has_no_epochs_to_count(project: Project, client: Client) -> None:
    run = services.request_run(project=project, cause="person")
    line = {"at": "2026-01-01T00:00:00+00:00", "message": "Loading what takes long."}
    TrainingRun.objects.filter(pk=run.pk).update(state="running", stage="tune", log=[line])
    client.force_login(project.owner)
    now = client.get(f"/projects/{project.slug}/training/").content.decode()
    assert "Loading what takes long." in now
    assert "<dd>0</dd>" not in now
