"""Boxes from many: cluster what overlaps, ask how far each worker is to be trusted, and fuse the sides robustly.

A cluster holds at most one box of each worker. Whether there is something in it is a yes-or-no question that everybody
who saw the image has answered, by drawing or by not drawing. The answers are not independent (what is small or half
hidden is missed by many at once), so they are weighed as a vote and not multiplied as evidence: a worker's vote weighs
by how well its drawing tells things from nothing, and not drawing weighs three fifths of drawing, because people miss
a thing more easily than two of them invent the same one. Boxes of several categories at one place, each by another
worker, are one thing, whose category is put to the same vote; who draws both there says that there are two. The sides
are fused one by one: each worker's usual offset is taken off (in parts of the box's size; many draw a little wide), and
the rest is a mean with weights that fall for outliers and for workers with unsteady hands.

Source: H. Su, J. Deng, L. Fei-Fei, "Crowdsourcing annotations for visual object detection", HCOMP 2012;
S. Branson, G. Van Horn, P. Perona, "Lean crowdsourcing", CVPR 2017, section 4.2 (per-worker precision, false positives
and negatives of boxes); O. Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from labeling.aggregation import adaptive
from labeling.aggregation.geometry import TAILS, cluster, edges, merge, shares
from labeling.aggregation.votes import Floats, Ints, Votes

ACROSS = 0.5  # boxes of different categories that overlap by so much are one thing, unless a worker drew both
ABSENCE = 0.6  # what not drawing weighs against drawing
OWN = 10.0  # the crowd's steadiness counts as so many of a worker's boxes
MISSES, INVENTS = 0.2, 0.05  # of a worker not seen before
STEADY = 0.05  # standard deviation of a side, in parts of the box's size
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
    """A box of the answer, in pixels; ``confidence`` is the chance that it is there, ``workers`` those who drew it."""

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
    by_category: Mapping[str, float] = field(default_factory=dict)  # the same of those that are called so


def fuse(drawn: Sequence[Drawn], hands: Mapping[int, Hand]) -> Fused:
    """One image's boxes.

    Args:
        drawn: What each worker who saw the image drew, the empty drawings too.
        hands: Worker -> Hand, from ``fit``; a worker that is not in it gets the default.
    """
    rows = [(person.worker, box) for person in drawn for box in person.boxes]
    if not rows:
        return Fused((), _nothing(drawn, hands), float("nan"))
    sides = np.array([box["box"] for _, box in rows], dtype=np.float64)
    worker = np.array([who for who, _ in rows])
    names, category = np.unique([str(box["category"]) for _, box in rows], return_inverse=True)
    home = cluster(sides, worker, category, across=ACROSS)
    offset, spread = _habits_of({person.worker: _held(person, hands) for person in drawn}, worker)
    merged = merge(sides, home, offset, spread)
    in_turn = np.argsort(home, kind="stable")
    overlap = shares(sides, merged[home])
    by_category = dict(
        zip(names.tolist(), (np.bincount(category, overlap) / np.bincount(category)).tolist(), strict=True)
    )
    weight = {person.worker: person.weight * hands.get(person.worker, Hand()).vote for person in drawn}
    found, sure = [], 1.0
    for inside, box in zip(np.split(in_turn, np.cumsum(np.bincount(home))[:-1]), merged.tolist(), strict=True):
        present = worker[inside].tolist()
        chance = _chance(present, weight)
        kind, certain = _category(category[inside], [weight[who] for who in present])
        sure = min(sure, chance * certain if chance > 0.5 else 1 - chance)
        if chance > 0.5:
            found.append(Box(str(names[kind]), tuple(box), chance * certain, tuple(sorted(present))))
    found.sort(key=lambda box: -box.confidence)
    sure = sure if found else min(sure, _nothing(drawn, hands))
    return Fused(tuple(found), sure, float(np.mean(overlap[in_turn])), by_category)


def _category(said: Ints, weight: Sequence[float]) -> tuple[int, float]:
    """What most who drew a thing take it for, by weight, then by number, and how sure that is."""
    kinds, place, count = np.unique(said, return_inverse=True, return_counts=True)
    if len(kinds) == 1:
        return int(kinds[0]), 1.0
    votes = np.bincount(place.reshape(-1), weight)
    best = int(np.lexsort((count, votes))[-1])
    odds = (votes[best] + 0.5) / (votes.sum() - votes[best] + 0.5)
    return int(kinds[best]), float(odds**2 / (1 + odds**2))


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


def _chance(present: Sequence[int], weight: Mapping[int, float]) -> float:
    """The chance that a cluster is real. Three drawings of three give .98, two .84, one .44."""
    there = sum(weight[worker] for worker in present)
    odds = (there + 0.5) / (ABSENCE * (sum(weight.values()) - there) + 0.5)
    return odds**2 / (1 + odds**2)


def _habits_of(hands: Mapping[int, Hand], worker: Ints) -> tuple[Floats, Floats]:
    """(offset [n, 4], spread [n]) of the worker of each box."""
    found = [hands[who] for who in worker.tolist()]
    return np.array([hand.offset for hand in found]), np.array([hand.spread for hand in found])


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
            # By category, where fuse() joins them: who misnames things is to weigh less in the vote on names, too.
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
    people = len(hands)
    offset, spread = np.array([hand.offset for hand in hands]), np.array([hand.spread for hand in hands])
    merged = merge(table.sides, table.cluster, offset[table.author], spread[table.author])
    told = (np.bincount(table.cluster) >= 3) & (real >= 0.5)
    rows = np.argsort(table.cluster, kind="stable")
    rows = rows[told[table.cluster[rows]]]
    if not len(rows):
        return np.zeros((people, 4)), np.full(people, STEADY)
    target = merged[table.cluster[rows]]
    size = np.maximum(np.concatenate([target[:, 2:], target[:, 2:]], axis=1), 1e-9)
    errors = (edges(table.sides[rows]) - edges(target)) / size
    weights, who = real[table.cluster[rows]], table.author[rows]
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
