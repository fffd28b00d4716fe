"""The geometry of boxes from many: what overlaps, what is of one thing, and one box of several.

Nothing is compared that cannot meet: an image may hold thousands of boxes, and whoever sends some waits for this.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import Floats, Ints

OVERLAP = 0.3  # boxes that overlap by less (IoU) are of different things
TAILS = 3.0


def overlap(a: Floats, b: Floats) -> Floats:
    """IoU of each of [n, 4] with each of [m, 4] boxes x, y, width, height: [n, m] in [0, 1]."""
    return shares(a[:, None], b[None])


def shares(a: Floats, b: Floats) -> Floats:
    """IoU of boxes [..., 4], one of ``a`` with one of ``b``: [...]."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    union = np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def _overlapping(boxes: Floats) -> tuple[Ints, Ints, Floats]:
    """The pairs of boxes that share anything, and their IoU, by (first, second), where first < second.

    Only what meets on one axis is compared, the one on which less does: a crowd draws on all of the image.
    """
    order, after = min((_meeting(boxes[:, axis], boxes[:, axis + 2]) for axis in (0, 1)), key=lambda m: m[1].sum())
    place = np.repeat(np.arange(len(boxes)), after)
    step = np.arange(len(place)) - np.repeat(np.cumsum(after) - after, after)
    one, other = order[place], order[place + 1 + step]
    first, second = np.minimum(one, other), np.maximum(one, other)
    share = shares(boxes[first], boxes[second])
    found = np.flatnonzero(share)
    found = found[np.lexsort((second[found], first[found]))]
    return first[found], second[found], share[found]


def _meeting(low: Floats, length: Floats) -> tuple[Ints, Ints]:
    """The order of intervals by their beginning, and how many of those behind each begin before it ends."""
    order = np.argsort(low, kind="stable")
    ends = np.searchsorted(low[order], (low + length)[order])
    return order, np.maximum(ends - np.arange(1, len(low) + 1), 0)


def cluster(boxes: Floats, worker: Ints, category: Ints, least: float = OVERLAP, across: float = np.inf) -> Ints:
    """[n]: the number of each box's cluster, from 0; the best pairs join first.

    Two clusters join when no worker is in both, they are of one category, and their boxes overlap by ``least`` on
    average, so that a chain of neighbours does not become one thing. After that two of different categories join where
    they overlap by ``across``: people take one thing for different ones.
    """
    first, second, share = _overlapping(boxes)
    known = first * len(boxes) + second  # ascending
    differ = category[first] != category[second]
    wanted = np.where(differ, across, least)
    near = np.flatnonzero((share >= wanted) & (worker[first] != worker[second]))
    near = near[np.lexsort((-share[near], differ[near]))]
    members = {index: [index] for index in range(len(boxes))}
    home = np.arange(len(boxes))
    who = worker.tolist()
    for a, b, enough in zip(first[near].tolist(), second[near].tolist(), wanted[near].tolist(), strict=True):
        one, two = int(home[a]), int(home[b])
        if one == two or not {who[box] for box in members[one]}.isdisjoint(who[box] for box in members[two]):
            continue
        if _mean_share(members[one], members[two], len(boxes), known, share) >= enough:
            members[one] += members.pop(two)
            home[members[one]] = one
    return np.unique(home, return_inverse=True)[1].reshape(-1)


def _mean_share(one: list[int], two: list[int], count: int, known: Ints, share: Floats) -> float:
    """The mean IoU of the boxes of one cluster with those of another; a pair that is not known shares nothing."""
    a, b = np.array(one)[:, None], np.array(two)
    wanted = np.minimum(a, b) * count + np.maximum(a, b)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return float(np.where(known[at] == wanted, share[at], 0.0).mean())


def merge(sides: Floats, home: Ints, offset: Floats, spread: Floats) -> Floats:
    """[clusters, 4]: one box x, y, width, height of each cluster; each side on its own.

    Args:
        sides: [n, 4] boxes.
        home: [n] the cluster of each.
        offset: [n, 4] what its worker usually is off.
        spread: [n] how unsteadily its worker draws.
    """
    sizes = np.bincount(home)
    order = np.argsort(home, kind="stable")
    start = np.cumsum(sizes) - sizes
    found = np.zeros((len(sizes), 4))
    for size in np.unique(sizes[sizes > 0]):  # as many clusters at once as have so many boxes
        alike = np.flatnonzero(sizes == size)
        boxes = order[start[alike][:, None] + np.arange(size)]
        found[alike] = _merged(sides[boxes], offset[boxes], spread[boxes])
    return found


def _merged(sides: Floats, offset: Floats, spread: Floats) -> Floats:
    """[clusters, 4] from [clusters, n, 4] boxes of one thing each."""
    size = np.median(sides[..., 2:], axis=1, keepdims=True)
    size = np.concatenate([size, size], axis=2)
    moved = edges(sides) - offset * size
    value = np.median(moved, axis=1, keepdims=True)
    scale = spread[..., None] * size
    askew = 1.4826 * np.median(np.abs(moved - value) / scale, axis=1, keepdims=True)  # what is hard to box for all
    scale = scale * np.maximum(1, askew)
    for _ in range(10):
        weight = (TAILS + 1) / (TAILS + ((moved - value) / scale) ** 2) / scale**2
        value = (weight * moved).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    value = value[:, 0]
    low, high = np.minimum(value[:, :2], value[:, 2:]), np.maximum(value[:, :2], value[:, 2:])
    return np.concatenate([low, high - low], axis=1)


def edges(sides: Floats) -> Floats:
    """[..., 4] boxes -> left, top, right, bottom."""
    return np.concatenate([sides[..., :2], sides[..., :2] + sides[..., 2:]], axis=-1)
