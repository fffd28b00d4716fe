"""How far people err together, and what that makes of a posterior."""

from __future__ import annotations

import numpy as np
import pytest

from bench.calibration import calibration, thinned
from bench.crowds import Plan, draw
from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.belief import Belief, posterior
from labeling.aggregation.correlation import USUAL, discount, learned, tempered
from tests.labeling.aggregation.real import read


def test_the_design_effect_by_hand():
    assert discount(np.array([0.0, 1.0, 5.0]), 0.25).tolist() == [1, 1, 0.5]


def test_tempering_by_hand_keeps_the_order_and_gold():
    votes = Votes.of([0] * 5 + [1], [0, 1, 2, 3, 4, 0], [0] * 6, n_classes=2, n_tasks=3, known=[-1, -1, 1])
    chances = np.array([[16 / 17, 1 / 17], [0.9, 0.1], [0.0, 1.0]])
    found = tempered(votes, chances, 0.25)  # five votes are worth half: odds of 16 become 4
    assert found[0] == pytest.approx([0.8, 0.2])
    assert found[1] == pytest.approx([0.9, 0.1])
    assert found[2].tolist() == [0, 1]


def test_independent_errors_are_seen_to_be_independent():
    votes = draw(Plan("coin", 3, tasks=400, workers=40, each=6), 1).votes
    assert AGGREGATORS["adaptive"](votes).details["correlation"] <= 0.05


def test_errors_that_come_together_are_seen_and_posteriors_keep_their_word():
    votes, truth = draw(Plan("difficult", 2, tasks=500, workers=60, each=9), 0)
    fit = AGGREGATORS["adaptive"](votes)
    assert fit.details["correlation"] >= 0.05
    assert calibration(fit.posterior, truth).ece < calibration(AGGREGATORS["dawid_skene"](votes).posterior, truth).ece


def test_few_votes_a_task_teach_nothing():
    votes = draw(Plan("coin", 2, tasks=50, workers=10, each=3), 0).votes
    fit = AGGREGATORS["dawid_skene"](votes)
    assert learned(votes, fit.posterior, fit.confusion, fit.prior, 10.0) == pytest.approx(USUAL)


def test_one_more_judgment_is_weighed_as_the_fit_weighs_it():
    """Five votes of one coin: the update at a submit and the tempered product of a full fit are the same."""
    belief = Belief(("a", "b"), (0.5, 0.5), ((0.8, 0.2), (0.2, 0.8)), 0.8, correlation=0.25)
    votes = Votes.of([0] * 5, range(5), [0, 0, 0, 0, 1], n_classes=2)
    plain = np.array([[0.8**3, 0.2**3]]) / (0.8**3 + 0.2**3)
    assert posterior([(label, None, 1.0) for label in votes.label], belief) == pytest.approx(
        tempered(votes, plain, 0.25)[0]
    )


def test_calibration_by_hand():
    chances = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]])
    found = calibration(chances, np.array([0, 1, 0, -1]), bins=1)
    assert found.accuracy == pytest.approx(2 / 3)
    assert found.ece == pytest.approx(abs(2.3 / 3 - 2 / 3))
    assert found.log_loss == pytest.approx(-np.log([0.9, 0.2, 0.6]).mean())
    assert found.sure == 0


def test_thinning_keeps_so_many_votes_of_each_task():
    votes = draw(Plan("coin", 2, tasks=30, workers=10, each=5), 0).votes
    few = thinned(votes, 2, 1)
    assert np.bincount(few.task).tolist() == [2] * 30
    whole = set(zip(votes.task.tolist(), votes.worker.tolist(), votes.label.tolist(), strict=True))
    assert set(zip(few.task.tolist(), few.worker.tolist(), few.label.tolist(), strict=True)) <= whole


def test_labels_of_a_real_crowd_that_are_called_sure_are_right_as_often(shared_data):
    folder = shared_data / "crowd" / "cifar10s"
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    votes, truth = read(folder)
    found = calibration(AGGREGATORS["adaptive"](votes).posterior, truth)
    assert found.sure > 0.5
    assert found.sure_right >= 0.95
    assert found.ece < 0.03
