"""What each stage of a training run holds in memory, by the number of images: anonymous memory and the whole peak.

Made-up features of 1,280 numbers an image lie in the feature store of a real trunk; one photograph stands for all,
since only some of the held-out ones are opened, to verify the export. The trunk counts as verified, as it is from the
second version on it: the first brings TensorFlow in, whatever the number of images. Two runs: nine tenths of the
labels, then all, so that the second meets a champion. A size is one process with a database of its own.

Columns: MB of anonymous memory at the stage's begin and at its peak (what cannot be given back), peak of all resident
memory (VmHWM: pages of mapped files are the system's to take back), CPU seconds.

    python -m bench.memory [--images 2000 20000 100000] [--classes 10]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import SCRATCH, SHARED, Clock, opened
from bench.watching import Peak, anonymous

BACKBONE = "mobilenet_v2_0.35"
PART = 20_000


@contextmanager
def watched(name: str) -> Iterator[None]:
    """Print what this process held meanwhile."""
    before = anonymous()
    with Peak() as peak, Clock() as clock:
        yield
    print(f"  {name:12} {before:8.0f} {peak.most:8.0f} {peak.resident:8.0f} {clock.cpu:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[2_000, 20_000, 100_000])
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.images[0], options.classes, options.inside)
        return
    opened(BACKBONE)  # the trunk is exported here, by Keras, and only copied into each folder
    for images in options.images:
        folder = Path(tempfile.mkdtemp(prefix="crowdtune-bench-"))
        try:
            with served(folder) as environment:
                print(f"{images:,} images      anon at    peak    VmHWM      CPU s", flush=True)
                command = [sys.executable, "-m", "bench.memory", "--images", str(images), "--inside", str(folder)]
                subprocess.run([*command, "--classes", str(options.classes)], env=os.environ | environment, check=True)
        finally:
            shutil.rmtree(folder)


@contextmanager
def served(folder: Path) -> Iterator[dict[str, str]]:
    """A PostgreSQL under the folder; the environment that leads there."""
    environment = {
        "DATA_DIR": str(folder), "SECRET_KEY": "only for benchmarks", "DJANGO_SETTINGS_MODULE": "config.settings",
        "LOG_LEVEL": "WARNING", "ENV_FILE": os.devnull, "KERAS_HOME": str((SHARED / "weights").resolve()),
    }  # fmt: skip
    os.environ |= environment
    from config.processes import postgres  # after the environment

    (folder / "postgres").mkdir(parents=True)
    server = postgres.Postgres(folder / "postgres", settings={"synchronous_commit": "off"})
    with (folder / "postgres.log").open("wb") as log:
        server.start(log=log)
    try:
        yield environment | {"DATABASE_URL": postgres.url(folder / "postgres")}
    finally:
        server.stop()


def inside(images: int, classes: int, folder: Path) -> None:
    """The two runs, in a process that has the environment."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from training import services
    from training.models import TrainingRun
    from training.runs import running
    from training.snapshots import freezing
    from training.suspects import find_suspects

    call_command("migrate", verbosity=0)
    project = populate(images, classes, folder)
    watch_stages()
    for share in (0.9, 1.0):
        label(project, int(images * share))
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        with watched("snapshot"):
            freezing.freeze_snapshot(project=project)
        run = services.request_run(project=project, cause="person", backbone=BACKBONE)
        with watched("whole run"):
            outcome = running.execute(str(run.pk))
        run = TrainingRun.objects.get(pk=run.pk)
        print(f"  {outcome} {run.failure}: {run.log[-1]['message']}")
    with watched("suspects"):
        find_suspects(running.versions_of(str(run.pk))[0])


