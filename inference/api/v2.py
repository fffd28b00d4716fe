"""The Open Inference Protocol (KServe v2): clients that exist already ask our projects as their models.

Refusals have the protocol's own shape, ``{"error": "…"}``.
Source: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from PIL import Image as Picture
from rest_framework.parsers import BaseParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inference import services
from inference.api.predicting import STICKY, predictable
from inference.engine import runtime
from inference.engine.routing import VersionRef, routes, version_numbers, version_ref
from inference.errors import NoChampion
from inference.intake import limits, tensors
from inference.intake.inputs import Inputs
from inference.serializers import (
    V2InferAnswerSerializer,
    V2InferSerializer,
    V2LiveSerializer,
    V2ModelReadySerializer,
    V2ModelSerializer,
    V2ReadySerializer,
    V2ServerSerializer,
)
from inference.services.predicting import content_key, version_for
from labeling.errors import CrowdtuneError
from labeling.files.imaging import MAX_BYTES, to_input
from labeling.models import Project

EXTENSIONS = ["binary_tensor_data", "classification"]
PROPERTIES = {  # the protocol's gRPC form has these, text by text
    "input": "one, of any name: BYTES [n], image files (in JSON base64), or FP32 [n, h, w, 3], pixels 0 to 255",
    "most_images": str(tensors.MOST_PICTURES),
}
HEADER = "Inference-Header-Content-Length"
JSON_LENGTH = OpenApiParameter(
    HEADER, int, OpenApiParameter.HEADER, description="Where tensors follow the JSON as bytes: the length of the JSON.",
)  # fmt: skip


class RawParser(BaseParser):
    """Leaves the body to the view, but not more of it than is taken."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return _bounded(stream.read(MAX_BYTES + 1))


class V2View(APIView):
    """Every refusal of the protocol has one shape."""

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, tensors.BadTensor):
            exc = CrowdtuneError("bad_tensor", str(exc))
        response = super().handle_exception(exc)
        if isinstance(response.data, dict) and isinstance(response.data.get("error"), dict):
            response.data = {"error": response.data["error"]["message"]}
        return response


class LiveView(V2View):
    """Whether the server is there."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    @extend_schema(tags=["v2"], responses=V2LiveSerializer)
    def get(self, request: Request) -> Response:
        return Response({"live": True})


class ReadyView(LiveView):
    """Whether it can answer."""

    @extend_schema(tags=["v2"], responses=V2ReadySerializer)
    def get(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return Response({"ready": True})


class ServerView(LiveView):
    """What the server is, and which extensions of the protocol it speaks."""

    @extend_schema(tags=["v2"], responses=V2ServerSerializer)
    def get(self, request: Request) -> Response:
        return Response({"name": "crowdtune", "version": "1", "extensions": EXTENSIONS})


def _version(project_id: int, number: str | None, caller: str | None = None) -> VersionRef:
    """The version of this number or alias; without one, that which answers this caller, or else the champion."""
    route = routes.get(project_id)
    if number is None:
        return route.standing() if caller is None else version_for(route, caller)
    aliases = {"champion": route.champion, "challenger": route.challenger}
    if found := aliases.get(number):
        return found
    if not number.isdecimal() or len(number) > 9:
        raise NoChampion(
            _("There is no version %(number)s.") % {"number": repr(number)}, status=404, code="no_such_version"
        )
    return version_ref(project_id, int(number))


class ModelView(V2View):
    """What a project's classifier takes and answers, and which versions there are."""

    @extend_schema(tags=["v2"], responses=V2ModelSerializer)
    def get(self, request: Request, slug: str, version: str | None = None) -> Response:
        project = predictable(request, slug)
        ref = _version(project.pk, version)
        numbers = [ref.number] if version else version_numbers(project.pk)
        return Response(
            {
                "name": project.slug,
                "versions": [str(number) for number in numbers],
                "platform": runtime.platform(ref),
                # Clients send all inputs that stand here, and one is taken: what else it may be is told beside it.
                "inputs": [{"name": "images", "datatype": "BYTES", "shape": [-1]}],
                "outputs": [
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(ref.categories)]},
                    {"name": "labels", "datatype": "BYTES", "shape": [-1]},
                ],
                "properties": PROPERTIES,
            }
        )


