"""``manage.py worker``: work off messages."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from config.processes import worker
from training.runs.trainer import TRAINER

QUEUES = ("cpu", "gpu", "default")  # whoever listens to another one waits for ever


class Command(BaseCommand):
    help = "Work off the messages of some queues, until SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        told = "cpu: imports, consensus, exports, scoring; gpu: training (default: cpu default)"
        parser.add_argument("--queues", nargs="+", default=["cpu", "default"], choices=QUEUES, help=told)
        threads = f"messages at once (default: WORKER_THREADS, {settings.WORKER_THREADS})"
        parser.add_argument("--threads", type=_number, default=settings.WORKER_THREADS, help=threads)
        parser.add_argument("--gpu", type=int, help="the only GPU that trainings of this worker may use: 0, 1, …")

    def handle(self, *args: Any, **options: Any) -> None:
        TRAINER.gpu = options["gpu"]
        worker.run(set(options["queues"]), threads=options["threads"])


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)
