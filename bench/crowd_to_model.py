"""From crowd to model on real people: cifar10s, trained on what different aggregations make of the same judgments.

1,000 pictures of ten classes, 6,200 judgments by 248 people (shared/data/crowd/cifar10s). The pictures are split five
times into 70 % to learn from and 30 % held out; the held-out ones are scored against CIFAR-10's own labels, which no
training sees. Columns: how right the training labels were, the model, its difference to the majority's model on the
same split, and its calibration error; means over the splits with their standard errors. ``few`` keeps two judgments a
picture, as a project has that is saving. Where two classes have as many votes, one of them is drawn: always taking the
first would favour or harm the majority by the order of the classes.

    python -m bench.crowd_to_model [--backbone mobilenet_v2_0.35] [--seeds 5]
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np

from labeling.aggregation import AGGREGATORS, Votes
from labeling.files.imaging import pixels
from training.learning.calibrate import reliability, temperature
from training.learning.heads.dense import softmax
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.trunk import Trunk, ensure_trunk
from training.learning.networks.weights import require

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CLASSES = 10
MAJORITY = "majority, hard"
ROWS = ("one person", MAJORITY, "consensus, hard", "consensus, soft + weights", "the truth itself")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenet_v2_0.35")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"{DATA} is not on this machine: nothing to measure.")
        return
    started = time.process_time()
    tasks, truth, files = read_pictures()
    task, worker, label = read_judgments(tasks)
    features = embed(arguments.backbone, files)
    print(f"{len(tasks)} pictures, {len(task)} judgments, {worker.max() + 1} people; {arguments.backbone},")
    print(f"{arguments.seeds} splits of 70/30, held-out accuracy against the truth (mean ± standard error)\n")
    for name, most in (("all judgments", None), ("few: two a picture", 2)):
        print(f"{name:28}{'labels right':>16}{'model right':>16}{'to the majority':>18}{'calibration error':>20}")
        results = [
            run(features, truth, *thin(task, worker, label, most, seed), seed) for seed in range(arguments.seeds)
        ]
        for row in ROWS:
            values = np.array([result[row] for result in results])
            apart = values[:, 1] - np.array([result[MAJORITY][1] for result in results])
            said = (told(values[:, 0]), told(values[:, 1]), told(apart, "+"), told(values[:, 2]))
            print(f"{row:28}{said[0]:>16}{said[1]:>16}{said[2]:>18}{said[3]:>20}", flush=True)
        print()
    print(f"{time.process_time() - started:.0f} s of CPU")


def told(values: np.ndarray, sign: str = "") -> str:
    """Mean and its standard error."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():{sign}.3f} ± {error:.3f}"


def read_pictures() -> tuple[list[str], np.ndarray, list[Path]]:
    """Task ids, true labels int [n], files."""
    folder = DATA / "images" / "cifar10s_1000"
    with open(folder / "index.csv") as file:
        rows = list(csv.DictReader(file))
    return [r["task"] for r in rows], np.array([int(r["true_label"]) for r in rows]), [folder / r["file"] for r in rows]


def read_judgments(tasks: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """task, worker, label int [m]: the first answer of each person to each picture."""
    place = {name: index for index, name in enumerate(tasks)}
    seen: dict[tuple[int, str], int] = {}
    with open(DATA / "crowd" / "cifar10s" / "judgments.csv") as file:
        for row in csv.DictReader(file):
            if row["task"] in place:
                seen.setdefault((place[row["task"]], row["worker"]), int(row["label"]))
    people = {name: index for index, name in enumerate(sorted({name for _task, name in seen}))}
    rows = np.array([(index, people[name], label) for (index, name), label in seen.items()])
    return rows[:, 0], rows[:, 1], rows[:, 2]


def thin(
    task: np.ndarray, worker: np.ndarray, label: np.ndarray, most: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most ``most`` judgments a picture, drawn at random."""
    if most is None:
        return task, worker, label
    order = np.random.default_rng(seed).permutation(len(task))
    kept: dict[int, int] = {}
    chosen = []
    for place in order:
        if kept.get(int(task[place]), 0) < most:
            kept[int(task[place])] = kept.get(int(task[place]), 0) + 1
            chosen.append(place)
    return task[chosen], worker[chosen], label[chosen]


def embed(backbone_key: str, files: list[Path]) -> np.ndarray:
    backbone = BACKBONES[backbone_key]
    weights = require(backbone, DATA / "weights")
    with tempfile.TemporaryDirectory() as scratch:
        trunk = Trunk(ensure_trunk(backbone, weights, Path(scratch)))
        return trunk.embed(np.stack([pixels(file.read_bytes(), trunk.size) for file in files]))


def run(
    features: np.ndarray, truth: np.ndarray, task: np.ndarray, worker: np.ndarray, label: np.ndarray, seed: int
) -> dict[str, tuple[float, float, float]]:
    """One split: row -> (labels right, model right, calibration error)."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(truth))
    held, validation, train = order[:300], order[300:400], order[400:]
    votes = Votes.of(task, worker, label, n_classes=CLASSES, n_tasks=len(truth))
    majority = AGGREGATORS["majority"](votes).posterior
    consensus = AGGREGATORS["adaptive"](votes).posterior
    one = np.eye(CLASSES)[first_answer(task, label, len(truth))]
    candidates = {
        "one person": (one, None),
        MAJORITY: (hard(majority, rng), None),
        "consensus, hard": (hard(consensus, rng), None),
        "consensus, soft + weights": (consensus, consensus.max(axis=1)),
        "the truth itself": (np.eye(CLASSES)[truth], None),
    }
    results = {}
    for name, (targets, weights) in candidates.items():
        head, _history = fit_head(
            features[train],
            targets[train],
            None if weights is None else weights[train],
            features[validation],
            targets[validation],
            categories=[str(k) for k in range(CLASSES)],
            seed=seed,
        )
        scale = temperature(head.logits(features[validation]), targets[validation])
        said = softmax(head.logits(features[held]) / scale)
        error, _bars = reliability(said, truth[held])
        labels_right = float((targets.argmax(axis=1) == truth)[train].mean())
        results[name] = (labels_right, float((said.argmax(axis=1) == truth[held]).mean()), error)
    return results


def hard(posterior: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One class a picture, one-hot: the most likely, one of them drawn where several are."""
    level = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    return np.eye(CLASSES)[(rng.random(posterior.shape) * level).argmax(axis=1)]


def first_answer(task: np.ndarray, label: np.ndarray, tasks: int) -> np.ndarray:
    answers = np.zeros(tasks, int)
    answers[task[::-1]] = label[::-1]
    return answers


if __name__ == "__main__":
    main()
