"""Lines of the web server on which nothing comes any more, asked and ended by threads beside it.

The server itself knows no end of waiting (``patience.py``). Its sockets are found among this process's descriptors.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from config.processes import patience

# Who lost the network in the middle of an upload says no goodbye, and would hold a thread, and a place of
# ``patience.py``, until the restart: the system asks a silent line after so many seconds, and ends it where nothing
# answers.
ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
LISTENS_WITHIN = 60  # seconds
LOOKS_EVERY = 5  # seconds


def ask_silent(port: int) -> None:
    """Once the server listens; it has no setting for this, and connections have what the listening socket has."""
    until = time.monotonic() + LISTENS_WITHIN
    while not (found := _listening(port)) and time.monotonic() < until:
        time.sleep(0.05)
    for listener in found:
        with listener:
            for name, value in ALIVE.items():
                if hasattr(socket, name):
                    listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def end_silent(port: int, waited_for: Callable[[], list[tuple[str, float]]]) -> None:
    watch = Watch(port, patience.SILENT)
    while True:
        time.sleep(LOOKS_EVERY)
        watch.look([(address, waited) for address, waited in waited_for() if waited > LOOKS_EVERY])


def _listening(port: int) -> list[socket.socket]:
    """This process's sockets that listen on the port, under other descriptors."""
    found = []
    for one in _sockets():
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and one.getsockname()[1] == port:
            found.append(one)
        else:
            one.close()
    return found


def _sockets() -> Iterator[socket.socket]:
    """This process's of the internet, under other descriptors: to be closed by who takes them."""
    # All before the first is taken: the descriptor by which the folder was read is free then, and would be its number.
    for number in list(filter(_is_socket, [int(path.name) for path in Path("/dev/fd").iterdir()])):
        with contextlib.suppress(OSError):  # closed by now
            one = _taken(os.dup(number))
            if one.family in (socket.AF_INET, socket.AF_INET6):
                yield one
            else:
                one.close()


def _taken(number: int) -> socket.socket:
    try:
        return socket.socket(fileno=number)
    except OSError:  # the number is a file's by now
        os.close(number)
        raise


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:  # closed by now
        return False


@dataclass
class Line:
    """A connection to our port, held under a descriptor of its own until who has it closes it."""

    socket: socket.socket
    address: str
    port: int
    sent: float  # seconds since something went
    received: float  # and since something came
    came: int  # bytes


@dataclass(frozen=True)
class Mark:
    """A line as it was when a whole PIECE had come last, or something had gone, and at how many looks it grew since."""

    at: float
    came: int
    last: int
    grown: int = 0

    def after(self, line: Line, now: float) -> Mark:
        if line.came - self.came >= patience.PIECE or line.sent < now - self.at:
            return Mark(now, line.came, line.came)
        return replace(self, last=line.came, grown=self.grown + (line.came > self.last))


class Watch:
    """Ends lines on which bodies do not come, or drop by drop."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._seconds = port, seconds
        self._marks: dict[tuple[str, int], Mark] = {}

    def look(self, waits: Sequence[tuple[str, float]]) -> int:
        """For each address and how long a body from there is waited for, end one line: that of the body; how many.

        Which one it is the server does not say. It is among those to the address on which nothing has gone for so many
        seconds, and nothing has come, or less than a PIECE again and again: a drop at a time is no upload of anybody.
        Of silent ones it is that on which the last piece came when the wait for the next began; the next look finds
        another one should the wait go on. So a download that was paused, an upload that is being stored, and one over a
        slow line are left to others of its address.
        """
        ended = 0
        if not waits:
            self._marks.clear()
            return ended
        with contextlib.ExitStack() as opened:
            lines = [line for line in _lines(self._port) if opened.enter_context(line.socket)]
            self._mark(lines)
            slow = [line for line in lines if self._is_slow(line)]
            for address, waited in waits:
                if waited <= self._seconds or not (own := [line for line in slow if line.address == _plain(address)]):
                    continue
                line = min(own, key=lambda each: (each.received > self._seconds, abs(each.received - waited)))
                slow.remove(line)
                with contextlib.suppress(OSError):  # not connected any more
                    line.socket.shutdown(socket.SHUT_RD)
                    ended += 1
        return ended

    def _mark(self, lines: Iterable[Line]) -> None:
        now, before = time.monotonic(), self._marks
        fresh = {(line.address, line.port): (line, Mark(now, line.came, line.came)) for line in lines}
        self._marks = {key: before.get(key, mark).after(line, now) for key, (line, mark) in fresh.items()}

    def _is_slow(self, line: Line) -> bool:
        if line.sent <= self._seconds or _has_come(line.socket):
            return False
        mark = self._marks[line.address, line.port]
        return line.received > self._seconds or (mark.grown > 1 and time.monotonic() - mark.at > self._seconds)


def _lines(port: int) -> Iterator[Line]:
    """Those of the port."""
    for one in _sockets():
        with contextlib.suppress(OSError):  # not connected, or not any more
            if one.getsockname()[1] == port:
                peer = one.getpeername()
                yield Line(one, _plain(peer[0]), peer[1], *_facts(one))
                continue
        one.close()


def _has_come(one: socket.socket) -> bool:
    """Whether something is there to be read, or the end."""
    try:
        one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    return True


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:")


def _facts(one: socket.socket) -> tuple[float, float, int]:
    """Seconds since the last byte went, and since one came, and how many came; zeros where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return 0.0, 0.0, 0
    # Milliseconds since data was sent, an acknowledgement was, and data was received (struct tcp_info of linux/tcp.h);
    # and tcpi_bytes_received, which systems before Linux 4.1 do not count.
    facts = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136).ljust(136, b"\0")
    sent, _told, received = struct.unpack_from("3I", facts, 44)
    return sent / 1000, received / 1000, struct.unpack_from("Q", facts, 128)[0]
