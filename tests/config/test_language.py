"""Refusals are said in the reader's language; what programs compare, the code and the fields' names, never changes."""

from __future__ import annotations

import datetime
import json
import re

import pytest
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import translation
from django.utils.formats import date_format
from rest_framework.test import APIClient

from labeling.models import Project
from tests.labeling.conftest import client, make_project, owner, person, project  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db
HINDI = {"Accept-Language": "hi"}


def is_hindi(text: str) -> bool:
    return any("\u0900" <= letter <= "\u097f" for letter in text)


def both(api: APIClient, method: str, path: str, body: object = None) -> tuple[dict, dict]:
    """The same refusal in English and in Hindi."""
    said = [
        api.generic(method, path, "" if body is None else json.dumps(body), "application/json", headers=h)
        for h in ({}, HINDI)
    ]
    assert said[0].status_code == said[1].status_code >= 400
    return said[0].json()["error"], said[1].json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/nowhere/", None),
        ("GET", "/api/v1/projects/nothing/", None),
        ("POST", "/api/v1/projects/", {}),
        ("POST", "/api/v1/projects/", {"name": "x", "questions": [{"kind": "magic"}]}),
        ("POST", "/api/v1/projects/", {"name": "x", "judgments_per_task": {"min": "many"}}),
        ("POST", "/api/v1/projects/", {"name": "x", "price_per_judgment": "1.23456"}),
        ("PUT", "/api/v1/projects/pets/", {}),
        ("POST", "/api/v1/projects/pets/rules/", {"measure": "gold_accuracy", "threshold": 7, "action": "warn"}),
        ("POST", "/api/v1/projects/pets/training-runs/", {"backbone": "none such"}),
        ("POST", "/api/v1/projects/pets/predict/", {"images": []}),
        ("GET", "/api/v1/projects/pets/labels/?method=magic", None),
    ],
)
def test_a_refusal_speaks_the_language_of_the_reader(
    project: Project,  # noqa: F811
    method: str,
    path: str,
    body: object,
) -> None:
    english, hindi = both(client(project.owner), method, path, body)
    assert english["code"] == hindi["code"]
    assert set(english["fields"]) == set(hindi["fields"])
    assert not is_hindi(english["message"])
    assert is_hindi(hindi["message"]), hindi


def test_the_language_that_somebody_chose_outlives_the_browsers_end() -> None:
    chosen = Client().post("/i18n/setlang/", {"language": "hi"}).cookies["django_language"]
    assert (chosen.value, chosen["max-age"], chosen["samesite"]) == ("hi", 365 * 86_400, "Lax")


def test_an_answer_that_does_not_fit_is_refused_in_hindi(project: Project) -> None:  # noqa: F811
    api = client(project.owner)
    lease = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    english, hindi = both(api, "POST", f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "cow"}})
    assert english["code"] == hindi["code"] == "bad_answer"
    assert "expected one of" in english["fields"]["category"][0]
    assert is_hindi(hindi["fields"]["category"][0])


def test_the_pages_of_accounts_and_their_mails_speak_hindi(mailoutbox: list[EmailMessage]) -> None:
    person("tina", email="tina@example.com")
    browser = Client(headers=HINDI)
    page = "/accounts/login/"
    told = [
        browser.post(page, {"login": "tina", "password": "wrong"}),
        browser.post("/accounts/signup/", {"username": "a b", "password1": "123", "password2": "123"}),
        browser.post(page, {"login": "tina", "password": "a long enough one"}, follow=True),
        browser.get("/accounts/email/"),
        browser.post("/accounts/email/", {"email": "new@example.com", "action_add": ""}, follow=True),
        browser.post("/accounts/reauthenticate/", {"password": "wrong", "next": "/accounts/email/"}),
        browser.post(
            "/accounts/reauthenticate/", {"password": "a long enough one", "next": "/accounts/email/"}, follow=True
        ),
        browser.post("/accounts/logout/", follow=True),
    ]
    known = {"Crowdtune", "OpenAPI", "tina", *dict(settings.LANGUAGES).values()}
    for answer in told:
        text = re.sub(r"<(script|style|svg).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
        text = re.sub(r"\S+@\S+", " ", text)
        assert set(re.findall(r"[A-Za-z]{4,}", text)) <= known
    for address in ("tina@example.com", "nobody@example.com"):
        browser.post("/accounts/password/reset/", {"email": address})
    for mail in mailoutbox:
        words = set(re.findall(r"[A-Za-z]{4,}", re.sub(r"http\S+|\S+@\S+", "", f"{mail.subject} {mail.body}")))
        assert words <= {"testserver", "tina"}
    assert len(mailoutbox) == 3


def test_who_is_not_known_is_told_so_in_hindi() -> None:
    answer = APIClient().get("/api/v1/projects/", headers=HINDI | {"Authorization": "Token nonsense"})
    assert answer.json()["error"]["code"] == "bad_token"
    assert is_hindi(answer.json()["error"]["message"])


def test_what_is_no_json_is_refused_in_hindi(project: Project) -> None:  # noqa: F811
    sent = client(project.owner).generic("POST", "/api/v1/projects/", "{", "application/json", headers=HINDI)
    assert sent.json()["error"]["code"] == "parse_error"
    assert sent.json()["error"]["message"].startswith("यह मान्य JSON नहीं है")


def test_forms_say_in_plain_hindi_what_is_missing_taken_or_too_much(project: Project) -> None:  # noqa: F811
    person("tina")
    password = {"password1": "a long enough one", "password2": "a long enough one"}
    page = Client(headers=HINDI).post("/accounts/signup/", {"username": "tina", "email": "x", **password})
    assert "इस नाम का उपयोगकर्ता पहले से है।" in page.content.decode()
    assert "सही ईमेल पता लिखें।" in page.content.decode()
    assert "इसे भरना ज़रूरी है।" in Client(headers=HINDI).post("/accounts/signup/", {}).content.decode()
    browser = Client(headers=HINDI)
    browser.force_login(project.owner)
    sent = {"name": "x" * 300, "price_per_judgment": "1.1234567", "judgments_min": "0"}
    text = browser.post(f"/projects/{project.slug}/settings/", sent).content.decode()
    assert "अक्षर न हों (अभी 300 हैं)।" in text
    assert "दशमलव के बाद" in text
    assert "यह मान 1 से कम न हो।" in text


@pytest.mark.parametrize(("month", "name"), [(5, "मई"), (9, "सितंबर"), (11, "नवंबर"), (12, "दिसंबर")])
def test_no_word_of_the_pages_takes_the_place_of_a_month(month: int, name: str) -> None:
    with translation.override("hi"):
        assert date_format(datetime.date(2026, month, 3)) == f"3 {name} 2026"


@pytest.mark.parametrize(("language", "said"), [("en", "1,234,567"), ("hi", "12,34,567")])
def test_large_numbers_are_grouped_as_the_language_does(language: str, said: str) -> None:
    with translation.override(language):
        assert intcomma(1234567) == said
