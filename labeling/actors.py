"""The doors through which messages come in: one to five lines each; the work is elsewhere."""

from __future__ import annotations

import dramatiq

from labeling import exporting, jobs, webhooks
from labeling.collecting import changing, leases, spending
from labeling.consensus import bounds, fitting
from labeling.importing import ingest, judgments, labels
from labeling.upkeep import discarding, tidying

MINUTE = 60_000


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def import_images(job_id: str) -> None:
    jobs.run(job_id, ingest.run, waits=True)


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def import_judgments(job_id: str) -> None:
    jobs.run(job_id, judgments.run, waits=True)


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def import_labels(job_id: str) -> None:
    jobs.run(job_id, labels.run, waits=True)


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def export_labels(job_id: str) -> None:
    jobs.run(job_id, exporting.run)


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def change_tasks(job_id: str) -> None:
    jobs.run(job_id, changing.run, waits=True)


@dramatiq.actor(queue_name="cpu", time_limit=60 * MINUTE, max_retries=3)
def discard_files() -> None:
    discarding.run()


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=0)
def expire_leases() -> None:
    leases.expire()


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=0)
def requeue_stuck_jobs() -> None:
    jobs.requeue_stuck()


@dramatiq.actor(queue_name="cpu", time_limit=60 * MINUTE, max_retries=3)
def fit_project(project_id: int) -> None:
    fitting.fit_project(project_id)


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=0)
def refit_due() -> None:
    for project_id in fitting.due():
        fit_project.send(project_id)


@dramatiq.actor(queue_name="cpu", time_limit=240 * MINUTE, max_retries=3)
def follow_bounds(job_id: str) -> None:
    jobs.run(job_id, bounds.run, waits=True)


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=3)
def retire_spent(project_id: int) -> None:
    spending.retire_when_spent(project_id=project_id)


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=3)
def reopen_affordable(project_id: int) -> None:
    spending.reopen_when_affordable(project_id=project_id)


@dramatiq.actor(queue_name="cpu", time_limit=10 * MINUTE, max_retries=0)
def deliver_webhooks() -> None:
    webhooks.deliver_due()


@dramatiq.actor(queue_name="cpu", time_limit=5 * MINUTE, max_retries=0)
def forget_what_is_over() -> None:
    tidying.forget()
