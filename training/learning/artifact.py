"""A version on disk: what serving loads, and nothing that could run code.

``manifest.json`` names the categories, the trunk, the size, the calibration, the hash of every file, the metrics and
how the version was verified against Keras. ``head.npz`` is the classifier of an extraction version; a fine-tuned one
has ``tail.xml`` and ``tail.bin``, which take the activations at the cut of the trunk. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labeling.text.words import gettext as _
from training.learning.errors import ArtifactDamaged, NotFaithful
from training.learning.files import folder_atomic, sha256_of, write_arrays, write_atomic
from training.learning.heads.dense import Head, softmax
from training.learning.networks.litert import Interpreted, network_of
from training.learning.networks.trunk import Compiled, convert

SCHEMA = 1
CARD = "MODEL_CARD.md"  # beside the files of a version, and of what is exported of it
TOLERANCE = 1e-4  # largest difference of a probability from Keras'


class Tail:
    """The retrained last block with its head: activations ``[n, dim]`` -> logits ``[n, classes]``, on OpenVINO, or
    on LiteRT where ``path`` is a file of that.
    """

    def __init__(self, path: Path, shape: Sequence[int], threads: int | None = None) -> None:
        self.shape = tuple(shape)
        self._network = (
            Compiled(path, self.shape, threads=threads) if path.suffix == ".xml" else Interpreted(path, threads=threads)
        )

    def logits(self, x: np.ndarray) -> np.ndarray:
        rows = np.asarray(x, np.float32).reshape(len(x), *self.shape)
        return self._network.rows(rows)


@dataclass(frozen=True)
class Classifier:
    """A loaded version. ``head`` or ``tail`` is None, by the recipe."""

    folder: Path
    manifest: dict[str, Any]
    head: Head | None
    tail: Tail | None

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(self.manifest["categories"])

    @property
    def trunk_key(self) -> str:
        """The trunk whose features (or activations at the cut) this version takes."""
        return str(self.manifest["trunk_key"])

    @property
    def temperature(self) -> float:
        return float(self.manifest["temperature"])

    def logits(self, features: np.ndarray) -> np.ndarray:
        worker = self.head or self.tail
        assert worker is not None  # load_version refuses a folder with neither
        return worker.logits(features)

    def probabilities_from_features(self, features: np.ndarray) -> np.ndarray:
        """float32 ``[n, dim]`` of this version's trunk -> calibrated ``[n, classes]``."""
        if not len(features):
            return np.empty((0, len(self.categories)), np.float32)
        return softmax(self.logits(features) / np.float32(self.temperature))


