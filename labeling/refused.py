"""All that a job refused or passed over, and why, as CSV: its row, which pages and the API show, holds the first."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from django.utils import translation

from labeling import cells
from labeling.models import Job


def as_csv(job: Job) -> StreamingHttpResponse:
    """Streamed: there may be half a million lines."""
    response = StreamingHttpResponse(_lines(job, translation.get_language()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{job.project.slug}-refused.csv"'
    return response


def _lines(job: Job, language: str) -> Iterator[str]:
    writer = csv.writer(cells.Echo())
    yield writer.writerow(["item", "code", "why"])
    with translation.override(language):  # which ends with the view, before the lines are read
        more = job.more_errors.order_by("pk").values_list("errors", flat=True)
        for errors in itertools.chain([job.errors], more.iterator(chunk_size=20)):
            for error in errors:
                yield writer.writerow([cells.plain(str(error[key])) for key in ("item", "code", "message")])
