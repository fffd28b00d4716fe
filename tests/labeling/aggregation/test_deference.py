"""When the adaptive default may leave the votes' winner."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.aggregators import accuracy
from bench.calibration import with_gold
from bench.crowds import Plan, draw
from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.adaptive import BURN, KEEP, draws
from labeling.aggregation.correlation import Parts
from labeling.aggregation.deference import AGREED, Deference, Verdict, verdict
from labeling.aggregation.hierarchy import ANY_SHARES, EVEN_FIRST

pytestmark = pytest.mark.usefixtures("long_chains")
# Task 0: two to one for class 0; task 1: a tie of 0 and 1; task 2: nobody; task 3: gold.
VOTES = Votes.of([0, 0, 0, 1, 1, 3], [0, 1, 2, 0, 1, 0], [0, 0, 1, 0, 1, 0], n_tasks=4, known=[-1, -1, -1, 1])
AGAINST = np.array([[0.3, 0.7], [0.2, 0.8], [0.4, 0.6], [0.0, 1.0]])


def told(*draws: np.ndarray) -> Deference:
    listener = Deference(VOTES, 2 * len(draws))
    total = np.zeros((4, 2))
    for draw_ in [AGAINST] * len(draws) + list(draws):
        total += draw_
        listener.hear(draw_, total)
    return listener


def test_a_favourite_that_all_draws_share_is_followed():
    listener = told(AGAINST, AGAINST)
    assert listener.agreed == 1
    assert (listener.settle(AGAINST) == AGAINST).all()


def test_where_draws_contradict_each_other_winners_lead_and_ties_stay():
    listener = told(AGAINST, AGAINST[:, ::-1])
    assert listener.agreed == 0.5 < AGREED
    found = listener.settle(AGAINST)
    assert found.sum(axis=1) == pytest.approx(1)
    assert 0.5 < found[0, 0] < 0.501  # two to one leads, and no more than it has to
    assert found[1] == pytest.approx([0.5, 0.5])
    assert (found[2:] == AGAINST[2:]).all()  # no votes, and gold


def test_who_expects_neither_gain_nor_loss_agrees_with_nothing_and_doubts_nothing():
    even = np.full((4, 2), 0.5)
    listener = told(even, AGAINST)
    listener.doubt(even)
    assert (listener.agreed, listener.doubted) == (0.5, 0)


def test_a_third_class_stays_behind_the_winner():
    votes = Votes.of([0, 0, 0], [0, 1, 2], [0, 0, 1], n_classes=3)
    listener = Deference(votes, 2)
    against = np.array([[0.2, 0.3, 0.5]])
    listener.hear(against, against)
    listener.hear(np.array([[0.8, 0.1, 0.1]]), against)
    found = listener.settle(against)[0]
    assert found.argmax() == 0
    assert found.sum() == pytest.approx(1)


def test_a_favourite_that_is_not_ahead_by_what_gold_takes_off_is_not_followed():
    listener = told(AGAINST, AGAINST)  # ahead by log 7/3 = .85 of two to one, by log 4 = 1.39 of the other of a tie
    assert (listener.settle(AGAINST, 0.75) == AGAINST).all()
    found = listener.settle(AGAINST, 1.0)
    assert found[0].argmax() == 0
    assert (found[1:] == AGAINST[1:]).all()
    assert listener.settle(AGAINST, 1.5)[1] == pytest.approx([0.5, 0.5])


def of_gold(*rows: tuple[float, list[int], int, float]) -> Verdict:
    """Of the chance of class 1, how many said what, the truth and the weight of each part."""
    chance, said, truth, weight = zip(*rows, strict=True)
    chances = np.array([[1 - one, one] for one in chance])
    counts = np.array(said, np.float64)
    parts = Parts(np.log(chances), counts.sum(axis=1), np.array(truth), np.array(weight), counts)
    return verdict(parts, chances)


def test_what_gold_says_of_favourites_is_its_definition():
    """Three that are not the votes' winners, one half a task; the tie's other label shares its point."""
    found = of_gold(
        (0.8, [3, 2], 0, 1.0),
        (0.9, [4, 1], 1, 0.5),
        (0.7, [2, 2], 0, 1.0),
        (0.9, [1, 4], 0, 1.0),
        (0.1, [4, 1], 1, 1.0),
    )
    scores = {}
    for excess in np.arange(0, 6.25, 0.25):
        by_odds = [(4, 0, 1.0), (9, 1, 0.5), (7 / 3, 0, 1.0)]
        chances = [(odds / (odds + math.exp(excess)), right, weight) for odds, right, weight in by_odds]
        scores[excess] = -(excess**2) / 2 + sum(w * math.log(p if right else 1 - p) for p, right, w in chances)
    assert found.excess == max(scores, key=scores.__getitem__) > 0
    assert (found.favourites, found.winners) == (0.5, 1.5)


def test_gold_that_favourites_are_right_on_takes_nothing_off():
    assert of_gold((0.8, [3, 2], 1, 1.0), (0.7, [3, 2], 1, 1.0), (0.9, [0, 5], 1, 1.0)).excess == 0
    assert of_gold((0.9, [0, 5], 0, 1.0), (0.9, [0, 5], 0, 1.0)) == (0, 0, 0)  # the votes say the same


def test_gold_where_the_votes_are_right_brings_their_winners_back():
    """A crowd that often misses a class, to the votes; the truth is what most say. Ten known answers tell."""
    votes, _ = draw(Plan("one-sided", tasks=200, workers=25, each=5), 4)
    most = votes.counts().argmax(axis=1)
    differ = np.flatnonzero(AGGREGATORS["adaptive"](votes).label != most)
    fit = AGGREGATORS["adaptive"](with_gold(votes, most, differ[:10]))
    blind = AGGREGATORS["adaptive"](with_gold(votes, most, differ[:10], hidden=False))  # as practice: says nothing
    assert fit.details["gold"]["winners_right"] > fit.details["gold"]["favourites_right"]
    assert (fit.label != most).sum() < 0.7 * (blind.label != most).sum()
    # Picked as checks they say the same, and nothing of how sure the crowd's word is elsewhere.
    known = with_gold(votes, most, differ[:10], hidden=False)
    checked = AGGREGATORS["adaptive"](replace(known, checks=known.known >= 0))
    assert (checked.label != most).sum() < 0.7 * (blind.label != most).sum()
    told = ("favourites_right", "winners_right", "tasks")
    assert [checked.details["gold"][name] for name in told] == [*(fit.details["gold"][name] for name in told[:2]), 0]
    assert checked.details["correlation"] == blind.details["correlation"] < fit.details["correlation"]


def test_without_departures_nothing_is_asked():
    votes = Votes.of([0, 0], [0, 1], [1, 1], n_classes=2)
    listener = Deference(votes, 4)
    for _ in range(4):
        listener.hear(np.array([[0.1, 0.9]]), np.array([[0.1, 0.9]]))
    assert listener.agreed == 1


RARE = Plan("coin", tasks=59, workers=30, each=2, low=0.7, rare=0.15)  # to the votes as if it were often missed


def test_the_accounts_settle_split_votes_for_opposite_classes_where_votes_cannot_tell():
    """The first says that the rare class is often missed, the other that it is rare."""
    leaning = {}
    for name, account in (("even", EVEN_FIRST), ("any", ANY_SHARES)):
        told = []
        for seed in range(3):
            votes = draw(RARE, seed).votes
            split = votes.counts().min(axis=1) == 1
            told += [crowd.posterior[split, 1].mean() for crowd in draws(votes, account, 60, 150)]
        leaning[name] = np.mean(told)
    assert leaning["even"] > leaning["any"] + 0.1


def test_a_second_opinion_is_heard_where_it_can_still_turn_the_verdict():
    cases = {(0, 10): False, (7, 3): False, (8, 2): True, (9, 1): True, (10, 0): False}
    for (one, other), is_open in cases.items():
        listener = told(*[AGAINST] * one, *[AGAINST[:, ::-1]] * other)
        assert listener.is_open is is_open, (one, other)


def test_judges_who_come_later_count_as_much_and_judge_what_was_named():
    listener = told(*[AGAINST] * 9, AGAINST[:, ::-1])
    assert listener.agreed == 0.9
    assert (listener.settle(AGAINST) == AGAINST).all()
    for _ in range(10):
        listener.judge(AGAINST[:, ::-1])
    assert listener.agreed == 0.45
    assert listener.settle(AGAINST)[0].argmax() == 0


def test_what_hangs_on_the_prior_is_left_to_the_votes():
    """Nine of ten draws by the first account alone give the split votes of this crowd to its rare class."""
    votes, truth = draw(RARE._replace(workers=10), 13)
    alone, total = Deference(votes, KEEP), np.zeros((59, 2))
    for crowd in draws(votes, EVEN_FIRST, BURN, KEEP):
        total += crowd.posterior
        alone.hear(crowd.posterior, total)
    assert alone.agreed >= AGREED
    plain = accuracy(AGGREGATORS["majority"](votes).posterior, truth)
    assert accuracy(alone.settle(total / KEEP), truth) < plain - 0.04
    found = AGGREGATORS["adaptive"](votes)
    assert found.details["agreed"] < AGREED
    assert accuracy(found.posterior, truth) == pytest.approx(plain)


@pytest.mark.parametrize(
    ("plan", "seed"),
    [
        (Plan("one-sided", tasks=59, workers=30, each=2, low=0.5), 1),  # a class that is often missed
        (RARE, 0),
        (Plan("coin", tasks=20, workers=5, each=3, low=0.6, high=0.75), 0),
    ],
    ids=["often missed", "rare", "very few"],
)
def test_a_small_crowd_that_the_draws_alone_serve_worse_is_not_below_majority(plan, seed):
    """Of eight crowds of each kind one at which the mean of the draws loses 2 to 10 % of the tasks."""
    votes, truth = draw(plan, seed)
    ours, plain = (accuracy(AGGREGATORS[name](votes).posterior, truth) for name in ("adaptive", "majority"))
    assert ours > plain - 0.01
