"""/projects/{slug}/training-runs/, /training-runs/{id}/, …/cancel/ and the project's policy."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.accounts.permissions import require
from labeling.api.base import ProjectView, existing, listing, parsed
from labeling.api.choices import FilterSet
from training import services
from training.api.serializers import DecisionSerializer, PolicySerializer, RunRequest, RunRow, RunSerializer
from training.models import TrainingPolicy, TrainingRun

# With what a row tells of the others, and nothing of a version but its number: its metrics are large.
_RUNS = TrainingRun.objects.select_related("project", "snapshot", "requested_by", "model_version").defer(
    *(f"model_version__{name}" for name in ("categories", "metrics", "manifest", "decision"))
)


class RunFilter(FilterSet):
    class Meta:
        model = TrainingRun
        fields = ["state"]


class ProjectRuns(ProjectView):
    """A project's training runs, newest first."""

    rights = {"GET": "review", "POST": "manage"}

    @extend_schema(operation_id="training_runs_list", **listing(RunRow, RunFilter))
    def get(self, request: Request, slug: str) -> Response:
        rows = _RUNS.filter(project=self.project(request, slug)).summarised()
        return self.page(request, rows, RunRow, ("-created_at", "-id"), filters=RunFilter)  # their ids are random

    @extend_schema(operation_id="training_runs_create", request=RunRequest, responses={202: RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Train now; 409 with the reason when there is too little to train on or a run that was asked for is live.

        A run that started by itself gives way.
        """
        project = self.project(request, slug)
        wishes: Any = parsed(RunRequest, request)
        run = services.request_run(project=project, cause="api", requested_by=request.user, **wishes)
        where = {"Location": f"/api/v1/training-runs/{run.pk}/"}
        return Response(RunSerializer(run).data, status=202, headers=where)


class OneRun(APIView):
    """A training run: state, progress, curves, outcome."""

    @extend_schema(operation_id="training_runs_retrieve", responses=RunSerializer)
    def get(self, request: Request, run_id: UUID) -> Response:
        return Response(RunSerializer(run_of(request, run_id, "review")).data)


class CancelRun(APIView):
    """Stop a run: a queued one at once, a running one within a batch."""

    @extend_schema(operation_id="training_runs_cancel", request=None, responses=RunSerializer)
    def post(self, request: Request, run_id: UUID) -> Response:
        run = run_of(request, run_id, "manage")
        return Response(RunSerializer(services.cancel_run(run=run)).data)


class Policy(ProjectView):
    """When and how the project trains by itself."""

    rights = {"GET": "review", "PATCH": "manage"}

    @extend_schema(operation_id="training_policy_retrieve", responses=PolicySerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(PolicySerializer(TrainingPolicy.of(self.project(request, slug))).data)

    @extend_schema(operation_id="training_policy_update", request=PolicySerializer, responses=PolicySerializer)
    def patch(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        changes = parsed(PolicySerializer, request, instance=TrainingPolicy.of(project), partial=True)
        policy = services.set_policy(project=project, changes=dict(changes), user=request.user)
        return Response(PolicySerializer(policy).data)


class NextRun(ProjectView):
    """Whether a run is due by itself, and why not yet."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="training_next_run", responses=DecisionSerializer)
    def get(self, request: Request, slug: str) -> Response:
        return Response(DecisionSerializer(services.recent_decision(self.project(request, slug))).data)


def run_of(request: Request, run_id: UUID, right: Any) -> TrainingRun:
    """The run, if the caller has the right in its project."""
    told = _("There is no such training run, or you are not a member of its project.")
    run = existing(_RUNS.filter(pk=run_id), told)
    require(request.user, run.project, right)
    return run
