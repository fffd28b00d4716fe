"""Bayes' rule over one task's votes."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from labeling.aggregation.belief import Belief, Skill, posterior, shares
from labeling.aggregation.combine import Said, combine
from labeling.questions import CANT_TELL

PAIR = Belief(("cat", "dog"), (0.5, 0.5), ((0.8, 0.2), (0.4, 0.6)), 0.7)


def test_one_vote_of_a_stranger_by_hand():
    assert posterior([(0, None, 1.0)], PAIR) == pytest.approx([0.8 / 1.2, 0.4 / 1.2])


def test_a_known_worker_by_hand():
    skill = Skill(0.9, [[0.9, 0.1], [0.3, 0.7]])
    assert posterior([(1, skill, 1.0)], PAIR) == pytest.approx([0.1 / 0.8, 0.7 / 0.8])


def test_a_worker_without_a_matrix_is_one_coin():
    three = Belief(("a", "b", "c"), (1 / 3, 1 / 3, 1 / 3), None, 0.5)
    assert posterior([(0, Skill(0.8), 1.0)], three) == pytest.approx([0.8, 0.1, 0.1])


def test_half_a_weight_is_half_the_evidence():
    twice = posterior([(0, None, 0.5), (0, None, 0.5)], PAIR)
    assert twice == pytest.approx(posterior([(0, None, 1.0)], PAIR))


def test_an_answer_that_counts_for_nothing_changes_nothing_where_people_err_together():
    belief = replace(PAIR, correlation=0.5)
    heard = [(0, None, 1.0), (0, None, 1.0)]
    assert posterior([*heard, (1, None, 0.0)], belief) == pytest.approx(posterior(heard, belief))


def test_a_tie_is_one_whoever_answered_first():
    four = Belief.ignorant(("a", "b", "c", "d"))
    fitted = Belief(("no", "yes"), (0.5, 0.5), ((0.93, 0.07), (0.07, 0.93)), 0.93, correlation=0.2)
    for belief in (four, fitted):
        for votes in permutations([(0, None, 1.0), (1, None, 1.0), (1, None, 1.0), (0, None, 1.0)], 4):
            chances = posterior(votes, belief)
            assert chances[0] == chances[1]


def test_a_fit_on_other_classes_is_not_believed_though_they_are_as_many():
    stored = {"classes": ["cat", "dog"], "prior": [0.9, 0.1], "pooled": [[0.8, 0.2], [0.4, 0.6]], "accuracy": 0.7}
    assert Belief.read(stored, ["cat", "dog"]).prior == (0.9, 0.1)
    for classes in (["dog", "cat"], ["cat", "cow"], ["cat", "dog", "cow"]):
        assert Belief.read(stored, classes) == Belief.ignorant(classes)


def test_a_matrix_of_other_classes_is_read_as_a_coin():
    three = Belief.ignorant(("a", "b", "c"))
    old = Skill(0.8, [[0.9, 0.1], [0.3, 0.7]])
    assert posterior([(2, old, 1.0)], three) == pytest.approx([0.1, 0.1, 0.8])


def test_no_votes_leave_the_prior():
    assert posterior([], Belief(("a", "b"), (0.9, 0.1), None, 0.7)) == pytest.approx([0.9, 0.1])


def test_impossible_answers_do_not_divide_by_zero():
    sure = Skill(1.0, [[1.0, 0.0], [0.0, 1.0]])
    assert posterior([(0, sure, 1.0), (1, sure, 1.0)], PAIR) == pytest.approx([0.5, 0.5])


def test_a_fit_of_other_classes_is_not_used():
    stored = {"classes": ["cat", "dog"], "prior": [0.9, 0.1], "pooled": None, "accuracy": 0.9}
    assert Belief.read(stored, ["cat", "dog"]).prior == (0.9, 0.1)
    assert Belief.read(stored, ["cat", "dog", "fox"]).prior == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_majority_counts_and_weighted_majority_weighs():
    votes = [(0, Skill(0.9), 1.0), (1, Skill(0.3), 1.0), (1, Skill(0.3), 1.0)]
    assert shares(votes, Belief.ignorant(("a", "b"), "majority")) == pytest.approx([1 / 3, 2 / 3])
    assert shares(votes, Belief.ignorant(("a", "b"), "weighted_majority")) == pytest.approx([0.6, 0.4])


def test_who_cannot_tell_counts_by_their_weight():
    idle = [Said(worker, CANT_TELL, weight=0.1) for worker in (1, 2)]
    belief = Belief.ignorant(("cat", "dog"))
    found = combine("class", [Said(0, "dog"), *idle], {}, belief, {})
    assert found is not None
    assert found.answer == "dog"
    nobody = combine("class", [Said(worker, CANT_TELL, weight=0.0) for worker in (1, 2)], {}, belief, {})
    assert nobody is not None
    assert (nobody.answer, nobody.confidence) == (CANT_TELL, 0.5)


def test_before_the_first_fit_a_stranger_is_as_far_above_guessing_whatever_the_number_of_classes():
    found = [Belief.ignorant([str(n) for n in range(count)]).accuracy for count in (1, 2, 5)]
    assert found == pytest.approx([1, 0.7, 1 / 5 + 0.4 * 4 / 5])


def test_thousands_of_votes_are_still_chances():
    found = posterior([(0, None, 1.0)] * 4000 + [(1, None, 1.0)] * 1000, PAIR)
    assert found == [1.0, 0.0]
