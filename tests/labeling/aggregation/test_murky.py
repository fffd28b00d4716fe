"""The second opinion, by which tasks may be murky: it finds what was drawn, and where it doubts, the votes stay."""

from __future__ import annotations

import numpy as np
import pytest

from bench.aggregators import accuracy
from bench.crowds import SETS, draw
from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.adaptive import draws
from labeling.aggregation.deference import AGREED, Deference
from labeling.aggregation.hierarchy import EVEN_FIRST, Crowd
from labeling.aggregation.murky import Murky

pytestmark = pytest.mark.usefixtures("long_chains")
MURKY = SETS["murky tasks, rare class"]


def test_share_and_ease_of_murky_tasks_are_found():
    drawn = draw(MURKY._replace(last=None, odd=0.4, tasks=400), 1)
    plain = Crowd(drawn.votes, np.random.default_rng(0))
    for _ in range(20):
        plain.sweep()
    found = [(crowd.share, crowd.ease) for crowd in draws(drawn.votes, EVEN_FIRST, 40, 40, plain)]
    share, ease = np.mean(found, axis=0)
    assert share == pytest.approx(0.4, abs=0.12)
    assert ease == pytest.approx(0.35, abs=0.12)


def test_without_murky_tasks_the_clear_ones_are_believed_as_by_the_plain_model():
    drawn = draw(SETS["coin, 4 classes, 3 each"]._replace(tasks=200, workers=20, each=7), 0)
    plain = Crowd(drawn.votes, np.random.default_rng(0))
    for _ in range(30):
        plain.sweep()
    chances = np.mean([crowd.posterior for crowd in draws(drawn.votes, EVEN_FIRST, 20, 40, plain)], axis=0)
    assert accuracy(chances, drawn.truth) >= accuracy(plain.posterior, drawn.truth) - 0.02


def test_where_nearly_all_doubt_it_the_votes_stay():
    drawn = draw(MURKY, 102)
    fit, plain = AGGREGATORS["adaptive"](drawn.votes), AGGREGATORS["majority"](drawn.votes)
    assert fit.details["agreed"] == 1  # the model itself is sure, and wrong
    assert fit.details["doubted"] >= AGREED
    assert accuracy(fit.posterior, drawn.truth) == pytest.approx(accuracy(plain.posterior, drawn.truth), abs=0.01)
    assert np.allclose(fit.posterior.sum(axis=1), 1)


def test_doubts_of_less_than_nearly_all_change_nothing():
    votes = Votes.of([0, 0, 0], [0, 1, 2], [0, 0, 1])
    against = np.array([[0.3, 0.7]])
    for losses, settled in ((8, against), (9, None)):
        listener = Deference(votes, 4)
        for _ in range(4):
            listener.hear(against, against)
        for number in range(10):
            listener.doubt(against[:, ::-1] if number < losses else against)
        found = listener.settle(against)
        assert (found == settled).all() if settled is not None else found.argmax() == 0


def test_gold_stays_what_it_is():
    drawn = draw(MURKY._replace(tasks=60, workers=20, each=5), 0)
    known = np.full(60, -1)
    known[:10] = drawn.truth[:10]
    sizes = {"n_tasks": 60, "n_workers": 20, "n_classes": 5}
    votes = Votes.of(drawn.votes.task, drawn.votes.worker, drawn.votes.label, known=known, **sizes)
    murky = Murky(Crowd(votes, np.random.default_rng(0)), np.random.default_rng(0))
    for _ in range(3):
        murky.sweep()
    assert (murky.posterior[:10].argmax(axis=1) == drawn.truth[:10]).all()
    assert murky.posterior.sum(axis=1) == pytest.approx(1)
