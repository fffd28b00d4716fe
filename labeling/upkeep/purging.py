"""The rows of deleted projects go in the background, some images at a time, however often that is killed. Worker-side.

A deleted project is out of sight at once (``Project.deleted_at``); what it holds may be millions of rows. Each batch is
a transaction of its own that writes down the files of its images, so a kill loses one batch's work at most; rows that
another process has taken are left to it, so several share the work and nobody waits. What hangs on no image is small
and goes with the project's own row, when no image is left.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import CASCADE, ForeignObjectRel, Model

from labeling.collecting.leases import fetch
from labeling.models import Image, Project

logger = logging.getLogger(__name__)
BATCH = 1000

_NOTE = """
WITH noted AS (
    INSERT INTO labeling_discardedfile (name, sha256, due_at)
    SELECT unnest(ARRAY[original, display, thumbnail]), sha256, %(now)s FROM labeling_image WHERE id = ANY(%(images)s)
    RETURNING 1
)
SELECT count(*) FROM noted"""


def run() -> int:
    """Delete what deleted projects hold; returns how many projects are gone."""
    gone = 0
    for project_id in Project.with_deleted.exclude(deleted_at=None).values_list("pk", flat=True):
        last = 0
        while last := _batch(project_id, last):
            pass
        gone += _last(project_id)
    return gone


def _batch(project_id: int, last: int) -> int:
    """Delete some images after ``last`` with all that hangs on them; returns the last id, or 0 when none is free.

    In the order of ids: a walk from the beginning each time would read again over all the rows that are dead already.
    """
    with transaction.atomic():
        free = Image.objects.filter(project_id=project_id, pk__gt=last).select_for_update(skip_locked=True)
        ids = list(free.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            return 0
        fetch(_NOTE, {"images": ids})
        _delete(Image, ids)
    return ids[-1]


def _delete(model: type[Model], ids: list[Any]) -> None:
    """Delete rows with all that hangs on them in any room, as their foreign keys say: a statement for each relation.

    Django's own ``delete`` does the same with an object for each row in between, which is most of its cost.
    """
    for child, column in _hanging_on(model):
        if _hanging_on(child):
            _delete(child, [pk for (pk,) in _execute(_FIND, child, column, ids)])
        else:
            _execute(_DELETE, child, column, ids)
    _execute(_DELETE, model, model._meta.pk.column, ids)


@cache
def _hanging_on(model: type[Model]) -> list[tuple[type[Model], Any]]:
    """The models whose rows go with a row of this one, each with the column that refers to it."""
    found: list[tuple[type[Model], Any]] = []
    for relation in model._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and (relation.one_to_many or relation.one_to_one):
            if relation.on_delete is not CASCADE:
                raise TypeError(f"{relation} is not of the kind CASCADE, the only one that purging knows.")
            found.append((relation.related_model, relation.field.column))
    return found


_FIND = "SELECT {pk} FROM {table} WHERE {column} = ANY(%(ids)s)"
_DELETE = "WITH gone AS (DELETE FROM {table} WHERE {column} = ANY(%(ids)s) RETURNING 1) SELECT count(*) FROM gone"


def _execute(statement: str, model: type[Model], column: Any, ids: list[Any]) -> list[tuple[Any, ...]]:
    meta = model._meta
    names = {"table": meta.db_table, "pk": meta.pk.column, "column": column}
    return fetch(statement.format(**{name: f'"{value}"' for name, value in names.items()}), {"ids": ids})


def _last(project_id: int) -> int:
    """Delete the project itself, unless another process still has images of it or does just this."""
    with transaction.atomic():
        row = Project.with_deleted.select_for_update(skip_locked=True).filter(pk=project_id).first()
        if row is None or Image.objects.filter(project_id=project_id).exists():
            return 0
        row.delete()
    logger.info("project %s: all rows are deleted", project_id)
    return 1
