"""``manage.py worker``: work off messages."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config import worker


class Command(BaseCommand):
    help = "Work off the messages of some queues, until SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--queues", nargs="+", default=["cpu", "default"])
        parser.add_argument("--threads", type=int, default=4)

    def handle(self, *args: Any, **options: Any) -> None:
        worker.run(set(options["queues"]), threads=options["threads"])
