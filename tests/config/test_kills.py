"""kill -9 in the middle of everything, seen from outside: what was acknowledged is there, and each job was done once.

Real processes under the real supervisor, driven through the public API alone. What is killed comes back by the
supervisor; what it held comes back by the queue and the sweepers. One platform for all of it: to start one takes
longer than most of what is done to it.
"""

from __future__ import annotations

import colorsys
import io
import random
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from bench.api import Api, wait_until
from tests.processes import Platform, until
from tests.training.trunks import copy, small_trunk_folder

__all__ = ["small_trunk_folder"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
IMAGES, JUDGMENTS, WORKERS = 120, 3, 4
CATEGORIES = ["disc", "square"]
PROGRAMS = (("config.web",), ("postgres", "-D"), ("worker", "cpu"), ("worker", "gpu"), ("scheduler",))


@pytest.fixture
def platform(tmp_path: Path, small_trunk_folder: Callable[..., Path]) -> Iterator[Platform]:
    made = Platform(tmp_path)
    copy(small_trunk_folder(), made.data)  # what it learns on: an export takes a process with TensorFlow
    made.start()
    yield made
    made.stop()
    made.clean()


@pytest.fixture
def owner(platform: Platform) -> Iterator[Api]:
    made = Patient.sign_in(platform.url, "admin", (platform.data / "admin_password").read_text().strip())
    yield made
    made.http.close()


class Patient(Api):
    """A client that repeats what got no answer, or an answer that says nothing: as the contract allows."""

    def send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        for _ in range(600):
            try:
                answer = super().send(method, path, **rest)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code < 500:
                return answer
            time.sleep(0.2)
        raise AssertionError(f"{method} {path} was never answered")


def drawing(number: int) -> tuple[str, bytes]:
    """One of two shapes, each in its own colour, size and place: no two are alike."""
    chance = random.Random(number)
    category = CATEGORIES[number % 2]
    colour = tuple(int(255 * part) for part in colorsys.hsv_to_rgb(chance.random(), 0.8, 0.9))
    image = Image.new("RGB", (160, 120), (number % 200, 40, 40))
    x, y, size = chance.randrange(90), chance.randrange(60), chance.randrange(30, 60)
    shape = [x, y, x + size, y + size]
    pen = ImageDraw.Draw(image)
    pen.ellipse(shape, fill=colour) if category == "disc" else pen.rectangle(shape, fill=colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"{category}-{number}.png", buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for number in range(IMAGES):
            file.writestr(*drawing(number))
    return buffer.getvalue()


class Labeler(threading.Thread):
    """Claims and answers until nothing is left; notes what was acknowledged."""

    def __init__(self, api: Api, slug: str) -> None:
        super().__init__(daemon=True)
        self.api, self.slug = api, slug
        self.acknowledged: list[Any] = []
        self.problem = ""

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the main thread tells it
            self.problem = repr(error)
        finally:
            self.api.http.close()

    def _work(self) -> None:
        while True:
            claimed = self.api.send("POST", f"projects/{self.slug}/assignments/")
            if claimed.status_code == 204:
                return
            assert claimed.status_code == 201, claimed.text
            assignment = claimed.json()
            truth = assignment["image"]["name"].partition("-")[0] if "name" in assignment["image"] else CATEGORIES[0]
            answers = {question["key"]: truth for question in assignment["questions"]}
            said = self.api.send("POST", f"assignments/{assignment['id']}/judgment/", json={"answers": answers})
            if said.status_code in {200, 201}:
                self.acknowledged.append(assignment["image"]["id"])
            else:  # lost to another, or gone with the database that had only just given it out
                assert said.status_code in {404, 409}, said.text


def test_nothing_acknowledged_is_lost_each_job_is_done_once_and_a_stop_leaves_nothing(platform, owner):
    password = (platform.data / "admin_password").read_text().strip()
    what_runs_is_private_and_runs_once(platform, password)
    slug = owner.call(
        "POST",
        "projects/",
        json={
            "name": "Kills",
            "categories": CATEGORIES,
            "judgments_per_task": {"min": JUDGMENTS, "max": JUDGMENTS},
            "automatic_training": False,
        },
    )["slug"]
    import_while_the_worker_is_killed(platform, owner, slug)
    label_while_everything_is_killed(platform, owner, slug)
    train_while_the_trainer_is_killed(platform, owner, slug)
    stop_and_be_killed(platform, password)


def what_runs_is_private_and_runs_once(platform: Platform, password: str) -> None:
    until(partial(platform.answers, "/readyz"), "ready")
    for words in PROGRAMS:
        until(partial(platform.runs, *words), f"{words} runs")
        state = Path(f"/proc/{platform.pid_of(*words)}/status").read_text()
        assert "Umask:\t0077\n" in state, f"others may read what {words} writes"
    assert platform.text().count(password) == 1
    refused = platform.manage("up")
    assert refused.returncode != 0
    assert "runs already" in refused.stderr


def import_while_the_worker_is_killed(platform: Platform, owner: Api, slug: str) -> None:
    sent = owner.call("POST", f"projects/{slug}/images/", files={"archive": ("all.zip", archive(), "application/zip")})
    job = sent["job"] if isinstance(sent["job"], str) else sent["job"]["id"]
    wait_until(lambda: owner.call("GET", f"jobs/{job}/")["progress"] > 0, patience=120, what="the import", pause=0.05)
    platform.kill(platform.pid_of("worker", "cpu"))
    ended = owner.wait_for_job(job, patience=300)
    assert ended["result"]["imported"] == IMAGES
    names = Counter(row["name"] for row in owner.pages(f"projects/{slug}/images/?page_size=500"))
    assert len(names) == IMAGES
    assert set(names.values()) == {1}


def label_while_everything_is_killed(platform: Platform, owner: Api, slug: str) -> None:
    crew = []
    for number in range(WORKERS):
        made = owner.call("POST", f"projects/{slug}/workers/", json={"username": f"worker{number}", "role": "worker"})
        crew.append(Labeler(Patient(platform.url, made["token"]), slug))
    for labeler in crew:
        labeler.start()
    for words in (("worker", "cpu"), ("postgres", "-D"), ("config.web",)):
        wait_for_more(crew, IMAGES // 4)
        wait_until(partial(platform.runs, *words), patience=60, what=f"{words} to run")
        platform.kill(platform.pid_of(*words))
    for labeler in crew:
        labeler.join(300)
        assert not labeler.is_alive()
        assert labeler.problem == ""
    wanted = IMAGES * JUDGMENTS
    stored = Counter(
        (row["worker"], row["image"]) if not isinstance(row["image"], dict) else (row["worker"], row["image"]["id"])
        for row in owner.pages(f"projects/{slug}/judgments/?page_size=500")
    )
    assert sum(stored.values()) == wanted, "none is lost and none is over"
    assert set(stored.values()) == {1}, "none is there twice"
    for number, labeler in enumerate(crew):
        assert {(f"worker{number}", image) for image in labeler.acknowledged} <= set(stored)
    wait_until(
        lambda: len(list(owner.pages(f"projects/{slug}/labels/?page_size=500"))) == IMAGES,
        patience=180, what="a label for every image",
    )  # fmt: skip


def wait_for_more(crew: list[Labeler], count: int) -> None:
    """Until so many more judgments were acknowledged, or there is nothing left to judge."""
    wanted = sum(len(one.acknowledged) for one in crew) + count

    def enough() -> bool:
        return sum(len(one.acknowledged) for one in crew) >= wanted or not any(one.is_alive() for one in crew)

    wait_until(enough, patience=180, what=f"{count} more judgments", pause=0.05)


def train_while_the_trainer_is_killed(platform: Platform, owner: Api, slug: str) -> None:
    run = owner.call("POST", f"projects/{slug}/training-runs/", json={"recipe": "feature_extraction"})
    wait_until(
        lambda: owner.call("GET", f"training-runs/{run['id']}/")["state"] == "running",
        patience=180, what="the run to start", pause=0.02,
    )  # fmt: skip
    platform.kill(platform.pid_of("worker", "gpu"))
    ended = wait_until(
        lambda: (row := owner.call("GET", f"training-runs/{run['id']}/"))["state"] not in {"queued", "running"} and row,
        patience=400, what="the run to end",
    )  # fmt: skip
    assert ended["state"] == "succeeded", ended
    assert len(list(owner.pages(f"projects/{slug}/models/"))) == 1


def stop_and_be_killed(platform: Platform, password: str) -> None:
    """The scheduler comes back as all others have; nothing is left after Ctrl-C, nor after kill -9 of the parent."""
    before = platform.pid_of("scheduler")
    platform.kill(before)
    until(partial(platform.runs, "scheduler", other_than=before), "the scheduler is back")
    until(partial(platform.answers, "/readyz"), "ready after the scheduler was killed")
    platform.stop(signal.SIGINT)
    until(lambda: not platform.left(), "nothing is left after Ctrl-C")

    platform.start()
    assert platform.text().count(password) == 1, "the generated password is told once"
    assert platform.process is not None
    platform.process.kill()
    platform.process.wait()
    until(lambda: not platform.left(), "nothing is left after kill -9")
