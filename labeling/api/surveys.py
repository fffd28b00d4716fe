"""The survey of a project as the API takes and shows it, and its two JSON Schemas."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api import taxonomy
from labeling.api.base import ProjectView
from labeling.models import Project
from labeling.questions import KINDS
from labeling.surveys import survey, written


class Told(serializers.JSONField):
    """An option that the schema tells of; whether it is right is for the kind to say."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(required=False)
        self._spectacular_annotation = {"field": schema}


class QuestionSerializer(serializers.Serializer):
    """A question as an owner writes it; the kind checks its options, which stand in ``options`` or beside it.

    `/api/v1/survey/schema/` is the JSON Schema of a whole survey, with what each kind takes.
    """

    id = serializers.IntegerField(read_only=True)
    key = serializers.CharField(max_length=60, required=False)
    kind = serializers.CharField(max_length=30, help_text=", ".join(KINDS))
    prompt = serializers.CharField(max_length=500, required=False)
    help_text: Any = serializers.CharField(required=False, allow_blank=True)
    required: Any = serializers.BooleanField(required=False)
    options = serializers.JSONField(
        required=False, help_text="What the kind takes: choices, cant_tell, shuffle, section, examples, least, most, …"
    )
    show_if = serializers.JSONField(
        required=False, allow_null=True, help_text='`{"question": "animal", "equals": "cat"}`; see the JSON Schema.'
    )
    stage = serializers.CharField(max_length=20, required=False, help_text="`label`, unless the workflow has stages.")
    choices = Told({"type": "array", "items": {}})
    cant_tell = Told({"type": "boolean"})
    shuffle = Told({"type": "boolean"})
    section = Told({"type": "string"})
    examples = Told({"type": "array", "items": {}})
    least = Told({"type": "number"})
    most = Told({"type": "number"})
    whole = Told({"type": "boolean"})
    unit = Told({"type": "string"})
    labels = Told({})

    def to_internal_value(self, data: Any) -> Any:
        super().to_internal_value(data)
        return data  # whole: kinds take options (choices, least, …) beside these too


@extend_schema_field({"type": "object", "additionalProperties": {"type": "object", "nullable": True}})
class Translations(serializers.JSONField):
    """Words by language and text; what they may be is for the survey to say."""


def survey_document(project: Project, *, whole: bool) -> dict[str, Any]:
    """The survey as the API shows it; a large taxonomy is searched at ``categories/`` instead of listed here.

    Translations are told of one project, ``whole``; a list of many would be long.
    """
    document = project.frozen_survey()
    shown = {
        "categories": taxonomy.read(document),
        "questions": document["questions"],
        "language": document.get("language", ""),
    }
    return {**shown, "translations": document.get("translations", {})} if whole else shown


class WrittenSchemaView(APIView):
    """JSON Schema (2020-12) of a survey as it is written: `categories` and `questions` of a project's body."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="written_survey_schema", tags=["projects"], responses=dict, auth=[])
    def get(self, request: Request) -> Response:
        return Response(written.schema())


class SurveySchemaView(ProjectView):
    """JSON Schema (2020-12) of the answers to the project's present survey."""

    rights = {"GET": "view"}

    @extend_schema(
        operation_id="survey_schema",
        tags=["projects"],
        parameters=[OpenApiParameter("stage", str, description="A stage of the workflow; `label` unless told.")],
        responses=dict,
    )
    def get(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        return Response(survey.json_schema(survey.current(project), request.query_params.get("stage", "label")))
