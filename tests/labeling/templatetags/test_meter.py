"""The bar of a share, as a screen reader is told of it."""

from __future__ import annotations

from django.template import Context, Template


def rendered(tag: str) -> str:
    return Template("{% load charts %}" + tag).render(Context())


def test_a_bar_beside_its_number_is_for_the_eyes_alone() -> None:
    told = rendered("{% meter 0.81 %}")
    assert 'aria-hidden="true"' in told
    assert "role=" not in told


def test_a_bar_of_what_goes_on_tells_its_name_and_how_far_it_is() -> None:
    told = rendered('{% meter 0.81 "Progress" %}')
    assert 'role="progressbar" aria-label="Progress"' in told
    assert 'aria-valuenow="81.0"' in told
