"""An S3 service on this machine, for tests that need one."""

from __future__ import annotations

import functools
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import botocore.session
import pytest
from botocore.loaders import create_loader
from moto.server import ThreadedMotoServer

from labeling.importing import s3

_read_once = functools.cache(create_loader)  # each client would read the descriptions of all services anew


@contextmanager
def s3_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty service, to which the platform's own variables point."""
    monkeypatch.setattr(botocore.session, "create_loader", _read_once)
    monkeypatch.setattr(s3, "TRIES", 2)  # each more is slept for, where a test has it answer nothing
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    # What an earlier service of this process was given it would still hold.
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    try:
        yield
    finally:
        server.stop()
