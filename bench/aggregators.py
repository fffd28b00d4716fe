"""Accuracy of every aggregator beside crowd-kit's, on real crowds and on drawn ones; and a million judgments, timed.

Run: ``python -m bench.aggregators [--seeds 3] [--quick] [--rivals]``, and ``--small 20`` for crowds too small to be
known. Real crowds are read from ../shared/data/crowd where that is there, or with ``--crowds FOLDER`` from one of your
own: a folder a crowd, of judgments.csv (task, worker, label) and truth.csv (task, label), labels numbered from 0; tasks
without a truth are not counted. ``--renumbered 10`` takes the mean over so many other numberings of their labels, for a
method that gives ties to the lowest number may gain by which label that is. crowd-kit stands in for the field; what of
it does not run on the installed versions is shown as a dash.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.crowds import SETS, SMALL, SMALL_SIZES, Plan, draw
from labeling.aggregation import AGGREGATORS, Votes, boxes, geometry

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "data" / "crowd"
RIVALS = ("Wawa", "ZeroBasedSkill", "OneCoinDawidSkene", "DawidSkene", "MACE", "GLAD", "MMSR")


def accuracy(posterior: np.ndarray, truth: np.ndarray) -> float:
    """Share of right labels; equal maxima share the point."""
    known = truth >= 0
    chances = posterior[known]
    top = chances >= chances.max(axis=1, keepdims=True) - 1e-9
    return float((top[np.arange(len(chances)), truth[known]] / top.sum(axis=1)).mean())


def read(folder: Path) -> tuple[Votes, np.ndarray]:
    """A real crowd: judgments.csv (task, worker, label) and truth.csv."""
    with open(folder / "judgments.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("repeat", "0") in {"", "0"}]
    with open(folder / "truth.csv", newline="") as file:
        truth = {row["task"]: int(row["label"]) for row in csv.DictReader(file)}
    first = {(row["task"], row["worker"]): int(row["label"]) for row in reversed(rows)}
    tasks = {name: index for index, name in enumerate(sorted({task for task, _ in first}))}
    workers = {name: index for index, name in enumerate(sorted({worker for _, worker in first}))}
    votes = Votes.of([tasks[t] for t, _ in first], [workers[w] for _, w in first], list(first.values()))
    return votes, np.array([truth.get(task, -1) for task in tasks])


def folders(home: Path) -> list[Path]:
    """The real crowds that lie in a folder."""
    return [folder for folder in sorted(home.glob("*")) if (folder / "judgments.csv").exists()]


def renumbered(votes: Votes, truth: np.ndarray, seed: int) -> tuple[Votes, np.ndarray]:
    """The same crowd, its labels numbered in another order; without gold."""
    order = np.random.default_rng(seed).permutation(votes.n_classes)
    return replace(votes, label=order[votes.label]), np.where(truth >= 0, order[truth], -1)


def rivals(votes: Votes, truth: np.ndarray) -> dict[str, float | None]:
    """crowd-kit's methods on the same votes; None where one fails."""
    import pandas
    from crowdkit import aggregation

    frame = pandas.DataFrame({"task": votes.task, "worker": votes.worker, "label": votes.label})
    found: dict[str, float | None] = {}
    for name in RIVALS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                labels = getattr(aggregation, name)().fit_predict(frame)
        except Exception as error:  # noqa: BLE001 - whatever a rival raises is its result
            print(f"  crowd-kit {name}: {type(error).__name__}: {str(error)[:90]}")
            found[name] = None
            continue
        known = truth >= 0
        found[name] = float((labels.reindex(range(votes.n_tasks)).to_numpy()[known] == truth[known]).mean())
    return found


