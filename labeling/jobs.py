"""Long work that a person waits for: claimed once, reported as it goes, resumed after a crash.

An actor calls ``run(job_id, work)``. The row is claimed by a conditional UPDATE, so a message that comes twice does its
work once. A thread keeps the heartbeat; a row whose heartbeat is old is queued again by ``requeue_stuck``, and the next
``attempt`` goes on from the last checkpoint. Every write carries the attempt's number: a process that was only slow
finds out that another has taken over, and stops.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dramatiq
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy

from labeling import webhooks
from labeling.accounts import archived
from labeling.errors import CrowdtuneError, JobLost
from labeling.models import Job, MoreErrors, Project
from labeling.resilience import outages
from labeling.resilience.heartbeat import beating, silent
from labeling.text.spellings import written
from labeling.text.words import gettext as _
from labeling.text.words import shortened

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)
HEARTBEAT_SECONDS = 5.0
STUCK_AFTER = timedelta(seconds=30)
UNSENT_AFTER = timedelta(seconds=60)
SENT_AGAIN_AFTER = timedelta(minutes=10)
MOST_ATTEMPTS = 5
MOST_WAITING = timedelta(days=2)  # for a disk or a store
MOST_ERRORS = 1000  # in the job's own row, which the page and the API show
MOST_MORE = 500_000  # beside it, for the list to download
MOST_LETTERS = 500  # of what a message quotes: a file may hold a line of any length
PASSED = "passed_over"  # the code of what a report tells beside what was refused, and its count in the result
PROGRESS_SECONDS = 0.5
NOT_KNOWN = 0.0  # the progress of what says at its end only how much it was: a page shows that it moves, and the count
# What each kind is called on the page. The rooms above add theirs.
KINDS: dict[str, Any] = {
    "import_images": gettext_lazy("Bringing in images"),
    "import_judgments": gettext_lazy("Bringing in judgments"),
    "import_labels": gettext_lazy("Bringing in labels"),
    "export": gettext_lazy("Exporting"),
    "change_tasks": gettext_lazy("Changing tasks"),
    "follow_bounds": gettext_lazy("Applying the settings to open tasks"),
}


def start(
    *,
    project: Project,
    kind: str,
    arguments: dict[str, Any],
    requested_by: User | None,
    actor: dramatiq.Actor[Any, Any],
    job_id: uuid.UUID | None = None,
    even_archived: bool = False,
    once: bool = False,
) -> Job:
    """Create the row and send ``actor`` its id, in one transaction.

    Args:
        once: Who asks again while the first is not begun, by a second click or a retry, means the one file: the job
            that is there where the same person has asked for the same.

    Raises:
        CrowdtuneError: project_archived, unless the job changes nothing of the project: ``even_archived``.
    """
    with transaction.atomic():
        if once:
            Project.objects.select_for_update().get(pk=project.pk)
            waiting = Job.objects.filter(project=project, kind=kind, state=Job.State.QUEUED, attempts=0)
            if same := waiting.filter(arguments=arguments, requested_by=requested_by).first():
                return same
        job = Job.objects.create(
            id=job_id or uuid.uuid4(),
            project=project,
            kind=kind,
            arguments=arguments,
            requested_by=requested_by,
            actor=actor.actor_name,
        )
        if not even_archived:
            archived.refuse_new(project.pk)
        actor.send(str(job.id))
    return job


class Report:
    """What the work says while it runs. Every call raises JobLost when the job is no longer ours."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.errors: list[dict[str, str]] = list(job.errors)
        self.result: dict[str, Any] = dict(job.result)
        self._more: list[dict[str, str]] = []
        self._written = 0.0
        self._errors_written = len(self.errors)

    def progress(self, fraction: float, message: str = "") -> None:
        """At most two writes a second."""
        if time.monotonic() - self._written >= PROGRESS_SECONDS:
            self._write(progress=min(max(fraction, 0.0), 1.0), message=shortened(message, MOST_LETTERS))

    def error(self, item: str, code: str, message: str) -> None:
        """One refused item; it is written with the next checkpoint."""
        self.result["refused"] = self.result.get("refused", 0) + 1
        told = {"item": written(item[:300]), "code": code, "message": shortened(message, MOST_LETTERS)}
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(told)
        elif self.result["refused"] <= MOST_ERRORS + MOST_MORE:
            self._more.append(told)

    def pass_over(self, item: str, why: str, count: int) -> None:
        """What is no item to refuse: told beside those that are, once of each kind, with how often it came."""
        self.result[PASSED] = self.result.get(PASSED, 0) + count
        told = _("%(why)s Passed over: %(count)s.") % {"why": why, "count": count}
        self.errors.append({"item": written(item[:300]), "code": PASSED, "message": shortened(told, MOST_LETTERS)})

    def passed(self) -> int:
        """How many kinds were passed over."""
        return sum(error["code"] == PASSED for error in self.errors)

    def refuse_nothing_taken(self, parts: int, file: str) -> None:
        """Fail where each of so many parts of a file was refused: "succeeded, 0" would be read as done.

        Raises:
            CrowdtuneError: nothing_taken.
        """
        if self.result.get("refused", 0) >= parts:
            told = _("Nothing in %(file)s could be taken: see what was refused, and why.")
            raise CrowdtuneError("nothing_taken", told % {"file": file})

    def checkpoint(self, fraction: float, message: str = "") -> None:
        """Write the result and errors so far: call it in the transaction that writes what they tell of."""
        told = shortened(message, MOST_LETTERS)
        # A list of a thousand errors is not written again at each checkpoint that adds none.
        more = {"errors": self.errors} if len(self.errors) > self._errors_written else {}
        with transaction.atomic():
            self._write(progress=min(fraction, 1.0), message=told, result=self.result, **more)
            self.keep_more()
        self._errors_written = len(self.errors)

    def keep_more(self) -> None:
        """Write what was refused beyond the job's own list since the last time."""
        if self._more:
            MoreErrors.objects.create(job=self.job, errors=self._more)
            self._more = []

    def _write(self, **values: Any) -> None:
        self._written = time.monotonic()
        if not _mine(self.job).update(heartbeat_at=timezone.now(), **values):
            raise JobLost


