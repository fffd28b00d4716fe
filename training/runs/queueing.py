"""Worker-side: make the row of a run. Whoever calls sends the message in the same transaction."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.accounts import archived
from labeling.models import Project
from labeling.text.words import gettext as _
from training.errors import BadRequest, RunIsLive
from training.models import Recipe, TrainingPolicy, TrainingRun
from training.runs.progress import log_line
from training.snapshots.freezing import freeze_snapshot
from training.versions import champions
from training.zoo import catalogue, choosing

ASKED = {"person", "api"}  # causes of runs that somebody asked for; all others start by themselves
State = TrainingRun.State
# What a caller may set beside backbone, recipe and augmentation: name -> the types that are taken, least and most.
OPTIONS: dict[str, tuple[tuple[type, ...], float, float]] = {
    "soft_labels": ((bool,), 0, 1),
    "mirror": ((bool,), 0, 1),
    "seed": ((int,), 0, 2**31 - 1),
    "epochs": ((int,), 1, 10_000),
    "hidden": ((int,), 0, 8_192),
    "views": ((int,), 0, 64),
    "label_smoothing": ((float, int), 0, 0.9),
    "class_weights": ((bool,), 0, 1),
    "learning_rate": ((float, int), 1e-12, 1e38),
    "strength": ((float, int), 1e-12, 1e12),
}


class Wishes(TypedDict, total=False):
    """What a run may be asked for; what is left out, or None, comes from the project's policy.

    ``backbone`` is a key of the zoo or of an imported one, ``auto``, or ``champion`` to go on from what this project's
    champion has learned.
    """

    requested_by: Any
    backbone: str | None
    recipe: str | None
    augmentation: bool | None
    options: dict[str, Any] | None


@transaction.atomic
def create_run(*, project: Project, cause: str, **wishes: Unpack[Wishes]) -> TrainingRun:
    """Freeze the labels of now and write down a run on them.

    Raises:
        NotEnoughLabels: There is too little to train on; the message says what is missing.
        RunIsLive: A run of this project is queued or running; one that started by itself gives way to one asked for.
        BadRequest: An unknown backbone, recipe or option.
        CrowdtuneError: project_archived.
    """
    check_choice(project=project, backbone=wishes.get("backbone"), recipe=wishes.get("recipe"))
    checked = check_options(wishes.get("options") or {})
    _refuse_second(project, cause)
    policy = TrainingPolicy.of(project)
    snapshot = freeze_snapshot(project=project)
    key, note = choosing.usable_backbone(wishes.get("backbone") or policy.backbone, project)
    augmentation = wishes.get("augmentation")
    mirror = {} if policy.mirror else {"mirror": False}
    try:
        with transaction.atomic():
            if cause in ASKED:
                _end_unasked(project)
            run = TrainingRun.objects.create(
                project=project,
                snapshot=snapshot,
                cause=cause,
                requested_by=wishes.get("requested_by"),
                backbone=key,
                recipe=wishes.get("recipe") or policy.recipe,
                augmentation=policy.augmentation if augmentation is None else augmentation,
                seed=checked.pop("seed", 0),
                options={"soft_labels": policy.soft_labels, **mirror, **checked, **note},
            )
            archived.refuse_new(project.pk)
            return run
    except IntegrityError:
        _refuse_second(project, "")
        raise


def _end_unasked(project: Project) -> None:
    """End a live run that nobody asked for: the new one learns from the same labels and newer ones."""
    champions.lock(project.pk)  # before the run, as whoever files its version does
    for live in TrainingRun.objects.live().filter(project=project).exclude(cause__in=ASKED).select_for_update():
        live.log = [*live.log, log_line(_("Cancelled: somebody asked for a run of their own."))]
        live.state, live.cancel_requested = State.CANCELLED, True
        live.finished_at, live.seconds_left = timezone.now(), None
        live.save(update_fields=["state", "cancel_requested", "finished_at", "seconds_left", "log"])


def _refuse_second(project: Project, cause: str) -> None:
    live = TrainingRun.objects.live().filter(project=project).first()
    if live is None or (cause in ASKED and live.cause not in ASKED):
        return
    if live.state == TrainingRun.State.QUEUED:
        raise RunIsLive(_("A run of this project is queued. Wait for it, or cancel it."))
    raise RunIsLive(_("A run of this project is running. Wait for it, or cancel it."))


def check_choice(*, project: Project, backbone: str | None, recipe: str | None, reserved: bool = True) -> None:
    """Raise BadRequest on a backbone or a recipe that does not exist, or that is another project's own.

    Args:
        reserved: Whether ``auto`` and ``champion`` may stand for a backbone here.
    """
    stands_for_one = reserved and backbone in catalogue.RESERVED
    if backbone is not None and not stands_for_one and not catalogue.may_use(backbone, project):
        raise BadRequest(
            _("There is no backbone %(backbone)s; /api/v1/backbones/ lists those there are.")
            % {"backbone": repr(backbone)},
            "backbone",
        )
    if recipe is not None and recipe not in Recipe.values:
        raise BadRequest(
            _("There is no recipe %(recipe)s; expected %(values)s.")
            % {"recipe": repr(recipe), "values": " or ".join(Recipe.values)},
            "recipe",
        )


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options, known, of the right type and within their bounds; raises BadRequest otherwise."""
    for name, value in options.items():
        if name not in OPTIONS:
            raise BadRequest(
                _("There is no option %(name)s; those are %(options)s.")
                % {"name": repr(name), "options": ", ".join(OPTIONS)},
                name,
            )
        kinds, least, most = OPTIONS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise BadRequest(
                _("%(name)s must be %(name_2)s, got %(value)s.")
                % {"name": name, "name_2": kinds[0].__name__, "value": repr(value)},
                name,
            )
        if not least <= options[name] <= most:  # which what is no number is not, either
            raise BadRequest(
                _("%(name)s must be from %(least)s to %(most)s, got %(value)s.")
                % {"name": name, "least": f"{least:.10g}", "most": f"{most:.10g}", "value": repr(value)},
                name,
            )
    return dict(options)
