"""The memory: bounded, least recently used first, each value loaded once."""

from __future__ import annotations

import threading

import pytest

from inference.engine.cache import Cache


def test_the_least_recently_used_leaves_first() -> None:
    cache = Cache(limit=30)
    for key in "abc":
        cache.get(key, lambda key=key: (key.upper(), 10))
    cache.get("a", lambda: pytest.fail("a is in memory"))
    cache.get("d", lambda: ("D", 10))
    assert "b" not in cache
    assert all(key in cache for key in "acd")
    assert cache.size == 30


def test_memory_stays_below_the_limit_whatever_is_asked_for() -> None:
    cache = Cache(limit=100)
    for number in range(200):
        cache.get(number, lambda: (object(), 30))
        assert cache.size <= 100
    assert len(cache) == 3


def test_a_value_larger_than_the_limit_is_kept_alone() -> None:
    cache = Cache(limit=10)
    cache.get("small", lambda: (1, 5))
    assert cache.get("large", lambda: (2, 50)) == 2
    assert "small" not in cache
    assert "large" in cache


def test_many_callers_of_a_cold_value_load_it_once() -> None:
    cache = Cache(limit=100)
    started, release = threading.Event(), threading.Event()
    loads = []

    def load() -> tuple[str, int]:
        loads.append(1)
        started.set()
        assert release.wait(60)
        return "value", 1

    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(cache.get("key", load))) for _ in range(16)]
    threads[0].start()
    assert started.wait(60)
    for thread in threads[1:]:
        thread.start()
    release.set()
    for thread in threads:
        thread.join()
    assert answers == ["value"] * 16
    assert len(loads) == 1


def test_another_key_does_not_wait_for_a_slow_load() -> None:
    cache = Cache(limit=100)
    started, release = threading.Event(), threading.Event()

    def slow() -> tuple[str, int]:
        started.set()
        assert release.wait(60)
        return "slow", 1

    thread = threading.Thread(target=lambda: cache.get("slow", slow))
    thread.start()
    assert started.wait(60)
    assert cache.get("quick", lambda: ("quick", 1)) == "quick"
    release.set()
    thread.join()


def test_a_load_that_fails_fails_for_this_call_and_is_tried_again_at_the_next() -> None:
    cache = Cache(limit=100)

    def broken() -> tuple[str, int]:
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        cache.get("key", broken)
    assert cache.get("key", lambda: ("good", 1)) == "good"
