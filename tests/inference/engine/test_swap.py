"""Promotions under load, memory under many versions, and damaged images by the hundred."""

from __future__ import annotations

import io
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

import httpx
import numpy as np
import pytest
from django.db import transaction

from inference.engine import runtime
from inference.engine.cache import Cache
from inference.engine.routing import VersionRef, routes
from labeling.accounts.keys import create_key
from labeling.files.imaging import pixels
from tests.inference.serving import CATEGORIES, SIZE, make_head, make_trunk, picture
from tests.processes import until
from training.models import ModelVersion

CLIENTS, SWAPS = 16, 50


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_fifty_promotions_under_load_fail_no_request_and_mix_no_answer(
    live_server, project, owner, add_version, monkeypatch
) -> None:
    monkeypatch.setattr(routes, "seconds", 0.02)
    monkeypatch.setattr(runtime.engine().admission, "patience", 600)  # a busy machine's lanes are long in coming
    versions = [add_version(seed=seed, alias="champion") for seed in (1, 2)]
    data = picture(3)
    features = runtime.engine().trunk("tiny-0000").embed(pixels(data, SIZE)[None])
    expected = {number + 1: make_head(number + 1).probabilities(features)[0] for number in range(2)}
    request = httpx.Request(
        "POST",
        f"{live_server.url}/api/v1/projects/colours/predict/",
        headers={"Authorization": f"Token {create_key(user=owner)[1]}"},
        files=[("image", ("p.png", data, "image/png"))] * 2,
    )
    request.read()  # written once, and sent by all
    stop, turns, answered, problems = threading.Event(), [], Counter(), []

    def ask() -> int:
        count = 0
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                begun = len(turns)
                response = client.send(request)
                count += 1
                if response.status_code != 200:
                    problems.append(response.text)
                    continue
                body = response.json()
                answered[begun, body["model_version"]] += 1
                for prediction in body["predictions"]:
                    got = {score["category"]: score["probability"] for score in prediction["categories"]}
                    wanted = expected[body["model_version"]]
                    if not np.allclose([got[key] for key in CATEGORIES], wanted, atol=1e-5):
                        problems.append(body)
        return count

    with ThreadPoolExecutor(CLIENTS) as pool, ExitStack() as at_the_end:
        at_the_end.callback(stop.set)
        asked = [pool.submit(ask) for _ in range(CLIENTS)]
        for swap in range(SWAPS):
            version = versions[swap % 2]
            with transaction.atomic():
                ModelVersion.objects.filter(project=project).update(alias="")
                ModelVersion.objects.filter(pk=version.pk).update(alias="champion")
            turns.append(version)
            met = partial(answered.__getitem__, (len(turns), version.number))
            until(lambda met=met: problems or met(), "the promoted one answers who asked since")
    assert sum(future.result() for future in asked) > SWAPS
    assert problems == []


def test_twenty_four_models_take_turns_within_the_bound_of_memory(project, add_version, data_dir) -> None:
    for number in range(24):
        make_trunk(data_dir / "trunks", f"tiny-{number:04d}", dim=256)
    refs = [VersionRef.of(add_version(seed=n, trunk=f"tiny-{n:04d}", head=make_head(n, 256))) for n in range(24)]
    engine = runtime.engine()
    one = sum(path.stat().st_size for path in (data_dir / "trunks" / "tiny-0000").glob("*.bin"))
    engine.cache = Cache(6 * one)
    order = [*refs, *random.Random(0).sample(refs, 24)]
    first = {}
    for ref in order:
        answer = engine.classify(ref, [picture(1)])
        assert engine.cache.size <= 6 * one
        before = first.setdefault(ref.id, answer.probabilities)
        np.testing.assert_array_equal(answer.probabilities, before)
    assert len(engine.cache) < 24


@pytest.mark.slow
def test_a_thousand_damaged_images_are_a_thousand_clear_refusals_or_answers(api, champion) -> None:
    rng = random.Random(1)
    whole = [picture(n, (120, 90), kind) for n, kind in enumerate(("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"))]
    statuses = set()
    for number in range(1000):
        data = bytearray(whole[number % len(whole)])
        if number % 3 == 0:
            data = data[: rng.randrange(len(data))]
        elif number % 3 == 1:
            for _ in range(rng.randrange(1, 30)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        else:
            data = bytearray(rng.randbytes(rng.randrange(2000))) + data[rng.randrange(40) :]
        file = io.BytesIO(bytes(data))
        file.name = "photo.jpg"
        response = api.post("/api/v1/projects/colours/predict/", {"image": file}, format="multipart")
        statuses.add(response.status_code)
        assert response.status_code in {200, 400}, (number, response.content)
        if response.status_code == 400:
            assert len(response.json()["error"]["message"]) > 20
    assert statuses == {200, 400}