def watch_stages() -> None:
    """Every stage of a run, and what comes after them, prints what it held."""
    from training.runs import pipeline

    def seen(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            with watched(name):
                return work(*arguments, **options)

        return run

    for name, (work, message, progress) in pipeline.STAGES.items():
        pipeline.STAGES[name] = (seen(name, work), message, progress)
    pipeline.load_items = seen("load items", pipeline.load_items)
    pipeline.decide = seen("gate", pipeline.decide)


def populate(images: int, classes: int, folder: Path) -> Any:
    """The project: images, their groups, their tasks, features in the store, and a trunk that counts as verified."""
    from django.contrib.auth.models import User
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.db import connection

    from labeling.models import Project
    from labeling.services import create_project
    from training.features import embedding
    from training.learning.feature_store import FeatureStore
    from training.runs.stages.verify import MARK

    _, _, trunk = opened(BACKBONE)
    target = folder / "trunks" / trunk.key
    shutil.copytree(SCRATCH / "trunks" / trunk.key, target)
    (target / MARK).write_text("{}")
    keys = [f"class{number}" for number in range(classes)]
    project = create_project(owner=User.objects.create_superuser("bench"), name="Bench", categories=keys)
    photo = next((SHARED / "images" / "cats_dogs").glob("*/*.jpg")).read_bytes()
    name = default_storage.save("photo.jpg", ContentFile(photo))
    statements = (
        "INSERT INTO labeling_image (project_id, sha256, name, width, height, byte_count, original, display, thumbnail,"
        " created_at) SELECT %(project)s, encode(sha256(n::text::bytea), 'hex'), n::text, 1, 1, 1, %(name)s, '', '',"
        " now() FROM generate_series(1, %(images)s) n",
        "INSERT INTO training_imagetrait (image_id, project_id, look, \"group\") SELECT id, project_id, '', sha256 FROM"
        " labeling_image WHERE project_id = %(project)s",
        "INSERT INTO labeling_task (project_id, image_id, stage, state, retired_because, priority, random, wanted,"
        " judgment_count, open_slots, is_gold, payload, created_at, retired_at) SELECT project_id, id, 'label',"
        " 'retired', 'confident', 0, random(), 3, 3, 0, false, '{}', now(), now() FROM labeling_image"
        " WHERE project_id = %(project)s",
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, {"project": project.pk, "name": name, "images": images})
        Project.objects.filter(pk=project.pk).update(image_count=images, task_count=images, retired_count=images)
        store = FeatureStore(embedding.features_folder(), trunk.key, trunk.dim)
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(classes, trunk.dim)).astype(np.float32) * np.float32(0.1)
        cursor.execute("SELECT id, sha256 FROM labeling_image WHERE project_id = %s ORDER BY id", [project.pk])
        while rows := cursor.fetchmany(PART):
            labels = np.array([pk % classes for pk, _ in rows])
            noise = rng.standard_normal((len(rows), trunk.dim), dtype=np.float32)
            store.put([sha for _, sha in rows], centres[labels] + noise)
    project.refresh_from_db()
    return project


def label(project: Any, images: int) -> None:
    """The crowd's final word on the first images, with what it holds possible besides."""
    from django.db import connection

    question = project.primary_question()
    keys = [choice["key"] for choice in question.choices()]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labeling_consensus (task_id, project_id, question_id, answer, confidence, posterior, method,"
            " others, judgment_count, is_final, updated_at) SELECT t.id, t.project_id, %(question)s,"
            " to_jsonb((%(keys)s::text[])[1 + t.image_id %% %(count)s]), 0.9,"
            " jsonb_build_object((%(keys)s::text[])[1 + t.image_id %% %(count)s], 0.9,"
            " (%(keys)s::text[])[1 + (t.image_id + 1) %% %(count)s], 0.06,"
            " (%(keys)s::text[])[1 + (t.image_id + 2) %% %(count)s], 0.04), 'adaptive', '{}', 3, true, now()"
            " FROM labeling_task t WHERE t.project_id = %(project)s AND t.id IN (SELECT id FROM labeling_task"
            " WHERE project_id = %(project)s ORDER BY id LIMIT %(images)s) ON CONFLICT DO NOTHING",
            {"question": question.pk, "keys": keys, "count": len(keys), "project": project.pk, "images": images},
        )


if __name__ == "__main__":
    main()
