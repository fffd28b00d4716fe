"""``manage.py trainer``: the warm child process of training.runs.trainer. Started by the worker, not by people."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import IO, Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from training.runs import running


class Command(BaseCommand):
    requires_system_checks = ()  # they import every address, and a run waits for this process
    help = "The trainer process that the gpu worker starts: does one training run after another, read from its stdin."

    def handle(self, *args: Any, **options: Any) -> None:
        # Libraries print to stdout as they like: the answers get a pipe of their own.
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        messages: list[bytes] = []
        arrived = threading.Semaphore(0)
        threading.Thread(target=_listen, args=(messages, arrived), daemon=True).start()
        while True:
            arrived.acquire()
            message = json.loads(messages.pop(0))
            close_old_connections()
            running.VERBS[message["verb"]](message["id"], lambda attempt: _write(answers, {"attempt": attempt}))
            close_old_connections()
            # TensorFlow does not give its memory back: a process that loaded it ends, a fresh one is started.
            leaving = "tensorflow" in sys.modules or "jax" in sys.modules or "torch" in sys.modules
            _write(answers, {"leaving": leaving})
            if leaving:
                os._exit(0)


def _write(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _listen(messages: list[bytes], arrived: threading.Semaphore) -> None:
    """Queue the lines; when the worker is gone, so is this process, whatever it is in the middle of.

    They are read without a buffer: its lock would be held, and Python ended by SIGABRT where an error ends it.
    """
    with open(0, "rb", buffering=0, closefd=False) as pipe:
        while line := pipe.readline():
            messages.append(line)
            arrived.release()
    os._exit(3)
