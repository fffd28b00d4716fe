"""Every recipe on real photographs beside scikit-learn's logistic regression; means over random splits.

Each seed draws its own 70 % to learn from and 30 % held out; with ``--folds k`` it deals the photographs into k parts,
each held out once, so that every photograph is asked about. Of what is learned from, fine-tuning first keeps a seventh
to say how long, then learns from all of it, as a run does (``training/runs/stages/tune.py``). scikit-learn sees the
same standardised features of the plain pictures, with its defaults. Differences are paired by seed, with their
standard error.

    python -m bench.quality [--seeds 5] [--first-seed 0] [--folds k] [--sets cats_dogs trashnet]
        [--backbones mobilenet_v2_0.35 mobilenet_v2_1.0 googlenet crowdtune_small] [--recipes extraction …]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.pictures import SHARED, Photos, features, opened, photos
from training.learning.augment import VIEWS
from training.learning.heads.head import fit_head
from training.learning.networks.backbones import BACKBONES
from training.learning.tuning.finetune import fine_tune
from training.learning.tuning.keras_loop import LoopOptions, Part, predict_logits

THEIRS = "scikit-learn"
RECIPES = ("extraction", "extraction + views", "fine-tuning", "fine-tuning + views")


@dataclass(frozen=True)
class Features:
    """What one trunk makes of the photographs, and each picture's rows in ``x``, the plain one first."""

    x: np.ndarray  # [n (views + 1), dim]
    rows: np.ndarray  # [n, views + 1]

    @classmethod
    def of(cls, data: Photos, key: str, cut: str | None, views: int) -> Features:
        _, _, trunk = opened(key, cut)
        x, owners = features(trunk, data, views=views)
        rows = np.stack([np.flatnonzero(owners == image) for image in range(len(data.files))])
        return cls(x.reshape(-1, *trunk.shape) if cut else x, rows)

    def plain(self, at: np.ndarray) -> np.ndarray:
        return self.x[self.rows[at, 0]]


def theirs(data: Photos, pooled: Features, learned: np.ndarray, held: np.ndarray) -> float:
    x, scale = pooled.plain(learned), pooled.plain(learned).std(axis=0)
    scale[scale == 0] = 1
    fitted = LogisticRegression(max_iter=2000).fit((x - x.mean(axis=0)) / scale, data.labels[learned])
    return float(fitted.score((pooled.plain(held) - x.mean(axis=0)) / scale, data.labels[held]))


def extraction(data: Photos, pooled: Features, learned: np.ndarray, held: np.ndarray, views: int, seed: int) -> float:
    rows = pooled.rows[learned, : views + 1]
    y, weights = np.repeat(data.one_hot[learned], views + 1, axis=0), np.full(rows.size, 1 / (views + 1))
    owners = np.repeat(learned, views + 1)
    head, _ = fit_head(pooled.x[rows.ravel()], y, weights, categories=data.names, owners=owners, seed=seed)
    return float((head.logits(pooled.plain(held)).argmax(axis=1) == data.labels[held]).mean())


