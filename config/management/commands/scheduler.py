"""``manage.py scheduler``: send what is due by the clock."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from config.scheduler import SCHEDULE, Scheduler


class Command(BaseCommand):
    help = "Send the messages that are due by the clock, until SIGTERM."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Scheduler(SCHEDULE).run(stop)
