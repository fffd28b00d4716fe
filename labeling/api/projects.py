"""Projects: created, read, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import ListCreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.accounts import languages, permissions
from labeling.api import taxonomy
from labeling.api.base import CSRF, MOST_UNKNOWN, ProjectView, refuse_wishes, unfolded, unknown
from labeling.api.choices import Choice, FilterSet
from labeling.api.extensions import ProjectExtension
from labeling.api.filters import TrueOrFalse
from labeling.api.paging import CursorPagination
from labeling.api.surveys import QuestionSerializer, Translations, survey_document
from labeling.consensus.stopping import POLICIES
from labeling.models import Project
from labeling.resilience import races
from labeling.services.projects import SETTINGS
from labeling.surveys import written
from labeling.text.slips import slips


class RangeSerializer(serializers.Serializer):
    min = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    max = serializers.IntegerField(min_value=1, max_value=1000, required=False)

    def to_internal_value(self, data: Any) -> Any:
        if errors := unknown(data, self.fields):
            raise serializers.ValidationError(errors)
        return super().to_internal_value(data)


LONGEST_NAME = 100  # of an unknown key that is told of
_UNSPENT = "null for keys that only predict."
_UNTOLD = (
    "null for keys that only predict and for people who only label: answers to hidden gold change neither number, "
    "which would betray them."
)


class ProjectSerializer(serializers.ModelSerializer):
    """A project. ``categories``, ``questions`` and ``translations`` make its survey; each change is a new version."""

    serializer_choice_field = Choice
    categories = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        help_text="Names, or `{key, name, description, parent, wordnet_id}`. All of them: those left out go, and those "
        "only named keep what the project knows of them. Read, they are keys, the first 200; all are at `categories/`, "
        "and those that are not read go only with `remove_unread`.",
    )
    remove_unread = serializers.BooleanField(
        write_only=True, required=False, help_text="Remove even categories that reading the project does not show."
    )
    questions = QuestionSerializer(many=True, required=False)
    language = serializers.CharField(
        required=False, allow_blank=True, help_text="The code of the language that the survey is written in."
    )
    translations = Translations(
        required=False,
        help_text="The survey's texts by language code; see the JSON Schema of surveys. Each language is replaced as a "
        "whole, `null` takes one out, and those not named stay. Not in lists of projects.",
    )
    judgments_per_task = RangeSerializer(required=False)
    stopping = Choice(
        list(POLICIES),
        required=False,
        help_text="When a task is done: at the least number of judgments (`fixed`), when its posterior is "
        "`confidence`, or by ImageNet's table of each class (`imagenet`).",
    )
    task_count = serializers.IntegerField(read_only=True, allow_null=True, help_text=_UNTOLD)
    retired_count = serializers.IntegerField(read_only=True, allow_null=True, help_text=_UNTOLD)
    spent: Any = serializers.DecimalField(14, 4, read_only=True, allow_null=True, help_text=_UNSPENT)
    role = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Project
        counted = ["image_count", "task_count", "retired_count", "judgment_count", "gold_count", "spent"]
        settings = [name for name in SETTINGS if not name.startswith("judgments_")]  # these are judgments_per_task
        fields = [
            "id", "slug", *settings, "categories", "remove_unread", "questions", "language", "translations",
            "judgments_per_task", "survey_version", *counted, "role", "url", "created_at", "archived_at",
        ]  # fmt: skip
        read_only_fields = ["id", "slug", "survey_version", "created_at", "archived_at", *counted]

    def validate_categories(self, rows: list[Any]) -> list[Any]:
        named = {str(name) for row in rows if isinstance(row, Mapping) for name in row}
        if errors := slips(named, written.CATEGORY):
            raise serializers.ValidationError(errors)
        return rows

    def get_role(self, project: Project) -> str | None:
        return permissions.role_of(self.context["request"].user, project)

    def get_url(self, project: Project) -> str:
        return f"/projects/{project.slug}/"

    def to_representation(self, instance: Project) -> dict[str, Any]:
        for name in ("categories", "questions", "language", "translations", "judgments_per_task"):
            self.fields.pop(name, None)
        data = super().to_representation(instance)
        if data["role"] is None or not permissions.reaches(data["role"], "review"):
            data.update(task_count=None, retired_count=None)
        if not permissions.key_allows(self.context["request"].user, "see"):  # it may lie in a page that all can read
            data.update(task_count=None, retired_count=None, budget=None, spent=None)
        data.update(survey_document(instance, whole=self.parent is None))
        data["judgments_per_task"] = {"min": instance.judgments_min, "max": instance.judgments_max}
        for extension in self.context.get("extensions", ()):
            data.update(extension.read(instance))
        return data


@lru_cache(maxsize=8)
def serializer_class(extensions: tuple[ProjectExtension, ...]) -> type[ProjectSerializer]:
    """The project's serializer with the fields of other rooms, for the body and the schema."""
    extra: dict[str, Any] = {}
    for extension in extensions:
        extra.update(extension.fields())
    meta = type("Meta", (ProjectSerializer.Meta,), {"fields": [*ProjectSerializer.Meta.fields, *extra]})
    return type("ProjectSerializer", (ProjectSerializer,), {**extra, "Meta": meta})