def tuning(
    data: Photos, key: str, pooled: Features, behind: Features, learned: np.ndarray, held: np.ndarray, views: int,
    seed: int,
) -> float:  # fmt: skip
    """From a head on the plain pictures; with views, epoch e sees view e modulo (views + 1) of each picture."""
    fitted, watched = np.split(learned, [6 * len(learned) // 7])
    backbone, weights, _ = opened(key)

    def part(of: np.ndarray, views: int = 0) -> Part:
        def seen(epoch: int, at: np.ndarray) -> np.ndarray:
            return behind.x[behind.rows[of[at], epoch % (views + 1)]]

        return Part(lambda at: seen(0, at), data.one_hot[of], epoch_rows=seen if views else None)

    usual: dict[str, Any] = {"cut": BACKBONES[key].cut, "seed": seed}
    heads = [
        fit_head(pooled.plain(of), data.one_hot[of], categories=data.names, seed=seed)[0] for of in (fitted, learned)
    ]
    _tail, history = fine_tune(backbone, weights, heads[0], part(fitted, views), part(watched), **usual)
    options = LoopOptions(stop=history["best_epoch"])
    tail, _ = fine_tune(backbone, weights, heads[1], part(learned, views), part(held[:0]), options=options, **usual)
    return float((predict_logits(tail, part(held)).argmax(axis=1) == data.labels[held]).mean())


def splits(n: int, seed: int, folds: int | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """What is learned from and what is held out: once 70 % and 30 %, or each of so many folds in turn."""
    order = np.random.default_rng(seed).permutation(n)
    if folds is None:
        learned, held = np.split(order, [int(0.7 * n)])
        return [(learned, held)]
    parts = np.array_split(order, folds)
    return [(np.concatenate(parts[:at] + parts[at + 1 :]), held) for at, held in enumerate(parts)]


def compare(
    data: Photos, key: str, recipes: list[str], views: int, seeds: range, folds: int | None, few: int | None
) -> np.ndarray:
    """float [seeds, 1 + recipes]: held-out accuracy of scikit-learn and of each recipe, the mean of a seed's splits."""
    views = views if any("views" in recipe for recipe in recipes) else 0
    pooled = Features.of(data, key, None, views)
    behind = None
    if any("fine" in recipe for recipe in recipes):
        behind = Features.of(data, key, BACKBONES[key].cut, views if "fine-tuning + views" in recipes else 0)

    def measured(seed: int, learned: np.ndarray, held: np.ndarray) -> list[float]:
        row = [theirs(data, pooled, learned, held)]
        for recipe in recipes:
            more = views if "views" in recipe else 0
            if "fine" in recipe:
                assert behind is not None
                row.append(tuning(data, key, pooled, behind, learned, held, more, seed))
            else:
                row.append(extraction(data, pooled, learned, held, more, seed))
        return row

    return np.array(
        [
            np.mean([measured(seed, rest[:few], held) for rest, held in splits(len(data.labels), seed, folds)], axis=0)
            for seed in seeds
        ]
    )


def told(found: np.ndarray, recipes: list[str]) -> list[str]:
    """A line each: mean accuracy, and the differences to scikit-learn and to the first recipe, paired by split."""
    lines = []
    for place, name in enumerate([THEIRS, *recipes]):
        line = f"{name:22}{found[:, place].mean():8.4f}"
        for against in (0, 1):
            apart = found[:, place] - found[:, against]
            error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
            line += f"{apart.mean():+12.4f} ±{error:.4f}" if place > against else f"{'':20}"
        lines.append(line)
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="fresh splits: seeds that no choice was made on")
    parser.add_argument("--folds", type=int, help="hold out each of so many parts in turn instead of 30 %% once")
    parser.add_argument("--sets", nargs="*", default=["cats_dogs", "trashnet"])
    parser.add_argument(
        "--backbones", nargs="*", default=["crowdtune_small", "mobilenet_v2_0.35", "mobilenet_v2_1.0", "googlenet"]
    )
    parser.add_argument("--recipes", nargs="*", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--views", type=int, default=VIEWS, help="augmented views of each training image")
    parser.add_argument("--most", type=int, help="at most so many images of a set")
    parser.add_argument("--learn", type=int, help="learn from at most so many of a split's 70 %%")
    options = parser.parse_args(arguments)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    print(f"{'':22}{'held out':>8}{'to ' + THEIRS:>20}{'to ' + options.recipes[0]:>20}")
    for name in options.sets:
        data = photos(SHARED / "images" / name, most=options.most)
        for key in options.backbones:
            print(f"{name}, {key}, {len(data.files)} photographs, means of {options.seeds}")
            found = compare(data, key, options.recipes, options.views, seeds, options.folds, options.learn)
            print("\n".join(told(found, options.recipes)), flush=True)


if __name__ == "__main__":
    main()
