"""The command that works messages off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dramatiq
import pytest
from django.core.management import CommandError, call_command
from django.utils.module_loading import autodiscover_modules

from config.management.commands import worker
from tests import ROOT
from tests.processes import until


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--queues", "cpus"], "choose from"),
        (["--threads", "0"], "from 1 on"),
        (["--threads", "x"], "from 1 on"),
    ],
)
def test_what_would_wait_for_ever_is_refused(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        call_command("worker", *words)


def test_it_may_listen_to_every_queue_that_work_is_sent_to() -> None:
    autodiscover_modules("actors")
    broker = dramatiq.get_broker()
    assert {broker.get_actor(name).queue_name for name in broker.get_declared_actors()} <= set(worker.QUEUES)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc, which tells a process's umask, is Linux's")
def test_what_it_writes_is_for_its_own_account_alone_also_where_nothing_stands_above_it(tmp_path: Path) -> None:
    given = os.environ | {"DATA_DIR": str(tmp_path)}
    command = [sys.executable, "manage.py", "worker"]
    with subprocess.Popen(command, cwd=ROOT, env=given, umask=0o022, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: "Umask:\t0077" in Path(f"/proc/{process.pid}/status").read_text(), "a umask of its own", 240)
        finally:
            process.kill()
