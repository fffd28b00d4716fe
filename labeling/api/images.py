"""Images: sent, listed, deleted; and the jobs that bring them in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling import jobs, services, tables
from labeling.accounts import permissions
from labeling.api.base import JobStartedSerializer, ProjectView, existing, link, listing, started, unknown
from labeling.api.choices import Choice, FilterSet
from labeling.api.filters import TrueOrFalse
from labeling.api.parsers import FormParser, JSONParser, MultiPartParser
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.files.uploads import OnDisk
from labeling.importing.labels import LABELS_AS
from labeling.models import Image, Job, Project, Task
from labeling.text import bodies
from labeling.text.words import clause


class ImageSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()
    thumbnail_url = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = [
            "id",
            "name",
            "sha256",
            "width",
            "height",
            "byte_count",
            "url",
            "thumbnail_url",
            "metadata",
            "created_at",
        ]

    def get_url(self, image: Image) -> str:
        return link(self.context["request"], storage.image_url(image))

    def get_thumbnail_url(self, image: Image) -> str:
        return link(self.context["request"], storage.image_url(image, "thumbnail"))


TELLING = {"state", "is_gold"}  # what a list by these would tell of gold, whose tasks are closed from the first


class ImageFilter(FilterSet):
    name = filters.CharFilter("name", "icontains")
    state = filters.ChoiceFilter(field_name="tasks__state", choices=Task.State.choices, distinct=True)
    is_gold = TrueOrFalse("tasks__is_gold", distinct=True)

    class Meta:
        model = Image
        fields = ["sha256"]


class UploadSerializer(serializers.Serializer):
    """Send files, an archive, or a manifest with one of them or alone; ``gold`` gives known answers by file name."""

    files = serializers.ListField(child=serializers.FileField(), required=False)
    archive = serializers.FileField(required=False, help_text="zip or tar (.gz, .bz2, .xz)")
    manifest = serializers.FileField(
        required=False,
        help_text="CSV with a header or JSON Lines: `url`, or `path` of a file sent with it; optional `name`, `label`, "
        "`metadata`; other columns are metadata.",
    )
    labels_as = Choice(
        LABELS_AS, required=False, help_text="What the manifest's labels are taken as; left out, they are gold."
    )
    source: Any = serializers.CharField(required=False, help_text="Whose labels the manifest's are.")
    gold = serializers.CharField(required=False, help_text='JSON: {"photo.jpg": "cat"}, as a field or as a file.')


class UrlsSerializer(serializers.Serializer):
    """Addresses, or ``s3://bucket/prefix`` of a bucket that the platform's setting IMPORT_BUCKETS allows."""

    urls = serializers.ListField(child=serializers.CharField(max_length=2000), required=False)
    s3 = serializers.CharField(required=False)
    gold = serializers.DictField(required=False)


