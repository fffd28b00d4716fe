"""Refusals: one shape for programs, a page for people, and nothing of the inside in either."""

from __future__ import annotations

import errno
import logging
from typing import Any

import pytest
from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.db import DatabaseError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from django.utils import translation
from rest_framework.decorators import api_view, permission_classes
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from config.middleware.request_log import BrokenFilter
from config.urls import handler400, handler403, handler404, handler500  # noqa: F401 - read by Django
from config.urls import urlpatterns as real
from labeling.errors import CrowdtuneError
from labeling.models import Rule
from labeling.resilience import outages

RAISED: dict[str, Exception] = {
    "bug": RuntimeError("secret detail"),
    "denied": PermissionDenied(),
    "missing": Http404("inner name"),
    "odd": SuspiciousOperation("odd"),
    "refused": CrowdtuneError("too_little", "Expected 8 labels, got 3: label 5 more.", 409, {"labels": 3}),
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "read-only": OSError(errno.EROFS, "Read-only file system", "/data/media/parts/upload-1"),
    "away": OperationalError("connection refused"),
    "gone": DatabaseError("Save with update_fields did not affect any rows."),
    "invalid": ValidationError({"name": ["This field is required."]}),
    "long": CrowdtuneError("bad_answer", f"{'é' * 100_000} is no cat.", fields={"x" * 50_000: []}),
    "long-field": ValidationError({"kind": [f"{'é' * 100_000} is no cat."]}),
}


def page(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


@api_view(["GET"])
@permission_classes([AllowAny])
def endpoint(request: Request, name: str) -> Any:
    raise RAISED[name]


urlpatterns = [path("raise/<name>", page), path("api/v1/raise/<name>", endpoint), path("v2/raise/<name>", page), *real]
pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("bug", 500, "internal_error"),
        ("denied", 403, "permission_denied"),
        ("missing", 404, "not_found"),
        ("odd", 400, "bad_request"),
        ("refused", 409, "too_little"),
        ("invalid", 400, "invalid"),
        ("full", 507, "disk_full"),
        ("read-only", 503, "unavailable"),
        ("away", 503, "unavailable"),
        ("gone", 409, "conflict"),
    ],
)
def test_a_program_is_answered_in_one_shape(client, name, status, code):
    answer = client.get(f"/api/v1/raise/{name}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "fields"}
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]
    assert "secret detail" not in answer.content.decode()
    assert "inner name" not in answer.content.decode()


def test_an_outage_is_told_as_such_and_when_to_come_back(client):
    api, page = client.get("/api/v1/raise/away"), client.get("/raise/away")
    assert api["Retry-After"] == page["Retry-After"] == "5"
    assert page.status_code == 503
    assert "The database does not answer." in page.content.decode()
    assert 'href="/raise/away">Try again' in page.content.decode()
    assert "Try again</a>" not in client.post("/raise/away").content.decode()  # a form is sent again from its own page
    assert "connection refused" not in page.content.decode() + api.content.decode()
    full = client.get("/raise/full")
    assert full.status_code == 507
    assert "The disk is full" in full.content.decode()


def test_a_row_that_somebody_else_has_deleted_is_told_as_such(client):
    rule = Rule(pk=1, message="Too quick")
    with pytest.raises(DatabaseError) as raised:
        rule.save(update_fields=["message"])
    assert outages.is_gone(raised.value)
    page = client.get("/raise/gone")
    assert (page.status_code, "at the same moment" in page.content.decode()) == (409, True)
    with pytest.raises(DatabaseError) as raised:
        Rule.objects.extra(where=["nonsense"]).first()
    assert not outages.is_gone(raised.value)


def test_a_refusal_of_a_room_keeps_its_words_and_fields(client):
    error = client.get("/api/v1/raise/refused").json()["error"]
    assert error == {
        "code": "too_little",
        "message": "Expected 8 labels, got 3: label 5 more.",
        "fields": {"labels": 3},
    }


@pytest.mark.parametrize("name", ["long", "long-field"])
def test_a_refusal_does_not_say_all_of_what_came_again(client, name):
    answer = client.get(f"/api/v1/raise/{name}")
    assert len(answer.content) < 12_000
    error = answer.json()["error"]
    for told in (error["message"], *next(iter(error["fields"].values()))):
        assert told.endswith("é is no cat.")
        assert " … " in told


def test_an_invalid_body_says_which_field_in_one_sentence(client):
    error = client.get("/api/v1/raise/invalid").json()["error"]
    assert error["message"] == "name: This field is required."
    assert error["fields"] == {"name": ["This field is required."]}


@pytest.mark.parametrize("address", ["/api/v1/nowhere/", "/api/nowhere"])
def test_an_address_that_is_not_there_is_told_in_the_same_shape(client, address):
    answer = client.get(address)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("address", ["/v2/nowhere", "/v2/raise/bug", "/v2/raise/denied", "/v2/raise/odd"])
def test_clients_of_the_open_inference_protocol_are_told_in_its_own_shape(client, address):
    answer = client.get(address)
    assert answer.status_code in {400, 403, 404, 500}
    assert list(answer.json()) == ["error"]
    assert isinstance(answer.json()["error"], str)
    for other in ("secret detail", "/api/docs/"):  # which lists none of the protocol's addresses
        assert other not in answer.json()["error"]


