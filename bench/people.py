"""The people of ``bench.claims``: they claim and answer over HTTP, all of a process in one thread."""

from __future__ import annotations

import heapq
import json
import random
import re
import selectors
import socket
import time
from collections.abc import Iterator
from typing import Any

PARTS = ("claims", "submits", "tasks")  # what of each person is told


class Person:
    """Claims and answers over one connection that stays open, as a browser's does.

    All people of a process take turns in one thread, each a generator that says what it waits for (seconds, or the
    answer to a request): on two cores a heavier client would take the time that is to be measured.
    """

    def __init__(self, port: int, site: Any, key: str, answers: int, pace: float, in_turns: bool) -> None:
        self.port, self.site, self.answers, self.pace, self.in_turns = port, site, answers, pace, in_turns
        self.headers = f"Host: 127.0.0.1:{port}\r\nAuthorization: Token {key}\r\nContent-Type: application/json\r\n"
        self.claims: list[float] = []
        self.submits: list[float] = []
        self.tasks: list[int] = []
        self.connection: socket.socket | None = None
        self.sent, self.received, self.path, self.times = 0.0, b"", "", self.claims
        self.steps = self._work()

    def _work(self) -> Iterator[float | str]:
        """Yields seconds to sleep, ``TURN``, or ``ANSWER`` once a request has been sent."""
        if self.pace:
            yield random.random() * self.pace
        for _ in range(self.answers):
            started = time.perf_counter()
            if self.in_turns:
                yield TURN
            self._send(self.site.claim(), self.claims)
            yield ANSWER
            claimed = json.loads(self.received)
            if self.in_turns:
                yield TURN
            self._send(self.site.submit(claimed, random.choice("abcdefghij")), self.submits)
            yield ANSWER
            self.tasks.append(self.site.task(claimed))
            if self.pace:
                yield max(0.0, self.pace - (time.perf_counter() - started))
        if self.in_turns:
            yield TURN

    def _send(self, asked: tuple[str, str, Any], times: list[float]) -> None:
        method, self.path, body = asked
        data = json.dumps(body) if body else ""
        head = f"{method} {self.path} HTTP/1.1\r\n{self.headers}Content-Length: {len(data)}\r\n\r\n"
        self.times, self.received, self.sent = times, b"", time.perf_counter()
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        self.connection.sendall((head + data).encode())

    def receive(self) -> bool:
        """Read what has come; True once the answer is whole, whose body is then in ``received``."""
        assert self.connection is not None
        part = self.connection.recv(65536)
        self.received += part
        head, found, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE) if found else None
        if part and (not found or (length is not None and len(body) < int(length[1]))):
            return False
        self.times.append(time.perf_counter() - self.sent)
        status = head[9:12].decode()
        if status not in {"200", "201"}:
            raise RuntimeError(f"{self.path}: {status} {body[:300]!r}")
        if not part or re.search(rb"\r\nconnection: *close", head, re.IGNORECASE):  # as gunicorn's plain workers do
            self.close()
        self.received = body
        return True

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


TURN, ANSWER = "turn", "answer"


def work(port: int, site: Any, keys: list[str], answers: int, pace: float, turn: Any, found: Any) -> None:
    people = [Person(port, site, key, answers, pace, turn is not None) for key in keys]
    try:
        _let_take_turns(people, turn)
    except BaseException:
        if turn is not None:
            turn.abort()  # nobody waits for those who do not come
        raise
    found.put([[entry for person in people for entry in getattr(person, name)] for name in PARTS])


def _let_take_turns(people: list[Person], turn: Any) -> None:
    """Go on with each person when what it waits for is there, until all are done."""
    ready, asleep = list(people), list[tuple[float, int, Person]]()
    at_turn: list[Person] = []
    waiting = selectors.DefaultSelector()
    while ready or asleep or at_turn or waiting.get_map():
        for person in ready:
            step = next(person.steps, None)
            if step == ANSWER:
                waiting.register(person.connection, selectors.EVENT_READ, person)
            elif step == TURN:
                at_turn.append(person)
            elif step is not None:
                heapq.heappush(asleep, (time.perf_counter() + float(step), id(person), person))
            else:
                person.close()
        ready = []
        if not asleep and not waiting.get_map():
            if at_turn:
                turn.wait(300)  # once when all have come, and once when their CPU has been read
                turn.wait(300)
            ready, at_turn = at_turn, []
            continue
        patience = max(0.0, asleep[0][0] - time.perf_counter()) if asleep else 120.0
        for chosen, _events in waiting.select(patience):
            connection = chosen.fileobj
            if chosen.data.receive():
                waiting.unregister(connection)
                ready.append(chosen.data)
        while asleep and asleep[0][0] <= time.perf_counter():
            ready.append(heapq.heappop(asleep)[2])
