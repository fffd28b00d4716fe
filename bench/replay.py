"""Real crowds replayed through the public API: `judgments/import/` takes them in, `labels/?method=` tells the labels.

Each aggregator's accuracy as the API tells it stands beside the figure computed offline on the same judgments. The
textbook methods must be equal; the default averages over draws, whose order depends on the numbers that the server gave
to workers, so it may differ by a task or two.

    python -m bench.replay --url http://127.0.0.1:8000 --token KEY [--set cifar10s] [--tasks 300]
"""

from __future__ import annotations

import argparse
import csv
import io
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from bench.aggregators import SHARED, accuracy
from bench.api import Api
from labeling.aggregation import AGGREGATORS, Votes


class Crowd(NamedTuple):
    """Rows of (task name, worker name, label), and the truth by task name; labels are category keys."""

    rows: list[tuple[str, str, str]]
    truth: dict[str, str]

    @property
    def categories(self) -> list[str]:
        return sorted({label for _, _, label in self.rows} | set(self.truth.values()), key=int)


def read(folder: Path, most: int | None = None) -> Crowd:
    """A real crowd's judgments.csv and truth.csv, of the first ``most`` tasks."""
    with open(folder / "judgments.csv", newline="") as file:
        first = {
            (row["task"], row["worker"]): row["label"]
            for row in reversed([row for row in csv.DictReader(file) if row.get("repeat", "0") in {"", "0"}])
        }
    with open(folder / "truth.csv", newline="") as file:
        truth = {row["task"]: row["label"] for row in csv.DictReader(file)}
    names = sorted({task for task, _ in first} & set(truth))[:most]
    kept = set(names)
    rows = sorted((task, worker, label) for (task, worker), label in first.items() if task in kept)
    return Crowd(rows, {name: truth[name] for name in names})


def offline(crowd: Crowd) -> dict[str, float]:
    """Each aggregator's accuracy, computed here."""
    tasks = {name: index for index, name in enumerate(crowd.truth)}
    workers = {name: index for index, name in enumerate(sorted({worker for _, worker, _ in crowd.rows}))}
    labels = {key: index for index, key in enumerate(crowd.categories)}
    votes = Votes.of(
        [tasks[task] for task, _, _ in crowd.rows],
        [workers[worker] for _, worker, _ in crowd.rows],
        [labels[label] for _, _, label in crowd.rows],
        n_classes=len(labels),
    )
    truth = np.array([labels[label] for label in crowd.truth.values()])
    return {name: accuracy(fit(votes).posterior, truth) for name, fit in AGGREGATORS.items()}


def send(api: Api, crowd: Crowd, wait: Any = None) -> str:
    """A new project with the crowd's images and judgments; returns its slug.

    Args:
        api: The owner's.
        crowd: What was judged.
        wait: Called with each job's id until it has ended; asks the API by default.
    """
    wait = wait or api.wait_for_job
    body = {
        "name": f"Replay {time.time():.0f}",
        "categories": crowd.categories,
        "judgments_per_task": {"min": 50, "max": 100},
        "automatic_training": False,
    }
    slug = api.call("POST", "projects/", json=body)["slug"]
    pictures = {"archive": ("pictures.zip", _pictures(list(crowd.truth)), "application/zip")}
    wait(api.call("POST", f"projects/{slug}/images/", files=pictures)["job"])
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(["image", "worker", "answer"])
    writer.writerows((f"{task}.png", worker, label) for task, worker, label in crowd.rows)
    judgments = {"file": ("judgments.csv", lines.getvalue().encode(), "text/csv")}
    wait(api.call("POST", f"projects/{slug}/judgments/import/", files=judgments)["job"])
    return slug


def _pictures(names: list[str]) -> bytes:
    """One small picture a task, each of its own colour, so that no two are the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, name in enumerate(names):
            picture = io.BytesIO()
            Image.new("RGB", (32, 32), (number % 256, number // 256 % 256, 128)).save(picture, "PNG")
            archive.writestr(f"{name}.png", picture.getvalue())
    return packed.getvalue()


def online(api: Api, slug: str, crowd: Crowd, methods: list[str]) -> dict[str, float]:
    """Each aggregator's accuracy, as the labels of the API tell it."""
    labels = {key: index for index, key in enumerate(crowd.categories)}
    names = list(crowd.truth)
    found = {}
    for method in methods:
        posterior = np.full((len(names), len(labels)), 1 / len(labels))
        for row in api.pages(f"projects/{slug}/labels/?method={method}&page_size=500"):
            at = names.index(row["image"]["name"].removesuffix(".png"))
            posterior[at] = [row["posterior"].get(key, 0.0) for key in labels]
        found[method] = accuracy(np.round(posterior, 6), np.array([labels[label] for label in crowd.truth.values()]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--token", required=True, help="an owner's API key")
    parser.add_argument("--set", default="cifar10s", help="a folder of ../shared/data/crowd")
    parser.add_argument("--tasks", type=int, default=None, help="only so many tasks")
    options = parser.parse_args()
    crowd = read(SHARED / options.set, options.tasks)
    api = Api(options.url, options.token)
    slug = send(api, crowd)
    here, there = offline(crowd), online(api, slug, crowd, list(AGGREGATORS))
    print(f"{options.set}: {len(crowd.truth)} tasks, {len(crowd.rows)} judgments, project {slug}")
    print(f"{'':20}{'offline':>9}{'API':>9}")
    for name in AGGREGATORS:
        print(f"{name:20}{here[name]:9.3f}{there[name]:9.3f}")


if __name__ == "__main__":
    main()
