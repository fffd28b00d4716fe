"""Figures against implementations that share no line with ours: scipy, pycocotools, and definitions spelled out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask
from scipy import optimize, stats

from labeling.aggregation import geometry, numeric
from labeling.consensus import agreement, stopping

TABLES = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=8)
ANSWERS = st.lists(st.tuples(st.floats(-50, 50), st.floats(-3, 3), st.floats(0.3, 5)), min_size=1, max_size=6)


def said(counts: list[list[int]]) -> list[list[int]]:
    """The labels of each task, one a judgment."""
    return [[label for label, times in enumerate(row) for _ in range(times)] for row in counts]


def alpha(counts: list[list[int]], metric: str) -> float:
    """Krippendorff's alpha from its definition: pairs within units against pairs of all pairable values."""
    units = [unit for unit in said(counts) if len(unit) >= 2]
    values = [value for unit in units for value in unit]
    times = [values.count(label) for label in range(3)]

    def apart(one: int, other: int) -> float:
        low, high = sorted((one, other))
        if metric == "nominal":
            return float(one != other)
        if metric == "interval":
            return float((one - other) ** 2)
        return (sum(times[low : high + 1]) - (times[low] + times[high]) / 2) ** 2

    observed = sum(sum(apart(a, b) for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in units)
    expected = sum(apart(a, b) for a, b in itertools.permutations(values, 2)) / max(len(values) - 1, 1)
    return 1 - observed / expected if expected else float("nan")


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
@settings(max_examples=60, deadline=None)
@given(counts=TABLES)
def test_alpha_is_its_definition(metric, counts):
    if metric == "nominal":
        found = agreement.krippendorff_alpha(np.array(counts, dtype=float))
    else:  # numbers, and far from zero
        rows = [(task, label + 1e6) for task, unit in enumerate(said(counts)) for label in unit]
        task, value = np.array(rows).reshape(-1, 2).T
        percent, found = agreement.of_numbers(task.astype(int), value, is_ordinal=metric == "ordinal")
        assert percent == pytest.approx(agreement.percent(np.array(counts, dtype=float)), nan_ok=True)
    assert found == pytest.approx(alpha(counts, metric), nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(counts=TABLES)
def test_percent_and_specific_agreement_are_shares_of_pairs(counts):
    units = [unit for unit in said(counts) if len(unit) >= 2]
    table = np.array(counts, dtype=float)
    shares = [np.mean([a == b for a, b in itertools.permutations(unit, 2)]) for unit in units]
    assert agreement.percent(table) == pytest.approx(np.mean(shares) if shares else np.nan, nan_ok=True)
    for label, found in enumerate(agreement.per_category(table)):
        again = [
            np.mean([other == label for place, other in enumerate(unit) if place != first])
            for unit in units
            for first, own in enumerate(unit)
            if own == label
        ]
        assert found == pytest.approx(np.mean(again) if again else np.nan, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=2, max_size=10))
def test_fleiss_kappa_is_his_formula(rows):
    """Four raters of every subject: (mean P_i - sum p_j squared) / (1 - sum p_j squared)."""
    table = np.array([[row.count(label) for label in range(3)] for row in rows], dtype=float)
    share = table.sum(axis=0) / (4 * len(rows))
    chance = (share**2).sum()
    each = ((table**2).sum(axis=1) - 4) / 12
    expected = (each.mean() - chance) / (1 - chance) if chance < 1 - 1e-12 else np.nan
    assert agreement.fleiss_kappa(table) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(answers=ANSWERS)
def test_a_rating_s_posterior_is_student_s_t_over_the_steps_and_what_lies_beyond_them(answers):
    scale = [1, 2, 3, 4, 5]
    answers = [(min(max(answer, 1.0), 5.0), bias, spread) for answer, bias, spread in answers]
    logs = np.zeros(len(scale))
    for answer, bias, spread in answers:
        ends = -np.inf if answer <= 1 else answer - 0.5, np.inf if answer >= 5 else answer + 0.5
        low, high = (stats.t.cdf((end - bias - np.array(scale)) / spread, numeric.TAILS) for end in ends)
        logs += np.log(high - low)
    expected = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    assert numeric.steps(answers, scale) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "answers", [[(3, 0, 0.9), (5, 0.5, 0.9), (4, 0, 0.3)], [(29, 0, 2.0), (33, 0, 1.0), (90, 0, 1.0)]]
)
def test_a_count_s_chance_is_student_s_t_over_the_whole_numbers(answers):
    every = np.arange(-99, 199)
    ends = [(answer - bias - every, spread) for answer, bias, spread in answers]
    chances = np.prod([stats.t.cdf((off + 0.5) / s, 4) - stats.t.cdf((off - 0.5) / s, 4) for off, s in ends], axis=0)
    best = every[chances.argmax()]
    near = np.abs(every - best) <= max(0.05 * best, 0.5)
    expected = chances[near].sum() / chances.sum()
    found = numeric.nearest(answers, *numeric.combine(answers), -np.inf, np.inf)
    assert found == (best, pytest.approx(expected, abs=0.01))


