"""The two clients: ``Client`` in step, ``AsyncClient`` awaited; the same methods, the same retries."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import httpx

from crowdtune_client.answers import Answer
from crowdtune_client.errors import CrowdtuneError, Refused, Unreachable
from crowdtune_client.pictures import Picture, as_list, one, payload

RETRIED = frozenset({429, 502, 503, 504})
LOST = (httpx.TransportError, httpx.DecodingError)  # no answer, or one that was damaged on its way
GROWN = 10.0  # seconds that pauses of our own grow to
LEAST = 0.05  # seconds between tries of a server that refuses connections, whatever ``backoff`` is
# Seconds: longer than the server works on any request. It waits a minute for addresses on the web, and then says which
# was slow; who had given up by then would make it fetch them all again, and use up the key's images.
TIMEOUT, CONNECTED = 75.0, 10.0
Told = Callable[[float, str], None]


class _Failed:
    """Of one request: since when it is tried, and how often it failed, by whether the connection was refused."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.tries = Counter[bool]()


class _Base:
    """What both share: addresses, and when to try again."""

    def __init__(self, retries: int, backoff: float, longest: float, restart: float, on_retry: Told | None) -> None:
        self.retries = max(retries, 0)
        self.backoff = backoff
        self.longest = longest
        self.restart = restart
        self.on_retry = on_retry

    def _next(self, failed: _Failed, response: httpx.Response | None, error: Exception | None) -> float | None:
        """As ``_pause``, or until ``restart`` where connections are refused; whoever wants to know is told of it.

        Refusals are counted by themselves: a server that has started may be busy at first. A name that nobody knows may
        be misspelled, and a certificate does not become good: the first is tried as often as is said, the other once.
        """
        refused = isinstance(error, httpx.ConnectError) and not _is_by(error, socket.gaierror)
        if _is_by(error, ssl.SSLError) and not _is_by(error, ssl.SSLEOFError):
            failed.tries[refused] += 1
            return None
        attempt = failed.tries[refused]
        failed.tries[refused] += 1
        pause = self._pause(attempt, response)
        left = failed.begun + self.restart - time.monotonic()
        if pause is None and refused and self.retries and left > 0:
            pause = min(max(self._grown(attempt), LEAST), left)
        if pause is not None and self.on_retry is not None:
            self.on_retry(pause, _why(error) if response is None else f"the answer was {response.status_code}")
        return pause

    def _pause(self, attempt: int, response: httpx.Response | None) -> float | None:
        """Seconds to wait before the next try; None when there is none: half of a doubling bound, and a random rest.

        Eight tries span 18 seconds at least.
        """
        if attempt >= self.retries:
            return None
        after = response.headers.get("Retry-After", "") if response is not None else ""
        if after.isdecimal():
            if int(after) > self.longest:
                return None
            return int(after) + random.uniform(0, self.backoff)
        return self._grown(attempt)

    def _grown(self, attempt: int) -> float:
        bound = min(self.backoff * 2 ** min(attempt, 30), GROWN, self.longest)
        return bound / 2 + random.uniform(0, bound / 2)


def _is_by(error: BaseException | None, cause: type[OSError]) -> bool:
    """Whether such an error is behind it."""
    while error is not None and not isinstance(error, cause):
        error = error.__cause__ or error.__context__
    return error is not None


def _why(error: Exception | None) -> str:
    """A time that is over says no more than its name, where it is awaited."""
    return str(error) or type(error).__name__


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        error: Mapping[str, Any] = response.json()["error"]
        raise Refused(response.status_code, error["code"], error["message"], error.get("fields"))
    except (ValueError, KeyError, TypeError):
        raise Refused(response.status_code, "error", _told(response)) from None


def _told(response: httpx.Response) -> str:
    """What a refusal says that is not in Crowdtune's shape: it comes from a proxy, or from elsewhere."""
    if response.has_redirect_location:
        return f"The server sends this on to {response.headers['Location']}: give the address that it wants."
    said = "" if "html" in response.headers.get("Content-Type", "") else response.text.strip()[:200]  # a whole page
    return said or f"The server answered {response.reason_phrase or response.status_code}."


def _answer(response: httpx.Response) -> Answer:
    try:
        return Answer.from_json(response.json())
    except (ValueError, KeyError, TypeError) as error:
        raise CrowdtuneError(f"What answers at {response.url} is not Crowdtune. Check the address.") from error


def _heat_map(response: httpx.Response) -> tuple[bytes, str]:
    if "X-Category" not in response.headers:
        raise CrowdtuneError(f"What answers at {response.url} is not Crowdtune. Check the address.")
    return response.content, unquote(response.headers["X-Category"])


