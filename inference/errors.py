"""What the inference room refuses, and how it says so.

labeling.errors.CrowdtuneError
├── NoChampion      409: nothing is trained yet, or the version asked for is unknown (404)
├── BadPicture      400: which of the pictures cannot be read, and why
└── BrokenVersion   503: the artifact on disk is not what its manifest says
rest_framework.exceptions.APIException
├── Busy            503 with Retry-After: the queue is full
└── QuotaSpent      429 with Retry-After: the key's images of this minute or day are used up
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException

from labeling.errors import CrowdtuneError


class NoChampion(CrowdtuneError):
    """No version answers: the message says what to do until one does."""

    def __init__(self, message: str, *, status: int = 409, code: str = "no_champion") -> None:
        super().__init__(code, message, status)


class BadPicture(CrowdtuneError):
    """One of the request's pictures cannot be used. ``fields`` holds its position in the request."""

    def __init__(self, code: str, message: str, index: int, status: int = 400) -> None:
        super().__init__(code, message, status, {"image": index})
        self.index = index

    @property
    def why(self) -> str:
        """The message without the position: what whoever tells of the picture by its name adds to that."""
        cause = self.__cause__
        return cause.message if isinstance(cause, CrowdtuneError) else self.message


class BrokenVersion(CrowdtuneError):
    """The files of a version are missing or are not those that were verified when it was made."""

    def __init__(self, message: str) -> None:
        super().__init__("broken_version", message, 503)


class Busy(APIException):
    """More work waits than can be done soon. Refusing early keeps the answers of the others quick."""

    status_code = 503
    default_code = "busy"
    default_detail = _("Too many images are waiting. Try again in a second; clients should back off and retry.")
    wait = 1


class QuotaSpent(APIException):
    status_code = 429
    default_code = "quota_spent"

    def __init__(self, detail: str, wait: float, headers: Mapping[str, str]) -> None:
        """``wait`` in seconds; ``headers`` tell what is left, as in answers."""
        super().__init__(detail)
        self.wait = wait
        self.headers = headers
