"""Admission: lanes, a queue with an end, and refusal at once."""

from __future__ import annotations

import threading

import prometheus_client
import pytest

from inference.engine.admission import Admission
from inference.errors import Busy
from tests.processes import until


def test_no_more_work_at_once_than_there_are_lanes() -> None:
    admission = Admission(lanes=2, waiting=100)
    at_work, most = 0, 0
    lock = threading.Lock()
    both_in = threading.Barrier(2, timeout=60)

    def work() -> None:
        nonlocal at_work, most
        with admission.admit(1), admission.lane():
            with lock:
                at_work += 1
                most = max(most, at_work)
            both_in.wait()
            with lock:
                at_work -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
    assert admission.depth == 0


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    admission = Admission(lanes=1, waiting=3)
    with admission.admit(2):
        with pytest.raises(Busy) as caught, admission.admit(2):
            pytest.fail("admitted beyond the limit")
        with admission.admit(1):
            assert admission.depth == 3
    assert caught.value.wait == 1
    assert admission.depth == 0


def test_a_request_larger_than_the_queue_is_admitted_when_nothing_waits() -> None:
    admission = Admission(lanes=1, waiting=3)
    with admission.admit(10):
        assert admission.depth == 10


def test_who_waits_too_long_for_a_lane_is_sent_away() -> None:
    admission = Admission(lanes=1, waiting=10, patience=0.01)
    refused = prometheus_client.REGISTRY.get_sample_value("crowdtune_predict_refused")
    with admission.lane(), pytest.raises(Busy), admission.lane():
        pytest.fail("two in one lane")
    assert prometheus_client.REGISTRY.get_sample_value("crowdtune_predict_refused") == (refused or 0) + 1


def test_lanes_are_handed_on_in_the_order_of_arrival() -> None:
    admission = Admission(lanes=1, waiting=100)
    order: list[int] = []

    def work(number: int) -> None:
        with admission.lane():
            order.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    with admission.lane():
        for waiting, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda waiting=waiting: len(admission._turns._waiting) == waiting, "it waits for its turn")
    work(5)  # comes while the others wait to be woken: it is not let in before them
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 5]


def test_a_lane_that_nobody_waited_for_any_more_is_free_again() -> None:
    admission = Admission(lanes=1, waiting=10, patience=0.01)
    with admission.lane(), pytest.raises(Busy), admission.lane():
        pytest.fail("two in one lane")
    with admission.lane():
        assert not admission._turns._waiting


def test_a_failure_inside_gives_the_place_back() -> None:
    admission = Admission(lanes=1, waiting=1)
    for _ in range(3):
        with pytest.raises(RuntimeError), admission.admit(1), admission.lane():
            raise RuntimeError
    with admission.admit(1), admission.lane():
        assert admission.depth == 1
