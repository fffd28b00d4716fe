"""bf16 only where a version's own held-out pictures show that nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.learning import precision
from training.learning.precision import LEAST, LOSS, Comparison, compare, has_bf16


def certain(classes: np.ndarray, probability: float = 0.9) -> np.ndarray:
    """Rows that give ``probability`` to these classes of three and share the rest."""
    rows = np.full((len(classes), 3), (1 - probability) / 2)
    rows[np.arange(len(classes)), classes] = probability
    return rows


LABELS = np.arange(100) % 3


def test_the_same_answers_with_a_little_noise_are_served_in_bf16() -> None:
    noise = np.random.default_rng(0).normal(0, 0.002, (100, 3))
    found = compare(certain(LABELS), certain(LABELS) + noise, LABELS)
    assert found.serve == "bf16"
    assert (found.accuracy, found.accuracy_bf16, found.same_top1) == (1.0, 1.0, 1.0)
    assert 0 < found.difference < 0.02


def test_one_right_answer_less_keeps_f32() -> None:
    said = LABELS.copy()
    said[5] = (said[5] + 1) % 3
    found = compare(certain(LABELS), certain(said), LABELS)
    assert found.serve == "f32"
    assert "accuracy would fall from 1.0000 to 0.9900" in found.because


def test_a_worse_log_loss_keeps_f32_though_every_answer_stays() -> None:
    found = compare(certain(LABELS, 0.9), certain(LABELS, 0.9 * np.exp(-2 * LOSS)), LABELS)
    assert found.serve == "f32"
    assert "log loss" in found.because


def test_many_changed_answers_keep_f32_though_as_many_are_right() -> None:
    wrong = (LABELS + 1) % 3
    exact, low = LABELS.copy(), LABELS.copy()
    exact[:5], low[5:10] = wrong[:5], wrong[5:10]
    found = compare(certain(exact), certain(low), LABELS)
    assert found.accuracy == found.accuracy_bf16
    assert found.serve == "f32"
    assert "stay the same" in found.because


def test_too_few_pictures_say_nothing_and_numbers_that_are_none_never_serve() -> None:
    few = LABELS[: LEAST - 1]
    assert compare(certain(few), certain(few), few).serve == "f32"
    broken = certain(LABELS)
    broken[0] = np.nan
    assert compare(certain(LABELS), broken, LABELS).serve == "f32"


def test_the_processor_is_asked_once_since_each_answer_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = has_bf16()
    monkeypatch.setattr(precision.openvino, "Core", None)
    assert has_bf16() is known


def test_the_runtime_rounds_only_where_it_is_told_to(tmp_path: Path) -> None:
    from tests.inference.serving import make_head, make_trunk
    from training.learning.networks.trunk import Trunk

    folder = make_trunk(tmp_path)
    pictures = np.random.default_rng(3).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    exact, again, low = (Trunk(folder, precision=p).embed(pictures) for p in ("f32", "f32", "bf16"))
    np.testing.assert_array_equal(exact, again)
    assert (not np.array_equal(exact, low)) == has_bf16()
    head = make_head(1)
    labels = head.probabilities(exact).argmax(axis=1)
    found = compare(head.probabilities(exact), head.probabilities(low), labels)
    assert isinstance(found, Comparison)
    assert found.serve in {"bf16", "f32"}
    assert found.accuracy == 1.0
    assert found.difference == pytest.approx(0, abs=0.1)
