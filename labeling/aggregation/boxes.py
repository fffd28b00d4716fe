"""Boxes from many: cluster what overlaps, ask how far each worker is to be trusted, and fuse the sides robustly.

A cluster holds at most one box of each worker. Whether there is something in it is a yes-or-no question that everybody
who saw the image has answered, by drawing or by not drawing. The answers are not independent (what is small or half
hidden is missed by many at once), so they are weighed as a vote and not multiplied as evidence: a worker's vote weighs
by how well its drawing tells things from nothing, and not drawing weighs three fifths of drawing, because people miss
a thing more easily than two of them invent the same one. The sides are fused one by one: each worker's usual offset is
taken off (in parts of the box's size; many draw a little wide), and the rest is a mean with weights that fall for
outliers and for workers with unsteady hands.

Source: H. Su, J. Deng, L. Fei-Fei, "Crowdsourcing annotations for visual object detection", HCOMP 2012;
S. Branson, G. Van Horn, P. Perona, "Lean crowdsourcing", CVPR 2017, section 4.2 (per-worker precision, false positives
and negatives of boxes); O. Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from labeling.aggregation import adaptive
from labeling.aggregation.votes import Floats, Ints, Votes

OVERLAP = 0.3  # boxes that overlap by less (IoU) are of different things
ABSENCE = 0.6  # what not drawing weighs against drawing
OWN = 10.0  # the crowd's steadiness counts as so many of a worker's boxes
MISSES, INVENTS = 0.2, 0.05  # of a worker not seen before
STEADY = 0.05  # standard deviation of a side, in parts of the box's size
TAILS = 3.0
LEAST_WEIGHT = 0.05  # as of numbers: what weighs nothing is still the only word where nobody else drew


@dataclass(frozen=True)
class Drawn:
    """One worker's boxes on one image: ``[{"category": …, "box": [x, y, width, height]}]``."""

    worker: int
    boxes: Sequence[Mapping[str, Any]]
    weight: float = 1.0


@dataclass(frozen=True)
class Hand:
    """How one worker draws.

    Attributes:
        finds: Chance to box a thing that is there.
        invents: Chance to draw where a cluster turns out to be nothing.
        vote: What the worker's drawing or not drawing weighs; 1 is the crowd's mean.
        offset: (left, top, right, bottom), the mean error of each side in parts of the box's width or height.
        spread: Standard deviation of the rest, in the same parts.
    """

    finds: float = 1 - MISSES
    invents: float = INVENTS
    vote: float = 1.0
    offset: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    spread: float = STEADY

    @staticmethod
    def read(stored: Mapping[str, Any]) -> Hand:
        known = stored.get("hand") or {}
        return Hand(**{**known, "offset": tuple(known["offset"])}) if known else Hand()


@dataclass(frozen=True)
class Box:
    category: str
    box: tuple[float, float, float, float]  # x, y, width, height
    confidence: float
    workers: tuple[int, ...]


@dataclass(frozen=True)
class Fused:
    """``boxes`` that are probably there; confidence of the least sure decision, those on what was left out included."""

    boxes: tuple[Box, ...]
    confidence: float
    agreement: float  # mean IoU of the drawn boxes with the box of their cluster; nan without any


