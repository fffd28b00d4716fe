"""What the fetcher refuses, against a real server on this machine that the guard must not reach."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpcore
import pytest

from labeling.files import remote
from labeling.files.remote import FetchRefused, fetch, is_public

CAT = "%E0%A4%AC%E0%A4%BF%E0%A4%B2%E0%A5%8D%E0%A4%B2%E0%A5%80"


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self.asked[self.path] += 1
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:8080/picture")
        elif self.path == "/crooked":
            self.send_response(302)
            self.send_header("Location", "http://[::1")
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
        elif self.path == "/renamed":
            self.send_response(302)
            self.send_header("Location", "/बिल्ली.jpg".encode().decode("latin-1"))  # as it is, in UTF-8
        elif self.path == "/missing":
            self.send_response(404)
        elif self.path.startswith("/busy") and self.asked[self.path] <= int(self.path.rpartition("-")[2]):
            self.send_response(429)
        else:
            self.send_response(200)
        if self.path == "/dripping":  # headers without an end
            self.flush_headers()
            with contextlib.suppress(OSError):
                for _ in range(200):
                    self.wfile.write(b"X-More: to come\r\n")
                    time.sleep(0.05)
            return
        self.end_headers()
        if self.path == "/silent":
            self.wfile.flush()
            time.sleep(1)
        if self.path in {f"/{CAT}.jpg", f"/my%20{CAT}.jpg?q=%20{CAT}"}:
            self.wfile.write(b"cat")
        if self.path.startswith(("/picture", "/large", "/busy")):
            self.wfile.write(b"bytes" * (1000 if self.path == "/large" else 1))

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Local(httpcore.SyncBackend):
    """Sends every public name to the test's server; what the guard refuses stays refused."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        if host not in {"images.example", "xn--i1b6e8byah.example"}:
            remote.public_address(host, port)
        return super().connect_tcp("127.0.0.1", self.port, timeout, local_address, socket_options)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
        "198.18.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "::127.0.0.1", "fe80::1%eth0", "2001:db8::1", "240.0.0.1",
        "fec0::1", "192.0.0.192", "192.0.0.8", "168.63.129.16", "::ffff:192.0.0.192", "64:ff9b:1::7f00:1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_of_the_public_internet_is_known_as_such(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_a_public_address_is_let_through(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:8080/", "http://2130706433/", "http://0x7f.1/",
        "http://127.1/", "http://0/", "http://[::ffff:127.0.0.1]/", "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:22/", "http://127.0.0.1:5432/", "file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/",
        "http://user:secret@127.0.0.1/", "http://", "//127.0.0.1/", "http://[::1", "http://127.0.0.1:99999/",
        "http://\u2460\u2461\u2466.0.0.1/", "https://127.0.0.1/",
        "http://127.0.0.1\\@example.com/", "javascript:alert(1)",
        "http://exa mple/", "http://a\x00b/", "http://\ud800/",
    ],
)  # fmt: skip
def test_an_address_inside_is_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(FetchRefused):
        fetch(url)


def test_bytes_of_a_public_address_come_back(server: ThreadingHTTPServer) -> None:
    assert fetch("http://images.example/picture", backend=Local(server.server_port)) == b"bytes"


@pytest.mark.parametrize(
    "url",
    [
        "http://images.example/बिल्ली.jpg",
        f"http://images.example/{CAT}.jpg#top",
        " http://images.example:8080/my बिल्ली.jpg?q=%20बिल्ली",
        "http://हिंदी.example/बिल्ली.jpg",
        "http://images.example/renamed",
    ],
)
def test_an_address_may_be_written_in_any_script(server: ThreadingHTTPServer, url: str) -> None:
    assert fetch(url, backend=Local(server.server_port)) == b"cat"


@pytest.mark.parametrize("path", ["moved", "crooked"])
def test_a_redirect_to_an_address_inside_or_to_none_is_refused(server: ThreadingHTTPServer, path: str) -> None:
    with pytest.raises(FetchRefused) as refused:
        fetch(f"http://images.example/{path}", backend=Local(server.server_port))
    assert refused.value.code == "address_refused"


def test_a_server_that_drips_headers_is_left_when_the_time_is_over(server: ThreadingHTTPServer) -> None:
    """Each of its lines comes in time; only all of them together do not."""
    with pytest.raises(FetchRefused, match="longer than"):
        fetch("http://images.example/dripping", seconds=0.6, backend=Local(server.server_port))


def test_a_circle_of_redirects_ends(server: ThreadingHTTPServer) -> None:
    with pytest.raises(FetchRefused, match="redirects"):
        fetch("http://images.example/round", backend=Local(server.server_port))


def test_a_file_larger_than_the_limit_is_not_read_to_its_end(server: ThreadingHTTPServer) -> None:
    with pytest.raises(FetchRefused) as caught:
        fetch("http://images.example/large", limit=100, backend=Local(server.server_port))
    assert caught.value.code == "too_large"