def table(seeds: int, plans: dict[str, Plan], with_rivals: bool, home: Path, numberings: int = 0) -> None:
    names = list(AGGREGATORS)
    columns = names + ([f"ck {name}" for name in RIVALS] if with_rivals else [])
    print(f"{'':28}" + "".join(f"{column[:11]:>12}" for column in columns) + f"{'vs best':>9}{'vs maj.':>9}")
    least_best, least_majority = 1.0, 1.0
    real = {f"REAL {folder.name}": folder for folder in folders(home)}
    for title, source in {**real, **plans}.items():
        sums: dict[str, list[float]] = defaultdict(list)
        for seed in range(max(numberings, 1) if isinstance(source, Path) else seeds):
            votes, truth = read(source) if isinstance(source, Path) else draw(source, seed)
            if isinstance(source, Path) and numberings:
                votes, truth = renumbered(votes, truth, seed)
            for name in names:
                sums[name].append(accuracy(AGGREGATORS[name](votes).posterior, truth))
            if with_rivals:
                for name, value in rivals(votes, truth).items():
                    sums[f"ck {name}"].append(np.nan if value is None else value)
        means = {name: float(np.mean(values)) for name, values in sums.items()}
        best, ours = np.nanmax(list(means.values())), means["adaptive"]
        least_best, least_majority = min(least_best, ours - best), min(least_majority, ours - means["majority"])
        cells = "".join(f"{means[name]:12.3f}" if not np.isnan(means[name]) else f"{'-':>12}" for name in columns)
        print(f"{title:28}{cells}{ours - best:+9.3f}{ours - means['majority']:+9.3f}", flush=True)
    print(f"adaptive at worst {least_best:+.3f} against the best of all, {least_majority:+.3f} against majority")


def small_table(seeds: int, sizes: Sequence[tuple[int, int, int]]) -> None:
    """What the default gains over majority on small crowds: the mean over draws, its standard error, the worst draw."""
    print(f"{'':20}" + "".join(f"{tasks:>6}/{workers}/{each}{'':9}" for tasks, workers, each in sizes))
    worst, means = 0.0, []
    for title, plan in SMALL.items():
        cells = []
        for tasks, workers, each in sizes:
            gains = np.zeros(seeds)
            for seed in range(seeds):
                votes, truth = draw(plan._replace(tasks=tasks, workers=workers, each=each), seed)
                ours, plain = (accuracy(AGGREGATORS[name](votes).posterior, truth) for name in ("adaptive", "majority"))
                gains[seed] = ours - plain
            worst, means = min(worst, gains.min()), [*means, gains.mean()]
            cells.append(f"{gains.mean():+.3f}±{gains.std() / np.sqrt(seeds):.3f} {gains.min():+.2f}")
        print(f"{title:20}" + "  ".join(cells), flush=True)
    print(f"mean of all {np.mean(means):+.3f}, least mean {min(means):+.3f}, worst single draw {worst:+.2f}")


def speed(count: int) -> None:
    """CPU seconds for ``count`` judgments, five a task, of a thousand workers."""
    rng = np.random.default_rng(0)
    for classes in (2, 10):
        tasks = count // 5
        truth = rng.integers(classes, size=tasks)
        task = np.repeat(np.arange(tasks), 5)
        worker = ((rng.integers(200, size=tasks)[:, None] + 200 * np.arange(5)) % 1000).reshape(-1)
        right = rng.random(count) < rng.uniform(0.6, 0.95, 1000)[worker]
        label = np.where(right, truth[task], (truth[task] + rng.integers(1, max(classes, 2), count)) % classes)
        votes = Votes.of(task, worker, label, n_classes=classes)
        for name, fit in AGGREGATORS.items():
            started = time.process_time()
            found = fit(votes)
            seconds = time.process_time() - started
            share = (found.label == truth).mean()
            print(f"{count:>9} judgments, {classes:>2} classes, {name:18}{seconds:7.1f} s   {share:.3f}")


def box_table() -> None:
    """F1 at IoU .5 against the experts."""
    file = SHARED / "pedestrians_boxes" / "pedestrian_boxes.json"
    if not file.exists():
        print("boxes: ../shared/data/crowd/pedestrians_boxes is not there")
        return
    drawn, experts = read_boxes(file)
    hands = boxes.fit(list(drawn.values()))
    fused = {image: boxes.fuse(drawn[image], hands) for image in experts}
    plain = {image: boxes.fuse(drawn[image], {}) for image in experts}
    sole = [
        {image: [box["box"] for box in drawn[image][number].boxes] for image in experts if number < len(drawn[image])}
        for number in range(7)
    ]
    print(f"{'boxes':40}{'precision':>10}{'recall':>8}{'F1':>8}{'mean IoU':>10}")
    singles = np.array([f1(one, experts) for one in sole])
    rows = {
        "one worker": tuple(singles.mean(axis=0)),
        "clusters, at least 3 of 7, median": f1({i: _medians(drawn[i], 3) for i in experts}, experts),
        "clusters, all workers alike": f1({i: [b.box for b in f.boxes] for i, f in plain.items()}, experts),
        "Crowdtune": f1({i: [b.box for b in f.boxes] for i, f in fused.items()}, experts),
    }
    for name, figures in rows.items():
        print(f"{name:40}{figures[0]:10.3f}{figures[1]:8.3f}{figures[2]:8.3f}{figures[3]:10.3f}")


