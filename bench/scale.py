"""A hundred thousand features split, trained and scored in seconds; a million-image index without holding it.

Synthetic features in a table on the disk, as a run keeps many: the cost is that of real ones. The million rows of the
index are narrow, so that the disk is not the bench. Anonymous memory is what a process cannot give back; the whole
peak counts pages of mapped files, too.

    python -m bench.scale [--images 100000] [--dim 1280] [--index 1000000]
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from pathlib import Path

import numpy as np

from bench.pictures import Clock
from bench.watching import Peak, anonymous, status
from training.learning.feature_store import FeatureStore
from training.learning.heads.head import HeadOptions, fit_head
from training.learning.rows import BLOCK, Rows, blank
from training.learning.split import split_of

CLASSES = 10


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=1280)
    parser.add_argument("--index", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    n, dim = options.images, options.dim
    labels = rng.integers(0, CLASSES, n)
    centres = rng.normal(size=(CLASSES, dim)).astype(np.float32) * np.float32(0.3)
    x = blank(n, dim)
    for start in range(0, n, BLOCK):
        at = slice(start, start + BLOCK)
        noise = rng.standard_normal((len(labels[at]), dim), dtype=np.float32)
        x[at] = np.float32(2.5) * noise + centres[labels[at]]
    shas = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
    with Clock() as clock:
        splits = np.array([split_of(sha) for sha in shas])
    print(f"split {n:,}: {clock.wall:.2f} s")
    train, val, test = (np.flatnonzero(splits == name) for name in ("train", "validation", "test"))
    y = np.eye(CLASSES, dtype=np.float32)[labels]
    rows = Rows.of(x)
    before = anonymous()
    with Clock() as clock, Peak() as peak:
        names, limits = [str(c) for c in range(CLASSES)], HeadOptions(epochs=60, patience=5)
        head, history = fit_head(rows[train], y[train], None, rows[val], y[val], categories=names, options=limits)
    print(
        f"train on {len(train):,} x {dim}: {clock.wall:.2f} s, {clock.cpu:.2f} of CPU, {history['best_epoch']} epochs; "
        f"{before:.0f} MB anonymous before, {peak.most:.0f} at the most"
    )
    with Clock() as clock:
        said = np.concatenate([head.logits(block).argmax(axis=1) for _, block in rows[test].blocks()])
        accuracy = (said == labels[test]).mean()
    print(f"score {len(test):,}: {clock.wall:.2f} s, accuracy {accuracy:.3f}")
    del x, rows
    _index(options.index)
    print(f"peak of the process, pages of mapped files included: {status('VmHWM'):.0f} MB since the fit began")


def _index(count: int, dim: int = 16, batch: int = 20_000) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        store = FeatureStore(folder, "bench", dim)
        with Clock() as clock:
            for start in range(0, count, batch):
                shas = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(start, min(start + batch, count))]
                store.put(shas, np.full((len(shas), dim), start, np.float32))
        before = anonymous()
        print(f"index of {count:,}: written in {clock.wall:.1f} s, {store.size() / 1e6:.0f} MB on disk")
        store = FeatureStore(folder, "bench", dim)
        asked = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(0, count, max(1, count // 10_000))]
        with Clock() as clock:
            found = store.get(asked)[1]
        print(f"look up {len(asked):,} of them: {clock.wall * 1000:.0f} ms, all found: {bool(found.all())}, "
              f"{anonymous() - before:+.1f} MB of memory")  # fmt: skip
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
