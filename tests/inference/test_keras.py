"""What the API answers is what Keras itself answers, on a real backbone; and what leaves in a download does too."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from inference import services
from labeling.files import storage
from labeling.files.imaging import pixels
from labeling.services import add_images
from tests.inference.serving import CATEGORIES, make_head, picture
from tests.training.trunks import copy
from training.learning import verify
from training.learning.artifact import load_version, write_version
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.trunk import Trunk
from training.learning.networks.weights import locate
from training.models import ModelVersion

BACKBONE = "crowdtune_small"


@pytest.fixture
def real_champion(champion: ModelVersion, data_dir: Path, small_trunk_folder: Callable[..., Path]) -> ModelVersion:
    """The champion again, on the smallest backbone of the zoo."""
    backbone = BACKBONES[BACKBONE]
    copy(small_trunk_folder(), data_dir)
    trunk = Trunk(small_trunk_folder())
    head = make_head(3, trunk.dim)
    folder = data_dir / champion.artifact
    write_version(
        folder, head=head, categories=CATEGORIES, trunk_key=trunk.key, backbone=BACKBONE, size=trunk.size,
        temperature=1.7, recipe="feature_extraction", metrics={},
    )  # fmt: skip
    pictures = np.stack([pixels(picture(n, (200, 150), "JPEG"), trunk.size) for n in range(4)])
    verify.verify_extraction(folder, trunk, backbone, locate(backbone, settings.KERAS_HOME), pictures)
    return champion


@pytest.mark.slow
def test_the_api_and_keras_give_the_same_probabilities_and_so_does_the_download(
    api, project, owner, real_champion, data_dir, run_actors, monkeypatch, tmp_path
) -> None:
    backbone = BACKBONES[BACKBONE]
    head = load_version(data_dir / real_champion.artifact).head
    assert head is not None
    model = verify.keras_classifier(backbone, locate(backbone, settings.KERAS_HOME), head)
    for seed, kind in ((11, "JPEG"), (12, "PNG"), (13, "WEBP")):
        data = picture(seed, (320, 240), kind)
        expected = model.predict(pixels(data, backbone.size)[None], verbose=0)[0]
        file = io.BytesIO(data)
        file.name = "photo"
        answer = api.post("/api/v1/projects/colours/predict/", {"image": file}, format="multipart").json()
        got = {score["category"]: score["probability"] for score in answer["predictions"][0]["categories"]}
        np.testing.assert_allclose([got[key] for key in CATEGORIES], expected, atol=1e-4)

    add_images(project=project, images={f"{n}.jpg": picture(n, (200, 150), "JPEG") for n in range(3)})
    monkeypatch.chdir(tmp_path)  # the export's own process finds the code wherever the worker was started
    job = services.start_download(project=project, user=owner, output="keras")
    (storage.parts_folder() / f"{job.pk}-killed").mkdir()
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded", job.message
    assert job.result["verification"]["verification"]["passed"]
    assert not list(storage.parts_folder().iterdir())  # nor what an attempt before had left
    with zipfile.ZipFile(io.BytesIO(storage.read(job.result["url"].split("/", 3)[3]))) as pack:
        names = {Path(name).name for name in pack.namelist()}
        card = next(pack.read(name).decode() for name in pack.namelist() if name.endswith("README.md"))
    assert {"model.keras", "labels.txt", "example.py", "README.md"} <= names
    assert "Colours, version 1" in card
    assert "no probability differs by more than" in card
    assert "`photo.jpg`" in card