class ExtendedView:
    """What both views of projects know of the fields of other rooms."""

    extensions: Sequence[ProjectExtension] = ()

    def get_serializer_class(self) -> type[ProjectSerializer]:
        return serializer_class(tuple(self.extensions))

    def render(self, project: Project, request: Request) -> dict[str, Any]:
        context = {"request": request, "view": self, "extensions": self.extensions}
        return self.get_serializer_class()(project, context=context).data

    def read(self, request: Request, *, partial: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """The body as it is understood, and the rest of it. A key that looks like a slip is refused."""
        data = unfolded(request.data, lists=("categories", "questions", "languages"))
        reader = self.get_serializer_class()(data=data, partial=partial, context={"request": request})
        errors = slips(data, reader.fields) if isinstance(data, Mapping) else {}
        if not reader.is_valid():
            errors = {**errors, **reader.errors}
        if errors:
            raise serializers.ValidationError(errors)
        understood = dict(reader.validated_data)
        return understood, {name: data[name] for name in data if name not in {*understood, CSRF}}

    def changed(self, project: Project, request: Request, rest: Mapping[str, Any]) -> dict[str, Any]:
        """The project, and which keys of the rest it is not like: programs may send more than we take, and learn it."""
        told = self.render(project, request)
        ignored = [str(name)[:LONGEST_NAME] for name, wish in rest.items() if wish != told.get(name)]
        return {**told, "ignored": ignored[:MOST_UNKNOWN]} if ignored else told

    def made(self, project: Project, request: Request, rest: Mapping[str, Any]) -> Response:
        where = {"Location": f"/api/v1/projects/{project.slug}/"}
        return Response(self.changed(project, request, rest), status=status.HTTP_201_CREATED, headers=where)

    def split(self, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], list[tuple[Any, dict[str, Any]]]]:
        """The body -> settings, survey, and what belongs to each extension."""
        others = []
        for extension in self.extensions:
            mine = {name: values.pop(name) for name in extension.fields() if name in values}
            others.append((extension, mine))
        survey_parts = ("categories", "remove_unread", "questions", "language")
        asked: dict[str, Any] = {name: values.pop(name) for name in survey_parts if name in values}
        if "translations" in values:
            asked["wordings"] = values.pop("translations")
        span: Mapping[str, int] | None = values.pop("judgments_per_task", None)
        values.update({f"judgments_{end}": count for end, count in (span or {}).items()})  # one end may be named
        return values, asked, others


def refuse_creating(request: Request) -> None:
    """Return where whoever asks may create projects; a key of one project, or without the scope, may not."""
    if not permissions.key_has(request.user, "manage") or getattr(request.auth, "project_id", None):
        raise PermissionDenied(_("This key cannot create projects: one for all projects that may 'manage' can."))


class ByLanguage(CursorPagination):
    """Projects that the person can read come first, the newer before the older."""

    ordering = "-language_rank"


