"""What can go wrong.

CrowdtuneError
├── Refused       the server said no: code, message, status
└── Unreachable   no answer after all tries
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CrowdtuneError(Exception):
    """Anything that this package raises on purpose."""


class Refused(CrowdtuneError):
    """The server's refusal, in its own words."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.message = message
        self.fields = dict(fields or {})


class Unreachable(CrowdtuneError):
    """The server did not answer, however often it was asked."""
