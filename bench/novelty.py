"""Which photographs does a version find unlike its training images, and what would other measures find?

For each network, kind of training images and size, the mean over draws of the share of images that are novel, first of
new images of the same kind (one in a hundred should be), then of strangers, among them the classes that were left out:

    python -m bench.novelty [--networks mobilenet_v2_1.0 mobilenet_v2_1.0:block_15_add] [--sizes 60 220 600] [--seeds 4]

A network with a layer behind a colon is cut there, as fine-tuning does. ``--others`` adds a table in which each measure
is judged by the distance that one in a hundred of the new images lies beyond: what it could find at best.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.pictures import SHARED, features, opened, photos
from inference.monitoring.drift import Moments, chance_limit, distance
from inference.monitoring.reference import NOVEL, Reference, fit_reference

NETWORKS = ["mobilenet_v2_1.0", "mobilenet_v2_1.0:block_15_add", "mobilenet_v2_0.35", "mobilenet_0.25",
            "googlenet", "crowdtune_small"]  # fmt: skip
SIZES = [60, 220, 450, 800]
LEAST_NEW = 100
ASKED = 300  # images of a day, for drift
Score = Callable[[np.ndarray], np.ndarray]


def sets_of(network: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], int]:
    """Features and labels by name of the set, and how many maps the features are averages or places of."""
    key, _, cut = network.partition(":")
    _, _, trunk = opened(key, cut or None)
    folder = SHARED / "images"
    x, y = {}, {}
    for name, at in {"cats and dogs": "cats_dogs", "trash": "trashnet", "blood": "bccd/BCCD"}.items():
        data = photos(folder / at)
        x[name], y[name] = features(trunk, data)[0], data.labels
    return x, y, trunk.shape[-1]


def cases(
    x: dict[str, np.ndarray], y: dict[str, np.ndarray]
) -> Iterator[tuple[str, np.ndarray, dict[str, np.ndarray]]]:
    """What is learned: its name, its images, and the strangers."""
    for name, images in x.items():
        yield name, images, {other: rows for other, rows in x.items() if other != name}
    yield "cats", x["cats and dogs"][y["cats and dogs"] == 0], {"dogs": x["cats and dogs"][y["cats and dogs"] == 1]}
    for left_out in np.unique(y["trash"])[::2]:
        apart = y["trash"] == left_out
        yield "five kinds of trash", x["trash"][~apart], {"the sixth": x["trash"][apart]}


def halves(images: np.ndarray, size: int, seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training images and new ones."""
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(images))
        yield images[order[:size]], images[order[size:]]


def of_one(rows: np.ndarray, maps: int) -> np.ndarray:
    rows = rows.reshape(len(rows), -1, maps).mean(axis=1)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def neighbours(a: np.ndarray, count: int, *, mean: bool) -> Score:
    """Cosine distance to the ``count``-th nearest, or the mean of that many."""

    def score(rows: np.ndarray) -> np.ndarray:
        least = np.sort(1 - rows @ a.T, axis=1)[:, :count]
        return least.mean(axis=1) if mean else least[:, -1]

    return score


def mahalanobis(a: np.ndarray) -> Score:
    """From the mean, the covariance shrunk as by Chen et al. (2010), OAS; directions without training images count."""
    centre, (n, p) = a.mean(axis=0), a.shape
    _, s, along = np.linalg.svd(a - centre, full_matrices=False)
    values = s**2 / n
    mu, square = values.sum() / p, (values**2).sum() / p
    shrinkage = min(1.0, (square + mu**2) / ((n + 1) * (square - mu**2 / p)))
    weights = 1 / ((1 - shrinkage) * values + shrinkage * mu)

    def score(rows: np.ndarray) -> np.ndarray:
        gaps = rows - centre
        places = gaps @ along.T
        beside = np.maximum((gaps**2).sum(axis=1) - (places**2).sum(axis=1), 0)
        return (places**2 * weights).sum(axis=1) + beside / (shrinkage * mu)

    return score


def residual(a: np.ndarray, share: float) -> Score:
    """How far beside the leading directions, which have ``share`` of the variance."""
    centre = a.mean(axis=0)
    _, s, along = np.linalg.svd(a - centre, full_matrices=False)
    along = along[: int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), share)) + 1]
    return lambda rows: ((rows - centre) ** 2).sum(axis=1) - (((rows - centre) @ along.T) ** 2).sum(axis=1)


