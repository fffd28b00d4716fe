"""How long a new champion takes to score a pool of unlabeled images from cached features, database included.

``python bench/score_pool.py [--images 1000000] [--dim 256]`` makes a database, rows and random features in a temporary
folder, then measures ``inference.feedback.backlog.score_pool``: features read and checked, probabilities, novelty, one
row an image by COPY, the choice of the next images, and their priorities.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = Path(tempfile.mkdtemp(prefix="crowdtune-bench-"))
os.environ |= {
    "DATA_DIR": str(FOLDER), "SECRET_KEY": "only for benchmarks", "DJANGO_SETTINGS_MODULE": "config.settings",
    "LOG_LEVEL": "WARNING", "ENV_FILE": os.devnull,
}  # fmt: skip

from config import postgres  # noqa: E402 - after the environment

os.environ["DATABASE_URL"] = postgres.url(FOLDER / "postgres")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256, help="MobileNetV2 has 1280: five times the bytes to read")
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args()
    (FOLDER / "postgres").mkdir(parents=True)
    server = postgres.Postgres(FOLDER / "postgres", settings={"synchronous_commit": "off"})
    with (FOLDER / "postgres.log").open("wb") as log:
        server.start(log=log)
    try:
        assert server.process is not None
        measure(options, server.process.pid)
    finally:
        server.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)


def measure(options: argparse.Namespace, postgres_pid: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from bench import pools
    from bench.serve import tree_cpu
    from inference.feedback import backlog

    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    project = pools.make(FOLDER, images=options.images, dim=options.dim, classes=options.classes)
    print(f"made {options.images:,} images of {options.dim} features in {time.perf_counter() - started:.0f} s")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    started, cpu, database = time.perf_counter(), time.process_time(), tree_cpu(postgres_pid)
    scored = backlog.score_pool(project.pk)
    seconds = time.perf_counter() - started
    result = {
        "images": scored, "dim": options.dim, "classes": options.classes, "seconds": round(seconds, 1),
        "images_per_second": round(scored / seconds),
        "cpu_seconds_of_this_process": round(time.process_time() - cpu, 1),
        "cpu_seconds_of_postgresql": round(tree_cpu(postgres_pid) - database, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
