"""The trainer process, but that it sends itself a signal, once for each of some stages.

``python -m tests.training.struck_trainer STAGES SIGNAL FOLDER``: a file per stage in the folder says that it was.

``registered`` is the moment after the version was filed and before the worker was told; ``epoch`` the one after an
epoch of the tuning stage was saved, and every saved epoch's number goes into a file ``epochs``. The signal -1 is no
signal: the database ends the session, as it does when it is restarted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.db import connection


def main(stages: str, number: str, folder: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from training.runs import pipeline, registry

    def struck(stage: str, work: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
        def strike(*args: Any, **options: Any) -> Any:
            result = work(*args, **options) if after else None
            try:
                (Path(folder) / stage).touch(exist_ok=False)
            except FileExistsError:
                return result if after else work(*args, **options)
            if int(number) < 0:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            else:
                os.kill(os.getpid(), int(number))
            return result

        return strike

    def struck_after_an_epoch(work: Callable[..., Any]) -> Callable[..., Any]:
        def tune(*args: Any) -> None:
            from training.learning.tuning import keras_loop  # seconds, which who dies at the door need not pay

            plain = keras_loop._State.save
            saved = noted(plain, Path(folder) / "epochs")
            keras_loop._State.save = struck("epoch", saved, after=True)  # type: ignore[method-assign]
            try:
                work(*args)
            finally:
                keras_loop._State.save = plain  # type: ignore[method-assign]

        return tune

    for stage in stages.split(","):
        if stage == "registered":
            registry.register = struck(stage, registry.register, after=True)
        elif stage == "epoch":
            work, message, share = pipeline.STAGES["tune"]
            pipeline.STAGES["tune"] = (struck_after_an_epoch(work), message, share)
        else:
            work, message, share = pipeline.STAGES[stage]
            pipeline.STAGES[stage] = (struck(stage, work), message, share)
    call_command("trainer")


def noted(save: Callable[..., Any], file: Path) -> Callable[..., Any]:
    def note(state: Any, epoch: int) -> None:
        save(state, epoch)
        with file.open("a") as out:
            out.write(f"{epoch} ")

    return note


if __name__ == "__main__":
    main(*sys.argv[1:])
