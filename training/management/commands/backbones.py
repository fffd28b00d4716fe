"""``manage.py backbones``: networks beside the zoo that projects can stand on.

    manage.py backbones list
    manage.py backbones add net.keras --key street_net --title "Street net" --size 160 --preprocessing tf \\
        --licence MIT --layer pooled --cut block_12_add
    manage.py backbones add net.keras --manifest net.json
    manage.py backbones adopt birds --version 4 --key birds_net
    manage.py backbones remove street_net

``add`` takes a .keras file that whoever runs this command trusts; it is read without running anything that came with
it (training.learning.networks.foreign). ``adopt`` lets every project stand on what a fine-tuned version of one has
learned.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from labeling.errors import CrowdtuneError
from training.learning.errors import ArtifactDamaged
from training.learning.networks import imported
from training.learning.networks.network import PREPROCESSING
from training.models import ModelVersion
from training.zoo import catalogue, table

NAMES = [field.name for field in fields(catalogue.Declared)]
NEEDED = ("key", "title", "size", "preprocessing", "licence")


class Command(BaseCommand):
    help = "List, add, adopt or remove backbones beside those of the zoo."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="what is imported, and who uses it")
        add = actions.add_parser("add", help="import a .keras file that you trust")
        add.add_argument("file", type=Path, help="the .keras file")
        add.add_argument("--manifest", type=Path, help=f"JSON with any of {', '.join(NAMES)}")
        add.add_argument("--key", help="its name in the database: a-z 0-9 _ . -")
        add.add_argument("--title", help="its name for people")
        add.add_argument("--size", type=int, help="side of its input in pixels")
        add.add_argument("--preprocessing", choices=PREPROCESSING, help="what its pixels go through; inside = nothing")
        add.add_argument("--licence", help="of its weights")
        add.add_argument("--layer", help="use this layer's output as features (default: the network's)")
        add.add_argument(
            "--cut",
            help="where its last block begins, so that it can be fine-tuned: a layer of it, or of one inside it",
        )
        add.add_argument("--year", type=int, help="in which it was published")
        add.add_argument("--sha256", help="refuse another file than this one")
        adopt = actions.add_parser("adopt", help="what a fine-tuned version has learned, for every project")
        adopt.add_argument("project", help="as in its address")
        adopt.add_argument("--version", type=int, dest="number", help="default: the champion")
        adopt.add_argument("--key", required=True, help="the name of the new backbone in the database: a-z 0-9 _ . -")
        adopt.add_argument("--title", help="its name for people")
        remove = actions.add_parser("remove", help="forget an imported backbone that no version stands on")
        remove.add_argument("key", help="as `backbones list` shows it")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(options)
        except CrowdtuneError as error:
            raise CommandError(error.message) from error

    def _list(self, options: dict[str, Any]) -> None:
        keys = imported.keys(catalogue.folder())
        self.stdout.write(f"{len(keys)} imported under {catalogue.folder()}")
        for key in keys:
            try:
                row, facts = table.entry(key, settings.KERAS_HOME), imported.facts_of(catalogue.folder() / key)
            except ArtifactDamaged as error:
                self.stdout.write(f"  {key:24} damaged   {error.message}")
                continue
            users = ", ".join(catalogue.users_of(key)) or "nobody"
            self.stdout.write(f"  {key:24} {row.weights:9} {row.title}, from {facts['source']}; used by {users}")

    def _add(self, options: dict[str, Any]) -> None:
        said = _read(options["manifest"]) if options["manifest"] else {}
        said |= {name: options[name] for name in NAMES if options.get(name) is not None}
        missing = [name for name in NEEDED if not said.get(name)]
        unknown = sorted(set(said) - set(NAMES))
        if missing or unknown:
            raise CommandError(
                f"Missing: {', '.join(missing) or 'nothing'}; unknown: {', '.join(unknown) or 'nothing'}."
            )
        if said["preprocessing"] not in PREPROCESSING:
            raise CommandError(f"Expected a preprocessing of {', '.join(PREPROCESSING)}; got {said['preprocessing']}.")
        backbone = catalogue.add(file=options["file"], declared=catalogue.Declared(**said))
        self.stdout.write(f"{backbone.key}: {backbone.parameters:,} parameters, SHA-256 {backbone.sha256}")

    def _adopt(self, options: dict[str, Any]) -> None:
        rows = ModelVersion.objects.filter(project__slug=options["project"]).select_related("project", "run")
        number = options["number"]
        version = rows.filter(number=number).first() if number else rows.champions().first()
        if version is None:
            raise CommandError(f"{options['project']} has no {f'version {number}' if number else 'champion'}.")
        title = options["title"] or f"{version.project.name}, version {version.number}"
        backbone = catalogue.adopt(version=version, key=options["key"], title=title)
        self.stdout.write(f"{backbone.key}: {backbone.title}, SHA-256 {backbone.sha256}")

    def _remove(self, options: dict[str, Any]) -> None:
        catalogue.remove(key=options["key"])
        self.stdout.write(f"{options['key']} is gone.")


def _read(manifest: Path) -> dict[str, Any]:
    try:
        said = json.loads(manifest.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{manifest} cannot be read as JSON: {error}.") from error
    if not isinstance(said, dict):
        raise CommandError(f"{manifest}: expected one object with any of {', '.join(NAMES)}.")
    for name in said:
        kind = int if name in ("size", "year") else str
        if name in NAMES and type(said[name]) is not kind:
            raise CommandError(f"{manifest}: {name} must be {kind.__name__}, got {said[name]!r}.")
    return said
