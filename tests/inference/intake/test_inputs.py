"""Pictures of a request that lie elsewhere."""

from __future__ import annotations

import pytest

from inference.errors import BadPicture, Busy
from inference.intake import inputs
from labeling.models import Project
from labeling.resilience import turns


def test_so_many_requests_wait_for_other_servers_and_the_next_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks slowly would hold every thread of ours, and nobody would be answered any more."""
    monkeypatch.setattr(inputs, "FETCHING", turns.Places(1))
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    elsewhere = {"images": [{"url": "http://127.0.0.1/"}]}
    for _ in range(2):  # who is refused leaves its place, too
        with pytest.raises(BadPicture, match="public internet"):
            inputs.from_json(Project(), elsewhere)
    assert inputs.FETCHING.take()
    with pytest.raises(Busy):
        inputs.from_json(Project(), elsewhere)
    assert inputs.from_json(Project(), {"images": ["data:image/png;base64,YQ=="]}).pictures == (b"a",)
