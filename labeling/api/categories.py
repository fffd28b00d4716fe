"""The categories of a project: searched, changed one at a time, and shown by example pictures."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import services
from labeling.api.base import ProjectView, existing, link, listing, parsed, refuse_wishes
from labeling.api.parsers import FormParser, JSONParser, MultiPartParser
from labeling.files import storage
from labeling.models import Category, CategoryExample


class ExampleSerializer(serializers.ModelSerializer):
    url = serializers.SerializerMethodField()

    class Meta:
        model = CategoryExample
        fields = ["id", "url", "width", "height", "alt"]
        read_only_fields = ["id", "width", "height"]

    def get_url(self, example: CategoryExample) -> str:
        return link(self.context["request"], storage.file_url(example.file))


class CategorySerializer(serializers.ModelSerializer):
    parent: Any = serializers.SlugRelatedField("key", read_only=True, allow_null=True)
    examples = ExampleSerializer(many=True, read_only=True)

    class Meta:
        model = Category
        fields = ["id", "key", "name", "description", "wordnet_id", "parent", "examples"]


class CategoryChangeSerializer(serializers.Serializer):
    name = serializers.CharField(required=False, max_length=200)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    wordnet_id = serializers.CharField(required=False, allow_blank=True, max_length=20)
    parent: Any = serializers.CharField(
        required=False, allow_null=True, max_length=100, help_text="The key of the category above; null for the top."
    )


class NewExampleSerializer(serializers.Serializer):
    image = serializers.FileField()
    alt = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=300, help_text="What it shows, in words."
    )


class AltSerializer(serializers.Serializer):
    alt = serializers.CharField(allow_blank=True, max_length=300)


class CategoryListView(ProjectView):
    """Categories, or those with a part of their key, name or WordNet id: type-ahead for large taxonomies."""

    rights = {"GET": "view"}
    MOST = 50

    @extend_schema(
        operation_id="search_categories",
        tags=["projects"],
        **listing(
            CategorySerializer,
            None,
            OpenApiParameter(
                "search", str, description="A part of the key or name; starts of names come first. One page, of 50."
            ),
            OpenApiParameter("parent", str, description="The key of the parent; empty for the top."),
        ),
    )
    def get(self, request: Request, slug: str) -> Response:
        rows = self.project(request, slug).categories.select_related("parent").prefetch_related("examples")
        refuse_wishes(request, "search", "parent")
        text = request.query_params.get("search", "").strip()
        if "parent" in request.query_params:
            key = request.query_params["parent"]
            rows = rows.filter(parent__key=key) if key else rows.filter(parent=None)
        if not text:
            return self.page(request, rows, CategorySerializer, ordering="position", beside=["search", "parent"])
        found = list(rows.filter(name__istartswith=text)[: self.MOST])
        if len(found) < self.MOST:
            known = {row.pk for row in found}
            wider = rows.filter(Q(name__icontains=text) | Q(key__icontains=text) | Q(wordnet_id=text))
            found += [row for row in wider[: self.MOST] if row.pk not in known]
        data = CategorySerializer(found[: self.MOST], many=True, context={"request": request}).data
        return Response({"next": None, "previous": None, "results": data})


class CategoryBase(ProjectView):
    def category(self, request: Request, slug: str, category_id: int) -> Category:
        rows = self.project(request, slug).categories.select_related("parent", "project")
        return existing(rows.filter(pk=category_id), _("There is no such category in this project."))

    def example(self, request: Request, slug: str, category_id: int, example_id: int) -> CategoryExample:
        rows = self.category(request, slug, category_id).examples.filter(pk=example_id)
        return existing(rows, _("There is no such example of this category."))


class CategoryView(CategoryBase):
    """One category; a change of it is a new version of the survey."""

    rights = {"GET": "view", "PATCH": "manage"}

    @extend_schema(operation_id="read_category", tags=["projects"], responses=CategorySerializer)
    def get(self, request: Request, slug: str, category_id: int) -> Response:
        row = self.category(request, slug, category_id)
        return Response(CategorySerializer(row, context={"request": request}).data)

    @extend_schema(
        operation_id="change_category",
        tags=["projects"],
        request=CategoryChangeSerializer,
        responses=CategorySerializer,
    )
    def patch(self, request: Request, slug: str, category_id: int) -> Response:
        row = self.category(request, slug, category_id)
        changes = parsed(CategoryChangeSerializer, request)
        row = services.change_category(category=row, user=request.user, changes=changes)
        return Response(CategorySerializer(row, context={"request": request}).data)


class ExampleListView(CategoryBase):
    """Pictures that show workers what the category means; nobody is asked about them."""

    rights = {"POST": "manage"}
    parser_classes = [MultiPartParser, FormParser]

    @extend_schema(
        operation_id="add_category_example",
        tags=["projects"],
        request={"multipart/form-data": NewExampleSerializer},
        responses={201: ExampleSerializer},
    )
    def post(self, request: Request, slug: str, category_id: int) -> Response:
        row = self.category(request, slug, category_id)
        given = parsed(NewExampleSerializer, request)
        example = services.add_example(category=row, data=given["image"].read(), alt=given["alt"], user=request.user)
        told = ExampleSerializer(example, context={"request": request}).data
        return Response(told, status=status.HTTP_201_CREATED)


class ExampleView(CategoryBase):
    """Change what is said of an example, or remove it."""

    rights = {"PATCH": "manage", "DELETE": "manage"}
    parser_classes = [JSONParser, MultiPartParser, FormParser]

    @extend_schema(
        operation_id="change_category_example",
        tags=["projects"],
        request=AltSerializer,
        responses=ExampleSerializer,
    )
    def patch(self, request: Request, slug: str, category_id: int, example_id: int) -> Response:
        example = self.example(request, slug, category_id, example_id)
        alt = parsed(AltSerializer, request)["alt"]
        example = services.change_example(example=example, alt=alt, user=request.user)
        return Response(ExampleSerializer(example, context={"request": request}).data)

    @extend_schema(operation_id="remove_category_example", tags=["projects"], responses={204: None})
    def delete(self, request: Request, slug: str, category_id: int, example_id: int) -> Response:
        example = self.example(request, slug, category_id, example_id)
        services.remove_example(example=example, user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)
