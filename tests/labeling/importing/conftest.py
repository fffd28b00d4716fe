"""An S3 service on this machine, and an empty project to import into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from labeling import services
from labeling.importing import bucket
from labeling.models import Job, Project

Import = Callable[..., Job]


@pytest.fixture
def empty(make_project: Callable[..., Project]) -> Project:
    return make_project(images=0)


@pytest.fixture
def bring(empty: Project, run_actors: Callable[[], int]) -> Import:
    """Import something into the empty project and return the job as it ended."""

    def run(**source: Any) -> Job:
        job = services.import_images(project=empty, user=empty.owner, **source)
        run_actors()
        job.refresh_from_db()
        return job

    return run


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """boto3's client of an empty service, to which the platform's own variables point."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    bucket._stored.cache_clear()
    yield bucket.client("photos")
    bucket._stored.cache_clear()
    server.stop()
