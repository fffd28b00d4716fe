"""A server of pretrained weights, as Keras' publisher runs one; fixture ``server`` is its address and its state."""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from training.learning.networks.backbones import BACKBONES, Backbone

CONTENT = b"weights" * 100_000
V2 = BACKBONES["mobilenet_v2_0.35"]


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, state: dict[str, int], *arguments: object) -> None:
        self.state = state
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self.state["requests"] = self.state.get("requests", 0) + 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: self.state.get("send", len(CONTENT))])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, dict[str, int]]]:
    state: dict[str, int] = {}
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, state))
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/", state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def published(url: str, digest: str = "") -> Backbone:
    """MobileNetV2 0.35, were its weights at this address."""
    return replace(V2, weights_url=url, weights_hash=digest or hashlib.sha256(CONTENT).hexdigest(), sha256="")
