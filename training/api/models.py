"""/projects/{slug}/models/, promote, challenge and rollback, and /backbones/."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.base import ProjectView, existing, listing, parsed
from labeling.models import Project
from training import services
from training.api.serializers import BackboneSerializer, ReasonRequest, VersionRow, VersionSerializer
from training.models import ModelVersion
from training.zoo import table


class ProjectModels(ProjectView):
    """A project's versions, newest first."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="models_list", **listing(VersionRow))
    def get(self, request: Request, slug: str) -> Response:
        rows = ModelVersion.objects.filter(project=self.project(request, slug)).summarised()
        return self.page(request, rows, VersionRow)


class OneModel(ProjectView):
    """One version."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="models_retrieve", responses=VersionSerializer)
    def get(self, request: Request, slug: str, version: int) -> Response:
        return Response(VersionSerializer(version_of(self.project(request, slug), version)).data)


class Promote(ProjectView):
    """Make a version champion, whatever the gate said. For the champion itself nothing changes."""

    rights = {"POST": "manage"}

    @extend_schema(operation_id="models_promote", request=ReasonRequest, responses=VersionSerializer)
    def post(self, request: Request, slug: str, version: int) -> Response:
        row = version_of(self.project(request, slug), version)
        promoted = services.promote(version=row, user=request.user, reason=_reason(request))
        return Response(VersionSerializer(promoted).data)


class Challenge(ProjectView):
    """Let a version run beside the champion, or no longer."""

    rights = {"POST": "manage", "DELETE": "manage"}

    @extend_schema(operation_id="models_challenge", request=ReasonRequest, responses=VersionSerializer)
    def post(self, request: Request, slug: str, version: int) -> Response:
        """The challenger before loses its place. Whether it answers in shadow or a share is a setting of serving."""
        row = version_of(self.project(request, slug), version)
        made = services.challenge(version=row, user=request.user, reason=_reason(request))
        return Response(VersionSerializer(made).data)

    @extend_schema(operation_id="models_withdraw", responses={204: None})
    def delete(self, request: Request, slug: str, version: int) -> Response:
        """The version is challenger no longer, and no other takes its place."""
        row = version_of(self.project(request, slug), version)
        services.withdraw_challenger(version=row, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Rollback(ProjectView):
    """Go back to the champion before this one."""

    rights = {"POST": "manage"}

    @extend_schema(operation_id="models_rollback", request=ReasonRequest, responses=VersionSerializer)
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        return Response(
            VersionSerializer(services.rollback(project=project, user=request.user, reason=_reason(request))).data
        )


class Backbones(APIView):
    """The zoo: every network that a project can stand on, and whether its weights are on this machine."""

    @extend_schema(operation_id="backbones_list", responses=listing(BackboneSerializer)["responses"])
    def get(self, request: Request) -> Response:
        rows: list[Any] = [row.__dict__ for row in table.entries(settings.KERAS_HOME)]
        # A list like all others, of one page: the zoo is a table of some fifty rows.
        return Response({"next": None, "previous": None, "results": BackboneSerializer(rows, many=True).data})


def version_of(project: Project, number: int) -> ModelVersion:
    rows = ModelVersion.objects.filter(project=project, number=number).select_related("run__snapshot")
    return existing(rows, _("%(name)s has no model version %(number)s.") % {"name": project.name, "number": number})


def _reason(request: Request) -> str:
    return str(parsed(ReasonRequest, request).get("reason", ""))
