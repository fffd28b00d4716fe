"""Which photographs does a version find unlike its training images, and what would other measures find?

For each network, kind of training images and size, the mean over draws of the share of images that are novel, first of
new images of the same kind (one in a hundred should be), then of strangers, among them the classes that were left out:

    python -m bench.novelty [--networks mobilenet_v2_1.0 mobilenet_v2_1.0:block_15_add] [--sizes 60 220 600] [--seeds 4]

A network with a layer behind a colon is cut there, as fine-tuning does. ``--others`` adds a table in which each measure
is judged by the distance that one in a hundred of the new images lies beyond: what it could find at best.

``--minority`` tells instead how often drift gives its alarm on days of which a few images in a hundred are strangers:
by the distance of the day's images, by the share of novel ones, and by that share at any look during the day. ``mixed``
learns cats, dogs, blood smears and objects of 32 pixels together; trash is strange to it.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.pictures import SHARED, Photos, features, opened, photos
from inference.monitoring.drift import FAR, LEAST, Moments, chance_limit, distance, novel_limit
from inference.monitoring.reference import NOVEL, Reference, fit_reference

NETWORKS = ["mobilenet_v2_1.0", "mobilenet_v2_1.0:block_15_add", "mobilenet_v2_0.35", "mobilenet_0.25",
            "googlenet", "crowdtune_small"]  # fmt: skip
SIZES = [60, 220, 450, 800]
LEAST_NEW = 100
ASKED = 300  # images of a day, for drift
DAYS = 20  # drawn of each split, size of a day and share of strangers
STRANGERS = [0.0, 0.05, 0.1, 0.2]
A_DAY = [100, 300, 1000]
STEP = 10  # images between two looks at one day
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


def small_objects(network: str) -> np.ndarray:
    """Features of the thousand objects of 32 pixels, which have no folder for each class."""
    key, _, cut = network.partition(":")
    files = sorted((SHARED / "images" / "cifar10s_1000").glob("*.jpg"))
    shas = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    data = Photos(files, shas, np.zeros(len(files), np.int64), ["objects"])
    return features(opened(key, cut or None)[2], data)[0]


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


def minority(network: str, sizes: list[int], seeds: int) -> None:
    """Of days drawn from photographs that were not learned, none twice: the share with an alarm by the distance at the
    day's end, by the novel ones at its end, and by them at any look after the first images."""
    x, _, maps = sets_of(network)
    small = small_objects(network)
    sets = {"cats and dogs": x["cats and dogs"], "trash": x["trash"],
            "mixed": np.concatenate([x["cats and dogs"], x["blood"], small])}  # fmt: skip
    for name, strange in (("cats and dogs", "trash"), ("trash", "cats and dogs"), ("mixed", "trash")):
        for size in (size for size in sizes if size <= len(sets[name]) - LEAST_NEW):
            found: dict[tuple[int, float], list[tuple[bool, bool, bool]]] = {}
            for seed, (known, new) in enumerate(halves(sets[name], size, seeds)):
                reference = fit_reference(known, np.arange(size), np.ones(1), maps=maps)
                rng = np.random.default_rng(seed)
                pools = [(reference.novelty(r) > NOVEL, reference.project(r)) for r in (new, sets[strange])]
                for asked in (asked for asked in A_DAY if asked <= len(new)):
                    limit = FAR * chance_limit(reference.drawn, asked)
                    for share in STRANGERS:
                        days = (one_day(rng, pools, asked, share) for _ in range(DAYS))
                        found.setdefault((asked, share), []).extend(
                            alarms(reference, is_novel, places, limit) for is_novel, places in days
                        )
            for (asked, share), rows in found.items():
                told = " / ".join(f"{part:.3f}" for part in np.mean(rows, axis=0))
                print(f"{network} | {name} | {size} | {asked} | {share:.2f} | {told}", flush=True)


def one_day(
    rng: np.random.Generator, pools: list[tuple[np.ndarray, np.ndarray]], asked: int, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the day's images are novel, and where they lie; each a stranger with the chance ``share``."""
    count = rng.binomial(asked, share)
    at = [rng.permutation(len(pools[0][0]))[: asked - count], rng.permutation(len(pools[1][0]))[:count]]
    order = rng.permutation(asked)
    parts = zip(pools, at, strict=True)
    is_novel, places = zip(*((novel[chosen], rows[chosen]) for (novel, rows), chosen in parts), strict=True)
    return np.concatenate(is_novel)[order], np.concatenate(places)[order]


def alarms(reference: Reference, is_novel: np.ndarray, places: np.ndarray, limit: float) -> tuple[bool, bool, bool]:
    moments = Moments()
    moments.add(places)
    looks = np.append(np.arange(LEAST, len(is_novel), STEP), len(is_novel))
    beyond = [is_novel[:n].mean() > limit_of(len(reference.points), int(n)) for n in looks]
    return distance(moments, summed(reference)) > limit, beyond[-1], any(beyond)


limit_of = functools.cache(novel_limit)


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
    parser.add_argument("--minority", action="store_true", help="only: what drift sees of a few strangers")
    options: Any = parser.parse_args()
    for network in options.networks:
        if options.minority:
            minority(network, options.sizes, options.seeds)
            continue
        today(network, options.sizes, options.seeds)
        if options.others:
            compared(network, options.sizes, options.seeds)
        if options.drift:
            drift(network, options.sizes, options.seeds)


if __name__ == "__main__":
    main()
