"""The loop closes, seen from outside: what the model never saw comes back first, is answered, and is learned."""

from __future__ import annotations

import io

import numpy as np
import pytest
from django.contrib.auth.models import User
from PIL import Image as Picture

from inference.engine.routing import routes
from inference.feedback import backlog
from inference.intake.features import stored_features
from inference.models import Prediction
from labeling.models import Image, Task
from labeling.services import add_images
from tests.inference.serving import CATEGORIES
from training.learning.heads.head import HeadOptions, fit_head

SHADES = {"blue": (30, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def coloured(name: str, seed: int) -> bytes:
    """A noisy picture of one colour."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(np.array(SHADES[name]) + rng.normal(0, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def trained_on(images: list[Image], labels: list[str], add_version, categories: tuple[str, ...]):
    """A champion whose snapshot holds these images, its head fitted on their features."""
    known = [(image, label) for image, label in zip(images, labels, strict=True) if label in categories]
    features = stored_features("tiny-0000", [image for image, _label in known])
    y = np.eye(len(CATEGORIES), dtype=np.float32)[[CATEGORIES.index(label) for _image, label in known]]
    head, _history = fit_head(features, y, categories=CATEGORIES, options=HeadOptions(strength=0.1, epochs=60))
    version = add_version(head=head, alias="champion")
    for image, label in known:
        version.run.snapshot.items.create(image=image, sha256=image.sha256, label=label, confidence=1, split="train")
    routes.forget()
    return version


def share_right(api, seeds: range, name: str) -> float:
    files = []
    for seed in seeds:
        file = io.BytesIO(coloured(name, seed))
        file.name = "photo.png"
        files.append(file)
    body = api.post("/api/v1/projects/colours/predict/", {"image": files}, format="multipart").json()
    return float(np.mean([one["categories"][0]["category"] == name for one in body["predictions"]]))


@pytest.mark.slow
def test_images_of_a_class_never_seen_come_first_and_are_learned_from_the_answers(
    project, add_version, api, client_of, data_dir
) -> None:
    training = [(name, seed) for name in ("blue", "green") for seed in range(40)]
    pool = [("blue", 100 + n) for n in range(60)] + [("green", 200 + n) for n in range(60)]
    pool += [("red", 300 + n) for n in range(30)]
    learned = add_images(project=project, images={f"{n}{s}": coloured(n, s) for n, s in training})
    Task.objects.filter(project=project).update(state="retired", retired_because="person")
    first = trained_on(learned, [name for name, _seed in training], add_version, ("blue", "green"))
    assert share_right(api, range(900, 920), "red") < 0.2

    waiting = add_images(project=project, images={f"{n}{s}": coloured(n, s) for n, s in pool})
    truth = {image.pk: name for image, (name, _seed) in zip(waiting, pool, strict=True)}
    stored_features("tiny-0000", waiting)
    backlog.score_pool(project.pk)
    chosen = list(Task.objects.filter(project=project, state="open").order_by("-priority")[:30])
    reds = sum(truth[task.image_id] == "red" for task in chosen)
    assert reds / 30 > 2 * 30 / 150, "the class that the model never saw is sent to the crowd well above its share"
    assert Prediction.objects.filter(version=first, reason="novel").exists()

    worker = client_of(User.objects.create_user("worker1"))
    api.post("/api/v1/projects/colours/workers/", {"username": "worker1", "role": "worker"}, format="json")
    answered: dict[int, str] = {}
    for _ in range(30):
        claim = worker.post("/api/v1/projects/colours/assignments/", {}, format="json")
        assert claim.status_code == 201, claim.content
        image_id = claim.json()["image"]["id"]
        answered[image_id] = truth[image_id]
        url = f"/api/v1/assignments/{claim.json()['id']}/judgment/"
        body = {"answers": {"label": truth[image_id]}, "seconds": 1.0}
        assert worker.post(url, body, format="json").status_code == 201
    images = learned + [image for image in waiting if image.pk in answered]
    labels = [name for name, _seed in training] + [answered[image.pk] for image in waiting if image.pk in answered]
    trained_on(images, labels, add_version, CATEGORIES)
    assert share_right(api, range(900, 920), "red") > 0.8
