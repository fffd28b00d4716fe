"""Tasks and judgments as owners and reviewers see them, and what they may do with a task."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.accounts import people
from labeling.api.base import JobStartedSerializer, ProjectView, existing, link, listing, parsed, started
from labeling.api.choices import Choice, FilterSet
from labeling.api.filters import Since, TrueOrFalse
from labeling.api.parsers import BodyParser, FormParser, JSONParser, MultiPartParser
from labeling.collecting.changing import CHANGES
from labeling.collecting.marking import MOST_POSITION
from labeling.consensus import provenance
from labeling.errors import CrowdtuneError
from labeling.files import storage
from labeling.models import Gold, Image, Judgment, Task


class TaskImageSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = ["id", "name", "url"]

    def get_url(self, image: Image) -> str:
        return link(self.context["request"], storage.image_url(image))


class TaskSerializer(serializers.ModelSerializer):
    image = TaskImageSerializer(read_only=True)

    class Meta:
        model = Task
        fields = [
            "id", "image", "stage", "state", "retired_because", "retired_at", "priority", "wanted", "judgment_count",
            "open_slots", "is_gold", "payload", "created_at",
        ]  # fmt: skip


def shown(task: Task, request: Request) -> Response:
    return Response(TaskSerializer(task, context={"request": request}).data)


class TaskFilter(FilterSet):
    image = filters.NumberFilter("image_id")
    is_gold = TrueOrFalse("is_gold")

    class Meta:
        model = Task
        fields = ["state", "stage", "retired_because"]


class TaskListView(ProjectView):
    """The project's tasks."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="list_tasks", tags=["tasks"], **listing(TaskSerializer, TaskFilter))
    def get(self, request: Request, slug: str) -> Response:
        rows = Task.objects.filter(project=self.project(request, slug)).select_related("image")
        return self.page(request, rows, TaskSerializer, filters=TaskFilter)


class TaskChangeSerializer(serializers.Serializer):
    change = Choice(
        list(CHANGES),
        help_text="ask_more: of finished tasks; sooner and close: open tasks are handed out first, or closed, "
        "as those are that wait for a reviewer.",
    )
    count = serializers.IntegerField(
        required=False, default=1, min_value=1, max_value=services.MOST_MORE, help_text="Judgments more of each task."
    )
    question = serializers.CharField(required=False, help_text="Its key; the primary question's labels.")
    answer = serializers.CharField(required=False, help_text="Only labels that say this.")
    final = serializers.BooleanField(
        required=False, default=None, allow_null=True, help_text="Only labels of finished tasks, or of open ones."
    )
    below = serializers.FloatField(
        required=False, default=None, allow_null=True, min_value=0, max_value=1, help_text="Only labels less sure."
    )


