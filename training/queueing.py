"""Worker-side: make the row of a run. Whoever calls sends the message in the same transaction."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from labeling.models import Project
from training import due
from training.errors import BadRequest, RunIsLive
from training.learning import weights
from training.learning.backbones import BACKBONES
from training.models import Recipe, TrainingRun
from training.snapshots import freeze_snapshot

# What a caller may set beside backbone, recipe and augmentation: name -> the types that are taken.
OPTIONS: dict[str, tuple[type, ...]] = {
    "soft_labels": (bool,),
    "seed": (int,),
    "epochs": (int,),
    "hidden": (int,),
    "views": (int,),
    "label_smoothing": (float, int),
    "class_weights": (bool,),
    "learning_rate": (float, int),
    "strength": (float, int),
}


@transaction.atomic
def create_run(
    *,
    project: Project,
    cause: str,
    requested_by: Any = None,
    backbone: str | None = None,
    recipe: str | None = None,
    augmentation: bool | None = None,
    options: dict[str, Any] | None = None,
) -> TrainingRun:
    """Freeze the labels of now and write down a run on them; what is not given comes from the project's policy.

    Raises:
        NotEnoughLabels: There is too little to train on; the message says what is missing.
        RunIsLive: A run of this project is queued or running.
        BadRequest: An unknown backbone, recipe or option.
    """
    check_choice(backbone=backbone, recipe=recipe)
    checked = check_options(options or {})
    _refuse_second(project)
    policy = due.policy_of(project)
    snapshot = freeze_snapshot(project=project)
    key, note = resolve_backbone(backbone or policy.backbone)
    try:
        with transaction.atomic():
            return TrainingRun.objects.create(
                project=project,
                snapshot=snapshot,
                cause=cause,
                requested_by=requested_by,
                backbone=key,
                recipe=recipe or policy.recipe,
                augmentation=policy.augmentation if augmentation is None else augmentation,
                seed=checked.pop("seed", 0),
                options={"soft_labels": policy.soft_labels, **checked, "backbone_note": note},
            )
    except IntegrityError:
        _refuse_second(project)
        raise


def _refuse_second(project: Project) -> None:
    live = TrainingRun.objects.filter(project=project, state__in=["queued", "running"]).first()
    if live is not None:
        raise RunIsLive(_("A run of this project is %(state)s. Wait for it, or cancel it.") % {"state": live.state})


def resolve_backbone(wanted: str) -> tuple[str, str]:
    """The backbone that can be used here and now, and a note where that is not the one that was wanted."""
    key = weights.best_available(settings.KERAS_HOME, wanted)
    if wanted in ("auto", key):
        return key, ""
    missing = weights.locate(BACKBONES[wanted], settings.KERAS_HOME)
    note = (
        f"The weights of {wanted} are not on this machine ({missing.expected} would satisfy it;"
        f" `manage.py weights fetch {wanted}` downloads it). Using {key}, the best that is here."
    )
    return key, note


def check_choice(*, backbone: str | None, recipe: str | None) -> None:
    """Raise BadRequest on a backbone or a recipe that does not exist."""
    if backbone is not None and backbone != "auto" and backbone not in BACKBONES:
        raise BadRequest(f"There is no backbone {backbone!r}; /api/v1/backbones/ lists those there are.", "backbone")
    if recipe is not None and recipe not in Recipe.values:
        raise BadRequest(f"There is no recipe {recipe!r}; expected {' or '.join(Recipe.values)}.", "recipe")


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options, known and of the right type; raises BadRequest otherwise."""
    for name, value in options.items():
        kinds = OPTIONS.get(name)
        if kinds is None:
            raise BadRequest(f"There is no option {name!r}; those are {', '.join(OPTIONS)}.", name)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise BadRequest(f"{name} must be {kinds[0].__name__}, got {value!r}.", name)
        if options[name] < 0:
            raise BadRequest(f"{name} must not be negative, got {value!r}.", name)
    return dict(options)
