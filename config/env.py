"""Typed reads of the environment that fail loudly. The only place that touches ``os.environ``.

A file ``.env`` beside manage.py (``NAME=value`` lines, see .env.example) gives what the environment does not;
``ENV_FILE`` names another one. Relative paths are relative to the checkout, wherever a command was started.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class EnvError(ValueError):
    """A variable has a value that cannot be used; the message says what was expected."""


def _read_file(file: Path) -> dict[str, str]:
    """``NAME=value`` lines; blank ones and those that start with # say nothing, quotes around a value are dropped."""
    if not file.exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(f"{file} cannot be read as UTF-8 text: {error}.") from error
    pairs = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        # Also ``export NAME=value`` would be a name that nobody asks for, and the setting silently without effect.
        if not equals or not _NAME.fullmatch(name.strip()):
            raise EnvError(f"{file}, line {number}: expected NAME=value, got {name.strip()!r}.")
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        pairs[name.strip()] = value[1:-1] if quoted else value
    return pairs


@functools.cache
def _file() -> dict[str, str]:
    """Read at the first question and not at the import, so that who asks can tell of a file that is wrong."""
    given = os.environ.get("ENV_FILE")
    file = ROOT / (given or ".env")
    if given and not file.exists():
        raise EnvError(f"ENV_FILE must name a file, but there is no {file}.")
    pairs = _read_file(file)
    # The AWS library looks into the environment by itself: what the file says must be there, too.
    for name, value in pairs.items():
        if name.startswith("AWS_"):
            os.environ.setdefault(name, value)
    return pairs


def string(name: str, default: str = "") -> str:
    pairs = _file()
    return os.environ.get(name) or pairs.get(name) or default


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
    for word in out_of:
        if value.lower() == word.lower():
            return word
    raise EnvError(f"{name} must be one of {', '.join(out_of)}, got {value!r}.")


def path(name: str, default: Path) -> Path:
    raw = string(name).strip()
    try:
        return (ROOT / Path(raw).expanduser()).resolve() if raw else default.expanduser()
    except RuntimeError as error:  # a container's user, who is only a number, has no home
        raise EnvError(f"{name} must be a path, and {raw or default} is in a home that is not known here.") from error


def address(name: str, default: str) -> str:
    """An IP address, without the brackets that one of IPv6 has in a URL: the web server takes no names."""
    raw = string(name, default).strip().strip("[]")
    try:
        return str(ipaddress.ip_address(raw))
    except ValueError as error:
        raise EnvError(f"{name} must be an address (127.0.0.1, 0.0.0.0, ::1), got {raw!r}.") from error


def strings(name: str) -> list[str]:
    """A comma-separated list; empty items are dropped."""
    return [item.strip() for item in string(name).split(",") if item.strip()]


Place = tuple[str | ipaddress.IPv4Network | ipaddress.IPv6Network, int | None]


def hosts(name: str) -> list[Place]:
    """A list of host names and of networks (``10.1.0.0/16``; one address is a network of one), each with the one port
    that is meant (``images.example:9000``, ``[fd00::1]:9000``) or None.
    """
    found: list[Place] = []
    for value in strings(name):
        with_port = re.fullmatch(r"([^:]+|\[.+\]):([0-9]{1,5})", value)
        host, port = (with_port[1].strip("[]"), int(with_port[2])) if with_port else (value, None)
        try:
            found.append((ipaddress.ip_network(host), port))
        except ValueError:
            found.append((host.lower(), port))
        is_name = re.fullmatch(r"([\w-]+\.)*[\w-]*[a-z][\w-]*", host.lower(), re.ASCII)
        is_port = port is None or 0 < port < 65_536
        if not is_port or (isinstance(found[-1][0], str) and not is_name):
            raise EnvError(
                f"{name} must list host names (images.example) and networks (10.1.0.0/16), with a port or without "
                f"(images.example:9000), got {value!r}."
            )
    return found


def names(name: str) -> list[str]:
    """A list of what the Host of a request may be: with a scheme, a port or a path Django would never find it."""
    values = strings(name)
    for value in values:
        if not re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-fA-F:.]+\]", value, re.ASCII):
            raise EnvError(f"{name} must list names (label.example.org) without scheme, port and path, got {value!r}.")
    return values


def origins(name: str) -> list[str]:
    """A list of ``https://host``: without the scheme Django and the browser would quietly find none that matches."""
    values = strings(name)
    for value in values:
        if "://" not in value or urlsplit(value)._replace(scheme="", netloc="").geturl():
            raise EnvError(f"{name} must list origins as https://host, without a path, got {value!r}.")
    return values
