"""When a run is due, and what is said when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from labeling.errors import CrowdtuneError
from labeling.models import Project
from tests.training.drawing import add_images, draw, label_all, labeled_project
from training import services
from training.models import Snapshot, TrainingPolicy, TrainingRun
from training.runs import due
from training.runs.due import Facts, decide, needed, short_categories

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAMES = {"cat": "Cat", "dog": "Dog"}
FIRST = Facts(
    now=NOW,
    counts={"cat": 30, "dog": 30},
    total=60,
    new=60,
    last_run_at=None,
    last_run_failed=False,
    failures=0,
    newest_label_at=NOW - timedelta(minutes=5),
    is_live=False,
)
LATER = replace(FIRST, counts={"cat": 100, "dog": 100}, total=200, new=25, last_run_at=NOW - timedelta(hours=3))


@pytest.mark.parametrize(
    ("facts", "changes", "starts", "cause_or_reason"),
    [
        (FIRST, {}, True, "new_labels"),
        (FIRST, {"automatic_training": False}, False, "off"),
        (replace(FIRST, is_live=True), {}, False, "running"),
        (replace(FIRST, counts={"cat": 60, "dog": 3}, total=63), {}, False, "Dog (5)"),
        (replace(FIRST, counts={"cat": 60}, total=60), {}, False, "two categories"),
        (replace(FIRST, new=0), {}, False, "no final labels"),
        (
            replace(FIRST, new=40, newest_label_at=NOW - timedelta(seconds=3)),
            {"quiet_seconds": 15},
            False,
            "still coming in",
        ),
        # A crowd that is never quiet is waited for until there is three times as much.
        (replace(FIRST, new=59, newest_label_at=NOW), {"quiet_seconds": 15}, False, "still coming in"),
        (replace(FIRST, new=60, newest_label_at=NOW), {"quiet_seconds": 15}, True, "new_labels"),
        # A changed bound may make hundreds of labels final within a minute: they give a run or two, and not ten.
        (
            replace(FIRST, new=60, newest_label_at=NOW, last_run_at=NOW - timedelta(seconds=9)),
            {},
            False,
            "still coming",
        ),
        (replace(FIRST, new=60, newest_label_at=NOW, last_run_at=NOW - timedelta(seconds=60)), {}, True, "new_labels"),
        # Labels were given before the clock was set back: they do not keep the quiet away until it comes there again.
        (replace(FIRST, new=40, newest_label_at=NOW + timedelta(hours=3)), {"quiet_seconds": 15}, True, "new_labels"),
        (LATER, {}, True, "new_labels"),
        (replace(LATER, new=0), {}, False, "Nothing is new"),
        (replace(LATER, new=19), {}, False, "missing: 1."),
        (replace(LATER, new=15), {}, False, "missing: 5."),
        (replace(LATER, new=25), {"min_new_share": 0.2}, False, "of 40"),
        (replace(LATER, new=1, last_run_at=NOW - timedelta(hours=169)), {}, True, "age"),
        (replace(LATER, new=0, last_run_at=NOW - timedelta(hours=169)), {}, False, "Nothing is new"),
        (replace(LATER, new=1, last_run_at=NOW - timedelta(hours=169)), {"max_age_hours": None}, False, "missing"),
        (replace(LATER, new=1), {"daily_at": time(11, 0)}, True, "schedule"),
        (replace(LATER, new=1), {"daily_at": time(13, 0)}, False, "missing"),
        (replace(LATER, new=1), {"drift_at": NOW - timedelta(minutes=1)}, True, "drift"),
        (replace(LATER, new=1), {"drift_at": NOW - timedelta(hours=5)}, False, "missing"),
    ],
)
def test_a_run_is_due_exactly_when_the_policy_says_so(
    facts: Facts, changes: dict, starts: bool, cause_or_reason: str
) -> None:
    policy = TrainingPolicy(**{"min_new_labels": 20, "min_new_share": 0.1, "min_labels_per_category": 8, **changes})

    decision = decide(policy, facts, NAMES)

    assert decision.start is starts
    assert cause_or_reason in (decision.cause if starts else decision.reason)


def test_the_share_counts_where_it_is_more_than_the_number() -> None:
    policy = TrainingPolicy(min_new_labels=20, min_new_share=0.1)

    assert needed(policy, total=1000, is_first=False) == 100
    assert needed(policy, total=50, is_first=False) == 20
    assert needed(policy, total=1000, is_first=True) == 20


def test_a_category_that_stays_rare_is_not_waited_for_for_ever() -> None:
    policy = TrainingPolicy(min_labels_per_category=8)

    assert short_categories(policy, {"cat": 40, "dog": 40, "yeti": 0}) == {"yeti": 8}
    assert short_categories(policy, {"cat": 60, "dog": 60, "yeti": 0}) == {}
    assert short_categories(policy, {"cat": 500, "yeti": 0}) == {"yeti": 8}


def test_where_one_person_has_answered_alone_the_way_to_labels_is_named(db: None) -> None:
    project = labeled_project(count=4)
    way = "6 images have answers and wait for those of more people. Where one person's answers are enough, ask fewer"
    images = add_images(project, {f"more-{seed}.png": draw("circle", 900 + seed) for seed in range(6)})
    label_all([(image, "circle") for image in images[:4]], judgments=1, is_final=False)
    assert "wait for those" not in due.check_due(project).reason  # a crowd at its work

    label_all([(image, "circle") for image in images[4:]], judgments=1, is_final=False)

    waits = due.check_due(project)
    assert waits.reason.startswith("Each category needs 8 labels first. Still missing: Circle (6), Square (6). " + way)
    services.set_policy(project=project, changes={"automatic_training": False})
    assert due.check_due(project).reason == "Automatic training is off for this project; start a run by hand."


def test_where_only_time_is_missing_the_hour_is_said() -> None:
    policy = TrainingPolicy(daily_at=time(13, 0), max_age_hours=None)

    assert decide(policy, replace(LATER, new=1), NAMES).due_at == NOW.replace(hour=13)
    quiet = replace(FIRST, new=40, newest_label_at=NOW - timedelta(seconds=3))
    assert decide(TrainingPolicy(quiet_seconds=15), quiet, NAMES).due_at == NOW + timedelta(seconds=12)


def test_the_daily_hour_starts_the_first_run_too_when_it_strikes() -> None:
    policy = TrainingPolicy(daily_at=time(13, 0))
    few = replace(FIRST, counts={"cat": 9, "dog": 9}, total=18, new=18)

    waits = decide(policy, few, NAMES)

    assert (waits.start, waits.due_at) == (False, NOW.replace(hour=13))
    assert decide(policy, replace(few, now=NOW.replace(hour=13)), NAMES).cause == "schedule"
    # Of answers that came with the images nobody knows since when they are there.
    known = replace(few, newest_label_at=None, project_since=NOW - timedelta(hours=3))
    assert not decide(policy, known, NAMES).start
    assert decide(policy, replace(known, now=NOW.replace(hour=13)), NAMES).cause == "schedule"


def test_after_a_long_look_more_answers_wait_and_what_a_person_asks_for_does_not(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "LONG_SECONDS", 0)
    monkeypatch.setattr(due, "REST", 1_000_000)
    due.start_due_runs(lambda _project, _decision: None)
    Project.objects.update(answers_version=F("answers_version") + 1)
    assert list(due._candidates()) == []
    due.look_again(project.pk)
    assert list(due._candidates()) == [project]


def test_after_a_short_look_every_answer_is_looked_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "LONG_SECONDS", 1_000_000)
    due.start_due_runs(lambda _project, _decision: None)
    assert list(due._candidates()) == []
    Project.objects.update(answers_version=F("answers_version") + 1)
    assert list(due._candidates()) == [project]


def test_an_archived_project_does_not_train_and_says_so(project: Project) -> None:
    Project.objects.update(archived_at=timezone.now())
    assert due.start_due_runs(lambda _project, _decision: None) == 0
    assert not TrainingPolicy.objects.exists()
    assert "archived" in services.check_due(Project.objects.get()).reason
    Project.objects.update(archived_at=None)
    assert due.start_due_runs(lambda _project, _decision: None) == 1


def test_no_run_begins_in_a_project_that_was_archived_since_it_was_read(project: Project) -> None:
    Project.objects.update(archived_at=timezone.now())
    with pytest.raises(CrowdtuneError, match="archived"):
        services.request_run(project=project, cause="api")
    assert not TrainingRun.objects.exists()


def test_however_often_runs_have_failed_the_next_is_tried_within_a_day() -> None:
    assert [due.retry_after(failures) for failures in (1, 2, 8, 9, 40, 10_000)] == [
        timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=1280), *[timedelta(days=1)] * 3,
    ]  # fmt: skip


def test_after_each_failure_the_next_try_waits_longer_until_one_has_succeeded(project: Project) -> None:
    services.set_policy(project=project, changes={"quiet_seconds": 0})
    question = project.primary_question()
    snapshot = Snapshot.objects.create(
        project=project, question=question, digest="", categories=[], counts={}, item_count=0
    )

    def ended(state: str) -> datetime:
        """A run that ended just now; each is newer than the one before."""
        now = timezone.now()
        begun = project.created_at + timedelta(minutes=1 + TrainingRun.objects.count())
        TrainingRun.objects.create(
            project=project, snapshot=snapshot, cause="new_labels", state=state, created_at=begun, finished_at=now
        )
        return now

    assert due.check_due(project).start
    for minutes in (10, 20, 40):
        failed = ended("failed")
        waits = due.check_due(project)
        assert (waits.start, waits.due_at) == (False, failed + timedelta(minutes=minutes))
        assert "tried again later" in waits.reason
    ended("succeeded")
    assert due.check_due(project).start
    failed = ended("failed")
    assert due.check_due(project).due_at == failed + timedelta(minutes=10)
    TrainingRun.objects.update(finished_at=failed - timedelta(minutes=11))
    assert due.check_due(project).start
