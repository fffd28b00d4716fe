"""What the labeling room refuses, and how it says so.

CrowdtuneError
JobLost
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # on a disk, or in one's share of it
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}  # to write there

LONGEST = 2000  # characters of a sentence that refuses


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
        return refusal(self.code, self.message, self.fields)


class JobLost(Exception):
    """The job was cancelled, another process has taken it over, or the platform stops and it begins anew when that is
    back: stop without writing anything more.
    """


def refusal(code: str, message: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The contract's body of one; what came stands in it, and may be a hundred thousand letters."""
    told = {brief(str(name)): [brief(str(one)) for one in why] if isinstance(why, list) else why
            for name, why in fields.items()}  # fmt: skip
    return {"error": {"code": code, "message": brief(message), "fields": told}}


def brief(text: str) -> str:
    """The text without its middle, where it is long: how it ends says what was expected."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def _listed(problem: Any, message: str) -> Any:
    if isinstance(problem, str):
        return [problem]
    return [message] if problem == [] else problem