@pytest.mark.parametrize("seed", range(5))
def test_a_combined_number_is_the_most_likely_under_student_s_t(seed):
    rng = np.random.default_rng(seed)
    answers = [(float(10 + rng.standard_t(4)), float(rng.normal()), float(rng.uniform(0.8, 2))) for _ in range(7)]

    def surprise(value: float) -> float:
        return -sum(stats.t.logpdf((a - b - value) / s, numeric.TAILS) for a, b, s in answers)

    best = optimize.minimize_scalar(surprise, bounds=(0, 20), method="bounded").x
    told = stats.t.expect(
        lambda off: ((numeric.TAILS + 1) * off / (numeric.TAILS + off**2)) ** 2, args=(numeric.TAILS,)
    )
    error = 1 / np.sqrt(sum(told / s**2 for _, _, s in answers))  # by Fisher's information
    assert numeric.combine(answers) == (pytest.approx(best, abs=1e-2), pytest.approx(error, rel=1e-5))


@pytest.mark.parametrize(("expected", "ends"), [(0.0, (-np.inf, np.inf)), (2.0, (3, 40))])
def test_a_whole_fit_agrees_with_each_task_s_number_and_each_worker_s_spread_by_their_definitions(expected, ends):
    rng = np.random.default_rng(7)
    task, worker = np.repeat(np.arange(30), 4), np.concatenate([rng.choice(6, 4, replace=False) for _ in range(30)])
    answer = rng.uniform(0, 50, 30)[task] + 3.0 * (worker == 1) + rng.standard_t(4, 120) * (1 + 2 * (worker == 2))
    answer = np.clip(answer, *ends)
    task, worker, answer = (np.append(row, last) for row, last in ((task, 30), (worker, 2), (answer, 9.0)))  # one alone
    fit = numeric.fit(task, worker, answer, n_tasks=31, n_workers=6, expected=expected, ends=ends)
    for one in range(31):
        rows = [(answer[n], fit.bias[worker[n]], fit.spread[worker[n]]) for n in np.flatnonzero(task == one)]
        assert (fit.value[one], fit.error[one]) == pytest.approx(numeric.combine(rows), abs=2e-2)
    off = fit.bias - np.median(fit.bias)
    wide = max(1.4826 * np.median(np.abs(off)), np.sqrt(np.mean(off**2)) / 3)
    usual = np.bincount(worker) / (numeric.TAILS + (off / wide) ** 2)  # who is far off has little say in where zero is
    assert np.average(fit.bias, weights=usual) == pytest.approx(0, abs=1e-9)
    rest = answer - fit.value[task] - fit.bias[worker]
    weight = (numeric.TAILS + 1) / (numeric.TAILS + (rest / fit.spread[worker]) ** 2)
    pulled, own_draw = weight * rest**2, weight / fit.spread[worker] ** 2
    tells = 1 - own_draw / np.bincount(task, own_draw)[task]  # what is left beside its draw on its own task's value
    inside = (answer > ends[0]) & (answer < ends[1])
    pulled, tells = pulled * inside, tells * inside
    theirs = [(pulled[worker == who].sum(), tells[worker == who].sum() + numeric.OWN) for who in range(6)]
    shrunk = [(squares + numeric.OWN * fit.crowd_spread**2) / heard for squares, heard in theirs]
    most = np.exp(np.average(np.log(shrunk), weights=np.bincount(worker)))  # who is far worse has little say in it
    variances = [(squares + numeric.OWN * most) / heard for squares, heard in theirs]
    assert fit.spread == pytest.approx(np.sqrt(variances), rel=2e-2)
    known = numeric.OWN if expected else 0
    assert fit.crowd_spread == pytest.approx(
        np.sqrt((pulled.sum() + known * expected**2) / (tells.sum() + known)), rel=2e-2
    )


