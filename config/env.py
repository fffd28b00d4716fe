"""Typed reads of the environment that fail loudly. The only place that touches ``os.environ``.

A file ``.env`` beside manage.py (``NAME=value`` lines, see .env.example) gives what the environment does not;
``ENV_FILE`` names another one. Relative paths are relative to the checkout, wherever a command was started.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class EnvError(ValueError):
    """A variable has a value that cannot be used; the message says what was expected."""


def _read_file(file: Path) -> dict[str, str]:
    """``NAME=value`` lines; blank ones and those that start with # say nothing, quotes around a value are dropped."""
    if not file.is_file():
        return {}
    pairs = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals:
            raise EnvError(f"{file}, line {number}: expected NAME=value, got {line!r}.")
        pairs[name.strip()] = value.strip().strip("'\"")
    return pairs


_FILE = _read_file(ROOT / os.environ.get("ENV_FILE", ".env"))
# Keras and the AWS library look into the environment by themselves: what the file says must be there, too.
for _name, _value in _FILE.items():
    if _name == "KERAS_BACKEND" or _name.startswith("AWS_"):
        os.environ.setdefault(_name, _value)


def string(name: str, default: str = "") -> str:
    return os.environ.get(name) or _FILE.get(name) or default


def pass_on(name: str, value: str) -> None:
    """Set what a library of this process and of its children reads from the environment by itself."""
    os.environ[name] = value


def boolean(name: str, default: bool) -> bool:
    raw = string(name).strip().lower()
    if raw in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return default if raw == "" else raw in {"1", "true", "yes", "on"}
    raise EnvError(f"{name} must be 1 or 0, got {raw!r}.")


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    raw = string(name).strip()
    try:
        value = int(raw) if raw else default
    except ValueError as error:
        raise EnvError(f"{name} must be a whole number, got {raw!r}.") from error
    if not least <= value <= most:
        raise EnvError(f"{name} must be from {least} to {most}, got {value}.")
    return value


def choice(name: str, default: str, *, out_of: tuple[str, ...]) -> str:
    value = string(name, default).strip()
    if value not in out_of:
        raise EnvError(f"{name} must be one of {', '.join(out_of)}, got {value!r}.")
    return value


def path(name: str, default: Path) -> Path:
    raw = string(name).strip()
    return (ROOT / Path(raw).expanduser()).resolve() if raw else default


def strings(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty items are dropped."""
    return [item.strip() for item in string(name, default).split(",") if item.strip()]