def write_version(
    folder: Path,
    *,
    head: Head | None = None,
    tail: Any = None,
    tail_shape: Sequence[int] | None = None,
    categories: Sequence[str],
    trunk_key: str,
    backbone: str,
    size: int,
    temperature: float,
    recipe: str,
    metrics: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the folder, whole or not at all, and return its manifest.

    Args:
        folder: DATA_DIR/models/<project>/<number>.
        head: The classifier of an extraction version.
        tail: Else a Keras model: activations at the cut -> logits.
        tail_shape: Shape of those activations, without the batch axis.
        extra: Anything else for the model card (snapshot digest, history, seed, …); JSON.
    """
    with folder_atomic(folder) as new:
        if head is not None:
            head.with_temperature(temperature).save(new / "head.npz")
        else:
            convert(tail, new / "tail.xml")
            _save_tail(tail, new / "tail.npz")
        files = sorted(path.name for path in new.iterdir())
        manifest = {
            "schema": SCHEMA, "categories": list(categories), "trunk_key": trunk_key, "backbone": backbone,
            "size": size, "recipe": recipe, "temperature": float(temperature),
            "tail_shape": list(tail_shape) if tail_shape else None, "metrics": dict(metrics),
            "files": {name: sha256_of(new / name) for name in files}, "verification": None, **(extra or {}),
        }  # fmt: skip
        _write(new, manifest)
    return manifest


def _save_tail(tail: Any, path: Path) -> None:
    """The Keras tail's arrays, so that it can be built again for an export; the shapes of its dense layers beside."""
    arrays = {f"w{index}": np.asarray(value) for index, value in enumerate(tail.get_weights())}
    dense = [layer for layer in tail.layers if layer.__class__.__name__ == "Dense"]
    arrays |= {layer.name: np.array(layer.kernel.shape, np.int64) for layer in dense}
    standardise = tail.get_layer("standardise")  # numbers of its configuration, not weights
    arrays |= {"scale": np.array(standardise.scale, np.float64), "offset": np.array(standardise.offset, np.float64)}
    write_arrays(path, arrays)


def checked_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a version whose files are those that the run wrote.

    Raises:
        ArtifactDamaged: a file is missing or is another one.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
        if manifest["schema"] != SCHEMA:
            raise ArtifactDamaged(
                _("%(folder)s: expected manifest schema %(schema)s; got %(got)s.")
                % {"folder": folder, "schema": SCHEMA, "got": manifest["schema"]}
            )
        for name, sha256 in manifest["files"].items():
            if Path(name).name != name or sha256_of(folder / name) != sha256:
                raise ArtifactDamaged(
                    _("%(path)s is not the file that the training run wrote.") % {"path": folder / name}
                )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _not_whole(folder, error) from error
    return manifest


def _not_whole(folder: Path, error: Exception) -> ArtifactDamaged:
    return ArtifactDamaged(
        _("%(folder)s holds no whole model version: %(error)s.") % {"folder": folder, "error": error}
    )


def load_version(folder: Path, *, portable: bool = False, threads: int | None = None) -> Classifier:
    """Read a version; every hash is checked first.

    Args:
        portable: The retrained block on LiteRT, by the file that ``training.learning.portable`` has written.
        threads: Cores that a retrained block may use; all where None.

    Raises:
        ArtifactDamaged: a file is missing, is another one, or does not fit the manifest.
    """
    manifest = checked_manifest(folder)
    try:
        head = Head.load(folder / "head.npz") if "head.npz" in manifest["files"] else None
        tail = None
        if "tail.xml" in manifest["files"] and "tail.bin" in manifest["files"]:
            tail = Tail(network_of(folder) if portable else folder / "tail.xml", manifest["tail_shape"], threads)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_whole(folder, error) from error
    if head is None and tail is None:
        raise ArtifactDamaged(_("%(folder)s has neither a head nor a tail.") % {"folder": folder})
    if head is not None and list(head.categories) != manifest["categories"]:
        raise ArtifactDamaged(_("%(folder)s: the head's categories are not the manifest's.") % {"folder": folder})
    return Classifier(folder, manifest, head, tail)


def compare_with_keras(actual: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    """What verification found: count, largest difference of a probability, same top-1; ``passed`` = may serve.

    A different top-1 is let pass only where Keras itself has the two categories within TOLERANCE of each other.
    """
    difference = float(np.abs(actual - expected).max()) if len(actual) else 0.0
    rows = np.arange(len(actual))
    tied = (
        expected.max(axis=1) - expected[rows, actual.argmax(axis=1)] <= TOLERANCE if len(actual) else np.ones(0, bool)
    )
    same = bool(tied.all())
    passed = bool(np.isfinite(actual).all()) and difference <= TOLERANCE and same and len(actual) > 0
    return {"count": len(actual), "difference": difference, "same_top1": same, "tolerance": TOLERANCE, "passed": passed}


def record_verification(folder: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """Write what ``verify`` found into the manifest; raises NotFaithful where it may not serve."""
    manifest = record(folder, "verification", found)
    if not found["passed"]:
        raise NotFaithful(
            _(
                "The exported version differs from Keras on %(count)s images: largest difference of a probability"
                " %(difference).1e (at most %(most)s is allowed), same top-1: %(same)s."
            )
            % {
                "count": found["count"],
                "difference": found["difference"],
                "most": TOLERANCE,
                "same": found["same_top1"],
            }
        )
    return manifest


def record(folder: Path, name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Add what was found out about a written version to its manifest."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    manifest[name] = dict(facts)
    _write(folder, manifest)
    return manifest


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    write_atomic(folder / "manifest.json", text.encode())