def _options(url: str, token: str, timeout: float) -> dict[str, Any]:
    """For httpx.

    Raises:
        CrowdtuneError: What was given can be no address or no key: trying again would not help.
    """
    try:
        address = httpx.URL(url)
        address.raw_host.decode().encode("idna")  # as whoever connects will, when it is too late to say so
    except (httpx.InvalidURL, UnicodeError) as error:
        raise CrowdtuneError(f"{url!r} is not an address: {error}.") from error
    if address.scheme not in {"http", "https"} or not address.host:
        raise CrowdtuneError(f"Expected an address like https://crowdtune.example; got {url!r}.")
    token = token.strip()  # a file's last line ends
    if not token:
        raise CrowdtuneError("The token is empty: give the text of a key with the scope predict.")
    if not (token.isascii() and token.isprintable()):
        raise CrowdtuneError("The token has characters that no key has. Copy it again.")
    waits = httpx.Timeout(timeout, connect=min(timeout, CONNECTED))  # nobody works on it yet
    return {"base_url": url, "headers": {"Authorization": f"Token {token}", "Accept": "*/*"}, "timeout": waits}


@contextlib.contextmanager
def _proxies() -> Iterator[None]:
    """httpx reads the environment for proxies, some of which it cannot use.

    Raises:
        CrowdtuneError: There is one of these.
    """
    try:
        yield
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise CrowdtuneError(f"A proxy that the environment names cannot be used: {error}") from error


class Client(_Base):
    """In step. Safe to share between threads."""

    def __init__(
        self, url: str, token: str, *, timeout: float = TIMEOUT, retries: int = 8, backoff: float = 0.25,
        longest: float = 60.0, restart: float = 60.0, on_retry: Told | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        """``url`` of the platform, ``token`` of a key with the scope predict; ``longest`` pause before a retry.

        A key whose images of this minute are used up waits for the next one; where its day is over, it is refused.

        A server that refuses connections is starting, most likely: it is tried for ``restart`` seconds of the request,
        however many tries that takes, unless ``retries`` is 0.

        ``on_retry`` is told of each pause, by its seconds and what went wrong.
        """
        super().__init__(retries, backoff, longest, restart, on_retry)
        options = _options(url, token, timeout)
        with _proxies():
            self._http = httpx.Client(transport=transport, **options)

    def predict(self, project: str, pictures: Picture | Sequence[Picture], *, top_k: int = 5) -> Answer:
        """Ask about one picture or several; they are answered in order, by one version."""
        body = payload(as_list(pictures), top_k)
        return _answer(self._post(f"/api/v1/projects/{project}/predict/", body))

    def explain(self, project: str, picture: Picture, *, category: str | None = None) -> tuple[bytes, str]:
        """The heat map as PNG bytes, and the category that it is of."""
        return _heat_map(self._post(f"/api/v1/projects/{project}/explain/", one(picture, category)))

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        failed = _Failed()
        while True:
            response, error = None, None
            try:
                response = self._http.post(path, **body)
                if response.status_code not in RETRIED:
                    return _checked(response)
            except LOST as problem:
                error = problem
            pause = self._next(failed, response, error)
            if pause is None:
                break
            time.sleep(pause)
        if response is not None:
            return _checked(response)
        raise Unreachable(f"No answer after {failed.tries.total()} tries: {_why(error)}") from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


class AsyncClient(_Base):
    """Awaited; see ``Client``."""

    def __init__(
        self, url: str, token: str, *, timeout: float = TIMEOUT, retries: int = 8, backoff: float = 0.25,
        longest: float = 60.0, restart: float = 60.0, on_retry: Told | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        super().__init__(retries, backoff, longest, restart, on_retry)
        options = _options(url, token, timeout)
        with _proxies():
            self._http = httpx.AsyncClient(transport=transport, **options)

    async def predict(self, project: str, pictures: Picture | Sequence[Picture], *, top_k: int = 5) -> Answer:
        """Ask about one picture or several; they are answered in order, by one version."""
        body = payload(as_list(pictures), top_k)
        return _answer(await self._post(f"/api/v1/projects/{project}/predict/", body))

    async def explain(self, project: str, picture: Picture, *, category: str | None = None) -> tuple[bytes, str]:
        """The heat map as PNG bytes, and the category that it is of."""
        return _heat_map(await self._post(f"/api/v1/projects/{project}/explain/", one(picture, category)))

    async def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        failed = _Failed()
        while True:
            response, error = None, None
            try:
                response = await self._http.post(path, **body)
                if response.status_code not in RETRIED:
                    return _checked(response)
            except LOST as problem:
                error = problem
            pause = self._next(failed, response, error)
            if pause is None:
                break
            await asyncio.sleep(pause)
        if response is not None:
            return _checked(response)
        raise Unreachable(f"No answer after {failed.tries.total()} tries: {_why(error)}") from error

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()
