"""The experiment that every course teaches: from scratch, extraction without and with augmentation, fine-tuning.

On cats against dogs and one more set; accuracy on held-out photographs and the gap to the training part over the
epochs (of extraction: over the steps of its solver). Each seed is another random 70/30 split. The figure of a recipe is
its last epoch's, and nothing stops early: the best epoch would be chosen by the very photographs that it is told of.

    python -m bench.transfer [--sets cats_dogs trashnet] [--backbone mobilenet_v2_0.35] [--seeds 1] [--epochs 15]
        [--scratch-epochs 30] [--csv FILE] [--svg FILE] [--quick]
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import SHARED, Clock, Photos, features, opened, photos
from bench.plots import page
from labeling.charts import Series, line
from labeling.files.imaging import pixels
from training.learning.augment import VIEWS
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.networks.backbones import BACKBONES
from training.learning.rows import Rows

Curves = list[tuple[str, int, float, float]]  # (recipe, epoch, accuracy in training, in validation)


def scratch(data: Photos, train: np.ndarray, test: np.ndarray, epochs: int, seed: int = 0) -> Curves:
    """The compact network with random weights, on pixels, with fresh augmentation in every epoch."""
    from training.learning.tuning.scratch import OPTIONS, SIZE, fit_from_scratch

    pictures = Rows.of(np.stack([pixels(path.read_bytes(), SIZE).ravel() for path in data.files]))
    limits = replace(OPTIONS, epochs=epochs, patience=epochs)
    _, history = fit_from_scratch(pictures, data.shas, data.one_hot, None, train, test, options=limits, seed=seed)
    return _curves("from scratch", history)


def extraction(data: Photos, train: np.ndarray, test: np.ndarray, key: str, views: int) -> Curves:
    _, _, trunk = opened(key)
    x, owners = features(trunk, data, views=views)
    mine = np.isin(owners, train)
    held = x[: len(data.files)][test]
    weights = np.full(mine.sum(), 1 / (views + 1))
    _, history = fit_head(x[mine], data.one_hot[owners[mine]], weights, held, data.one_hot[test],
                          categories=data.names, owners=owners[mine], options=HeadOptions(patience=200))  # fmt: skip
    return _curves("extraction + augmentation" if views else "extraction", history)


def tuning(data: Photos, train: np.ndarray, test: np.ndarray, key: str, views: int, epochs: int) -> Curves:
    """Fine-tuning behind the cut; with views, epoch e sees view e modulo (views + 1) of each picture."""
    from training.learning.tuning.finetune import fine_tune
    from training.learning.tuning.keras_loop import LoopOptions, Part

    backbone, weights, trunk = opened(key, BACKBONES[key].cut)
    _, _, pooled = opened(key)
    x, owners = features(trunk, data, views=views)
    rows = np.stack([np.flatnonzero(owners == i) for i in range(len(data.files))])  # [n, views + 1]
    head, _ = fit_head(features(pooled, data)[0][train], data.one_hot[train], categories=data.names)

    def at_epoch(epoch: int, at: np.ndarray) -> np.ndarray:
        return x[rows[train[at], epoch % (views + 1)]].reshape(-1, *trunk.shape)

    fitted = Part(lambda at: x[rows[train[at], 0]].reshape(-1, *trunk.shape), data.one_hot[train], epoch_rows=at_epoch)
    held = Part(lambda at: x[rows[test[at], 0]].reshape(-1, *trunk.shape), data.one_hot[test])
    options = LoopOptions(epochs=epochs, patience=epochs)
    _, history = fine_tune(backbone, weights, head, fitted, held, options=options)
    return _curves("fine-tuning + augmentation" if views else "fine-tuning", history)


def _curves(recipe: str, history: dict[str, Any]) -> Curves:
    pairs = zip(history["accuracy"], history["val_accuracy"], strict=True)
    return [(recipe, epoch + 1, a, b) for epoch, (a, b) in enumerate(pairs)]


def compare(data: Photos, seed: int, options: argparse.Namespace) -> Curves:
    """All recipes on one random split; prints each as it ends."""
    order = np.random.default_rng(seed).permutation(len(data.files))
    train, test = np.split(order, [int(0.7 * len(order))])
    print(f"split {seed}: {len(train)} to train on, {len(test)} held out, {options.backbone}")
    key, views, epochs = options.backbone, options.views, options.epochs
    found: Curves = []
    for recipe in (
        lambda: scratch(data, train, test, options.scratch_epochs, seed),
        lambda: extraction(data, train, test, key, 0),
        lambda: extraction(data, train, test, key, views),
        lambda: tuning(data, train, test, key, 0, epochs),
        lambda: tuning(data, train, test, key, views, epochs),
    ):
        with Clock() as clock:
            curves = recipe()
        name, epoch, fitted, held = curves[-1]
        print(f"  {name:28} held out {held:.3f}, gap {fitted - held:+.3f} after {epoch} epochs; "
              f"best {max(row[3] for row in curves):.3f}; {clock.cpu:.0f} s of CPU", flush=True)  # fmt: skip
        found += curves
    return found


def summary(runs: list[Curves]) -> None:
    """Each recipe's last epoch, mean and standard error over the splits."""
    for recipe in dict.fromkeys(row[0] for row in runs[0]):
        last = np.array([[row[2:] for row in run if row[0] == recipe][-1] for run in runs])
        held, gap = last[:, 1], last[:, 0] - last[:, 1]
        error = held.std(ddof=1) / np.sqrt(len(held)) if len(held) > 1 else np.nan
        print(f"  {recipe:28} held out {held.mean():.3f} ± {error:.3f}, gap {gap.mean():+.3f}", flush=True)


