"""Typed reads of the environment that fail loudly. The only place that touches ``os.environ``."""

from __future__ import annotations

import os
from pathlib import Path


class EnvError(ValueError):
    """A variable has a value that cannot be used; the message says what was expected."""


def string(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def boolean(name: str, default: bool) -> bool:
    raw = os.environ.get(name, "").strip().lower()
    if raw in {"", "1", "true", "yes", "on", "0", "false", "no", "off"}:
        return default if raw == "" else raw in {"1", "true", "yes", "on"}
    raise EnvError(f"{name} must be 1 or 0, got {raw!r}.")


def integer(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    raw = os.environ.get(name, "").strip()
    try:
        value = int(raw) if raw else default
    except ValueError as error:
        raise EnvError(f"{name} must be a whole number, got {raw!r}.") from error
    if not least <= value <= most:
        raise EnvError(f"{name} must be from {least} to {most}, got {value}.")
    return value


def path(name: str, default: Path) -> Path:
    raw = os.environ.get(name, "").strip()
    return Path(raw).expanduser().resolve() if raw else default


def strings(name: str, default: str = "") -> list[str]:
    """A comma-separated list; empty items are dropped."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]
