"""Ratings and numbers from drawn crowds: how near the labels are to the truth, and whether they are as sure as right.

Beside the mean and the median of the answers: the mean error (bias), the root of the mean square (RMSE), and, as in
``bench.calibration``, confidence, the share of right labels, and both of those that are called at least .95 sure. A
number is right within 5 %, a whole one at the nearest, too; a rating at its step.

Run: ``python -m bench.numbers [--seeds 10]``; a few CPU seconds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.calibration import SURE
from labeling.aggregation import numeric
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Said, combine

STEPS = 5


class Plan(NamedTuple):
    """How a crowd is drawn; ``low`` to ``high`` is the range of people's spreads, ``lean`` the spread of their biases,
    ``slips`` the share of answers with a wrong decimal point.
    """

    kind: str
    each: int = 5
    low: float = 1.0
    high: float = 10.0
    lean: float = 0.0
    slips: float = 0.0
    tasks: int = 400
    workers: int = 20
    tails: float = np.inf  # degrees of freedom


PLANS: dict[str, Plan] = {
    "numbers, people alike": Plan("number", low=3, high=3),
    "numbers, people alike, 3 each": Plan("number", 3, low=3, high=3),
    "numbers, unequal people": Plan("number"),
    "numbers, unequal people, 3 each": Plan("number", 3),
    "numbers, unequal people, 2 each": Plan("number", 2),
    "numbers, 200 unequal people": Plan("number", workers=200),
    "numbers, people lean": Plan("number", lean=5),
    "numbers, heavy tails": Plan("number", low=3, high=3, tails=4),
    "numbers, slips": Plan("number", low=3, high=3, slips=0.02),
    "numbers, 30 tasks": Plan("number", 3, tasks=30, workers=8),
    "counts, people alike": Plan("count", low=0.6, high=0.6),
    "counts, people alike, 3 each": Plan("count", 3, low=0.6, high=0.6),
    "counts, unequal people": Plan("count", low=0.3, high=2),
    "counts, heavy tails": Plan("count", low=0.6, high=0.6, tails=4),
    "ratings, people alike": Plan("rating", low=0.7, high=0.7),
    "ratings, people alike, 3 each": Plan("rating", 3, low=0.7, high=0.7),
    "ratings, unequal people": Plan("rating", low=0.3, high=1.5),
    "ratings, people lean": Plan("rating", low=0.3, high=1.5, lean=0.5),
    "ratings, heavy tails": Plan("rating", low=0.7, high=0.7, tails=4),
}


class Drawn(NamedTuple):
    truth: np.ndarray
    task: np.ndarray
    worker: np.ndarray
    answer: np.ndarray


def draw(plan: Plan, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    truth = {
        "number": lambda: rng.uniform(20, 200, plan.tasks),
        "count": lambda: rng.integers(0, 13, plan.tasks),
        "rating": lambda: rng.integers(1, STEPS + 1, plan.tasks),
    }[plan.kind]().astype(float)
    spread = np.exp(rng.uniform(np.log(plan.low), np.log(plan.high), plan.workers))
    bias = rng.normal(0, plan.lean, plan.workers)
    task = np.repeat(np.arange(plan.tasks), plan.each)
    worker = np.concatenate([rng.choice(plan.workers, plan.each, replace=False) for _ in truth])
    shown = len(task)
    noise = rng.normal(size=shown) if np.isinf(plan.tails) else rng.standard_t(plan.tails, shown)
    answer = truth[task] + bias[worker] + spread[worker] * noise
    answer = np.where(rng.random(shown) < plan.slips, 10 * answer, answer)
    if plan.kind == "count":
        answer = np.maximum(np.round(answer), 0)
    if plan.kind == "rating":
        answer = np.clip(np.round(answer), 1, STEPS)
    return Drawn(truth, task, worker, answer)


def labels(plan: Plan, drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """What Crowdtune says, and how sure it is."""
    options = {"number": {}, "count": {"whole": True, "least": 0}, "rating": {"least": 1, "most": STEPS, "scale": True}}
    expected = {"number": 0.0, "count": numeric.HALF, "rating": numeric.SHARE * (STEPS - 1)}
    people = {"n_tasks": plan.tasks, "n_workers": plan.workers}
    ends = (1, STEPS) if plan.kind == "rating" else (-np.inf, np.inf)
    fit = numeric.fit(drawn.task, drawn.worker, drawn.answer, **people, expected=expected[plan.kind], ends=ends)
    belief = replace(Belief.ignorant(()), spread=fit.crowd_spread)
    skills = {who: {"bias": fit.bias[who], "spread": fit.spread[who]} for who in range(plan.workers)}
    said = [Said(int(who), float(answer)) for who, answer in zip(drawn.worker, drawn.answer, strict=True)]
    starts = range(0, len(said), plan.each)
    found = [combine("median", said[at : at + plan.each], options[plan.kind], belief, skills) for at in starts]
    return np.array([float(one.answer) for one in found if one]), np.array([one.confidence for one in found if one])


def figures(plan: Plan, seed: int) -> list[float]:
    drawn = draw(plan, seed)
    ours, sure = labels(plan, drawn)
    mean = np.bincount(drawn.task, drawn.answer) / plan.each
    medians = numeric.medians(drawn.task, drawn.answer, plan.tasks)
    errors = [one - drawn.truth for one in (ours, mean, medians)]
    near = numeric.tolerance(drawn.truth, plan.kind == "count") if plan.kind != "rating" else 0
    right = np.abs(errors[0]) <= near
    is_sure = sure >= SURE
    among = right[is_sure].mean() if is_sure.any() else np.nan
    rmse = [float(np.sqrt((error**2).mean())) for error in errors]
    return [float(errors[0].mean()), *rmse, sure.mean(), right.mean(), is_sure.mean(), among]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="drawn crowds of each kind")
    options = parser.parse_args()
    names = ("bias", "RMSE", "mean's", "median's", "sure", "right", ">= .95", "right")
    print(f"{'':34}" + "".join(f"{name:>10}" for name in names))
    for title, plan in PLANS.items():
        row = np.nanmean([figures(plan, seed) for seed in range(options.seeds)], axis=0)
        print(f"{title:34}{row[0]:+10.3f}" + "".join(f"{value:10.3f}" for value in row[1:]), flush=True)


if __name__ == "__main__":
    main()
