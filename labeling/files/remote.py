"""Fetches an image from an address that a stranger typed, without becoming the stranger's hand inside our network.

The check is where the connection is made, not where the text is read: every name is resolved once, every address that
it resolves to must be public (or allowed by the setting FETCH_HOSTS), and the socket goes to the address that was
checked, so a name that changes its mind between check and use (DNS rebinding), a redirect, an IPv4 address in an
unusual spelling or inside an IPv6 one all meet the same rule. Time, bytes and redirects are bounded; no proxy of the
environment is used.

Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet; RFC 6890 (special-purpose addresses).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpcore
from django.conf import settings

from labeling.errors import CrowdtuneError
from labeling.files.imaging import MAX_BYTES
from labeling.text.words import Told
from labeling.text.words import gettext as _

TIMEOUT = 10.0  # seconds for each step
DEADLINE = 30.0  # seconds for all of it
_KEPT = "%/:?@!$&'()*+,;=~[]|"  # in an address: what parts it, and what is written already
REDIRECTS = 3
SILENCES = 10  # in a row
PAUSES = (1.0, 4.0)  # seconds before each further try
BUSY = {429, 502, 503, 504}
PORTS = {80, 443, 8080, 8443}
BROKEN = (httpcore.NetworkError, httpcore.RemoteProtocolError)
FAILURES = (
    httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol
)  # fmt: skip


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What Python's tables leave out, the newer ones less: protocol assignments, where a cloud's machines are told about
# themselves (192.0.0.192), as Azure's are at an address of the public internet; and NAT64 of one's own (RFC 8215).
_INSIDE = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "168.63.129.16/32", "64:ff9b:1::/48")]


class FetchRefused(CrowdtuneError):
    """The address may not be fetched, or did not give an image's bytes."""


class FetchFailedNow(FetchRefused):
    """It may go better in a moment: the host is busy, or the line broke."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in."""
    ip = _unwrapped(address)
    if isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local:  # fec0::/10: given up, and still somebody's own
        return False
    if any(ip in network for network in _INSIDE):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_allowed(host: str, address: str, port: int) -> bool:
    """Whether who runs the platform allows this name, or this address, wherever it is, at this port."""
    ip = _unwrapped(address)
    return any(only in {None, port} and _is_in(place, host, ip) for place, only in settings.FETCH_HOSTS)


def _opens(host: str, port: int) -> bool:
    """Whether who runs the platform allows this name, or this address, by a port that is not a usual one."""
    try:
        ip = _unwrapped(host)
    except ValueError:  # a name
        ip = None
    return any(only == port and _is_in(place, host, ip) for place, only in settings.FETCH_HOSTS)


def _is_in(place: str | _Network, host: str, ip: _Address | None) -> bool:
    if isinstance(place, str):
        return host.lower().rstrip(".") == place
    return ip is not None and ip in place


def _unwrapped(address: str) -> _Address:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _nat64(ip) or ip


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    wrapped = ip in ipaddress.ip_network("64:ff9b::/96") or ip in ipaddress.ip_network("::/96")
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if wrapped else None


class PublicBackend(httpcore.NetworkBackend):
    """Connects to public addresses, and to those that are allowed, only."""

    def __init__(self) -> None:
        self._sync = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return self._sync.connect_tcp(public_address(host, port), port, timeout, local_address, socket_options)

    def connect_unix_socket(self, *_args: Any, **_options: Any) -> httpcore.NetworkStream:
        raise FetchRefused("address_refused", _("Only addresses that start with http:// or https:// are fetched."))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Bounded(httpcore.NetworkBackend):
    """Connections that end at one moment, however slowly the other side speaks: headers, body and TLS."""

    def __init__(self, inner: httpcore.NetworkBackend, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, timeout: float | None) -> float:
        """Seconds for the next step.

        Raises:
            FetchRefused: There are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise FetchRefused(
                "fetch_failed",
                _("The address took longer than %(deadline)s seconds.") % {"deadline": f"{self._seconds:.0f}"},
            )
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return BoundedStream(stream, self)

    def sleep(self, seconds: float) -> None:
        time.sleep(self.left(seconds))


class BoundedStream(httpcore.NetworkStream):
    """What a ``Bounded`` backend hands out."""

    def __init__(self, inner: httpcore.NetworkStream, bounds: Bounded) -> None:
        self._inner = inner
        self._bounds = bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._inner.read(max_bytes, self._bounds.left(timeout))
        except httpcore.ReadTimeout:
            self._bounds.left(None)  # says so where it was the end of all, not of this step
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._bounds.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, self._bounds.left(timeout))
        return BoundedStream(stream, self._bounds)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def public_address(host: str, port: int) -> str:
    """The first address of the name.

    Raises:
        FetchRefused: It has none, or any of them is private and not allowed: a name that answers with both is not to be
            trusted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchRefused("address_unknown", _("The host %(host)s cannot be found.") % {"host": host}) from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_may_be_asked(host, one, port) for one in addresses):
        raise FetchRefused("address_refused", _not_public(host))
    return addresses[0]


def refused_at_sight(host: str, port: int) -> str:
    """Why nothing would be sent to this host; nothing where only the addresses of its name could tell, since looking
    for those takes as long as it takes.
    """
    is_here = f".{host.lower().rstrip('.')}".endswith(".localhost")  # RFC 6761, 6.3
    try:
        found = socket.getaddrinfo("127.0.0.1" if is_here else host, port, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):  # a name
        return ""
    is_fine = all(_may_be_asked(host, str(entry[4][0]), port) for entry in found)
    return "" if is_fine else str(_not_public(host))


def _may_be_asked(host: str, address: str, port: int) -> bool:
    return is_public(address) or is_allowed(host, address, port)


