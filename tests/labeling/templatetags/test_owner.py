"""What the owner's pages say of people."""

from __future__ import annotations

import pytest

from labeling.templatetags import owner


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("worker12", "w12"),
        ("asha", "as"),
        ("a.person", "ap"),
        ("anna_lee@example.org", "al"),
        ("anna@example.org", "an"),
        ("x", "x"),
        ("_", "_"),
    ],
)
def test_an_avatar_shows_the_letters_that_tell_people_apart(name: str, said: str) -> None:
    assert owner.initials(name) == said
