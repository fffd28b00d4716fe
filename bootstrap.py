#!/usr/bin/env python3
"""Sets up what Crowdtune needs to run, in ``.venv``: ``python3 bootstrap.py [base|dev]``.

Makes the virtual environment and installs the locked requirements (every version and hash is in
``requirements/*.txt``): with uv where it is there and works, with pip otherwise. What is done is written down, so a
second start has nothing to do. With dev also a browser for the tests, where there is none: Playwright's download, else
Debian's package where the user is root; without one they skip. Needs Python 3.11, 3.12 or 3.13 and nothing else:
standard library only. An older one, down to 3.6, must be able to read this to go on with one of these: what it would
not understand in an annotation stands in quotes.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "crowdtune.json"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST, NEWEST = (3, 11), (3, 13)  # of those that TensorFlow's locked version is built for


def main(arguments: "list[str]") -> None:
    wanted = arguments[0] if arguments else "base"
    if wanted not in {"base", "dev"}:
        raise SystemExit(f"bootstrap: expected base or dev, got {wanted!r}")
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        start_with_another_python(arguments)
    with only_one():
        digest = hashlib.sha256((ROOT / "requirements" / f"{wanted}.txt").read_bytes()).hexdigest()
        done = stamp()
        if done.get(wanted) == digest and PYTHON.exists():
            return
        if not os.access(ROOT, os.W_OK):
            raise SystemExit(
                f"bootstrap: what {wanted} needs is not installed here, and {ROOT} cannot be written by this user. "
                f"Let who owns it run `python3 bootstrap.py {wanted}` once, and again after each upgrade."
            )
        uv = find_uv()
        if not works(PYTHON):
            make_environment(uv)
            done = {}
        install(uv, wanted)
        # The development set holds the other at the same versions.
        base = hashlib.sha256((ROOT / "requirements" / "base.txt").read_bytes()).hexdigest()
        done = {**done, "base": base, wanted: digest, **identity()}
        if wanted == "dev":
            done["browser"] = "there" if get_browser() else "missing: the browser's tests will skip"
        STAMP.write_text(json.dumps(done), encoding="utf-8")


def identity() -> "dict[str, str]":
    return {"python": platform.python_version(), "root": str(ROOT)}


def stamp() -> "dict[str, str]":
    """What was installed before; nothing when it is of another Python, or the folder has moved."""
    try:
        done = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return done if done.items() >= identity().items() else {}


def start_with_another_python(arguments: "list[str]") -> None:
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found and works(Path(found)):
            os.execv(found, [found, str(Path(__file__).resolve()), *arguments])
    raise SystemExit(
        f"bootstrap: Crowdtune needs Python 3.{OLDEST[1]} to 3.{NEWEST[1]}; this is {platform.python_version()}, and "
        "no other was found. Install one and start again with `make PYTHON=/path/to/python3 …`."
    )


@contextlib.contextmanager
def only_one() -> "Iterator[None]":
    """Two commands that start at once set up one after the other."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # a service may not write its checkout: then it sets up nothing either
            fcntl.flock(held.enter_context(open(ROOT / ".bootstrap.lock", "w")), fcntl.LOCK_EX)
        yield


def works(program: Path) -> bool:
    """Whether the program is there and runs (a shim may be neither)."""
    return run([str(program), "--version"], quiet=True)


def find_uv() -> "str | None":
    # uv brings certificates of its own; a company's proxy is known to the system only. Two names, old and new.
    os.environ.setdefault("UV_NATIVE_TLS", "1")
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    found = shutil.which("uv")
    return found if found and works(Path(found)) else None


def make_environment(uv: "str | None") -> None:
    say(f"making {VENV.name} with Python {platform.python_version()}")
    if uv and run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)]):
        return
    try:
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
    except (subprocess.CalledProcessError, OSError) as error:
        raise SystemExit(
            f"bootstrap: Python's own venv failed ({error}). On Debian and Ubuntu its pip is a package of its own: "
            "`apt-get install python3-venv`; or install uv, which needs none."
        ) from None


def install(uv: "str | None", wanted: str) -> None:
    file = str(ROOT / "requirements" / f"{wanted}.txt")
    say(f"installing {Path(file).relative_to(ROOT)} with {'uv' if uv else 'pip'}: some minutes the first time")
    if uv and run([uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes", "-r", file]):
        return
    if uv:
        say("uv failed, trying pip")
    if not run([str(PYTHON), "-m", "pip", "--version"], quiet=True):
        run([str(PYTHON), "-m", "ensurepip", "--upgrade"], quiet=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if not run([*pip, "--require-hashes", "-r", file]):
        raise SystemExit(
            "bootstrap: the requirements could not be installed; what went wrong is above. Where pip found no version "
            "at all (from versions: none), it could not reach its index: this needs internet, perhaps by HTTPS_PROXY."
        )


def get_browser() -> bool:
    """Whether Chromium is there, or could be had."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if any(shutil.which(name) for name in names):
        return True
    say("getting a Chromium for the browser's tests")
    if run([str(PYTHON), "-m", "playwright", "install", "chromium"], quiet=True, seconds=300):
        return True
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        say("no Chromium could be had: the browser's tests will skip")
        return False
    return run(["apt-get", "update", "-qq"], quiet=True, seconds=300) and run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], quiet=True, seconds=600
    )


def run(command: "list[str]", *, quiet: bool = False, seconds: "float | None" = None) -> bool:
    """Whether the command ended well, within the time where one is given."""
    output = subprocess.DEVNULL if quiet else None
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def say(line: str) -> None:
    print(f"bootstrap: {line}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
