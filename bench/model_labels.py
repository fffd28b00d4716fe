"""What it costs to retire tasks with a model's labels: CPU of this process and of the database, batch by batch.

A PostgreSQL of its own, ``--tasks`` open tasks made by SQL, and ``label_by_model`` on 500 of them at a time, as the
worker calls it.

    python -m bench.model_labels [--tasks 20000]
"""

from __future__ import annotations

import argparse
import time

from bench import claims
from bench.database import own_database
from bench.watching import cpu_of, family

BATCH = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    options = parser.parse_args()
    with own_database() as (_folder, postgres_pid):
        measure(options.tasks, postgres_pid)


def measure(tasks: int, database: int) -> None:
    from labeling.models import Image, Project
    from labeling.services import label_by_model

    site, _ = claims.fill(tasks, 1, 3)
    project = Project.objects.get(slug=site.project)
    ids = list(Image.objects.filter(project=project).order_by("pk").values_list("pk", flat=True))
    started, cpu, before = time.perf_counter(), time.process_time(), cpu_of(family(database))
    labeled = 0
    for at in range(0, len(ids), BATCH):
        labeled += len(label_by_model(project=project, labels=dict.fromkeys(ids[at : at + BATCH], ("a", 0.99))))
    own, its = time.process_time() - cpu, cpu_of(family(database)) - before
    project.refresh_from_db()
    assert labeled == project.retired_count == tasks
    wall = time.perf_counter() - started
    print(f"{labeled} tasks: {own:.2f} s of CPU here, {its:.2f} s in the database, {wall:.1f} s in all")


if __name__ == "__main__":
    main()
