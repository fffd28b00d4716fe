"""What the champion says of the images that waited for people, over the API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inference.models import Prediction
from labeling.api.base import ProjectView, link, listing
from labeling.api.choices import FilterSet
from labeling.api.filters import TrueOrFalse
from labeling.files.storage import image_url
from training.versions.champions import champion_of


class PredictionSerializer(serializers.Serializer):
    image = serializers.IntegerField(source="image_id")
    name = serializers.CharField(source="image.name")
    url = serializers.SerializerMethodField()
    category = serializers.CharField(help_text="What the version takes the image for.")
    probability = serializers.FloatField()
    uncertainty = serializers.FloatField(help_text="0 sure to 1 knows nothing.")
    is_correct = serializers.BooleanField(
        allow_null=True, help_text="Whether people have said the same since; null where they have not labeled it."
    )
    model_version = serializers.IntegerField(source="version.number")
    created_at = serializers.DateTimeField()

    def get_url(self, row: Prediction) -> str:
        return link(self.context["request"], image_url(row.image))


class PredictionFilter(FilterSet):
    category = filters.CharFilter("category")
    min_probability = filters.NumberFilter("probability", "gte", min_value=0, max_value=1)
    max_probability = filters.NumberFilter("probability", "lte", min_value=0, max_value=1)
    is_labeled = TrueOrFalse(method="by_people", help_text="Whether people have labeled the image since.")
    is_correct = TrueOrFalse("is_correct", help_text="Whether people have said the same since.")

    def by_people(self, rows: QuerySet[Prediction], name: str, value: bool) -> QuerySet[Prediction]:
        return rows.filter(is_correct__isnull=not value)


class PredictionsView(ProjectView):
    """What the champion says of the images that waited for people when it looked at them, the newest first.

    None without a champion, or before it has looked. Of every image, with people's labels: `predict/batch/` with
    `stored`.
    """

    rights = {"GET": "manage"}

    @extend_schema(operation_id="predictions", tags=["serving"], **listing(PredictionSerializer, PredictionFilter))
    def get(self, request: Request, slug: str) -> Response:
        champion: Any = champion_of(self.project(request, slug))
        rows = Prediction.objects.filter(version=champion).select_related("image", "version")
        return self.page(request, rows, PredictionSerializer, filters=PredictionFilter)