def overlap(a: Floats, b: Floats) -> Floats:
    """IoU of each of [n, 4] with each of [m, 4] boxes x, y, width, height: [n, m] in [0, 1]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None, :] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def cluster(boxes: Floats, worker: Ints, category: Ints, least: float = OVERLAP) -> Ints:
    """[n]: the number of each box's cluster, from 0; the best pairs join first.

    Two clusters join when no worker is in both, they are of one category, and their boxes overlap by ``least`` on
    average, so that a chain of neighbours does not become one thing.
    """
    shares = overlap(boxes, boxes)
    first, second = np.nonzero(np.triu(shares >= least, 1))
    allowed = (worker[first] != worker[second]) & (category[first] == category[second])
    first, second = first[allowed], second[allowed]
    order = np.argsort(-shares[first, second], kind="stable")
    members = {index: [index] for index in range(len(boxes))}
    home = np.arange(len(boxes))
    for a, b in zip(first[order], second[order], strict=True):
        one, two = int(home[a]), int(home[b])
        if one == two or set(worker[members[one]]) & set(worker[members[two]]):
            continue
        if shares[np.ix_(members[one], members[two])].mean() >= least:
            members[one] += members.pop(two)
            home[members[one]] = one
    return np.unique(home, return_inverse=True)[1].reshape(-1)


def fuse(drawn: Sequence[Drawn], hands: Mapping[int, Hand]) -> Fused:
    """One image's boxes.

    Args:
        drawn: What each worker who saw the image drew, the empty drawings too.
        hands: Worker -> Hand, from ``fit``; a worker that is not in it gets the default.
    """
    rows = [(person.worker, box) for person in drawn for box in person.boxes]
    if not rows:
        return Fused((), _nothing(drawn, hands), float("nan"))
    names = sorted({str(box["category"]) for _, box in rows})
    sides = np.array([box["box"] for _, box in rows], dtype=np.float64)
    worker = np.array([who for who, _ in rows])
    home = cluster(sides, worker, np.array([names.index(str(box["category"])) for _, box in rows]))
    held = {person.worker: _held(person, hands) for person in drawn}
    found = []
    agreement = []
    for number in range(home.max() + 1):
        inside = np.flatnonzero(home == number)
        present = {int(who) for who in worker[inside]}
        chance = _chance(present, drawn, hands)
        merged = merge(sides[inside], [held[int(who)] for who in worker[inside]])
        agreement += overlap(sides[inside], merged[None])[:, 0].tolist()
        found.append(Box(str(rows[inside[0]][1]["category"]), tuple(merged.tolist()), chance, tuple(sorted(present))))
    found.sort(key=lambda box: -box.confidence)
    real = tuple(box for box in found if box.confidence > 0.5)
    sure = min(max(box.confidence, 1 - box.confidence) for box in found)
    return Fused(real, min(sure, _nothing(drawn, hands)) if not real else sure, float(np.mean(agreement)))


def _held(person: Drawn, hands: Mapping[int, Hand]) -> Hand:
    """The worker's hand; of one whose weight was lowered the sides are as unsteady as that weighs little."""
    hand = hands.get(person.worker, Hand())
    return hand if person.weight >= 1 else replace(hand, spread=hand.spread / max(person.weight, LEAST_WEIGHT))


def _nothing(drawn: Sequence[Drawn], hands: Mapping[int, Hand]) -> float:
    """How sure it is that an image on which nobody drew holds nothing: everybody would have had to miss it."""
    missed = 1.0
    for person in drawn:
        missed *= (1 - hands.get(person.worker, Hand()).finds) ** person.weight
    return 1 / (1 + missed)


def _chance(present: set[int], drawn: Sequence[Drawn], hands: Mapping[int, Hand]) -> float:
    """The chance that a cluster is real. Three drawings of three give .98, two .84, one .44."""
    weight = {person.worker: person.weight * hands.get(person.worker, Hand()).vote for person in drawn}
    there = sum(weight[worker] for worker in present)
    odds = (there + 0.5) / (ABSENCE * (sum(weight.values()) - there) + 0.5)
    return odds**2 / (1 + odds**2)


def merge(sides: Floats, hands: Sequence[Hand]) -> Floats:
    """[4]: one box x, y, width, height from [n, 4] of one thing; each side on its own."""
    size = np.median(sides[:, 2:], axis=0)
    size = np.concatenate([size, size])
    edges = np.concatenate([sides[:, :2], sides[:, :2] + sides[:, 2:]], axis=1)
    moved = edges - np.array([hand.offset for hand in hands]) * size
    value = np.median(moved, axis=0)
    spread = np.array([hand.spread for hand in hands])[:, None] * size
    askew = 1.4826 * np.median(np.abs(moved - value) / spread, axis=0)  # of a thing that is hard to box for all
    spread = spread * np.maximum(1, askew)
    for _ in range(10):
        weight = (TAILS + 1) / (TAILS + ((moved - value) / spread) ** 2) / spread**2
        value = (weight * moved).sum(axis=0) / weight.sum(axis=0)
    low, high = np.minimum(value[:2], value[2:]), np.maximum(value[:2], value[2:])
    return np.concatenate([low, high - low])


def fit(images: Sequence[Sequence[Drawn]], rounds: int = 3) -> dict[int, Hand]:
    """Learn each worker's hand from all images.

    Args:
        images: For each image, what each worker who saw it drew.
        rounds: Of fused boxes -> habits -> better fused boxes.

    Returns:
        Worker -> Hand.
    """
    people = sorted({person.worker for drawn in images for person in drawn})
    table = _Clusters.of(images, {worker: index for index, worker in enumerate(people)})
    if not table.count:
        return {worker: Hand() for worker in people}
    votes = Votes.of(table.seen, table.seer, table.drew, n_tasks=table.count, n_workers=len(people), n_classes=2)
    belief = adaptive.fit(votes)
    assert belief.confusion is not None
    finds, invents = belief.confusion[:, 1, 1], belief.confusion[:, 0, 1]
    skill = np.maximum(finds - invents, 0.05)
    # The root halves the differences (in logs): a skill is judged by the word of the same crowd that it is to correct.
    vote = np.sqrt(skill / np.average(skill, weights=np.bincount(table.seer, minlength=len(people))))
    offset, spread = np.zeros((len(people), 4)), np.full(len(people), STEADY)
    hands: list[Hand] = []
    for _ in range(rounds + 1):
        hands = [_hand(*habits) for habits in zip(finds, invents, vote, offset, spread, strict=True)]
        offset, spread = _habits(table, hands, belief.posterior[:, 1])
    return dict(zip(people, hands, strict=True))


