"""Secrets that the platform makes for itself: random, kept in DATA_DIR with mode 600, made once."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.env import EnvError


def read_or_create(path: Path, *, length: int = 32) -> tuple[str, bool]:
    """Return the secret in ``path`` and whether this call made it.

    Two processes that start together agree: the file is written under another name and linked into place, and the
    one that loses reads what the winner wrote.
    """
    try:
        return _read_or_create(path, length)
    except OSError as error:
        raise EnvError(f"DATA_DIR must be a folder that can be written, but {path}: {error.strerror}.") from error


def _read_or_create(path: Path, length: int) -> tuple[str, bool]:
    try:
        return path.read_text(encoding="utf-8").strip(), False
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(length) + "\n")
    try:
        os.link(draft, path)
        created = True
    except FileExistsError:
        created = False
    draft.unlink()
    return path.read_text(encoding="utf-8").strip(), created
