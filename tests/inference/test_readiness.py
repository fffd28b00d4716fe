"""Readiness, as far as it is about the versions that answer."""

from __future__ import annotations

import pytest

from config import health

pytestmark = pytest.mark.django_db(transaction=True)  # the files are looked at by a thread of their own


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has asked lately, and no look is given up because the machine is busy."""
    monkeypatch.setattr(health, "PATIENCE", 120)
    health.model_lately.forget()


def test_a_champion_whose_network_is_gone_is_named(client, champion, data_dir) -> None:
    assert client.get("/readyz").json()["checks"]["model"] == "ok"
    health.model_lately.forget()
    (data_dir / "trunks").rename(data_dir / "elsewhere")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["model"].startswith("What model version 1 stands on (trunks/")
