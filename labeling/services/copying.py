"""A new project like another one: what is asked and how, without what was asked about and who answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.forms.models import model_to_dict

from labeling import audit
from labeling.models import CategoryExample, Project
from labeling.services.oversight import RULE_FIELDS, add_rule
from labeling.services.projects import SETTINGS, create_project
from labeling.text.words import gettext as _

# A copy has a name of its own, and begins with nobody to be kept waiting.
NOT_COPIED = {"name", "is_paused"}
Copier = Callable[[Project, Project, Any], object]  # (project, copy, user)
LONGEST_NAME = 200


@transaction.atomic
def copy_project(*, project: Project, user: User, name: str = "", others: Sequence[Copier] = ()) -> Project:
    """Make a project of ``user`` with this one's survey of today, its pictures of examples, settings and rules.

    Images, judgments, labels, people, invitations, keys and webhooks stay where they are. Example pictures are files of
    both projects: they go when neither shows them any more (``labeling.upkeep.discarding``).

    Args:
        others: What the rooms above have to copy.

    Raises:
        CrowdtuneError: invalid or bad_survey, where a setting was stored under a bound that there is no more.
    """
    asked = project.frozen_survey()
    copy = create_project(
        owner=user,
        name=name.strip() or (_("Copy of %(name)s") % {"name": project.name})[:LONGEST_NAME],
        categories=asked["categories"],
        questions=asked["questions"],
        language=asked.get("language"),
        wordings=asked.get("translations"),
        **{setting: getattr(project, setting) for setting in SETTINGS if setting not in NOT_COPIED},
    )
    _copy_examples(project, copy)
    for rule in project.rules.order_by("pk"):
        add_rule(project=copy, user=user, **model_to_dict(rule, RULE_FIELDS))
    for other in others:
        other(project, copy, user)
    origin = {"project": project.slug, "version": project.survey_version}
    audit.write(project=copy, user=user, action="copied_from", changes=origin)
    audit.write(project=project, user=user, action="copied", changes={"project": copy.slug})
    copy.refresh_from_db()
    return copy


def _copy_examples(project: Project, copy: Project) -> None:
    ids = dict(copy.categories.values_list("key", "pk"))
    shown = CategoryExample.objects.filter(category__project=project).select_related("category").order_by("pk")
    CategoryExample.objects.bulk_create(
        CategoryExample(
            category_id=ids[one.category.key], file=one.file, width=one.width, height=one.height, alt=one.alt
        )
        for one in shown
    )