def plots(found: dict[str, Curves]) -> str:
    """A set a row: held-out accuracy over the epochs, and how much better the training part is known."""
    rows = []
    for name, curves in found.items():
        recipes = list(dict.fromkeys(row[0] for row in curves))
        held = [Series(r, [(e, b) for s, e, _, b in curves if s == r]) for r in recipes]
        gap = [Series(r, [(e, a - b) for s, e, a, b in curves if s == r]) for r in recipes]
        rows.append([
            line(held, title=f"{name}: held-out accuracy", x_label="epoch", y_format="percent", y_high=1.0),
            line(gap, title=f"{name}: training minus held-out accuracy", x_label="epoch", y_format="percent"),
        ])  # fmt: skip
    return page(rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=["cats_dogs", "trashnet"])
    parser.add_argument("--backbone", default="mobilenet_v2_0.35")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--scratch-epochs", type=int, default=30)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--most", type=int)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--svg", type=Path, help="the curves of the first split, drawn")
    parser.add_argument("--quick", action="store_true", help="60 images, 2 epochs, 1 view: does it run?")
    options = parser.parse_args(arguments)
    if options.quick:
        options.most, options.epochs, options.scratch_epochs, options.views = 60, 2, 2, 1
    runs: dict[str, list[Curves]] = {name: [] for name in options.sets}
    for seed in range(options.seeds):
        for name in options.sets:
            print(name, end=", ")
            runs[name].append(compare(photos(SHARED / "images" / name, most=options.most), seed, options))
        if options.csv:  # after each split, since the next one takes its time
            rows = [(name, split, *row) for name in runs for split, run in enumerate(runs[name]) for row in run]
            with open(options.csv, "w", newline="") as out:
                csv.writer(out).writerows([("set", "split", "recipe", "epoch", "train", "held_out"), *rows])
        if options.svg and not seed:
            options.svg.write_text(plots({name: found[0] for name, found in runs.items()}))
    for name, found in runs.items():
        print(f"{name}, means of {options.seeds}")
        summary(found)


if __name__ == "__main__":
    main()
