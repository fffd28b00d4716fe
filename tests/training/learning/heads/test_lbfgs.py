"""The minimiser against scipy's, on a function that is hard and on one that is not smooth in scale."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from training.learning.heads.lbfgs import lbfgs


def test_it_finds_the_minimum_of_rosenbrocks_valley() -> None:
    start = np.array([1.3, 0.7, 0.8, 1.9])
    *_, (value, point) = lbfgs(lambda x: (float(rosen(x)), rosen_der(x)), start, iterations=500)
    theirs = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B")
    assert value <= theirs.fun + 1e-6
    np.testing.assert_allclose(point, 1, atol=1e-3)


def test_values_never_rise() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(30, 30)) * np.geomspace(1, 100, 30)
    H = root.T @ root / 30
    values = [v for v, _ in lbfgs(lambda x: (0.5 * float(x @ H @ x), H @ x), rng.normal(size=30), iterations=300)]
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 1e-5 * values[0]


@pytest.mark.parametrize("at", [0, 3])
def test_an_objective_that_is_no_number_ends_the_search(at: int) -> None:
    calls = iter(range(10_000))

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return (float("nan") if next(calls) >= at else float(x @ x)), 2 * x

    assert len(list(lbfgs(objective, np.ones(3), iterations=50))) < 50
