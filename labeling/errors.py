"""What the labeling room refuses, and how it says so.

CrowdtuneError
JobLost
"""

from __future__ import annotations

import errno
from typing import Any

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # on a disk, or in one's share of it


class CrowdtuneError(Exception):
    """A refusal that a person can act on: what was expected, what came, what to do.

    ``field`` is the one that the message is about; where several are wrong, ``fields`` has of each a list of what is
    (the message itself where that is empty), and a number where it says which of many (``image``).
    """

    def __init__(
        self, code: str, message: str, status: int = 400, fields: dict[str, Any] | None = None, field: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        given = {field: message} if field else fields or {}
        self.fields = {name: _listed(problem, message) for name, problem in given.items()}

    def as_json(self) -> dict[str, Any]:
        """The body of the answer that refuses."""
        return {"error": {"code": self.code, "message": self.message, "fields": self.fields}}


class JobLost(Exception):
    """The job was cancelled, another process has taken it over, or the platform stops and it begins anew when that is
    back: stop without writing anything more.
    """


def _listed(problem: Any, message: str) -> Any:
    if isinstance(problem, str):
        return [problem]
    return [message] if problem == [] else problem
