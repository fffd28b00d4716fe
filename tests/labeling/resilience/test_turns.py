"""Turns: no more at once than lanes, in the order of arrival, and nobody is held up for longer than their patience."""

from __future__ import annotations

import threading
import time

from labeling.resilience.turns import Turns, cores
from tests.processes import until


def test_turns_are_handed_on_in_the_order_of_arrival() -> None:
    turns, order, threads = Turns(1), [], []
    assert turns.enter(0)
    for number in range(8):

        def work(number: int = number) -> None:
            with turns.soon(60):
                order.append(number)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        until(lambda number=number: len(turns._waiting) == number + 1)
    assert order == []
    turns.leave()
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_no_more_are_at_work_than_there_are_lanes() -> None:
    turns, lock, at_work, most = Turns(3), threading.Lock(), [0], [0]
    all_in = threading.Barrier(3, timeout=30)

    def work() -> None:
        for number in range(20):
            with turns.soon(60):
                with lock:
                    at_work[0] += 1
                    most[0] = max(most[0], at_work[0])
                if number == 0:
                    all_in.wait()
                time.sleep(0.001)
                with lock:
                    at_work[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [3]
    assert [turns.enter(0) for _ in range(4)] == [True, True, True, False]  # every lane came back


def test_who_has_waited_long_enough_goes_ahead_and_gives_back_nothing() -> None:
    turns = Turns(1)
    assert turns.enter(0)
    with turns.soon(0.01):
        pass  # the lane is still held: this came in without one
    assert not turns.enter(0)
    turns.leave()
    assert turns.enter(0)


def test_a_turn_comes_back_from_work_that_fails() -> None:
    turns = Turns(1)
    try:
        with turns.soon(1):
            raise ValueError
    except ValueError:
        assert turns.enter(0)


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1
