"""/projects/{slug}/bake-offs/: compare backbones and recipes on the project's labels, and make one the recipe."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.base import JobStartedSerializer, ProjectView, existing, parsed, started
from labeling.api.choices import Choice
from labeling.models import Job
from training import services
from training.api.serializers import BackboneField, PolicySerializer
from training.models import FROM_SCRATCH, Recipe
from training.services.bakeoffs import KIND, with_fronts

RECIPES = [*Recipe.choices, (FROM_SCRATCH, "From scratch")]


class CandidateSerializer(serializers.Serializer[Any]):
    """What to measure."""

    backbone = BackboneField(help_text="A key of /api/v1/backbones/.")
    recipe = Choice(
        choices=RECIPES,
        default=Recipe.FEATURE_EXTRACTION,
        help_text="`from_scratch` is a compact network with random weights, to compare with, whatever `backbone` says.",
    )
    augmentation = serializers.BooleanField(default=False)


class BakeOffRequest(serializers.Serializer[Any]):
    candidates = CandidateSerializer(many=True)


class MeasuredSerializer(CandidateSerializer):
    """A candidate and what was found; errors are shares of the held-out images, costs of this machine."""

    title = serializers.CharField()
    top1_error = serializers.FloatField(allow_null=True)
    top5_error = serializers.FloatField(required=False)
    curves = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField()),
        required=False,
        help_text="`accuracy` in training and `val_accuracy` on the validation part, by epoch.",
    )
    interval = serializers.ListField(child=serializers.FloatField(), required=False, help_text="Of top-1 accuracy.")
    ece = serializers.FloatField(required=False)
    seconds = serializers.FloatField(required=False)
    cpu_seconds = serializers.FloatField(required=False)
    embedded = serializers.IntegerField(required=False)
    latency = serializers.FloatField(required=False, help_text="Seconds for one image, the shortest of several.")
    megabytes = serializers.FloatField(required=False)
    parameters = serializers.IntegerField()
    failure = serializers.CharField(required=False)
    winner = serializers.BooleanField(required=False)
    may_be_as_good = serializers.BooleanField(
        required=False,
        help_text="Whether the winner may be ahead by chance alone, on these images. Left out for the winner.",
    )
    on_front = serializers.DictField(
        child=serializers.BooleanField(), help_text="Cost -> no other candidate has less error and less of it."
    )


class BakeOffSerializer(serializers.Serializer[Any]):
    job = serializers.UUIDField(source="pk")
    state = serializers.CharField()
    progress = serializers.FloatField()
    message = serializers.CharField()
    candidates = serializers.SerializerMethodField()

    @extend_schema_field(MeasuredSerializer(many=True))
    def get_candidates(self, job: Job) -> list[dict[str, Any]]:
        return with_fronts(job.result.get("rows", []))


class UseRequest(serializers.Serializer[Any]):
    candidate = serializers.IntegerField(min_value=0, help_text="Its place in `candidates`.")


class BakeOffs(ProjectView):
    """Compare candidates."""

    rights = {"POST": "manage"}

    @extend_schema(operation_id="bake_offs_create", request=BakeOffRequest, responses={202: JobStartedSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Measure up to twelve candidates on the same held-out images, as a job."""
        project = self.project(request, slug)
        body = parsed(BakeOffRequest, request)
        job = services.start_bake_off(
            project=project, candidates=[dict(one) for one in body["candidates"]], requested_by=request.user
        )
        return started(job)


class OfBakeOff(ProjectView):
    def job(self, request: Request, slug: str, job_id: UUID) -> Job:
        rows = Job.objects.filter(project=self.project(request, slug), kind=KIND, pk=job_id)
        return existing(rows, _("There is no such comparison in this project."))


class OneBakeOff(OfBakeOff):
    """A comparison: the candidates that are measured, the winner, and which of them are on the Pareto front."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="bake_offs_retrieve", responses=BakeOffSerializer)
    def get(self, request: Request, slug: str, job_id: UUID) -> Response:
        return Response(BakeOffSerializer(self.job(request, slug, job_id)).data)


class UseCandidate(OfBakeOff):
    """Make a measured candidate the project's backbone and recipe."""

    rights = {"POST": "manage"}

    @extend_schema(operation_id="bake_offs_use", request=UseRequest, responses=PolicySerializer)
    def post(self, request: Request, slug: str, job_id: UUID) -> Response:
        job = self.job(request, slug, job_id)
        number = parsed(UseRequest, request)["candidate"]
        policy = services.use_candidate(job=job, number=number, user=request.user)
        return Response(PolicySerializer(policy).data)
