"""One category at a time: what it is called and means, where it belongs, and the pictures that show workers what it is.

Names, parents and descriptions belong to the survey, so a change of them is a new version of it. Example pictures are
help beside the survey and are written into the log alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from labeling import audit
from labeling.errors import CrowdtuneError
from labeling.files import imaging, storage
from labeling.models import Category, CategoryExample, Project
from labeling.resilience import outside, races
from labeling.services.surveys import build_document, replace_survey
from labeling.text.words import gettext as _
from labeling.upkeep import discarding

MOST_EXAMPLES = 8
LONGEST = 640
LONGEST_ALT = 300
FIELDS = ("name", "description", "parent", "wordnet_id")


def change_category(*, category: Category, user: Any, changes: Mapping[str, Any]) -> Category:
    """Set some of FIELDS (``parent`` is a key, or None for the top); a new version of the survey when anything differs.

    Raises:
        CrowdtuneError: bad_survey, or not_found where it is gone.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=category.project_id)
        rows = build_document(project)["categories"]
        row = next((row for row in rows if row["key"] == category.key), None)
        if row is None:  # somebody has taken it out of the survey meanwhile
            raise CrowdtuneError("not_found", _("There is no such category in this project."), 404)
        wanted = {**row, **{name: changes[name] for name in FIELDS if name in changes}}
        _check_parent(rows, wanted)
        if wanted != row:
            rows[rows.index(row)] = wanted
            replace_survey(project=project, user=user, categories=rows)
    category.refresh_from_db()
    return category


def _check_parent(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> None:
    """No category may stand below itself."""
    parents = {row["key"]: row["parent"] for row in rows}
    above = wanted["parent"]
    seen: set[str] = set()
    while above and above not in seen:
        if above == wanted["key"]:
            message = _("%(name)s cannot stand below itself.") % {"name": wanted["name"]}
            raise CrowdtuneError("bad_survey", message, field="parent")
        seen.add(above)
        above = parents.get(above)


def add_example(*, category: Category, data: bytes, alt: str = "", user: Any) -> CategoryExample:
    """Show this picture to workers beside the category.

    Raises:
        CrowdtuneError: too_many_examples, invalid (the alternative text), or why it is no picture.
    """
    alt = _checked_alt(alt)
    picture = imaging.shrink(imaging.decode_rgb(data, shortest=LONGEST // 2), LONGEST, quality=85)
    width, height = imaging.open_image(picture).size
    name = f"projects/{category.project_id}/examples/{hashlib.sha256(picture).hexdigest()}.jpg"
    _check_room(category, name)
    with outside.stored():  # and outside of the lock, which everyone at work in the project would wait for
        storage.put(name, picture)
    with transaction.atomic():
        _hold(category)
        _check_room(category, name)
        example, created = CategoryExample.objects.get_or_create(
            category=category, file=name, defaults={"alt": alt, "width": width, "height": height}
        )
        if created:
            _log(example, user, "example_added", alt)
    return example


def change_example(*, example: CategoryExample, alt: str, user: Any) -> CategoryExample:
    """Change what is said of the picture."""
    alt = _checked_alt(alt)
    with transaction.atomic():
        _hold(example.category)
        before, example.alt = example.alt, alt
        example.save(update_fields=["alt"])
        if before != alt:
            _log(example, user, "example_changed", [before, alt])
    return example


def remove_example(*, example: CategoryExample, user: Any) -> None:
    """Show it no more; its file goes in the background, unless another category of the project shows it."""
    with transaction.atomic():
        _hold(example.category)
        _log(example, user, "example_removed", example.alt)
        row = CategoryExample.objects.filter(pk=example.pk)
        discarding.note_examples(row)
        row.delete()


def _hold(category: Category) -> None:
    """Lock the project and then it, as a change of the survey does: that may take it out, and its examples with it."""
    Project.objects.select_for_update().get(pk=category.project_id)
    races.held(Category.objects.all(), category.pk)


def _check_room(category: Category, name: str) -> None:
    if category.examples.exclude(file=name).count() >= MOST_EXAMPLES:
        message = _("A category shows at most %(most)s examples; remove one first.") % {"most": MOST_EXAMPLES}
        raise CrowdtuneError("too_many_examples", message, 409)


def _checked_alt(alt: str) -> str:
    alt = " ".join(alt.split())
    if len(alt) > LONGEST_ALT:
        message = _("At most %(most)s characters say what a picture shows.") % {"most": LONGEST_ALT}
        raise CrowdtuneError("invalid", message, field="alt")
    return alt


def _log(example: CategoryExample, user: Any, action: str, alt: Any) -> None:
    category = example.category
    audit.write(project=category.project, user=user, action=action, changes={"category": category.key, "shows": alt})
