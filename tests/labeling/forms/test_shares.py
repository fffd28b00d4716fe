"""Shares as people type them into a field."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from labeling.forms.shares import ShareField, ThresholdField


@pytest.mark.parametrize(
    ("typed", "share"),
    [
        ("95 %", 0.95), ("12,5\u202f%", 0.125), ("१२.५%", 0.125), ("0,2", 0.2), ("0.005", 0.005), ("0.5%", 0.005),
        ("100 %", 1), ("1.0", 1), ("1 %", 0.01), ("0", 0), ("20", 0.2), ("100", 1), ("2,5", 0.025),
    ],
)  # fmt: skip
def test_a_share_is_read_as_it_is_written_in_many_countries(typed: str, share: float) -> None:
    assert ShareField().clean(typed) == share


@pytest.mark.parametrize("typed", ["101", "1", "१", "-1 %", "100.1 %", "nan %", "1e400", "1,000.5 %", "%", "some"])
def test_what_may_mean_two_things_or_none_is_asked_about(typed: str) -> None:
    with pytest.raises(ValidationError):
        ShareField().clean(typed)


def test_a_stored_share_is_shown_so_that_it_can_be_typed_again() -> None:
    field = ShareField(low=0.5, high=0.9999)
    for share in (0.5, 0.57, 0.999, 0.9999):
        assert field.clean(field.prepare_value(share)) == share == field.clean(share)
    assert ShareField().clean(1) == 1  # as it was stored: nobody typed it


def test_a_threshold_in_seconds_is_no_share_and_a_phone_offers_the_sign() -> None:
    assert [ThresholdField().clean(text) for text in ("1", "62,5 %", "2,5")] == [1, 0.625, 2.5]
    assert "inputmode" not in ThresholdField().widget.attrs
