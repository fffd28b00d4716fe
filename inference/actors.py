"""The doors of background work. Ids only; the work and its claims are in the modules beside this one."""

from __future__ import annotations

import dramatiq

from inference import batch
from inference.downloads import packing
from inference.feedback import backlog, loop
from labeling import jobs

MINUTE = 60_000


@dramatiq.actor(queue_name="cpu", time_limit=MINUTE, max_retries=0)
def score_pools() -> None:
    """Scheduled: send each project whose pool its champion has not scored; take back orders of another question."""
    backlog.withdraw_orders()
    for project_id in backlog.due_projects():
        score_pool.send(project_id)


@dramatiq.actor(queue_name="cpu", time_limit=30 * MINUTE, max_retries=2, min_backoff=5_000, max_backoff=60_000)
def score_pool(project_id: int) -> None:
    backlog.score_pool(project_id)


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=0)
def close_loop() -> None:
    """Scheduled: measure what versions said, label and audit, look for drift, forget what is old."""
    loop.close_all()


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def predict_many(job_id: str) -> None:
    jobs.run(job_id, batch.run)


@dramatiq.actor(queue_name="gpu", time_limit=30 * MINUTE, max_retries=1)
def make_download(job_id: str) -> None:
    jobs.run(job_id, packing.run)
