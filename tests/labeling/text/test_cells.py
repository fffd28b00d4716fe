"""Words of strangers in a CSV: never a formula, and the same words when they are read again."""

from __future__ import annotations

import pytest

from labeling.text import cells

FORMULAS = ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\n=1", "'=1", "''=1"]
FORMULAS += ["＝1+1", "＋A1", "－A1", "＠A1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_like_a_formula_is_written_as_text_and_read_as_it_was(text: str) -> None:
    assert cells.plain(text) == f"'{text}"
    assert cells.read(cells.plain(text)) == text


@pytest.mark.parametrize("text", ["", "cat", "-5", "+0.5", "it's", "'tis", "a=b"])
def test_other_words_and_numbers_stay_as_they_are(text: str) -> None:
    assert cells.plain(text) == text == cells.read(text)
