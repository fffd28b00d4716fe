"""Near-duplicates: what a batch of new images costs in a project that has a hundred, ten thousand, a million.

Looks like those of photographs are written by COPY into a database of its own; then batches of new ones, a tenth of
them copies, go through ``training.snapshots.traits``. CPU of this process and time by the clock, database included.

    python -m bench.traits [--images 1000 100000 1000000]
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from bench.database import own_database

BATCHES = 8
# Standard deviations of the eight averages over photographs of ../shared/data (cats and dogs, trashnet).
SPREAD = (34, 15, 16, 26, 7, 9, 15, 13)


def looks(count: int, seed: int) -> np.ndarray:
    """Thumbnails, uint8 [n, 192], whose coarse averages are spread like photographs'."""
    from training.snapshots.traits import PATTERNS

    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, SPREAD, (count, len(SPREAD))).astype(np.float32) @ PATTERNS
    return np.clip(120 + coarse + rng.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def fill(project_id: int, start: int, stop: int) -> None:
    from django.db import connection

    from training.snapshots.traits import bucket_of

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labeling_image (id, project_id, sha256, name, width, height, byte_count, original, display,"
            " thumbnail, created_at) SELECT n, %s, encode(sha256(n::text::bytea), 'hex'), n::text, 1, 1, 1, '', '', '',"
            " now() FROM generate_series(%s, %s) n",
            [project_id, start + 1, stop],
        )
        sql = 'COPY training_imagetrait (image_id, project_id, look, "group", bucket) FROM STDIN'
        with cursor.copy(sql) as copy:
            for at in range(start, stop, 10_000):
                for number, look in enumerate(looks(min(10_000, stop - at), at), at + 1):
                    copy.write_row((number, project_id, look.tobytes(), f"{number:064x}", bucket_of(look)))
        cursor.execute("ANALYZE training_imagetrait")


def measure(project, batch: int, seed: int) -> tuple[float, float]:
    """(CPU, wall) milliseconds an image of BATCHES batches."""
    from labeling.models import Image
    from training.models import ImageTrait
    from training.snapshots import traits

    cpu = wall = 0.0
    for number in range(BATCHES):
        rows = looks(batch, 10_000_000 + seed * 100 + number)
        old = ImageTrait.objects.filter(project=project).order_by("image_id").values_list("look", flat=True)
        rows[: batch // 10] = [np.frombuffer(look, np.uint8) for look in old[: batch // 10]]
        images = Image.objects.bulk_create(
            Image(project=project, sha256=f"{seed}{number}{n:061x}"[-64:], name="", width=1, height=1, byte_count=1)
            for n in range(batch)
        )
        began, started = time.perf_counter(), time.process_time()
        traits._store(project, list(zip(images, rows, strict=True)))
        cpu, wall = cpu + time.process_time() - started, wall + time.perf_counter() - began
    return 1000 * cpu / (batch * BATCHES), 1000 * wall / (batch * BATCHES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    options = parser.parse_args()
    with own_database(synchronous_commit="off"):
        from django.contrib.auth.models import User
        from django.db import connection

        from labeling.services import create_project
        from training.snapshots.traits import BATCH

        project = create_project(owner=User.objects.create_user("bench"), name="Bench", categories=["a", "b"])
        print(f"{'images there':>14}{'CPU ms an image':>18}{'ms by the clock':>18}{'peak MB':>10}")
        there = 0
        for seed, count in enumerate(sorted(options.images)):
            fill(project.pk, there, count)
            there = count
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence('labeling_image', 'id'), %s)", [5_000_000 + seed * 100_000]
                )
            cpu, wall = measure(project, BATCH, seed)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"{count:14,}{cpu:18.2f}{wall:18.2f}{peak:10}", flush=True)


if __name__ == "__main__":
    main()
