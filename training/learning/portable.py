"""A trunk, or the tail of a fine-tuned version, for LiteRT too: written where that is asked for, beside what is there.

One of the doors to Keras (ARCHITECTURE.md), in a process of its own as each export. The file has its name only when it
answers as the exported network does; where the converter cannot write it, or it answers otherwise, that is what is
kept, so that nobody tries again.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.learning.artifact import compare_with_keras, load_version
from training.learning.errors import NotFaithful, is_out_of_memory
from training.learning.files import folder_atomic, locked, sha256_of
from training.learning.heads.dense import softmax
from training.learning.networks import litert
from training.learning.networks.backbones import Backbone
from training.learning.networks.imported import from_json
from training.learning.networks.litert import Interpreted
from training.learning.networks.trunk import FULL, Trunk, faithful, sample_pictures, weights_from_json, with_tensorflow
from training.learning.networks.weights import Weights

TOLERANCE = 1e-4  # of the largest feature; measured: 2e-7 to 5e-6
PICTURES = 6

logger = logging.getLogger(__name__)


def ensure_portable(folder: Path, backbone: Backbone, weights: Weights, trunk: Path | None = None) -> bool:
    """Whether the network in ``folder`` is there for LiteRT, written first where it is not, or damaged.

    Args:
        folder: A trunk's, or where ``trunk`` is given that of a fine-tuned version which stands on it.
        backbone, weights: What the trunk was made of; the weights' SHA-256 is the caller's to compare.

    Raises:
        LearningError: The process that writes it failed; it may go well another time.
    """
    with locked(folder.parent / f".{folder.name}.lock"):
        if not litert.is_there(folder) and not litert.refusal_of(folder):
            arguments = [asdict(backbone), asdict(weights), str(folder)]
            verb, more = ("trunk", []) if trunk is None else ("tail", [str(trunk)])
            with_tensorflow(verb, arguments + more, backbone.title, folder, module="training.learning.portable")
            told = litert.refusal_of(folder)
            logger.log(logging.WARNING if told else logging.INFO, "%s for LiteRT: %s", folder, told or "written")
    return litert.is_there(folder)


def write_trunk(backbone: Backbone, weights: Weights, folder: Path) -> None:
    """Write the trunk's file, or why there is none."""
    from training.learning.networks.network import trunk_model  # Keras: only what is written reaches it

    exported = Trunk(folder, threads=1)
    if exported.cut and backbone.root is not None and weights.root is not None:  # as its export took it
        backbone, weights = backbone.root, weights.root
    pictures = sample_pictures(PICTURES, exported.size)
    expected = exported.embed(pictures)

    def difference(network: Interpreted) -> float:
        return faithful(network.rows(pictures).reshape(expected.shape), expected, TOLERANCE)

    _write(trunk_model(backbone, weights, exported.cut), folder, difference)


def write_tail(backbone: Backbone, weights: Weights, folder: Path, trunk: Path) -> None:
    """Write the file of a version's retrained block, or why there is none."""
    from training.learning.export import tail_model  # as above

    classifier, front = load_version(folder), Trunk(trunk, threads=1)
    activations = front.embed(sample_pictures(PICTURES, front.size))
    expected = classifier.probabilities_from_features(activations)

    def difference(network: Interpreted) -> float:
        logits = network.rows(activations.reshape(-1, *front.shape))
        found = compare_with_keras(softmax(logits / np.float32(classifier.temperature)), expected)
        if not found["passed"]:
            raise NotFaithful(f"The network for LiteRT answers otherwise: {found}.")
        return float(found["difference"])

    _write(tail_model(classifier, backbone, weights), folder, difference)


def _write(model: Any, folder: Path, difference: Callable[[Interpreted], float]) -> None:
    with folder_atomic(folder / litert.FOLDER) as new:
        path = new / litert.NETWORK
        facts: dict[str, Any]
        try:
            litert.convert(model, path)
            facts = {"difference": difference(Interpreted(path, threads=1)), "sha256": sha256_of(path)}
        except Exception as error:  # whatever converter and interpreter raise of what they do not know
            if _is_the_machines(error):
                raise
            path.unlink(missing_ok=True)
            facts = {"refused": str(error)[:500] or type(error).__name__}
        (new / litert.FACTS).write_text(json.dumps(facts, indent=1))


def _is_the_machines(error: Exception) -> bool:
    """Whether the network may go well with more memory or disk; TensorFlow tells of these by errors of its own."""
    return isinstance(error, OSError) or is_out_of_memory(error) or any(sign in str(error) for sign in FULL)


def _trunk(backbone: dict[str, Any], weights: dict[str, Any], folder: str) -> None:
    write_trunk(from_json(backbone), weights_from_json(weights), Path(folder))


def _tail(backbone: dict[str, Any], weights: dict[str, Any], folder: str, trunk: str) -> None:
    write_tail(from_json(backbone), weights_from_json(weights), Path(folder), Path(trunk))


VERBS: dict[str, Callable[..., None]] = {"trunk": _trunk, "tail": _tail}

if __name__ == "__main__":
    VERBS[sys.argv[1]](*json.loads(sys.argv[2]))
