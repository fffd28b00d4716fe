"""What the labeling room refuses, and how it says so.

CrowdtuneError
"""

from __future__ import annotations

from typing import Any


class CrowdtuneError(Exception):
    """A refusal that a person can act on: what was expected, what came, what to do."""

    def __init__(self, code: str, message: str, status: int = 400, fields: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields or {}
