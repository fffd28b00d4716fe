"""Whether a posterior keeps its word: of the labels that are said to be 95 % sure, are 95 % right?

Real crowds from ../shared/data/crowd, whole and thinned to a few judgments a task (drawn anew for each seed), and each
aggregator's expected calibration error (ECE: the mean distance between confidence and the share of right labels, over
ten bins of equally many labels), its mean confidence beside its accuracy, its log loss, and how many of the labels it
calls at least .95 sure are right.

Run: ``python -m bench.calibration [--seeds 3]``, and ``--gold 0 20 50 100`` for what so many hidden gold tasks change:
the adaptive default only, measured on the other tasks, on the real crowds and on drawn ones in which errors are shared.
``--crowds FOLDER`` reads real crowds of your own, and ``--renumbered 10`` numbers their labels anew so many times, as
in ``bench.aggregators``.

Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017 (ECE); bins of equal mass after K. Nguyen
and B. O'Connor, "Posterior calibration and exploratory analysis for natural language processing models", EMNLP 2015.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.aggregators import SHARED, folders, read, renumbered
from bench.crowds import SETS, draw
from labeling.aggregation import AGGREGATORS, UNKNOWN, Votes

EACH = (2, 3, 5)
SHARING = ("difficult tasks", "decoys", "look-alike pairs")
BINS = 10
SURE = 0.95


class Calibration(NamedTuple):
    accuracy: float
    confidence: float
    ece: float
    log_loss: float
    sure: float  # share of labels that are called at least SURE
    sure_right: float  # share of right ones among them


def calibration(posterior: np.ndarray, truth: np.ndarray, bins: int = BINS) -> Calibration:
    """Of [tasks, classes] chances against the truth; tasks with an unknown truth (-1) are left out."""
    posterior, truth = posterior[truth >= 0], truth[truth >= 0]
    confidence = posterior.max(axis=1)
    top = posterior >= confidence[:, None] - 1e-9
    right = top[np.arange(len(truth)), truth] / top.sum(axis=1)  # equal maxima share the point
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    ece = sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(order)
    sure = confidence >= SURE
    chance = np.clip(posterior[np.arange(len(truth)), truth], 1e-6, 1)
    return Calibration(
        float(right.mean()),
        float(confidence.mean()),
        float(ece),
        float(-np.log(chance).mean()),
        float(sure.mean()),
        float(right[sure].mean()) if sure.any() else float("nan"),
    )


def thinned(votes: Votes, each: int, seed: int) -> Votes:
    """At most ``each`` votes of each task, drawn at random."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(votes)), votes.task))
    starts = np.searchsorted(votes.task[order], np.arange(votes.n_tasks))
    rank = np.arange(len(votes)) - starts[votes.task[order]]
    kept = np.sort(order[rank < each])
    sizes = {"n_tasks": votes.n_tasks, "n_workers": votes.n_workers, "n_classes": votes.n_classes}
    return Votes.of(votes.task[kept], votes.worker[kept], votes.label[kept], **sizes)


def crowds(seeds: int, home: Path) -> Iterator[tuple[str, list[tuple[Votes, np.ndarray]]]]:
    """Name -> the real crowd, then the same thinned."""
    for folder in folders(home):
        votes, truth = read(folder)
        for each in EACH:
            yield f"{folder.name}, {each} each", [(thinned(votes, each, s), truth) for s in range(seeds)]
        yield f"{folder.name}, all", [(votes, truth)]


def with_gold(votes: Votes, truth: np.ndarray, tasks: np.ndarray, hidden: bool = True) -> Votes:
    """The same votes, with the answers of these tasks known; not ``hidden``: as those of practice are."""
    known = np.full(votes.n_tasks, UNKNOWN)
    known[tasks] = truth[tasks]
    return replace(votes, known=known, hidden=(known != UNKNOWN) & hidden)


def sharing(seeds: int) -> Iterator[tuple[str, list[tuple[Votes, np.ndarray]]]]:
    """Name -> drawn crowds in which errors are shared."""
    for name in SHARING:
        yield name, [(drawn.votes, drawn.truth) for drawn in (draw(SETS[name], seed) for seed in range(seeds))]


def differing(votes: Votes, truth: np.ndarray) -> np.ndarray:
    """Tasks with a truth whose label by the default is none of the votes' winners."""
    label, counts = AGGREGATORS["adaptive"](votes).label, votes.counts()
    behind = counts[np.arange(len(label)), label] < counts.max(axis=1)
    return np.flatnonzero(behind & (truth >= 0))


def gold_table(seeds: int, counts: list[int], home: Path, only_differing: bool) -> None:
    for title, few in itertools.chain(crowds(seeds, home), sharing(seeds)):
        pick = differing if only_differing else lambda votes, truth: np.flatnonzero(truth >= 0)
        sources = [pick(*pair) for pair in few]
        pairs = few * seeds if len(few) == 1 else few  # a whole real crowd: other gold each time
        for count in counts:
            rows = []
            for seed, (votes, truth) in enumerate(pairs):
                tasks = np.random.default_rng(seed).permutation(sources[seed % len(sources)])[:count]
                fit = AGGREGATORS["adaptive"](with_gold(votes, truth, tasks))
                rest = truth.copy()
                rest[tasks] = UNKNOWN
                found = calibration(fit.posterior, rest)
                plain = calibration(AGGREGATORS["majority"](votes).posterior, rest)
                rows.append((*found, fit.details["correlation"], found.accuracy - plain.accuracy))
            show(title, f"{count} gold", np.mean(rows, axis=0))


def show(title: str, name: str, found: np.ndarray) -> None:
    cells = f"{found[0]:9.3f}{found[1]:8.3f}{found[2]:8.3f}{found[3]:10.3f}{found[4]:8.3f}{found[5]:8.3f}"
    print(f"{title:22}{name:20}{cells}" + "".join(f"{value:8.3f}" for value in found[6:]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="thinnings of each crowd")
    parser.add_argument("--gold", type=int, nargs="+", help="only what so many hidden gold tasks change")
    parser.add_argument("--differing", action="store_true", help="gold among the labels that are not the majority's")
    parser.add_argument("--crowds", type=Path, default=SHARED, metavar="FOLDER", help="where the real crowds lie")
    parser.add_argument("--renumbered", type=int, default=0, help="so many other numberings of the labels")
    options = parser.parse_args()
    print(f"{'':42}{'accuracy':>9}{'sure':>8}{'ECE':>8}{'log loss':>10}{'>= .95':>8}{'right':>8}{'r':>8}{'vs maj.':>8}")
    if options.gold:
        gold_table(options.seeds, options.gold, options.crowds, options.differing)
        return
    for title, few in crowds(options.seeds, options.crowds):
        drawn = [renumbered(*pair, seed) for pair in few for seed in range(options.renumbered)] or few
        for name, fit in AGGREGATORS.items():
            show(title, name, np.mean([calibration(fit(votes).posterior, truth) for votes, truth in drawn], axis=0))


if __name__ == "__main__":
    main()
