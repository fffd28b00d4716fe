"""Weights that are not here are fetched by the first run that wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labeling.models import Project
from tests.training.published import CONTENT, V2, published
from training.learning.networks.backbones import BACKBONES
from training.models import TrainingRun
from training.runs import queueing
from training.runs.progress import Cancelled, Reporter
from training.runs.stages import weights
from training.runs.stages.work import Work, load_items


@pytest.fixture
def run(project: Project, settings: Any, tmp_path: Path) -> TrainingRun:
    """A run that wants what is not on this machine, begun."""
    settings.KERAS_HOME = tmp_path
    made = queueing.create_run(project=project, cause="person", backbone=V2.key)
    TrainingRun.objects.filter(pk=made.pk).update(state="running")
    made.refresh_from_db()
    assert made.backbone == "crowdtune_small"
    return made


def go_through(run: TrainingRun) -> str:
    """The stage; what the run's log says then."""
    work = Work(run, Reporter(run), Path(), load_items(run), list(run.snapshot.categories))
    weights.run(work)
    work.reporter.flush()
    run.refresh_from_db()
    return " ".join(line["message"] for line in run.log)


def test_the_run_fetches_them_and_stands_on_them(
    run: TrainingRun, server: tuple[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(BACKBONES, V2.key, published(server[0]))
    log = go_through(run)
    assert run.backbone == V2.key
    assert (tmp_path / "models" / V2.weights_file).read_bytes() == CONTENT
    assert str(tmp_path / "models" / V2.weights_file) in log


def test_without_a_connection_it_goes_on_with_what_is_here_and_names_the_file(
    run: TrainingRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(BACKBONES, V2.key, published("http://127.0.0.1:9/"))
    log = go_through(run)
    assert run.backbone == "crowdtune_small"
    assert "could not reach http://127.0.0.1:9/" in log
    assert f"{tmp_path / 'models' / V2.weights_file} would satisfy it" in log


def test_a_later_attempt_keeps_to_what_the_first_one_decided(
    run: TrainingRun, server: tuple[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, V2.key, published("http://127.0.0.1:9/"))
    go_through(run)
    monkeypatch.setitem(BACKBONES, V2.key, published(server[0]))  # the connection is back
    go_through(run)
    assert run.backbone == "crowdtune_small"
    assert server[1] == {}


def test_a_cancelled_run_leaves_no_part_of_a_file(
    run: TrainingRun, server: tuple[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(BACKBONES, V2.key, published(server[0]))
    TrainingRun.objects.filter(pk=run.pk).update(cancel_requested=True)
    with pytest.raises(Cancelled):
        go_through(run)
    assert [path.name for path in tmp_path.rglob("*.h5*") if not path.name.endswith(".lock")] == []


def test_auto_reaches_out_for_nothing(
    project: Project, server: tuple[str, dict[str, int]], monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.KERAS_HOME = tmp_path
    monkeypatch.setitem(BACKBONES, V2.key, published(server[0]))
    made = queueing.create_run(project=project, cause="person", backbone="auto")
    TrainingRun.objects.filter(pk=made.pk).update(state="running")
    made.refresh_from_db()
    go_through(made)
    assert made.backbone == "crowdtune_small"
    assert server[1] == {}
