"""People of a project: listed, added, changed, paused; invitations; one's own standing."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling import services
from labeling.accounts import people, permissions
from labeling.api.base import ProjectView, link, listing, parsed
from labeling.api.choices import Choice, FilterSet
from labeling.models import Appeal, Membership, Project, Role


class WorkerSerializer(serializers.ModelSerializer):
    username = serializers.SerializerMethodField()
    streak_days = serializers.IntegerField(source="days_in_a_row", read_only=True)

    class Meta:
        model = Membership
        fields = [
            "id", "username", "role", "phase", "judgment_count", "skip_count", "seconds", "accuracy", "gold_seen",
            "gold_right", "weight", "earned", "is_paused", "paused_because", "warning", "streak_days", "joined_at",
        ]  # fmt: skip

    def get_username(self, member: Membership) -> str:
        return people.name_of(member.user)


class OwnAppealSerializer(serializers.ModelSerializer):
    """What a worker has said against a pause, and what was answered."""

    class Meta:
        model = Appeal
        fields = read_only_fields = ["id", "text", "state", "answer", "created_at", "decided_at"]


class StandingSerializer(WorkerSerializer):
    """A worker's own record: without the count of gold, which would tell after each answer whether it was one."""

    appeal = OwnAppealSerializer(
        source="last_appeal", read_only=True, allow_null=True, help_text="Your last one; null before the first."
    )

    class Meta(WorkerSerializer.Meta):
        fields = [*(name for name in WorkerSerializer.Meta.fields if not name.startswith("gold_")), "appeal"]


class NewWorkerSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    role = Choice(permissions.GIVEN, default=Role.WORKER)


class AddedWorkerSerializer(serializers.Serializer):
    username = serializers.CharField()
    role = serializers.CharField()
    token = serializers.CharField(
        allow_null=True, help_text="A key of this project, shown once; null for a person with an account of their own."
    )


class WorkerFilter(FilterSet):
    class Meta:
        model = Membership
        fields = ["role"]


class WorkerListView(ProjectView):
    """The people of a project; add one."""

    rights = {"GET": "review", "POST": "manage"}

    @extend_schema(operation_id="list_workers", tags=["workers"], **listing(WorkerSerializer, WorkerFilter))
    def get(self, request: Request, slug: str) -> Response:
        rows = Membership.objects.filter(project=self.project(request, slug)).select_related("user")
        return self.page(request, rows, WorkerSerializer, filters=WorkerFilter)

    @extend_schema(
        operation_id="add_worker",
        tags=["workers"],
        request=NewWorkerSerializer,
        responses={201: AddedWorkerSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        member, key = services.add_member(project=project, by=request.user, **parsed(NewWorkerSerializer, request))
        data = {"username": member.user.username, "role": member.role, "token": key}
        return Response(data, status=status.HTTP_201_CREATED)


class WorkerChangeSerializer(serializers.Serializer):
    role = Choice(permissions.GIVEN, required=False)
    is_paused = serializers.BooleanField(required=False)
    because = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")
    weight = serializers.FloatField(
        required=False, min_value=0, max_value=1, help_text="Of all their judgments in a consensus."
    )


class WorkerView(ProjectView):
    """One person's record; change the role or the weight, pause or resume, take out of the project."""

    rights = {"GET": "review", "PATCH": "manage", "DELETE": "manage"}
    even_archived = frozenset({"DELETE"})

    @extend_schema(operation_id="read_worker", tags=["workers"], responses=WorkerSerializer)
    def get(self, request: Request, slug: str, username: str) -> Response:
        return Response(WorkerSerializer(self._member(self.project(request, slug), username)).data)

    @extend_schema(
        operation_id="change_worker", tags=["workers"], request=WorkerChangeSerializer, responses=WorkerSerializer
    )
    @transaction.atomic
    def patch(self, request: Request, slug: str, username: str) -> Response:
        member = self._member(self.project(request, slug), username)
        given = parsed(WorkerChangeSerializer, request)
        if "role" in given:
            services.change_member(member=member, role=given["role"], by=request.user)
        if "weight" in given:
            services.weigh_worker(member=member, weight=given["weight"], by=request.user)
        if given.get("is_paused") is True:
            services.pause_worker(member=member, because=given["because"], by=request.user)
        elif given.get("is_paused") is False:
            services.resume_worker(member=member, by=request.user)
        return Response(WorkerSerializer(member).data)

    @extend_schema(operation_id="remove_worker", tags=["workers"], responses={204: None})
    def delete(self, request: Request, slug: str, username: str) -> Response:
        services.remove_member(member=self._member(self.project(request, slug), username), by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _member(self, project: Project, username: str) -> Membership:
        rows = Membership.objects.select_related("user", "project")
        names = people.usernames(username, project.slug)
        known = {row.user.username: row for row in rows.filter(project=project, user__username__in=names)}
        member = next((known[name] for name in names if name in known), None)
        if member is None:
            raise NotFound(_("%(username)s is not in this project.") % {"username": username})
        return member


class InviteSerializer(serializers.Serializer):
    invite = serializers.CharField()
    url = serializers.CharField()


class InviteView(ProjectView):
    """The invitation link; POST makes a new one and ends the old."""

    rights = {"GET": "manage", "POST": "manage"}

    @extend_schema(operation_id="read_invite", tags=["workers"], responses=InviteSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(_invite(request, self.project(request, slug)))

    @extend_schema(operation_id="renew_invite", tags=["workers"], request=None, responses=InviteSerializer)
    def post(self, request: Request, slug: str) -> Response:
        project = services.renew_invite(project=self.project(request, slug), user=request.user)
        return Response(_invite(request, project))


def _invite(request: Request, project: Project) -> dict[str, Any]:
    """The link whole, as it is sent to people."""
    return {"invite": project.invite, "url": link(request, reverse("invitation", args=[project.invite]))}


class JoinedSerializer(serializers.Serializer):
    project = serializers.CharField()
    role = serializers.CharField()


class JoinView(APIView):
    """Become a worker by an invitation."""

    @extend_schema(operation_id="join_by_invite", tags=["workers"], request=None, responses=JoinedSerializer)
    def post(self, request: Request, invite: str) -> Response:
        project = Project.objects.filter(invite=invite).first()
        if project is not None and request.auth and not permissions.key_fits(request.auth, project, "label"):
            raise PermissionDenied(_("A key joins a project only if it may label there."))
        member = services.join_by_invite(invite=invite, user=cast("User", request.user))
        return Response({"project": member.project.slug, "role": member.role})


class StandingView(ProjectView):
    """Your own record in the project: phase, answers, earnings, warnings."""

    rights = {"GET": "label"}

    @extend_schema(operation_id="my_standing", tags=["workers"], responses=StandingSerializer)
    def get(self, request: Request, slug: str) -> Response:
        member = services.ensure_member(project=self.project(request, slug), user=request.user)
        return Response(StandingSerializer(member).data)
