"""Worker-side: one run from its claim to its one outcome: a ModelVersion, a recorded failure, or a cancellation.

The stages are in ``training.runs.pipeline``; each leaves a checkpoint in the run's folder, so that whoever claims the
run after a kill goes on where the last one stopped. Everything here works by conditional UPDATE: a message delivered
twice finds 0 rows to claim and does nothing.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import Error, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling import jobs
from labeling.errors import CrowdtuneError
from labeling.models import Job, Project
from labeling.resilience import outages
from labeling.resilience.heartbeat import silent
from labeling.text.words import gettext as _
from training.learning.errors import Cancelled as LearningCancelled
from training.learning.errors import is_out_of_memory
from training.models import ModelVersion, TrainingRun
from training.runs import due
from training.runs.progress import Cancelled, Lost, Reporter, heartbeat, log_line
from training.runs.trainer import TRAINER, ChildDied

logger = logging.getLogger(__name__)

STALE_AFTER = timedelta(seconds=20)
RESEND_AFTER = timedelta(minutes=2)
MAX_ATTEMPTS = 4
STAND_BACK_SECONDS = 10.0
State = TrainingRun.State


@dataclass(frozen=True)
class Failure:
    """What went wrong, and what a person can do about it."""

    message: str
    advice: str


def claim(run_id: str) -> TrainingRun | None:
    """Take the run, if it waits or its last owner has gone silent; None when there is nothing to take."""
    dead = Q(state=State.RUNNING) & _is_dead()
    # Not of a project that is being deleted. A subquery, since a join would move the state into one, too, where the
    # update does not look at it again, and two workers could take one run.
    live = TrainingRun.objects.filter(project__in=Project.objects.all())
    taken = live.filter(Q(state=State.QUEUED) | dead, pk=run_id, attempts__lt=MAX_ATTEMPTS).update(
        state=State.RUNNING,
        attempts=F("attempts") + 1,
        heartbeat_at=timezone.now(),
        started_at=Coalesce("started_at", timezone.now()),  # of the first attempt
    )
    if not taken:
        return None
    return TrainingRun.objects.select_related("project", "snapshot__question").get(pk=run_id)


def _is_dead() -> Q:
    return Q(heartbeat_at=None) | silent("heartbeat_at", STALE_AFTER)


def work_on(run_id: str) -> bool:
    """Do the run in the warm trainer, or here where TRAINER_PROCESS is off; True when it should be sent again."""
    if not settings.TRAINER_PROCESS:
        execute(run_id)
        return False
    if not TrainingRun.objects.live().filter(pk=run_id, project__deleted_at=None).exists():
        return False
    taken: list[int] = []  # the attempt as which the process has claimed it: another worker may have it meanwhile
    try:
        TRAINER.call("run", run_id, taken.append)
    except ChildDied as death:
        return died(run_id, death, *taken)
    except BaseException:
        for attempt in taken:
            release(run_id, attempt)
        raise
    return False


def execute(run_id: str, taken: Callable[[int], object] = lambda attempt: None) -> str:
    """Claim the run and do it; returns its outcome, or ``nothing`` when there was nothing to claim.

    Args:
        taken: Is told the number of the attempt, once the run is claimed.
    """
    try:
        run = claim(run_id)
    except Error as error:
        if not outages.database_is_away(error):
            raise
        logger.warning("run %s waits until the database is back: %s", run_id, error)  # a sweep sends it again
        return "nothing"
    if run is None:
        return "nothing"
    taken(run.attempts)
    # Everything heavy enters by this door: web processes send messages to actors and must not pay for it.
    from training.runs import pipeline

    reporter = Reporter(run)
    if run.attempts > 1:
        reporter.log(_("Attempt %(number)s: going on from the last checkpoint.") % {"number": run.attempts})
    try:
        with heartbeat(run) if settings.TRAINER_PROCESS else contextlib.nullcontext():
            pipeline.go_through(run, reporter, folder_of(run))
    except Lost:
        logger.warning("run %s was taken over by another process", run.pk)
        return "lost"
    except (Cancelled, LearningCancelled):
        return _say_end(run, State.CANCELLED, log=_("Cancelled."))
    except Exception as error:
        if outages.database_is_away(error) and not outages.is_full(error):
            logger.warning("run %s goes on when the database is back", run.pk, exc_info=True)
            _give_back(run)
            return "lost"
        if outages.store_is_away(error) and TrainingRun.objects.filter(pk=run.pk, cancel_requested=True).exists():
            return _say_end(run, State.CANCELLED, log=_("Cancelled."))  # while the store was waited for
        if outages.store_is_away(error) and _begin_later(run):
            logger.warning("run %s goes on in a while: %s", run.pk, error)
            return "lost"
        failure = explain(error)
        logger.exception("run %s failed", run.pk)
        said = _("Failed: %(why)s") % {"why": failure.message}
        return _say_end(run, State.FAILED, failure=failure.message, advice=failure.advice, log=said)
    shutil.rmtree(folder_of(run), ignore_errors=True)
    return State.SUCCEEDED


def folder_of(run: TrainingRun) -> Path:
    """Where the run keeps its checkpoints until it ends."""
    return settings.DATA_DIR / "runs" / str(run.pk)


def explain(error: Exception) -> Failure:
    """An exception as an owner can use it."""
    if isinstance(error, CrowdtuneError):
        return Failure(error.message, ADVICE.get(error.code, ADVICE[""]))
    if outages.is_full(error):
        # A folder that is copied tells of each of its files: the first says enough.
        said = error.args[0][0][2] if isinstance(error, shutil.Error) else error
        return Failure(_("The disk is full: %(error)s.") % {"error": said}, ADVICE["disk_full"])
    if outages.store_is_away(error):
        return Failure(_("The store of files does not answer: %(error)s.") % {"error": error}, ADVICE["store_fails"])
    if outages.store_refuses(error):
        return Failure(_("The store of files refuses this: %(error)s.") % {"error": error}, ADVICE["store_fails"])
    if is_out_of_memory(error):
        return Failure(_("The machine ran out of memory."), ADVICE["out_of_memory"])
    return Failure(f"{type(error).__name__}: {error}"[:2000], ADVICE[""])


ADVICE = {
    "": _(
        "The worker's log has the details under this run's id. Try again; if it fails again, report it with the log."
    ),
    "disk_full": _(
        "Free some space in the data folder (old models and features can go), then start the run again: what"
        " was computed is kept."
    ),
    "store_fails": _(
        "Whoever runs this platform can see to the store: DATA_DIR, or the bucket of STORAGE_URL. Then start the run"
        " again: what was computed is kept."
    ),
    "out_of_memory": _("Choose a smaller backbone, or feature extraction instead of fine-tuning, and start it again."),
    "weights_missing": _(
        "Run `manage.py weights fetch` where there is internet, put the named file into the named"
        " folder, or choose another backbone."
    ),
    "not_enough_labels": _("Let the crowd label more, then start the run again."),
    "too_little_data": _("Let the crowd label more, above all in the categories that have least."),
    "training_diverged": _("Choose a lower learning rate, or feature extraction. If one image is damaged, remove it."),
    "not_faithful": _(
        "The exported model did not answer like the trained one, so it may not serve. Try again; if it"
        " fails again, choose another backbone."
    ),
    "artifact_damaged": _("A stored file was changed or cut off. It is made again when the run is started again."),
    "bad_features": _("Choose another backbone. One that was imported can be imported again from a whole file."),
    "crashed": _("Native code crashed. The worker lives on. Try again with another backbone or without augmentation."),
    "not_begun": _(
        "Whoever runs this platform finds the reason in the worker's log: most often a library that cannot be loaded,"
        " or too little memory. Start the run again when that is mended."
    ),
    "killed": _(
        "The process was killed again and again, most often by the system for want of memory. Choose a smaller"
        " backbone or feature extraction."
    ),
}


def _say_end(run: TrainingRun, state: str, **told: str) -> str:
    """Write the outcome, and return it; or ``lost`` where the database takes nothing, for want of room, too: the run
    goes silent then, and a sweep sends it again. A process that died of it would be taken for one that crashed.
    """
    try:
        _end(run, state, **told)
    except Error as error:
        if not outages.database_is_away(error):
            raise
        logger.warning("run %s cannot write down how it ended: %s", run.pk, error)
        return "lost"
    return state


def _end(run: TrainingRun, state: str, *, log: str, failure: str = "", advice: str = "") -> None:
    """The outcome of this attempt; nothing happens when the run belongs to another attempt by now, or has ended."""
    with transaction.atomic():
        mine = TrainingRun.objects.select_for_update().filter(pk=run.pk, attempts=run.attempts, state=run.state)
        for row in mine:
            row.state, row.failure, row.advice = state, failure, advice
            row.log = [*row.log, log_line(log)]
            row.finished_at = timezone.now()
            row.seconds_left = None
            row.save(update_fields=["state", "failure", "advice", "log", "finished_at", "seconds_left"])
    due.look_again(run.project_id)
    if state == State.CANCELLED:
        shutil.rmtree(folder_of(run), ignore_errors=True)


def died(run_id: str, death: ChildDied, attempt: int | None = None) -> bool:
    """The trainer process ended under the run. Killed: again, from the checkpoint. Crashed: the run has failed.

    Args:
        attempt: As which it had claimed the run; None when it had not, or could not say so: a sweep finds that.
    """
    if attempt is None:
        return _never_began(run_id, death)
    run = TrainingRun.objects.filter(pk=run_id, state=State.RUNNING, attempts=attempt).first()
    if run is None:
        return TrainingRun.objects.filter(pk=run_id, state=State.QUEUED).exists()
    # A supervisor sees only the worker, which lives on.
    logger.warning("the trainer process ended with %s in attempt %d of the run %s", death.how, run.attempts, run_id)
    if death.was_killed and run.attempts < MAX_ATTEMPTS:
        return release(run_id, run.attempts)
    message = _("The trainer process ended with %(how)s in the stage %(stage)s.") % {
        "how": death.how, "stage": run.stage or "start",
    }  # fmt: skip
    _end(run, State.FAILED, failure=message, advice=ADVICE["killed" if death.was_killed else "crashed"], log=message)
    return False


def _never_began(run_id: str, death: ChildDied) -> bool:
    """The trainer process ended before it had claimed the run. That counts as an attempt, or there would be no end;
    but not while another worker can train: that one is to have it, and the next sweep sends it again.
    """
    waiting = TrainingRun.objects.filter(pk=run_id, state=State.QUEUED)
    run = waiting.first()
    if run is None:
        return False
    logger.warning("the trainer process ended with %s before it began the run %s", death.how, run_id)
    if _another_trains():
        waiting.update(heartbeat_at=timezone.now())
        return False
    if run.attempts + 1 < MAX_ATTEMPTS:
        return bool(waiting.filter(attempts=run.attempts).update(attempts=run.attempts + 1))
    message = _("The trainer process ended with %(how)s before it began.") % {"how": death.how}
    _end(run, State.FAILED, failure=message, advice=ADVICE["not_begun"], log=message)
    return False


def _another_trains() -> bool:
    """Whether another worker can train: it does so now, a run or a comparison."""
    compares = Job.objects.filter(kind="bake_off", state=Job.State.RUNNING)
    return (
        TrainingRun.objects.filter(state=State.RUNNING).exclude(_is_dead()).exists()
        or compares.exclude(silent("heartbeat_at", jobs.STUCK_AFTER)).exists()
    )


def stand_back() -> None:
    """Leave what was just sent again to the other workers for a moment, where the trainer of this one cannot begin."""
    ends = time.monotonic() + STAND_BACK_SECONDS
    while not TRAINER.began and time.monotonic() < ends:
        time.sleep(0.2)  # in short steps: Dramatiq raises its shutdown between two of them


def release(run_id: UUID | str, attempt: int) -> bool:
    """Give the attempt's run back to the queue; its checkpoints stay. True when somebody should be told.

    Who has taken it over meanwhile keeps it. The next sweep tells somebody, if the caller cannot: a worker that is
    being stopped.
    """
    mine = TrainingRun.objects.filter(pk=run_id, state=State.RUNNING, attempts=attempt)
    return bool(mine.update(state=State.QUEUED, heartbeat_at=timezone.now() - RESEND_AFTER))


def _give_back(run: TrainingRun) -> None:
    """Release it by a fresh connection; while there is none, the run goes silent, and a sweep finds it by that."""
    connection.close_if_unusable_or_obsolete()
    with contextlib.suppress(Error):
        release(run.pk, run.attempts)


def _begin_later(run: TrainingRun) -> bool:
    """Put the run back for another attempt, while it may have one; a sweep sends it again after RESEND_AFTER."""
    told = log_line(_("The store of files did not answer. This goes on by itself in two minutes."))
    with transaction.atomic():
        mine = TrainingRun.objects.filter(pk=run.pk, state=State.RUNNING, attempts=run.attempts)
        row = mine.filter(attempts__lt=MAX_ATTEMPTS).select_for_update().first()
        if row is None:
            return False
        row.state, row.heartbeat_at, row.seconds_left, row.log = State.QUEUED, timezone.now(), None, [*row.log, told]
        row.save(update_fields=["state", "heartbeat_at", "seconds_left", "log"])
    return True


def stuck_runs() -> list[str]:
    """Runs that wait without a message or whose owner is silent; those out of attempts are failed here."""
    dead = TrainingRun.objects.filter(silent("heartbeat_at", STALE_AFTER), state=State.RUNNING)
    # The last attempt may also have been given back, by a worker that was stopped: nobody can take the run any more.
    for run in (dead | TrainingRun.objects.filter(state=State.QUEUED)).filter(attempts__gte=MAX_ATTEMPTS):
        message = _("The run was interrupted %(count)s times; the last time in the stage %(stage)s.") % {
            "count": run.attempts, "stage": run.stage or "start",
        }  # fmt: skip
        _end(run, State.FAILED, failure=message, advice=ADVICE["killed"], log=message)
    again = [str(pk) for pk in dead.filter(attempts__lt=MAX_ATTEMPTS).values_list("pk", flat=True)]
    # A run may wait long behind another one: its message is sent again now and then, not at each sweep.
    waiting = TrainingRun.objects.filter(state=State.QUEUED).filter(
        (Q(heartbeat_at=None) & silent("created_at", RESEND_AFTER)) | silent("heartbeat_at", RESEND_AFTER)
    )
    lost = list(waiting.values_list("pk", flat=True))
    TrainingRun.objects.filter(pk__in=lost, state=State.QUEUED).update(heartbeat_at=timezone.now())
    return again + [str(pk) for pk in lost]


def versions_of(run_id: str) -> list[int]:
    """The version that the run has made, if it has."""
    return list(ModelVersion.objects.filter(run_id=UUID(run_id)).values_list("pk", flat=True))


def bake_off_on(job_id: str) -> bool:
    """A bake-off, in the warm trainer too: its candidates may be fine-tuned. True when it should be sent again."""
    if not settings.TRAINER_PROCESS:
        bake_off(job_id)
        return False
    begun: list[int] = []
    try:
        TRAINER.call("bake_off", job_id, begun.append)
    except ChildDied as death:
        logger.warning(
            "the trainer ended with %s in the bake-off %s; it goes on from its checkpoint", death.how, job_id
        )
        return not begun and jobs.never_began(job_id, counts=not _another_trains())
    return False


def bake_off(job_id: str, begun: Callable[[int], object] = lambda attempt: None) -> None:
    from training.runs import bakeoff  # heavy, as above

    begun(0)  # from here on the job's own row says what became of it
    jobs.run(job_id, bakeoff.measure_all)


# What the trainer process does with a message.
VERBS: dict[str, Callable[[str, Callable[[int], object]], object]] = {"run": execute, "bake_off": bake_off}
