"""How far people err together, and what that makes of a posterior."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.calibration import calibration, thinned, with_gold
from bench.crowds import Plan, draw
from labeling.aggregation import AGGREGATORS, Votes
from labeling.aggregation.belief import Belief, posterior
from labeling.aggregation.correlation import GRID, USUAL, Parts, discount, learned, on_gold, tempered, unaided


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


@pytest.mark.parametrize("seed", range(4))
def test_what_left_out_votes_show_is_its_definition(seed):
    """Against sums spelled out: tasks of five votes and of six teach, those of four do not."""
    votes, _ = draw(Plan("difficult", 3, tasks=60, workers=25, each=6), seed)
    turn = np.arange(len(votes)) % 6
    kept = (votes.task < 20) | ((votes.task < 40) & (turn < 5)) | (turn < 4)
    sizes = {"n_tasks": 60, "n_workers": 25, "n_classes": 3}
    votes = Votes.of(votes.task[kept], votes.worker[kept], votes.label[kept], **sizes)
    right, prior = np.random.default_rng(0).uniform(0.75, 0.95, 25), np.array([0.5, 0.3, 0.2])
    chance = np.where(np.eye(3, dtype=bool), right[:, None, None], (1 - right[:, None, None]) / 2)
    scores = -(((GRID - USUAL) / 0.1) ** 2) / 2
    for task in range(40):
        said = [chance[votes.worker[n], :, votes.label[n]] for n in np.flatnonzero(votes.task == task)]
        for place, own in enumerate(said):
            others = prior * np.prod([each for other, each in enumerate(said) if other != place], axis=0)
            for index, r in enumerate(GRID):
                belief = others ** (1 / (1 + (len(said) - 2) * r))
                scores[index] += math.log(belief @ own / belief.sum())
    found = learned(votes, AGGREGATORS["majority"](votes).posterior, chance, prior, 1e9)
    assert found == pytest.approx(GRID[scores.argmax()])


def test_gold_that_many_were_asked_is_dealt_into_parts_of_the_usual_size():
    """Tasks 0 and 1 have two votes; gold task 2 has four, so two parts of half a task's weight each."""
    votes = Votes.of([0, 0, 1, 1, 2, 2, 2, 2], [0, 1, 2, 3, 0, 1, 2, 3], [0, 0, 1, 1, 0, 0, 1, 0], known=[-1, -1, 1])
    chance = np.tile(np.array([[0.9, 0.1], [0.2, 0.8]]), (4, 1, 1))
    posterior = np.array([[1.0, 0], [0, 1], [0, 1]])
    # So strong that no vote shaped a matrix.
    found = unaided(votes, posterior, chance, np.array([0.5, 0.5]), 1e9, votes.hidden)
    assert found.judgments.tolist() == [2, 2]
    assert found.truth.tolist() == [1, 1]
    assert found.weight.tolist() == [0.5, 0.5]
    assert found.said.tolist() == [[1, 1], [2, 0]]
    # Workers 0 and 2 (labels 0 and 1), then workers 1 and 3 (both 0).
    assert found.logits == pytest.approx(np.log([[0.5 * 0.9 * 0.1, 0.5 * 0.2 * 0.8], [0.5 * 0.81, 0.5 * 0.04]]))


def test_a_gold_vote_does_not_testify_to_itself():
    """One gold task of two votes; its own vote is taken out of the matrix that judges it."""
    votes = Votes.of([0, 0], [0, 1], [0, 1], known=[0], n_classes=2)
    chance = np.array([[[0.9, 0.1], [0.5, 0.5]]] * 2)
    found = unaided(votes, np.array([[1.0, 0]]), chance, np.array([0.5, 0.5]), 4.0, votes.hidden)
    # Worker 0 said 0 on truth 0: (5 x .9 - 1) / 4; worker 1 said 1 on truth 0: (5 x .1 - 1) / 4, at least 1e-4.
    assert np.exp(found.logits[0]) == pytest.approx([0.5 * 0.875 * 0.00025, 0.5 * 0.5 * 0.5])


