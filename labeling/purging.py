"""The rows of deleted projects go in the background, some images at a time, however often that is killed. Worker-side.

A deleted project is out of sight at once (``Project.deleted_at``); what it holds may be millions of rows. Each batch is
a transaction of its own that writes down the files of its images, so a kill loses one batch's work at most; rows that
another process has taken are left to it, so several share the work and nobody waits. What hangs on no image is small
and goes with the project's own row, when no image is left.
"""

from __future__ import annotations

import logging

from django.db import transaction

from labeling.leases import fetch
from labeling.models import Image, Project

logger = logging.getLogger(__name__)
BATCH = 500

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
        while _batch(project_id):
            pass
        gone += _last(project_id)
    return gone


def _batch(project_id: int) -> int:
    """Delete some images with all that hangs on them; 0 when there is none that nobody else has taken."""
    with transaction.atomic():
        free = Image.objects.filter(project_id=project_id).select_for_update(skip_locked=True)
        ids = list(free.values_list("pk", flat=True)[:BATCH])
        if ids:
            fetch(_NOTE, {"images": ids})
            Image.objects.filter(pk__in=ids).delete()
    return len(ids)


def _last(project_id: int) -> int:
    """Delete the project itself, unless another process still has images of it or does just this."""
    with transaction.atomic():
        row = Project.with_deleted.select_for_update(skip_locked=True).filter(pk=project_id).first()
        if row is None or Image.objects.filter(project_id=project_id).exists():
            return 0
        row.delete()
    logger.info("project %s: all rows are deleted", project_id)
    return 1
