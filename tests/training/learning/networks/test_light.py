"""OpenVINO keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from training.learning.networks.light import openvino
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, sys.modules["openvino_telemetry"])
"""


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    # Its makers' package stays silent by itself where CI is set, so that it is not here.
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    ran = subprocess.run(
        [sys.executable, "-c", CODE], env=environment | {"HOME": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert ran.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]
    assert list(tmp_path.rglob("*telemetry*")) == []
