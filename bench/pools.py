"""A project with a champion and a pool of made-up images, by SQL and random numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import connection

from labeling.models import Project
from labeling.services import create_project
from training.learning.artifact import record_verification, write_version
from training.learning.feature_store import FeatureStore
from training.learning.files import sha256_of
from training.learning.heads.dense import Head
from training.learning.networks.light import openvino
from training.learning.networks.light import operations as ops
from training.models import ModelVersion, Snapshot, SnapshotItem, TrainingRun

TRUNK, SIZE = "made-up-0000", 32
PART = 50_000


def make(folder: Path, *, images: int, dim: int, classes: int) -> Project:
    """The project, its champion on a made-up trunk, ``images`` open tasks and their features."""
    owner = User.objects.create_superuser("bench")
    keys = [f"class{number}" for number in range(classes)]
    project = create_project(owner=owner, name="Bench", categories=keys)
    _trunk(folder / "trunks" / TRUNK, dim)
    _rows(project, images)
    _features(project, folder, dim)
    _champion(project, folder, keys, dim)
    project.refresh_from_db()
    return project


def _trunk(folder: Path, dim: int) -> None:
    folder.mkdir(parents=True)
    x = ops.parameter([-1, SIZE, SIZE, 3], np.uint8)
    pooled = ops.reduce_mean(ops.convert(x, np.float32), [1, 2], keep_dims=False)
    weights = np.zeros((3, dim), np.float32)
    model = openvino.Model([ops.matmul(pooled, weights, False, False)], [x])
    openvino.save_model(model, str(folder / "trunk.xml"), compress_to_fp16=False)
    hashes = {name: sha256_of(folder / name) for name in ("trunk.xml", "trunk.bin")}
    facts: dict[str, Any] = {"key": TRUNK, "backbone": "made up", "size": SIZE, "cut": None, "shape": [dim], "dim": dim}
    (folder / "trunk.json").write_text(json.dumps(facts | {"sha256": hashes}))


def _rows(project: Project, images: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labeling_image (project_id, sha256, name, width, height, byte_count, original, display,"
            " thumbnail, created_at) SELECT %s, encode(sha256(n::text::bytea), 'hex'), n::text, 1, 1, 1, '', '', '',"
            " now()"
            " FROM generate_series(1, %s) n",
            [project.pk, images],
        )
        cursor.execute(
            "INSERT INTO labeling_task (project_id, image_id, stage, state, retired_because, priority, random, wanted,"
            " judgment_count, open_slots, is_gold, payload, created_at) SELECT project_id, id, 'label', 'open', '', 0,"
            " random(), 3, 0, 3, false, '{}', now() FROM labeling_image WHERE project_id = %s",
            [project.pk],
        )
    Project.objects.filter(pk=project.pk).update(image_count=images, task_count=images)


def _features(project: Project, folder: Path, dim: int) -> None:
    store = FeatureStore(folder / "features", TRUNK, dim)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(10, dim)).astype(np.float32) * 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT sha256 FROM labeling_image WHERE project_id = %s ORDER BY id", [project.pk])
        while rows := cursor.fetchmany(PART):
            shas = [row[0] for row in rows]
            noise = rng.standard_normal((len(shas), dim), dtype=np.float32)
            store.put(shas, centres[rng.integers(0, 10, len(shas))] + noise)


def _champion(project: Project, folder: Path, keys: list[str], dim: int) -> None:
    question = project.primary_question()
    assert question is not None
    snapshot = Snapshot.objects.create(
        project=project, question=question, digest="0" * 64, categories=keys, counts={}, item_count=1000
    )
    rows = list(project.images.order_by("id")[:1000])
    SnapshotItem.objects.bulk_create(
        SnapshotItem(snapshot=snapshot, image=row, sha256=row.sha256, label=keys[0], confidence=1, split="train")
        for row in rows
    )
    run = TrainingRun.objects.create(
        project=project, snapshot=snapshot, cause="person", backbone="made up", recipe="feature_extraction",
        state="succeeded",
    )  # fmt: skip
    weights = np.random.default_rng(1).normal(0, 0.1, (dim, len(keys))).astype(np.float32)
    zeros, ones = np.zeros(dim, np.float32), np.ones(dim, np.float32)
    head = Head([(weights, np.zeros(len(keys), np.float32))], zeros, ones, 1.0, tuple(keys))
    place = folder / "models" / str(project.pk) / "1"
    write_version(
        place, head=head, categories=keys, trunk_key=TRUNK, backbone="made up", size=SIZE, temperature=1.0,
        recipe="feature_extraction", metrics={},
    )  # fmt: skip
    record_verification(place, {"count": 1, "difference": 0.0, "same_top1": True, "passed": True})
    ModelVersion.objects.create(
        project=project, run=run, number=1, alias="champion", categories=keys,
        artifact=str(place.relative_to(folder)),
    )  # fmt: skip
