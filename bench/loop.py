"""The whole loop from outside: photographs and an imperfect crowd in, answers about new photographs out.

Uses only the public contract of a running Crowdtune. 800 photographs of two categories are uploaded; 12 scripted
workers of accuracy .65 to .97 (two of them spammers) answer until each task is retired; a champion is trained without
a human hand; then it is asked about 200 photographs that were never uploaded.

    python -m bench.loop --images ../shared/data/images/cats_dogs --token KEY [--url http://127.0.0.1:8000]
"""

from __future__ import annotations

import argparse
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.api import Api, wait_until

# (skill, how a wrong answer comes about): the last two answer without looking.
CREW = [(s, "honest") for s in (0.97, 0.95, 0.93, 0.90, 0.88, 0.85, 0.80, 0.75, 0.70, 0.65)] + [
    (0.5, "random"),
    (0.5, "always the first"),
]


class Worker(threading.Thread):
    """Claims and answers until there is nothing left; remembers what it said, for the majority vote beside."""

    def __init__(self, api: Api, slug: str, skill: float, manner: str, truth: dict[Any, str], seed: int) -> None:
        super().__init__(daemon=True)
        self.api, self.slug, self.skill, self.manner, self.truth = api, slug, skill, manner, truth
        self.random = random.Random(seed)
        self.said: list[tuple[Any, str]] = []

    def run(self) -> None:
        categories = sorted(set(self.truth.values()))
        while True:
            claimed = self.api.send("POST", f"projects/{self.slug}/assignments/")
            if claimed.status_code == 204:
                return
            claimed.raise_for_status()
            assignment = claimed.json()
            image = assignment["image"]["id"]
            answer = self._answer(self.truth[image], categories)
            answers = {question["key"]: answer for question in assignment["questions"]}
            sent = self.api.send(
                "POST", f"assignments/{assignment['id']}/judgment/", json={"answers": answers, "seconds": 1.0}
            )
            if sent.status_code != 409:
                sent.raise_for_status()
                self.said.append((image, answer))

    def _answer(self, truth: str, categories: list[str]) -> str:
        if self.manner == "always the first":
            return categories[0]
        if self.random.random() < self.skill:
            return truth
        return self.random.choice([category for category in categories if category != truth])


def measure(url: str, token: str, images: Path, *, train: int, test: int, backbone: str, seed: int) -> dict[str, float]:
    """Run the loop once and return its figures."""
    owner = Api(url, token)
    files, held_out = _split(images, train, test, seed)
    truth_of = {file.name: file.parent.name for file in files + held_out}
    categories = sorted({file.parent.name for file in files})
    body = {
        "name": f"Loop {int(time.time())}",
        "categories": categories,
        "judgments_per_task": {"min": 3, "max": 3},
        "backbone": backbone,
        "automatic_training": True,
    }
    slug = owner.call("POST", "projects/", json=body)["slug"]
    started = time.monotonic()
    owner.upload(slug, files)
    uploaded = time.monotonic()
    truth = {row["id"]: truth_of[row["name"]] for row in owner.pages(f"projects/{slug}/images/?page_size=500")}
    crew = _crew(owner, slug, url, truth)
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()
    answered = time.monotonic()
    version = wait_until(lambda: _champion(owner, slug), patience=900, what="a champion", pause=1)
    settled = _settle(owner, slug)
    ready = time.monotonic()
    right = _consensus_right(owner, slug, truth)
    votes: dict[Any, Counter[str]] = {}
    for worker in crew:
        for image, answer in worker.said:
            votes.setdefault(image, Counter())[answer] += 1
    majority = sum(_share_of_top(vote, truth[image]) for image, vote in votes.items()) / len(votes)
    return {
        "images": len(truth),
        "judgments": sum(len(worker.said) for worker in crew),
        "majority accuracy": majority,
        "consensus accuracy": right,
        "champion version": (settled or version)["version"],
        "accuracy on photographs never uploaded": _predict(owner, slug, held_out),
        "seconds uploading": uploaded - started,
        "seconds answering": answered - uploaded,
        "seconds from the last answer to a settled champion": ready - answered,
    }


def _split(images: Path, train: int, test: int, seed: int) -> tuple[list[Path], list[Path]]:
    files = sorted(file for file in images.glob("*/*") if file.suffix.lower() in {".jpg", ".jpeg", ".png"})
    random.Random(seed).shuffle(files)
    return files[:train], files[train : train + test]


def _crew(owner: Api, slug: str, url: str, truth: dict[Any, str]) -> list[Worker]:
    crew = []
    for number, (skill, manner) in enumerate(CREW):
        made = owner.call("POST", f"projects/{slug}/workers/", json={"username": f"{slug}-w{number}", "role": "worker"})
        crew.append(Worker(Api(url, made["token"]), slug, skill, manner, truth, seed=number))
    return crew


def _champion(owner: Api, slug: str) -> dict[str, Any] | None:
    return next((row for row in owner.pages(f"projects/{slug}/models/") if row["alias"] == "champion"), None)


def _settle(owner: Api, slug: str) -> dict[str, Any] | None:
    """Wait until no training run is under way for a while, then look who is champion."""
    calm = 0
    for _ in range(600):
        live = [row for row in owner.pages(f"projects/{slug}/training-runs/") if row["state"] in {"queued", "running"}]
        calm = 0 if live else calm + 1
        if calm >= 25:
            break
        time.sleep(1)
    return _champion(owner, slug)


def _consensus_right(owner: Api, slug: str, truth: dict[Any, str]) -> float:
    rows = list(owner.pages(f"projects/{slug}/labels/?page_size=500"))
    return sum(row["answer"] == truth[row["image"]["id"]] for row in rows) / len(truth)


def _share_of_top(vote: Counter[str], truth: str) -> float:
    """1 when the truth alone has most votes; its share of a tie; else 0."""
    most = max(vote.values())
    top = [answer for answer, count in vote.items() if count == most]
    return 1 / len(top) if truth in top else 0.0


def _predict(owner: Api, slug: str, files: list[Path]) -> float:
    right = 0
    for start in range(0, len(files), 20):
        batch = files[start : start + 20]
        parts = [("image", (file.name, file.read_bytes())) for file in batch]
        answer = owner.call("POST", f"projects/{slug}/predict/", files=parts)
        for file, prediction in zip(batch, answer["predictions"], strict=True):
            right += prediction["categories"][0]["category"] == file.parent.name
    return right / len(files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", default=os.environ.get("CROWDTUNE_TOKEN", ""), help="a manager's API key")
    parser.add_argument("--username", default="admin")
    parser.add_argument("--password", help="instead of a token")
    parser.add_argument("--images", type=Path, required=True, help="a folder with one sub-folder per category")
    parser.add_argument("--train", type=int, default=800)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    token = options.token or Api.sign_in(options.url, options.username, options.password).http.headers[
        "Authorization"
    ].removeprefix("Token ")
    figures = measure(
        options.url, token, options.images, train=options.train, test=options.test, backbone=options.backbone,
        seed=options.seed,
    )  # fmt: skip
    for name, figure in figures.items():
        print(f"{name:<55} {figure:.3f}" if isinstance(figure, float) else f"{name:<55} {figure}")


if __name__ == "__main__":
    main()
