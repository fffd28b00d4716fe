"""The worker's calls: claim the next task, answer, skip, give back, take back. The paths that everyone waits on."""

from __future__ import annotations

import uuid
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling import services
from labeling.accounts import permissions
from labeling.api.base import ProjectView, origin_of, parsed, unfolded, whole
from labeling.collecting.leases import Lease
from labeling.files import storage
from labeling.models import Assignment, Project
from labeling.services.claims import no_assignment
from labeling.surveys import survey
from labeling.surveys.asked_in import of_answer, worded


class ClaimSerializer(serializers.Serializer):
    takes_more = True
    hold = serializers.IntegerField(
        min_value=1, max_value=10, default=1, help_text="How many leases to hold at once; the others are in `held`."
    )


class ShownImageSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    name = serializers.CharField()
    url = serializers.CharField()
    width = serializers.IntegerField(help_text="Natural pixels, after EXIF transposition: the space of boxes.")
    height = serializers.IntegerField()


class UpcomingSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    url = serializers.CharField()


class ShownQuestionSerializer(serializers.Serializer):
    key = serializers.CharField()
    kind = serializers.CharField()
    prompt = serializers.CharField()
    help_text: Any = serializers.CharField()
    required: Any = serializers.BooleanField()
    options = serializers.DictField()
    choices = serializers.ListField(
        child=serializers.DictField(),
        allow_null=True,
        help_text="In the order to show, which a question with `shuffle` draws for each worker and task. null when "
        "there are too many: search `categories/`",
    )
    choice_count = serializers.IntegerField()
    show_if = serializers.JSONField(allow_null=True)
    words = serializers.DictField(
        required=False,
        help_text="What to say for `yes`, `no`, `cant_tell`, `none`, `no_box`, where the question's language is known.",
    )


class AssignmentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    project = serializers.CharField()
    task = serializers.IntegerField()
    stage = serializers.CharField(help_text="`label`; `draw`, `quality` or `coverage` in the workflow of boxes.")
    payload = serializers.DictField(help_text="What the stage shows beside the image: boxes to verify, a suggestion.")
    image = ShownImageSerializer()
    survey_version = serializers.IntegerField(help_text="The answer is checked against this version.")
    language = serializers.CharField(
        required=False,
        help_text="The language of the questions, chosen by Accept-Language, where the survey tells its own. Send it "
        "back with the answer where another one was shown in the end.",
    )
    questions = ShownQuestionSerializer(many=True)
    expires_at = serializers.DateTimeField()
    prefetch = UpcomingSerializer(many=True, help_text="Images that will probably be next, to load ahead.")
    held = serializers.ListField(child=serializers.DictField(), help_text="Further leases, when `hold` asked for them.")


class SubmitSerializer(serializers.Serializer):
    answers = serializers.DictField(help_text="Question key -> answer, as the question's kind takes it.")
    seconds = serializers.FloatField(
        required=False,
        allow_null=True,
        help_text="Active seconds on the task. What is no time (-1) is kept as null: an answer is worth more.",
    )
    language = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="In which of the survey's languages the questions were shown; left out, Accept-Language tells.",
    )


class ReasonSerializer(serializers.Serializer):
    takes_more = True
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


class StateSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    state = serializers.CharField()


class FeedbackSerializer(serializers.Serializer):
    right = serializers.BooleanField()
    expected = serializers.DictField()
    explanation = serializers.CharField()


class StoredSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    task = serializers.IntegerField()
    answers = serializers.DictField()
    seconds = serializers.FloatField(allow_null=True)
    survey_version = serializers.IntegerField()
    language = serializers.CharField(
        required=False, help_text="The one that was shown, where the survey tells its own."
    )
    created_at = serializers.DateTimeField()
    feedback = FeedbackSerializer(allow_null=True, help_text="In practice: whether it was right.")


def shown(request: Request, project: Project, lease: Lease, others: list[Lease]) -> dict[str, Any]:
    """A lease as the worker's program gets it. By hand: a serializer would cost as much as the claim."""
    asked = worded(request, survey.load(project.pk, lease.survey_version))
    told = head(origin_of(request), project, lease, others)
    if asked.language:
        told["language"] = asked.language
    held = [shown(request, project, other, []) for other in others]
    return {**told, "questions": asked.public(lease.stage, lease.order_seed), "held": held}


def head(origin: str, project: Project, lease: Lease, others: list[Lease]) -> dict[str, Any]:
    """All but the questions and what else the worker holds."""
    next_ones = [(other.image_id, other.display) for other in others]
    next_ones += [(image["id"], image["display"]) for image in lease.upcoming]
    return {
        "id": str(lease.id),
        "project": project.slug,
        "task": lease.task_id,
        "stage": lease.asked_as,
        "payload": lease.payload,
        "image": {
            "id": lease.image_id,
            "name": lease.image_name,
            "url": whole(origin, storage.file_url(lease.display)),
            "width": lease.width,
            "height": lease.height,
        },
        "survey_version": lease.survey_version,
        "expires_at": lease.expires_at,
        "prefetch": [{"id": pk, "url": whole(origin, storage.file_url(name))} for pk, name in next_ones[:3]],
    }