def run(job_id: str, work: Callable[[Job, Report], dict[str, Any] | None], *, waits: bool = False) -> None:
    """Claim the job, do its work and record how it ended. Returns at once when it is not there to claim.

    Args:
        waits: It goes on from its last checkpoint once a disk that is full, or a store that is away, is well again.
            Work that would begin anew, and fill the disk anew, fails instead, where the store is away after some tries.
    """
    job = _claim(job_id)
    if job is None:
        return
    report = Report(job)
    try:
        with beating(f"job {job.id}", lambda: _beat(job), every=HEARTBEAT_SECONDS):
            result = work(job, report)
    except JobLost:
        logger.info("job %s: cancelled, taken over, or ended from without; stopped", job.id)
    except Exception as error:  # the door of all work: whatever broke is recorded for the person who waits
        if waits and _wait(job, error):
            logger.warning("job %s (%s) waits: %s", job.id, job.kind, error)
            return
        if outages.store_is_away(error) and _begin_later(job):
            logger.warning("job %s (%s) begins anew in a while: %s", job.id, job.kind, error)
            return
        if isinstance(error, CrowdtuneError):
            _finish(job, Job.State.FAILED, report, error.message)
            return
        logger.exception("job %s (%s) failed", job.id, job.kind)
        if outages.database_is_away(error) and not outages.is_full(error) and _give_back(job):
            raise
        _finish(job, Job.State.FAILED, report, why(error))
    else:
        report.result.update(result or {})
        if not _finish(job, Job.State.SUCCEEDED, report, ""):
            _remove_file(job, report)


def _wait(job: Job, error: Exception) -> bool:
    """Put the job back, as if it had not been tried, where all it needs is time; the sweeper sends it again."""
    if outages.is_full(error):
        told = _("The disk is full. This goes on by itself when there is room again.")
    elif outages.store_is_away(error):
        told = _("The store of files does not answer. This goes on by itself when it does.")
    elif outages.store_refuses(error) and not isinstance(error, CrowdtuneError):  # the platform's own store
        told = _("The store of files refuses this; the log says why. This goes on by itself once that is mended.")
    else:
        return False
    now = timezone.now()
    mine = _mine(job).filter(created_at__gt=now - MOST_WAITING)
    return bool(mine.update(state=Job.State.QUEUED, heartbeat_at=now, attempts=F("attempts") - 1, message=told))


def _begin_later(job: Job) -> bool:
    """Put the job back for another attempt, while it may have one; the sweeper sends it again after UNSENT_AFTER."""
    told = _("The store of files did not answer. This begins anew by itself in a minute.")
    mine = _mine(job).filter(attempts__lt=MOST_ATTEMPTS)
    return bool(mine.update(state=Job.State.QUEUED, heartbeat_at=timezone.now(), message=told))


def _give_back(job: Job) -> bool:
    """Let another attempt go on from the last checkpoint: the message is sent again, or the sweeper sends one."""
    return job.attempts < MOST_ATTEMPTS and bool(_mine(job).update(state=Job.State.QUEUED, heartbeat_at=timezone.now()))


