"""Worker-side: several backbones and recipes on the same frozen labels, side by side: error, cost, latency, size.

Each candidate goes through the stages of a run up to its evaluation, and leaves no version. Features are cached, so a
backbone that the project knows costs only its head. The job's result holds the table; a candidate that is in it is not
measured again after a kill. One that fails, or with which the process ends again and again, does not take the others
along.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from labeling.errors import CrowdtuneError, JobLost
from labeling.jobs import Report
from labeling.models import Job, Project
from labeling.resilience import outages
from labeling.text.words import gettext as _
from training.features import embedding
from training.learning.artifact import Tail
from training.learning.errors import TooLittleData
from training.learning.networks.trunk import convert
from training.models import FROM_SCRATCH, Recipe, Snapshot, TrainingPolicy, TrainingRun
from training.runs import pipeline, winner
from training.runs.progress import Reporter
from training.runs.stages import scratch
from training.runs.stages.work import Work, load_items
from training.zoo import catalogue

logger = logging.getLogger(__name__)
STAGES = ("features", "fit", "tune", "evaluate")  # of a run's
MEASURED = 0.9  # of a run's progress: a comparison exports and verifies nothing
LATENCY_ROUNDS = 9
MOST_TRIES = 2  # of a candidate with which the process ended; the job itself has five


class Voice(Reporter):
    """What a run would write to its row goes to the job's progress instead."""

    def __init__(self, report: Report, span: tuple[float, float], title: str) -> None:
        self.report, self.span, self.title = report, span, title
        self._log, self._values = [], {}
        self._written_at = 0.0
        self.begin("", (0.0, 0.0))

    def flush(self) -> None:
        """At most twice a second; raises JobLost when the job was cancelled."""
        self._written_at = time.monotonic()
        done = float(self._values.get("progress", 0.0))
        self.report.progress(self.span[0] + (self.span[1] - self.span[0]) * min(done / MEASURED, 1.0), self.title)


def measure_all(job: Job, report: Report) -> dict[str, Any]:
    """The job's work: its result is ``{"rows": [...], "snapshot": digest}``."""
    snapshot = Snapshot.objects.select_related("question").get(pk=job.arguments["snapshot"])
    candidates = job.arguments["candidates"]
    folders = [folder_of(job) / f"{number}" for number in range(len(candidates))]
    rows = list(report.result.get("rows", []))
    for number in range(len(rows), len(candidates)):
        candidate, folder = candidates[number], folders[number]
        title = _("%(title)s (%(number)s of %(count)s)") % {
            "title": title_of(candidate), "number": number + 1, "count": len(candidates),
        }  # fmt: skip
        voice = Voice(report, (number / len(candidates), (number + 1) / len(candidates)), title)
        begun = report.result.get("begun", {}).get(str(number), 0)
        report.result["begun"] = {str(number): begun + 1}
        report.checkpoint(number / len(candidates), title)
        rows.append(
            _measure(job, snapshot, candidate, voice, folder) if begun < MOST_TRIES else _ended(candidate, voice)
        )
        report.result["rows"] = rows
        report.checkpoint((number + 1) / len(candidates), title)
    rows = winner.with_winner(rows, folders)
    shutil.rmtree(folder_of(job), ignore_errors=True)
    report.result.pop("begun", None)
    return {"rows": rows, "snapshot": snapshot.digest}


def folder_of(job: Job) -> Path:
    """Where the candidates keep their checkpoints until all are measured."""
    return pipeline.runs_folder() / f"bake-off-{job.pk}"


def _row(candidate: dict[str, Any]) -> dict[str, Any]:
    parameters = catalogue.backbone_of(candidate["backbone"]).parameters
    return {**candidate, "title": title_of(candidate), "parameters": parameters}


def _failed(candidate: dict[str, Any], voice: Voice, code: str, message: str) -> dict[str, Any]:
    row = _row(candidate)
    voice.report.error(row["title"], code, message)
    return {**row, "failure": message, "top1_error": None}


def _ended(candidate: dict[str, Any], voice: Voice) -> dict[str, Any]:
    told = _(
        "The process that measured it ended %(count)s times, most often for want of memory. Compare a smaller network,"
        " or feature extraction."
    )
    return _failed(candidate, voice, "killed", told % {"count": MOST_TRIES})


def run_of(project: Project, snapshot: Snapshot, candidate: dict[str, Any]) -> TrainingRun:
    """The run, never saved, that the candidate stands for: one by the project's policy."""
    policy = TrainingPolicy.of(project)
    return TrainingRun(
        project=project,
        snapshot=snapshot,
        backbone=candidate["backbone"],
        recipe=candidate["recipe"],
        augmentation=candidate["augmentation"],
        options={"soft_labels": policy.soft_labels, "mirror": policy.mirror},
    )


