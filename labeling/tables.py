"""Tables as answers, line by line: of what a job refused there may be half a million."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import translation

from labeling.models import Job
from labeling.text import cells


def as_csv(name: str, rows: Iterable[Iterable[Any]]) -> StreamingHttpResponse:
    """The rows, the names of their columns first, as a file that is called so."""
    writer = csv.writer(cells.Echo())
    response = StreamingHttpResponse(map(writer.writerow, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def refused(job: Job) -> StreamingHttpResponse:
    """All that a job refused or passed over, and why: its row, which pages and the API show, holds the first."""
    return as_csv(f"{job.project.slug}-refused", _refused(job, translation.get_language()))


def _refused(job: Job, language: str) -> Iterator[list[str]]:
    yield ["item", "code", "why"]
    with translation.override(language):  # which ends with the view, before the lines are read
        more = job.more_errors.order_by("pk").values_list("errors", flat=True)
        for errors in itertools.chain([job.errors], more.iterator(chunk_size=20)):
            for error in errors:
                yield [cells.plain(str(error[key])) for key in ("item", "code", "message")]