def test_an_answer_other_than_200_is_an_error(server: ThreadingHTTPServer) -> None:
    with pytest.raises(FetchRefused, match="404"):
        fetch("http://images.example/missing", backend=Local(server.server_port))


@pytest.fixture
def own_port(server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch) -> int:
    """The port of the test's server, which is taken for one that may be asked; images.intern is this machine."""
    asked = socket.getaddrinfo
    here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **o: here if "intern" in host else asked(host, *a, **o))
    monkeypatch.setattr(remote, "PORTS", {server.server_port, 8080})
    return server.server_port


@pytest.mark.parametrize("entry", ["images.intern", ipaddress.ip_network("127.0.0.0/8")])
def test_an_address_inside_is_fetched_where_its_name_or_network_is_allowed(
    own_port: int, settings: Any, entry: object
) -> None:
    settings.FETCH_HOSTS = [(entry, None)]
    assert fetch(f"http://Images.Intern.:{own_port}/picture") == b"bytes"


@pytest.mark.parametrize("entry", ["images.intern", ipaddress.ip_network("127.0.0.1")])
def test_a_port_that_is_not_a_usual_one_is_opened_for_a_host_and_for_no_other(
    server: ThreadingHTTPServer, own_port: int, settings: Any, monkeypatch: pytest.MonkeyPatch, entry: Any
) -> None:
    monkeypatch.setattr(remote, "PORTS", {80})
    host = entry if isinstance(entry, str) else "127.0.0.1"
    settings.FETCH_HOSTS = [(place, None) for place in (entry, "other.intern")]
    for other in (host, "other.intern"):
        with pytest.raises(FetchRefused, match="open it for a host by the setting FETCH_HOSTS"):
            fetch(f"http://{other}:{own_port}/picture")
    settings.FETCH_HOSTS = [(entry, own_port), ("other.intern", None)]
    assert fetch(f"http://{host}:{own_port}/picture") == b"bytes"
    with pytest.raises(FetchRefused, match="Port"):
        fetch(f"http://other.intern:{own_port}/picture")
    with pytest.raises(FetchRefused, match="not on the public internet"):
        fetch(f"http://{host}/picture")


def test_what_is_allowed_opens_nothing_else(own_port: int, settings: Any) -> None:
    settings.FETCH_HOSTS = [("images.intern", None), (ipaddress.ip_network("127.0.0.2/32"), None)]
    for host in ("127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "more.images.intern", "127.0.0.3"):
        with pytest.raises(FetchRefused, match="FETCH_HOSTS"):
            fetch(f"http://{host}:{own_port}/picture")
    with pytest.raises(FetchRefused, match="Port 22"):
        fetch("http://images.intern:22/picture")


def test_a_redirect_from_what_is_allowed_to_what_is_not_is_refused(own_port: int, settings: Any) -> None:
    settings.FETCH_HOSTS = [("images.intern", None)]
    with pytest.raises(FetchRefused, match="public"):
        fetch(f"http://images.intern:{own_port}/moved")


def test_a_host_that_does_not_answer_is_not_asked_for_ever_and_another_one_is(
    own_port: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FETCH_HOSTS = [("images.intern", None), ("other.intern", None)]
    monkeypatch.setattr(remote, "TIMEOUT", 0.2)
    monkeypatch.setattr(remote, "SILENCES", 2)
    hosts = remote.Hosts()
    silent = f"http://images.intern:{own_port}/silent"
    for told in ("ReadTimeout", "ReadTimeout", "not asked", "not asked"):
        with pytest.raises(FetchRefused, match=told):
            hosts.fetch(silent)
    assert hosts.fetch(f"http://other.intern:{own_port}/picture") == b"bytes"
    with pytest.raises(FetchRefused, match="not an address"):
        hosts.fetch("http://[half/")


def test_what_fails_for_a_moment_is_asked_for_again_but_not_of_a_host_that_never_answers(
    own_port: int, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FETCH_HOSTS = [("images.intern", None)]
    monkeypatch.setattr(remote, "SILENCES", 2)
    monkeypatch.setattr(Handler, "asked", Counter())
    hosts, top = remote.Hosts(), f"http://images.intern:{own_port}"
    assert hosts.fetch(f"{top}/busy-2", (0, 0)) == b"bytes"
    for name in ("busy-7", "busy-8"):
        with pytest.raises(FetchRefused, match="429"):
            hosts.fetch(f"{top}/{name}", (0, 0))
    with pytest.raises(FetchRefused, match="404"):
        hosts.fetch(f"{top}/missing", (0, 0))
    assert Handler.asked == {"/busy-2": 3, "/busy-7": 3, "/busy-8": 1, "/missing": 1}
