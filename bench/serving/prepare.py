"""Makes what the servers need: trunk, head, the same in Keras, a photo, a database with a key; and the ceiling."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
FOLDER = Path(os.environ["BENCH_FOLDER"])
PRECISION = os.environ.get("BENCH_PRECISION", "f32")
CLASSES = 10
BACKBONES = ("mobilenet_v2_1.0", "mobilenet_v2_0.35", "crowdtune_small")
CEILING_IMAGES = 200


def main() -> None:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(FOLDER), "SECRET_KEY": "bench"}
    os.environ |= {"DATABASE_URL": os.environ["BENCH_DATABASE"], "ENV_FILE": os.devnull, "LOG_LEVEL": "ERROR"}
    import django

    django.setup()
    if os.environ.get("BENCH_STEP") == "ceiling":
        print(ceiling((FOLDER / "photo.jpg").read_bytes()))
        return
    photo = draw_photo()
    (FOLDER / "photo.jpg").write_bytes(photo)
    backbone = make_models()
    print(json.dumps(make_rows() | {"backbone": backbone}))


def draw_photo() -> bytes:
    """500 x 375, with the spectrum of a photograph: noise summed over scales."""
    rng = np.random.default_rng(0)
    picture = np.zeros((375, 500, 3))
    for side in (4, 8, 16, 32, 64, 128):
        coarse = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        picture += np.asarray(coarse.resize((500, 375), Image.Resampling.BICUBIC), np.float64) / 6
    buffer = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def make_models() -> str:
    from training.learning.artifact import record, record_verification, write_version
    from training.learning.heads.dense import Head
    from training.learning.networks.backbones import BACKBONES as ZOO
    from training.learning.networks.keys import trunk_key
    from training.learning.networks.trunk import Trunk, export_trunk
    from training.learning.networks.weights import locate
    from training.learning.portable import write_trunk
    from training.learning.verify import keras_classifier

    shared = ROOT.parent / "shared" / "data" / "weights"
    backbone = next(ZOO[key] for key in BACKBONES if locate(ZOO[key], shared).path is not None)
    weights = locate(backbone, shared)
    key = trunk_key(backbone, weights.sha256)
    folder = export_trunk(backbone, weights, FOLDER / "trunks" / key)
    write_trunk(backbone, weights, folder)
    trunk = Trunk(folder)
    rng = np.random.default_rng(1)
    head = Head(
        [(rng.normal(0, 0.05, (trunk.dim, CLASSES)).astype(np.float32), np.zeros(CLASSES, np.float32))],
        np.zeros(trunk.dim, np.float32), np.ones(trunk.dim, np.float32), 1.3,
        tuple(f"class{number}" for number in range(CLASSES)),
    )  # fmt: skip
    write_version(
        FOLDER / "version", head=head, categories=head.categories, trunk_key=key, backbone=backbone.key,
        size=trunk.size, temperature=head.temperature, recipe="feature_extraction", metrics={},
    )  # fmt: skip
    record_verification(FOLDER / "version", {"count": 1, "difference": 0.0, "same_top1": True, "passed": True})
    # What a run measures on its held-out images; here it is the cost that is measured, on a head that learned nothing.
    record(FOLDER / "version", "precision", {"serve": PRECISION, "because": "the benchmark asks for it"})
    keras_classifier(backbone, weights, head).save(FOLDER / "model.keras")
    return backbone.key


def make_rows() -> dict[str, str]:
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from labeling.accounts.keys import create_key
    from labeling.services import create_project
    from training.models import ModelVersion, Snapshot, TrainingRun

    call_command("migrate", verbosity=0)
    owner = User.objects.create_user("bench")
    keys = [f"class{number}" for number in range(CLASSES)]
    project = create_project(owner=owner, name="Bench", categories=keys)
    snapshot = Snapshot.objects.create(
        project=project, question=project.primary_question(), digest="0" * 64, categories=keys, counts={}, item_count=0
    )
    run = TrainingRun.objects.create(
        project=project, snapshot=snapshot, cause="person", backbone="", recipe="feature_extraction", state="succeeded"
    )
    ModelVersion.objects.create(
        project=project, run=run, number=1, alias="champion", categories=keys, artifact="version"
    )
    return {"slug": project.slug, "token": create_key(user=owner, scopes=("predict",))[1]}


def ceiling(photo: bytes) -> float:
    """CPU milliseconds an image: decode, trunk, head, on as many threads as cores, nothing else."""
    from django.conf import settings

    from labeling.files.imaging import pixels
    from labeling.resilience.turns import cores
    from training.learning.artifact import load_version
    from training.learning.networks.trunk import Trunk

    classifier = load_version(FOLDER / "version")
    folder = FOLDER / "trunks" / classifier.trunk_key
    trunk = Trunk(folder, precision=PRECISION, portable=settings.INFERENCE_RUNTIME == "litert")

    def work(count: int) -> None:
        for _ in range(count):
            classifier.probabilities_from_features(trunk.embed(pixels(photo, trunk.size)[None]))

    def all_cores(count: int) -> None:
        threads = [threading.Thread(target=work, args=(count // cores(),)) for _ in range(cores())]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    all_cores(20)
    started = time.process_time()
    all_cores(CEILING_IMAGES)
    return (time.process_time() - started) / CEILING_IMAGES * 1000


if __name__ == "__main__":
    main()
