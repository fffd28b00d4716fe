"""What the views of this room share: the project of the address, behind the right that the view needs."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _
from django_filters.rest_framework import (
    BooleanFilter,
    ChoiceFilter,
    Filter,
    FilterSet,
    IsoDateTimeFilter,
    NumberFilter,
)
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.accounts import archived, permissions
from labeling.accounts.permissions import Right
from labeling.api.paging import CursorPagination
from labeling.models import Job, Project, Task
from labeling.text import bodies
from labeling.text.slips import slips

CSRF = "csrfmiddlewaretoken"  # of a form that a browser sends
MOST_UNKNOWN = 20  # that a refusal names
# What lists of other platforms are put in order and walked with; how many rows a page has (`limit`) changes nothing.
OTHER_SEARCHES = {"q", "query", "search"}
OTHER_WALKS = {"offset", "order", "order_by", "ordering", "page", "sort", "sort_by"}
Row = TypeVar("Row", bound=Model)


def project_of(request: Request, slug: str, right: Right, *, even_archived: bool = False) -> Project:
    """The project, if the caller has the right in it; an archived one is only read, unless ``even_archived``.

    Raises:
        NotFound: There is none, or the caller is a stranger to it.
        PermissionDenied: The caller's role does not allow this.
        CrowdtuneError: project_archived.
    """
    told = _("There is no such project, or you are not a member of it.")
    project = existing(Project.objects.filter(slug=slug), told)
    permissions.require(request.user, project, right)
    if not even_archived:
        archived.refuse_change(project, request.method)
    return project


def existing(rows: QuerySet[Row], missing: str) -> Row:
    """The one row that these are.

    Raises:
        NotFound: It is none of them, as ``missing`` tells.
    """
    row = rows.first()
    if row is None:
        raise NotFound(missing)
    return row


class ProjectView(APIView):
    """A view under ``/projects/{slug}/``. ``rights`` maps a method to the right that it needs, ``even_archived`` names
    those that an archived project takes though they are no reading."""

    rights: dict[str, Right] = {}
    even_archived: frozenset[str] = frozenset()

    def right(self, request: Request) -> Right:
        """What the call needs; HEAD is answered by what answers GET."""
        return self.rights["GET" if request.method == "HEAD" else str(request.method)]

    def project(self, request: Request, slug: str) -> Project:
        """The project, when the caller has the right that this method needs."""
        return project_of(request, slug, self.right(request), even_archived=request.method in self.even_archived)

    def task(self, request: Request, task_id: int) -> Task:
        """A task by its own address, behind the right in its project."""
        rows = Task.objects.select_related("project", "image").filter(pk=task_id)
        task = existing(rows, _("There is no such task, or you may not see it."))
        permissions.require(request.user, task.project, self.right(request))
        archived.refuse_change(task.project, request.method)
        return task

    def page(
        self,
        request: Request,
        rows: QuerySet[Any],
        serializer: type[serializers.Serializer],
        ordering: str | tuple[str, ...] = "-id",
        seen: Callable[[list[Any]], None] | None = None,
        filters: type[FilterSet] = FilterSet,
        beside: Collection[str] = (),
    ) -> Response:
        """One page of a list, by cursor, newest first; ``seen`` may change its rows before they are shown.

        Args:
            filters: Which rows the query may ask for.
            beside: Other parameters of the query, which the view looks at by itself.
        """
        asked = filters(request.query_params, rows, request=request)
        wrong = _wishes(request, serializer().fields, [*filters.base_filters, *beside])
        if wrong or not asked.is_valid():
            raise serializers.ValidationError(wrong | asked.errors)
        paginator = CursorPagination()
        paginator.ordering = ordering
        found = paginator.paginate_queryset(asked.qs, request, view=self) or []
        if seen is not None:
            seen(found)
        data = serializer(found, many=True, context={"request": request, "view": self}).data
        return paginator.get_paginated_response(data)


def _wishes(request: Request, fields: Collection[str], known: Collection[str]) -> dict[str, Any]:
    """A refusal of each parameter that asks for some of the rows and would get all, or for another order or part of
    them: a slip in the name of a filter, a row's field which no filter has, or what other lists are walked with."""
    told = _("This list has no such filter; it has %(known)s.") % {"known": ", ".join(known) or "–"}
    wishes = {name: [told] for name in request.query_params if name in {*fields, *OTHER_SEARCHES}}
    walked = _("Lists have one order and are walked by `next`, `previous` and `page_size`, the rows of a page.")
    wishes |= {name: [walked] for name in request.query_params if name in OTHER_WALKS}
    found = slips(request.query_params, [*known, "cursor", "page_size"]) | wishes
    return {name: why for name, why in found.items() if name not in known}


