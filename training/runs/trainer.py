"""The warm trainer: a child process of the worker that holds the libraries ready and does the heavy work.

A crash in native code ends the child, not the worker; a run that brought TensorFlow in ends with its child, so that the
memory is given back. Between runs the child waits on a pipe with Django, numpy and the light runtime imported, which is
why a retrain of a head takes seconds from the last label to the live champion.

The protocol is a line of JSON each way, and one before the answer when the child has claimed a run. The child ends by
itself when the pipe closes, so nothing outlives the worker.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO, Any
from urllib.parse import quote, urlencode

from django.conf import settings
from django.db import connection


class ChildDied(Exception):
    """The child ended before it answered."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"the trainer process ended with {returncode}")
        self.returncode = returncode

    @property
    def was_killed(self) -> bool:
        """By SIGKILL or SIGTERM: somebody, or the system for want of memory; not by a fault of its own."""
        return self.returncode in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def how(self) -> str:
        """The signal's name, or the exit status, for people."""
        if self.returncode < 0:
            return signal.Signals(-self.returncode).name
        return f"exit status {self.returncode}"


class Trainer:
    """One child at a time, started when it is first needed; ``call`` is for one thread at a time and others wait."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        self.command = list(command) or [sys.executable, str(settings.BASE_DIR / "manage.py"), "trainer"]
        self.gpu: int | None = None  # the only one that the child may see; None = all
        self.began = True  # whether the child did anything with the last message
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def call(self, verb: str, identifier: str, taken: Callable[[int], object] = lambda attempt: None) -> dict[str, Any]:
        """Let the child do one thing; returns its answer.

        Args:
            taken: Is told the number of the attempt, once the child has claimed a run.

        Raises:
            ChildDied: It ended first.
        """
        with self._lock:
            child = self._ready_child()
            self.began = False
            try:
                self._send(child, {"verb": verb, "id": identifier})
                answer = self._receive(child, taken)
            except BaseException:
                # The worker is told to stop, or its time is up: nobody would read the answer.
                self._end(child)
                raise
            if answer.get("leaving"):
                child.wait(timeout=30)
                self._ready_child()
            return answer

    def close(self) -> None:
        with self._lock:
            if self._child is not None:
                self._end(self._child)

    def _ready_child(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._end(self._child)  # it died between two calls: its pipes are still open here
        if self._child is None:
            self._child = self._start()
        return self._child

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            bufsize=0,  # a line that waits in a buffer here is none that select sees
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(self.gpu),
        )

    def _send(self, child: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
        try:
            pipe: IO[bytes] = _pipe(child.stdin)
            pipe.write(json.dumps(message).encode() + b"\n")
        except BrokenPipeError as error:
            raise ChildDied(child.wait()) from error

    def _receive(self, child: subprocess.Popen[bytes], taken: Callable[[int], object]) -> dict[str, Any]:
        """Wait in short steps: Dramatiq raises its time limit between two of them."""
        pipe = _pipe(child.stdout)
        while True:
            readable, _, _ = select.select([pipe], [], [], 1.0)
            if not readable:
                continue
            line = pipe.readline()
            if not line:
                raise ChildDied(child.wait())
            answer: dict[str, Any] = json.loads(line)
            self.began = True
            if "attempt" not in answer:
                return answer
            taken(answer["attempt"])

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if child.poll() is None:
            child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        self._child = None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def child_environment(gpu: int | None = None) -> dict[str, str]:
    """This process's environment, with the very database and folders that this process uses, and one GPU of several."""
    return {
        **os.environ,
        "DATABASE_URL": database_url(connection.settings_dict),
        "DATA_DIR": str(settings.DATA_DIR),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": str(gpu)}),
    }


def database_url(entry: dict[str, Any]) -> str:
    """One entry of DATABASES as the address it was read from."""
    options = {key: value for key, value in entry.get("OPTIONS", {}).items() if isinstance(value, str | int)}
    host = str(entry.get("HOST") or "")
    if host.startswith("/"):
        options["host"], host = host, ""
    login = quote(str(entry.get("USER") or ""), safe="")
    if entry.get("PASSWORD"):
        login += ":" + quote(str(entry["PASSWORD"]), safe="")
    port = f":{entry['PORT']}" if entry.get("PORT") else ""
    return f"postgresql://{login}@{host}{port}/{quote(str(entry['NAME']), safe='')}?{urlencode(options)}"


TRAINER = Trainer()
