"""ImageNet's own way of asking: a grid of candidate images, "tap all that contain X"; one yes/no judgment an image."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.api.assignments import AssignmentSerializer, shown
from labeling.api.base import ProjectView, parsed
from labeling.surveys.asked_in import of_answer


class GridAskSerializer(serializers.Serializer):
    size = serializers.IntegerField(min_value=1, max_value=30, default=12)


class GridSerializer(serializers.Serializer):
    tiles = AssignmentSerializer(many=True)


class GridAnswerSerializer(serializers.Serializer):
    tapped = serializers.ListField(child=serializers.UUIDField(), help_text="Assignments whose image contains it.")
    shown = serializers.ListField(child=serializers.UUIDField(), help_text="All assignments that were on the grid.")
    seconds = serializers.FloatField(required=False, allow_null=True, help_text="For the whole grid.")
    language = serializers.CharField(required=False, allow_blank=True, help_text="As for a single answer.")


class GridStoredSerializer(serializers.Serializer):
    judgments = serializers.ListField(child=serializers.IntegerField())


class GridView(ProjectView):
    """Ask for a grid of tiles (POST), answer it whole (PUT); the survey's one required question must be yes/no."""

    rights = {"POST": "label", "PUT": "label"}

    @extend_schema(
        operation_id="claim_grid",
        tags=["labeling"],
        request=GridAskSerializer,
        responses={201: GridSerializer, 204: OpenApiResponse(description="Nothing is left for this worker.")},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        member = services.ensure_member(project=project, user=request.user)
        size = parsed(GridAskSerializer, request)["size"]
        _question, found = services.claim_grid(project=project, member=member, size=size)
        if not found:
            return Response(status=status.HTTP_204_NO_CONTENT)
        tiles: list[Any] = [shown(request, project, lease, []) for lease in found]
        return Response({"tiles": tiles}, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="submit_grid",
        tags=["labeling"],
        request=GridAnswerSerializer,
        responses={201: GridStoredSerializer},
    )
    def put(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        given = parsed(GridAnswerSerializer, request)
        language = of_answer(request, {"language": given.pop("language", "")})
        stored = services.submit_grid(project=project, worker=request.user, language=language, **given)
        return Response({"judgments": [row.pk for row in stored]}, status=status.HTTP_201_CREATED)