class TaskChangeView(ProjectView):
    """One change to the tasks of all labels that fit: ask more people, hand out first, or close."""

    rights = {"POST": "manage"}

    @extend_schema(
        operation_id="change_tasks",
        tags=["tasks"],
        request=TaskChangeSerializer,
        responses={202: JobStartedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        wishes = parsed(TaskChangeSerializer, request)
        change, count, key = wishes.pop("change"), wishes.pop("count"), wishes.pop("question", "")
        question = project.questions.filter(key=key).first() if key else project.primary_question()
        if question is None:
            raise CrowdtuneError("invalid", _("There is no question %(key)s.") % {"key": repr(key)}, field="question")
        job = services.change_tasks(
            project=project, user=request.user, question=question, change=change, where=wishes, count=count
        )
        return started(job)


class TaskView(ProjectView):
    """One task."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="read_task", tags=["tasks"], responses=TaskSerializer)
    def get(self, request: Request, task_id: int) -> Response:
        return shown(self.task(request, task_id), request)


class GoldSerializer(serializers.Serializer):
    answers = serializers.JSONField(
        help_text="By question. Right is the same answer; of boxes, each to IoU 0.5, or any of them where fewer are "
        "asked for; of numbers but whole ones, to 5 %."
    )
    use = Choice(Gold.Use.choices, default=Gold.Use.HIDDEN)
    explanation = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=2000,
        help_text="Why it is right; a worker reads it in practice, beside the right answer.",
    )
    position = serializers.IntegerField(required=False, min_value=0, max_value=MOST_POSITION, default=0)


class TaskGoldView(ProjectView):
    """The task's known answer: read it, set it (hidden gold, practice or the qualification test), or take it back.

    As a `check` it is asked of nobody, and nobody is measured by it: of images on which labels differ from the plain
    majority (`differs_from_majority` of the labels) it says which of the two is right, and the labels follow that.
    `stats/` tells how many there are (`checks`) and what they brought (`favourites_right` and `winners_right` of
    `gold`). While people are still asked other questions about the image it is refused (`still_asked`).
    """

    rights = {"GET": "manage", "PUT": "manage", "DELETE": "manage"}

    @extend_schema(operation_id="read_gold", tags=["tasks"], responses=GoldSerializer)
    def get(self, request: Request, task_id: int) -> Response:
        rows = Gold.objects.filter(task=self.task(request, task_id))
        gold = existing(rows, _("This task's answer is not known: it is no gold."))
        return Response(GoldSerializer(gold).data)

    @extend_schema(operation_id="set_gold", tags=["tasks"], request=GoldSerializer, responses=GoldSerializer)
    def put(self, request: Request, task_id: int) -> Response:
        task = self.task(request, task_id)
        gold = services.set_gold(task=task, user=request.user, **parsed(GoldSerializer, request))
        return Response(GoldSerializer(gold).data)

    @extend_schema(operation_id="remove_gold", tags=["tasks"], responses={204: None})
    def delete(self, request: Request, task_id: int) -> Response:
        services.remove_gold(task=self.task(request, task_id), user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class DecisionSerializer(serializers.Serializer):
    answers = serializers.DictField()


class TaskDecideView(ProjectView):
    """A reviewer decides the task's answers."""

    rights = {"POST": "review"}

    @extend_schema(operation_id="decide_task", tags=["tasks"], request=DecisionSerializer, responses=TaskSerializer)
    def post(self, request: Request, task_id: int) -> Response:
        task = self.task(request, task_id)
        answers = parsed(DecisionSerializer, request)["answers"]
        return shown(services.decide_task(task=task, answers=answers, user=request.user), request)


class MoreSerializer(serializers.Serializer):
    count = serializers.IntegerField(min_value=1, max_value=100, default=1)


class TaskReopenView(ProjectView):
    """Ask more judgments of a retired task."""

    rights = {"POST": "review"}

    @extend_schema(operation_id="reopen_task", tags=["tasks"], request=MoreSerializer, responses=TaskSerializer)
    def post(self, request: Request, task_id: int) -> Response:
        task = self.task(request, task_id)
        count = parsed(MoreSerializer, request)["count"]
        return shown(services.reopen_task(task=task, user=request.user, count=count), request)


class TaskRetireView(ProjectView):
    """Close the task as it stands."""

    rights = {"POST": "review"}

    @extend_schema(operation_id="retire_task", tags=["tasks"], request=None, responses=TaskSerializer)
    def post(self, request: Request, task_id: int) -> Response:
        task = self.task(request, task_id)
        return shown(services.retire_task(task=task, user=request.user), request)


class BoxGoldsSerializer(serializers.Serializer):
    count = serializers.IntegerField(help_text="How many tasks are new gold.")


class BoxGoldsView(ProjectView):
    """Make hidden gold of covered images in the three-stage box workflow: a good and a perturbed box, all boxes and one
    left out, of five images at most. An image that gave gold gives none again. As much as `gold_rate` needs is made by
    itself; this makes more.
    """

    rights = {"POST": "manage"}

    @extend_schema(operation_id="make_box_golds", tags=["tasks"], request=None, responses=BoxGoldsSerializer)
    def post(self, request: Request, slug: str) -> Response:
        made = services.make_box_golds(project=self.project(request, slug), user=request.user)
        return Response({"count": made})


class TaskProvenanceView(ProjectView):
    """Where a label comes from: who said what, when, in how long, to which survey, and what decided."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="task_provenance", tags=["tasks"], responses=dict)
    def get(self, request: Request, task_id: int) -> Response:
        return Response(provenance.of_task(self.task(request, task_id)))


class JudgmentSerializer(serializers.ModelSerializer):
    worker = serializers.SerializerMethodField()
    image = serializers.IntegerField(source="task.image_id", read_only=True)
    order = serializers.SerializerMethodField(help_text="Of shuffled questions, the choices as this person saw them.")

    class Meta:
        model = Judgment
        fields = [
            "id", "task", "image", "worker", "answers", "order", "seconds", "survey_version", "language", "source",
            "is_gold", "price", "created_at", "withdrawn_at",
        ]  # fmt: skip

    def get_worker(self, judgment: Judgment) -> str:
        return people.name_of(judgment.worker)

    def get_order(self, judgment: Judgment) -> dict[str, list[str]]:
        return provenance.order_of(judgment, judgment.task.stage)


class JudgmentFilter(FilterSet):
    worker = filters.CharFilter(method="of_worker")
    task = filters.NumberFilter("task_id")
    image = filters.NumberFilter("task__image_id")
    withdrawn = TrueOrFalse("withdrawn_at", "isnull", exclude=True)
    is_gold = TrueOrFalse("is_gold")
    since = Since("created_at")

    class Meta:
        model = Judgment
        fields = ["source", "survey_version", "language"]

    def of_worker(self, rows: Any, _name: str, value: str) -> Any:
        return rows.filter(worker__username__in=people.usernames(value, self.request.parser_context["kwargs"]["slug"]))


class JudgmentListView(ProjectView):
    """What people said, newest first."""

    rights = {"GET": "review"}

    @extend_schema(operation_id="list_judgments", tags=["judgments"], **listing(JudgmentSerializer, JudgmentFilter))
    def get(self, request: Request, slug: str) -> Response:
        rows = Judgment.objects.filter(project=self.project(request, slug)).select_related("worker", "task")
        return self.page(request, rows, JudgmentSerializer, filters=JudgmentFilter)


class JudgmentFileSerializer(serializers.Serializer):
    file = serializers.FileField(help_text="CSV with a header, or JSONL: image, worker, question, answer, seconds")


class JudgmentImportView(ProjectView):
    """Judgments made elsewhere, kept as such."""

    rights = {"POST": "manage"}
    parser_classes = [MultiPartParser, FormParser, JSONParser, BodyParser]

    @extend_schema(
        operation_id="import_judgments",
        tags=["judgments"],
        request={
            "multipart/form-data": JudgmentFileSerializer,
            "text/csv": OpenApiTypes.BINARY,
            "application/x-ndjson": OpenApiTypes.BINARY,
        },
        responses={202: JobStartedSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        files: list[Any] = [file for name in request.FILES for file in request.FILES.getlist(name)]
        if len(files) != 1:
            raise CrowdtuneError(
                "invalid", _("Send one CSV or JSONL file as `file`; got %(files)s files.") % {"files": len(files)}
            )
        job = services.import_judgments(project=project, file=files[0], user=request.user)
        return started(job)
