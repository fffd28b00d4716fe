"""``manage.py pretrain``: make the small backbone of the repository anew, or measure one, and write its card.

    manage.py pretrain --images pictures --hold-out trashnet

trains ``crowdtune_small`` (training.learning.networks.pretrain says how) on every set under --images, a folder each
with a folder of pictures for each class, but the held-out ones, measures a linear probe on the held-out sets beside
MobileNetV2 0.35, and leaves the network and its card in DATA_DIR/pretrained;
``--out training/learning/assets/crowdtune_small.npz`` replaces the repository's own. The time is of CPU, so a busy
machine gives the same network later, not a worse one.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from training.learning.files import write_atomic
from training.learning.networks.backbones import BACKBONES
from training.learning.networks.weights import ASSETS, Weights, locate
from training.learning.probe import card, files_of, linear_probe

TEACHER = "models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
OWN = ASSETS / "crowdtune_small.npz"
BESIDE = ("mobilenet_v2_0.35", "mobilenet_0.25")


class Command(BaseCommand):
    help = "Train the small backbone of the repository by distillation, measure it and write its card."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--images", type=Path, required=True, help="one folder per set")
        parser.add_argument("--weights", type=Path, default=settings.KERAS_HOME, help="a KERAS_HOME")
        parser.add_argument("--hold-out", nargs="*", default=["trashnet"], help="sets that the training never sees")
        parser.add_argument("--probe", nargs="*", help="sets to measure on (default: the held-out ones)")
        parser.add_argument("--seconds", type=float, default=900, help="of CPU")
        parser.add_argument("--crops", type=int, default=8000, help="that the teacher looks at")
        parser.add_argument("--seed", type=int, default=0)
        told = f"an .npz file (default: in DATA_DIR/pretrained; with --measure-only {OWN.name} of the repository)"
        parser.add_argument("--out", type=Path, help=told)
        parser.add_argument("--measure-only", action="store_true", help="no training: measure --out and write its card")

    def handle(self, **options: Any) -> None:
        try:
            self._handle(options)
        except KeyboardInterrupt:
            told = "Stopped. Each file is as it was or whole; a network without its .md has not been measured yet."
            raise CommandError(told, returncode=130) from None

    def _handle(self, options: dict[str, Any]) -> None:
        out: Path | None = options["out"]
        if out is None and not options["measure_only"]:
            out = settings.DATA_DIR / "pretrained" / OWN.name
            out.parent.mkdir(parents=True, exist_ok=True)
        out = options["out"] = out or OWN
        sets = options["probe"] or options["hold_out"]
        self._check(sets, options)  # now, and not after a quarter of an hour of training
        if not options["measure_only"]:
            self._train(out, options)
        self.stdout.write(f"Measuring on {', '.join(sets)}: each set is looked at by {len(BESIDE) + 2} networks.")
        facts = json.loads(out.with_suffix(".json").read_text())
        facts["probe"] = {}
        small = BACKBONES["crowdtune_small"]
        mine = Weights(out, "bundled", "", out)
        untrained = Weights(None, "random", "", out)
        entries = [(small.key, small, mine), (f"{small.key}, untrained", small, untrained)]
        entries += [(key, BACKBONES[key], locate(BACKBONES[key], options["weights"])) for key in BESIDE]
        for name, backbone, found in entries:
            if found.usable or found is untrained:
                facts["probe"][name] = {one: linear_probe(backbone, found, options["images"] / one) for one in sets}
                self.stdout.write(f"{name:28} {facts['probe'][name]}")
        write_atomic(out.with_suffix(".json"), json.dumps(facts, indent=1).encode())
        write_atomic(out.with_suffix(".md"), card(facts, out.stat().st_size).encode())
        self.stdout.write(f"{out} and its .json and .md are there.")

    def _check(self, sets: list[str], options: dict[str, Any]) -> None:
        for one in sets:
            folder = options["images"] / one
            if len({path.parent for path in files_of(folder)}) < 2:
                raise CommandError(
                    f"{folder}: expected a set to measure on, with a folder of pictures for each class. Name another"
                    " one by --hold-out or --probe."
                )
        out: Path = options["out"]
        if not options["seconds"] > 0 or options["crops"] < 1:
            raise CommandError(
                f"--seconds must be above 0 and --crops at least 1; got {options['seconds']:g} and {options['crops']}."
            )
        if out.suffix != ".npz":
            raise CommandError(f"{out}: expected a name that ends in .npz; its .json and .md are written beside it.")
        if not os.access(out.parent, os.W_OK):
            raise CommandError(
                f"{out.parent}: expected a folder that can be written to. Make it, or name another --out."
            )
        if options["measure_only"] and not (out.is_file() and out.with_suffix(".json").is_file()):
            raise CommandError(f"{out} and its .json are not both there: train first, without --measure-only.")
        teacher = options["weights"] / TEACHER
        if not options["measure_only"] and not teacher.is_file():
            raise CommandError(f"{teacher}: the weights of the teacher are not there. Name their folder by --weights.")

    def _train(self, out: Path, options: dict[str, Any]) -> None:
        from training.learning.networks.pretrain import (  # Keras: only this command and the trainer reach it
            PretrainOptions,
            Teacher,
            pretrain,
            read_pictures,
            save_half,
        )

        data = read_pictures(options["images"], options["hold_out"])
        self.stdout.write(
            f"{len(data.images)} pictures of {data.sets}, {len(data.classes)} classes. The teacher looks at"
            f" {options['crops']} crops of them, then the training takes {options['seconds'] / 60:.1f} minutes of CPU"
            f" and the measuring some more. Ctrl-C stops it; {out} is written when the training has ended."
        )
        rule = PretrainOptions(seconds=options["seconds"], crops=options["crops"], seed=options["seed"])
        teacher = Teacher(options["weights"] / TEACHER, threads=1)
        weights, log = pretrain(data, teacher, rule, lambda row: self.stdout.write(json.dumps(row)))
        facts = {"teacher": "MobileNetV2 1.0", "sets": data.sets, "held_out": options["hold_out"], "log": log[-1:],
                 "seconds": options["seconds"], "crops": options["crops"], "seed": options["seed"]}  # fmt: skip
        size = save_half(weights, out, facts)
        out.with_suffix(".md").unlink(missing_ok=True)  # it told of another network
        self.stdout.write(f"{out}: {size / 1e6:.2f} MB")
