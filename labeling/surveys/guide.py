"""What a project's categories mean, in words and example pictures: shown to workers before and while they label."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q

from labeling.files import storage
from labeling.models import Category, CategoryExample, Project
from labeling.surveys.translations import AS_WRITTEN, Wording

MOST = 200


def guide_of(project: Project, words: Wording = AS_WRITTEN) -> list[dict[str, Any]]:
    """The categories that have a description or an example, in their order, with addresses of the pictures."""
    has_example = Exists(CategoryExample.objects.filter(category=OuterRef("pk")))
    rows = project.categories.filter(~Q(description="") | has_example).select_related("parent")
    return [entry(row, words) for row in rows.prefetch_related("examples").order_by("position", "id")[:MOST]]


def entry(category: Category, words: Wording = AS_WRITTEN) -> dict[str, Any]:
    above = category.parent
    return {
        "key": category.key,
        "name": words.of(("categories", category.key, "name"), category.name),
        "parent": words.of(("categories", above.key, "name"), above.name) if above else "",
        "description": words.of(("categories", category.key, "description"), category.description),
        "examples": [shown(example) for example in category.examples.all()],
    }


def shown(example: CategoryExample) -> dict[str, Any]:
    return {
        "id": example.pk,
        "url": storage.file_url(example.file),
        "width": example.width,
        "height": example.height,
        "alt": example.alt,
    }
