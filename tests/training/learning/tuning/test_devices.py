"""Which devices there are, and which trainer gets which."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from config.management.commands.up import _trainers
from training.learning.tuning import devices
from training.learning.tuning.devices import Devices
from training.learning.tuning.keras_loop import filled
from training.runs.trainer import child_environment


def test_without_a_gpu_all_of_it_is_off() -> None:
    if devices._listed("gpu"):
        pytest.skip("there is a GPU here")
    assert devices.here() == Devices()
    assert devices.ways() == 1
    rows = np.arange(3.0)
    assert filled(rows) is rows


def test_each_of_several_trainers_sees_its_own_gpu(settings: Any) -> None:
    settings.TRAINERS = 1
    assert [program.name for program in _trainers(["manage"])] == ["trainer"]
    settings.TRAINERS = 2
    assert [list(program.command)[-2:] for program in _trainers(["manage"])] == [["--gpu", "0"], ["--gpu", "1"]]
    assert child_environment(1)["CUDA_VISIBLE_DEVICES"] == "1"
    assert child_environment().get("CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")
