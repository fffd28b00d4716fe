"""Backbones beside the literal table: a file that an operator trusts, or what a project's champion has learned.

Each is a folder ``<root>/<key>/`` with ``backbone.json`` (the facts of a ``Backbone``, and where it comes from) and one
file of weights, whose SHA-256 is its identity. Two kinds, by ``builder``:

- ``file``: a whole network as ``.keras``; read by ``foreign.load_network``, which runs no code that came with it.
- ``tail``: a network of the zoo (``root``) whose last block a fine-tuned version has retrained; only the block's arrays
  are kept. What lies before the cut is the root's, so activations cached there stay good however often a project goes
  on from its champion.

Pure: reads and writes folders, opens no network.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from labeling.text.words import gettext as _
from training.learning.errors import ArtifactDamaged, LearningError, not_written
from training.learning.files import folder_atomic, sha256_of
from training.learning.networks.backbones import BACKBONES, Backbone
from training.learning.networks.keys import trunk_key
from training.learning.networks.weights import Weights

FACTS = "backbone.json"


def find(key: str, root: Path) -> Backbone:
    """The backbone of the table, or the imported one of this name under ``root``.

    Raises:
        LearningError: There is none.
        ArtifactDamaged: Its facts cannot be read.
    """
    if key in BACKBONES:
        return BACKBONES[key]
    folder = root / key
    if Path(key).name != key or not (folder / FACTS).is_file():
        raise LearningError(f"Expected a backbone of the zoo or an imported one; got {key!r}.", "unknown_backbone")
    return placed(from_json(facts_of(folder)["backbone"]), root)


def keys(root: Path) -> list[str]:
    """The names under ``root``, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{FACTS}"))


def facts_of(folder: Path) -> dict[str, Any]:
    """``{"backbone", "source", "project", "version"}``: ``project`` is 0 for one that every project may use, and
    ``version`` the id of the version that taught it, 0 where none did or an older checkout wrote it.

    Raises:
        ArtifactDamaged: They cannot be read.
    """
    try:
        found: dict[str, Any] = json.loads((folder / FACTS).read_text())
        from_json(found["backbone"])
        return {name: found[name] for name in ("backbone", "source", "project")} | {"version": found.get("version", 0)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactDamaged(f"{folder / FACTS} does not describe a backbone: {error}.") from error


def from_json(facts: dict[str, Any]) -> Backbone:
    """What ``dataclasses.asdict`` made of a backbone, as a backbone."""
    root = facts.get("root")
    return Backbone(**{**facts, "root": from_json(root) if root else None})


def placed(backbone: Backbone, root: Path) -> Backbone:
    """With the folders of now: the data folder may have moved since the facts were written."""
    if not backbone.imported:
        return backbone
    inner = placed(backbone.root, root) if backbone.root else None
    return replace(backbone, weights_folder=str((root / backbone.key).resolve()), root=inner)


def store(
    backbone: Backbone, file: Path, root: Path, *, source: str, project: int = 0, version: int = 0
) -> Backbone:  # fmt: skip
    """Copy the file into the folder of the backbone's key, with its facts, whole or not at all.

    Args:
        backbone: Complete but for ``sha256`` and where its file lies.
        file: The .keras file, or the arrays of a tail.
        source: In words, for people.
        project: Id of the only project that may use it; 0 = all.
        version: Id of the version that taught it; 0 = none.

    Raises:
        LearningError: It cannot be written there, or the file not be read (``disk_full``, ``not_written``).
    """
    try:
        with folder_atomic(root / backbone.key) as new:
            shutil.copyfile(file, new / backbone.weights_file)
            known = replace(backbone, sha256=sha256_of(new / backbone.weights_file), weights_folder="")
            facts = {"backbone": asdict(known), "source": source, "project": project, "version": version}
            (new / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False))
    except OSError as error:
        told = _("%(file)s could not be copied into %(folder)s: %(error)s. %(advice)s")
        raise not_written(told, error, file=file, folder=root) from error
    return placed(known, root)


def store_tail(
    version: Path, backbone: Backbone, weights: Weights, root: Path, *, key: str, title: str, source: str,
    project: int = 0, taught_by: int = 0,
) -> Backbone:  # fmt: skip
    """Keep what a fine-tuned version has learned as a backbone of its own.

    Args:
        version: Folder of the version.
        backbone, weights: What it was trained on; itself one of a champion, perhaps.
        taught_by: Id of the version.

    Raises:
        LearningError: The version has no retrained block (``nothing_learned``), was cut elsewhere, or stands on other
            weights than there are now (``other_weights``).
        ArtifactDamaged: Its files are not there, or not whole.
    """
    try:
        manifest = json.loads((version / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise ArtifactDamaged(
            _("%(folder)s holds no whole model version: %(error)s.") % {"folder": version, "error": error}
        ) from error
    if "tail.npz" not in manifest["files"]:
        raise LearningError(
            f"{version} was trained by feature extraction: its network is {backbone.title} unchanged. Choose that.",
            "nothing_learned",
        )
    if manifest["trunk_key"] != trunk_key(backbone, weights.sha256, manifest["cut"]):
        told = _("What %(source)s has learned fits other weights of %(title)s than this machine has now. Train anew.")
        raise LearningError(told % {"source": source, "title": backbone.title}, "other_weights")
    # A network of the zoo is whole before any cut, wherever the zoo cuts it today; one of a champion is its root only
    # before its own.
    if backbone.root is not None and manifest["cut"] not in (backbone.cut, backbone.deeper):
        raise LearningError(f"{version} was cut at {manifest['cut']}, {backbone.title} is at {backbone.cut}.")
    first, sha256 = (backbone.root, backbone.root_sha256) if backbone.root else (backbone, weights.sha256)
    known = replace(
        first, key=key, title=title, builder="tail", cut=manifest["cut"], weights_file="tail.npz", weights_url="",
        weights_hash="", bundled=False, root=first, root_sha256=sha256, top1_error=None, top5_error=None,
        family="Champion",
    )  # fmt: skip
    return store(known, version / "tail.npz", root, source=source, project=project, version=taught_by)


def forget(key: str, root: Path) -> None:
    """Remove the folder of an imported backbone."""
    shutil.rmtree(root / key)
