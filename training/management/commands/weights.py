"""``manage.py weights``: which pretrained weights are on this machine, what is missing, and fetch it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from labeling.errors import CrowdtuneError
from training.learning.networks import weights
from training.learning.networks.backbones import BACKBONES
from training.zoo import table


class Command(BaseCommand):
    help = "List the pretrained weights on this machine, or fetch some of them into KERAS_HOME."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", nargs="?", choices=["list", "fetch"], default="list")
        parser.add_argument("backbones", nargs="*", metavar="backbone", help="Keys of the zoo; see `weights list`.")

    def handle(self, *args: Any, action: str, backbones: list[str], **options: Any) -> None:
        unknown = sorted(set(backbones) - set(BACKBONES))
        if unknown:
            raise CommandError(f"There is no backbone {', '.join(unknown)}. Known are {', '.join(BACKBONES)}.")
        if action == "fetch":
            self._fetch(backbones)
        else:
            self._list(backbones or list(BACKBONES))

    def _list(self, keys: list[str]) -> None:
        self.stdout.write(f"Weights under KERAS_HOME={settings.KERAS_HOME}:")
        for key in keys:
            row = table.entry(key, settings.KERAS_HOME)
            self.stdout.write(f"  {key:24} {row.weights:13} {row.weights_file}")
        best = weights.best_available(settings.KERAS_HOME)
        self.stdout.write(f"backbone=auto would use {best}.")

    def _fetch(self, keys: list[str]) -> None:
        if not keys:
            raise CommandError("Name at least one backbone: `manage.py weights fetch mobilenet_v2_1.0`.")
        failed = 0
        for key in keys:
            try:
                found = weights.fetch(BACKBONES[key], settings.KERAS_HOME, self._progress)
                self.stdout.write(f"{key}: {found.state}, {found.path}")
            except CrowdtuneError as error:
                failed += 1
                expected = weights.locate(BACKBONES[key], settings.KERAS_HOME).expected
                self.stderr.write(f"{key}: {error.message}\n  The file that would satisfy it: {expected}")
        if failed:
            raise CommandError(f"{failed} of {len(keys)} could not be fetched.")

    def _progress(self, share: float) -> bool:
        self.stdout.write(f"\r  {share:.0%}", ending="")
        self.stdout.flush()
        return True
