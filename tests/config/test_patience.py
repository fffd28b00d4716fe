"""Places for bodies on their way."""

from __future__ import annotations

import io
import threading

import pytest

from config import patience
from config.patience import Body, Crowded, Patience


def test_an_upload_that_has_begun_is_not_refused_and_leaves_its_place_with_its_last_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 0.01)
    places = threading.Semaphore(1)
    begun, late = (Body(io.BytesIO(b"abcd"), 4, [places]) for _ in range(2))
    assert begun.read(2) == b"ab"
    with pytest.raises(Crowded):
        late.read(2)
    assert begun.read(2) == b"cd"
    assert late.read(4) == b"abcd"


def test_who_does_not_read_to_the_end_leaves_with_the_answer() -> None:
    def answer(environ, _start):
        return [environ["wsgi.input"].readline(1)]

    application = Patience(answer, 1)
    for _ in range(3):
        assert application({"CONTENT_LENGTH": "4", "wsgi.input": io.BytesIO(b"abcd")}, None) == [b"a"]
    assert Patience(lambda environ, _start: [environ["wsgi.input"]], 1)({"wsgi.input": b""}, None) == [b""]