@pytest.mark.parametrize("name", ["bug", "denied", "missing", "odd"])
def test_a_person_is_answered_by_a_page(client, name):
    answer = client.get(f"/raise/{name}")
    assert answer.status_code in {400, 403, 404, 500}
    assert answer["Content-Type"].startswith("text/html")
    assert "secret detail" not in answer.content.decode()


def test_a_failure_of_ours_names_the_request_that_the_log_knows(client):
    answer = client.get("/api/v1/raise/bug", headers={"X-Request-ID": "abc-1"})
    assert answer["X-Request-ID"] == "abc-1"
    assert "abc-1" in answer.json()["error"]["message"]


def test_a_person_is_told_the_number_of_the_request_that_failed_in_the_language_of_the_page(client):
    answer = client.get("/raise/bug", headers={"X-Request-ID": "abc-1", "Accept-Language": "hi"})
    assert "<code>abc-1</code>" in answer.content.decode()
    assert '<html lang="hi"' in answer.content.decode()
    assert "could not be read" in client.get("/raise/odd").content.decode()


@pytest.mark.parametrize("language", ["en", "hi"])
def test_what_is_refused_before_the_language_is_chosen_is_told_in_the_readers(client, language):
    translation.activate("en" if language == "hi" else "hi")  # as the request before left the thread
    asked = {"Host": "evil.example", "Accept-Language": language, "Authorization": "Token x"}
    answer = client.generic("POST", "/api/v1/projects/pets/assignments/", headers=asked)  # goes the short way
    assert answer.status_code == 400
    told = answer.json()["error"]["message"]
    assert any("\u0900" <= letter <= "\u097f" for letter in told) == (language == "hi"), told


@pytest.mark.parametrize("name", ["bug", "odd", "away"])
def test_a_page_of_a_failure_keeps_the_theme_that_was_chosen(client, name):
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get(f"/raise/{name}").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-theme" not in client.get(f"/raise/{name}").content.decode()


def test_a_missing_csrf_token_is_told_to_a_person_as_what_to_do():
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/accounts/login/", {"login": "a", "password": "b"})
    assert answer.status_code == 403
    assert answer["Content-Type"].startswith("text/html")
    assert "load the page again" in answer.content.decode()
    assert "CSRF cookie" not in answer.content.decode()
    assert "role" not in answer.content.decode().split("<h1>")[1].split("</h1>")[0]


def test_an_unsigned_call_is_told_how_to_sign_it(client):
    answer = client.get("/api/v1/nowhere/", headers={"Authorization": "Token nonsense"})
    assert answer.status_code in {401, 404}
    assert "error" in answer.json()
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        told = client.get("/api/v1/projects/", headers=headers).json()["error"]
        assert told["code"] == "not_authenticated"
        assert "`Authorization: Token <key>`" in told["message"]


def test_a_method_that_an_address_does_not_take_is_told_with_those_that_it_does(client):
    told = client.get("/api/v1/auth/token/").json()["error"]
    assert (told["code"], told["message"]) == ("method_not_allowed", "GET came; this address takes POST, OPTIONS.")


@pytest.mark.parametrize(
    "address", ["/nowhere/", "/api/v1/nowhere/", "/raise/denied", "/raise/missing", "/api/v1/raise/refused"]
)
def test_a_refusal_is_one_line_of_the_log(client, caplog, address):
    with caplog.at_level("INFO"):
        client.get(address)
    (line,) = caplog.records
    assert (line.name, line.levelname, line.exc_info) == ("crowdtune.request", "INFO", None)
    assert line.getMessage().startswith(f"GET {address} 40")


def test_a_strange_host_is_told_without_a_traceback(client, caplog):
    client.get("/label/", headers={"Host": "evil.example"})
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
    assert "'evil.example'" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("refusal", [RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent])
def test_too_large_a_form_is_told_without_a_traceback(client, caplog, monkeypatch, refusal):
    monkeypatch.setitem(RAISED, "odd", refusal("Too much came."))
    assert client.get("/api/v1/raise/odd").status_code == 413
    assert [line.levelname for line in caplog.records] == ["WARNING", "INFO"]
    assert "Traceback" not in caplog.text


def test_what_broke_is_logged_with_its_traceback_once(client, caplog):
    client.get("/raise/bug")
    (broken,) = [line for line in caplog.records if line.exc_info]
    assert broken.name == "django.request"
    (told,) = [line for line in caplog.records if line.name == "crowdtune.request"]
    assert told.levelname == "WARNING"


@pytest.mark.parametrize("name", ["full", "away"])
def test_an_outage_is_a_line_of_the_log_with_its_reason(client, caplog, monkeypatch, name):
    logger = logging.getLogger("django.request")  # logging that is set up again adds the filter to those of before
    monkeypatch.setattr(logger, "filters", [*logger.filters, BrokenFilter()])
    client.get(f"/raise/{name}")
    why, own = caplog.records
    assert (why.name, why.levelname, why.exc_info) == ("django.request", "ERROR", None)
    assert why.getMessage().endswith(f"/raise/{name}: {RAISED[name]}")
    assert own.name == "crowdtune.request"
