"""The experiment that every course teaches: from scratch, extraction without and with augmentation, fine-tuning.

On cats against dogs and one more set; accuracy on held-out photographs and the gap to the training part, per epoch
where there are epochs. ``--csv`` writes the curves for a plot.

    python -m bench.transfer [--sets cats_dogs trashnet] [--backbone mobilenet_v2_0.35] [--epochs 15] [--quick]
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import SHARED, Photos, features, opened, photos
from labeling.imaging import pixels
from training.learning.augment import VIEWS, view
from training.learning.backbones import BACKBONES
from training.learning.head import HeadOptions, fit_head

Curves = list[tuple[str, int, float, float]]  # (recipe, epoch, accuracy in training, in validation)


def scratch(data: Photos, train: np.ndarray, test: np.ndarray, epochs: int, size: int = 96) -> Curves:
    """The compact network with random weights, on pixels, with fresh augmentation in every epoch."""
    import keras

    from training.learning.keras_loop import LoopOptions, Part, fit_epochs
    from training.learning.small import build_small

    keras.utils.set_random_seed(0)
    pictures = np.stack([pixels(path.read_bytes(), size) for path in data.files])
    base = build_small(norm=True, size=size)
    x = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(base.input, keras.layers.Dense(len(data.names))(x))

    def augmented(epoch: int, at: np.ndarray) -> np.ndarray:
        return _scaled(np.stack([view(pictures[i], data.shas[i], epoch) for i in train[at]]))

    fitted = Part(lambda at: _scaled(pictures[train[at]]), data.one_hot[train], epoch_rows=augmented)
    held = Part(lambda at: _scaled(pictures[test[at]]), data.one_hot[test])
    history = fit_epochs(model, fitted, held, LoopOptions(epochs=epochs, patience=epochs, learning_rate=2e-3))
    return _curves("from scratch", history)


def _scaled(pictures: np.ndarray) -> np.ndarray:
    return pictures.astype(np.float32) / 127.5 - 1


def extraction(data: Photos, train: np.ndarray, test: np.ndarray, key: str, views: int) -> Curves:
    _, _, trunk = opened(key)
    x, owners = features(trunk, data, views=views)
    mine = np.isin(owners, train)
    held = x[: len(data.files)][test]
    weights = np.full(mine.sum(), 1 / (views + 1))
    _, history = fit_head(x[mine], data.one_hot[owners[mine]], weights, held, data.one_hot[test],
                          categories=data.names, options=HeadOptions())  # fmt: skip
    return _curves("extraction + augmentation" if views else "extraction", history)


def tuning(data: Photos, train: np.ndarray, test: np.ndarray, key: str, views: int, epochs: int) -> Curves:
    """Fine-tuning behind the cut; with views, epoch e sees view e modulo (views + 1) of each picture."""
    from training.learning.finetune import LoopOptions, Part, fine_tune

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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=["cats_dogs", "trashnet"])
    parser.add_argument("--backbone", default="mobilenet_v2_0.35")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--scratch-epochs", type=int, default=15)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--most", type=int)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--quick", action="store_true", help="60 images, 2 epochs, 1 view: does it run?")
    options = parser.parse_args(arguments)
    if options.quick:
        options.most, options.epochs, options.scratch_epochs, options.views = 60, 2, 2, 1
    lines: list[tuple[Any, ...]] = []
    for name in options.sets:
        data = photos(SHARED / "images" / name, most=options.most)
        train, test = np.split(np.arange(len(data.files)), [int(0.7 * len(data.files))])
        print(f"{name}: {len(train)} to train on, {len(test)} held out, {options.backbone}")
        arguments_ = (data, train, test)
        for curves in (
            scratch(*arguments_, options.scratch_epochs),
            extraction(*arguments_, options.backbone, 0),
            extraction(*arguments_, options.backbone, options.views),
            tuning(*arguments_, options.backbone, 0, options.epochs),
            tuning(*arguments_, options.backbone, options.views, options.epochs),
        ):
            recipe, epoch, fitted, held = max(curves, key=lambda row: row[3])
            print(f"  {recipe:28} held out {held:.3f}, gap {fitted - held:+.3f}, best of {len(curves)} epochs: {epoch}",
                  flush=True)  # fmt: skip
            lines += [(name, *row) for row in curves]
    if options.csv:
        with open(options.csv, "w", newline="") as out:
            csv.writer(out).writerows([("set", "recipe", "epoch", "train", "held_out"), *lines])


if __name__ == "__main__":
    main()
