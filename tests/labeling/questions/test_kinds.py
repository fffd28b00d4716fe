"""The contract of every question kind: which answers it takes, what it makes of them, and what it tells programs."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
from django.conf import settings

from labeling.forms.survey import KIND_NAMES, OPTIONS_OF
from labeling.questions import KINDS, BadAnswer
from labeling.views.noscript import READERS

CHOICES = {"choices": ["cat", "dog", "owl"]}
HUGE = 10**400
NOTHING: list[Any] = [None, float("nan"), float("inf"), HUGE, "", {}, [[]], "cat\x00"]

# kind: options, answers with what is stored of them, answers that are refused (beside NOTHING)
CASES: dict[str, tuple[dict[str, Any], list[tuple[Any, Any]], list[Any]]] = {
    "yes_no": ({}, [(True, True), (False, False)], [0, 1, "yes", "true", []]),
    "single_choice": (CHOICES, [("cat", "cat"), ("owl", "owl")], ["wolf", "Cat", ["cat"], 0, True]),
    "multiple_choice": (
        {**CHOICES, "least": 1, "most": 2},
        [(["dog"], ["dog"]), (["dog", "cat"], ["cat", "dog"])],
        [[], "cat", ["wolf"], ["cat", "dog", "owl"], [None], True],
    ),
    "rating": ({"least": 1, "most": 4}, [(1, 1), (4, 4), (3.0, 3)], [0, 0.5, 4.5, 5, 2.5, "3", True, []]),
    "number": ({"least": -1, "most": 99.5}, [(0, 0), (-1, -1), (99.5, 99.5)], [-2, 100, "3", True, []]),
    "text": ({"most": 9}, [("owl", "owl"), ("  an owl ", "an owl"), ("उल्लू", "उल्लू")], ["   ", "longer than 9", 3, []]),
    "boxes": (
        {**CHOICES, "width": 100, "height": 50},
        [
            ([], []),
            ([{"category": "cat", "box": [0, 0, 100, 50]}], [{"category": "cat", "box": [0.0, 0.0, 100.0, 50.0]}]),
            # 0.1 + 0.2 - 0.1 is not 0.2
            ([{"category": "dog", "box": [0.1, 0.1, 0.2, 0.2]}], [{"category": "dog", "box": [0.1, 0.1, 0.2, 0.2]}]),
            ([{"category": "owl", "box": [99, 1, 1.5, 9]}], [{"category": "owl", "box": [99.0, 1.0, 1.0, 9.0]}]),
        ],
        [
            "cat",
            [{"category": "wolf", "box": [0, 0, 9, 9]}],
            [{"category": "cat", "box": [0, 0, 0, 9]}],
            [{"category": "cat", "box": [0, 0, 9]}],
            [{"category": "cat", "box": [0, 0, HUGE, 9]}],
            [{"category": "cat", "box": [50, 0, 90, 9]}],
            [{"category": "cat", "box": [0, 0, True, 9]}],
            [{"category": "cat", "box": [0, 0, 9, 9], "colour": "red"}],
        ],
    ),
}


def cases(which: int) -> list[Any]:
    return [pytest.param(kind, case, id=f"{kind}-{case!r:.40}") for kind in CASES for case in CASES[kind][which]]


def checked(kind: str) -> dict[str, Any]:
    """The options as the kind stores them; the size of an image is added to those of boxes when an answer comes."""
    options = copy.deepcopy(CASES[kind][0])
    size: dict[str, Any] = {name: options.pop(name) for name in ("width", "height") if name in options}
    return {**KINDS[kind].options(options), **size}


def test_every_kind_has_its_cases_here_and_its_template():
    assert set(CASES) == set(KINDS)
    for kind in KINDS:
        assert (settings.BASE_DIR / "templates" / "labeling" / "questions" / f"{kind}.html").is_file()


def test_every_kind_can_be_answered_on_the_page_and_composed_in_the_builder():
    assert set(READERS) == set(KIND_NAMES) == set(OPTIONS_OF) == set(KINDS)
    static = settings.BASE_DIR / "static"
    _before, _start, script = (static / "js" / "label" / "form.js").read_text().partition("const READ = {\n")
    assert set(re.findall(r"^  (\w+): \(", script.partition("\n};")[0], re.MULTILINE)) == set(KINDS)
    styles = (static / "css" / "projects.css").read_text()
    assert set(re.findall(r'option\[value="(\w+)"\]:checked\) \[data-for\]', styles)) == set(KINDS)


@pytest.mark.parametrize(("kind", "case"), cases(1))
def test_a_good_answer_is_stored_in_one_form_that_is_good_again(kind, case):
    said, stored = case
    options = checked(kind)
    assert KINDS[kind].answer(said, options) == stored
    assert KINDS[kind].answer(stored, options) == stored
    assert json.loads(json.dumps(stored)) == stored


@pytest.mark.parametrize(("kind", "case"), cases(1))
def test_the_schema_that_programs_read_takes_what_the_kind_takes(kind, case):
    jsonschema.validate(case[1], KINDS[kind].schema(checked(kind)))


@pytest.mark.parametrize(("kind", "case"), cases(2))
def test_the_schema_refuses_what_the_kind_refuses_wherever_no_image_is_needed_to_know(kind, case):
    box = case[0]["box"] if kind == "boxes" and isinstance(case, list) else [0]
    if max(box) < 90:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(case, KINDS[kind].schema(checked(kind)))


@pytest.mark.parametrize(("kind", "case"), cases(2) + [pytest.param(kind, bad) for kind in CASES for bad in NOTHING])
def test_a_bad_answer_is_refused_in_words(kind, case):
    with pytest.raises(BadAnswer) as refused:
        KINDS[kind].answer(case, checked(kind))
    assert "expected" in str(refused.value) or "the box" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("kind", KINDS)
def test_an_option_that_the_kind_does_not_know_is_refused(kind):
    with pytest.raises(BadAnswer, match="unknown options colour"):
        KINDS[kind].options({"colour": "red"})


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("rating", {"least": 3, "most": 3}),
        ("rating", {"least": HUGE}),
        ("number", {"least": 2, "most": 1}),
        ("number", {"most": "many"}),
        ("multiple_choice", {**CHOICES, "least": 2, "most": 1}),
        ("multiple_choice", {**CHOICES, "least": 1.5}),
        ("rating", {"most": 4.5}),
        ("text", {"most": 0}),
        ("text", {"most": 9.5}),
        ("boxes", {**CHOICES, "most": -1}),
        ("boxes", {**CHOICES, "most": 2.5}),
        ("boxes", {**CHOICES, "most": True}),
        ("single_choice", {"choices": ["cat", "cat"]}),
        ("single_choice", {"choices": ["cant_tell"]}),
        ("single_choice", {"choices": "cat"}),
        ("single_choice", {"choices": ["cat", " "]}),
        ("single_choice", {"choices": [{"name": "Cat"}]}),
        ("single_choice", {"choices": [5]}),
    ],
)
def test_options_that_contradict_themselves_are_refused(kind, options):
    with pytest.raises(BadAnswer):
        KINDS[kind].options(options)


def test_what_a_choice_is_called_is_its_name_its_label_or_its_key():
    choices = ["cat", {"key": "dog", "name": "Dog"}, {"key": "owl", "label": "Owl"}, {"key": "eel"}]
    read = KINDS["single_choice"].options({"choices": choices})["choices"]
    assert [choice["name"] for choice in read] == ["cat", "Dog", "Owl", "eel"]


def test_choices_are_trimmed_as_categories_are_so_that_they_come_back_from_files():
    read = KINDS["boxes"].options({"choices": [" sea cow ", {"key": "dog ", "name": " Dog"}]})["choices"]
    assert [(row["key"], row["name"]) for row in read] == [("sea cow", "sea cow"), ("dog", "Dog")]
    with pytest.raises(BadAnswer):
        KINDS["boxes"].options({"choices": ["cat", "cat "]})


def test_a_box_names_its_category_unless_there_is_but_one():
    bare = [{"box": [0, 0, 9, 9]}]
    stored = [{"category": "cat", "box": [0.0, 0.0, 9.0, 9.0]}]
    only = KINDS["boxes"].options({"choices": ["cat"]})
    assert KINDS["boxes"].answer(bare, only) == stored
    jsonschema.validate(bare, KINDS["boxes"].schema(only))
    with pytest.raises(BadAnswer, match="expected a category out of cat, dog, owl"):
        KINDS["boxes"].answer(bare, checked("boxes"))


@pytest.mark.parametrize("kind", KINDS)
def test_classes_of_a_kind_are_its_choices_or_none(kind):
    found = KINDS[kind].classes(checked(kind))
    expected = 2 if kind == "yes_no" else len(CASES[kind][0].get("choices", []))
    assert len(found) == len(set(found)) == expected


@pytest.mark.parametrize("options", [{}, {"least": -(10**20), "most": 10**20}])
def test_a_whole_number_of_which_digits_would_be_lost_is_refused(options: dict[str, Any]) -> None:
    kind = KINDS["number"]
    asked = kind.options({"whole": True, **options})
    for value in (2**53 - 1, 1 - 2**53):
        assert kind.answer(value, asked) == value
        with pytest.raises(BadAnswer, match="9007199254740991"):
            kind.answer(value + (1 if value > 0 else -1), asked)


@pytest.mark.parametrize("options", [{}, {"whole": True}, {"most": 1e300}, {"least": -1e300, "most": 0}])
def test_a_number_whose_square_is_none_is_refused(options: dict[str, Any]) -> None:
    kind = KINDS["number"]
    for value in (1e200, -1e200, 10**200):
        with pytest.raises(BadAnswer):
            kind.answer(value, kind.options(options))
