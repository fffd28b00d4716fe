"""How good are a backbone's features? A linear probe on a set of pictures, and the card that says so."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from labeling.files.imaging import pixels
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import Backbone
from training.learning.networks.trunk import Trunk, export_trunk
from training.learning.networks.weights import Weights

SPLITS = 5
SHARE = 0.7


def files_of(folder: Path) -> list[Path]:
    """The pictures of a set with one folder per class, class by class."""
    return sorted(path for path in folder.glob("*/*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})


def read_set(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pictures of a folder with one folder per class: uint8 ``[n, size, size, 3]``, labels int ``[n]``, names."""
    names = sorted({path.parent.name for path in files_of(folder)})
    files = [(path, names.index(path.parent.name)) for path in files_of(folder)]
    return np.stack([pixels(path.read_bytes(), size) for path, _ in files]), np.array([i for _, i in files]), names


def probe_features(features: np.ndarray, labels: np.ndarray, names: list[str], splits: int = SPLITS) -> list[float]:
    """Of ``splits`` random 70/30 splits, the accuracy on the 30 % of a linear head that learned the rest.

    Args:
        features: float32 ``[n, dim]``.
        labels: int ``[n]``, places in ``names``.
    """
    found = []
    for seed in range(splits):
        order = np.random.default_rng(seed).permutation(len(labels))
        train, test = np.split(order, [int(SHARE * len(order))])
        head, _ = fit_head(features[train], np.eye(len(names))[labels[train]], categories=names, seed=seed)
        found.append(float((head.logits(features[test]).argmax(axis=1) == labels[test]).mean()))
    return found


def linear_probe(backbone: Backbone, weights: Weights, folder: Path) -> float:
    """Mean accuracy of the probe on a set, with the backbone frozen."""
    pictures, labels, names = read_set(folder, backbone.size)
    with tempfile.TemporaryDirectory() as scratch:
        features = Trunk(export_trunk(backbone, weights, Path(scratch) / "trunk")).embed(pictures)
    return round(float(np.mean(probe_features(features, labels, names))), 4)


def card(facts: dict[str, Any], size: int) -> str:
    """The model card (Mitchell et al. 2019, arXiv:1810.03993) of the small backbone, as Markdown."""
    sets = ", ".join(f"{name} ({count})" for name, count in facts["sets"].items())
    columns = sorted({one for row in facts.get("probe", {}).values() for one in row})
    lines = [
        "# Crowdtune small",
        "",
        f"Compact convolutional backbone, 128 px in, 256 features out, {facts['parameters']:,} parameters in half",
        f"precision ({size / 1e6:.2f} MB). Made by `manage.py pretrain`; recipe: `networks/pretrain.py`.",
        "",
        "- **Data**: " + sets + ". The pictures are not part of the repository.",
        "- **Never seen**: " + (", ".join(facts["held_out"]) or "nothing was held out") + ".",
        f"- **Recipe**: distilled from {facts.get('teacher', 'MobileNetV2 1.0')} (ImageNet), stage by stage, then end",
        "  to end on its maps, pooled features and answers, and supervised on the labels that the sets have; the last",
        "  stage, which a few thousand pictures cannot teach, is thrown away afterwards;",
        f"  {facts['seconds']:.0f} seconds of CPU, {facts.get('crops', 0):,} crops, seed {facts.get('seed', 0)}.",
        "- **For**: a first model where no ImageNet weights can be had, and tests. **Not for**: the last percent of",
        "  accuracy. It has seen few kinds of things; with MobileNetV2's weights in KERAS_HOME, prefer those.",
        "",
        "Linear probe on sets that it never saw: mean accuracy over five random 70/30 splits.",
        "",
        "| backbone | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for name, row in facts.get("probe", {}).items():
        lines.append(f"| {name} | " + " | ".join(f"{row[one]:.3f}" for one in columns) + " |")
    return "\n".join(lines) + "\n"
