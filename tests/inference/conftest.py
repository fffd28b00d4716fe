"""A small trunk made with OpenVINO alone, versions on it, and a project that serves them: no Keras, milliseconds."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from openvino import opset13 as ops
from PIL import Image as Picture
from rest_framework.test import APIClient

from inference import runtime
from inference.routing import routes
from labeling.keys import create_key
from labeling.models import Project, Question
from training.learning.artifact import record_verification, write_version
from training.learning.dense import Head
from training.learning.files import sha256_of
from training.models import ModelVersion, Snapshot, TrainingRun

SIZE, DIM = 32, 12
CATEGORIES = ("blue", "green", "red")


def make_trunk(root: Path, key: str = "tiny-0000", dim: int = DIM, size: int = SIZE) -> Path:
    """A folder as ``export_trunk`` writes it: one convolution with fixed weights, ReLU, global average pooling."""
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    kernel = np.random.default_rng(7).normal(0, 0.02, (dim, 3, 3, 3)).astype(np.float32)
    images = ops.parameter([-1, size, size, 3], np.uint8, name="images")
    x = ops.transpose(ops.convert(images, np.float32), [0, 3, 1, 2])
    x = ops.relu(ops.convolution(x, kernel, [2, 2], [1, 1], [1, 1], [1, 1]))
    pooled = ops.reduce_mean(x, [2, 3], keep_dims=False)
    openvino.save_model(openvino.Model([pooled], [images]), str(folder / "trunk.xml"), compress_to_fp16=False)
    facts = {
        "format": 1, "key": key, "backbone": "tiny", "size": size, "preprocessing": "inside", "cut": None,
        "shape": [dim], "dim": dim, "sha256": {name: sha256_of(folder / name) for name in ("trunk.xml", "trunk.bin")},
    }  # fmt: skip
    (folder / "trunk.json").write_text(json.dumps(facts))
    return folder


def make_head(seed: int, dim: int = DIM, categories: tuple[str, ...] = CATEGORIES) -> Head:
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 1, (dim, len(categories))).astype(np.float32)
    return Head(
        [(weights, np.zeros(len(categories), np.float32))],
        np.zeros(dim, np.float32), np.ones(dim, np.float32), 1.0, categories,
    )  # fmt: skip


def picture(seed: int = 0, size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    """An encoded image of coloured noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(coarse).resize(size).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def data_dir(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A DATA_DIR of this test, with a trunk in it; the engine begins empty."""
    settings.DATA_DIR = tmp_path / "data"
    make_trunk(settings.DATA_DIR / "trunks")
    runtime.engine.cache_clear()
    runtime.feature_store.cache_clear()
    routes.forget()
    yield settings.DATA_DIR
    runtime.engine.cache_clear()
    runtime.feature_store.cache_clear()
    routes.forget()


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner", password="only for tests")


@pytest.fixture
def project(owner: User) -> Project:
    project = Project.objects.create(slug="colours", name="Colours", owner=owner)
    for position, key in enumerate(CATEGORIES):
        project.categories.create(key=key, name=key.title(), position=position)
    Question.objects.create(project=project, key="label", kind="single_choice", prompt="What colour is it?")
    return project


@pytest.fixture
def add_version(project: Project, data_dir: Path) -> Callable[..., ModelVersion]:
    """Makes the next version of the project: ``add_version(seed=3, alias="champion")``."""

    def add(seed: int = 0, alias: str = "", trunk: str = "tiny-0000", head: Head | None = None) -> ModelVersion:
        number = ModelVersion.objects.filter(project=project).count() + 1
        question = project.primary_question()
        snapshot = Snapshot.objects.create(
            project=project, question=question, digest=f"{number:064d}", categories=list(CATEGORIES), counts={},
            item_count=0,
        )  # fmt: skip
        run = TrainingRun.objects.create(
            project=project, snapshot=snapshot, cause="person", backbone="tiny", recipe="feature_extraction",
            state=TrainingRun.State.SUCCEEDED,
        )  # fmt: skip
        head = head or make_head(seed)
        folder = data_dir / "models" / str(project.pk) / str(number)
        write_version(
            folder, head=head, categories=head.categories, trunk_key=trunk, backbone="tiny", size=SIZE,
            temperature=head.temperature, recipe="feature_extraction", metrics={},
        )  # fmt: skip
        manifest = record_verification(folder, {"count": 1, "difference": 0.0, "same_top1": True, "passed": True})
        if alias:
            ModelVersion.objects.filter(project=project, alias=alias).update(alias="")
        version = ModelVersion.objects.create(
            project=project, run=run, number=number, alias=alias, categories=list(head.categories), manifest=manifest,
            artifact=str(folder.relative_to(settings.DATA_DIR)),
        )  # fmt: skip
        routes.forget()
        return version

    return add


@pytest.fixture
def champion(add_version: Callable[..., ModelVersion]) -> ModelVersion:
    return add_version(seed=1, alias="champion")


@pytest.fixture
def client_of(db: None) -> Callable[..., APIClient]:
    """An API client with a fresh key of the user: ``client_of(owner, scopes=("predict",))``."""

    def make(user: User, **options: Any) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {create_key(user=user, **options)[1]}")
        return client

    return make


@pytest.fixture
def api(client_of: Callable[..., APIClient], owner: User) -> APIClient:
    return client_of(owner)
