"""What the training room refuses, and how it says so.

CrowdtuneError (labeling.errors)
├── NotEnoughLabels    409: training now would teach nothing; the message says what is missing
├── RunIsLive          409: one run at a time per project
├── NothingToDo        409: the wanted state holds already, or there is nothing to go back to
├── StoreFails         503: the object store does not answer, or refuses everything
└── BadRequest         400: an option that is not known
"""

from __future__ import annotations

from labeling import jobs
from labeling.errors import CrowdtuneError
from labeling.resilience import outages


class NotEnoughLabels(CrowdtuneError):
    def __init__(self, message: str) -> None:
        super().__init__("not_enough_labels", message, 409)


class RunIsLive(CrowdtuneError):
    def __init__(self, message: str) -> None:
        super().__init__("run_is_live", message, 409)


class NothingToDo(CrowdtuneError):
    def __init__(self, message: str) -> None:
        super().__init__("nothing_to_do", message, 409)


class BadRequest(CrowdtuneError):
    def __init__(self, message: str, field: str) -> None:
        super().__init__("invalid", message, 400, {field: [message]})


class StoreFails(CrowdtuneError):
    def __init__(self, error: Exception) -> None:
        super().__init__("store_fails", jobs.why(error), 503)


def raise_if_store_fails(error: Exception) -> None:
    """Where the store ails, the file that was to be read is neither missing nor damaged: it is there a moment later.

    Raises:
        StoreFails: That is so.
    """
    missing = isinstance(error, FileNotFoundError | PermissionError)  # of a folder of ours: one file, not the store
    if outages.store_is_away(error) or (outages.store_refuses(error) and not missing):
        raise StoreFails(error) from error
