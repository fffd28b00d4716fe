"""What the log says of a new version of a survey."""

from __future__ import annotations

from typing import Any

from labeling.surveys.differences import MOST, differences


def document(**categories: str) -> dict[str, Any]:
    rows = [{"key": key, "name": name} for key, name in categories.items()]
    return {"categories": rows, "questions": [{"id": 1, "key": "seen", "prompt": "Seen?"}]}


def test_what_is_gone_new_renamed_and_translated_is_told() -> None:
    before, after = document(cat="cat", dog="dog"), document(cat="house cat", emu="emu")
    after["questions"] = [{"id": 2, "key": "seen", "prompt": "Do you see it?"}]
    after["translations"] = {"hi": {}, "ar": {}}
    assert differences(before, after) == {
        "categories": [["dog"], ["emu"]],
        "cat: name": ["cat", "house cat"],
        "seen: prompt": ["Seen?", "Do you see it?"],
        "translations": "ar, hi",
    }


def test_of_thousands_of_categories_a_few_are_told() -> None:
    many = document(**{f"c{number}": "" for number in range(1000)})
    renamed = document(**{f"c{number}": "x" for number in range(1000)})
    assert [len(part) for part in differences(document(), many)["categories"]] == [0, MOST + 1]
    assert len(differences(many, renamed)) == MOST


def test_another_order_and_another_language_are_told() -> None:
    before, after = document(cat="", dog="", emu=""), document(cat="", emu="", dog="")
    assert differences(before, {**after, "language": "hi"}) == {
        "categories": [["dog", "emu"], ["emu", "dog"]],
        "language": ["", "hi"],
    }
