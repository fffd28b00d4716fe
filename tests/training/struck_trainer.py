"""The trainer process, but that it sends itself a signal, once for each of some stages.

``python -m tests.training.struck_trainer STAGES SIGNAL FOLDER``: a file per stage in the folder says that it was.

``registered`` is the moment after the version was filed and before the worker was told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command


def main(stages: str, number: str, folder: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from training import pipeline, registry

    def struck(stage: str, work: Callable[..., Any], *, after: bool = False) -> Callable[..., Any]:
        def strike(*args: Any, **options: Any) -> Any:
            result = work(*args, **options) if after else None
            try:
                (Path(folder) / stage).touch(exist_ok=False)
            except FileExistsError:
                return result if after else work(*args, **options)
            os.kill(os.getpid(), int(number))
            return result

        return strike

    for stage in stages.split(","):
        if stage == "registered":
            registry.register = struck(stage, registry.register, after=True)
        else:
            work, message, progress = pipeline.STAGES[stage]
            pipeline.STAGES[stage] = (struck(stage, work), message, progress)
    call_command("trainer")


if __name__ == "__main__":
    main(*sys.argv[1:])
