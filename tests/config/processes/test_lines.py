"""Lines on which nothing comes are ended, and no others. (That the server's are asked: ``test_web``.)"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from config.processes import lines, patience


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a line has been silent")
def test_a_line_on_which_nothing_comes_is_ended_and_no_other():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as caller, contextlib.closing(listener.accept()[0]) as line:
            while min(lines._facts(line)[:2]) < 0.1:
                time.sleep(0.01)
            asked = time.monotonic()
            caller.sendall(b"a")
            assert line.recv(1) == b"a"
            assert lines._facts(line)[1] <= time.monotonic() - asked + 0.05  # the system counts in ticks
            here = [("127.0.0.1", 0.0)]
            assert lines.Watch(port, 3600).look([("127.0.0.1", 7200.0)]) == 0
            assert lines.Watch(port, -1).look([("127.0.0.2", 0.0)]) == 0
            assert lines.Watch(port + 1, -1).look(here) == 0
            assert lines.Watch(port, -1).look([("::ffff:127.0.0.1", 0.0)]) == 1
            assert line.recv(1) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a line has been silent")
def test_of_several_silent_lines_of_an_address_the_one_that_is_waited_for_is_ended():
    """As of an office: one upload has got stuck, and what another has sent whole is being stored."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = listener.getsockname()
        ours: list[socket.socket] = []
        # So that they differ, and the second is not taken for the third where the machine takes a moment to look.
        for silent in (0.3, 1.5, 0.3):
            opened.enter_context(socket.create_connection(address)).sendall(b"a")
            ours.append(opened.enter_context(listener.accept()[0]))
            assert ours[-1].recv(1) == b"a"
            while lines._facts(ours[-1])[1] < silent:
                time.sleep(0.01)
        stuck = ("127.0.0.1", lines._facts(ours[1])[1])
        assert lines.Watch(address[1], 0.2).look([stuck]) == 1
        assert [lines._has_come(line) for line in ours] == [False, True, False]
        # Where that was not the line, another look finds the next one.
        assert lines.Watch(address[1], 0.2).look([stuck, stuck, stuck]) == 2
        assert lines.Watch(address[1], 0.2).look([stuck]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much has come over a line")
def test_a_body_that_comes_drop_by_drop_is_ended_and_one_over_a_slow_line_is_not():
    """Each drop is a sign of life, and would hold a thread for days."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        address = listener.getsockname()
        callers, ours = [], []
        for _ in range(3):
            callers.append(opened.enter_context(socket.create_connection(address)))
            ours.append(opened.enter_context(listener.accept()[0]))
        drop, slow, asking = range(3)
        watch, waits = lines.Watch(address[1], 1.0), [("127.0.0.1", 3600.0)]
        deadline = time.monotonic() + 60
        while not watch.look(waits):
            assert time.monotonic() < deadline
            time.sleep(0.01)
            ours[asking].sendall(b"an answer")
            for one, size in [(drop, 1), (slow, patience.PIECE), (asking, 100)]:
                callers[one].sendall(bytes(size))
                assert len(ours[one].recv(size, socket.MSG_WAITALL)) == size
        assert [lines._has_come(line) for line in ours] == [True, False, False]


def test_a_number_that_is_a_files_by_now_is_left_alone(tmp_path):
    """A request may open a file while the sockets are looked at."""
    with socket.create_server(("127.0.0.1", 0)), socket.socket() as gone:
        found = lines._sockets()
        next(found).close()
        number = gone.fileno()
        with open(tmp_path / "file", "wb") as file:
            os.dup2(file.fileno(), number)
            before = len(list(Path("/dev/fd").iterdir()))
            for one in found:
                one.close()
            assert len(list(Path("/dev/fd").iterdir())) == before
