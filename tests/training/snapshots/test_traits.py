"""Near-duplicates are found by an index, as comparing with each image would find them."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from django.db import connection, transaction

from labeling.models import Image, Project
from tests.training.drawing import make_project
from training import actors
from training.models import ImageTrait
from training.snapshots import traits

CELLS = 192


def looks(count: int, seed: int = 0) -> np.ndarray:
    """Smooth thumbnails like those of photographs, uint8 [n, 192]."""
    rng = np.random.default_rng(seed)
    steps = np.linspace(-1, 1, 8)
    down, right = np.broadcast_to(steps[:, None, None], (8, 8, 1)), np.broadcast_to(steps[None, :, None], (8, 8, 1))
    slopes = rng.normal(0, 40, (count, 2, 1, 1, 3)) * np.stack([down, right])
    ground = rng.uniform(20, 235, (count, 1, 1, 3)) + slopes.sum(axis=1) + rng.normal(0, 12, (count, 8, 8, 3))
    return np.clip(ground, 0, 255).astype(np.uint8).reshape(count, CELLS)


def bare_image(project: Project, number: int, name: str = "") -> Image:
    return Image.objects.create(project=project, sha256=f"{number:064x}", name=name, width=1, height=1, byte_count=1)


def stored(project: Project, rows: np.ndarray, start: int) -> list[str]:
    """The groups that the looks were given, in one transaction as ``ensure_traits`` makes them."""
    images = [bare_image(project, start + n, str(n)) for n in range(len(rows))]
    traits._store(project, list(zip(images, rows, strict=True)))
    groups = dict(ImageTrait.objects.filter(image__in=images).values_list("image_id", "group"))
    return [groups[image.pk] for image in images]


@pytest.mark.parametrize("largest", [1, 4, 24])
def test_what_is_alike_lies_in_a_bucket_that_is_looked_into(largest: int) -> None:
    rng = np.random.default_rng(largest)
    seen = 0
    for look in looks(200, seed=largest):
        # Up to the very limits: few cells far off, or all of them a little, to one side.
        change = np.where(rng.random(CELLS) < 4 / largest, largest, 0) * rng.choice([-1, 1], CELLS if seen % 2 else 1)
        other = np.clip(look.astype(int) + change, 0, 255).astype(np.uint8)
        if np.abs(other.astype(int) - look.astype(int)).mean() <= traits.MAX_MEAN_DIFFERENCE:
            seen += 1
            assert traits.bucket_of(other) in traits.buckets_around(look)
    assert seen > 50


def test_a_copy_joins_its_group_in_a_later_transaction_and_others_do_not(db: None) -> None:
    project, other = make_project(), make_project("other")
    first = looks(60)
    groups = stored(project, first, 0)
    noise = np.random.default_rng(1).integers(-2, 3, first.shape)
    copies = np.clip(first.astype(int) + noise, 0, 255).astype(np.uint8)

    assert len(set(groups)) == 60
    assert stored(project, copies, 1_000) == groups
    assert len(set(stored(project, looks(60, seed=5), 2_000)) & set(groups)) == 0
    assert len(set(stored(other, copies, 3_000)) & set(groups)) == 0  # another project's images are not looked at
    assert ImageTrait.objects.filter(project=project, bucket=None).count() == 60


def test_two_copies_in_one_transaction_find_each_other(db: None) -> None:
    look = looks(1)
    assert len(set(stored(make_project(), np.concatenate([look, look]), 0))) == 1


def test_a_copy_finds_its_group_when_the_first_image_of_it_was_deleted(db: None) -> None:
    project = make_project()
    look = looks(1)
    groups = stored(project, np.concatenate([look, look, looks(1, seed=5)]), 0)
    Image.objects.filter(project=project, name="0").delete()

    actors.sweep_leftovers()

    assert stored(project, look, 1_000) == groups[:1]
    assert traits.lead_again() == 0


def test_a_copy_joins_the_group_that_it_is_most_alike(db: None) -> None:
    project, plain = make_project(), np.full((1, CELLS), 120, np.uint8)
    lighter, darker = stored(project, np.concatenate([plain + 3, plain - 2]), 0)

    assert lighter != darker
    assert stored(project, plain, 1_000) == [darker]


@pytest.mark.parametrize(("difference", "groups"), [(traits.MAX_CELL_DIFFERENCE, 1), (30, 2)])
def test_a_single_cell_may_tell_two_pictures_apart(difference: int, groups: int, db: None) -> None:
    rows = np.full((2, CELLS), 120, np.uint8)
    rows[1, :3] += difference
    assert len(set(stored(make_project(), rows, 0))) == groups


def test_an_image_without_a_readable_thumbnail_stands_alone_and_is_looked_at_once(db: None) -> None:
    project = make_project()
    image = bare_image(project, 1)

    assert traits._store(project, [(image, None)]) == 1
    assert traits.lead_again() == 0
    assert traits._store(project, [(image, looks(1)[0])]) == 0  # another process was quicker
    assert ImageTrait.objects.get().group == image.sha256


@pytest.mark.django_db(transaction=True)
def test_an_image_that_was_deleted_while_it_was_looked_at_costs_the_others_nothing() -> None:
    project, look = make_project(), looks(1)[0]
    gone, stays = bare_image(project, 1), bare_image(project, 2)
    Image.objects.get(pk=gone.pk).delete()

    assert traits._store(project, [(gone, look), (stays, look)]) == 1
    assert ImageTrait.objects.get().image_id == stays.pk


@pytest.mark.django_db(transaction=True)
def test_two_copies_in_two_transactions_at_once_find_each_other() -> None:
    project, look = make_project(), looks(1)[0]
    first, second = bare_image(project, 1), bare_image(project, 2)

    def copy() -> None:
        try:
            traits._store(project, [(second, look)])
        finally:
            connection.close()

    other = threading.Thread(target=copy)
    with transaction.atomic(), connection.cursor() as cursor:
        traits._store(project, [(first, look)])
        other.start()
        waiting = 0
        while other.is_alive() and not waiting:
            time.sleep(0.02)
            cursor.execute(  # of this database: other tests run on others of the same server
                "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database "
                "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
            )
            (waiting,) = cursor.fetchone()
    other.join()

    assert set(ImageTrait.objects.values_list("group", flat=True)) == {first.sha256}
