"""What an owner does with rules on their page."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from labeling import services
from labeling.collecting.rules import by_chance
from labeling.models import AuditEntry, Project, Rule
from tests.labeling.views.owner.test_pages import text


def test_a_rule_is_made_turned_off_and_removed(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/rules/"
    page = owning.get(address)
    assert f"over the last {page.context['form']['window'].value()} is below" in text(page)
    rule = {"measure": "gold_accuracy", "window": 10, "comparison": "below", "threshold": 0.6, "action": "pause"}
    owning.post(address, rule)
    row = Rule.objects.get()
    assert (row.project, row.threshold, row.is_active) == (project, 0.6, True)
    assert "is below <strong>60\u202f%</strong>" in owning.get(address).content.decode()
    assert "By chance alone it also catches 26 % of the people" in text(owning.get(address))
    owning.post(f"{address}{row.pk}/", {"action": "off"})
    owning.post(f"{address}{row.pk}/", {"action": "off"})  # from a tab that still showed it on
    row.refresh_from_db()
    assert not row.is_active
    assert 'value="on">Turn on<' in text(owning.get(address))
    owning.post(f"{address}{row.pk}/", {"action": "remove"})
    assert not Rule.objects.exists()
    assert [e.action for e in AuditEntry.objects.filter(action__startswith="rule").order_by("id")] == [
        "rule_added",
        "rule_changed",
        "rule_removed",
    ]


@pytest.mark.parametrize(
    ("measure", "threshold", "stored"),
    [
        ("agreement", "60 %", 0.6),
        ("agreement", "62.5%", 0.625),
        ("gold_accuracy", ".6", 0.6),
        ("median_seconds", "60", 60.0),
        ("agreement", "60", None),
        ("agreement", "101 %", None),
        ("agreement", "%", None),
        ("median_seconds", "60 %", None),
    ],
)
def test_a_share_is_written_as_a_percentage_or_a_fraction_and_what_cannot_be_is_refused_at_its_field(
    project: Project, owning: Client, measure: str, threshold: str, stored: float | None
) -> None:
    rule = {"measure": measure, "window": 10, "comparison": "below", "threshold": threshold, "action": "pause"}
    response = owning.post(f"/projects/{project.slug}/settings/rules/", rule)
    assert list(Rule.objects.values_list("threshold", flat=True)) == ([] if stored is None else [stored])
    if stored is None:
        assert response.status_code == 400
        assert list(response.context["form"].errors) == ["threshold"]
        assert f'value="{threshold}"' in response.content.decode()


def test_the_first_rules_are_taken_by_one_press_each_or_both(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/rules/"
    buttons = re.compile(r'name="first" value="([^"]*)"')
    agreement, seconds, both = buttons.findall(owning.get(address).content.decode())
    owning.post(address, {"first": agreement})
    owning.post(address, {"first": agreement})  # from a tab that still offered it
    assert buttons.findall(owning.get(address).content.decode()) == [seconds]
    rule = Rule.objects.get()
    assert (rule.measure, rule.window, rule.comparison, rule.threshold) == ("agreement", 20, "below", 0.5)
    assert (by_chance(rule) or 1) < 0.01
    rule.delete()
    assert "2 rules hold from now on." in text(owning.post(address, {"first": both}, follow=True))
    assert list(Rule.objects.order_by("pk").values_list("measure", "threshold", "action", "is_active")) == [
        ("agreement", 0.5, "pause", True),
        ("median_seconds", 1.0, "pause", True),
    ]
    assert AuditEntry.objects.filter(action="rule_added").count() == 3
    assert 'name="first"' not in owning.get(address).content.decode()
    Rule.objects.all().delete()
    services.add_rule(project=project, user=project.owner, measure="skips_in_a_row", threshold=5, action="warn")
    assert 'name="first"' not in owning.get(address).content.decode(), "whose owner makes rules needs no first ones"
