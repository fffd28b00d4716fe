"""What goes wrong around us and not in us: a disk that is full, a database or an object store that does not answer.

Told by the error that arrived, or by what it was raised from: drivers and frameworks wrap each other's.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError

from labeling.errors import FORBIDDEN, NO_ROOM


def is_outage(error: BaseException | None) -> bool:
    return is_full(error) or database_is_away(error) or store_is_away(error) or store_refuses(error)


def is_full(error: BaseException | None) -> bool:
    """Whether a disk had no room, ours or a database's."""
    return any(
        isinstance(one, psycopg.errors.DiskFull)
        or (isinstance(one, sqlite3.Error) and getattr(one, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL)
        or (isinstance(one, OSError) and one.errno in NO_ROOM)
        # What several files of a folder ran into is told by its text alone.
        or (isinstance(one, shutil.Error) and any(f"[Errno {number}]" in str(one) for number in NO_ROOM))
        for one in _chain(error)
    )


def database_is_away(error: BaseException | None) -> bool:
    """Whether the database did not answer, or gave up what it was asked: the same may go well a moment later."""
    return any(isinstance(one, OperationalError | InterfaceError) for one in _chain(error))


def store_is_away(error: BaseException | None) -> bool:
    """Whether the object store did not answer, or said that it cannot just now. Its library is loaded only where there
    is one.
    """
    library = sys.modules.get("botocore.exceptions")
    return library is not None and any(
        isinstance(one, library.HTTPClientError | library.EndpointConnectionError)
        or (isinstance(one, library.ClientError) and (_status(one) >= 500 or _status(one) == 429))
        for one in _chain(error)
    )


def store_refuses(error: BaseException | None) -> bool:
    """Whether the object store wants other rights, keys, a region, a bucket or a clock than it was shown; or a folder
    of ours may not be written, as on a disk that the system made read-only or after a restore by another account.
    """
    if any(isinstance(one, OSError) and one.errno in FORBIDDEN and one.filename for one in _chain(error)):
        return True  # without a file's name it was a socket
    library = sys.modules.get("botocore.exceptions")
    return library is not None and any(
        isinstance(one, library.NoCredentialsError | library.PartialCredentialsError | library.CredentialRetrievalError)
        or (isinstance(one, library.ClientError) and 300 <= _status(one) < 500 and _status(one) != 429)
        for one in _chain(error)
    )


def is_gone(error: BaseException | None) -> bool:
    """Whether a row that was to be changed had been deleted since it was looked at.

    Django says so by its plain DatabaseError, raised from nothing; what a database refuses has a class of its own.
    """
    return type(error) is DatabaseError and error.__cause__ is None


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
