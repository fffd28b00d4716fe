"""The Python client, against the live server."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from crowdtune_client import Answer, AsyncClient, Client, CrowdtuneError, Refused, RemoteImage, StoredImage, Unreachable

from config.processes import patience
from inference.engine import runtime
from inference.intake import inputs
from labeling.accounts.keys import create_key
from labeling.services import add_images
from tests.inference.serving import picture

pytestmark = pytest.mark.django_db(transaction=True)


def test_paths_bytes_and_stored_images_are_answered_in_order(live_server, champion, token, photo, project) -> None:
    (image,) = add_images(project=project, images={"a.png": picture(4)})
    with Client(live_server.url, token) as client:
        files = client.predict("colours", [photo, picture(4)], top_k=2)
        mixed = client.predict("colours", [StoredImage(image.pk), picture(4)])
        png, category = client.explain("colours", photo)
        with pytest.raises(Refused, match="'label'"):  # a key that predicts sees no image of the project
            client.explain("colours", StoredImage(image.pk))
    with Client(live_server.url, create_key(user=project.owner)[1]) as client:
        assert client.explain("colours", StoredImage(image.pk)) == (png, category)
    assert files.model_version == 1
    assert files.predictions[0] == files.predictions[1]
    assert len(files.predictions[0].scores) == 2
    assert mixed.predictions[0].category == mixed.predictions[1].category == files.predictions[0].category
    assert png.startswith(b"\x89PNG")
    assert category == files.predictions[0].category


def test_an_open_file_is_one_picture_and_not_one_a_line(live_server, champion, token, photo) -> None:
    with Client(live_server.url, token) as client, photo.open("rb") as first, photo.open("rb") as second:
        answer = client.predict("colours", first)
        assert answer.predictions == client.predict("colours", [second]).predictions
        assert client.explain("colours", io.BytesIO(picture(4)))[1] == answer.predictions[0].category
        with photo.open("r", encoding="latin-1") as text, pytest.raises(TypeError, match="opened with 'rb'"):
            client.predict("colours", text)


def test_the_category_of_a_heat_map_is_read_in_any_script() -> None:
    def told(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"png", headers={"X-Category": quote("बिल्ली 100%")})

    with Client("http://crowdtune.test", "t", transport=httpx.MockTransport(told)) as client:
        assert client.explain("colours", b"x") == (b"png", "बिल्ली 100%")


def test_an_address_that_is_written_as_a_text_is_no_path() -> None:
    bodies: list[bytes] = []

    def told(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        if request.url.path.endswith("/explain/"):
            return httpx.Response(200, content=b"png", headers={"X-Category": "cat"})
        return httpx.Response(200, json={"model_version": 1, "milliseconds": 1.0, "predictions": []})

    with Client("http://crowdtune.test", "t", transport=httpx.MockTransport(told)) as client:
        for pictures in ("https://a.test/1.jpg", ["HTTPS://a.test/1.jpg"], RemoteImage("https://a.test/1.jpg")):
            client.predict("colours", pictures)
        client.explain("colours", "https://a.test/1.jpg")
    assert [b'"url"' in body for body in bodies] == [True] * 4


def _answering(response: httpx.Response) -> Client:
    return Client("http://crowdtune.test", "t", retries=-1, transport=httpx.MockTransport(lambda _request: response))


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"{}", b"[]", b""])
def test_what_is_not_crowdtune_is_told_as_such(body: bytes) -> None:
    with _answering(httpx.Response(200, content=body)) as client:
        with pytest.raises(CrowdtuneError, match="not Crowdtune"):
            client.predict("colours", b"x")
        with pytest.raises(CrowdtuneError, match="not Crowdtune"):
            client.explain("colours", b"x")


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (httpx.Response(301, headers={"Location": "https://crowdtune.test/"}), "https://crowdtune.test/"),
        (httpx.Response(500), "Internal Server Error"),
        (httpx.Response(413, content=b"Too large"), "Too large"),
        (httpx.Response(404, html="<!doctype html>"), "^The server answered Not Found"),
    ],
)
def test_a_refusal_of_what_stands_before_the_server_is_told_too(response: httpx.Response, told: str) -> None:
    with _answering(response) as client, pytest.raises(Refused, match=told):
        client.predict("colours", b"x")


def test_the_awaited_client_answers_the_same(live_server, champion, token) -> None:
    async def ask() -> tuple[str, str]:
        async with AsyncClient(live_server.url, token) as client:
            answers = await asyncio.gather(*(client.predict("colours", picture(4)) for _ in range(4)))
        return answers[0].predictions[0].category, answers[3].predictions[0].category

    with Client(live_server.url, token) as client:
        expected = client.predict("colours", picture(4)).predictions[0].category
    # In a thread of its own: a browser test of this process keeps an event loop running in the main one.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, ask()).result() == (expected, expected)


def test_a_token_read_from_a_file_may_end_its_line(live_server, champion, token, photo) -> None:
    with Client(live_server.url, f"{token} \n") as client:
        assert client.predict("colours", photo).model_version == 1


def test_a_refusal_carries_the_servers_own_words(live_server, champion, token) -> None:
    with Client(live_server.url, token) as client:
        with pytest.raises(Refused, match="Expected one of JPEG") as caught:
            client.predict("colours", b"no image at all")
        assert (caught.value.status, caught.value.code) == (400, "not_an_image")
        with pytest.raises(Refused, match="public"):
            client.predict("colours", RemoteImage("http://127.0.0.1/"))


def test_a_full_queue_is_waited_for(live_server, champion, token) -> None:
    admission = runtime.engine().admission
    with (
        admission.admit(admission.limit),
        Client(live_server.url, token, retries=0) as client,
        pytest.raises(Refused, match="waiting"),
    ):
        client.predict("colours", picture(1))
    with Client(live_server.url, token) as client:
        assert client.predict("colours", picture(1)).model_version == 1


def test_connections_that_break_are_tried_again_and_then_given_up() -> None:
    calls = []

    def flaky(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) < 3:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json={"model_version": 1, "milliseconds": 1.0, "predictions": []})

    with Client("http://x", "t", backoff=0.001, transport=httpx.MockTransport(flaky)) as client:
        assert client.predict("p", b"x").model_version == 1
    assert len(calls) == 3
    calls.clear()
    with (
        Client("http://x", "t", retries=1, restart=0, backoff=0.001, transport=httpx.MockTransport(flaky)) as client,
        pytest.raises(Unreachable, match="2 tries"),
    ):
        client.predict("p", b"x")


@pytest.mark.parametrize("awaited", [False, True])
def test_a_server_that_refuses_connections_is_waited_for_beyond_the_retries_but_not_for_ever(awaited: bool) -> None:
    calls: list[httpx.Request] = []
    starts = 7  # with which call

    def starting(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) < starts:
            raise httpx.ConnectError("refused")
        if len(calls) < starts + 2:
            return httpx.Response(503)  # busy at first
        return httpx.Response(200, json={"model_version": 1, "milliseconds": 1.0, "predictions": []})

    async def ask(**options: Any) -> Answer:
        async with AsyncClient("http://x", "t", transport=httpx.MockTransport(starting), **options) as client:
            return await client.predict("p", b"x")

    def predict(**options: Any) -> Answer:
        if awaited:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(asyncio.run, ask(**options)).result()
        with Client("http://x", "t", transport=httpx.MockTransport(starting), **options) as client:
            return client.predict("p", b"x")

    assert predict(retries=2, backoff=0.001).model_version == 1
    assert len(calls) == 9
    starts = 1000
    for restart, retries, tries in ((0.08, 2, "[345]"), (60, 0, "1")):
        with pytest.raises(Unreachable, match=f"No answer after {tries} tries"):
            predict(retries=retries, restart=restart, backoff=0.001)


@pytest.mark.parametrize(
    ("cause", "tries"),
    [
        (socket.gaierror(-2, "Name or service not known"), 3),
        (ssl.SSLCertVerificationError("self-signed certificate"), 1),
        (ssl.SSLEOFError("a proxy that starts anew"), 5),
    ],
)
def test_a_name_that_nobody_knows_and_a_bad_certificate_are_not_waited_for(cause: OSError, tries: int) -> None:
    calls: list[httpx.Request] = []

    def failing(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) == 5:
            return httpx.Response(200, json={"model_version": 1, "milliseconds": 1.0, "predictions": []})
        raise httpx.ConnectError(str(cause)) from cause

    client = Client("https://x", "t", retries=2, backoff=0.001, transport=httpx.MockTransport(failing))
    with client, pytest.raises(Unreachable, match=f"after {tries} tries") if tries < 5 else contextlib.nullcontext():
        client.predict("p", b"x")
    assert len(calls) == tries


def test_a_time_that_is_over_is_named_where_nothing_else_is_said_of_it() -> None:
    told = []

    def hanging(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("")

    async def ask() -> None:
        transport = httpx.MockTransport(hanging)
        async with AsyncClient(
            "http://x",
            "t",
            retries=1,
            backoff=0.001,
            on_retry=lambda _pause, why: told.append(why),
            transport=transport,
        ) as client:
            await client.predict("p", b"x")

    # In a thread of its own: a browser test of this process keeps an event loop running in the main one.
    with ThreadPoolExecutor(1) as pool, pytest.raises(Unreachable, match="2 tries: ReadTimeout"):
        pool.submit(asyncio.run, ask()).result()
    assert told == ["ReadTimeout"]


def test_nobody_gives_up_on_what_the_server_is_still_working_on() -> None:
    """A slow address is answered by its name; asked anew, it would be fetched and counted again, eight times."""
    waited: list[float] = []

    def told(request: httpx.Request) -> httpx.Response:
        waited.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, content=b"png", headers={"X-Category": "red"})

    with Client("http://crowdtune.test", "t", transport=httpx.MockTransport(told)) as client:
        client.explain("colours", RemoteImage("http://slow.example/a.jpg"))
    assert waited[0] >= patience.SILENT > inputs.PATIENCE


def test_an_answer_that_was_damaged_on_its_way_is_asked_for_again() -> None:
    damaged = {"headers": {"Content-Encoding": "gzip"}, "stream": httpx.ByteStream(b"no gzip")}
    calls = []

    def flaky(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(200, **damaged) if len(calls) < 3 else httpx.Response(413, content=b"enough")

    with Client("http://x", "t", retries=1, backoff=0.001, transport=httpx.MockTransport(flaky)) as client:
        with pytest.raises(Unreachable, match="2 tries"):
            client.predict("p", b"x")
        with pytest.raises(Refused, match="enough"):
            client.predict("p", b"x")


def test_no_picture_is_told_of_before_anything_is_sent() -> None:
    with _answering(httpx.Response(415)) as client, pytest.raises(CrowdtuneError, match="got none"):
        client.predict("colours", [])


def test_a_wait_for_the_next_minute_is_waited_and_one_for_the_next_day_is_not() -> None:
    client = Client("http://crowdtune.test", "t")
    minute, day = (client._pause(0, httpx.Response(429, headers={"Retry-After": after})) for after in ("60", "3600"))
    assert 60 <= (minute or 0) <= 61
    assert day is None
    assert 0 < (client._pause(0, httpx.Response(429, headers={"Retry-After": b"\xb2"})) or 0) <= 0.25
    assert 0 < (client._pause(7, None) or 0) <= 10