def why(error: Exception) -> str:
    """What broke, for the person who waits."""
    if outages.is_full(error):
        return _("The disk is full. Tell whoever runs this platform; when there is room again, start this anew.")
    if outages.store_is_away(error):
        return _("The store of files does not answer. Try again in a moment.")
    if outages.store_refuses(error):
        return _("The store of files refuses this. Tell whoever runs this platform: its log says why.")
    return _("Something broke on our side (%(name)s); see the log.") % {"name": type(error).__name__}


def cancel(*, job: Job) -> bool:
    """Stop the job; work that is under way notices at its next report. False when it had ended before."""
    live = Job.objects.live().filter(pk=job.pk)
    return _end(live, state=Job.State.CANCELLED, finished_at=timezone.now(), message=_("Cancelled."))


def _end(rows: QuerySet[Job], **values: Any) -> bool:
    """End the one job that these rows are, and tell of it; False where it is none of them any more."""
    with transaction.atomic():
        job = rows.select_for_update(of=("self",)).select_related("project").first()
        if job is None:
            return False
        Job.objects.filter(pk=job.pk).update(**values)
        told = {
            "job": str(job.pk),
            "kind": job.kind,
            "state": values["state"],
            "result": values.get("result", job.result),
        }
        webhooks.emit(project=job.project, event="job.finished", payload=told)
    return True


def never_began(job_id: str, *, counts: bool) -> bool:
    """A process ended before it could claim the job; True when the job should be sent again at once.

    Args:
        counts: As an attempt, or it would be sent again for ever. Else the sweeper sends it again, later.
    """
    waiting = Job.objects.filter(pk=job_id, state=Job.State.QUEUED)
    waiting.update(heartbeat_at=timezone.now(), attempts=F("attempts") + int(counts))
    return counts and waiting.filter(attempts__lt=MOST_ATTEMPTS).exists()


def requeue_stuck() -> int:
    """Send again what a dead process left running, or what never started; returns how many."""
    now = timezone.now()
    dead = Q(state=Job.State.RUNNING) & (Q(heartbeat_at=None) | silent("heartbeat_at", STUCK_AFTER, now))
    # What was sent again and never began waits for its turn, behind an import of hours: its messages would fill the
    # queue. What began once waits for a disk or a database, and for its next message.
    not_begun = Q(attempts=0, message="")
    unsent = Q(state=Job.State.QUEUED) & (
        (Q(heartbeat_at=None) & silent("created_at", UNSENT_AFTER, now))
        | (silent("heartbeat_at", UNSENT_AFTER, now) & ~not_begun)
        | silent("heartbeat_at", SENT_AGAIN_AFTER, now)
    )
    sent = 0
    for job in Job.objects.filter(dead | unsent).exclude(actor="").only("id", "actor", "attempts", "state"):
        with transaction.atomic():
            if job.attempts >= MOST_ATTEMPTS:
                message = _("Given up after %(count)s attempts; see the log.") % {"count": job.attempts}
                _end(
                    Job.objects.filter(dead | unsent, pk=job.pk),
                    state=Job.State.FAILED,
                    finished_at=now,
                    message=message,
                )
            # The heartbeat of a queued row says when it was last sent.
            elif Job.objects.filter(dead | unsent, pk=job.pk).update(state=Job.State.QUEUED, heartbeat_at=now):
                dramatiq.get_broker().get_actor(job.actor).send(str(job.id))
                sent += 1
    return sent


def _mine(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts)


def _claim(job_id: str) -> Job | None:
    claimed = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
        state=Job.State.RUNNING, heartbeat_at=timezone.now(), attempts=F("attempts") + 1, message=""
    )
    return Job.objects.select_related("project", "requested_by").get(pk=job_id) if claimed else None


def _remove_file(job: Job, report: Report) -> None:
    """What was made for a job that was cancelled or deleted while it went to the store: nothing names it any more."""
    others = Job.objects.filter(pk=job.pk).exclude(state=Job.State.CANCELLED)  # another attempt's may be called so, too
    if "file" in report.result and not others.exists():
        default_storage.delete(report.result["file"])


def _finish(job: Job, state: str, report: Report, message: str) -> bool:
    """False where the job had ended, or was taken over, before."""
    values: dict[str, Any] = {"state": state, "finished_at": timezone.now(), "result": report.result}
    if state == Job.State.SUCCEEDED:
        values["progress"] = 1.0
    if message or state == Job.State.SUCCEEDED:
        values["message"] = shortened(message, MOST_LETTERS)
    with transaction.atomic():
        if is_mine := _end(_mine(job), errors=report.errors, **values):
            report.keep_more()
    return is_mine


def _beat(job: Job) -> bool:
    return bool(_mine(job).update(heartbeat_at=timezone.now()))
