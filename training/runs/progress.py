"""Worker-side: what a run says of itself while it works, and how it hears that it should stop.

Everything goes to the run's row by one conditional UPDATE, at most twice a second. The condition carries the attempt's
number: a process that slept while another took the run over changes nothing and stops (a fencing token; M. Kleppmann,
"How to do distributed locking", 2016).
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Any

from django.db.models import Q
from django.utils import timezone

from labeling.resilience.heartbeat import beating
from training.models import TrainingRun

EVERY_SECONDS = 0.5
HEARTBEAT_SECONDS = 2.0
FITS = ("fit", "tune")  # the stages that draw curves, each its own
MAX_LOG = 200
MAX_CURVE = 400


class Stopped(Exception):
    """The run is to end here: a person cancelled it, or another process has it now."""


class Cancelled(Stopped):
    """A person cancelled the run."""


class Lost(Stopped):
    """Another process has taken the run over; nothing may be written any more."""


class Reporter:
    """The voice of one attempt at one run."""

    def __init__(self, run: TrainingRun) -> None:
        self.run_id = run.pk
        self.attempt = run.attempts
        self._log: list[dict[str, str]] = list(run.log)
        self._values: dict[str, Any] = {}
        self._written_at = 0.0
        self.begin("", (0.0, 0.0))

    def stage(self, name: str, message: str, *, span: tuple[float, float]) -> None:
        """A new stage begins; written at once. ``span`` is its part of the whole run's progress."""
        self.begin(name, span)
        self._values.update(stage=name, progress=span[0], images_per_second=None, seconds_left=None)
        self.log(message)
        self.flush()

    def begin(self, name: str, span: tuple[float, float]) -> None:
        """What is said from now on is of this stage."""
        self._span = span  # what epochs have of the run's progress
        self._since: tuple[float, float] | None = None  # when something was first said to be done, and how much
        self._stage_at = time.monotonic()
        if name in FITS:
            self._values.update(epoch=0, epochs=0)

    def log(self, message: str) -> None:
        """A line for people; written with the next flush."""
        self._log = [*self._log, log_line(message)][-MAX_LOG:]
        self._values["log"] = self._log

    def epoch(self, figures: dict[str, Any]) -> None:
        """An epoch has ended: ``epoch``, ``epochs``, and ``curves``, all that the fit has drawn by now."""
        done, total = int(figures["epoch"]), int(figures["epochs"])
        curves = {name: thinned(curve) for name, curve in figures["curves"].items()}
        self._values.update(epoch=done, epochs=total, history=curves)
        self._epochs_done(done, total)
        self.tick()

    def batch(self, figures: dict[str, Any]) -> None:
        """Within an epoch: how fast, how long still; also the moment at which a cancel is noticed."""
        if figures.get("images_per_second"):
            self._values["images_per_second"] = round(float(figures["images_per_second"]), 1)
        if figures.get("batches"):
            done = int(figures["epoch"]) - 1 + int(figures["batch"]) / int(figures["batches"])
            self._values["epoch"], self._values["epochs"] = int(figures["epoch"]), int(figures["epochs"])
            self._epochs_done(done, int(figures["epochs"]))
        self.tick()

    def _epochs_done(self, done: float, total: int) -> None:
        self._pace(done, total)
        self._values["progress"] = self._span[0] + (self._span[1] - self._span[0]) * done / total

    def images(self, done: int, total: int, *, span: tuple[float, float]) -> None:
        """Images that the stage has dealt with; ``span`` is the stage's part of the whole run's progress."""
        self._values["images_per_second"] = round(self._pace(done, total), 1)
        self._values["progress"] = span[0] + (span[1] - span[0]) * done / max(total, 1)
        self._span = (span[1], self._span[1])
        self.tick()

    def set(self, **values: Any) -> None:
        self._values.update(values)

    def tick(self) -> None:
        """Write if the last time is half a second ago; raises Cancelled or Lost."""
        if time.monotonic() - self._written_at >= EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write now; raises Cancelled or Lost."""
        self._written_at = time.monotonic()
        values, self._values = self._values, {}
        mine = TrainingRun.objects.filter(pk=self.run_id, state=TrainingRun.State.RUNNING, attempts=self.attempt)
        if not mine.update(heartbeat_at=timezone.now(), **values):
            raise Lost
        if mine.filter(Q(cancel_requested=True) | Q(project__deleted_at__isnull=False)).exists():
            raise Cancelled

    def last_values(self) -> dict[str, Any]:
        """What has not been written yet, for whoever writes the end."""
        values, self._values = self._values, {}
        return values

    def _pace(self, done: float, total: int) -> float:
        """How much is done a second, and so how long it still takes; since the first word of it, which may come long
        after the stage began: a network is exported first, or the epochs before are an earlier attempt's."""
        now = time.monotonic()
        if self._since is None or done <= self._since[1]:
            self._since = (now, done)
            self._values["seconds_left"] = None
            return done / max(now - self._stage_at, 1e-6)
        rate = (done - self._since[1]) / max(now - self._since[0], 1e-6)
        self._values["seconds_left"] = round((total - done) / rate, 1)
        return rate


def log_line(message: str) -> dict[str, str]:
    """A line of a run's log, said now."""
    return {"at": timezone.now().isoformat(timespec="seconds"), "message": message}


def thinned(curve: list[float]) -> list[float]:
    """At most MAX_CURVE points, first and last included: a page draws no more."""
    if len(curve) <= MAX_CURVE:
        return list(curve)
    step = (len(curve) - 1) / (MAX_CURVE - 1)
    return [curve[round(index * step)] for index in range(MAX_CURVE)]


def heartbeat(run: TrainingRun) -> AbstractContextManager[None]:
    """Say every two seconds that this attempt lives, also while native code holds the main thread."""
    running = TrainingRun.objects.filter(pk=run.pk, state=TrainingRun.State.RUNNING, attempts=run.attempts)
    return beating(f"run {run.pk}", lambda: bool(running.update(heartbeat_at=timezone.now())), every=HEARTBEAT_SECONDS)
