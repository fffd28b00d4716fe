"""One-coin Dawid-Skene: a worker is right with one probability, and its errors fall on all other labels alike.

One number a worker, so it needs few judgments. Where the crowd's errors are one-sided (many see nothing where there is
something, few the reverse) that number says the wrong thing, and it can fall far below majority.

Source: Y. Zhang, X. Chen, D. Zhou, M. I. Jordan, "Spectral methods meet EM: a provably optimal algorithm for
crowdsourcing", JMLR 17 (2016), after Dawid and Skene (1979). Equal to ``crowdkit.aggregation.OneCoinDawidSkene``.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation import expectation
from labeling.aggregation.votes import TINY, Fit, Floats, Votes, agreement_with


def fit(votes: Votes) -> Fit:
    """EM on one skill per worker: its ``accuracy``, and the diagonal of its ``confusion``."""
    return expectation.fit(votes, _confusion)


def _confusion(votes: Votes, posterior: Floats) -> Floats:
    """The skill on the diagonal, the rest spread evenly."""
    skill = agreement_with(votes, posterior)
    wrong = (1 - skill) / (votes.n_classes - 1)
    same = np.eye(votes.n_classes, dtype=bool)
    return np.clip(np.where(same, skill[:, None, None], wrong[:, None, None]), TINY, 1 - TINY)
