"""Starts, watches and ends the processes of a platform on one machine.

Each program runs in a process group of its own, prefixed in the log, restarted with growing pauses when it dies. A
signal, Ctrl-C or the supervisor's own death ends them all: in order where that is possible, by the kernel's
parent-death signal (``guard.py``) and the reaper (``reaper.py``) where it is not. When a program's first process
dies, what it had started goes with it before its successor comes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from config.processes import postgres, reaper

_TICK_SECONDS = 0.1
_STEADY_SECONDS = 30.0
_LONGEST_PAUSE = 30.0
_LATE_SECONDS = 20.0


@dataclasses.dataclass(frozen=True)
class Program:
    """What to run.

    ``late``: started when the platform answers (or, should it not, after a while), so that it answers the sooner.
    ``once``: started only when the platform answers, and not again when it ends by itself with success.
    """

    name: str
    command: Sequence[str]
    late: bool = False
    once: bool = False
    patience: float = 10.0


class Child:
    """A program's present process, and how often it died lately."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.deaths = 0
        self.not_before = 0.0
        self.finished = False

    def died(self) -> float:
        """Note a death; returns the pause before the next start, 0.5 s at first and 30 s at most."""
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at > _STEADY_SECONDS else self.deaths + 1
        pause = min(_LONGEST_PAUSE, 0.25 * 2**self.deaths)
        self.not_before = now + pause
        return pause


class Supervisor:
    """``run`` returns when it was told to stop and everything has ended."""

    def __init__(
        self,
        programs: Sequence[Program],
        *,
        url: str,
        folder: Path,
        database: postgres.Postgres | None = None,
        out: IO[bytes] | None = None,
    ) -> None:
        self.children = [Child(program) for program in programs]
        self.url = url
        self.folder = folder
        self.database = database
        self.out = out or sys.stdout.buffer
        self.out_lock = threading.Lock()
        self.stopping = self.running = False
        self.running_since = 0.0
        self.ready = threading.Event()
        self.width = max(len("postgres"), *(len(program.name) for program in programs))
        self.reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(reaper.__file__).resolve())],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    # -- the database ------------------------------------------------------------------------------------------------
    def start_database(self) -> None:
        """Start the embedded PostgreSQL, when there is one, and wait until it answers."""
        if self.database is None:
            return
        read, write = os.pipe()
        try:
            self._listen("postgres", os.fdopen(read, "rb"))
            self.database.start(log=write, given_up=lambda: self.stopping)
        finally:
            os.close(write)
        if self.database.process is not None:
            self._tell_reaper(f"+{self.database.process.pid} {int(signal.SIGINT)}")

    def _watch_database(self) -> None:
        if self.database is None:
            return
        process = self.database.process  # None where a start was given up
        if process is not None:
            if process.poll() is None:
                return
            self._tell_reaper(f"-{process.pid}")
            self.say("postgres", f"died with {process.returncode}, starting it again")
        try:
            self.start_database()
        # The machine may have no memory, process or disk to spare; no thread is a RuntimeError.
        except (postgres.PostgresError, OSError, RuntimeError) as error:
            self.say("postgres", str(error))
            time.sleep(1)

    # -- the programs ------------------------------------------------------------------------------------------------
    def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything, call ``on_ready`` once when the platform answers, and watch until told to stop."""
        threading.Thread(target=self._await_ready, daemon=True).start()
        announced, self.running, self.running_since = False, True, time.monotonic()
        try:
            while not self.stopping:
                self._watch_database()
                for child in self.children:
                    self._watch(child)
                if self.ready.is_set() and not announced:
                    announced = True
                    on_ready()
                time.sleep(_TICK_SECONDS)
        finally:
            self.stop()

    def _watch(self, child: Child) -> None:
        process = child.process
        if process is not None and process.poll() is not None:
            # What it had started (a training, a web worker) must not outlive it.
            reaper.send(process.pid, signal.SIGKILL)
            self._tell_reaper(f"-{process.pid}")
            child.process = None
            child.finished = child.program.once and process.returncode == 0
            if not child.finished:
                pause = child.died()
                self.say(child.program.name, f"died with {process.returncode}, again in {pause:g} s")
        if child.process is None and not child.finished and self._is_due(child):
            self._start(child)

    def _is_due(self, child: Child) -> bool:
        now = time.monotonic()
        if self.ready.is_set() or not (child.program.late or child.program.once):
            return now >= child.not_before
        return child.program.late and now - self.running_since > _LATE_SECONDS

    def _start(self, child: Child) -> None:
        child.started_at = time.monotonic()
        try:
            process = subprocess.Popen(
                postgres.guarded(list(child.program.command), stop=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )
        except OSError as error:  # no memory or no process to spare: no reason to end all that still run
            self.say(child.program.name, f"cannot be started ({error.strerror}), again in {child.died():g} s")
            return
        child.process = process
        self._tell_reaper(f"+{process.pid} {int(signal.SIGTERM)}")
        try:
            assert process.stdout is not None
            self._listen(child.program.name, process.stdout)
        except RuntimeError:  # nobody listens: it would come to a stand
            reaper.send(process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the programs, then the database: what they still write is kept."""
        self.stopping = True
        alive = [child for child in self.children if child.process is not None]
        for child in alive:
            reaper.send(self._pid(child), signal.SIGTERM)
        for child in alive:
            self._wait(child, child.program.patience)
        if self.database is not None:
            process = self.database.process
            self.database.stop()
            if process is not None:
                self._tell_reaper(f"-{process.pid}")
        if self.reaper.stdin is not None:
            self.reaper.stdin.close()
        self.reaper.wait()

    def _wait(self, child: Child, seconds: float) -> None:
        process = child.process
        if process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        reaper.send(process.pid, signal.SIGKILL)
        process.wait()
        self._tell_reaper(f"-{process.pid}")
        child.process = None

    def _pid(self, child: Child) -> int:
        return child.process.pid if child.process is not None else 0

    # -- what it says ------------------------------------------------------------------------------------------------
    def say(self, name: str, line: str) -> None:
        self._write(name, line.encode())

    def _write(self, name: str, line: bytes) -> None:
        # A reader that went away (``make run | head``) stops the log, not the platform.
        with self.out_lock, contextlib.suppress(OSError, ValueError):
            self.out.write(f"{name:<{self.width}} | ".encode() + line.rstrip() + b"\n")
            self.out.flush()

    def _listen(self, name: str, stream: IO[bytes]) -> None:
        """
        Raises:
            RuntimeError: The machine has no thread to spare; the stream is closed.
        """
        try:
            threading.Thread(target=self._relay, args=(name, stream), daemon=True).start()
        except RuntimeError:
            stream.close()
            raise

    def _relay(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._write(name, line)

    def _tell_reaper(self, line: str) -> None:
        if self.reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self.reaper.stdin.write(f"{line}\n".encode())
                self.reaper.stdin.flush()

    def _await_ready(self) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self.ready.is_set() and not self.stopping:
            try:
                with opener.open(f"{self.url}/healthz", timeout=5):
                    self.ready.set()
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