def check_key(request: Request, assignment_id: uuid.UUID) -> None:
    """A key answers only for its own project, and only with the scope to label."""
    if not permissions.key_has(request.user, "label"):
        raise PermissionDenied(_("This key does not have the scope 'label'; make one that has."))
    project_id = getattr(request.auth, "project_id", None)
    if project_id is not None and not Assignment.objects.filter(pk=assignment_id, project_id=project_id).exists():
        raise no_assignment()


class AssignmentListView(ProjectView):
    """Claim the next task. While a lease lives, the same one comes again."""

    rights = {"POST": "label"}
    throttle_classes = []

    @extend_schema(
        operation_id="claim_assignment",
        tags=["labeling"],
        request=ClaimSerializer,
        responses={
            201: AssignmentSerializer,
            204: OpenApiResponse(description="Nothing is left for this worker."),
            503: OpenApiResponse(description="`busy`: others were quicker each time; ask again in a moment."),
        },
    )
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        hold = parsed(ClaimSerializer, request)["hold"] if request.data else 1
        member = services.ensure_member(project=project, user=request.user)
        found = services.claim_leases(project=project, member=member, hold=hold)
        if not found:
            return Response(status=status.HTTP_204_NO_CONTENT)
        return Response(shown(request, project, found[0], found[1:]), status=status.HTTP_201_CREATED)


class AssignmentView(APIView):
    """One of your assignments."""

    throttle_classes = []

    @extend_schema(operation_id="read_assignment", tags=["labeling"], responses=StateSerializer)
    def get(self, request: Request, assignment_id: uuid.UUID) -> Response:
        mine = Assignment.objects.filter(pk=assignment_id, worker_id=request.user.pk)
        row = mine.select_related("project").first()
        if row is None or not permissions.key_opens(request.user, row.project):
            raise no_assignment()
        return Response({"id": str(row.pk), "state": row.state})


class SubmitView(APIView):
    """Answer a task. The same body again is answered 200 and stored once."""

    throttle_classes = []

    @extend_schema(
        operation_id="submit_judgment",
        tags=["labeling"],
        request=SubmitSerializer,
        responses={201: StoredSerializer, 200: StoredSerializer},
    )
    def post(self, request: Request, assignment_id: uuid.UUID) -> Response:
        data: Any = unfolded(request.data)
        if not isinstance(data, dict) or "answers" not in data:
            parsed(SubmitSerializer, request)
        check_key(request, assignment_id)
        judgment, created = services.submit_judgment(
            assignment_id=assignment_id,
            worker=request.user,
            answers=data.get("answers"),
            seconds=data.get("seconds"),
            language=of_answer(request, data),
        )
        return Response(
            services.stored_json(judgment=judgment),
            status=status.HTTP_201_CREATED if created else status.HTTP_200_OK,
        )


class SkipView(APIView):
    """Give the task back and not be asked about it again."""

    throttle_classes = []

    @extend_schema(
        operation_id="skip_assignment", tags=["labeling"], request=ReasonSerializer, responses=StateSerializer
    )
    def post(self, request: Request, assignment_id: uuid.UUID) -> Response:
        reason = parsed(ReasonSerializer, request)["reason"]
        check_key(request, assignment_id)
        services.skip_assignment(assignment_id=assignment_id, worker=request.user, reason=reason)
        return Response({"id": str(assignment_id), "state": Assignment.State.SKIPPED})


class ReleaseView(APIView):
    """Give the task back; it may come again."""

    throttle_classes = []

    @extend_schema(
        operation_id="release_assignment", tags=["labeling"], request=ReasonSerializer, responses=StateSerializer
    )
    def post(self, request: Request, assignment_id: uuid.UUID) -> Response:
        reason = parsed(ReasonSerializer, request)["reason"]
        check_key(request, assignment_id)
        services.release_assignment(assignment_id=assignment_id, worker=request.user, reason=reason)
        return Response({"id": str(assignment_id), "state": Assignment.State.RELEASED})


class UndoSerializer(serializers.Serializer):
    assignment = AssignmentSerializer()
    answers = serializers.DictField()


class WhichSerializer(serializers.Serializer):
    assignment = serializers.UUIDField(
        required=False,
        help_text="The assignment whose answer is taken back. With it a repeated call takes back no second answer: it "
        "gets the same one again. Left out, it is the last answer.",
    )


class UndoView(ProjectView):
    """Take your last answer back: its task is leased to you again. Then the one before it, ten in a row at most."""

    rights = {"POST": "label"}

    @extend_schema(operation_id="undo_judgment", tags=["labeling"], request=WhichSerializer, responses=UndoSerializer)
    def post(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        which = parsed(WhichSerializer, request).get("assignment")
        assignment, answers = services.undo_last(project=project, worker=request.user, assignment_id=which)
        lease = services.find_lease(project=project, worker=request.user, assignment_id=assignment.pk)
        if lease is None:
            raise no_assignment()
        return Response({"assignment": shown(request, project, lease, []), "answers": answers})
