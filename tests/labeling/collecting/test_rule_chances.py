"""What a rule's page says of it before it meets anybody: when it first looks, and whom it meets by chance."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import pytest

from labeling import services
from labeling.collecting.rules import by_chance, first_look
from labeling.models import Project, Rule

pytestmark = pytest.mark.django_db


def test_a_rule_tells_after_how_many_answers_it_can_look_at_gold(make_project: Callable[..., Project]) -> None:
    project = make_project(images=4, gold_rate=0.1)
    looks = Rule(project=project, measure="gold_accuracy", window=2, comparison="below", threshold=0.6)
    assert first_look(looks) == 0
    for task, use in zip(project.tasks.order_by("pk"), ("hidden", "practice", "check", "hidden"), strict=True):
        services.set_gold(task=task, answers="cat", use=use, user=project.owner)
        project.refresh_from_db()
        assert first_look(looks) == (20 if task == project.tasks.order_by("pk").last() else 0)
    project.gold_rate = 0
    assert first_look(looks) == 0
    assert first_look(Rule(project=project, measure="agreement", window=2, comparison="below")) is None


def test_how_many_good_people_a_rule_meets_by_chance_is_that_of_coins_thrown_again_and_again() -> None:
    rule = Rule(measure="gold_accuracy", window=100, comparison="below", threshold=0.85)
    exact = sum(comb(100, right) * 0.85**right * 0.15 ** (100 - right) for right in range(85))
    assert by_chance(rule) == pytest.approx(exact, abs=0.03)  # one look at all of them
    often = [by_chance(Rule(measure="agreement", window=n, comparison="below", threshold=0.6)) for n in (5, 10, 20)]
    assert often == sorted(often, key=lambda share: share or 0, reverse=True)
    assert by_chance(Rule(measure="gold_accuracy", window=10, comparison="at_least", threshold=0.6)) is None
    assert by_chance(Rule(measure="same_in_a_row", window=10, comparison="below", threshold=3)) is None
