"""Pictures -> features, each once, ever: batch by batch into the store; the next is decoded while this one is embedded.

A kill loses one batch of work at most, and memory does not grow with the number of pictures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from training.learning.feature_store import FeatureStore

BATCH = 32

Embed = Callable[[np.ndarray], np.ndarray]
Read = Callable[[int], Sequence[tuple[str, np.ndarray]]]


def fill_store(
    store: FeatureStore, embed: Embed, items: Sequence[int], read: Read, *, each: int = 1
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Embed what ``read`` makes of each item, and put it there.

    Args:
        embed: uint8 ``[n, size, size, 3]`` -> float32 ``[n, dim]``.
        read: Item -> a key and uint8 ``[size, size, 3]`` for each picture of it, none where it cannot be read. Called
            from several threads.
        each: How many pictures an item has at most.

    Yields:
        After each batch, of its ``n`` rows: the items that they are of, and float32 ``[n, dim]``.
    """
    step = max(1, BATCH // each)
    batches = [items[start : start + step] for start in range(0, len(items), step)]
    with ThreadPoolExecutor(4, thread_name_prefix="decode") as pool:
        ahead = [pool.submit(read, item) for item in batches[0]] if batches else []
        for batch, following in itertools.zip_longest(batches, batches[1:], fillvalue=()):
            waiting, ahead = ahead, [pool.submit(read, item) for item in following]
            rows = [(item, *row) for item, future in zip(batch, waiting, strict=True) for row in future.result()]
            if rows:
                owners, keys, pictures = zip(*rows, strict=True)
                features = embed(np.stack(pictures))
                store.put(keys, features)
                yield list(owners), features
