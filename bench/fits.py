"""What the full fit of a large project holds in memory: all its judgments read from the database, and fitted.

A database of its own (embedded PostgreSQL), a project whose judgments are drawn by SQL: ten choices, five judgments a
task, a thousand workers, eight of ten right. The fit runs in a process of its own, as a worker's does.

    python -m bench.fits [--judgments 1000000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

from bench.claims import fill
from bench.database import own_database

EACH, WORKERS = 5, 1000
_JUDGE = """
INSERT INTO labeling_judgment (task_id, project_id, worker_id, answers, survey_version, source, is_gold, price,
                               created_at)
SELECT t.id, t.project_id, (SELECT min(id) FROM auth_user WHERE username LIKE 'bench-w-%%')
       + (t.id * 7 + g * 200) %% %s,
       json_build_object('category', chr((97 + CASE WHEN random() < .8 THEN t.id ELSE floor(random() * 10) END)::int
                         %% 10 + 97)), 1, 'worker', false, 0, now()
FROM labeling_task t CROSS JOIN generate_series(0, %s) g WHERE t.project_id = %s"""


def _fit(slug: str, found: multiprocessing.Queue) -> None:
    import django

    django.setup()
    from labeling.consensus import fitting
    from labeling.models import Project

    project = Project.objects.get(slug=slug)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    fits = fitting.fit_all(project, "adaptive")
    assert len(fits) == 1
    found.put((before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time() - started))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgments", type=int, default=1_000_000)
    options = parser.parse_args()
    with own_database():
        _table(options.judgments)


def _table(judgments: int) -> None:
    from django.contrib.auth.models import User
    from django.db import connection

    User.objects.bulk_create(User(username=f"bench-w-{number}") for number in range(WORKERS))
    site, _keys = fill(judgments // EACH, 1, EACH)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM labeling_project WHERE slug = %s", [site.project])
        cursor.execute(_JUDGE, [WORKERS, EACH - 1, cursor.fetchone()[0]])
        cursor.execute("VACUUM ANALYZE labeling_judgment")
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=_fit, args=(site.project, found))
    process.start()
    before, peak, seconds = found.get(timeout=900)
    process.join()
    print(
        f"{judgments} judgments: {before:.0f} MB before, {peak:.0f} MB at the peak of the fit, {seconds:.1f} s of CPU"
    )


if __name__ == "__main__":
    main()
