"""One task's answers to one question, put together by hand: sets, ratings, numbers and texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from labeling.aggregation import numeric
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Combined, Said, answer_of, combine
from labeling.questions import CANT_TELL

NOBODY = Belief.ignorant(())
SCALE = {"least": 1, "most": 5, "scale": True}
STEPS = [1, 2, 3, 4, 5]


def put_together(
    statistic: str, *said: Said, options: Any = None, belief: Belief = NOBODY, skills: Any = None
) -> Combined:
    found = combine(statistic, said, options or {}, belief, skills or {})
    assert found is not None
    return found


def test_each_choice_of_a_set_is_a_question_of_its_own_by_bayes_rule() -> None:
    options = {"choices": [{"key": "cat"}, {"key": "dog"}]}
    belief = Belief(("cat", "dog"), (0.25, 0.5), ((0.9, 0.1), (0.2, 0.8)), 0.85)
    found = put_together("set", Said(1, ["cat"]), options=options, belief=belief)
    cat, dog = 0.25 * 0.8 / (0.25 * 0.8 + 0.75 * 0.1), 0.5 * 0.2 / (0.5 * 0.2 + 0.5 * 0.9)
    assert found.posterior == pytest.approx({"cat": cat, "dog": dog}, abs=1e-6)
    assert (found.answer, found.confidence) == (["cat"], pytest.approx(min(cat, 1 - dog)))
    assert put_together("set", Said(1, [])).confidence == 1


def test_a_choice_that_half_chose_is_not_chosen_and_those_who_err_together_are_less_sure() -> None:
    options = {"choices": [{"key": "cat"}]}
    even = put_together("set", Said(1, ["cat"]), Said(2, []), options=options)
    assert (even.answer, even.confidence) == ([], 0.5)
    belief = Belief(("cat",), (0.5,), ((0.9, 0.1), (0.1, 0.9)), 0.9)
    both = Said(1, ["cat"]), Said(2, ["cat"])
    alone = put_together("set", *both, options=options, belief=belief)
    shared = put_together("set", *both, options=options, belief=replace(belief, correlation=1.0))
    assert alone.confidence == pytest.approx(0.81 / 0.82)
    assert shared.confidence == pytest.approx(0.9)  # two who always say the same are one


def test_who_cannot_tell_counts_by_weight() -> None:
    lost = [Said(worker, CANT_TELL, weight=0.2) for worker in (1, 2)]
    assert put_together("text", *lost, Said(3, "cat")).answer == "cat"
    assert put_together("text", *lost, Said(3, "cat", weight=0.3)).answer == CANT_TELL


def test_who_counts_for_nothing_moves_no_rating_and_no_number() -> None:
    for options in (SCALE, {}):
        for said in ([Said(1, 4), Said(2, 4)], [Said(1, 4)]):
            alone = put_together("median", *said, options=options)
            beside = put_together("median", *said, Said(3, 1, weight=0), options=options)
            assert (beside.answer, beside.confidence) == (alone.answer, alone.confidence)


@pytest.mark.parametrize(
    ("row", "spread", "skills", "answers"),
    [
        (Said(1, 4), 0.0, {}, (4, 0, 0.2 * 4)),  # nobody knows yet how far people are apart: a fifth of the scale
        (Said(1, 4), 0.3, {}, (4, 0, 0.3)),
        (Said(1, 4), 0.3, {1: {"bias": 1.0, "spread": 0.5}}, (4, 1.0, 0.5)),
        (Said(1, 4), 0.3, {2: {"bias": 1.0, "spread": 0.5}}, (4, 0, 0.3)),
        (Said(1, 4, weight=0.5), 0.3, {}, (4, 0, 0.6)),
    ],
)
def test_a_rating_is_read_by_who_gave_it(row: Said, spread: float, skills: Any, answers: Any) -> None:
    belief = Belief((), (), None, 1.0, spread=spread)
    found = put_together("median", row, options=SCALE, belief=belief, skills=skills)
    chances = numeric.steps([answers], STEPS)
    assert found.posterior == pytest.approx(
        {str(n): chance for n, chance in zip(STEPS, chances, strict=True)}, abs=1e-6
    )
    assert (found.answer, found.confidence) == (STEPS[chances.index(max(chances))], pytest.approx(max(chances)))


def test_a_number_is_as_sure_as_its_tolerance_is_wide() -> None:
    said = [Said(worker, value) for worker, value in enumerate((10.0, 12.0, 13.0))]
    value, error = numeric.combine([(row.answer, 0, 1.4826) for row in said])  # 1 from the middle one, in the median
    exact = put_together("median", *said)
    assert exact.answer == round(value, 1)
    assert exact.confidence == pytest.approx(numeric.within(error, 0.05 * value))
    many = put_together("median", *(Said(row.worker, row.answer * 10) for row in said), options={"whole": True})
    assert (many.answer, many.confidence) == (round(value * 10), pytest.approx(exact.confidence, abs=1e-3))


@pytest.mark.parametrize(
    ("said", "answer"), [((1, 1, 1), 1), ((3, 4), 3.5), ((0.25, 0.25), 0.25), ((1e-7, 1e-7), 1e-7)]
)
def test_a_number_has_one_digit_more_than_anybody_said(said: tuple[float, ...], answer: float) -> None:
    leaning = {worker: {"bias": -0.0004 * said[0], "spread": 0.4} for worker in range(len(said))}
    rows = [Said(worker, value) for worker, value in enumerate(said)]
    assert put_together("median", *rows, skills=leaning).answer == answer


@pytest.mark.parametrize("whole", [False, True])
def test_no_number_is_corrected_to_what_nobody_may_say(whole: bool) -> None:
    leaning = {0: {"bias": 3.0, "spread": 1.0}}
    found = put_together("median", Said(0, 0), options={"least": 0, "most": 9, "whole": whole}, skills=leaning)
    assert found.answer == 0


def test_texts_are_voted_on_by_weight() -> None:
    found = put_together("text", *(Said(worker, "ab 12", weight=0.1) for worker in range(3)), Said(3, "AB 13"))
    assert (found.answer, found.confidence, found.judgments) == ("AB 13", pytest.approx(1 / 1.3), 4)
    assert put_together("text", *map(Said, range(4), ("Ab 12", "AB 12", "AB  12", "AB 12"))).answer == "AB 12"


def test_votes_are_counted_as_they_were_given_whatever_they_weigh() -> None:
    belief = Belief.ignorant(("cat", "dog", "owl"))
    found = put_together("class", Said(1, "dog", weight=0.2), Said(2, "dog", weight=0.2), Said(3, "cat"), belief=belief)
    assert (found.answer, found.votes) == ("cat", {"dog": 2, "cat": 1})
    assert sum(found.posterior.values()) == pytest.approx(1, abs=1e-5)
    assert combine("class", [], {}, belief, {}) is None


def test_a_class_is_decided_by_who_says_it_and_a_vote_by_how_many() -> None:
    known = {1: {"accuracy": 0.95}, 2: {"accuracy": 0.55}, 3: {"accuracy": 0.55}}
    said = [Said(1, "cat"), Said(2, "dog"), Said(3, "dog"), Said(4, "not asked any more")]
    cat, dog = 0.95 * 0.45**2, 0.05 * 0.55**2
    pair = ("cat", "dog")
    found = put_together("class", *said, belief=Belief.ignorant(pair), skills=known)
    assert (found.answer, found.confidence) == ("cat", pytest.approx(cat / (cat + dog)))
    voted = put_together("class", *said, belief=Belief.ignorant(pair, "majority"), skills=known)
    assert (voted.answer, voted.confidence, voted.votes) == ("dog", pytest.approx(2 / 3), {"cat": 1, "dog": 2})


@pytest.mark.parametrize("answer", [True, False])
def test_yes_and_no_are_labels_and_come_back_as_truth_values(answer: bool) -> None:
    found = put_together("class", Said(1, answer), belief=Belief.ignorant(("no", "yes")))
    assert found.answer is answer
    assert found.posterior["yes" if answer else "no"] == pytest.approx(0.7)
    assert answer_of("yes" if answer else "no", "yes_no") is answer
    assert answer_of("yes", "single_choice") == "yes"


def test_who_cannot_tell_is_the_answer_where_they_weigh_more_than_the_others() -> None:
    idle = [Said(worker, CANT_TELL) for worker in (1, 2, 3)]
    found = put_together("class", Said(4, "cat"), *idle, belief=Belief.ignorant(("cat", "dog")))
    assert (found.answer, found.confidence, found.posterior) == (CANT_TELL, 0.75, {})
    even = put_together("class", Said(4, "cat"), idle[0], belief=Belief.ignorant(("cat", "dog")))
    assert (even.answer, even.judgments) == ("cat", 1)


def test_a_number_with_bounds_is_no_scale() -> None:
    found = put_together("median", Said(1, 3.25), Said(2, 3.25), options={"least": 1, "most": 5})
    assert (found.answer, found.posterior) == (3.25, {})
