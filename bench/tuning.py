"""Fine-tuning on real photographs, one way beside another: where the network is cut, the rate, and its course.

Each seed draws its own 60 % to learn from, 10 % that say when to stop, 30 % held out; every variant sees the same ones.
The difference is to the first variant, paired by seed. A variant is ``cut:rate:schedule``; what is left out is the
platform's own choice.

    python -m bench.tuning [--sets cats_dogs trashnet] [--backbones mobilenet_v2_0.35] [--seeds 5] [--first-seed 0]
        [--variants block_15_add block_12_add :1e-4:constant]
"""

from __future__ import annotations

import argparse

import numpy as np

from bench.pictures import SHARED, Clock, Photos, features, opened, photos
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import BACKBONES
from training.learning.tuning.finetune import fine_tune
from training.learning.tuning.keras_loop import LoopOptions, Part, predict_logits


def variant(text: str, key: str) -> tuple[str, LoopOptions]:
    """``cut:rate:schedule`` -> the cut, and how to train."""
    cut, rate, schedule = [*text.split(":"), "", ""][:3]
    usual = LoopOptions()
    options = LoopOptions(learning_rate=float(rate or usual.learning_rate), schedule=schedule or usual.schedule)
    return cut or BACKBONES[key].cut, options


def measure(data: Photos, key: str, variants: list[str], seeds: range) -> np.ndarray:
    """float [seeds, variants + 1, 3]: held-out accuracy, best epoch, CPU seconds; the last row is extraction."""
    _, _, pooled = opened(key)
    x_pooled, _ = features(pooled, data)
    found = np.zeros((len(seeds), len(variants) + 1, 3))
    chosen = [variant(text, key) for text in variants]
    activations = {}
    for cut in {cut for cut, _ in chosen}:
        _, _, trunk = opened(key, cut)
        activations[cut] = features(trunk, data)[0].reshape(-1, *trunk.shape)
    backbone, weights, _ = opened(key)
    for row, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(data.labels))
        train, validation, test = np.split(order, [int(0.6 * len(order)), int(0.7 * len(order))])
        head, _ = fit_head(x_pooled[train], data.one_hot[train], categories=data.names, seed=seed)
        found[row, -1, 0] = (head.logits(x_pooled[test]).argmax(axis=1) == data.labels[test]).mean()
        for place, (cut, options) in enumerate(chosen):
            x, y = activations[cut], data.one_hot
            parts = [Part(lambda at, x=x, of=of: x[of[at]], y[of]) for of in (train, validation, test)]
            with Clock() as clock:
                tail, history = fine_tune(backbone, weights, head, *parts[:2], cut=cut, options=options, seed=seed)
            right = predict_logits(tail, parts[2]).argmax(axis=1) == data.labels[test]
            found[row, place] = right.mean(), history["best_epoch"], clock.cpu
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="*", default=["cats_dogs", "trashnet"])
    parser.add_argument("--backbones", nargs="*", default=["mobilenet_v2_0.35"])
    parser.add_argument("--variants", nargs="*", default=[""])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--most", type=int, help="at most so many images of a set")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"{'set':10}{'backbone':20}{'variant':26}{'held out':>9}{'to the first':>16}{'epoch':>8}{'CPU s':>7}")
    for name in options.sets:
        data = photos(SHARED / "images" / name, most=options.most)
        for key in options.backbones:
            found = measure(data, key, options.variants, seeds)
            for place, text in enumerate([*options.variants, "extraction"]):
                accuracy, epochs, cpu = found[:, place].mean(axis=0)
                apart = found[:, place, 0] - found[:, 0, 0]
                error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else 0.0
                print(f"{name:10}{key:20}{text or 'as it is':26}{accuracy:9.4f}{apart.mean():+9.4f} ±{error:.4f}"
                      f"{epochs:8.1f}{cpu:7.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
