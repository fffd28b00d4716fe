"""Linear discriminant analysis with a shrunk covariance (Friedman 1989), the head's second opinion on few images.

It takes each class for a cloud of the same shape. That is not true, but its answer leans on means and covariances where
logistic regression leans on the images near the border: their errors differ, both are linear in the features, so their
mean is one linear head, which is right more often than either. Ng and Jordan (2002) on when which is better.
How far the covariance has to be shrunk depends on how many images there are of how many features: ``strength.choose``
asks the folds. Source: Friedman, Regularized discriminant analysis (J. Am. Stat. Assoc. 84, 1989).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 1e-6  # share of a class that no image has


def discriminants(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, dim: int, shrinkages: Sequence[float]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each shrinkage float32 weights ``[r, classes]`` and bias ``[classes]``: logits are ``x @ weights + bias``.

    Args:
        x: float32 ``[n, r]``, features or their coordinates along all axes in which they differ.
        y: ``[n, classes]`` soft labels: an image belongs to each class by its share.
        w: ``[n]`` weights, >= 0. Where all are 0 every logit is 0.
        dim: How many features there are, over which the shrunk part is spread: r, or more where x is rotated.
        shrinkages: Shares of the covariance that one alike in all directions takes the place of, in 0..1.
    """
    if not w.any():
        return [(np.zeros((x.shape[1], y.shape[1]), np.float32), np.zeros(y.shape[1], np.float32))] * len(shrinkages)
    mass = y * (w / w.sum())[:, None]
    shares, weight = mass.sum(axis=0), mass.sum(axis=1)
    mean = weight @ x / weight.sum()
    centred = x - mean
    means = mass.T @ centred / np.maximum(shares, LEAST)[:, None]
    spread, between = np.sqrt(weight)[:, None] * centred, np.sqrt(shares)[:, None] * means
    total = float(np.vdot(spread, spread))
    # One image in each class has no scatter within: then a hundredth of all of it stands in.
    scatter = max(total - float(np.vdot(between, between)), total / 100, LEAST) / dim
    # By products of the rows where they are fewer than the features.
    products = spread.T @ spread if len(x) >= x.shape[1] else spread @ spread.T
    sides, eye = np.vstack([means, between]).T, np.eye(len(products), dtype=np.float32)
    found = []
    for shrinkage in shrinkages:
        kept, floor = np.float32(1 - shrinkage), np.float32(shrinkage * scatter)
        if len(x) >= x.shape[1]:
            solved = np.linalg.solve(kept * products + floor * eye, sides)
        else:
            solved = (sides - spread.T @ np.linalg.solve(products + floor / kept * eye, spread @ sides)) / floor
        # Within the classes = in all less between them; of the latter there are only as many directions as classes, so
        # it is taken away after solving (Sherman, Morrison and Woodbury).
        weights, moved = np.split(solved, 2, axis=1)
        inner = np.eye(len(shares)) / (1 - shrinkage) - between @ moved
        weights = weights + moved @ np.linalg.solve(inner, between @ weights)
        bias = np.log(np.maximum(shares, LEAST)) - 0.5 * np.einsum("kd,dk->k", means, weights) - mean @ weights
        found.append((weights.astype(np.float32), bias.astype(np.float32)))
    return found
