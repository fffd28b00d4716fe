"""A transaction that lost a race with another one is run again: PostgreSQL took back all that it had done. Worker-side.

Locks are taken in one order (tasks, then the project), so that nobody deadlocks with a crowd at work. What is left is
an owner who takes a question out of the survey while answers to it are on their way: its consensus finds no question
any more, or waits for the owner who waits for it. Looked at anew, such an answer is simply one to an older version.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-DEADLOCKS (transactions that are aborted
due to deadlocks are to be retried).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connection
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from psycopg import errors

from labeling.errors import CrowdtuneError

Result = TypeVar("Result")
Params = ParamSpec("Params")
Row = TypeVar("Row", bound=Model)
TRIES = 5
_LOST = (errors.DeadlockDetected, errors.ForeignKeyViolation)


class Outdated(Exception):
    """What the work had looked at was changed before it held it; what it wrote of it is taken back."""


def held(rows: QuerySet[Row], pk: object) -> Row:
    """The row with this key, locked until the transaction ends.

    Raises:
        CrowdtuneError: conflict, somebody has deleted it since it was looked at.
    """
    row = rows.select_for_update().filter(pk=pk).first()
    if row is None:
        told = _("Somebody deleted this at the same moment, so there is nothing left to change.")
        raise CrowdtuneError("conflict", told, 409)
    return row


def again(work: Callable[[], Result]) -> Result:
    """What ``work`` returns, which looks at everything anew each time; within a transaction an error of the database
    is its end."""
    for _lost in range(TRIES - 1):
        try:
            return work()
        except Outdated:
            continue
        except (IntegrityError, OperationalError) as error:
            if connection.in_atomic_block or not isinstance(error.__cause__, _LOST):
                raise
    return work()


def retried(verb: Callable[Params, Result]) -> Callable[Params, Result]:
    """The verb, run by ``again``."""

    @wraps(verb)
    def run(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        return again(lambda: verb(*args, **kwargs))

    return run
