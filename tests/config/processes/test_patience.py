"""Places for bodies on their way."""

from __future__ import annotations

import io
import threading

import pytest
from django.conf import settings

from config.processes import patience
from config.processes.patience import Body, Crowded, Patience
from inference.intake import inputs
from labeling.resilience import outside, turns
from labeling.resilience.turns import Places
from labeling.views import media


def test_an_upload_that_has_begun_is_not_refused_and_leaves_its_place_with_its_last_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    places = Places(1)
    begun, late = (Body(io.BytesIO(b"abcd"), 4, places) for _ in range(2))
    assert begun.read(2) == b"ab"
    with pytest.raises(Crowded):
        late.read(2)
    assert begun.read(2) == b"cd"
    assert late.read(4) == b"abcd"


def test_when_one_has_waited_in_vain_nobody_holds_a_thread_to_wait_until_a_place_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = Places(1)
    assert places.take()
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    assert not places.take()
    monkeypatch.setattr(turns, "SECONDS", 3600)
    assert not any(places.take() for _late in range(20))
    places.leave()
    assert places.take()


def test_slow_downloads_slow_servers_and_slow_uploads_together_leave_threads_to_small_bodies_and_to_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    held = []
    try:
        for kind in (media.SENDING, inputs.FETCHING, outside.half()):
            held += [kind for _slow in range(settings.WEB_THREADS) if kind.take()]
        long, half = len(held), settings.WEB_THREADS // 2
        assert [held.count(kind) for kind in (media.SENDING, inputs.FETCHING)] == [half, long - half]
        held += [outside.ANY for _small in range(settings.WEB_THREADS) if outside.ANY.take()]
        assert half < long < len(held) < settings.WEB_THREADS
    finally:
        for kind in held:
            kind.leave()


@pytest.mark.parametrize("size", [(), (-1,), (None,), (99,), (7,)])
def test_a_body_that_comes_slowly_is_not_taken_for_one_that_does_not_come(
    size: tuple[int | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for since its last piece, not since somebody asked for all of it."""
    monkeypatch.setattr(patience, "PIECE", 3)
    since = []

    class Line(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            since.append(body.since)
            return super().read(size)

    body = Body(Line(b"abcdefg"), 7, Places(1))
    assert (body.read(*size), body.read(), body.since) == (b"abcdefg", b"", None)
    assert len(set(since)) == 3


def test_a_body_that_ends_before_its_end_is_what_has_come() -> None:
    places = Places(1)
    assert Body(io.BytesIO(b"abcd"), 9, places).read() == b"abcd"
    assert places.take()


def test_who_does_not_read_to_the_end_leaves_with_the_answer() -> None:
    def answer(environ, _start):
        return [environ["wsgi.input"].readline(1)]

    application = Patience(answer, Places(1), Places(1))
    for _ in range(3):
        assert application({"CONTENT_LENGTH": "4", "wsgi.input": io.BytesIO(b"abcd")}, None) == [b"a"]
    assert Patience(lambda environ, _start: [environ["wsgi.input"]], Places(1), Places(1))(
        {"wsgi.input": b""}, None
    ) == [b""]


def test_from_whom_a_body_does_not_come_is_known() -> None:
    told = []

    class Line(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            while not (found := application.waited_for()):
                pass
            told.append([address for address, _seconds in found])
            return super().read(size)

    def answer(environ, _start):
        environ["wsgi.input"].read(2)
        told.append(application.waited_for())  # nobody waits for the rest just now
        return []

    application = Patience(answer, Places(1), Places(1))
    asked = {"CONTENT_LENGTH": "4", "REMOTE_ADDR": "10.0.0.7", "wsgi.input": Line(b"abcd")}
    assert application(asked, None) == []
    assert (told, application.waited_for()) == ([["10.0.0.7"], [], ["10.0.0.7"]], [])  # the rest is taken in, too


def test_what_nobody_reads_waits_for_no_place_and_has_nobody_else_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in (patience, turns):
        monkeypatch.setattr(where, "SECONDS", 3600)
    places = Places(1)
    application = Patience(lambda _environ, _start: [b"refused"], places, Places(1))
    begun = Body(io.BytesIO(b"abcd"), 4, places)
    begun.read(1)
    asked = {"CONTENT_LENGTH": "4", "wsgi.input": io.BytesIO(b"abcd")}
    assert application(asked, None) == [b"refused"]
    threading.Timer(0.1, begun.leave).start()
    assert places.take()  # it waits, as if nobody had waited in vain
