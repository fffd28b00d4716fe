"""The memory that one picture's buffers leave free stays with the process, for the next picture.

glibc gives what is free at the end of a heap back to the kernel, and asks for it again a moment later: 400 pages a
picture, each zeroed and faulted in anew, a millisecond of a prediction's thirteen. For web processes: what workers fit
is larger, and glibc's own rules suit it better (measured: ten times the system time with these).
Source: mallopt(3)
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# What is kept at most is the product of the last two. A photograph's buffers are below the first, as it is decoded at
# a fraction of its size; larger ones come from the kernel and go back to it at once.
LARGE = 4 * 2**20
KEPT = 16 * 2**20
HEAPS = 4


def keep_freed_memory() -> None:
    """For this process, from now on; does nothing where the C library has no such thing (musl, macOS)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for what, value in ((_M_MMAP_THRESHOLD, LARGE), (_M_TRIM_THRESHOLD, KEPT), (_M_ARENA_MAX, HEAPS)):
        mallopt(what, value)
