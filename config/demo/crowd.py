"""A handful of simulated workers who label through the public API, at a pace that a person can watch.

Each has a skill of their own; pictures that are hard to tell are hard for all of them. They use nothing but the REST
API, as any outside crowd would: claim, look, think, answer.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx
import numpy as np

logger = logging.getLogger(__name__)

IDLE_SECONDS = 5.0  # between two asks when nothing is left: the loop may send something back
PATIENCE = 8  # failed requests in a row before a worker gives up


@dataclass(frozen=True)
class Truth:
    """What a picture shows, and how hard that is to see (0 to 1)."""

    category: str
    difficulty: float


@dataclass(frozen=True)
class SimulatedWorker:
    username: str
    key: str
    skill: float  # share of right answers on a clear picture
    seconds: float  # typical time to think


@dataclass
class Crowd:
    """Runs the workers against one project until ``most`` judgments are made or ``stop`` is set.

    Args:
        url: Where Crowdtune answers, without a slash at its end.
        slug: The project.
        categories: Its category keys.
        truths: Image id -> Truth.
        most: Judgments of all together; what is left is for visitors.
        slow_after: Judgments after which each thinks four times as long: by then the first model is there.
    """

    url: str
    slug: str
    categories: Sequence[str]
    truths: Mapping[int, Truth]
    most: int
    slow_after: int

    def __post_init__(self) -> None:
        self.made = 0
        self.stop = threading.Event()
        self._lock = threading.Lock()

    def run(self, workers: Sequence[SimulatedWorker]) -> int:
        """Block until the work is done; return the number of judgments that were accepted."""
        threads = [
            threading.Thread(target=self._work, args=(worker, np.random.default_rng(number)), daemon=True)
            for number, worker in enumerate(workers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.made

    def _work(self, worker: SimulatedWorker, rng: np.random.Generator) -> None:
        headers = {"Authorization": f"Token {worker.key}"}
        failures = 0
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            while not self._done():
                try:
                    seconds = self._one_task(client, worker, rng)
                    failures = 0
                except httpx.HTTPError as error:
                    failures += 1
                    if failures > PATIENCE:
                        logger.warning("%s gives up: %s", worker.username, error)
                        return
                    seconds = min(30.0, 2.0**failures)
                self.stop.wait(seconds)

    def _done(self) -> bool:
        return self.stop.is_set() or self.made >= self.most

    def _one_task(self, client: httpx.Client, worker: SimulatedWorker, rng: np.random.Generator) -> float:
        """Claim, think, answer; return how long to rest before the next."""
        claimed = client.post(f"/api/v1/projects/{self.slug}/assignments/")
        if claimed.status_code == 204:
            return IDLE_SECONDS
        if claimed.status_code in {403, 404}:
            logger.info("%s is not wanted any more: %s", worker.username, claimed.text[:200])
            self.stop.set()
            return 0
        claimed.raise_for_status()
        assignment = claimed.json()
        seconds = self._think(worker, rng)
        body = {
            "answers": {question["key"]: self._answer(worker, assignment, rng) for question in assignment["questions"]},
            "seconds": round(seconds, 2),
        }
        answered = client.post(f"/api/v1/assignments/{assignment['id']}/judgment/", json=body)
        if answered.status_code == 409:
            return 0.5
        answered.raise_for_status()
        with self._lock:
            self.made += 1
        return 0.05

    def _think(self, worker: SimulatedWorker, rng: np.random.Generator) -> float:
        pace = 4 if self.made >= self.slow_after else 1
        seconds = float(worker.seconds * rng.lognormal(0, 0.4) * pace)
        started = time.monotonic()
        self.stop.wait(seconds)
        return time.monotonic() - started

    def _answer(self, worker: SimulatedWorker, assignment: dict, rng: np.random.Generator) -> str:
        truth = self.truths.get(assignment["image"]["id"])
        if truth is None or rng.uniform() > chance_of_right(worker.skill, truth.difficulty, len(self.categories)):
            return str(rng.choice([c for c in self.categories if truth is None or c != truth.category]))
        return truth.category


def chance_of_right(skill: float, difficulty: float, n_categories: int) -> float:
    """From the worker's skill on a clear picture down to a guess on one that nobody can tell."""
    guess = 1 / n_categories
    return guess + (skill - guess) * (1 - 0.85 * difficulty**2)
