"""Makes the demo's project through the public API, and takes up its crowd where an earlier start left it."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from config.demo.crowd import SimulatedWorker, Truth
from config.demo.drawing import CATEGORIES, draw_set
from labeling.importing.known.imagefolder import SUFFIXES

BATCH = 40
# Skill and seconds per answer of each simulated worker: two careful ones, four ordinary ones, one hasty, one careless.
CAST = ((0.97, 1.9), (0.95, 1.6), (0.91, 1.3), (0.89, 1.4), (0.86, 1.1), (0.83, 1.2), (0.74, 0.7), (0.58, 0.6))
INSTRUCTIONS = "Choose what the picture shows. When you cannot tell, say so: that is an answer too."
QUESTION = {
    "key": "category",
    "kind": "single_choice",
    "prompt": "What is in this image?",
    "options": {"cant_tell": True},
}


class DemoError(RuntimeError):
    """The demo could not be made; the message says what was answered."""


@dataclass(frozen=True)
class Picture:
    name: str
    truth: Truth
    read: Callable[[], bytes]


def drawn_pictures(count: int) -> list[Picture]:
    return [Picture(d.name, Truth(d.category, d.difficulty), d.data) for d in draw_set(count)]


def own_pictures(folder: Path) -> list[Picture]:
    """One sub-folder per category. Names are made new: two folders may use one name, and a name can tell the answer.

    How hard each is to tell is not known, so it is drawn from the hash of its path.

    Raises:
        DemoError: There are fewer than two sub-folders with images.
    """
    pictures = []
    for file in sorted(folder.glob("*/*")):
        if file.suffix.lower() in SUFFIXES:
            digest = hashlib.sha256(f"{file.parent.name}/{file.name}".encode()).hexdigest()
            truth = Truth(file.parent.name, (int(digest[:8], 16) / 2**32) ** 2)
            pictures.append(Picture(f"{digest[:12]}{file.suffix.lower()}", truth, file.read_bytes))
    if len({picture.truth.category for picture in pictures}) < 2:
        raise DemoError(f"{folder} must hold at least two folders, one per category, with images in them.")
    return pictures


class Owner:
    """The demo's owner, as a client of the API."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Token {key}"}, timeout=120)

    def call(self, method: str, path: str, **rest: object) -> dict:
        response = self.http.request(method, f"/api/v1/{path}", **rest)  # type: ignore[arg-type]
        if response.status_code >= 400:
            raise DemoError(f"{method} {path} was answered {response.status_code}: {response.text[:500]}")
        return response.json() if response.content else {}

    def create_project(self, name: str, categories: Sequence[str]) -> str:
        body = {
            "name": name,
            "instructions": INSTRUCTIONS,
            "categories": list(categories),
            "questions": [QUESTION],
            "judgments_per_task": {"min": 3, "max": 5},
            "access": "open",
        }
        return self.call("POST", "projects/", json=body)["slug"]

    def upload(self, slug: str, pictures: Sequence[Picture], say: Callable[[str], None]) -> None:
        for start in range(0, len(pictures), BATCH):
            batch = pictures[start : start + BATCH]
            files = [("files", (picture.name, picture.read())) for picture in batch]
            job = self.call("POST", f"projects/{slug}/images/", files=files)["job"]
            self.wait(job if isinstance(job, str) else job["id"])
            say(f"{start + len(batch)} of {len(pictures)} images are in")

    def wait(self, job: str, patience: float = 300) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            state = self.call("GET", f"jobs/{job}/")
            if state["state"] == "succeeded":
                return
            if state["state"] in {"failed", "cancelled"}:
                raise DemoError(f"The import {job} {state['state']}: {state['message']}")
            time.sleep(0.3)
        raise DemoError(f"The import {job} did not end in {patience:.0f} s. Is a worker running?")

    def image_ids(self, slug: str) -> dict[str, int]:
        """File name -> image id, of all images of the project."""
        return {image["name"]: image["id"] for image in self.pages(f"projects/{slug}/images/?page_size=500")}

    def pages(self, path: str) -> Iterator[dict]:
        page = self.call("GET", path)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self.call("GET", page["next"].split("/api/v1/", 1)[1])

    def hire(self, slug: str, prefix: str) -> list[SimulatedWorker]:
        workers = []
        for number, (skill, seconds) in enumerate(CAST, start=1):
            made = self.call(
                "POST", f"projects/{slug}/workers/", json={"username": f"{prefix}-{number}", "role": "worker"}
            )
            workers.append(SimulatedWorker(made["username"], made["token"], skill, seconds))
        return workers


def write_truths(file: Path, truths: Mapping[str, Truth]) -> None:
    with _whole(file) as stream:
        writer = csv.writer(stream)
        writer.writerow(["name", "category", "difficulty"])
        writer.writerows((name, truth.category, truth.difficulty) for name, truth in truths.items())


def write_state(file: Path, state: Mapping[str, object]) -> None:
    """What a later start goes on from."""
    with _whole(file) as stream:
        json.dump(state, stream)


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[IO[str]]:
    """A file that is there when all of it is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with draft.open("w", newline="", encoding="utf-8") as stream:
        yield stream
    draft.replace(file)


def read_truths(file: Path) -> dict[str, Truth]:
    with file.open(newline="", encoding="utf-8") as stream:
        return {row["name"]: Truth(row["category"], float(row["difficulty"])) for row in csv.DictReader(stream)}


__all__ = [
    "CATEGORIES",
    "DemoError",
    "Owner",
    "Picture",
    "drawn_pictures",
    "own_pictures",
    "read_truths",
    "write_state",
    "write_truths",
]
