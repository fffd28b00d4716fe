"""What a (re)train costs beside the plain Keras transfer-learning guide, in CPU seconds, in one run.

The guide: the frozen base inside the model, tf.data from JPEG files, every epoch through the whole network and over the
validation part (keras.io/guides/transfer_learning: ``fit(train_ds, epochs=…, validation_data=validation_ds)``). Ours:
each picture embedded once, those of the validation part too; the head on cached features; fine-tuning behind cached
activations, which measures every epoch on the validation part as well. The guide's epochs are all alike, so it runs
--guide-epochs of them (after one to warm up) and is multiplied; a fit of ours runs in full.

    python -m bench.retrain [--images 1600] [--epochs 20] [--guide-epochs 2] [--backbone mobilenet_v2_1.0] [--quick]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.pictures import SHARED, Clock, Photos, features, opened, photos
from training.learning.feature_store import FeatureStore
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import BACKBONES

Row = tuple[str, float, float, float]


def guide(data: Photos, test: Photos, key: str, epochs: int, measured: int, tune: bool) -> tuple[float, float, float]:
    """(CPU seconds for ``epochs``, CPU seconds of one, accuracy on test) of the Keras guide."""
    import keras
    import tensorflow as tf

    backbone, weights, _ = opened(key)
    keras.utils.set_random_seed(0)

    def dataset(part: Photos) -> Any:
        paths = tf.data.Dataset.from_tensor_slices(([str(path) for path in part.files], part.labels))

        def load(path: Any, label: Any) -> Any:
            image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
            return tf.image.resize(image, (backbone.size, backbone.size), antialias=True), label

        return paths.map(load, num_parallel_calls=2).batch(32).prefetch(2)

    from training.learning.networks.network import build, preprocess

    base = build(backbone, weights)
    base.trainable = False
    if tune:
        from training.learning.networks.boundary import cut_tensor

        behind = keras.Model(cut_tensor(base, backbone.cut), base.output)
        for layer in behind._flatten_layers():
            layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    inputs = keras.Input((backbone.size, backbone.size, 3))
    x = keras.layers.GlobalAveragePooling2D()(base(preprocess(inputs, backbone.preprocessing), training=False))
    model = keras.Model(inputs, keras.layers.Dense(len(data.names), activation="softmax")(x))
    model.compile(
        keras.optimizers.Adam(1e-4 if tune else 1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    train, held = dataset(data), dataset(test)
    model.fit(train, epochs=1, validation_data=held, verbose=0)
    with Clock() as clock:
        model.fit(train, epochs=measured, validation_data=held, verbose=0)
    accuracy = float(model.evaluate(held, verbose=0)[1])
    return clock.cpu / measured * epochs, clock.cpu / measured, accuracy


def extraction(data: Photos, test: Photos, key: str) -> list[Row]:
    """First run, a retrain after 10 % new images, and one where the features were made at upload."""
    _, _, trunk = opened(key)
    folder = Path(tempfile.mkdtemp())
    try:
        store = FeatureStore(folder, trunk.key, trunk.dim)
        old = data.take(np.arange(len(data.files) * 9 // 10))
        rows: list[Row] = []
        for name, part in (
            ("first run (90 % of the images)", old),
            ("retrain, 10 % new", data),
            ("retrain, features there", data),
        ):
            with Clock() as clock:
                x, owners = features(trunk, part, store)
                x_test, _ = features(trunk, test, store)
                head, _ = fit_head(x, part.one_hot[owners], categories=part.names, owners=owners)
                accuracy = float((head.logits(x_test).argmax(axis=1) == test.labels).mean())
            rows.append((name, clock.cpu, clock.wall, accuracy))
        return rows
    finally:
        shutil.rmtree(folder)


def tuning(data: Photos, test: Photos, key: str, epochs: int) -> list[Row]:
    """Activations at the cut, once, then ``epochs`` of the last block only."""
    from training.learning.tuning.finetune import fine_tune
    from training.learning.tuning.keras_loop import LoopOptions, Part, predict_logits

    backbone, weights, trunk = opened(key, BACKBONES[key].cut)
    _, _, pooled = opened(key)
    folder = Path(tempfile.mkdtemp())
    try:
        store = FeatureStore(folder, trunk.key, trunk.dim)
        with Clock() as first:
            x, _ = features(trunk, data, store)
            x_test, _ = features(trunk, test, store)
        x, x_test = x.reshape(-1, *trunk.shape), x_test.reshape(-1, *trunk.shape)
        head, _ = fit_head(features(pooled, data)[0], data.one_hot, categories=data.names)
        part = Part(lambda at: x_test[at], test.one_hot)
        with Clock() as clock:
            model, _ = fine_tune(
                backbone, weights, head, Part(lambda at: x[at], data.one_hot), part,
                options=LoopOptions(epochs=epochs, patience=epochs),
            )  # fmt: skip
        accuracy = float((predict_logits(model, part).argmax(axis=1) == test.labels).mean())
        total = first.cpu + clock.cpu
        with Clock() as early:
            model, history = fine_tune(backbone, weights, head, Part(lambda at: x[at], data.one_hot), part)
        stopped = float((predict_logits(model, part).argmax(axis=1) == test.labels).mean())
        epochs_run = len(history["loss"])
        return [("fine-tuning, activations made", total, first.wall + clock.wall, accuracy),
                ("fine-tuning, activations there", clock.cpu, clock.wall, accuracy),
                (f"the same, stopped after {epochs_run} epochs", early.cpu, early.wall, stopped)]  # fmt: skip
    finally:
        shutil.rmtree(folder)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--guide-epochs", type=int, default=2)
    parser.add_argument("--backbone", default="mobilenet_v2_1.0")
    parser.add_argument("--quick", action="store_true", help="120 images, 2 epochs: does it run?")
    options = parser.parse_args(arguments)
    if options.quick:
        options.images, options.epochs, options.guide_epochs = 120, 2, 1
    folder = SHARED / "images"
    everything = photos(folder / "cats_dogs", folder / "trashnet", most=options.images)
    cut = len(everything.files) * 4 // 5
    data, test = everything.take(np.arange(cut)), everything.take(np.arange(cut, len(everything.files)))
    key, epochs = options.backbone, options.epochs
    print(f"{len(data.files)} images, {len(data.names)} classes, {key}, {epochs} epochs; CPU seconds")
    ours = extraction(data, test, key)
    base, one, accuracy = guide(data, test, key, epochs, options.guide_epochs, tune=False)
    print(f"{'Keras guide, frozen base':34} {base:9.1f} ({one:.1f} an epoch)   accuracy {accuracy:.3f}")
    for name, cpu, wall, accuracy in ours:
        print(f"{name:34} {cpu:9.2f} = 1/{base / cpu:.0f}  ({wall:.2f} s by the clock)   accuracy {accuracy:.3f}")
    base, one, accuracy = guide(data, test, key, epochs, options.guide_epochs, tune=True)
    print(f"{'Keras guide, last block':34} {base:9.1f} ({one:.1f} an epoch)   accuracy {accuracy:.3f}")
    for name, cpu, wall, accuracy in tuning(data, test, key, epochs):
        print(f"{name:34} {cpu:9.2f} = 1/{base / cpu:.1f}  ({wall:.2f} s by the clock)   accuracy {accuracy:.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, Keras guide included: {peak:.0f} MB")


if __name__ == "__main__":
    main()
