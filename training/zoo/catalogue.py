"""Worker-side: the backbones of the zoo and the imported ones, by their keys; and going on from a champion.

Imported backbones lie under DATA_DIR/backbones. An operator puts them there (``manage.py backbones``); one that a
project's own champion has made is that project's alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q

from labeling.models import Project
from labeling.text.words import gettext as _
from training.errors import BadRequest, NothingToDo
from training.learning.errors import ArtifactDamaged, LearningError
from training.learning.files import sha256_of
from training.learning.networks import imported, weights
from training.learning.networks.backbones import BACKBONES, Backbone
from training.models import ModelVersion, TrainingPolicy, TrainingRun
from training.versions import champions

CHAMPION = "champion"  # in place of a key: what this project's champion has learned
RESERVED = {"auto", CHAMPION}
KEY = re.compile(r"[a-z][a-z0-9_.-]{1,39}")


@dataclass(frozen=True)
class Declared:
    """What an operator says of a .keras file; the file itself says the rest."""

    key: str
    title: str
    size: int
    preprocessing: str
    licence: str
    layer: str = ""
    cut: str = ""
    year: int = 0
    sha256: str = ""


def folder() -> Path:
    return settings.DATA_DIR / "backbones"


def key_of(name: str) -> str:
    """The key of what Keras and its papers call so (``MobileNetV2``, ``ResNet-50 V2``); any other name stays itself."""
    if name in BACKBONES or name in RESERVED or name in imported.keys(folder()):
        return name
    plain = {_letters(key): key for key in BACKBONES}
    said = _letters(name)
    return plain.get(said) or plain.get(f"{said}10") or name  # the width that Keras takes by itself: 1.0


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def backbone_of(key: str) -> Backbone:
    """Raises LearningError where there is none of this name."""
    return imported.find(key, folder())


def known(key: str) -> Backbone | None:
    """As ``backbone_of``, for showing what is long past: None where it is gone."""
    try:
        return backbone_of(key)
    except (LearningError, ArtifactDamaged):
        return None


def keys(project: Project | None = None) -> list[str]:
    """The table, then what is imported for all projects, then what is this project's own.

    One whose facts are damaged is not among them: `manage.py backbones list` tells of it.
    """
    mine = [key for key in imported.keys(folder()) if known(key) and may_use(key, project)]
    return [*BACKBONES, *mine]


def may_use(key: str, project: Project | None) -> bool:
    if key in BACKBONES:
        return True
    if not KEY.fullmatch(key) or not (folder() / key / imported.FACTS).is_file():
        return False
    owner = imported.facts_of(folder() / key)["project"]
    return owner == 0 or (project is not None and owner == project.pk)


def going_on_from(project: Project) -> tuple[str, str]:
    """The key to train with, and a note, for a project that wants to go on from its champion.

    A champion by feature extraction has changed nothing in its network; a fine-tuned one becomes a backbone here.
    """
    champion = champions.champion_of(project)
    if champion is None:
        return weights.best_available(settings.KERAS_HOME), _("There is no champion to go on from yet.")
    before = champion.run.backbone
    if "tail.npz" not in champion.manifest.get("files", {}):
        told = _("Version %(number)s left its network as it was, so this run stands on the same one.")
        return before, told % {"number": champion.number}
    key = f"champion-{project.pk}-{champion.number}"
    if known(key) is None:  # or not whole any more
        title = f"{backbone_of(before).title.split(' of version ')[0]} of version {champion.number}"
        _keep(champion, key=key, title=title, project=project.pk)
    return key, _("Going on from what version %(number)s has learned.") % {"number": champion.number}


def adopt(*, version: ModelVersion, key: str, title: str) -> Backbone:
    """Let every project stand on what a version of one project has learned.

    Raises:
        BadRequest: The key cannot be taken.
        LearningError: The version was trained by feature extraction (``nothing_learned``).
    """
    _check_key(key)
    return _keep(version, key=key, title=title, project=0)


def _keep(version: ModelVersion, *, key: str, title: str, project: int) -> Backbone:
    backbone = backbone_of(version.run.backbone)
    return imported.store_tail(
        settings.DATA_DIR / version.artifact,
        backbone,
        weights.require(backbone, settings.KERAS_HOME),
        folder(),
        key=key,
        title=title,
        source=f"version {version.number} of {version.project.slug}",
        project=project,
        taught_by=version.pk,
    )


def teachers_of(key: str) -> list[ModelVersion]:
    """The versions whose training is in this network: the one that it was made of, then the one that this stood on, …

    One that is gone with its project hides those before it.
    """
    teachers: list[ModelVersion] = []
    while known(key) is not None and key not in BACKBONES:
        taught_by = imported.facts_of(folder() / key)["version"]
        version = ModelVersion.objects.filter(pk=taught_by).select_related("run").slim().first()
        if version is None or version in teachers:
            break
        teachers.append(version)
        key = version.run.backbone
    return teachers


def add(*, file: Path, declared: Declared) -> Backbone:
    """Import a .keras file that the operator trusts; it is opened without running anything that came with it.

    Raises:
        BadRequest: The key cannot be taken, the preprocessing is unknown, or the file has another hash.
        LearningError: The file is unsafe or no backbone; the message says why.
    """
    _check_key(declared.key)
    if declared.sha256:
        _check_sha256(file, declared.sha256)
    # Keras: this runs in the operator's command only.
    from training.learning.networks.foreign import facts_of_network

    facts = facts_of_network(file, declared.layer, size=declared.size, cut=declared.cut)
    backbone = Backbone(
        key=declared.key,
        title=declared.title,
        year=declared.year,
        family="Imported",
        builder="file",
        size=declared.size,
        preprocessing=declared.preprocessing,
        parameters=facts["parameters"],
        top1_error=None,
        top5_error=None,
        licence=declared.licence,
        weights_file="network.keras",
        weights_url="",
        weights_hash="",
        cut=declared.cut,
        options={"layer": declared.layer} if declared.layer else {},
    )
    return imported.store(backbone, file, folder(), source=f"file {file.name}")


def users_of(key: str) -> list[Any]:
    """Slugs of the projects that have versions on this backbone or want it for a run, and the backbones made of it."""
    runs = TrainingRun.objects.filter(Q(model_version__isnull=False) | Q(state__in=TrainingRun.LIVE), backbone=key)
    policies = TrainingPolicy.objects.filter(backbone=key)
    slugs = {*runs.values_list("project__slug", flat=True), *policies.values_list("project__slug", flat=True)}
    others = {name: known(name) for name in imported.keys(folder())}
    return sorted({*slugs, *(name for name, other in others.items() if other and other.root and other.root.key == key)})


def remove(*, key: str) -> None:
    """Forget an imported backbone.

    Raises:
        BadRequest: There is none of this name.
        NothingToDo: A version, a run or another backbone stands on it; it could not be used any more.
    """
    is_damaged = key in imported.keys(folder()) and known(key) is None
    if key in BACKBONES or not (is_damaged or may_use(key, None)):
        raise BadRequest(_("There is no imported backbone %(key)s.") % {"key": repr(key)}, "key")
    users = users_of(key)
    if users:
        raise NothingToDo(
            _("%(key)s is used by %(users)s: train them on another backbone first.")
            % {"key": key, "users": ", ".join(users)}
        )
    imported.forget(key, folder())


def _check_key(key: str) -> None:
    if not KEY.fullmatch(key) or key in RESERVED or key.startswith(f"{CHAMPION}-") or key in BACKBONES:
        raise BadRequest(
            _(
                "%(key)s cannot be the name of a new backbone: 2 to 40 of a-z 0-9 _ . - beginning "
                "with a letter, not the name of one of the zoo."
            )
            % {"key": repr(key)},
            "key",
        )
    if (folder() / key).exists():
        raise BadRequest(
            _("There is an imported backbone %(key)s already. Choose another name, or remove it.") % {"key": repr(key)},
            "key",
        )


def _check_sha256(file: Path, expected: str) -> None:
    """Before anything is made of what is in the file."""
    try:
        found = sha256_of(file)
    except OSError as error:
        raise LearningError(f"{file.name} cannot be read: {error}.", "unreadable_file") from error
    if found != expected.lower():  # some tools write it in capitals
        raise BadRequest(
            _("%(name)s has the SHA-256 %(sha256)s, expected %(sha256_2)s.")
            % {"name": file.name, "sha256": found, "sha256_2": expected},
            "sha256",
        )
