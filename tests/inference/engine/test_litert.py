"""Answers by LiteRT where the setting asks for it: the same ones, by OpenVINO until the file is there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from inference.engine import runtime
from inference.engine.routing import VersionRef
from tests.inference.serving import ask, make_head, make_tail
from tests.training.trunks import copy
from training.features import portables
from training.learning.files import locked, sha256_of
from training.models import ModelVersion

LOADED = ("crowdtune_networks_loaded_total", {"platform": "litert"})
FRESH = """
import sys, django
django.setup()
from pathlib import Path
from inference.engine import runtime
import numpy as np
trunk = runtime.open_trunk(Path(sys.argv[1]), "f32")
print(trunk.platform, trunk.embed(np.zeros((1, 128, 128, 3), np.uint8)).shape)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""


@pytest.fixture
def version(settings: Any, add_version: Any, data_dir: Path, small_trunk_folder: Any) -> ModelVersion:
    """A champion on the smallest backbone of the zoo, which nobody has written for LiteRT yet."""
    settings.INFERENCE_RUNTIME = "litert"
    portables._tried.clear()
    copy(small_trunk_folder(), data_dir)
    key = small_trunk_folder().name
    champion = add_version(alias="champion", trunk=key, head=make_head(3, 256))
    champion.manifest["backbone"] = "crowdtune_small"
    champion.save()
    return champion


def answered(api: Any) -> tuple[str, list[tuple[str, float]]]:
    """What ``/v2`` says answers, and the probabilities of a picture by ``predict/``."""
    found = ask(api)
    assert found.status_code == 200, found.json()
    scores = {score["category"]: score["probability"] for score in found.json()["predictions"][0]["categories"]}
    return api.get("/v2/models/colours").json()["platform"], sorted(scores.items())


def test_openvino_answers_until_the_file_is_there_and_litert_the_same_from_then_on(
    api, version, data_dir, small_portable_folder, caplog, settings
) -> None:
    trunk = data_dir / "trunks" / small_portable_folder.name
    platform, first = answered(api)
    assert platform == "openvino"
    assert caplog.text.count("a worker has yet to write the file") == 1
    shutil.copytree(small_portable_folder / "litert", trunk / "litert")
    before = REGISTRY.get_sample_value(*LOADED) or 0
    assert api.get("/v2/models/colours").json()["platform"] == "litert", "before it is loaded"
    platform, then = answered(api)
    assert (platform, REGISTRY.get_sample_value(*LOADED)) == ("litert", before + 1)
    assert [key for key, _value in then] == [key for key, _value in first]
    assert [value for _key, value in then] == pytest.approx([value for _key, value in first], abs=1e-4)

    (trunk / "litert" / "network.tflite").write_bytes(b"damaged")
    assert answered(api) == ("openvino", first), "no outage, and the platform is the true one"
    shutil.rmtree(trunk / "litert")
    shutil.copytree(small_portable_folder / "litert", trunk / "litert")
    settings.INFERENCE_RUNTIME = "openvino"
    assert answered(api)[0] == "openvino"


def test_a_network_that_litert_cannot_run_is_answered_by_openvino_and_the_log_says_why(
    version, data_dir, small_trunk_folder, caplog
) -> None:
    trunk = data_dir / "trunks" / small_trunk_folder().name
    (trunk / "litert").mkdir()
    (trunk / "litert" / "facts.json").write_text('{"refused": "no such operation"}')
    engine = runtime.engine()
    for _request in range(3):
        assert engine.trunk_of(engine.classifier(VersionRef.of(version))).platform == "openvino"
    assert caplog.text.count("no such operation") == 1


def test_a_retrained_block_that_litert_cannot_open_is_answered_by_openvino(version, data_dir, caplog) -> None:
    folder = data_dir / "models" / "retrained"
    make_tail(folder, 256)
    (folder / "litert").mkdir()
    network = folder / "litert" / "network.tflite"
    network.write_bytes(b"of a later LiteRT")
    (folder / "litert" / "facts.json").write_text(json.dumps({"sha256": sha256_of(network)}))
    assert runtime.is_portable(folder)
    classifier = runtime.open_version(folder)
    assert classifier.probabilities_from_features(np.ones((2, 256), np.float32)).shape == (2, 3)
    assert caplog.text.count(f"OpenVINO answers for {folder}") == 1


def test_a_gpu_goes_before_litert(small_portable_folder: Path, settings: Any) -> None:
    settings.INFERENCE_RUNTIME = "litert"
    assert runtime.is_portable(small_portable_folder)
    settings.INFERENCE_DEVICE = "gpu"
    assert not runtime.is_portable(small_portable_folder)


def test_a_web_process_on_litert_has_not_loaded_tensorflow(small_portable_folder: Path) -> None:
    environment = os.environ | {"INFERENCE_RUNTIME": "litert"}
    command = [sys.executable, "-c", FRESH, str(small_portable_folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.stdout.splitlines() == ["litert (1, 256)", "[]"], ran.stderr


def test_a_worker_sees_to_the_networks_that_answer_once(
    version, data_dir, small_portable_folder, add_version, caplog, settings
) -> None:
    trunk = data_dir / "trunks" / small_portable_folder.name
    shutil.copytree(small_portable_folder / "litert", trunk / "litert")
    add_version(alias="challenger")  # on a network that is not of the zoo, as one that was taken out
    add_version()  # nobody asks it
    settings.INFERENCE_RUNTIME = "openvino"
    portables.make_portables()
    assert not caplog.records
    settings.INFERENCE_RUNTIME = "litert"
    for _time in range(3):
        portables.make_portables()
    told = [record.getMessage() for record in caplog.records if record.name == portables.__name__]
    assert len(told) == 1, told
    assert "trunks/tiny-0000" in told[0]
    assert "got 'tiny'" in told[0]


def test_workers_write_one_network_at_a_time_and_do_not_wait_for_each_other(version, data_dir, caplog) -> None:
    ModelVersion.objects.filter(pk=version.pk).update(manifest=version.manifest | {"backbone": "gone"})
    with locked(data_dir / "trunks" / ".litert.lock"):
        portables.make_portables()
    assert not caplog.records
    portables.make_portables()
    assert "got 'gone'" in caplog.text
