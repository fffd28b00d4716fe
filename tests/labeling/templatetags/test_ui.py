"""The filters that every page shares."""

from __future__ import annotations

from labeling.templatetags import ui


def test_a_percentage_keeps_its_sign_on_its_line() -> None:
    told = ui.unbroken("accuracy 66.0 % against 64.2 %; the difference is -2.9 points (95 % interval -17.6 to +11.8)")
    assert told == (
        "accuracy 66.0\u202f% against 64.2\u202f%; the difference is \u22122.9 points"
        " (95\u202f% interval \u221217.6 to +11.8)"
    )
    assert ui.unbroken("version-3 of 2026-11-28") == "version-3 of 2026-11-28"


def test_a_share_that_people_are_held_to_is_not_rounded_to_another_one() -> None:
    assert [ui.exactly(share) for share in (0.8, 0.125, 0.995, 1.0, 0.29)] == [
        f"{told}\u202f%" for told in ("80", "12.5", "99.5", "100", "29")
    ]
    assert ui.exactly(199 / 200 - 1e-4) == "99.49\u202f%"  # who just missed 99.5 % is not told to have reached it
