"""A project's own life: created with its survey, changed with a trace, deleted with all that it holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from labeling import audit, jobs
from labeling.accounts import earnings
from labeling.actors import discard_files, follow_bounds, reopen_affordable, retire_spent
from labeling.aggregation import AGGREGATORS
from labeling.collecting import phases, spending
from labeling.consensus import bounds
from labeling.consensus.stopping import POLICIES
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey, Job, Membership, Project, Role
from labeling.models.project import invite_token
from labeling.resilience import races
from labeling.services import surveys
from labeling.surveys import tongues
from labeling.text.words import gettext as _
from labeling.upkeep import discarding

# Settings of a project that people may change; everything else on the row is counted by the platform.
SETTINGS = (
    "name",
    "instructions",
    "languages",
    "access",
    "workflow",
    "judgments_min",
    "judgments_max",
    "confidence",
    "stopping",
    "aggregator",
    "lease_seconds",
    "price_per_judgment",
    "budget",
    "gold_rate",
    "qualification_share",
    "show_suggestions",
    "blind_share",
    "is_paused",
)
REFIT = {"aggregator", "confidence", "stopping"}  # what the labels that are there depend on: they are fitted anew
RESERVED = {"new"}
REOPENED_AT_ONCE = 500  # tasks, so that whoever raises a budget finds work at once


def create_project(
    *,
    owner: User,
    name: str,
    categories: Sequence[Any] = (),
    questions: Sequence[Mapping[str, Any]] | None = None,
    language: str | None = None,
    wordings: Mapping[str, Any] | None = None,
    slug: str | None = None,
    is_demo: bool = False,
    **settings: Any,
) -> Project:
    """Create a project with its survey; the owner may label in it too.

    Args:
        categories: Names, or ``{"key", "name", "description", "parent", "wordnet_id"}``.
        questions: ``{"key", "kind", "prompt", "required", …}``; by default one single choice over the categories.
        language: Of the survey, as ``replace_survey`` takes it.
        wordings: Its translations, as ``replace_survey`` takes them.
        settings: Any of SETTINGS.

    Raises:
        CrowdtuneError: invalid or bad_survey, with the reason for each field.
    """
    project = Project(owner=owner, name=name.strip(), is_demo=is_demo, **_known(settings))
    if not project.name:
        raise CrowdtuneError("invalid", _("A project needs a name."), fields={"name": [_("A name is needed.")]})
    with transaction.atomic():
        _save_under_free_slug(project, slug or slugify(name)[:70] or "project")
        Membership.objects.create(project=project, user=owner, role=Role.OWNER)
        surveys.replace_survey(
            project=project,
            user=owner,
            categories=list(categories),
            questions=questions,
            language=language,
            wordings=wordings,
        )
        audit.write(project=project, user=owner, action="created")
    project.refresh_from_db()
    return project


def change_project(*, project: Project, user: Any, **settings: Any) -> Project:
    """Change settings; each change is written into the audit log with what stood there before."""
    values = _known(settings)
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        changes = audit.differences(row, values)
        if "workflow" in changes:  # its tasks and its survey are of the other one
            message = _("The workflow is chosen when a project is created; make another project for this one.")
            raise CrowdtuneError("invalid", message, field="workflow")
        for name, value in values.items():
            setattr(row, name, value)
        _check(row, unchanged={field.name for field in row._meta.fields} - set(changes))
        if changes:
            if REFIT & set(changes):
                row.answers_version += 1
            row.save(update_fields=[*changes, "answers_version"])
            audit.write(project=row, user=user, action="settings", changes=changes)
        if "qualification_share" in changes:  # after the commit, for here the project is locked before its workers
            transaction.on_commit(partial(phases.look_again, row))
        if bounds.FOLLOWED & set(changes) and bounds.are_due(row):
            kind = "follow_bounds"
            jobs.start(project=row, kind=kind, arguments={}, requested_by=user, actor=follow_bounds, even_archived=True)
        if {"budget", "price_per_judgment"} & set(changes):
            if not row.is_spent:
                reopen_affordable.send(row.pk)
                # After the commit, for here the project is locked before its tasks; the actor does all others.
                now = partial(spending.reopen_when_affordable, project_id=row.pk, most=REOPENED_AT_ONCE)
                transaction.on_commit(now, robust=True)
            elif row.price_per_judgment:  # no answer may come any more that would find it out
                retire_spent.send(row.pk)
    return row


def renew_invite(*, project: Project, user: Any) -> Project:
    """Make a new invitation link; the old one stops working."""
    with transaction.atomic():
        row = Project.objects.select_for_update().get(pk=project.pk)
        row.invite = invite_token()
        row.save(update_fields=["invite"])
        audit.write(project=row, user=user, action="invite_renewed")
    return row


@races.retried
def delete_project(*, project: Project) -> None:
    """Take the project out of everybody's sight at once; its rows and files go in the background.

    Its address is free again. Leases, jobs and memberships end here; what people earned stays in their own record. A
    file that an image of another project refers to stays.
    """
    with transaction.atomic():
        members = Membership.objects.filter(project_id=project.pk).order_by("pk")
        list(members.select_for_update().values_list("pk"))  # before the project, as an answer does
        mark = invite_token()
        gone = {"slug": f"{project.pk}-deleted-{mark}"[:80], "invite": mark, "access": Project.Access.INVITED}
        if not Project.objects.filter(pk=project.pk).update(deleted_at=timezone.now(), is_paused=True, **gone):
            return
        earnings.keep(project)
        discarding.note_project(project)
        for rows in (Job, Membership, ApiKey):
            rows.objects.filter(project_id=project.pk).delete()
        discard_files.send()


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        fields = {name: ["unknown"] for name in unknown}
        raise CrowdtuneError(
            "invalid", _("Unknown settings: %(unknown)s.") % {"unknown": ", ".join(unknown)}, fields=fields
        )
    return dict(settings)


def _check(project: Project, unchanged: Collection[str] = ()) -> None:
    """The row's own validation, in the API's shape. What was stored under an older bound keeps no other from change."""
    if project.judgments_max < project.judgments_min:
        message = _(
            "The most judgments of a task, %(judgments_max)s, must not be below the least, %(judgments_min)s."
        ) % {
            "judgments_max": project.judgments_max,
            "judgments_min": project.judgments_min,
        }
        raise CrowdtuneError("invalid", message, field="judgments_per_task")
    for name, known in (("aggregator", AGGREGATORS), ("stopping", POLICIES)):
        if getattr(project, name) not in known:
            message = _("%(name)s must be one of %(known)s; got %(value)s.") % {
                "name": name,
                "known": ", ".join(known),
                "value": repr(getattr(project, name)),
            }
            raise CrowdtuneError("invalid", message, field=name)
    if not 0 < project.confidence < 1:
        message = _("confidence is a probability between 0 and 1; got %(value)s.") % {"value": project.confidence}
        raise CrowdtuneError("invalid", message, field="confidence")
    if not isinstance(project.languages, list) or not all(isinstance(code, str) for code in project.languages):
        message = _("languages is a list of codes such as en and hi.")
        raise CrowdtuneError("invalid", message, field="languages")
    if "languages" not in unchanged:
        _check_languages(project.languages)
    try:
        project.clean_fields(exclude=set(unchanged))
        project.validate_constraints()
    except ValidationError as error:
        fields = error.message_dict
        name, why = next(iter(fields.items()))
        raise CrowdtuneError("invalid", f"{name}: {why[0]}", fields=fields) from error


def _check_languages(codes: Sequence[str]) -> None:
    for code in codes:
        if code not in tongues.NAMES:
            message = _("%(code)s is no language code that is known here, such as hi, ar or pt-br.")
            raise CrowdtuneError("invalid", message % {"code": f"{code!r:.40}"}, field="languages")
    if len(set(codes)) < len(codes):
        raise CrowdtuneError("invalid", _("Each language must be there once."), field="languages")


def _save_under_free_slug(project: Project, wanted: str) -> None:
    """``cats``, else ``cats-2``, … : the unique index decides, so two people can ask at once."""
    stem = re.sub(r"[^a-z0-9-]+", "-", wanted.lower()).strip("-") or "project"
    taken = set(Project.objects.filter(slug__startswith=stem).values_list("slug", flat=True)) | RESERVED
    numbers = iter(range(2, 100_000))
    project.slug = stem
    while True:
        while project.slug in taken:
            project.slug = f"{stem}-{next(numbers)}"
        _check(project)
        try:
            with transaction.atomic():
                project.save(force_insert=True)
        except IntegrityError:
            if not Project.objects.filter(slug=project.slug).exists():
                raise
            taken.add(project.slug)
            project.pk = None
        else:
            return
