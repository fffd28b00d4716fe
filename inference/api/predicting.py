"""The part of the API that answers: ``predict/``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast
from urllib.parse import quote

from django.http import HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inference import services
from inference.intake import inputs, limits
from inference.intake.grants import grants
from inference.serializers import (
    ErrorSerializer,
    ExplainJsonSerializer,
    ExplainSerializer,
    PredictAnswerSerializer,
    PredictFilesSerializer,
    PredictJsonSerializer,
    answer_json,
)
from labeling.accounts import permissions
from labeling.api.base import project_of
from labeling.api.parsers import JSONParser, MultiPartParser
from labeling.errors import CrowdtuneError
from labeling.files.imaging import MAX_BYTES
from labeling.models import Image, Project

REFUSALS = {400: ErrorSerializer, 401: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer}
ANSWERING = REFUSALS | {409: ErrorSerializer, 413: ErrorSerializer, 415: ErrorSerializer, 429: ErrorSerializer}
ANSWERING = ANSWERING | {503: ErrorSerializer}

STICKY = OpenApiParameter(
    "X-Sticky-Key", str, OpenApiParameter.HEADER,
    description="While a challenger takes a share of the traffic, requests with the same text meet the same version.",
)  # fmt: skip
TOP_K = OpenApiParameter(
    "top_k", {"type": "integer", "minimum": 1, "maximum": inputs.MAX_TOP_K},
    description="As in the body, which comes first where both tell it.",
)  # fmt: skip
MOST_BYTES = 4 * MAX_BYTES  # of one request, its base64 and boundaries included


class PredictView(APIView):
    """Probabilities of each category for one or many images."""

    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        operation_id="predict",
        tags=["predict"],
        parameters=[STICKY, TOP_K],
        request={"multipart/form-data": PredictFilesSerializer, "application/json": PredictJsonSerializer},
        responses={200: PredictAnswerSerializer} | ANSWERING,
    )
    def post(self, request: Request, slug: str) -> Response:
        project = predictable(request, slug)
        given = read_inputs(request, project)
        answer = services.predict(project=project, inputs=given, sticky=request.headers.get("X-Sticky-Key", ""))
        headers = {"X-Model-Version": str(answer.version.number), **given.limits}
        return Response(answer_json(answer, given.top_k), headers=headers)


class ExplainView(APIView):
    """Where the champion looked: Grad-CAM over the image, as PNG."""

    parser_classes = [MultiPartParser, JSONParser]

    @extend_schema(
        operation_id="explain",
        tags=["predict"],
        parameters=[STICKY],
        request={"multipart/form-data": ExplainSerializer, "application/json": ExplainJsonSerializer},
        responses={(200, "image/png"): OpenApiTypes.BINARY} | ANSWERING,
    )
    def post(self, request: Request, slug: str) -> HttpResponse:
        project = predictable(request, slug)
        given = read_inputs(request, project, only=True)
        picture = cast("bytes | Image", given.pictures[0])
        if isinstance(picture, Image):
            permissions.require(request.user, project, "see")  # the map shows it
        png, category, version = services.explain(
            project=project, picture=picture, category=_category(request.data),
            sticky=request.headers.get("X-Sticky-Key", ""),
        )  # fmt: skip
        headers = {"X-Model-Version": str(version.number), "X-Category": quote(category), **given.limits}
        return HttpResponse(png, content_type="image/png", headers=headers)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """An answer is a PNG and a refusal JSON, whichever of them was asked for."""
        return super().perform_content_negotiation(request, force=True)


def _category(data: Any) -> str | None:
    value = data.get("category") or None
    if value is not None and not isinstance(value, str):
        raise CrowdtuneError("invalid", _("`category` must be a text."), field="category")
    return value


def predictable(request: Request, slug: str) -> Project:
    """The project, when the caller may ask its classifier."""
    project = project_of(request, slug, "predict", even_archived=True)
    grants.remember(request.auth, project)
    return project


def read_inputs(request: Request, project: Project, *, only: bool = False) -> inputs.Inputs:
    """The request's pictures, counted against its key; where it has ``only`` one, JSON may call it ``image``."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > MOST_BYTES:
        told = _("At most %(max_bytes)s MB are accepted per request.") % {"max_bytes": MOST_BYTES // 2**20}
        raise CrowdtuneError("too_large", told, 413)
    data: Any = request.data
    spend = partial(_spend, request.auth, only)
    inputs.refuse_slips(request.query_params)
    top_k = request.query_params.get("top_k")
    if request.content_type.partition(";")[0].strip().lower() == "application/json":
        if only and isinstance(data, Mapping) and "image" in data:
            data = {"images": [data["image"]]}
        if isinstance(data, Mapping):
            data = {"top_k": top_k, **data}
        return inputs.from_json(project, data, spend)
    inputs.refuse_slips(data)
    return inputs.from_files(request.FILES.getlist("image"), data.get("top_k", top_k), spend)


def _spend(key: Any, only: bool, images: int) -> dict[str, str]:
    if only and images > 1:
        told = _("A heat map is of one image; got %(images)s.") % {"images": images}
        raise CrowdtuneError("too_many_images", told)
    return limits.spend(key, images)
