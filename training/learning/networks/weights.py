"""Which pretrained weights are on this machine, whether they are what they claim to be, and how to fetch them.

Keras' own download writes straight into the final name, without a lock, a time limit or (for MobileNet) a hash: two
workers race, and a kill leaves a truncated file. Here one process at a time writes to a temporary name, compares the
hash, then renames. A file whose hash nobody published is used, and shown as what it is.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from labeling.errors import FORBIDDEN
from labeling.text.words import gettext as _
from training.learning.errors import WeightsMissing
from training.learning.files import digest_of, locked, sha256_of
from training.learning.networks.backbones import BACKBONES, Backbone

State = Literal["verified", "unknown_hash", "missing", "bundled", "random", "damaged"]
ASSETS = Path(__file__).parents[1] / "assets"
# What "auto" takes, best first, among those whose weights are here. Light enough for a CPU; the bundled one always is.
PREFERRED = ("mobilenet_v2_1.0", "mobilenet_v2_0.35", "mobilenet_0.25", "crowdtune_small")
DEFAULT = "crowdtune_small"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Weights:
    """A weights file, or its absence. ``expected`` is where it has to lie; ``sha256`` is empty without a file."""

    path: Path | None
    state: State
    sha256: str
    expected: Path
    root: Weights | None = None  # of the network whose last block an imported ``tail`` replaces

    @property
    def usable(self) -> bool:
        return self.path is not None and self.state != "damaged"


def locate(backbone: Backbone, keras_home: Path) -> Weights:
    """Look for the backbone's weights without a classifier; never touches the network.

    Args:
        backbone: An entry of BACKBONES.
        keras_home: Keras' own cache (KERAS_HOME); files lie in its folder ``models``.
    """
    if backbone.bundled:
        path = ASSETS / backbone.weights_file
        if path.exists():
            return Weights(path, "bundled", sha256_of(path), path)
        return Weights(None, "random", "", path)
    expected = keras_home / backbone.weights_folder / backbone.weights_file
    if not backbone.weights_file:
        return Weights(None, "random", "", expected)
    if not expected.is_file():
        return Weights(None, "missing", "", expected)
    sha256 = sha256_of(expected)
    if backbone.imported:
        return _imported(backbone, keras_home, expected, sha256)
    if backbone.sha256 and sha256 == backbone.sha256:
        return Weights(expected, "verified", sha256, expected)
    if backbone.weights_hash:
        same = _published_digest(expected, backbone.weights_hash) == backbone.weights_hash
        return Weights(expected, "verified" if same else "damaged", sha256, expected)
    return Weights(expected, "unknown_hash", sha256, expected)


def _imported(backbone: Backbone, keras_home: Path, path: Path, sha256: str) -> Weights:
    root = locate(backbone.root, keras_home) if backbone.root else None
    if sha256 != backbone.sha256:
        return Weights(path, "damaged", sha256, path, root)
    if root is not None and root.sha256 != backbone.root_sha256:
        return Weights(None, "missing", "", root.expected, root)
    return Weights(path, "verified", sha256, path, root)


def _published_digest(path: Path, published: str) -> str:
    return digest_of(path, "sha256" if len(published) == 64 else "md5")  # what Keras publishes for this file


def require(backbone: Backbone, keras_home: Path) -> Weights:
    """``locate``, or WeightsMissing that names the exact file, folder and address."""
    weights = locate(backbone, keras_home)
    if weights.state == "damaged":
        raise WeightsMissing(
            _(
                "%(path)s is not the file of %(title)s (its hash differs from %(hash)s): it was cut off or changed."
                " Delete it and fetch it again."
            )
            % {"path": weights.path, "title": backbone.title, "hash": backbone.weights_hash or backbone.sha256}
        )
    if weights.path is None and weights.state != "random":
        where = f" ({backbone.weights_url})" if backbone.weights_url else ""
        told = _(
            "No pretrained weights of %(title)s: expected the file %(path)s%(where)s. Put it there, or choose a"
            " backbone whose weights are here."
        )
        raise WeightsMissing(told % {"title": backbone.title, "path": weights.expected, "where": where})
    return weights


def fetch(backbone: Backbone, keras_home: Path, progress: Callable[[float], bool] | None = None) -> Weights:
    """Download the published file under a lock, check it, and give it its name at once.

    Args:
        backbone: An entry with a published file.
        keras_home: As in ``locate``.
        progress: Called with the share that is done, 0..1; False stops.

    Raises:
        WeightsMissing: no address, no connection, another hash, no right to write, or stopped; no partial file stays.
    """
    if not backbone.weights_file:
        told = _("Nobody has published weights of %(title)s.")
        raise WeightsMissing(told % {"title": backbone.title})
    found = locate(backbone, keras_home)
    if found.usable or not backbone.weights_url:
        return found if found.usable else require(backbone, keras_home)
    try:
        with locked(found.expected.with_name(f".{backbone.weights_file}.lock")):
            if not locate(backbone, keras_home).usable:  # no other process was faster
                _fetch_into(found.expected, backbone, progress)
    except OSError as error:
        if error.errno not in FORBIDDEN:
            raise
        told = _(
            "The weights of %(title)s cannot be written into %(folder)s (%(error)s). Let KERAS_HOME name a folder that"
            " this process may write."
        )
        names = {"title": backbone.title, "folder": found.expected.parent, "error": error.strerror}
        raise WeightsMissing(told % names) from error
    return require(backbone, keras_home)


def _fetch_into(path: Path, backbone: Backbone, progress: Callable[[float], bool] | None) -> None:
    partial = path.with_name(f".{backbone.weights_file}.part")
    try:
        _download(backbone, partial, progress)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _download(backbone: Backbone, partial: Path, progress: Callable[[float], bool] | None) -> None:
    address = backbone.weights_url
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, open(partial, "wb") as out:
            total, done = int(answer.headers.get("Content-Length") or 0), 0
            while chunk := answer.read(1 << 20):
                out.write(chunk)
                done += len(chunk)
                if progress and progress(done / total if total else 0.0) is False:
                    raise WeightsMissing(
                        _("The download of %(title)s was stopped.") % {"title": backbone.title}, "cancelled"
                    )
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise WeightsMissing(
            _(
                "This machine could not reach %(address)s (%(error)s). Fetch it elsewhere and put it into %(folder)s"
                " under its own name."
            )
            % {"address": address, "error": error, "folder": partial.parent}
        ) from error
    if total and done != total:
        raise WeightsMissing(
            _("%(address)s ended after %(done)s of %(total)s bytes. Try again.")
            % {"address": address, "done": done, "total": total}
        )
    if backbone.weights_hash and _published_digest(partial, backbone.weights_hash) != backbone.weights_hash:
        raise WeightsMissing(
            _("%(address)s does not have the published hash %(hash)s; it was not kept.")
            % {"address": address, "hash": backbone.weights_hash}
        )


def best_available(keras_home: Path) -> str:
    """What "auto" takes: the best of PREFERRED whose weights are here."""
    return next((key for key in PREFERRED if locate(BACKBONES[key], keras_home).usable), DEFAULT)
