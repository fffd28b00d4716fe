"""Agreement figures against published worked examples and an independent implementation."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from labeling.aggregation.votes import Votes
from labeling.consensus import agreement
from labeling.consensus.base import Judgments
from labeling.consensus.classes import class_figures
from labeling.consensus.question_fit import fit_question
from labeling.surveys.survey import Asked

# Fleiss (1971) as worked through in the literature: 10 subjects, 14 raters, 5 categories; kappa .210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ],
    dtype=float,
)

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", example C: 4 observers, 12 units, gaps.
GAP = None
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
    [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
]


def krippendorff_counts() -> np.ndarray:
    rows = [(unit, value - 1) for row in OBSERVERS for unit, value in enumerate(row) if value is not None]
    task, label = np.array(rows).T
    return agreement.counts_of(task, label, 12, 5)


def test_fleiss_kappa_of_the_published_example():
    assert agreement.fleiss_kappa(FLEISS) == pytest.approx(0.2099, abs=5e-5)


def test_krippendorff_alpha_of_the_published_example():
    assert agreement.krippendorff_alpha(krippendorff_counts()) == pytest.approx(0.743, abs=6e-4)


@pytest.mark.parametrize(("is_ordinal", "alpha"), [(True, 0.815), (False, 0.849)])
def test_krippendorff_alpha_of_the_published_example_as_numbers(is_ordinal, alpha):
    rows = [(unit, value) for row in OBSERVERS for unit, value in enumerate(row) if value is not None]
    task, value = np.array(rows).T
    assert agreement.of_numbers(task, value, is_ordinal=is_ordinal)[1] == pytest.approx(alpha, abs=6e-4)


def test_what_all_say_the_same_of_is_agreed_upon_and_says_nothing_of_alpha():
    percent, alpha = agreement.of_numbers(np.array([0, 0, 1, 1, 2]), np.full(5, 7.5), is_ordinal=True)
    assert percent == 1
    assert np.isnan(alpha)
    assert np.isnan(agreement.of_numbers(np.array([0, 1]), np.array([1.0, 2.0]), is_ordinal=False)).all()
    odd = agreement.of_numbers(np.repeat([0, 1, 2], 2), np.full(6, 0.1), is_ordinal=False)  # whose mean is rounded off
    assert odd[0] == 1
    assert np.isnan(odd[1])


def test_alpha_is_the_same_however_far_from_zero_the_numbers_lie():
    task, value = np.repeat(np.arange(40), 3), np.random.default_rng(0).integers(0, 9, 120).astype(float)
    near, far = (agreement.of_numbers(task, value + offset, is_ordinal=False) for offset in (0, 2.0**51))
    assert far == pytest.approx(near)


def test_numbers_that_nobody_says_twice_take_no_table_of_tasks_times_values():
    task, value = np.repeat(np.arange(20_000), 2), np.arange(40_000.0)
    tracemalloc.start()
    percent, alpha = agreement.of_numbers(task, value, is_ordinal=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert percent == 0
    assert alpha > 0.99
    assert peak < 20_000_000


def test_cohen_kappa_equals_scikit_learn():
    rng = np.random.default_rng(3)
    for classes in (2, 3, 7):
        first = rng.integers(classes, size=200)
        second = np.where(rng.random(200) < 0.6, first, rng.integers(classes, size=200))
        assert agreement.cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_the_mean_kappa_weighs_pairs_by_their_common_tasks():
    rng = np.random.default_rng(4)
    answers = rng.integers(2, size=(3, 40))
    task, worker = np.tile(np.arange(40), 3), np.repeat(np.arange(3), 40)
    kept = ~((worker == 2) & (task >= 10))
    mean = agreement.mean_cohen_kappa(task[kept], worker[kept], answers.reshape(-1)[kept])
    k = cohen_kappa_score
    by_hand = (
        40 * k(answers[0], answers[1])
        + 10 * k(answers[0][:10], answers[2][:10])
        + 10 * k(answers[1][:10], answers[2][:10])
    ) / 60
    assert mean == pytest.approx(by_hand)


def test_percent_is_the_chance_that_two_people_agree():
    assert agreement.percent(np.array([[3, 0], [2, 1], [1, 0]])) == pytest.approx((1 + 1 / 3) / 2)


def test_figures_that_the_data_cannot_give_are_not_a_number():
    alone = np.array([[1.0, 0], [0, 1]])
    assert np.isnan(agreement.percent(alone))
    assert np.isnan(agreement.fleiss_kappa(alone))
    assert np.isnan(agreement.krippendorff_alpha(alone))
    assert np.isnan(agreement.fleiss_kappa(np.array([[3.0, 0], [3, 0]])))
    assert np.isnan(agreement.cohen_kappa(np.zeros(4, int), np.zeros(4, int)))


def test_agreement_does_not_depend_on_the_names_of_labels():
    order = [3, 0, 4, 1, 2]
    assert agreement.fleiss_kappa(FLEISS[:, order]) == pytest.approx(agreement.fleiss_kappa(FLEISS))
    assert agreement.krippendorff_alpha(FLEISS[:, order]) == pytest.approx(agreement.krippendorff_alpha(FLEISS))


def test_confusion_counts_what_was_said_of_each_answer():
    table = agreement.confusion(np.array([[2.0, 1], [0, 3], [3, 0]]), np.array([0, 1, 0]))
    assert table.tolist() == [[5, 1], [0, 3]]


def test_a_category_that_two_people_always_share_has_agreement_one():
    shares = agreement.per_category(np.array([[3.0, 0, 0], [0, 2, 1], [0, 1, 0]]))
    assert shares[0] == 1
    assert shares[1] == pytest.approx(1 / 2)
    assert shares[2] == 0


def test_ties_are_not_counted_as_disagreement_with_majority():
    answer, majority, tied = np.array([0, 1, 1]), np.array([0, 0, 0]), np.array([False, True, False])
    assert agreement.disagreement(answer, majority, tied) == 0.5


def test_texts_agree_as_categories_of_the_same_words_would_and_who_cannot_tell_says_nothing():
    said = {0: ["AB 1", "ab  1", "AC 2"], 1: ["AC 2", "ac 2"], 2: ["X", "cant_tell"], 3: ["ab 1", "x", "x", "AC 2"]}
    judgments = Judgments()
    for task, texts in said.items():
        for worker, text in enumerate(texts):
            judgments.add(task, worker, {"plate": text})
    question = Asked(1, "plate", "text", "What is written?", "", True, {}, None, "")
    found = fit_question(question, judgments, {}, {}, "adaptive")
    table = np.array([[2, 1, 0], [0, 2, 0], [0, 0, 1], [1, 1, 2]], dtype=float)
    assert found is not None
    assert found.stored["figures"] == {
        "tasks": 4,
        "judgments": 10,
        "percent": pytest.approx((1 / 3 + 1 + 1 / 6) / 3, abs=1e-4),
        "fleiss_kappa": pytest.approx(agreement.fleiss_kappa(table), abs=1e-4),
        "krippendorff_alpha": pytest.approx(agreement.krippendorff_alpha(table), abs=1e-4),
    }
    nobody = Judgments()
    nobody.add(0, 0, {"plate": "cant_tell"})
    empty = fit_question(question, nobody, {}, {}, "adaptive")
    assert empty is not None
    assert (empty.stored["figures"]["judgments"], empty.stored["figures"]["percent"]) == (0, None)


def test_who_cannot_tell_where_a_box_is_is_no_judgment_that_agrees():
    judgments = Judgments()
    for worker, answer in enumerate(([{"category": "cat", "box": [10, 10, 40, 40]}], "cant_tell")):
        judgments.add(0, worker, {"where": answer})
    question = Asked(1, "where", "boxes", "Where?", "", True, {}, None, "")
    found = fit_question(question, judgments, {}, {}, "adaptive")
    assert found is not None
    assert found.stored["figures"]["judgments"] == 1


def test_of_several_choices_each_is_agreed_upon_as_often_as_a_second_person_makes_it() -> None:
    judgments = Judgments()
    for task, said in enumerate(([["a"], ["a", "b"], ["a"]], [["b"], []], [[], []])):
        for worker, answer in enumerate(said):
            judgments.add(task, worker, {"tags": answer})
    options = {"choices": [{"key": key, "name": key} for key in "ab"]}
    question = Asked(1, "tags", "multiple_choice", "Tags?", "", True, options, None, "")
    found = fit_question(question, judgments, {}, {}, "adaptive")
    assert found is not None
    assert found.stored["figures"]["by_category"] == {"a": 1.0, "b": 0.0}


def test_boxes_agree_by_category_as_far_as_they_overlap() -> None:
    judgments = Judgments()
    for worker, width in ((0, 40), (1, 20)):
        same, other = {"category": "cat", "box": [0, 0, 30, 30]}, {"category": "dog", "box": [100, 100, width, 40]}
        judgments.add(0, worker, {"where": [same, other]})
    found = fit_question(Asked(1, "where", "boxes", "Where?", "", True, {}, None, ""), judgments, {}, {}, "adaptive")
    assert found is not None
    figures = found.stored["figures"]
    assert figures["by_category"]["cat"] == 1
    assert 0.5 < figures["by_category"]["dog"] < 1  # of a box between the two
    assert figures["mean_iou"] == pytest.approx((1 + figures["by_category"]["dog"]) / 2, abs=1e-4)


def test_what_is_known_is_no_departure_from_the_majority() -> None:
    """Of four tasks one is known to be what nobody said; of the others' labels one leaves the majority."""
    votes = Votes.of(np.repeat(range(4), 3), np.tile(range(3), 4), [0] * 12, n_classes=2, known=[1, -1, -1, -1])
    figures = class_figures(votes, votes.counts(), np.array([1, 1, 0, 0]), ["cat", "dog"])
    assert figures["differs_from_majority"] == round(1 / 3, 4)