def placed(a: np.ndarray, directions: int) -> Score:
    """Distance to the fifth nearest along the leading directions and how far beside them all."""
    centre = a.mean(axis=0)
    along = np.linalg.svd(a - centre, full_matrices=False)[2][:directions]

    def place(rows: np.ndarray) -> np.ndarray:
        places = (rows - centre) @ along.T
        beside = np.maximum(((rows - centre) ** 2).sum(axis=1) - (places**2).sum(axis=1), 0)
        return np.concatenate([places, np.sqrt(beside)[:, None]], axis=1)

    known = place(a)
    return lambda rows: np.sort(((place(rows)[:, None] - known[None]) ** 2).sum(axis=2), axis=1)[:, 4]


MEASURES: dict[str, Callable[[np.ndarray], Score]] = {
    "mean of 3 nearest": lambda a: neighbours(a, 3, mean=True),
    **{f"nearest {k}": lambda a, k=k: neighbours(a, k, mean=False) for k in (1, 2, 5, 10)},
    "63 directions": lambda a: placed(a, 63),
    "Mahalanobis": mahalanobis,
    "beside nine tenths": lambda a: residual(a, 0.9),
}


def today(network: str, sizes: list[int], seeds: int) -> None:
    x, y, maps = sets_of(network)
    for name, images, strangers in cases(x, y):
        for size in sizes:
            found: list[list[float]] = []
            for known, new in halves(images, size, seeds) if size <= len(images) - LEAST_NEW else ():
                reference = fit_reference(known, np.arange(size), np.ones(1), maps=maps)
                found.append([float(np.mean(reference.novelty(r) > NOVEL)) for r in (new, *strangers.values())])
            if found:
                new_ones, *others = np.mean(found, axis=0)
                spread = np.std([row[0] for row in found])
                said = ", ".join(f"{other} {share:.2f}" for other, share in zip(strangers, others, strict=True))
                print(f"{network} | {name} | {size} | {new_ones:.3f} ± {spread:.3f} | {said}", flush=True)


def drift(network: str, sizes: list[int], seeds: int) -> None:
    """Times what chance reaches: new images, strangers, and new ones of which every fifth is a stranger."""
    x, _, maps = sets_of(network)
    strange = x["trash"]
    for size in (size for size in sizes if size <= len(x["cats and dogs"]) - ASKED):
        rows = []
        for known, new in halves(x["cats and dogs"], size, seeds):
            reference = fit_reference(known, np.arange(size), np.ones(1), maps=maps)
            days = (new[:ASKED], strange[:ASKED], np.concatenate([new[: ASKED * 4 // 5], strange[: ASKED // 5]]))
            limit = chance_limit(reference.drawn, ASKED)
            rows.append([distance(summed(reference, day), summed(reference)) / limit for day in days])
        print(f"{network} | drift | {size} | new, trash, one in five trash: {np.round(np.mean(rows, axis=0), 2)}")


def summed(reference: Reference, day: np.ndarray | None = None) -> Moments:
    moments = Moments()
    moments.add(reference.drawn if day is None else reference.project(day))
    return moments


def compared(network: str, sizes: list[int], seeds: int) -> None:
    x, y, maps = sets_of(network)
    found: dict[tuple[str, int], list[float]] = {}
    for _name, images, strangers in cases(x, y):
        others = [of_one(rows, maps) for rows in strangers.values()]
        for size in (size for size in sizes if size <= len(images) - LEAST_NEW):
            for known, new in halves(of_one(images, maps), size, seeds):
                for measure, fit in MEASURES.items():
                    score = fit(known)
                    limit = np.quantile(score(new), 0.99)
                    found.setdefault((measure, size), []).extend(float(np.mean(score(r) > limit)) for r in others)
    for (measure, size), shares in found.items():
        print(f"{network} | {measure} | {size} | {np.mean(shares):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--others", action="store_true", help="compare with other measures, too")
    parser.add_argument("--drift", action="store_true", help="and what drift sees")
    options: Any = parser.parse_args()
    for network in options.networks:
        today(network, options.sizes, options.seeds)
        if options.others:
            compared(network, options.sizes, options.seeds)
        if options.drift:
            drift(network, options.sizes, options.seeds)


if __name__ == "__main__":
    main()
