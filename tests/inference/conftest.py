"""Versions on a small trunk, and a project that serves them.

OpenVINO is imported inside the fixtures: where a conftest imports it, it closes the files that pytest captures with.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from config import throttles
from inference.engine.routing import routes
from inference.intake import limits
from labeling.accounts.keys import create_key
from labeling.models import Project
from labeling.services import create_project
from tests.training.trunks import small_portable_folder, small_trunk_folder, trunk_here
from training.models import EmbeddingCursor, ModelVersion, Snapshot, TrainingRun

__all__ = ["small_portable_folder", "small_trunk_folder", "trunk_here"]

CATEGORIES = ("blue", "green", "red")
NOW = datetime(2026, 1, 5, 12, 0, 20, tzinfo=UTC)


class Noon(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of keys' limits and of rates stands, so that neither a minute nor a day ends while a test counts."""
    monkeypatch.setattr(limits, "datetime", Noon)
    monkeypatch.setattr(throttles, "time", SimpleNamespace(time=NOW.timestamp))


def load(name: str) -> Any:
    return importlib.import_module(name)


@pytest.fixture
def data_dir(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A DATA_DIR of this test, with a trunk in it; the engine begins empty."""
    settings.DATA_DIR = tmp_path / "data"
    load("tests.inference.serving").make_trunk(settings.DATA_DIR / "trunks")
    runtime = load("inference.engine.runtime")
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
    """Three colours, one question with the key ``label``."""
    question = {"key": "label", "kind": "single_choice", "prompt": "What colour is it?"}
    return create_project(owner=owner, name="Colours", categories=list(CATEGORIES), questions=[question])


@pytest.fixture
def add_version(project: Project, data_dir: Path) -> Callable[..., ModelVersion]:
    """Makes the next version of the project: ``add_version(seed=3, alias="champion")``."""

    def add(seed: int = 0, alias: str = "", trunk: str = "tiny-0000", head: Any = None) -> ModelVersion:
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
        serving, artifact = load("tests.inference.serving"), load("training.learning.artifact")
        head = head or serving.make_head(seed)
        folder = data_dir / "models" / str(project.pk) / str(number)
        artifact.write_version(
            folder, head=head, categories=head.categories, trunk_key=trunk, backbone="tiny", size=serving.SIZE,
            temperature=head.temperature, recipe="feature_extraction", metrics={},
        )  # fmt: skip
        manifest = artifact.record_verification(
            folder, {"count": 1, "difference": 0.0, "same_top1": True, "passed": True}
        )
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


@pytest.fixture
def add_images(project: Project, data_dir: Path) -> Callable[..., Any]:
    """Adds drawn pictures with their tasks, and their features on the small trunk: ``add_images(range(10))``."""

    def add(seeds: Any, embed: bool = True) -> Any:
        serving, services = load("tests.inference.serving"), load("labeling.services")
        images = services.add_images(project=project, images={f"{n}.png": serving.picture(n) for n in seeds})
        if embed:
            load("inference.intake.features").stored_features("tiny-0000", images)
            seen = {"last_image_id": max(image.pk for image in images)}
            EmbeddingCursor.objects.update_or_create(project=project, trunk_key="tiny-0000", defaults=seen)
        project.refresh_from_db()
        return images

    return add


@pytest.fixture(autouse=True)
def strangers() -> None:
    """No test is let in because another one was."""
    load("inference.intake.grants").grants.forget()


@pytest.fixture(autouse=True)
def quiet_traffic() -> Iterator[None]:
    """Traffic is written when a test asks for it: a timer's thread would write outside of the test's transaction."""
    recorder = load("inference.monitoring.traffic").recorder
    recorder.seconds = None
    yield
    recorder._counts.clear()
