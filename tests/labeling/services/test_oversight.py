"""What an owner sets to be told and to be safe: what is refused, and what an answer looks for."""

from __future__ import annotations

from typing import Any

import pytest

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Project
from labeling.services import oversight

pytestmark = pytest.mark.django_db
RULE = {"measure": "median_seconds", "window": 5, "comparison": "below", "threshold": 0.5, "action": "warn"}


def hook(project: Project, url: str = "https://example.org/hook") -> Any:
    return services.add_webhook(project=project, user=project.owner, url=url)


def test_a_project_takes_so_many_rules_and_webhooks_and_no_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oversight, "MOST_RULES", 2)
    monkeypatch.setattr(oversight, "MOST_WEBHOOKS", 2)
    for _ in range(2):
        services.add_rule(project=project, user=project.owner, **RULE)
        hook(project)
    with pytest.raises(CrowdtuneError, match="At most 2 rules"):
        services.add_rule(project=project, user=project.owner, **RULE)
    with pytest.raises(CrowdtuneError, match="At most 2 webhooks"):
        hook(project)
    assert (project.rules.count(), project.webhooks.count()) == (2, 2)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("threshold", {"threshold": -0.1}), ("threshold", {"measure": "agreement", "threshold": 1.1}),
        ("value", {"action": "weight"}), ("value", {"action": "weight", "value": 1.5}),
        ("value", {"action": "overlap"}), ("value", {"action": "overlap", "value": 0}),
        ("value", {"action": "overlap", "value": 1.5}),
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused_by_its_field(
    project: Project, field: str, values: dict[str, Any]
) -> None:
    with pytest.raises(CrowdtuneError) as refused:
        services.add_rule(project=project, user=project.owner, **{**RULE, **values})
    assert list(refused.value.fields) == [field]
    assert not project.rules.exists()


@pytest.mark.parametrize(
    "url",
    ["https://example.org:0/", "https://example.org:99999/", "http://[::1", "https://", f"https://a.b/{'x' * 500}"],
)
def test_what_is_no_address_becomes_no_webhook(project: Project, url: str) -> None:
    with pytest.raises(CrowdtuneError) as refused:
        hook(project, url)
    assert list(refused.value.fields) == ["url"]


def test_an_answer_looks_for_rules_and_webhooks_only_as_long_as_there_are_some(project: Project) -> None:
    rule, webhook = services.add_rule(project=project, user=project.owner, **RULE), hook(project)
    project.refresh_from_db()
    assert (project.rule_count, project.webhook_count) == (1, 1)
    services.remove_rule(rule=rule, user=project.owner)
    project.refresh_from_db()
    assert (project.rule_count, project.webhook_count) == (0, 1)
    services.remove_webhook(webhook=webhook, user=project.owner)
    project.refresh_from_db()
    assert (project.rule_count, project.webhook_count) == (0, 0)
