"""The set-up: what it skips, what it repeats, and what it says when it cannot go on."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT

REFUSING_UV = '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "$@" >> calls\nexit 1\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout with nothing to install: the requirements are empty."""
    return checkout(tmp_path)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Such a checkout with its environment, which takes seconds to make, and what was said while it was made."""
    folder = checkout(tmp_path_factory.mktemp("clone"))
    return folder, bootstrap(folder)


@pytest.fixture
def set_up_before(set_up: tuple[Path, Any]) -> Iterator[Path]:
    """That checkout, whose requirements a test may change."""
    base = set_up[0] / "requirements" / "base.txt"
    before = base.read_text()
    yield set_up[0]
    base.write_text(before)


def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "bootstrap.py", tmp_path)
    (tmp_path / "requirements").mkdir()
    for name in ("base", "dev"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"# nothing in {name}\n")
    (tmp_path / "bin").mkdir()
    return tmp_path


def bootstrap(clone: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    path = f"{clone / 'bin'}:/usr/bin:/bin"
    return subprocess.run(
        [sys.executable, "bootstrap.py", *arguments], cwd=clone, env={"PATH": path, "HOME": str(clone), **given},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def test_it_makes_an_environment_with_pip_and_a_second_start_has_nothing_to_do(set_up):
    clone, first = set_up
    assert first.returncode == 0, first.stderr
    assert "with pip" in first.stdout
    python = clone / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", "import sys; assert sys.prefix != sys.base_prefix"], check=True)
    second = bootstrap(clone)
    assert (second.returncode, second.stdout) == (0, "")


def test_changed_requirements_are_installed_anew(set_up):
    clone, _first = set_up
    (clone / "requirements" / "base.txt").write_text("# another\n")
    assert "installing requirements/base.txt" in bootstrap(clone).stdout
    assert bootstrap(clone).stdout == ""


def test_a_uv_that_fails_is_followed_by_pip(clone):
    uv = clone / "bin" / "uv"
    uv.write_text(REFUSING_UV)
    uv.chmod(0o755)
    done = bootstrap(clone)
    assert done.returncode == 0, done.stderr
    assert "uv failed, trying pip" in done.stdout
    assert [line.split()[0] for line in (clone / "calls").read_text().splitlines()] == ["venv", "pip"]


def test_an_environment_that_was_moved_is_set_up_again(set_up):
    clone, _first = set_up
    stamp = clone / ".venv" / "crowdtune.json"
    said = json.loads(stamp.read_text())
    stamp.write_text(json.dumps({**said, "root": "/elsewhere"}))
    assert "installing" in bootstrap(clone).stdout


def test_a_checkout_that_is_anothers_is_run_and_not_set_up(set_up, clone):
    """As of a service, whose user may not change its code."""
    made, _first = set_up
    lock = made / ".bootstrap.lock"
    lock.unlink()
    lock.mkdir()  # cannot be opened, by root either
    try:
        second = bootstrap(made)
        assert (second.returncode, second.stderr) == (0, "")
    finally:
        lock.rmdir()
    nowhere = "import os, bootstrap; os.access = lambda *_: False; bootstrap.main(['base'])"
    new = subprocess.run([sys.executable, "-c", nowhere], cwd=clone, capture_output=True, text=True, check=False)
    assert (new.returncode, "run `python3 bootstrap.py base` once" in new.stderr) == (1, True)
    assert not (clone / ".venv").exists()


def test_a_requirement_without_its_hash_is_refused(set_up_before):
    clone = set_up_before
    stamp = clone / ".venv" / "crowdtune.json"
    done = stamp.read_text()
    (clone / "requirements" / "base.txt").write_text("no-such-package==1.0\n")
    refused = bootstrap(clone)
    assert refused.returncode != 0
    assert "could not be installed" in refused.stderr
    assert stamp.read_text() == done


def test_where_no_index_can_be_reached_it_says_that_this_is_what_the_words_of_pip_mean(set_up_before):
    clone = set_up_before
    (clone / "requirements" / "base.txt").write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    (clone / "pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/\nretries = 0\n")
    refused = bootstrap(clone, PIP_CONFIG_FILE=str(clone / "pip.conf"))
    assert refused.returncode != 0
    said, means = refused.stderr.split("bootstrap:")
    assert "(from versions: none)" in said  # else the words have changed, and ours must
    assert "(from versions: none), it could not reach its index" in means


def test_a_python_of_the_oldest_systems_in_use_reads_it_as_far_as_it_takes_to_give_way():
    """Theirs is 3.6, which knows neither annotations that are not looked at nor the types of today in them."""
    tree = ast.parse((ROOT / "bootstrap.py").read_text(), feature_version=(3, 6))
    assert [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"] == []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    said = [one.annotation for node in functions for one in (*node.args.args, *node.args.kwonlyargs)]
    said += [node.returns for node in functions]
    assert len(said) > 20
    assert [ast.unparse(one) for one in said if one and not isinstance(one, ast.Name | ast.Constant)] == []


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 14, 0)])
def test_a_python_that_the_requirements_are_not_built_for_gives_way_to_one_that_they_are(clone, version):
    code = f"import sys, bootstrap; sys.version_info = {version}; bootstrap.main(['base'])"
    only_ours = {"PATH": str(clone / "bin"), "HOME": str(clone)}

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=clone, env=only_ours, capture_output=True, text=True, check=False
        )

    refused = start()
    assert (refused.returncode, "needs Python 3.11 to 3.13" in refused.stderr) == (1, True)
    (clone / "bin" / "python3.14").write_text("#!/bin/sh\necho wrong\n")
    (clone / "bin" / "python3.12").write_text("#!/bin/sh\necho 3.12 goes on with $2\n")
    for name in ("python3.14", "python3.12"):
        (clone / "bin" / name).chmod(0o755)
    assert start().stdout == "3.12 goes on with base\n"
    assert not (clone / ".venv").exists()


def test_what_is_said_of_pythons_is_what_the_set_up_takes():
    code = "import bootstrap; print(*range(bootstrap.OLDEST[1], bootstrap.NEWEST[1] + 1))"
    minors = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout.split()
    told = re.search(r"You need [^.]*Python (.+?), `make`", (ROOT / "README.md").read_text())
    assert told is not None
    assert re.findall(r"3\.(\d+)", told[1]) == minors
    declared = f'requires-python = ">=3.{minors[0]},<3.{int(minors[-1]) + 1}"'
    assert declared in (ROOT / "pyproject.toml").read_text()
    built = re.search(r"FROM python:3\.(\d+)-", (ROOT / "Dockerfile").read_text())
    assert built is not None
    assert built[1] in minors


def test_a_set_that_does_not_exist_is_refused(clone):
    assert "expected base or dev, got 'everything'" in bootstrap(clone, "everything").stderr


def test_make_prints_every_target_with_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    printed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {line.split("\t")[0] for line in printed.splitlines()} == targets
    assert targets == {"help", "setup", "run", "test", "test-jax", "lint", "types", "bench", "lock", "schema"}
