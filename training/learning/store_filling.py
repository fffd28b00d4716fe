"""Pictures -> features, each once, ever: what is missing in the store is decoded, embedded and put there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from training.learning.augment import Augmentation, view, view_key
from training.learning.errors import Cancelled
from training.learning.feature_store import FeatureStore
from training.learning.networks.trunk import Trunk

BATCH = 32

Read = Callable[[int], np.ndarray | None]
Progress = Callable[[dict[str, Any]], bool | None]


def embed_missing(
    store: FeatureStore, trunk: Trunk, shas: Sequence[str], read: Read, *, views: int = 0,
    augmentation: Augmentation | None = None, progress: Progress | None = None, batch: int = BATCH,
) -> int:  # fmt: skip
    """Make sure that the store has every picture (and ``views`` augmented views of it).

    Decoding the next pictures overlaps with embedding these; memory does not grow with the number of pictures.

    Args:
        shas: SHA-256 of the image files.
        read: Index into ``shas`` -> uint8 ``[size, size, 3]`` (labeling.files.imaging.pixels of the file), or None
            where it cannot be read: it is passed over. Called only for what is missing, from several threads.
        views: Augmented views of each picture, besides itself.
        batch: Pictures and views at a time, at least one picture with its views.
        progress: Called after each batch with stage "features", done and of (in pictures); False cancels.

    Returns:
        How many embeddings were computed.

    Raises:
        Cancelled: what was embedded so far is kept.
    """
    rule = augmentation or Augmentation()
    wanted = [i for i, complete in enumerate(_complete(store, shas, views, rule)) if not complete]
    made, step = 0, max(1, batch // (views + 1))
    with ThreadPoolExecutor(2, thread_name_prefix="decode") as pool:
        ahead = pool.submit(_decode, wanted[:step], shas, read, views, rule) if wanted else None
        for start in range(0, len(wanted), step):
            assert ahead is not None
            keys, pictures = ahead.result()
            rest = wanted[start + step : start + 2 * step]
            ahead = pool.submit(_decode, rest, shas, read, views, rule) if rest else None
            if keys:
                store.put(keys, trunk.embed(np.stack(pictures)))
            made += len(keys)
            done = min(start + step, len(wanted))
            if progress and progress({"stage": "features", "done": done, "of": len(wanted)}) is False:
                raise Cancelled(f"Cancelled after {done} of {len(wanted)} images; their features are kept.")
    return made


def _complete(store: FeatureStore, shas: Sequence[str], views: int, rule: Augmentation) -> np.ndarray:
    complete = np.concatenate([np.empty(0, bool), *(found for _, found in store.batches(shas))])
    for index in range(views):
        complete = complete & store.has([view_key(sha, index, rule) for sha in shas])
    return complete


def _decode(
    at: Sequence[int], shas: Sequence[str], read: Read, views: int, rule: Augmentation
) -> tuple[list[str], list[np.ndarray]]:
    keys, pictures = [], []
    for i in at:
        picture = read(i)
        if picture is None:
            continue
        keys.append(shas[i])
        pictures.append(picture)
        for index in range(views):
            keys.append(view_key(shas[i], index, rule))
            pictures.append(view(picture, shas[i], index, rule))
    return keys, pictures


def gather(
    store: FeatureStore, shas: Sequence[str], *, views: int = 0, augmentation: Augmentation | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Features for training: of each picture, then of each of its views that is there.

    Returns:
        float32 ``[m, dim]`` and int ``[m]``: which of ``shas`` the row belongs to. Weigh each row by 1 / (views + 1).
    """
    rule = augmentation or Augmentation()
    features, found = store.get(shas)
    rows, owners = [features[found]], [np.flatnonzero(found)]
    for index in range(views):
        more, there = store.get([view_key(sha, index, rule) for sha in shas])
        rows.append(more[there])
        owners.append(np.flatnonzero(there))
    return np.concatenate(rows), np.concatenate(owners)
