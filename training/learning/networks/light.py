"""OpenVINO, the light runtime: imported here and nowhere else, because its first moments need care.

* At its import and at each conversion it reports to its makers, from a forked process, unless the package that does so
  cannot be imported. Nobody who installed Crowdtune was asked, and a fork of a process with threads can hang.
* At its first use it looks numpy up, and two threads that are both the first wait for each other for ever: one holds
  the interpreter's lock, the other C++'s lock on what is being initialised. An import has one thread.
"""

from __future__ import annotations

import sys

import numpy as np

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402
from openvino import opset13 as operations  # noqa: E402

openvino.Tensor(np.zeros((1, 1), np.uint8), shared_memory=True)

__all__ = ["openvino", "operations"]