def test_what_gold_shows_is_its_definition():
    """Against sums spelled out, vote by vote."""
    votes, truth = draw(Plan("decoys", 3, tasks=120, workers=25, each=4, low=0.7, odd=0.5), 3)
    votes = with_gold(votes, truth, np.arange(40))
    right, prior = np.random.default_rng(0).uniform(0.85, 0.98, 25), [0.5, 0.3, 0.2]  # thought better than they are
    chance = np.where(np.eye(3, dtype=bool), right[:, None, None], (1 - right[:, None, None]) / 2)
    posterior = AGGREGATORS["majority"](votes).posterior
    arguments = posterior, chance, np.array(prior), 1e9
    least = learned(replace(votes, hidden=np.zeros(120, dtype=bool)), *arguments)
    scores = {}
    for r in GRID[least <= GRID]:
        scores[r] = -(((r - least) / 0.1) ** 2) / 2
        for task in range(40):
            said = np.flatnonzero(votes.task == task)
            product = [prior[k] * math.prod(chance[votes.worker[n], k, votes.label[n]] for n in said) for k in range(3)]
            tempered_ = [p ** (1 / (1 + 3 * r)) for p in product]
            scores[r] += math.log(tempered_[truth[task]] / sum(tempered_))
    best = max(scores, key=scores.__getitem__)
    assert learned(votes, *arguments) == pytest.approx(best)
    assert best > least  # decoys are seen


def test_what_people_alone_would_make_of_gold_is_counted_in_tasks():
    """Two parts of one task and two tasks of their own; five judgments are worth half: odds of 400 become 20."""
    odds = np.log([400.0, 1 / 400, 400, 4])
    truth, weight, said = np.array([0, 0, 1, 0]), np.array([0.5, 0.5, 1, 1]), np.full((4, 2), 2.5)
    parts = Parts(np.stack([odds, 0 * odds], axis=1), np.full(4, 5.0), truth, weight, said)
    found = on_gold(parts, 0.25)
    expected = 2 * 20 / 21 + 2 / 3
    assert found == pytest.approx(
        {"tasks": 3, "right": 1.5, "expected": expected, "sure": 2, "sure_right": 0.5}, abs=0.005
    )


def test_on_hidden_gold_people_alone_are_right_as_often_as_where_nothing_is_known():
    votes, truth = draw(Plan("decoys", 4, tasks=300, workers=40, each=5, low=0.7, odd=0.5), 0)
    gold = AGGREGATORS["adaptive"](with_gold(votes, truth, np.arange(80))).details["gold"]
    alone = AGGREGATORS["adaptive"](votes)
    assert gold["tasks"] == 80
    assert gold["right"] == pytest.approx((alone.label == truth)[:80].sum(), abs=4)  # of a fit that knows no truth
    assert alone.details["gold"] is None


def test_gold_makes_posteriors_keep_their_word_where_all_make_the_same_mistake():
    plan = Plan("decoys", 4, tasks=300, workers=40, each=5, low=0.7, odd=0.3)
    for seed in range(2):
        votes, truth = draw(plan, seed)
        rest = np.where(np.arange(300) < 40, -1, truth)
        plain = calibration(AGGREGATORS["adaptive"](votes).posterior, rest)
        known = AGGREGATORS["adaptive"](with_gold(votes, truth, np.arange(40)))
        found = calibration(known.posterior, rest)
        assert found.log_loss < plain.log_loss
        assert found.ece < plain.ece - 0.02


def test_practice_shows_nothing_and_gold_that_is_answered_well_never_makes_surer():
    votes, truth = draw(Plan("decoys", 4, tasks=300, workers=40, each=5, low=0.7, odd=0.3), 1)
    fit = AGGREGATORS["adaptive"]
    easy = np.flatnonzero(votes.counts()[np.arange(300), truth] >= 4)[:40]
    assert fit(with_gold(votes, truth, easy)).details["correlation"] == pytest.approx(
        fit(with_gold(votes, truth, easy, hidden=False)).details["correlation"]
    )
    wrong = np.flatnonzero(AGGREGATORS["majority"](votes).label != truth)[:20]
    practice = fit(with_gold(votes, truth, wrong, hidden=False)).details["correlation"]
    assert fit(with_gold(votes, truth, wrong)).details["correlation"] > practice + 0.1


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
