"""Lists of the API are walked by cursor: the next page costs the same on page one and on page ten thousand."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import pagination
from rest_framework.exceptions import NotFound


class CursorPagination(pagination.CursorPagination):
    """Newest first; ``?page_size=`` up to 500."""

    ordering: Any = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500
    invalid_cursor_message: Any = _(
        "This list has no such cursor. Follow `next` and `previous` as they came, or leave it out."
    )

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except ValueError as error:  # a cursor of somebody's own making names a place that no row can have
            if self.cursor_query_param not in request.query_params:
                raise
            raise NotFound(self.invalid_cursor_message) from error