class ModelReadyView(V2View):
    """Whether the version, or the champion, can answer."""

    @extend_schema(tags=["v2"], responses=V2ModelReadySerializer)
    def get(self, request: Request, slug: str, version: str | None = None) -> Response:
        project = predictable(request, slug)
        ref = _version(project.pk, version)
        engine = runtime.engine()
        engine.trunk_of(engine.classifier(ref))
        return Response({"name": project.slug, "ready": True})


class InferView(V2View):
    """What a version, or whichever answers this caller, says of the images of one tensor."""

    parser_classes = [RawParser]

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Whatever its type says, as curl does of every body, it is no form that the check of CSRF could look into."""
        request.META["CONTENT_TYPE"] = "application/octet-stream"
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        tags=["v2"], parameters=[STICKY, JSON_LENGTH],
        request={"application/json": V2InferSerializer, "application/octet-stream": OpenApiTypes.BINARY},
        responses={
            (200, "application/json"): V2InferAnswerSerializer, (200, "application/octet-stream"): OpenApiTypes.BINARY,
        },
    )  # fmt: skip
    def post(self, request: Request, slug: str, version: str | None = None) -> HttpResponse:
        project = predictable(request, slug)
        return infer(
            key=request.auth, project=project, version=version, body=_body(request),
            header_length=request.headers.get(HEADER), sticky=request.headers.get("X-Sticky-Key", ""),
        )  # fmt: skip


def infer(
    *, key: Any, project: Project, version: str | None, body: bytes, header_length: str | None, sticky: str
) -> HttpResponse:
    """One infer request of someone who may ask: the tensors of the body, answered."""
    asked = tensors.read(body, _header_length(header_length))
    left = limits.spend(key, len(asked.pictures))
    ref = _version(project.pk, version, sticky or content_key(asked.pictures))
    size = runtime.engine().trunk_of(runtime.engine().classifier(ref)).size
    pictures = tuple(one if isinstance(one, bytes) else _square(one, size) for one in asked.pictures)
    answer = services.predict(project=project, inputs=Inputs(pictures, 1), version=ref)
    out, header = tensors.write(
        asked, model=project.slug, version=str(ref.number), probabilities=answer.probabilities,
        categories=answer.categories,
    )  # fmt: skip
    kind = "application/json" if header is None else "application/octet-stream"
    more = {} if header is None else {HEADER: str(header)}
    return HttpResponse(out, content_type=kind, headers={"X-Model-Version": str(ref.number), **more, **left})


def _body(request: Request) -> bytes:
    body: Any = request.data
    if not isinstance(body, bytes):
        raise tensors.BadTensor("The request has no body.")
    encoding = request.headers.get("Content-Encoding", "")
    if encoding not in {"gzip", "deflate"}:
        return body
    try:
        unpacked = zlib.decompressobj(31 if encoding == "gzip" else 15).decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise tensors.BadTensor(f"The {encoding} body is damaged.") from error
    return _bounded(unpacked)


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BYTES:
        told = _("At most %(max_bytes)s MB are accepted per request.") % {"max_bytes": MAX_BYTES // 2**20}
        raise CrowdtuneError("too_large", told, 413)
    return body


def _header_length(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 12:
        raise tensors.BadTensor(f"{HEADER} must be a whole number.")
    return int(text)


def _square(pixels: np.ndarray[Any, np.dtype[np.uint8]], size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Pixels of another size are resized as any picture is."""
    return pixels if pixels.shape == (size, size, 3) else to_input(Picture.fromarray(pixels), size)