def _not_public(host: str) -> Told:
    return _(
        "%(host)s is not on the public internet. Whoever runs this platform can allow it by the setting %(setting)s."
    ) % {"host": host, "setting": "FETCH_HOSTS"}


def fetch(
    url: str, *, limit: int = MAX_BYTES, seconds: float = DEADLINE, backend: httpcore.NetworkBackend | None = None
) -> bytes:
    """The bytes at a public http(s) address.

    Args:
        url: What the caller typed.
        limit: The most bytes that are read.
        seconds: For all of it, redirects included.
        backend: Makes the connections; the tests give one that reaches this machine.

    Raises:
        FetchRefused: address_refused, address_unknown, fetch_failed or too_large.
    """
    bounded = Bounded(backend or PublicBackend(), seconds)
    with httpcore.ConnectionPool(network_backend=bounded, ssl_context=_tls()) as pool:
        for _hop in range(REDIRECTS + 1):
            _check_url(url)
            body, moved = _get(pool, url, limit)
            if moved is None:
                return body
            url = moved
    raise FetchRefused("fetch_failed", _("More than %(redirects)s redirects.") % {"redirects": REDIRECTS})


class Hosts:
    """Fetches many addresses for one piece of work. A host that lets the time of SILENCES of them run out in a row is
    not asked again: thousands of its addresses would hold up those of others for hours. What failed for a moment is
    asked for again after PAUSES, unless that has not helped so many times.
    """

    def __init__(self) -> None:
        self._silences: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def fetch(self, url: str, pauses: Sequence[float] = PAUSES) -> bytes:
        """
        Raises:
            FetchRefused: As ``fetch``.
        """
        host = _host(url)
        if self._silences[host] >= SILENCES:
            told = _("%(host)s did not answer in time, %(count)s times in a row, and was not asked for this.")
            raise FetchRefused("fetch_failed", told % {"host": host, "count": SILENCES})
        began = time.monotonic()
        try:
            data = fetch(url)
        except FetchRefused as error:
            is_silent = time.monotonic() - began > 0.9 * TIMEOUT
            self._silences[host] = self._silences[host] + 1 if is_silent else 0
            if not isinstance(error, FetchFailedNow) or not pauses or self._failures[host] >= SILENCES:
                raise
            self._failures[host] += 1
        else:
            self._silences[host] = self._failures[host] = 0
            return data
        time.sleep(pauses[0])
        return self.fetch(url, pauses[1:])


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # half a bracket
        return ""


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchRefused("address_refused", _("This is not an address: %(error)s.") % {"error": error}) from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise FetchRefused("address_refused", _("Only addresses that start with http:// or https:// are fetched."))
    if parts.username or parts.password:
        raise FetchRefused("address_refused", _("An address with a name and password in it is not fetched."))
    if port is not None and port not in PORTS and not _opens(parts.hostname, port):
        raise FetchRefused(
            "address_refused",
            _(
                "Port %(port)s is not one of %(ports)s. "
                "Whoever runs this platform can open it for a host by the setting %(setting)s."
            )
            % {"port": port, "ports": ", ".join(map(str, sorted(PORTS))), "setting": "FETCH_HOSTS"},
        )


def _get(pool: httpcore.ConnectionPool, url: str, limit: int) -> tuple[bytes, str | None]:
    """The body, or where it has moved to."""
    timeouts = {"timeout": {"connect": TIMEOUT, "read": TIMEOUT, "write": TIMEOUT, "pool": TIMEOUT}}
    headers: list[tuple[bytes | str, bytes | str]] = [("User-Agent", "Crowdtune"), ("Accept", "image/*")]
    try:
        with pool.stream("GET", spelled(url), headers=headers, extensions=timeouts) as response:
            if response.status in {301, 302, 303, 307, 308}:
                return b"", urljoin(url, _header(response, b"location") or "/")
            if response.status != 200:
                failed = FetchFailedNow if response.status in BUSY else FetchRefused
                raise failed("fetch_failed", _("The address answered %(status)s.") % {"status": response.status})
            return _body(response, limit), None
    except FAILURES as error:
        failed = FetchFailedNow if isinstance(error, BROKEN) else FetchRefused
        told = _("The address could not be read: %(name)s.")
        raise failed("fetch_failed", told % {"name": type(error).__name__}) from error
    except (ValueError, TypeError, UnicodeError) as error:  # httpcore's own parser of addresses
        raise FetchRefused("address_refused", _("This is not an address: %(error)s.") % {"error": error}) from error


def _header(response: httpcore.Response, name: bytes) -> str | None:
    for key, value in response.headers:
        if key.lower() == name:
            return _text(value)
    return None


def _text(value: bytes) -> str:
    """Servers send an address as it is in their files' names, today in UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def spelled(url: str) -> str:
    """The address as it goes over the wire: what is not ASCII, and spaces, are written as a browser writes them.

    Source: RFC 3987, 3.1.

    Raises:
        ValueError: The host is no name.
    """
    parts = urlsplit(url.strip())
    netloc = parts.netloc
    if not netloc.isascii():
        host = (parts.hostname or "").encode("idna").decode()
        netloc = host if parts.port is None else f"{host}:{parts.port}"
    path, query = (quote(text, safe=_KEPT) for text in (parts.path, parts.query))
    return parts._replace(netloc=netloc, path=path, query=query, fragment="").geturl()


def _body(response: httpcore.Response, limit: int) -> bytes:
    parts, size = [], 0
    for part in response.iter_stream():
        size += len(part)
        if size > limit:
            raise FetchRefused(
                "too_large", _("The file at the address is larger than %(limit)s MB.") % {"limit": limit // 2**20}
            )
        parts.append(part)
    return b"".join(parts)
