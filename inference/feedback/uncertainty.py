"""How unsure a probability vector is.

Two measures, both in [0, 1] and 1 when nothing is known: the entropy divided by its maximum, and one minus the margin
between the two best classes. Source: Settles, Active Learning Literature Survey (2009), section 3.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Normalised entropy of each row.

    Args:
        probabilities: ``[n, k]``, rows sum to 1. With one class nothing can be unsure: 0.

    Returns:
        ``[n]`` in [0, 1].
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] < 2:
        return np.zeros(len(p))
    logs = np.log(np.clip(p, 1e-12, 1.0))
    return np.clip(-(p * logs).sum(axis=1) / np.log(p.shape[1]), 0.0, 1.0)


def margin(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Best minus second best probability of each row, ``[n]`` in [0, 1]; 1 where there is only one class."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] < 2:
        return np.ones(len(p))
    best = np.partition(p, -2, axis=1)
    return np.clip(best[:, -1] - best[:, -2], 0.0, 1.0)


def uncertainty(probabilities: NDArray[np.floating], margins: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """The one number that orders images: the mean of normalised entropy and 1 - margin, ``[n]`` in [0, 1].

    Entropy alone ranks an image torn between two of ten classes below one that is vaguely wrong everywhere; the
    margin alone cannot tell two classes from ten. Their mean is monotone in both. ``margins`` are ``margin``'s, where
    the caller has them already.
    """
    return (entropy(probabilities) + 1.0 - (margin(probabilities) if margins is None else margins)) / 2.0