def refuse_wishes(request: Request, *known: str) -> None:
    """
    Raises:
        ValidationError: A parameter of the query asks for what the list has not, which knows these.
    """
    if found := _wishes(request, (), known):
        raise serializers.ValidationError(found)


def listing(
    row: type[serializers.Serializer], filters: type[FilterSet] | None = None, *more: OpenApiParameter
) -> dict[str, Any]:
    """What the schema says of a list that ``ProjectView.page`` answers: its parameters, the page around its rows."""
    asked = [_asked(name, one) for name, one in (filters.base_filters if filters else {}).items()]
    cursor = OpenApiParameter("cursor", str, description="Where the page begins: follow `next` and `previous`.")
    size = OpenApiParameter("page_size", int, description="Rows a page, 500 at most.")
    fields = {"next": serializers.URLField(allow_null=True), "previous": serializers.URLField(allow_null=True)}
    name = f"Paginated{row.__name__.removesuffix('Serializer')}List"
    page = inline_serializer(name, {**fields, "results": row(many=True)})
    return {"parameters": [*more, *asked, cursor, size], "responses": page}


def _asked(name: str, by: Filter) -> OpenApiParameter:
    kinds = {NumberFilter: float, BooleanFilter: bool, IsoDateTimeFilter: datetime}
    kind = next((kind for known, kind in kinds.items() if isinstance(by, known)), str)
    choices = [value for value, _name in by.extra["choices"]] if isinstance(by, ChoiceFilter) else None
    return OpenApiParameter(name, kind, enum=choices, description=by.extra.get("help_text") or "")


def origin_of(request: Request) -> str:
    """Scheme and host that the caller used: a program gets whole addresses, which it can fetch as they are."""
    return f"{request.scheme}://{request.get_host()}"


def whole(origin: str, address: str) -> str:
    """A local address with its host; one of an object store has its own."""
    return origin + address if address.startswith("/") else address


def link(request: Request, address: str) -> str:
    """``whole``, for the caller of this request."""
    return whole(origin_of(request), address)


def parsed(serializer: type[serializers.Serializer], request: Request, **options: Any) -> dict[str, Any]:
    """The body as the serializer reads it, or a refusal that names each field.

    A key that it does not have is refused, too: it is a wish, and one that was passed over would be taken for done. Not
    so where it ``takes_more``, as what a worker sends, which is never lost for what stands beside it.
    """
    reader = serializer(data=request.data, **options)
    takes_more = getattr(reader, "takes_more", False)
    errors = {} if takes_more else unknown(request.data, {*reader.fields, *getattr(reader, "beside", ())})
    if not reader.is_valid():
        errors = {**errors, **reader.errors}
    if errors:
        raise serializers.ValidationError(errors)
    return reader.validated_data


def unknown(body: Any, known: Collection[str]) -> dict[str, Any]:
    """A refusal of each key that is none of those; a form may write a part of one behind a point or in brackets.

    An empty pair, which some clients write behind the name of a list, belongs to the name: nobody reads such a key.
    """
    given = {re.split(r"\.|\[(?!\])", str(name))[0] for name in body} if isinstance(body, Mapping) else set()
    told = _("Not known here; expected some of %(known)s.") % {"known": ", ".join(sorted(known))}
    return {name: [told] for name in sorted(given - {*known, CSRF})[:MOST_UNKNOWN]}


def unfolded(data: Any, lists: Collection[str] = ()) -> Any:
    """A form's fields as JSON would say them: ``lists`` may come as one field each, what has parts as JSON text or as
    ``whole.part``. Anything but a form stays as it is."""
    if not isinstance(data, QueryDict):
        return data
    found: dict[str, Any] = {}
    for name, values in data.lists():
        read = [_unfolded(value) for value in values]
        one = read[0] if len(read) == 1 else read
        whole, _dot, part = name.partition(".")
        if part:
            found.setdefault(whole, {})[part] = one
        else:
            found[name] = [one] if name in lists and not isinstance(one, list) else one
    return found


def _unfolded(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        with contextlib.suppress(ValueError, RecursionError):
            return bodies.loads(value)
    return value


class JobStartedSerializer(serializers.Serializer):
    """Work was started: ask ``/api/v1/jobs/{job}/`` how it goes."""

    job = serializers.UUIDField()


def started(job: Job) -> Response:
    """The answer to a call that starts work and does not wait for it."""
    where = {"Location": f"/api/v1/jobs/{job.pk}/"}
    return Response({"job": str(job.pk)}, status=status.HTTP_202_ACCEPTED, headers=where)
