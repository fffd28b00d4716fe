"""Limited-memory BFGS (Liu and Nocedal 1989) in numpy, as a generator of iterates.

Own code for one reason: every iterate is handed out, so that the caller can draw the curve, stop early on the
validation part, and cancel within one pass over the data. Against scipy's it is tested to find the same minimum.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

MEMORY = 10  # pairs of steps remembered
Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


def lbfgs(
    objective: Objective,
    start: np.ndarray,
    *,
    iterations: int,
    tolerance: float = 1e-5,
    first_step: float | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Minimise; yields (value, point) after each accepted step, ends at convergence or after ``iterations``.

    Args:
        objective: Point ``[p]`` -> (value, gradient ``[p]``), float64.
        start: First point.
        iterations: At most so many steps.
        tolerance: Stop when the gradient's largest entry is below it.
        first_step: How far along the gradient the first step is tried; None = cautious, where the curvature is unknown.
    """
    point = start.astype(np.float64)
    value, gradient = objective(point)
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    for _ in range(iterations):
        if not np.isfinite(value) or np.abs(gradient).max() < tolerance:
            return
        direction = -_two_loops(gradient, pairs)
        slope = float(gradient @ direction)
        if slope >= 0:  # memory went bad: start it again from steepest descent
            pairs.clear()
            direction, slope = -gradient, -float(gradient @ gradient)
        step = 1.0 if pairs else first_step or min(1.0, 1.0 / float(np.abs(gradient).sum()))
        found = _line_search(objective, point, value, direction, slope, step)
        if found is None:
            return
        new_point, new_value, new_gradient = found
        s, y = new_point - point, new_gradient - gradient
        if (curvature := float(s @ y)) > 1e-10 * float(y @ y):
            pairs.append((s, y, 1.0 / curvature))
        small = abs(value - new_value) <= 1e-9 * max(abs(value), abs(new_value), 1.0)
        point, value, gradient = new_point, new_value, new_gradient
        yield value, point
        if small:
            return


def _two_loops(gradient: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Inverse Hessian times gradient (Nocedal and Wright 2006, algorithm 7.4)."""
    q = gradient.copy()
    alphas = []
    for s, y, rho in reversed(pairs):
        alpha = rho * float(s @ q)
        alphas.append(alpha)
        q -= alpha * y
    if pairs:
        s, y, rho = pairs[-1]
        q *= 1.0 / (rho * float(y @ y))
    for (s, y, rho), alpha in zip(pairs, reversed(alphas), strict=True):
        q += s * (alpha - rho * float(y @ q))
    return q


def _line_search(
    objective: Objective, point: np.ndarray, value: float, direction: np.ndarray, slope: float, step: float
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Weak Wolfe conditions by bracketing and bisection (Lewis and Overton 2013); None where no step helps."""
    low, high = 0.0, np.inf
    for _ in range(25):
        new_point = point + step * direction
        new_value, new_gradient = objective(new_point)
        if not np.isfinite(new_value) or new_value > value + 1e-4 * step * slope:
            high = step
        elif float(new_gradient @ direction) < 0.9 * slope:
            low = step
        else:
            return new_point, new_value, new_gradient
        step = (low + high) / 2 if np.isfinite(high) else 2 * step
    return (new_point, new_value, new_gradient) if np.isfinite(new_value) and new_value < value else None
