"""What a run does where files are damaged or gone, or the disk is full."""

from __future__ import annotations

import errno
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from django.conf import settings as django_settings
from django.core.files.storage import FileSystemStorage, default_storage

from labeling.models import Image, Project
from tests.training.drawing import draw, labeled_project
from tests.training.runs.test_running import damage, train
from training import services
from training.errors import StoreFails, raise_if_store_fails
from training.features import answers, embedding
from training.features.embedding import Picture
from training.learning.networks.trunk import sample_pictures
from training.models import ImageTrait, ModelVersion, SnapshotItem
from training.runs import running
from training.snapshots import traits


def test_a_damaged_shard_of_the_cache_is_made_again(project: Project, run_actors: Callable[[], int]) -> None:
    first = train(project, run_actors)
    damage(embedding.trunk_of("crowdtune_small").key)

    second = train(project, run_actors)

    assert second.state == "succeeded", second.failure
    assert second.cost["embedded"] >= 1
    assert second.metrics == first.metrics


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process may grow beyond ``size`` bytes: the system refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_fails_the_run_with_advice_and_a_later_run_succeeds(
    db: None, run_actors: Callable[[], int]
) -> None:
    embedding.trunk_of("crowdtune_small")
    project = labeled_project(count=48, drawn=lambda kind, seed: draw(kind, seed + 7_000))
    run = services.request_run(project=project, cause="person")

    with disk_of(4_000):
        assert running.execute(str(run.pk)) == "failed"

    run.refresh_from_db()
    assert "Free some disk" in run.failure
    assert "space" in run.advice
    assert not ModelVersion.objects.exists()
    assert train(project, run_actors).state == "succeeded"


@pytest.mark.usefixtures("cut_trunk_here")
@pytest.mark.parametrize(("recipe", "count"), [("feature_extraction", 60), ("fine_tuning", 110)])
def test_an_image_damaged_after_it_was_embedded_fails_no_run_that_looks_at_it_again(
    recipe: str, count: int, db: None, run_actors: Callable[[], int]
) -> None:
    project = labeled_project(count=count, drawn=lambda kind, seed: draw(kind, seed + 9_000))
    train(project, run_actors)
    first = SnapshotItem.objects.filter(split="train").order_by("id")[0]
    default_storage.delete(first.image.original)

    run = train(project, run_actors, recipe=recipe, augmentation=True, options={"views": 1, "epochs": 2})

    assert run.state == "succeeded", run.failure
    assert run.recipe == recipe


@pytest.mark.parametrize("damage", [lambda head: head.write_bytes(b"x"), lambda head: shutil.rmtree(head.parent)])
def test_a_champion_that_cannot_answer_any_more_fails_no_run(
    damage: Callable[[Path], object], project: Project, run_actors: Callable[[], int]
) -> None:
    train(project, run_actors)
    damage(django_settings.DATA_DIR / ModelVersion.objects.get().artifact / "head.npz")
    answers._load.cache_clear()

    run = train(project, run_actors)

    assert run.state == "succeeded", run.failure
    version = ModelVersion.objects.get(run=run)
    assert version.alias == "challenger"
    assert "version 1 cannot answer" in version.decision


def test_a_damaged_trunk_is_made_again(project: Project, run_actors: Callable[[], int]) -> None:
    first = train(project, run_actors)
    trunk = embedding.trunk_of("crowdtune_small")
    before = trunk.embed(sample_pictures(2, trunk.size))
    weights = embedding.trunks_folder() / trunk.key / "trunk.bin"
    weights.write_bytes(weights.read_bytes()[:-100])
    embedding.load_trunk.cache_clear()

    second = train(project, run_actors)

    assert second.state == "succeeded", second.failure
    assert second.metrics == first.metrics
    # Exported anew it is the very same network: features that were stored before go with what is embedded now.
    made = embedding.trunk_of("crowdtune_small")
    assert made is not trunk
    np.testing.assert_array_equal(made.embed(sample_pictures(2, trunk.size)), before)


def test_labels_without_images_any_more_fail_in_words(project: Project, run_actors: Callable[[], int]) -> None:
    run = services.request_run(project=project, cause="person")
    Image.objects.all().delete()
    run_actors()

    run.refresh_from_db()
    assert run.state == "failed"
    assert "deleted" in run.failure


def test_pictures_whose_features_found_no_room_in_the_cache_can_be_read_all_the_same(
    project: Project, settings: Any
) -> None:
    settings.FEATURES_GB = 0  # the newest batch stays, whatever the bound
    first, *_others = Image.objects.filter(project=project).order_by("pk")
    default_storage.delete(first.original)
    trunk = SimpleNamespace(key="no-room", dim=2, size=32, embed=lambda pixels: np.ones((len(pixels), 2), np.float32))
    pictures = [Picture(image.sha256, image.original) for image in Image.objects.filter(project=project).order_by("pk")]

    found = embedding.fill(trunk, pictures)

    assert found.tolist() == [False] + [True] * 59
    assert embedding.store_of(trunk).count() < 59


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://store"),
        ClientError({"ResponseMetadata": {"HTTPStatusCode": 403}}, "GetObject"),
    ],
)
def test_pictures_of_a_store_that_fails_are_not_taken_for_unreadable(
    error: Exception, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_asked: object) -> None:
        raise error

    monkeypatch.setattr(FileSystemStorage, "_open", fails)
    images = list(Image.objects.filter(project=project))

    trunk = SimpleNamespace(key="store-fails", dim=2, size=32, embed=None)  # nothing comes as far as that
    with pytest.raises(StoreFails, match="The store of files"):
        embedding.fill(trunk, [Picture(one.sha256, one.original) for one in images])
    with pytest.raises(StoreFails):
        traits.ensure_traits(project=project, image_ids=[one.pk for one in images])
    assert not ImageTrait.objects.exists()


def test_one_file_that_may_not_be_read_is_passed_over_but_a_disk_that_the_system_closed_is_not() -> None:
    raise_if_store_fails(PermissionError(errno.EACCES, "Permission denied", "/data/media/a.jpg"))
    with pytest.raises(StoreFails):
        raise_if_store_fails(OSError(errno.EROFS, "Read-only file system", "/data/media/a.jpg"))
