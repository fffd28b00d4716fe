"""Fetching from an address that a stranger gave, without letting them reach what only we can reach.

The name is resolved once, every address it has must be public, and the connection goes to the address that was checked
(so a name that resolves differently a moment later changes nothing); each redirect is checked the same way.
Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
from django.conf import settings

from labeling.errors import CrowdtuneError

SECONDS = 20.0
MOST_REDIRECTS = 5
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class FetchRefused(CrowdtuneError):
    """The address may not or cannot be fetched; ``code`` and ``message`` say why."""


class _CheckedBackend(httpcore.SyncBackend):
    """Connects only to public addresses; the name in TLS and the Host header stay what was asked for."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        address = checked_address(host, port)
        return super().connect_tcp(address, port, timeout, local_address, socket_options)


def checked_address(host: str, port: int) -> str:
    """The address to connect to.

    Raises:
        FetchRefused: address_refused when any address of the host is not public; unreachable when it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FetchRefused("unreachable", f"The host {host!r} is not known.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if f"{host}:{port}" not in settings.FETCH_ALLOWED_HOSTS:
        for address in addresses:
            if not is_public(address):
                raise FetchRefused("address_refused", f"{host!r} leads to {address}, which is not a public address.")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether the address is one of the open internet, looking through addresses that wrap an IPv4 one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped or ip.sixtofour or ip.teredo or ip in _NAT64:
            return False if ip.ipv4_mapped is None else is_public(str(ip.ipv4_mapped))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def get(url: str, *, most_bytes: int) -> bytes:
    """The body of a GET, at most ``most_bytes``.

    Raises:
        FetchRefused: bad_url, address_refused, unreachable, http_status, too_large or too_many_redirects.
    """
    for _ in range(MOST_REDIRECTS + 1):
        status, location, body = _request("GET", url, {}, b"", most_bytes)
        if location is None:
            if status != 200:
                raise FetchRefused("http_status", f"{url} answered {status}; expected 200.")
            return body
        url = urljoin(url, location)
    raise FetchRefused("too_many_redirects", f"More than {MOST_REDIRECTS} redirects.")


def post(url: str, *, body: bytes, headers: dict[str, str]) -> int:
    """POST to a public address; redirects are not followed. Returns the status."""
    return _request("POST", url, headers, body, 65_536)[0]


def check_url(url: Any) -> str:
    """Return the address when its form can be fetched; what it leads to is checked at the connection."""
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise FetchRefused("bad_url", f"Expected http:// or https:// and a host, got {url!r:.120}.")
    return str(url)


def _request(
    method: str, url: str, headers: dict[str, str], body: bytes, most_bytes: int
) -> tuple[int, str | None, bytes]:
    check_url(url)
    limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), SECONDS)}
    sent = {"User-Agent": "Crowdtune", "Accept": "*/*", "Host": urlsplit(url).netloc, **headers}
    try:
        with (
            httpcore.ConnectionPool(network_backend=_CheckedBackend(), max_connections=1) as pool,
            pool.stream(method, url, headers=sent, content=body or None, extensions=limits) as response,
        ):
            location = dict(response.headers).get(b"location")
            if 300 <= response.status < 400 and location:
                return response.status, location.decode("latin-1"), b""
            return response.status, None, _body(response, most_bytes)
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise FetchRefused("unreachable", f"{url} did not answer: {type(error).__name__}.") from error
    except (httpcore.UnsupportedProtocol, UnicodeError, ValueError) as error:
        raise FetchRefused("bad_url", f"{url!r:.120} cannot be fetched: {error}.") from error


def _body(response: httpcore.Response, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.iter_stream():
        size += len(part)
        if size > most_bytes:
            raise FetchRefused("too_large", f"More than {most_bytes} bytes.")
        parts.append(part)
    return b"".join(parts)
