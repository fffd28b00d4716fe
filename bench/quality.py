"""Heads on real photographs beside scikit-learn's logistic regression on the same features; means over seeds.

python -m bench.quality [--seeds 5] [--first-seed 0]
    [--backbones mobilenet_v2_0.35 mobilenet_v2_1.0 googlenet crowdtune_small]
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression

from bench.pictures import SHARED, features, opened, photos
from training.learning.augment import VIEWS
from training.learning.head import fit_head

SETS = ("cats_dogs", "trashnet")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="fresh splits: seeds that no choice was made on")
    parser.add_argument(
        "--backbones", nargs="*", default=["crowdtune_small", "mobilenet_v2_0.35", "mobilenet_v2_1.0", "googlenet"]
    )
    parser.add_argument(
        "--views", type=int, default=VIEWS, help="augmented views of each training image; 0 = leave out"
    )
    parser.add_argument("--most", type=int, help="at most so many images of a set")
    options = parser.parse_args(arguments)
    print(f"{'set':10} {'backbone':20} {'scikit-learn':>13} {'head':>7} {'+ views':>8}   means of {options.seeds}")
    for name in SETS:
        data = photos(SHARED / "images" / name, most=options.most)
        for key in options.backbones:
            _, _, trunk = opened(key)
            x, owners = features(trunk, data, views=options.views)
            plain = x[: len(data.files)]
            scores = np.array([_split(plain, x, owners, data.labels, data.one_hot, data.names, seed, options.views)
                               for seed in range(options.first_seed, options.first_seed + options.seeds)])  # fmt: skip
            sklearn, head, augmented = scores.mean(axis=0)
            print(f"{name:10} {key:20} {sklearn:13.4f} {head:7.4f} {augmented:8.4f}", flush=True)


def _split(
    plain: np.ndarray, x: np.ndarray, owners: np.ndarray, labels: np.ndarray, y: np.ndarray, names: list[str],
    seed: int, views: int,
) -> tuple[float, float, float]:  # fmt: skip
    order = np.random.default_rng(seed).permutation(len(labels))
    train, test = np.split(order, [int(0.7 * len(order))])
    head, _ = fit_head(plain[train], y[train], categories=names, seed=seed)
    standard = (plain - head.mean) / head.scale
    theirs = LogisticRegression(max_iter=2000).fit(standard[train], labels[train]).score(standard[test], labels[test])
    ours = (head.logits(plain[test]).argmax(axis=1) == labels[test]).mean()
    if not views:
        return float(theirs), float(ours), float("nan")
    mine = np.isin(owners, train)
    more, _ = fit_head(x[mine], y[owners[mine]], np.full(mine.sum(), 1 / (views + 1)), categories=names, seed=seed)
    return float(theirs), float(ours), float((more.logits(plain[test]).argmax(axis=1) == labels[test]).mean())


if __name__ == "__main__":
    main()
