"""Labels out, as a file in one of the field's formats; and in, from such a file."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.api.base import JobStartedSerializer, ProjectView, parsed, started
from labeling.api.choices import Choice
from labeling.api.parsers import MultiPartParser
from labeling.export import FORMATS
from labeling.files.uploads import OnDisk
from labeling.importing.known import READERS
from labeling.importing.labels import LABELS_AS


class ExportSerializer(serializers.Serializer):
    format = Choice(choices=list(FORMATS))
    images = serializers.BooleanField(default=False, help_text="Put the pictures into the file (yolo, voc, parquet).")
    judgments = serializers.BooleanField(default=False, help_text="Write raw judgments instead of labels (csv).")
    final = serializers.BooleanField(default=False, help_text="Only labels of retired tasks.")
    excel = serializers.BooleanField(
        default=False, help_text="Begin the file with the mark (BOM) by which Excel knows UTF-8 (csv)."
    )


class ExportView(ProjectView):
    """Write the labels into a file; the job's result has its ``url``."""

    rights = {"POST": "review"}
    even_archived = frozenset({"POST"})

    @extend_schema(
        operation_id="start_export", tags=["labels"], request=ExportSerializer, responses={202: JobStartedSerializer}
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        options = parsed(ExportSerializer, request)
        job = services.start_export(project=project, into=options.pop("format"), user=request.user, options=options)
        return started(job)


class LabelImportSerializer(serializers.Serializer):
    file = serializers.FileField(help_text="A label file, or a zip or tar of label files.")
    format = Choice(choices=list(READERS))
    question = serializers.CharField(default="", allow_blank=True, help_text="Needed where several would fit.")

    def get_fields(self) -> dict[str, Any]:
        # "as" is a word of Python and "source" one of the framework, so neither can be an attribute.
        take_as = Choice(choices=LABELS_AS)
        source = serializers.CharField(
            default="", allow_blank=True, max_length=100, help_text="Whose labels these are."
        )
        return {**super().get_fields(), "as": take_as, "source": source}


class LabelImportView(ProjectView):
    """Take labels that exist already, as gold, as suggestions, or as the judgments of a named source.

    An image whose answer is known is shown only now and then, as hidden gold, and its other questions get their labels
    from what people say then. Take labels as judgments where these questions are to be asked of every image.

    In the three-stage box workflow gold is all boxes of an image, which is covered: hidden gold is made of it.
    """

    rights = {"POST": "manage"}
    parser_classes = [MultiPartParser]

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        request.upload_handlers = [OnDisk(request)]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="import_labels",
        tags=["labels"],
        request={"multipart/form-data": LabelImportSerializer},
        responses={202: JobStartedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        given = parsed(LabelImportSerializer, request)
        job = services.import_labels(
            project=project,
            file=given["file"],
            form=given["format"],
            take_as=given["as"],
            source=given["source"],
            question=given["question"],
            user=request.user,
        )
        return started(job)
