"""The aggregators. To add one: a file beside these with its paper and a ``fit``, and one entry here."""

from __future__ import annotations

from labeling.aggregation import adaptive, dawid_skene, mace, majority, one_coin, weighted_majority
from labeling.aggregation.votes import UNKNOWN, Aggregator, Fit, Votes

AGGREGATORS: dict[str, Aggregator] = {
    "adaptive": adaptive.fit,
    "majority": majority.fit,
    "weighted_majority": weighted_majority.fit,
    "one_coin": one_coin.fit,
    "dawid_skene": dawid_skene.fit,
    "mace": mace.fit,
}
DEFAULT = "adaptive"

__all__ = ["AGGREGATORS", "DEFAULT", "UNKNOWN", "Aggregator", "Fit", "Votes"]
