"""``make bench`` finds what it runs."""

from __future__ import annotations

import subprocess
import sys

from bench.__main__ import ALONE, HELPERS, HERE, scripts


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, cwd=HERE.parent)


def test_every_measurement_is_listed_with_what_it_measures():
    told = bench("--list")
    assert told.returncode == 0, told.stderr
    assert {line.split()[0] for line in told.stdout.splitlines()} == set(scripts())
    assert all(scripts().values())


def test_what_runs_by_itself_is_there_and_helpers_are_no_measurements():
    assert {plan[0] for plan in ALONE} <= set(scripts())
    assert all((HERE / f"{name}.py").exists() for name in HELPERS)


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    told = bench("nothing")
    assert told.returncode == 2
    assert "aggregators" in told.stdout