def _hand(finds: float, invents: float, vote: float, offset: Floats, spread: float) -> Hand:
    left, top, right, bottom = (round(float(side), 4) for side in offset)
    return Hand(
        round(float(finds), 4),
        round(float(invents), 4),
        round(float(vote), 4),
        (left, top, right, bottom),
        round(max(float(spread), 0.002), 4),
    )


@dataclass(frozen=True, eq=False)
class _Clusters:
    """All clusters of all images, flat: the boxes (sides, author, cluster) and who saw each cluster and drew in it."""

    sides: Floats
    author: Ints
    cluster: Ints
    seen: Ints
    seer: Ints
    drew: Ints
    count: int

    @staticmethod
    def of(images: Sequence[Sequence[Drawn]], number: Mapping[int, int]) -> _Clusters:
        sides, author, home, seen, seer, drew = [], [], [], [], [], []
        count = 0
        for drawn in images:
            rows = [(number[person.worker], box) for person in drawn for box in person.boxes]
            if not rows:
                continue
            names = sorted({str(box["category"]) for _, box in rows})
            own = np.array([box["box"] for _, box in rows], dtype=np.float64)
            who = np.array([worker for worker, _ in rows])
            groups = cluster(own, who, np.array([names.index(str(box["category"])) for _, box in rows]))
            here = int(groups.max()) + 1
            viewers = np.array([number[person.worker] for person in drawn])
            present = np.zeros((here, len(number)), dtype=np.int64)
            present[groups, who] = 1
            sides.append(own)
            author.append(who)
            home.append(groups + count)
            seen.append(np.repeat(np.arange(here), len(viewers)) + count)
            seer.append(np.tile(viewers, here))
            drew.append(present[:, viewers].reshape(-1))
            count += here
        if not sides:
            empty = np.zeros(0, np.int64)
            return _Clusters(np.zeros((0, 4)), empty, empty, empty, empty, empty, 0)
        join = np.concatenate
        return _Clusters(join(sides), join(author), join(home), join(seen), join(seer), join(drew), count)


def _habits(table: _Clusters, hands: Sequence[Hand], real: Floats) -> tuple[Floats, Floats]:
    """(offset [workers, 4], spread [workers]) against the fused boxes, shrunk towards none and the crowd's."""
    order = np.argsort(table.cluster, kind="stable")
    bounds = np.cumsum(np.bincount(table.cluster, minlength=table.count))
    misses, trust, author = [], [], []
    for number, end in enumerate(bounds):
        inside = order[(bounds[number - 1] if number else 0) : end]
        if len(inside) < 3 or real[number] < 0.5:
            continue
        merged = merge(table.sides[inside], [hands[who] for who in table.author[inside]])
        size = np.maximum(np.concatenate([merged[2:], merged[2:]]), 1e-9)
        target = np.concatenate([merged[:2], merged[:2] + merged[2:]])
        own = table.sides[inside]
        misses.append((np.concatenate([own[:, :2], own[:, :2] + own[:, 2:]], axis=1) - target) / size)
        trust.append(np.full(len(inside), real[number]))
        author.append(table.author[inside])
    people = len(hands)
    if not misses:
        return np.zeros((people, 4)), np.full(people, STEADY)
    errors, weights, who = np.concatenate(misses), np.concatenate(trust), np.concatenate(author)
    scatter = 1.4826 * float(np.median(np.abs(errors)))
    offset = np.zeros((people, 4))
    for worker in np.unique(who):
        own = errors[who == worker]
        usual = np.median(own, axis=0) * len(own) / (len(own) + OWN)
        # Only what stands out of everybody's scatter is a habit; taking off less than that only adds noise.
        offset[worker] = np.sign(usual) * np.maximum(np.abs(usual) - scatter, 0)
    rest = errors - offset[who]
    scale = max(1.4826 * float(np.median(np.abs(rest))), 1e-3)
    robust = weights[:, None] * (TAILS + 1) / (TAILS + (rest / scale) ** 2)
    squares = np.bincount(who, (robust * rest**2).mean(axis=1), people)
    crowd = squares.sum() / max(weights.sum(), 1e-9)
    spread = np.sqrt((squares + OWN * crowd) / (np.bincount(who, weights, people) + OWN))
    return offset, spread
