"""Runs ``training.learning.export`` in a process of its own: Keras and its memory leave with it.

``python -m inference.downloads.exporting '{…}'``: the keys of the object are those that ``packing`` writes.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from labeling.errors import CrowdtuneError, JobLost
from labeling.text import words
from labeling.text.words import gettext as _

logger = logging.getLogger(__name__)
SECONDS = 1500
# What ends it from without: Ctrl-C of the supervisor, a stop, the system for want of memory. Others are its own faults.
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


def export_apart(arguments: dict[str, str]) -> dict[str, Any]:
    """Start the process, wait, and return what ``export`` returned.

    Raises:
        CrowdtuneError: What the export refused, or that it broke.
        JobLost: Somebody ended it.
    """
    root = str(Path(__file__).resolve().parents[2])
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-m", "inference.downloads.exporting", json.dumps(arguments)],
        env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if -done.returncode in ENDS:  # it is done anew when the platform is back
        name = signal.Signals(-done.returncode).name
        logger.warning("the export was ended by %s", name)
        raise JobLost(name)
    if done.returncode:
        logger.error("the export failed:\n%s", done.stderr)
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CrowdtuneError("export_failed", _("The export failed: %(strip)s") % {"strip": lines[-1][:500]}, 409)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "refused" in result:
        raise CrowdtuneError(result["refused"], words.read(result["message"]), 409)
    return result


def _main(arguments: dict[str, str]) -> dict[str, Any]:
    from training.learning.export import export  # reaches Keras: only this process does
    from training.learning.networks.imported import find
    from training.learning.networks.keys import trunk_key
    from training.learning.networks.weights import locate

    backbone = find(arguments["backbone"], Path(arguments["backbones"]))
    weights = locate(backbone, Path(arguments["keras_home"]))
    manifest = json.loads((Path(arguments["version"]) / "manifest.json").read_text())
    if manifest["trunk_key"] != trunk_key(backbone, weights.sha256, manifest.get("cut")):
        told = _("The weights of %(title)s on this machine are not those that the version was trained on.")
        return {"refused": "other_weights", "message": words.stored(told % {"title": backbone.title})}
    try:
        return export(
            Path(arguments["version"]), arguments["kind"], Path(arguments["target"]), backbone=backbone,
            weights=weights, pictures=np.load(arguments["pictures"]),
        )  # fmt: skip
    except CrowdtuneError as error:
        return {"refused": error.code, "message": words.stored(error.message)}


if __name__ == "__main__":
    print(json.dumps(_main(json.loads(sys.argv[1]))))  # noqa: T201 - the caller reads it
