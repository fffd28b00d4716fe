"""Files under signed addresses: whole, or the rest of one whose beginning came through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client

from labeling.files import storage
from labeling.resilience import turns
from labeling.views import media

DATA = bytes(range(256)) * 1000
NAME = "exports/1/pets.jsonl"


@pytest.fixture
def address(own_media: Path) -> str:
    storage.put_file(NAME, ContentFile(DATA))
    return storage.file_url(NAME)


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def test_a_download_that_broke_off_goes_on_where_it_was(client: Client, address: str) -> None:
    """A gigabyte was sent from its beginning each time, whatever was there of it."""
    whole = client.get(address)
    assert (whole.status_code, whole["Accept-Ranges"], whole["Content-Length"]) == (200, "bytes", str(len(DATA)))
    assert content(whole) == DATA
    rest = client.get(address, headers={"Range": "bytes=100000-", "If-Range": whole["ETag"]})
    assert (rest.status_code, rest["Content-Range"]) == (206, f"bytes 100000-{len(DATA) - 1}/{len(DATA)}")
    assert (rest["Content-Length"], rest["ETag"]) == (str(len(DATA) - 100_000), whole["ETag"])
    assert content(rest) == DATA[100_000:]


def test_slow_lines_hold_some_threads_and_others_may_come_again(
    client: Client, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "SENDING", turns.Places(1))
    monkeypatch.setattr(media, "LARGE", 1000)
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    begun = client.get(address)
    late = client.get(address)
    assert (late.status_code, late["Retry-After"]) == (503, "10")
    assert content(client.get(address, headers={"Range": "bytes=0-99"})) == DATA[:100]
    assert content(client.head(address)) == b""
    assert content(begun) == DATA
    assert [content(client.get(address)) for _again in range(2)] == [DATA, DATA]


@pytest.mark.parametrize(
    ("asked", "part"),
    [("0-0", DATA[:1]), ("5-9", DATA[5:10]), ("-3", DATA[-3:]), ("255000-999999", DATA[255_000:]), ("-999999", DATA)],
)
def test_a_part_is_what_was_asked_for(client: Client, address: str, asked: str, part: bytes) -> None:
    answer = client.get(address, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, content(answer)) == (206, part)


@pytest.mark.parametrize("asked", ["256000-", "999999-1000000", "-0"])
def test_a_part_that_is_not_there_is_refused_with_the_size(client: Client, address: str, asked: str) -> None:
    answer = client.get(address, headers={"Range": f"bytes={asked}"})
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(DATA)}")


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=9-5"},
        {"Range": "bytes=-"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "lines=0-1"},
        {"Range": f"bytes={'9' * 400}-"},
        {"Range": "bytes=100-", "If-Range": '"another"'},
    ],
)
def test_what_is_no_part_of_this_file_is_answered_with_all_of_it(
    client: Client, address: str, headers: dict[str, str]
) -> None:
    answer = client.get(address, headers=headers)
    assert (answer.status_code, content(answer)) == (200, DATA)


def test_a_stranger_gets_no_part(client: Client, address: str) -> None:
    forged = address.replace("/media/", "/media/1")
    assert client.get(forged, headers={"Range": "bytes=0-1"}).status_code == 404


def test_what_a_browser_has_already_stays_as_long_and_as_confined(client: Client, address: str) -> None:
    whole = client.get(address)
    assert content(whole) == DATA  # closing it would close connections, which a test without a database may not
    same = client.get(address, headers={"If-None-Match": whole["ETag"]})
    assert same.status_code == 304
    for name in ("Cache-Control", "ETag", "Content-Security-Policy"):
        assert same[name] == whole[name]
