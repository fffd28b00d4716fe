"""A run from its claim to its one outcome."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from labeling.models import Consensus, Image, Project, Task
from tests.training.drawing import draw, labeled_project, make_project
from tests.training.trunks import export_here
from training import actors, services
from training.features import answers, embedding
from training.features.embedding import Picture
from training.models import ImageTrait, ModelVersion, SnapshotItem, TrainingRun
from training.runs import pipeline, progress, registry, running
from training.versions.card import card_of
from training.versions.gate import Verdict


def train(project: Project, run_actors: Callable[[], int], **wishes: Any) -> TrainingRun:
    run = services.request_run(project=project, cause="person", **wishes)
    run_actors()
    run.refresh_from_db()
    return run


def test_a_run_goes_from_labels_to_a_champion(project: Project, run_actors: Callable[[], int]) -> None:
    run = train(project, run_actors)

    assert run.state == "succeeded", run.failure
    version = ModelVersion.objects.get(run=run)
    assert version.alias == "champion"
    assert version.metrics["top1"] > 0.6
    assert version.manifest["verification"]["passed"]
    assert (django_settings.DATA_DIR / version.artifact / "MODEL_CARD.md").read_text().startswith("# Model card")
    assert run.history["loss"]
    assert [line["message"] for line in run.log][-1].startswith("First model")
    assert "Retraining the last block." not in [line["message"] for line in run.log]
    assert not running.folder_of(run).exists()


def test_the_training_accuracy_is_that_of_the_version_itself(db: None, run_actors: Callable[[], int]) -> None:
    """Not the curve's last point: the head learns the validation part afterwards, and is averaged with another one."""
    project = labeled_project(count=60)
    for row in Consensus.objects.order_by("pk")[::5]:  # what no head can learn but by heart
        answer = "square" if row.answer == "circle" else "circle"
        Consensus.objects.filter(pk=row.pk).update(answer=answer, confidence=0.6, posterior={answer: 1.0})

    version = ModelVersion.objects.get(run=train(project, run_actors, options={"strength": 0.01}))

    items = SnapshotItem.objects.filter(snapshot=version.run.snapshot, split="train").order_by("sha256")
    rows = list(items.values_list("sha256", "image__original", "label"))
    said, _found = answers.answers_of(version, [Picture(sha256, original) for sha256, original, _label in rows])
    right = [version.categories[top] == label for top, (*_, label) in zip(said.argmax(axis=1), rows, strict=True)]
    assert version.metrics["train"] == {"count": len(rows), "top1": np.mean(right)}
    assert "inverse weight decay 0.01, as asked for" in card_of(version.manifest)


def test_the_card_tells_what_was_learned_and_what_was_asked_for(
    project: Project, run_actors: Callable[[], int]
) -> None:
    decided = Consensus.objects.filter(project=project).order_by("pk")[:2]
    Consensus.objects.filter(pk__in=decided.values("pk")).update(decided_by=project.owner)
    run = services.request_run(project=project, cause="person", options={"label_smoothing": 0.1, "epochs": 7})
    learned = SnapshotItem.objects.filter(split="train").exclude(posterior={})
    Image.objects.filter(pk=learned.values("image")[:1]).delete()
    run_actors()

    version = ModelVersion.objects.get(run=run)
    counts = {side: sum(row.values()) for side, row in version.manifest["counts"].items()}
    assert counts == {side: version.metrics[side]["count"] for side in ("train", "validation")} | {
        "test": version.metrics["count"]
    }
    card = card_of(version.manifest)
    assert "Of the snapshot's images 1 were deleted since" in card
    assert "Gold and a person's decisions made 2 of the labels; the others are the consensus of a crowd" in card
    assert "Labels are gold, or a person's decisions;" in card_of(version.manifest | {"certain": 60})
    assert "Does not know" not in card
    version.manifest["counts"]["train"].pop("circle")
    assert "deleted before it learned: circle." in card_of(version.manifest)
    version.manifest["metrics"]["per_class"]["circle"]["count"] = 0
    assert "| circle | – | – | – | 0 |" in card_of(version.manifest)
    assert "then it was learned, too" in card
    assert "- Asked for: epochs 7, label_smoothing 0.1" in card


def test_the_same_snapshot_and_seed_give_the_same_bytes_of_metrics(
    project: Project, run_actors: Callable[[], int]
) -> None:
    first, second = train(project, run_actors), train(project, run_actors)

    assert first.snapshot == second.snapshot
    assert json.dumps(first.metrics) == json.dumps(second.metrics)
    heads = [v.manifest["files"]["head.npz"] for v in ModelVersion.objects.order_by("number")]
    assert heads[0] == heads[1]


def test_a_version_that_is_not_better_does_not_replace_the_champion(
    project: Project, run_actors: Callable[[], int]
) -> None:
    train(project, run_actors)
    train(project, run_actors)

    first, second = ModelVersion.objects.order_by("number")
    assert (first.alias, second.alias) == ("champion", "challenger")
    assert "Not better" in second.decision
    assert "version 1" in second.decision