def _measure(
    job: Job, snapshot: Snapshot, candidate: dict[str, Any], voice: Voice, folder: Path
) -> dict[str, Any]:  # fmt: skip
    row, run = _row(candidate), run_of(job.project, snapshot, candidate)
    folder.mkdir(parents=True, exist_ok=True)
    work = Work(run, voice, folder, load_items(run), list(snapshot.categories))
    started, cpu = time.monotonic(), time.process_time()
    try:
        for name, stage, span in _stages_of(candidate):
            voice.begin(name, span)
            stage(work)
            if work.refusal:  # what it would fall back to is a candidate of its own, under its own name
                raise TooLittleData(work.refusal)
        spent = {
            "seconds": round(time.monotonic() - started, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
        }
        latency = latency_of(work)
        winner.keep_answers(work)
    except JobLost:
        raise
    except CrowdtuneError as error:
        return _failed(candidate, voice, error.code, error.message)
    except Exception as error:
        if outages.database_is_away(error) or outages.is_full(error) or outages.store_is_away(error):
            raise  # none of the others could be measured either
        logger.exception("%s could not be measured", row["title"])
        return _failed(candidate, voice, "learning_failed", f"{type(error).__name__}: {error}"[:500])
    return {
        **row,
        "curves": {name: work.history.get(name, []) for name in ("accuracy", "val_accuracy")},
        "top1_error": work.metrics["top1_error"],
        "top5_error": work.metrics["top5_error"],
        "interval": work.metrics["interval"],
        "ece": work.metrics["ece"],
        **spent,
        "embedded": work.cost.get("embedded", 0),
        **latency,
        "megabytes": megabytes_of(work),
    }


def _stages_of(candidate: dict[str, Any]) -> Iterator[tuple[str, Callable[[Work], None], tuple[float, float]]]:
    """(name, the work, its part of the candidate's progress)."""
    if candidate["recipe"] == FROM_SCRATCH:
        yield "tune", scratch.run, (0.0, pipeline.span_of("tune")[1])
        yield "evaluate", pipeline.STAGES["evaluate"][0], pipeline.span_of("evaluate")
    else:
        yield from ((name, pipeline.STAGES[name][0], pipeline.span_of(name)) for name in STAGES)


def title_of(candidate: dict[str, Any]) -> str:
    """As a person tells candidates apart."""
    if candidate["recipe"] == FROM_SCRATCH:
        return _("Compact network from scratch")
    title = catalogue.backbone_of(candidate["backbone"]).title
    if candidate["recipe"] == Recipe.FINE_TUNING:
        title = _("%(title)s tuned") % {"title": title}
    if candidate["recipe"] == Recipe.FINE_TUNING_DEEPER:
        title = _("%(title)s tuned deeper") % {"title": title}
    return _("%(title)s augmented") % {"title": title} if candidate["augmentation"] else title


def latency_of(work: Work) -> dict[str, float]:
    """Seconds from pixels to probabilities for one image, on this machine, by the runtime that would serve it.

    The least of several: what else runs here only adds to them, and the quickest of equally good candidates wins.
    A call of Keras takes longer than all the work of a small network, and nobody who asks a version ever waits for one.
    """
    assert work.rows is not None
    assert work.predict is not None
    trunk, one = work.trunk, np.zeros(1, int)
    row = work.rows(one)
    pixels = np.zeros((1, trunk.size, trunk.size, 3), np.uint8) if trunk else row
    predict = work.predict
    if work.tail is not None:
        convert(work.tail, work.folder / "tail.xml")
        predict = Tail(work.folder / "tail.xml", row.shape[1:]).logits
    times = []
    for _round in range(LATENCY_ROUNDS):
        started = time.perf_counter()
        predict(trunk.embed(pixels).reshape(row.shape) if trunk else pixels)
        times.append(time.perf_counter() - started)
    seconds = min(times)
    return {"latency": round(seconds, 5), "milliseconds": round(1000 * seconds, 1)}


def megabytes_of(work: Work) -> float:
    """What has to be in memory to answer: the trunk's weights and the head's or tail's."""
    size = 0
    if work.trunk is not None:
        trunk: Path = embedding.trunks_folder() / work.trunk.key / "trunk.bin"
        size += trunk.stat().st_size
    if work.tail is not None:
        size += 4 * int(work.tail.count_params())
    elif work.head is not None:
        size += sum(W.nbytes + b.nbytes for W, b in work.head.layers)
    return round(size / 2**20, 2)
