"""What dynamic stopping saves on real crowds, and whether the forecast of what is still to be asked comes true.

Tasks are begun in four waves, as claims work through a project; each task's real judgments arrive in a random order,
one a round for every task that is begun and open. After each round the crowd is fitted and the project's policy
decides, with the same pure code that runs in the product (``labeling.consensus.stopping``). The yardstick is a fixed
number of judgments for each task, labeled by the same aggregator: how many would have been needed for the accuracy that
stopping reached (linear between whole numbers). The forecast is asked when a quarter, half and
three quarters of the judgments were made.

Run: ``python -m bench.stopping [--confidence .9 .95 .99] [--least 2]``.
"""

from __future__ import annotations

import argparse

import numpy as np

from bench.aggregators import SHARED, accuracy, read
from bench.calibration import thinned
from labeling.aggregation import AGGREGATORS, Votes
from labeling.consensus import stopping

WAVES = 4


def in_order(votes: Votes, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Each vote's place in its task's random order, from 0; and how many each task has."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(votes)), votes.task))
    counts = np.bincount(votes.task, minlength=votes.n_tasks)
    place = np.empty(len(votes), np.int64)
    place[order] = np.arange(len(votes)) - (np.cumsum(counts) - counts)[votes.task[order]]
    return place, counts


def some(votes: Votes, kept: np.ndarray) -> Votes:
    sizes = {"n_tasks": votes.n_tasks, "n_workers": votes.n_workers, "n_classes": votes.n_classes}
    return Votes.of(votes.task[kept], votes.worker[kept], votes.label[kept], **sizes)


def stopped(
    votes: Votes, truth: np.ndarray, threshold: float, least: int, seed: int = 0
) -> tuple[float, int, list[tuple[int, int]]]:
    """Ask until sure.

    Returns:
        Accuracy; judgments made; and after each round (judgments so far, judgments that are forecast to come).
    """
    place, most = in_order(votes, seed)
    wave = np.random.default_rng(seed).permutation(votes.n_tasks) % WAVES
    asked = np.zeros(votes.n_tasks, np.int64)
    is_open = np.ones(votes.n_tasks, bool)
    trail: list[tuple[int, int]] = []
    while is_open.any():
        begun = is_open & (wave == wave[is_open].min())
        asked = np.where(begun, np.where(asked == 0, np.minimum(least, most), asked + 1), asked)
        fit = AGGREGATORS["adaptive"](some(votes, place < asked[votes.task]))
        for task in np.flatnonzero(begun):
            state = stopping.TaskState(
                judgments=int(asked[task]),
                wanted=int(asked[task]),
                least=least,
                most=int(most[task]),
                confidence=float(fit.confidence[task]),
                threshold=threshold,
            )
            is_open[task] = stopping.confidence(state).action != "retire"
        ahead = stopping.forecast(
            retired=np.bincount(asked[~is_open]).tolist(),
            still_open=np.bincount(asked[is_open]).tolist(),
            least=least,
            most=int(most.max()),
        )
        trail.append((int(asked.sum()), ahead.judgments_to_go))
    return accuracy(fit.posterior, truth), int(asked.sum()), trail


def fixed(votes: Votes, truth: np.ndarray, seeds: int) -> list[float]:
    """Accuracy with 1, 2, … judgments of each task."""
    most = int(np.bincount(votes.task).max())
    return [
        float(np.mean([accuracy(AGGREGATORS["adaptive"](thinned(votes, n, s)).posterior, truth) for s in range(seeds)]))
        for n in range(1, most + 1)
    ]


def needed(reached: float, curve: list[float]) -> float:
    """The fixed number at which the curve (made to rise) first has this accuracy; its end where it never has."""
    rising = np.maximum.accumulate(curve)
    above = int(np.argmax(rising >= reached)) if rising[-1] >= reached else len(rising) - 1
    if above == 0 or rising[above] < reached:
        return float(above + 1)
    return float(above + (reached - rising[above - 1]) / (rising[above] - rising[above - 1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--confidence", type=float, nargs="*", default=[0.8, 0.9, 0.95])
    parser.add_argument("--least", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1, help="orders of the judgments")
    options = parser.parse_args()
    for folder in sorted(SHARED.glob("*")):
        if not (folder / "judgments.csv").exists():
            continue
        votes, truth = read(folder)
        curve = fixed(votes, truth, options.seeds)
        print(f"{folder.name}: fixed " + " ".join(f"{n}: {share:.3f}" for n, share in enumerate(curve, 1)), flush=True)
        for threshold in options.confidence:
            for seed in range(options.seeds):
                report(votes, truth, threshold, options.least, seed, curve)


def report(votes: Votes, truth: np.ndarray, threshold: float, least: int, seed: int, curve: list[float]) -> None:
    reached, made, trail = stopped(votes, truth, threshold, least, seed)
    each, equal = made / votes.n_tasks, needed(reached, curve)
    line = f"  sure at {threshold:.2f}: accuracy {reached:.3f} with {each:.2f} a task; a fixed number needs {equal:.1f}"
    print(f"{line}, saved {1 - each / equal:+.0%}; of all {len(votes)} judgments saved {1 - made / len(votes):.0%}")
    for share in (0.25, 0.5, 0.75):
        so_far, ahead = next((row for row in trail if row[0] >= share * made), trail[-1])
        print(f"    forecast at {so_far / made:4.0%} of {made}: {so_far + ahead} ({(so_far + ahead) / made - 1:+.1%})")


if __name__ == "__main__":
    main()