def test_a_message_delivered_twice_does_the_work_once(project: Project, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    actors.run_training.send(str(run.pk))
    run_actors()
    actors.run_training.send(str(run.pk))
    run_actors()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 1)
    assert ModelVersion.objects.count() == 1


def test_a_run_that_works_elsewhere_is_not_taken(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    first = running.claim(str(run.pk))

    assert first is not None
    assert running.claim(str(run.pk)) is None


def test_a_run_whose_owner_went_silent_is_found_and_taken_over(project: Project, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    lost = running.claim(str(run.pk))
    assert running.stuck_runs() == []
    begun = timezone.now() - timedelta(hours=1)
    TrainingRun.objects.update(started_at=begun, heartbeat_at=timezone.now() - timedelta(minutes=1))

    actors.requeue_stuck_runs.send()
    run_actors()

    run.refresh_from_db()
    assert lost is not None
    assert (run.state, run.attempts, run.started_at) == ("succeeded", 2, begun)
    assert run.took is not None
    assert run.took >= 3_600, "with what went before the kill"


def test_who_lost_its_run_to_another_attempt_files_no_version_and_does_not_end_it(
    project: Project, tmp_path: Path
) -> None:
    run = services.request_run(project=project, cause="person")
    lost = running.claim(str(run.pk))
    TrainingRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert lost is not None
    assert running.claim(str(run.pk)) is not None  # while the first, which was only slow, still works

    with pytest.raises(progress.Lost):
        progress.Reporter(lost).flush()
    with pytest.raises(progress.Lost):
        registry.register(
            run=lost, folder=tmp_path, categories=[], metrics={}, manifest={}, values={},
            verdict=Verdict("champion", "Better."),
        )  # fmt: skip
    running._end(lost, "failed", log="It broke.")

    run.refresh_from_db()
    assert (run.state, run.attempts, run.failure) == ("running", 2, "")
    assert not ModelVersion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_who_lost_its_run_while_the_database_was_away_does_not_take_it_from_who_has_it_now(
    project: Project, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.TRAINER_PROCESS = True  # where a thread says that the attempt lives
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.01)

    def away(run: TrainingRun, *_more: Any) -> None:
        heart = next(thread for thread in threading.enumerate() if thread.name == f"heartbeat of run {run.pk}")
        TrainingRun.objects.update(attempts=F("attempts") + 1)  # as whoever claims it now does
        heart.join(timeout=60)
        assert not heart.is_alive()  # or the new owner's death would never be seen
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(pipeline, "go_through", away)
    run = services.request_run(project=project, cause="person")

    assert running.execute(str(run.pk)) == "lost"
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("running", 2)


def test_a_run_that_is_to_begin_while_the_database_is_away_waits_and_no_attempt_is_counted(project: Project) -> None:
    run = services.request_run(project=project, cause="person")

    def away(*_statement: Any) -> None:
        raise OperationalError("could not extend file: No space left on device")

    with transaction.atomic(), connection.execute_wrapper(away):
        assert running.execute(str(run.pk)) == "nothing"
    run.refresh_from_db()
    assert (run.state, run.attempts) == ("queued", 0)


def test_a_run_whose_owner_died_before_the_clock_was_set_back_is_found(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    running.claim(str(run.pk))
    TrainingRun.objects.update(heartbeat_at=timezone.now() + timedelta(hours=2))

    assert running.stuck_runs() == [str(run.pk)]
    assert running.claim(str(run.pk)) is not None


def test_a_run_whose_message_was_lost_is_sent_again(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    assert running.stuck_runs() == []

    TrainingRun.objects.update(created_at=timezone.now() - timedelta(minutes=5))

    assert running.stuck_runs() == [str(run.pk)]
    assert running.stuck_runs() == []


def test_missing_weights_fall_back_to_the_best_there_is_and_say_so(
    project: Project, run_actors: Callable[[], int], settings: Any, tmp_path: Path
) -> None:
    settings.KERAS_HOME = tmp_path

    run = train(project, run_actors, backbone="mobilenet_v2_1.0")

    assert run.state == "succeeded", run.failure
    assert run.backbone == "crowdtune_small"
    log = " ".join(line["message"] for line in run.log)
    assert str(tmp_path / "models") in log
    assert "weights fetch mobilenet_v2_1.0" in log


def test_a_network_whose_weights_nobody_published_begins_with_random_ones_and_the_log_says_so(
    project: Project, run_actors: Callable[[], int]
) -> None:
    export_here("alexnet")
    run = train(project, run_actors, backbone="alexnet")

    assert (run.state, run.backbone) == ("succeeded", "alexnet"), run.failure
    assert run.log[0]["message"].startswith("Nobody has published weights of AlexNet: it begins with random ones")
    assert not any("None" in line["message"] or "would satisfy" in line["message"] for line in run.log)
    with pytest.raises(CommandError, match="could not be fetched"):
        call_command("weights", "fetch", "alexnet", stderr=io.StringIO())


def test_an_image_that_cannot_be_read_is_left_out_and_the_log_says_so(db: None, run_actors: Callable[[], int]) -> None:
    project = labeled_project(count=48, drawn=lambda kind, seed: draw(kind, seed + 8_000))
    services.freeze_snapshot(project=project)
    for image in project.images.order_by("id")[:2]:
        default_storage.delete(image.original)

    run = train(project, run_actors)

    assert run.state == "succeeded", run.failure
    assert any("2 images could not be read" in line["message"] for line in run.log)


def crowd_of(categories: int, each: int, features: Callable[[int, int], np.ndarray]) -> Project:
    """A project whose features are in the store already; its few real pictures serve to verify the export."""
    project = make_project("many", [f"c{number:03}" for number in range(categories)])
    names = [default_storage.save(f"many/{n}.png", ContentFile(draw("circle", n))) for n in range(4)]
    images = Image.objects.bulk_create(
        Image(
            project=project,
            sha256=hashlib.sha256(f"{categories} {number}".encode()).hexdigest(),
            name=str(number),
            width=64,
            height=64,
            byte_count=1,
            original=names[number % 4],
            display=names[number % 4],
            thumbnail="",
        )
        for number in range(categories * each)
    )
    # They share four files; in a real project each would be a group of its own.
    ImageTrait.objects.bulk_create(ImageTrait(image=i, project=project, look=b"", group=i.sha256) for i in images)
    question = project.primary_question()
    tasks = Task.objects.bulk_create(
        Task(project=project, image=i, state="retired", retired_because="confident", judgment_count=3, open_slots=0)
        for i in images
    )
    Consensus.objects.bulk_create(
        Consensus(
            task=task,
            project=project,
            question=question,
            answer=f"c{number // each:03}",
            confidence=1.0,
            posterior={f"c{number // each:03}": 1.0},
            method="adaptive",
            judgment_count=3,
            is_final=True,
        )
        for number, task in enumerate(tasks)
    )
    trunk = embedding.trunk_of("crowdtune_small")
    rows = [features(number // each, trunk.dim) for number in range(len(images))]
    embedding.store_of(trunk).put([image.sha256 for image in images], np.stack(rows).astype(np.float32))
    return project


def test_five_hundred_categories_end_in_a_champion(db: None) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(500, 2048))
    project = crowd_of(500, 5, lambda c, dim: centres[c, :dim] + 0.3 * rng.normal(size=dim))
    run = services.request_run(project=project, cause="person", options={"epochs": 8, "strength": 0.01})

    assert running.execute(str(run.pk)) == "succeeded"

    version = ModelVersion.objects.get()
    assert len(version.categories) > 400
    assert version.metrics["top1"] > 0.9
    assert version.metrics["top5"] >= version.metrics["top1"]


def test_images_that_all_look_the_same_make_no_champion(db: None, run_actors: Callable[[], int]) -> None:
    project = crowd_of(2, 60, lambda c, dim: np.ones(dim))

    run = train(project, run_actors)

    assert run.state == "succeeded", run.failure
    version = ModelVersion.objects.get()
    assert version.alias == "challenger"
    assert "Not better than knowing nothing" in version.decision


@pytest.mark.filterwarnings("ignore:.*encountered in.*:RuntimeWarning")
def test_a_loss_that_is_no_number_fails_the_run_in_words(project: Project, run_actors: Callable[[], int]) -> None:
    run = train(project, run_actors, options={"hidden": 8, "learning_rate": 1e38, "strength": 1.0})

    assert run.state == "failed"
    assert "The loss became" in run.failure
    assert "lower learning rate" in run.advice
    assert not ModelVersion.objects.exists()


def damage(trunk_key: str) -> None:
    """Half of the rows of every segment lose their bytes; segments that were merged hold other tests' images too."""
    for path in (embedding.features_folder() / trunk_key).glob("*.seg"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
        path.write_bytes(data)


def test_a_project_with_runs_and_versions_can_be_deleted(project: Project, run_actors: Callable[[], int]) -> None:
    train(project, run_actors)

    project.delete()

    assert not TrainingRun.objects.exists()
    assert not ModelVersion.objects.exists()


def test_a_run_that_a_stopping_worker_gives_back_is_sent_by_the_next_sweep(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    claimed = running.claim(str(run.pk))
    assert claimed is not None

    assert running.release(run.pk, claimed.attempts)

    assert running.stuck_runs() == [str(run.pk)]


def test_a_run_that_was_given_back_after_its_last_attempt_fails_in_words(project: Project) -> None:
    run = services.request_run(project=project, cause="person")
    for attempt in range(1, running.MAX_ATTEMPTS + 1):
        assert running.claim(str(run.pk)) is not None
        assert running.release(run.pk, attempt)

    assert running.stuck_runs() == []

    run.refresh_from_db()
    assert run.state == "failed"
    assert "interrupted 4 times" in run.failure
    assert services.request_run(project=project, cause="person").state == "queued"
