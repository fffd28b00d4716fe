"""What the labeling page asks and how its form is read, without a browser: the pure parts of ``labeling.views``."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils import translation

from labeling.surveys.survey import Asked
from labeling.views import asking, noscript

ANIMALS = [{"key": "cat", "name": "Cat"}, {"key": "dog", "name": "Dog"}]


def asked(kind: str, *, required: bool = True, **options: Any) -> Asked:
    if kind in {"single_choice", "multiple_choice", "boxes"}:
        options.setdefault("choices", ANIMALS)
    return Asked(1, "q", kind, "What?", "", required, options, None, "label")


def shown(question: Asked, **how: Any) -> dict[str, Any]:
    return asking.shown([question], slug="animals", **how)[0]


@pytest.mark.parametrize(
    ("question", "form", "answer"),
    [
        (asked("yes_no"), "a.q=yes", True),
        (asked("yes_no"), "a.q=no", False),
        (asked("yes_no"), "a.q=cant_tell", "cant_tell"),
        (asked("single_choice"), "a.q=dog", "dog"),
        (asked("single_choice"), "a.q=Dog", "dog"),
        (asked("single_choice"), "a.q=horse", "horse"),
        (asked("single_choice"), "a.q=horse&a.q=cat", "cat"),
        (asked("multiple_choice"), "a.q=cat&a.q=dog", ["cat", "dog"]),
        (asked("multiple_choice"), "a.q.none=1", []),
        (asked("rating"), "a.q=4", 4),
        (asked("number"), "a.q=2,5", 2.5),
        (asked("number"), "a.q=many", "many"),
        (asked("text"), "a.q=+two+words+", "two words"),
        (asked("text"), "a.q=cant_tell", "cant_tell"),
        (asked("text"), "a.q=&a.q.cant=cant_tell", "cant_tell"),
        (asked("boxes"), "a.q.0.category=cat&a.q.0.x=1&a.q.0.y=2&a.q.0.width=3&a.q.0.height=4.5&a.q.1.x=",
         [{"category": "cat", "box": [1, 2, 3, 4.5]}]),
        (asked("boxes"), "a.q.none=1&a.q.0.x=", []),
        (asked("boxes"), 'a.q.json=[{"category":"cat","box":[1,2,3,4]}]', [{"category": "cat", "box": [1, 2, 3, 4]}]),
        (asked("boxes"), "a.q.json={broken", "{broken"),
    ],
)  # fmt: skip
def test_a_form_becomes_the_answer_that_the_api_takes(question, form, answer):
    assert noscript.from_form([question], QueryDict(form)) == {"q": answer}


@pytest.mark.parametrize("kind", ["yes_no", "single_choice", "multiple_choice", "rating", "text", "number", "boxes"])
def test_an_empty_form_holds_no_answer(kind):
    assert noscript.from_form([asked(kind)], QueryDict("")) == {}


def test_the_numbers_of_a_box_are_named_in_the_readers_language() -> None:
    with translation.override("hi"):
        row = shown(asked("boxes"), blank_rows=3)["rows"][2]
        names = [str(name) for _side, name, _value in row["sides"]]
    assert (row["name"], names) == ("बक्सा 3", ["x", "y", "चौड़ाई", "ऊँचाई"])


@pytest.mark.parametrize(("least", "digits_alone"), [(0, True), (1.5, True), (-40, False), (None, False)])
def test_the_keys_of_a_phone_have_a_minus_where_a_number_may_be_negative(least, digits_alone):
    question = shown(asked("number", least=least))
    told = render_to_string("labeling/questions/number.html", {"question": question})
    assert ('inputmode="decimal"' in told) == digits_alone


def test_one_press_answers_a_single_required_question_with_few_options():
    assert asking.is_instant([asked("single_choice")])
    assert asking.is_instant([asked("yes_no")])
    assert not asking.is_instant([asked("single_choice", required=False)])
    assert not asking.is_instant([asked("multiple_choice")])
    assert not asking.is_instant([asked("yes_no"), asked("yes_no")])
    many = [{"key": str(n), "name": str(n)} for n in range(asking.BUTTONS + 1)]
    assert not asking.is_instant([asked("single_choice", choices=many)])


def test_options_carry_the_digits_of_their_places():
    row = shown(asked("single_choice", choices=[{"key": str(n), "name": str(n)} for n in range(11)]))
    assert [choice["hotkey"] for choice in row["shown_choices"]] == [*"123456789", "", ""]


def test_the_step_of_a_scale_is_its_own_key():
    row = shown(asked("rating", least=0, most=12, labels=["bad", "good"]))
    assert [choice["hotkey"] for choice in row["shown_choices"]] == [*"0123456789", "", "", ""]  # nobody presses "12"
    assert (row["low_label"], row["high_label"]) == ("bad", "good")


@pytest.mark.parametrize(("least", "key"), [(0, ""), (1, "0")])
def test_who_presses_0_for_a_step_of_a_scale_does_not_say_that_they_cannot_tell(least, key):
    alone = shown(asked("rating", least=least, most=10, cant_tell=True))["shown_choices"]
    assert [choice["hotkey"] for choice in alone if choice.get("cant")] == [key]
    optional = shown(asked("rating", required=False, least=least, most=10, cant_tell=True))
    among = render_to_string("labeling/questions/rating.html", {"question": optional})
    cant = among[among.index('value="cant_tell"') :]
    assert ('data-key="0"' in cant, "<kbd" in cant) == (bool(key), bool(key))


def test_shuffled_options_keep_their_order_for_one_seed_and_change_it_for_another():
    choices = [{"key": f"k{n}", "name": f"k{n}"} for n in range(12)]
    question = asked("single_choice", choices=choices, shuffle=True)
    orders = [
        [choice["key"] for choice in asking.shown([question], slug="s", seed=seed)[0]["shown_choices"]]
        for seed in ("1:7", "1:7", "2:7")
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_close_choices_begin_with_what_was_typed_before_those_that_hold_it():
    choices = [{"key": name, "name": name} for name in ("wildcat", "Cat", "dog", "catfish")]
    assert [choice["key"] for choice in asking.close(choices, "cat")] == ["Cat", "catfish", "wildcat"]


def test_an_answer_is_told_in_the_names_of_the_choices():
    assert asking.spoken(asked("multiple_choice"), ["cat", "dog"]) == "Cat, Dog"
    assert asking.spoken(asked("yes_no"), True) == "Yes"
    assert asking.spoken(asked("single_choice"), "cant_tell") == "I can't tell"
    assert asking.spoken(asked("boxes"), [{"category": "cat", "box": [0, 0, 1, 1]}]) == "Cat"


def test_n_is_not_told_as_the_key_of_none_where_it_draws_a_box() -> None:
    several = asked("multiple_choice")
    assert shown(several)["none_key"]
    assert not asking.shown([several, asked("boxes")], slug="animals")[0]["none_key"]


@pytest.mark.parametrize(
    ("most", "drawn", "rows", "full"), [(None, 2, 5, False), (1, 0, 1, True), (4, 2, 4, True), (9, 2, 5, False)]
)
def test_no_more_rows_are_offered_than_boxes_may_be_drawn(most, drawn, rows, full):
    question = asked("boxes", **({} if most is None else {"most": most}))
    row = shown(question, answers={"q": [{"category": "cat", "box": [1, 2, 3, 4]}] * drawn})
    assert (len(row["rows"]), row["is_full"]) == (rows, full)
