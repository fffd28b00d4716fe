"""Lists of the API are walked by cursor: the next page costs the same on page one and on page ten thousand."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as NoMoment
from django.utils.translation import gettext_lazy as _
from rest_framework import pagination
from rest_framework.exceptions import NotFound, ValidationError


class CursorPagination(pagination.CursorPagination):
    """Newest first; ``?page_size=`` up to 500, which more than that asks for."""

    ordering: Any = "-id"
    page_size_query_param = "page_size"
    max_page_size = 500
    invalid_cursor_message: Any = _(
        "This list has no such cursor. Follow `next` and `previous` as they came, or leave it out."
    )

    def get_page_size(self, request: Any) -> int | None:
        """
        Raises:
            ValidationError: It is no number of rows; the framework's own would take the usual one in silence.
        """
        said = request.query_params.get(self.page_size_query_param, "")
        if said and not (said.isascii() and said.isdecimal() and int(said[:20])):
            raise ValidationError({self.page_size_query_param: [_("Expected a number of rows, 1 to 500.")]})
        return super().get_page_size(request)

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, NoMoment) as error:  # a cursor of somebody's own making names a place that no row can have
            if self.cursor_query_param not in request.query_params:
                raise
            raise NotFound(self.invalid_cursor_message) from error
