"""Lists of the API are walked by cursor: the next page costs the same on page one and on page ten thousand."""

from __future__ import annotations

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    """Newest first; ``?page_size=`` up to 500."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500
