"""The loop closes: what the model never saw comes back first, is answered, and is known after the next training.

From outside, by the API alone; the clock's messages are sent as the scheduler sends them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image as Picture

from inference import actors
from inference.engine import runtime
from inference.engine.routing import routes
from tests.training.drawing import draw, png
from training import actors as training_actors

API = "/api/v1/"
PROJECT = API + "projects/shapes-and-more/"
SEEN, UNSEEN = ("circle", "square"), "rings"


@pytest.fixture(autouse=True)
def own_engine(settings: Any) -> Iterator[None]:
    settings.TRAINER_PROCESS = False
    runtime.engine.cache_clear()
    routes.forget()
    yield
    runtime.engine.cache_clear()
    routes.forget()


def drawn(kind: str, seed: int) -> bytes:
    """A warm circle, a blue square, or green rings."""
    if kind != UNSEEN:
        return draw(kind, seed)
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] - rng.integers(20, 44, 2)[:, None, None]
    waves = np.sin(np.hypot(x, y) * rng.uniform(0.7, 1.0)) * 100 + 120
    noise = rng.normal(0, 6, (64, 64, 3))
    return png(Picture.fromarray(np.clip(waves[..., None] * (0.3, 1.0, 0.4) + noise, 0, 255).astype(np.uint8)))


def files(kind: str, seeds: range) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"{kind}-{seed}.png", drawn(kind, seed), "image/png") for seed in seeds]


def done(answer: Any, *, status: int = 200) -> Any:
    assert answer.status_code == status, answer.content
    return answer.json()


class Crowd:
    """A person who sees what is drawn, and a program that asks the classifier."""

    def __init__(self, api: Any, run_actors: Any) -> None:
        self.api, self.run_actors = api, run_actors
        body = {
            "name": "Shapes and more", "categories": [*SEEN, UNSEEN], "judgments_per_task": {"min": 1, "max": 1},
            "backbone": "crowdtune_small", "recipe": "feature_extraction", "automatic_training": False,
        }  # fmt: skip
        assert done(api.post(API + "projects/", body, format="json"), status=201)["slug"] == "shapes-and-more"
        done(api.patch(PROJECT + "serving/", {"random_share": 0}, format="json"))

    def upload(self, kinds: tuple[str, ...], seeds: range) -> None:
        sent = [file for kind in kinds for file in files(kind, seeds)]
        done(self.api.post(PROJECT + "images/", {"files": sent}, format="multipart"), status=202)
        self.run_actors()

    def answer(self) -> list[str]:
        """Answers until nothing is left; returns what came, in the order in which it came."""
        names = {row["id"]: row["name"] for row in self._images()}
        came = []
        while (claimed := self.api.post(PROJECT + "assignments/")).status_code == 201:
            task = claimed.json()
            kind = names[task["image"]["id"]].partition("-")[0]
            answers = {question["key"]: kind for question in task["questions"]}
            address = f"{API}assignments/{task['id']}/judgment/"
            done(self.api.post(address, {"answers": answers, "seconds": 1}, format="json"), status=201)
            came.append(kind)
        self.run_actors()
        return came

    def _images(self) -> Iterator[dict[str, Any]]:
        address = PROJECT + "images/?page_size=500"
        while address:
            page = done(self.api.get(address))
            yield from page["results"]
            address = page["next"]

    def train(self) -> int:
        asked = done(self.api.post(PROJECT + "training-runs/", {"augmentation": False}, format="json"), status=202)
        self.run_actors()
        run = done(self.api.get(f"{API}training-runs/{asked['id']}/"))
        assert run["state"] == "succeeded", run["failure"]
        version = run["model_version"]
        self.api.post(f"{PROJECT}models/{version}/promote/")
        routes.forget()
        return int(version)

    def right(self, kind: str, seeds: range) -> float:
        """Share of pictures that were never uploaded whose first category is the true one."""
        said = done(self.api.post(PROJECT + "predict/", {"image": files(kind, seeds)}, format="multipart"))
        firsts = [one["categories"][0]["category"] for one in said["predictions"]]
        return firsts.count(kind) / len(firsts)


@pytest.mark.slow
@pytest.mark.usefixtures("trunk_here")
def test_a_class_that_the_model_never_saw_comes_back_first_and_is_known_after_the_next_training(
    api: Any, run_actors: Any
) -> None:
    crowd = Crowd(api, run_actors)
    crowd.upload(SEEN, range(16))
    assert Counter(crowd.answer()) == {"circle": 16, "square": 16}
    assert crowd.train() == 1
    before = {kind: crowd.right(kind, range(500, 510)) for kind in (*SEEN, UNSEEN)}
    assert before[UNSEEN] == 0
    assert min(before[kind] for kind in SEEN) > 0.6, before

    crowd.upload((*SEEN, UNSEEN), range(100, 112))
    training_actors.embed_new_images.send()
    run_actors()
    actors.score_pools.send()
    run_actors()
    came = crowd.answer()

    assert len(came) == 36
    assert came[:12].count(UNSEEN) >= 8, f"a third of the pool is unknown to the model; the order was {came}"
    assert crowd.train() == 2
    after = {kind: crowd.right(kind, range(500, 510)) for kind in (*SEEN, UNSEEN)}
    assert after[UNSEEN] > 0.6, after
