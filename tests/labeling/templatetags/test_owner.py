"""What the owner's pages say of people."""

from __future__ import annotations

import pytest

from labeling.models import Image
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


def test_a_long_name_keeps_its_end_by_which_the_images_of_a_folder_differ() -> None:
    assert owner.in_middle("holidays at the seaside/IMG_0815.jpg", 22) == "holiday…e/IMG_0815.jpg"
    assert owner.in_middle("IMG_0815.jpg", 22) == "IMG_0815.jpg"


def test_a_small_picture_is_enlarged_as_a_whole_however_low_its_place_is() -> None:
    assert owner.enlarged(Image(width=53, height=40)) == ' style="inline-size: min(6 * 53px, var(--tall) * 53 / 40)"'
    assert owner.enlarged(Image(width=161, height=1)) == ""
