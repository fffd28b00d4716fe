"""A demo that was interrupted goes on with the next start."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection

from config.demo.seed import drawn_pictures, write_state, write_truths
from labeling import services
from labeling.models import Image


@pytest.fixture
def working(transactional_db: None, run_actors: Callable[[], int]) -> Iterator[None]:
    """What is asked for in the background is done."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.wait(0.05):
                run_actors()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    over.set()
    thread.join()


def test_a_start_brings_in_the_pictures_that_an_interrupted_one_did_not_come_to(
    live_server, working, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    pictures = drawn_pictures(3)
    truths = {picture.name: picture.truth for picture in pictures}
    owner = get_user_model().objects.create_superuser("admin")
    project = services.create_project(
        owner=owner, name="Sea animals", categories=sorted({truth.category for truth in truths.values()})
    )
    services.add_images(project=project, images={pictures[0].name: pictures[0].read()})
    write_truths(tmp_path / "demo" / f"{project.slug}.csv", truths)
    state = {"slug": project.slug, "categories": [], "most": 0, "slow_after": 0, "fills": True}
    write_state(tmp_path / "demo" / "demo.json", state)
    call_command("demo", auto=True, count=3, url=live_server.url)
    assert set(Image.objects.values_list("name", flat=True)) == set(truths)
    assert json.loads((tmp_path / "demo" / "demo.json").read_text()) == {**state, "fills": False}
