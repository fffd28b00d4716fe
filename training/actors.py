"""The doors of background work: ids in, one call, every option written out."""

from __future__ import annotations

import contextlib

import dramatiq
from django.db import transaction

from labeling.models import Project
from training import leftovers, outlook, same_images, suspects
from training.features import background, portables
from training.models import ModelVersion
from training.runs import due, queueing, running
from training.runs.due import Decision
from training.snapshots import traits

HOUR = 3_600_000
DELETED = (ModelVersion.DoesNotExist, Project.DoesNotExist)  # since the message was sent


@dramatiq.actor(queue_name="gpu", time_limit=12 * HOUR, max_retries=0)
def run_training(run_id: str) -> None:
    """Do one run; a run whose process was killed is sent again at once."""
    if running.work_on(run_id):
        run_training.send(run_id)
        running.stand_back()
    for version_id in running.versions_of(run_id):
        measure_versions.send(version_id)
        find_suspects.send(version_id)


@dramatiq.actor(queue_name="cpu", time_limit=HOUR, max_retries=1)
def measure_versions(version_id: int) -> None:
    """Measure all versions on the images that the new one holds out."""
    with contextlib.suppress(*DELETED):
        same_images.measure(version_id)


@dramatiq.actor(queue_name="cpu", time_limit=HOUR, max_retries=1)
def find_suspects(version_id: int) -> None:
    """Look for labels that it doubts, and what more labels would bring, after the version is live."""
    with contextlib.suppress(*DELETED):
        suspects.find_suspects(version_id)
        outlook.measure(version_id)


@dramatiq.actor(queue_name="gpu", time_limit=12 * HOUR, max_retries=0)
def bake_off(job_id: str) -> None:
    """Measure several backbones and recipes; a job whose process was killed is sent again by the jobs' sweeper."""
    if running.bake_off_on(job_id):
        bake_off.send(job_id)
        running.stand_back()


@dramatiq.actor(queue_name="cpu", time_limit=HOUR // 6, max_retries=0)
def check_due() -> None:
    """Start the runs that are due, and write down why the others are not."""
    due.start_due_runs(_start)


@transaction.atomic
def _start(project: Project, decision: Decision) -> None:
    run = queueing.create_run(project=project, cause=decision.cause)
    run_training.send(str(run.pk))


@dramatiq.actor(queue_name="cpu", time_limit=HOUR // 2, max_retries=0)
def embed_new_images() -> None:
    """Embed what was uploaded since the last time, and write what the portable runtime lacks."""
    background.embed_new_images()
    portables.make_portables()


@dramatiq.actor(queue_name="cpu", time_limit=HOUR // 6, max_retries=0)
def requeue_stuck_runs() -> None:
    """Send the runs again whose message or process was lost."""
    for run_id in running.stuck_runs():
        run_training.send(run_id)


@dramatiq.actor(queue_name="cpu", time_limit=HOUR // 2, max_retries=0)
def sweep_leftovers() -> None:
    """Delete the versions of deleted projects, and checkpoints that nobody goes on from; deleted images have heirs."""
    leftovers.sweep()
    traits.lead_again()
