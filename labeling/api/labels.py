"""What the crowd says together: labels, and the figures of a project."""

from __future__ import annotations

from functools import partial

from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import figures
from labeling.api.base import ProjectView, listing
from labeling.api.choices import FilterSet
from labeling.api.filters import TrueOrFalse
from labeling.api.tasks import TaskImageSerializer
from labeling.collecting import workflow
from labeling.consensus import viewpoints
from labeling.models import ConsensusQuerySet, Task


class LabelSerializer(serializers.Serializer):
    """One consensus row."""

    id = serializers.IntegerField()
    task = serializers.IntegerField(source="task_id")
    image = TaskImageSerializer(source="task.image")
    question = serializers.CharField(source="question.key")
    answer = serializers.JSONField()
    confidence = serializers.FloatField()
    posterior = serializers.DictField(child=serializers.FloatField())
    judgments = serializers.IntegerField(source="judgment_count")
    method = serializers.CharField()
    is_final = serializers.BooleanField()
    retired_because = serializers.CharField(source="task.retired_because")


class LabelFilter(FilterSet):
    question = filters.CharFilter("question__key")
    image = filters.NumberFilter("task__image_id")
    task = filters.NumberFilter("task_id")
    retired_because = filters.ChoiceFilter(field_name="task__retired_because", choices=Task.Because.choices)
    is_final = TrueOrFalse("is_final")
    stage = filters.CharFilter("task__stage")
    min_confidence = filters.NumberFilter("confidence", "gte", min_value=0, max_value=1)
    max_confidence = filters.NumberFilter("confidence", "lte", min_value=0, max_value=1)
    differs_from_majority = TrueOrFalse(
        method="by_majority",
        help_text="Where another label had more of the votes, as of the last full fit; of questions with classes.",
    )

    def by_majority(self, rows: ConsensusQuerySet, name: str, value: bool) -> ConsensusQuerySet:
        return rows.differing_from_majority(value)


class LabelListView(ProjectView):
    """Consensus rows. ``?method=majority`` (or another aggregator) shows what that one would say.

    A question that the image's labels of others rule out by its ``show_if`` was not asked, and has no label.
    """

    rights = {"GET": "review"}

    @extend_schema(
        operation_id="list_labels",
        tags=["labels"],
        **listing(
            LabelSerializer,
            LabelFilter,
            OpenApiParameter("method", str, description="Another aggregator's view, by its name."),
        ),
    )
    def get(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        rows = workflow.labels_of(project).select_related("question", "task__image")
        method = request.query_params.get("method")
        page = partial(self.page, request, rows, LabelSerializer, filters=LabelFilter, beside=["method"])
        if not method:
            return page()
        viewpoints.checked(method)
        return page(seen=lambda found: viewpoints.show(project, found, method))


class StatsView(ProjectView):
    """Progress, cost, agreement and workers of a project."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="read_stats", tags=["labels"], responses=dict)
    def get(self, request: Request, slug: str) -> Response:
        return Response(figures.of_project(self.project(request, slug)))