class ProjectFilter(FilterSet):
    is_paused = TrueOrFalse("is_paused")
    is_archived = TrueOrFalse("archived_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Project
        fields = ["access"]


class ProjectListView(ExtendedView, ListCreateAPIView):
    """The projects that you can see; create one."""

    filterset_class = ProjectFilter
    pagination_class = ByLanguage

    def get_queryset(self) -> Any:
        rows = permissions.visible_projects(self.request.user)
        asked = self.request.query_params
        refuse_wishes(self.request, *ProjectFilter.base_filters, "search", "language")
        if "is_archived" not in asked:
            rows = rows.filter(archived_at=None)
        if text := asked.get("search"):
            rows = rows.filter(Q(name__icontains=text) | Q(slug__icontains=text))
        spoken = languages.of_user(self.request.user)
        if codes := [code for code in asked.get("language", "").split(",") if code]:
            spoken = spoken if codes == ["mine"] else codes[: languages.MOST]
            rows = languages.readable(rows, spoken)
        return languages.ranked(rows, spoken)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "extensions": self.extensions}

    @extend_schema(
        operation_id="list_projects",
        tags=["projects"],
        parameters=[
            OpenApiParameter("search", str, description="A part of the name."),
            OpenApiParameter("access", str, enum=Project.Access.values),
            OpenApiParameter("is_paused", bool),
            OpenApiParameter("is_archived", bool, description="Without it, or false: those that are not."),
            OpenApiParameter(
                "language",
                str,
                description="Codes with commas, or `mine` for those of your profile: only projects in one of them, and "
                "those that state none. Projects in these (or, without it, in your) languages come first.",
            ),
        ],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(operation_id="create_project", tags=["projects"])
    def post(self, request: Request) -> Response:
        """Create a project, which is yours.

        A key that looks like a slip in a known one is refused. Others that change nothing come back in `ignored`: those
        that no project has, and those that cannot be set, as `slug`, which is made of the name.
        """
        refuse_creating(request)
        understood, rest = self.read(request, partial=False)
        values, asked, others = self.split(understood)
        asked.pop("remove_unread", None)
        with transaction.atomic():
            project = services.create_project(
                owner=cast("User", request.user),
                **{"categories": (), **asked},
                **values,
            )
            for extension, mine in others:
                extension.write(project, request.user, mine)
        return self.made(project, request, rest)


class ProjectDetailView(ExtendedView, ProjectView):
    """One project."""

    rights = {"GET": "view", "PATCH": "manage", "DELETE": "manage"}
    even_archived = frozenset({"DELETE"})

    @extend_schema(operation_id="read_project", tags=["projects"])
    def get(self, request: Request, slug: str) -> Response:
        return Response(self.render(self.project(request, slug), request))

    @extend_schema(operation_id="change_project", tags=["projects"])
    def patch(self, request: Request, slug: str) -> Response:
        """Change what the body names. Keys that change nothing come back in `ignored`, as when it was created.

        `survey_version`, where it stands beside categories, questions or translations, is the version that they were
        written from: 409 `survey_changed` where somebody has changed the same part since.
        """
        project = self.project(request, slug)
        understood, rest = self.read(request, partial=True)
        values, asked, others = self.split(understood)
        taxonomy.keep_unread(project, asked)
        if asked and isinstance(rest.get("survey_version"), int):
            asked["seen"] = rest.pop("survey_version")

        def change() -> Project:
            with transaction.atomic():
                changed = services.change_project(project=project, user=request.user, **values)
                if asked:
                    changed = services.replace_survey(project=changed, user=request.user, **asked)
                for extension, mine in others:
                    if mine:
                        extension.write(changed, request.user, mine)
            return changed

        return Response(self.changed(races.again(change), request, rest))

    @extend_schema(operation_id="delete_project", tags=["projects"], responses={204: None})
    def delete(self, request: Request, slug: str) -> Response:
        project = self.project(request, slug)
        if permissions.role_of(request.user, project) != "owner":
            raise PermissionDenied(_("Only the owner can delete the project."))
        services.delete_project(project=project)
        return Response(status=status.HTTP_204_NO_CONTENT)
