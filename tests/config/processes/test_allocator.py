"""What a picture's buffers leave free is there for the next picture."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ROUNDS = """
import resource, sys
from config.processes import allocator
if sys.argv[1] == "keep":
    allocator.keep_freed_memory()
def work():
    for _ in range(20):
        buffers = [bytearray(3_000_000) for _ in range(3)]
        del buffers
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_what_was_freed_is_used_again_instead_of_being_fetched_anew() -> None:
    faults = {}
    for mode in ("keep", "default"):
        done = subprocess.run([sys.executable, "-c", ROUNDS, mode], check=True, capture_output=True, text=True)
        faults[mode] = int(done.stdout)
    assert 10 * faults["keep"] < faults["default"]  # pages of 4 KB; 60 buffers of 3 MB are 44,000