class ImageListView(ProjectView):
    """The project's images; send more."""

    rights = {"GET": "see", "POST": "manage"}
    parser_classes = [MultiPartParser, FormParser, JSONParser]

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        # Every file goes to disk as it comes in, however small: a thousand photographs must not meet in memory.
        request.upload_handlers = [OnDisk(request)]
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="list_images",
        tags=["images"],
        description="The project's images; not for keys that only predict. To ask by `state` or `is_gold` needs the "
        "right to review; without it `metadata`, which may tell what is asked, is empty.",
        **listing(ImageSerializer, ImageFilter),
    )
    def get(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        if TELLING & set(request.query_params):  # hidden gold stays hidden from who is measured by it
            permissions.require(request.user, project, "review")
        rows = Image.objects.filter(project=project)
        seen = None if _may_read(request, project) else _hide_metadata
        return self.page(request, rows, ImageSerializer, seen=seen, filters=ImageFilter)

    @extend_schema(
        operation_id="import_images",
        tags=["images"],
        request={"multipart/form-data": UploadSerializer, "application/json": UrlsSerializer},
        responses={202: JobStartedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        data: Any = request.data if isinstance(request.data, dict) else {}
        if errors := unknown(data, {*UploadSerializer().fields, *UrlsSerializer().fields}):
            raise serializers.ValidationError(errors)
        _refuse_labels_without_manifest(request, data, slug)
        urls = data.get("urls", ())
        if not isinstance(urls, list | tuple) or not all(isinstance(url, str) for url in urls):
            raise CrowdtuneError(
                "invalid", _("urls must be a list of addresses."), fields={"urls": [_("Expected a list.")]}
            )
        job = services.import_images(
            project=project,
            user=request.user,
            files=request.FILES.getlist("files"),
            archive=request.FILES.get("archive"),
            urls=urls,
            s3=str(data.get("s3") or ""),
            manifest=request.FILES.get("manifest"),
            labels_as=str(data.get("labels_as") or "gold"),
            source=str(data.get("source") or "")[:100],
            gold=_gold(data.get("gold")),
        )
        return started(job)


def _may_read(request: Request, project: Project) -> bool:
    """Whether the person, with whatever key, reads what is known of images beside what is asked about them."""
    role = permissions.role_of(request.user, project)
    return role is not None and permissions.reaches(role, "review")


def _hide_metadata(rows: list[Any]) -> None:
    """Columns of a manifest beside its label often tell the same: species beside a genus, or who has found it out."""
    for image in rows:
        image.metadata = {}


def _refuse_labels_without_manifest(request: Request, data: Any, slug: str) -> None:
    """Else whoever sends an archive with its labels is told that all went well, and has none."""
    said = [name for name in ("labels_as", "source") if data.get(name)]
    if said and "manifest" not in request.FILES:
        raise CrowdtuneError(
            "invalid",
            _(
                "%(said)s tells of a manifest's labels, and no manifest came. Send the images without it, then their "
                "label file, or the archive that holds the labels, to %(address)s."
            )
            % {"said": said[0], "address": f"/api/v1/projects/{slug}/labels/import/"},
            field=said[0],
        )


def _gold(value: Any) -> Any:
    """What JSON brings, a form's field, or a file in a form; the latter two are JSON text."""
    if isinstance(value, UploadedFile):
        value = value.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)  # as much as a field may have
    if not isinstance(value, str | bytes):
        return value
    try:
        return bodies.loads(value) if value.strip() else None
    except ValueError as error:
        why = _("gold must be JSON {file name: answer}: %(error)s.") % {"error": clause(error)}
        raise CrowdtuneError("bad_gold", why, field="gold") from error


class ImageDetailView(ProjectView):
    """One image."""

    rights = {"GET": "see", "DELETE": "manage"}

    @extend_schema(operation_id="read_image", tags=["images"], responses=ImageSerializer)
    def get(self, request: Request, slug: str, image_id: int) -> Response:
        image = self._image(request, slug, image_id)
        if not _may_read(request, image.project):
            _hide_metadata([image])
        return Response(ImageSerializer(image, context={"request": request}).data)

    @extend_schema(operation_id="delete_image", tags=["images"], responses={204: None})
    def delete(self, request: Request, slug: str, image_id: int) -> Response:
        image = self._image(request, slug, image_id)
        services.delete_images(project=image.project, ids=[image.pk], user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _image(self, request: Request, slug: str, image_id: int) -> Image:
        rows = Image.objects.filter(project=self.project(request, slug), pk=image_id)
        return existing(rows, _("There is no such image in this project."))


class JobErrorSerializer(serializers.Serializer):
    item = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


@extend_schema_field(JobErrorSerializer(many=True))
class JobErrorsField(serializers.JSONField):
    """What was refused, and why; `passed_over` tells of what a file holds beside labels."""


class JobSerializer(serializers.ModelSerializer):
    errors: Any = JobErrorsField(
        read_only=True,
        help_text="The first thousand, in a list of jobs the first ten; `refused` in `result` counts all.",
    )
    progress: Any = serializers.FloatField(
        read_only=True, help_text="0 to 1; 0 while it is not known how much there is, as of a bucket: see `message`."
    )
    project: Any = serializers.SlugRelatedField("slug", read_only=True)

    class Meta:
        model = Job
        fields = [
            "id", "project", "kind", "state", "progress", "message", "result", "errors", "created_at", "finished_at",
        ]  # fmt: skip

    def to_representation(self, instance: Job) -> dict[str, Any]:
        data = super().to_representation(instance)
        # Signed anew at each look: an address that was kept would be over after a day or two.
        if "file" in data["result"]:
            name = data["result"]["file"]
            url = link(self.context["request"], storage.file_url(name))
            data["result"] = {**data["result"], "url": url}
        return data


class JobView(APIView):
    """How a job goes."""

    @extend_schema(operation_id="read_job", tags=["jobs"], responses=JobSerializer)
    def get(self, request: Request, job_id: str) -> Response:
        return Response(JobSerializer(self.job(request, job_id), context={"request": request}).data)

    def job(self, request: Request, job_id: str) -> Job:
        """The job: for managers of its project; an export or a batch of predictions for who asked for it, too."""
        job = Job.objects.select_related("project").filter(pk=job_id).first()
        if job is None or not permissions.may_follow(request.user, job):
            raise NotFound(_("There is no such job, or it is not yours to see."))
        return job


class JobRefusedView(JobView):
    """All that a job refused or passed over, and why: its `errors` are the first thousand."""

    @extend_schema(
        operation_id="read_refused",
        tags=["jobs"],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "item, code, why")},
    )
    def get(self, request: Request, job_id: str) -> StreamingHttpResponse:  # type: ignore[override]
        return tables.refused(self.job(request, job_id))


class JobCancelView(JobView):
    """Stop a job."""

    http_method_names = ["post", "options"]  # not the get of the view above

    @extend_schema(operation_id="cancel_job", tags=["jobs"], request=None, responses=JobSerializer)
    def post(self, request: Request, job_id: str) -> Response:
        job = self.job(request, job_id)
        jobs.cancel(job=job)
        job.refresh_from_db()
        return Response(JobSerializer(job, context={"request": request}).data)


class JobFilter(FilterSet):
    class Meta:
        model = Job
        fields = ["kind", "state"]


class JobListView(ProjectView):
    """The project's jobs, newest first."""

    rights = {"GET": "manage"}

    @extend_schema(operation_id="list_jobs", tags=["jobs"], **listing(JobSerializer, JobFilter))
    def get(self, request: Request, slug: str) -> Response:
        rows = Job.objects.filter(project=self.project(request, slug)).select_related("project").with_first_errors()
        return self.page(request, rows, JobSerializer, "-created_at", seen=_show_first_errors, filters=JobFilter)


def _show_first_errors(rows: list[Any]) -> None:
    for job in rows:
        job.errors = job.first_errors
