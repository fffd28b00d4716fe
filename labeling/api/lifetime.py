"""How a project goes on as another one, comes to rest, is opened again, and changes hands."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.api.base import ProjectView, parsed
from labeling.api.projects import ExtendedView, refuse_creating
from labeling.models import Project


class CopySerializer(serializers.Serializer):
    name = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Of the new project; without it, `Copy of …`."
    )


class ProjectCopyView(ExtendedView, ProjectView):
    """A new project of yours, like this one: its survey of today with the example pictures of its categories, settings,
    rules, and how it trains and serves.

    Images, judgments, labels, models, people, keys and webhooks stay where they are.
    """

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})
    action = "create"  # the schema then says 201

    @extend_schema(operation_id="copy_project", tags=["projects"], request=CopySerializer)
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        refuse_creating(request)
        copy = services.copy_project(
            project=project,
            user=cast("User", request.user),
            name=parsed(CopySerializer, request).get("name", ""),
            others=[extension.copy for extension in self.extensions],
        )
        return self.made(copy, request, {})


class ArchivedProjectSerializer(serializers.ModelSerializer):
    class Meta:
        model = Project
        fields = ["slug", "archived_at"]


class ProjectArchiveView(ExtendedView, ProjectView):
    """Archive the project. It is read-only then: nobody is handed a task, nothing is trained or sampled, and what would
    change it is refused with 409 `project_archived`. Its classifier goes on answering; it can be exported and copied.

    A training run that is live is cancelled; 409 `jobs_live` while another job is under way.
    """

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(operation_id="archive_project", tags=["projects"], request=None, responses=ArchivedProjectSerializer)
    def post(self, request: Request, slug: str) -> Response:
        others = [extension.archive for extension in self.extensions]
        project = services.archive_project(project=self.project(request, slug), user=request.user, others=others)
        return Response(ArchivedProjectSerializer(project).data)


class ProjectReopenView(ProjectView):
    """Open an archived project again."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(operation_id="reopen_project", tags=["projects"], request=None, responses=ArchivedProjectSerializer)
    def post(self, request: Request, slug: str) -> Response:
        project = services.reopen_project(project=self.project(request, slug), user=request.user)
        return Response(ArchivedProjectSerializer(project).data)


class HandOverSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150, help_text="Of one of its managers, who can sign in.")


class OwnedProjectSerializer(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username")

    class Meta:
        model = Project
        fields = ["slug", "owner"]


class ProjectHandOverView(ProjectView):
    """Make one of the project's managers its owner; only the owner may, manages it from then on, and cannot take it
    back."""

    rights = {"POST": "manage"}
    even_archived = frozenset({"POST"})

    @extend_schema(
        operation_id="hand_over_project", tags=["projects"], request=HandOverSerializer,
        responses=OwnedProjectSerializer,
    )  # fmt: skip
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        username = parsed(HandOverSerializer, request)["username"]
        project = services.hand_over_project(project=project, username=username, by=request.user)
        return Response(OwnedProjectSerializer(project).data)
