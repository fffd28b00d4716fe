"""A guess from many addresses is slowed, and its person is not shut out by it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from labeling.accounts import tries
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one"
TOKEN = "/api/v1/auth/token/"


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """No window ends while a test counts, and fewer tries are enough."""
    monkeypatch.setattr(tries, "WINDOW", 10**9)
    monkeypatch.setattr(tries, "FROM_WINDOW", 10**8)
    monkeypatch.setattr(tries, "MOST", 3)
    monkeypatch.setattr(tries, "MOST_FROM", 8)


@pytest.fixture
def tina() -> User:
    return person("tina", email="tina@example.com")


def ask(address: str, password: str = "wrong", name: str = "tina") -> int:
    return APIClient(REMOTE_ADDR=address).post(TOKEN, {"username": name, "password": password}).status_code


def sign_in(browser: Client, address: str, password: str = PASSWORD) -> bool:
    """Whether the page lets the person in, or says no."""
    answer = browser.post("/accounts/login/", {"login": "tina", "password": password}, REMOTE_ADDR=address)
    return answer.status_code == 302


def guess() -> list[int]:
    """A wrong try from each of many addresses."""
    return [ask(f"203.0.113.{number}") for number in range(tries.MOST + 2)]


def test_wrong_passwords_from_many_addresses_are_counted_at_the_account(tina: User) -> None:
    assert guess() == [401] * tries.MOST + [429] * 2
    refused = APIClient(REMOTE_ADDR="198.51.100.1").post(TOKEN, {"username": " TINA", "password": PASSWORD})
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= tries.WINDOW
    assert refused.json()["error"]["code"] == "throttled"
    assert not sign_in(Client(), "198.51.100.1")
    assert ask("198.51.100.1", name="somebody else") == 401


def test_all_web_processes_count_together(tina: User) -> None:
    guess()
    cache.clear()  # what one process alone remembers, as another has never known it
    assert ask("198.51.100.1", PASSWORD) == 429


def test_all_web_processes_and_the_page_count_together_what_comes_from_one_address(tina: User) -> None:
    tried = [ask("198.51.100.1", name=f"person {number}") for number in range(tries.MOST_FROM)]
    assert set(tried) == {401}
    cache.clear()
    assert ask("198.51.100.1", PASSWORD) == 429
    assert not sign_in(Client(), "198.51.100.1")
    assert ask("198.51.100.2", PASSWORD) == 200


def test_the_page_counts_at_the_account_as_the_api_does(tina: User) -> None:
    for number in range(tries.MOST):
        sign_in(Client(), f"203.0.113.{number}", "wrong")
    page = Client().post("/accounts/login/", {"login": "tina", "password": PASSWORD}, REMOTE_ADDR="198.51.100.1")
    assert "Too many wrong passwords." in page.content.decode()
    assert ask("198.51.100.1", PASSWORD) == 429


def test_who_has_signed_in_before_is_let_in_while_strangers_guess(tina: User) -> None:
    browser = Client()
    assert sign_in(browser, "198.51.100.1")
    assert ask("198.51.100.2", PASSWORD) == 200
    browser.post("/accounts/logout/")
    assert 429 in guess()
    assert ask("198.51.100.1", PASSWORD) == ask("198.51.100.2", PASSWORD) == 200  # by their addresses
    assert sign_in(browser, "198.51.100.9")  # by the browser, wherever it is now
    assert not sign_in(Client(), "198.51.100.9", "wrong")


def test_a_browser_of_one_person_is_a_stranger_to_another(tina: User) -> None:
    person("zoe")
    browser = Client()
    browser.post("/accounts/login/", {"login": "zoe", "password": PASSWORD}, REMOTE_ADDR="198.51.100.3")
    assert tries.COOKIE in browser.cookies
    browser.post("/accounts/logout/")
    guess()
    assert not sign_in(browser, "198.51.100.3")
    browser.cookies[tries.COOKIE] = "made up"
    assert not sign_in(browser, "198.51.100.3")


def test_one_browser_knows_all_who_share_it(tina: User) -> None:
    person("zoe")
    browser = Client()
    for name in ("tina", "zoe"):
        browser.post("/accounts/login/", {"login": name, "password": PASSWORD}, REMOTE_ADDR="198.51.100.4")
        browser.post("/accounts/logout/")
    guess()
    assert sign_in(browser, "198.51.100.5")


def test_a_name_that_is_anothers_email_opens_no_way_round_the_count(tina: User) -> None:
    person("tina@example.com")
    browser = Client()
    given = {"login": "tina@example.com", "password": PASSWORD}
    assert browser.post("/accounts/login/", given, REMOTE_ADDR="198.51.100.6").status_code == 302
    browser.post("/accounts/logout/")
    assert 429 in guess()
    given["password"] = "wrong"
    page = browser.post("/accounts/login/", given, REMOTE_ADDR="198.51.100.6")
    assert "Too many wrong passwords." in page.content.decode()
    assert ask("198.51.100.6", name="tina@example.com") == 429


def test_name_and_email_of_an_account_are_counted_together(tina: User) -> None:
    assert guess() == [401] * tries.MOST + [429] * 2
    assert ask("198.51.100.7", name="Tina@Example.com") == 429


def test_other_characters_that_look_the_same_are_no_other_account(tina: User) -> None:
    person("lea@home")
    for number in range(tries.MOST):
        ask(f"203.0.113.{number}", name="lea@home")
    typed = {"login": "\uff4c\uff45\uff41@home", "password": PASSWORD}
    page = Client().post("/accounts/login/", typed, REMOTE_ADDR="198.51.100.8")
    assert "Too many wrong passwords." in page.content.decode()


@pytest.mark.parametrize("told", [{"REMOTE_ADDR": ""}, {"REMOTE_ADDR": None}])
def test_a_try_whose_address_the_server_does_not_tell_is_counted_too(tina: User, told: dict[str, str | None]) -> None:
    answers = [
        Client(**told).post("/api/v1/auth/token/", {"username": f"nobody {number}", "password": "wrong"}).status_code
        for number in range(tries.MOST_FROM + 1)
    ]
    assert answers == [401] * tries.MOST_FROM + [429]


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_time_from_one_address_all_count(rf: RequestFactory) -> None:
    request = rf.get("/", REMOTE_ADDR="198.51.100.10")
    together = threading.Barrier(6)

    def fail(name: str) -> None:
        together.wait()
        try:
            tries.count(request, name)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(fail, "abcdef"))

    for name in range(tries.MOST_FROM - 6):
        assert tries.wait(request, "g") == 0
        tries.count(request, f"person {name}")
    assert tries.wait(request, "g") > 0
