"""When a task has heard enough."""

from __future__ import annotations

import numpy as np
import pytest

from labeling.consensus.stopping import POLICIES, TaskState, as_table, confidence_table, enough, forecast


def state(**values) -> TaskState:
    return TaskState(
        **{"judgments": 3, "wanted": 3, "least": 3, "most": 7, "confidence": 0.5, "threshold": 0.9, **values}
    )


@pytest.mark.parametrize(
    ("policy", "values", "expected"),
    [
        ("fixed", {"judgments": 2}, ("wait", "")),
        ("fixed", {}, ("retire", "maximum")),
        ("confidence", {"judgments": 2, "confidence": 0.99}, ("wait", "")),
        ("confidence", {"confidence": 0.9}, ("retire", "confident")),
        ("confidence", {}, ("more", "")),
        ("confidence", {"judgments": 3, "wanted": 4}, ("wait", "")),
        ("confidence", {"judgments": 7, "wanted": 7}, ("retire", "maximum")),
        ("confidence", {"spent": True}, ("retire", "budget")),
        ("confidence", {"spent": True, "confidence": 0.95}, ("retire", "confident")),
        ("imagenet", {"confidence": 0.95}, ("retire", "confident")),
    ],
)
def test_each_policy_says_what_to_do(policy, values, expected):
    decision = POLICIES[policy](state(**values))
    assert (decision.action, decision.because) == expected


def test_imagenet_asks_an_easy_category_less_than_a_hard_one():
    table = {"cat": {"3,0": 0.99}, "burmese": {"3,0": 0.7}}
    easy = POLICIES["imagenet"](state(votes={"cat": 3}, table=table))
    hard = POLICIES["imagenet"](state(votes={"burmese": 3}, table=table, confidence=0.95))
    assert easy.action == "retire"
    assert hard.action == "more"


@pytest.mark.parametrize(
    ("votes", "confidence", "action"),
    [
        ({"cat": 3}, 0.5, "retire"),  # as sure as is asked for
        ({"cat": 2, "dog": 1}, 0.95, "more"),
        ({"cat": 4}, 0.95, "retire"),  # a count that nothing was learned of: the posterior decides
        ({"cat": 4}, 0.5, "more"),
    ],
)
def test_imagenet_believes_its_table_where_that_has_seen_the_count_for_and_against(votes, confidence, action):
    table = {"cat": {"3,0": 0.9, "2,0": 0.99, "2,1": 0.5}}
    assert POLICIES["imagenet"](state(votes=votes, table=table, confidence=confidence)).action == action


def test_open_tasks_below_the_minimum_have_not_gone_on_where_others_ended():
    """A stage of its own asks one: all that had one ended, and those that wait for theirs will take it and no more."""
    without = forecast(retired=[0, 4], still_open=[0, 4], least=3, most=5)
    waiting = forecast(retired=[0, 4], still_open=[2, 4], least=3, most=5)
    assert waiting.judgments_to_go - without.judgments_to_go == 2


def test_the_table_is_learned_from_tasks_that_were_asked_often():
    """Class 0: ten tasks of ten votes, all for it. Class 1: half of the tasks with six of ten votes are another's."""
    counts = np.array([[10.0, 0]] * 10 + [[4, 6]] * 10 + [[1, 0]] * 50)
    label = np.array([0] * 10 + [1] * 5 + [0] * 5 + [0] * 50)
    table = as_table(confidence_table(counts, label), ["easy", "hard"])
    assert table["easy"]["3,0"] > 0.8
    assert table["hard"]["3,0"] < 0.6
    assert "11,0" not in table["easy"]
    assert not [count for rows in table.values() for count in rows if count.startswith("0,")], "nobody leads by no vote"


def test_the_fewest_votes_that_the_table_believes_are_told():
    table = {"cat": {"2,0": 0.9, "3,0": 0.96, "3,1": 0.99, "4,0": 0.99}}
    assert (enough(table, "cat", 0.95), enough(table, "cat", 0.999), enough(table, "dog", 0.5)) == (3, None, None)


def test_what_the_table_says_of_few_is_drawn_towards_how_often_the_category_leads():
    """Class 0 leads two of three tasks, and after its two votes was right in one of two: (1 + 2 * 2/3) / (2 + 2)."""
    counts, label = np.array([[2.0, 0], [2, 0], [0, 2], [1, 0]]), np.array([0, 1, 0, 1])
    chances = confidence_table(counts, label, sample=2)
    assert chances[0, 2, 0] == pytest.approx((1 + 2 * 2 / 3) / (2 + 2))
    assert chances[1, 2, 0] == pytest.approx((0 + 2 * 1 / 3) / (1 + 2))
    assert np.isnan(chances[0, 1, 1]), "a task with fewer votes than the sample teaches nothing"


def test_orders_are_counted_exactly():
    """Two votes for and one against: of the first two, both are for with chance 1/3."""
    chances = confidence_table(np.array([[2.0, 1]]), np.array([0]), sample=3, prior=0.0)
    assert chances[0, 2, 0] == 1
    assert np.isnan(chances[0, 3, 0])


def test_the_forecast_knows_that_easy_tasks_are_done_first():
    """Half retire at 3; those that went on are asked to the maximum of 5."""
    seen = forecast(retired=[0, 0, 0, 500, 0, 500], still_open=[100], least=3, most=5)
    assert seen.per_task == 4
    assert seen.judgments_to_go == pytest.approx(400, abs=2)
    halfway = forecast(retired=[0, 0, 0, 500], still_open=[0, 0, 0, 0, 500], least=3, most=5)
    assert halfway.judgments_to_go == 500  # one more each, and not 3 - 4 = less than nothing


def test_the_forecast_is_the_life_table_s_by_hand():
    """Six retired at 3, two went on to 4: of those at 3 six of eight, at 4 none of two, drawn to the mean by 3."""
    usual = (6 + 3) / (8 + 2 + 3 * 3)
    at_three, at_four = (6 + 3 * usual) / (8 + 3), (0 + 3 * usual) / (2 + 3)
    from_three = 1 + (1 - at_four)
    from_none = 3 + (1 - at_three) * from_three
    seen = forecast(retired=[0, 0, 0, 6], still_open=[10_000, 0, 0, 0, 2], least=3, most=5)
    assert seen.per_task == 3
    assert seen.judgments_to_go == round(10_000 * from_none + 2)


def test_tasks_of_a_stage_that_asks_fewer_are_forecast_by_their_own():
    seen = forecast(retired=[0, 1000], still_open=[10], least=3, most=5)
    assert seen.judgments_to_go == 10


def test_with_a_fixed_number_the_forecast_is_exact():
    assert forecast(retired=[], still_open=[4, 3, 2], least=3, most=3).judgments_to_go == 4 * 3 + 3 * 2 + 2


def test_before_anything_is_finished_the_forecast_is_the_middle():
    assert forecast(retired=[], still_open=[2], least=3, most=7).per_task == 5