def clusters(boxes: np.ndarray, worker: np.ndarray, kind: np.ndarray, least: float, across: float) -> list[int]:
    """The definition, every pair looked at: one kind's pairs first, the most alike first."""
    share = mask.iou(boxes, boxes, [0] * len(boxes))
    pairs = [
        (bool(kind[a] != kind[b]), -share[a, b], a, b)
        for a, b in itertools.combinations(range(len(boxes)), 2)
        if share[a, b] >= (across if kind[a] != kind[b] else least) and share[a, b] > 0 and worker[a] != worker[b]
    ]
    home = list(range(len(boxes)))
    for differ, _share, a, b in sorted(pairs):
        one, two = ([n for n, place in enumerate(home) if place == home[box]] for box in (a, b))
        apart = home[a] != home[b] and not {worker[n] for n in one} & {worker[n] for n in two}
        if apart and np.mean([share[m, n] for m in one for n in two]) >= (across if differ else least):
            home = [home[a] if place == home[b] else place for place in home]
    return home


@pytest.mark.parametrize("across", [0.5, np.inf])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 14))
def test_boxes_are_put_together_as_if_every_pair_were_looked_at(across, seed, count):
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 45, (count, 2)), rng.uniform(15, 40, (count, 2))], axis=1)
    worker, kind = rng.integers(5, size=count), rng.integers(2, size=count)
    found = geometry.cluster(boxes, worker, kind, across=across).tolist()
    expected = clusters(boxes, worker, kind, geometry.OVERLAP, across)
    assert [[a == b for b in found] for a in found] == [[a == b for b in expected] for a in expected]


def test_one_box_of_several_has_the_sides_that_are_most_likely_under_student_s_t():
    """The second thing is harder to box than its people's hands are unsteady, so that outliers count for more."""
    rng = np.random.default_rng(3)
    corner, size, off = np.array([40.0, 30]), np.array([80.0, 50]), np.array([2.0] * 5 + [25.0] * 5)[:, None]
    sides = np.concatenate([corner + rng.normal(0, off, (10, 2)), size + rng.normal(0, off / 2, (10, 2))], axis=1)
    offset, spread = rng.normal(0, 0.02, (10, 4)), rng.uniform(0.1, 0.3, 10)
    found = geometry.merge(sides, np.repeat([0, 1], 5), offset, spread)
    askew = []
    for own, box in zip((slice(0, 5), slice(5, 10)), found, strict=True):
        usual = np.tile(np.median(sides[own, 2:], axis=0), 2)
        drawn, scale = geometry.edges(sides[own]) - offset[own] * usual, spread[own, None] * usual
        askew.append(1.4826 * np.median(np.abs(drawn - np.median(drawn, axis=0)) / scale, axis=0))
        scale = scale * np.maximum(1, askew[-1])
        grid = np.linspace(0, 250, 25_001)[:, None, None]
        left, top, right, bottom = grid[
            stats.t.logpdf((drawn - grid) / scale, geometry.TAILS).sum(axis=1).argmax(axis=0), 0, 0
        ]
        assert box == pytest.approx([left, top, right - left, bottom - top], abs=0.05)
    assert askew[0].max() < 1 < askew[1].max()


def test_the_chance_to_be_within_is_the_normal_distribution_s():
    for error, tolerance in ((0.5, 1.0), (2.0, 1.0), (1.0, 0.1)):
        expected = stats.norm.cdf(tolerance / error) - stats.norm.cdf(-tolerance / error)
        assert numeric.within(error, tolerance) == pytest.approx(expected)


def test_overlap_equals_coco_s():
    rng = np.random.default_rng(0)
    a, b = (np.concatenate([rng.uniform(0, 50, (n, 2)), rng.uniform(1, 40, (n, 2))], axis=1) for n in (20, 30))
    assert np.allclose(geometry.overlap(a, b), mask.iou(a, b, [0] * len(b)))


def test_partial_counts_of_the_confidence_table_are_hypergeometric():
    """Of 9 votes, 6 for a category: the chance that the first 4 hold 3 of them, once its label is right."""
    counts, label = np.array([[6.0, 3], [4, 5]]), np.array([0, 1])
    found = stopping.confidence_table(counts, label, sample=9, prior=0.0)[0, 3, 1]
    right, wrong = (stats.hypergeom.pmf(3, 9, votes, 4) for votes in (6, 4))
    assert found == pytest.approx(right / (right + wrong))