def read_boxes(file: Path) -> tuple[dict[str, list[boxes.Drawn]], dict[str, np.ndarray]]:
    """Image -> drawings; image -> the expert's boxes [n, 4] as x, y, width, height."""
    data = json.loads(file.read_text())
    drawn: dict[str, list[boxes.Drawn]] = defaultdict(list)
    for row in data["judgments"]:
        sides = [_sides(box) for box in row["boxes"]]
        found = [{"category": "person", "box": box} for box in sides if box[2] > 0 and box[3] > 0]
        drawn[row["image"]].append(boxes.Drawn(int(row["worker"][1:]), found))
    experts = {row["image"]: np.array([_sides(box) for box in row["boxes"]]).reshape(-1, 4) for row in data["expert"]}
    return drawn, experts


def _sides(box: list[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _medians(drawn: list[boxes.Drawn], quorum: int) -> list[np.ndarray]:
    sides = np.array([box["box"] for person in drawn for box in person.boxes]).reshape(-1, 4)
    worker = np.array([person.worker for person in drawn for _ in person.boxes], dtype=np.int64)
    if not len(sides):
        return []
    home = geometry.cluster(sides, worker, np.zeros(len(sides), dtype=np.int64), 0.4)
    groups = [sides[home == number] for number in range(home.max() + 1)]
    return [np.median(group, axis=0) for group in groups if len(group) >= quorum]


def f1(found: dict, experts: dict[str, np.ndarray]) -> tuple[float, float, float, float]:
    """Precision, recall, F1 and mean IoU of greedy one-to-one matches at IoU .5."""
    hits, said, there, shares = 0, 0, 0, []
    for image, expert in experts.items():
        mine = np.array(found.get(image, [])).reshape(-1, 4)
        said, there = said + len(mine), there + len(expert)
        overlap = geometry.overlap(mine, expert)
        while overlap.size and overlap.max() >= 0.5:
            one, other = np.unravel_index(overlap.argmax(), overlap.shape)
            shares.append(overlap[one, other])
            overlap[one], overlap[:, other] = -1, -1
            hits += 1
    precision, recall = hits / max(said, 1), hits / max(there, 1)
    return precision, recall, 2 * precision * recall / (precision + recall), float(np.mean(shares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="drawn crowds of each kind")
    parser.add_argument("--quick", action="store_true", help="real crowds and boxes only")
    parser.add_argument("--rivals", action="store_true", help="run crowd-kit too")
    parser.add_argument("--crowds", type=Path, metavar="FOLDER", help="only the real crowds that lie there")
    parser.add_argument("--renumbered", type=int, default=0, help="real crowds: so many numberings of their labels")
    parser.add_argument("--judgments", type=int, default=1_000_000, help="for the timing")
    parser.add_argument("--small", type=int, default=0, help="only small crowds: so many draws of each")
    parser.add_argument("--sizes", nargs="+", help="with --small, only these: tasks/workers/each, as 60/30/2")
    options = parser.parse_args()
    if options.small:
        asked = [tuple(map(int, size.split("/"))) for size in options.sizes or ()]
        small_table(options.small, [(t, w, e) for t, w, e in asked] or SMALL_SIZES)
        return
    if options.crowds:
        if not folders(options.crowds):
            parser.error(f"expected folders with judgments.csv in {options.crowds}, found none.")
        table(options.seeds, {}, options.rivals, options.crowds, options.renumbered)
        return
    table(options.seeds, {} if options.quick else SETS, options.rivals, SHARED, options.renumbered)
    box_table()
    if not options.quick:
        speed(options.judgments)


if __name__ == "__main__":
    main()
