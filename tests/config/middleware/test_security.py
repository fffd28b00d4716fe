"""What a browser is told about our pages, who may call the API from elsewhere, and what the log does not hold."""

from __future__ import annotations

import logging
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.test import Client
from django.urls import URLResolver, get_resolver

from config import databases
from config.throttles import AnonRate

pytestmark = pytest.mark.django_db


def test_pages_allow_no_inline_script_no_frame_and_no_other_host(client):
    answer = client.get("/")
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";") if part.strip())
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert policy["default-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


def test_no_answer_may_be_framed_the_one_to_a_wrong_method_neither(client, django_user_model):
    for address, status in (("/accounts/login/", 200), ("/nothing/", 404), ("/i18n/setlang/?a=%00", 400)):
        answer = client.get(address)
        assert (answer.status_code, answer["X-Frame-Options"]) == (status, "DENY")
    client.force_login(django_user_model.objects.create_user("ada"))
    wrong = client.get("/label/nothing/undo/")
    assert (wrong.status_code, wrong["X-Frame-Options"]) == (405, "DENY")


def test_only_the_staff_admin_has_a_wider_rule(client):
    assert "'unsafe-eval'" in client.get("/admin/login/")["Content-Security-Policy"]
    assert "'unsafe-eval'" not in client.get("/accounts/login/")["Content-Security-Policy"]


def test_a_proxy_that_keeps_pages_keeps_none_of_a_persons(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("ada"))
    for address in ("/projects/", "/profile/", "/api/v1/projects/", "/nothing/"):
        assert client.get(address)["Cache-Control"] == "private", address


def test_the_door_of_the_staff_is_the_one_where_tries_are_limited(client):
    get_user_model().objects.create_superuser("root", password="correct horse battery")
    guess = {"username": "root", "login": "root", "password": "wrong"}
    answers = {client.post("/admin/login/", guess, follow=True).wsgi_request.path for _ in range(3)}
    assert answers == {"/accounts/login/"}
    client.post("/accounts/login/?next=/admin/", {"login": "root", "password": "correct horse battery"})
    assert client.get("/admin/").status_code == 200


def test_a_person_who_is_no_staff_is_refused_by_the_admin_and_not_sent_round(client):
    client.force_login(get_user_model().objects.create_user("ada"))
    answer = client.get("/admin/", follow=True)
    assert (answer.status_code, len(answer.redirect_chain)) == (403, 1)


@pytest.mark.parametrize(
    ("proxies", "came", "counted"),
    [
        (0, "6.6.6.6", "127.0.0.1"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (3, "203.0.113.9", "203.0.113.9"),  # fewer than there should be: a request of the inside, or a setting too high
        (2, None, "127.0.0.1"),
        (1, "2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),  # the other half is the visitor's own to choose
        (1, "2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "203.0.113.9:50123", "203.0.113.9"),
        (1, "[2001:db8:1:2:bbbb::9]:50123", "2001:db8:1:2::/64"),
        (1, "unknown", "unknown"),
    ],
)
def test_visitors_behind_a_proxy_do_not_share_its_limit_of_tries(rf, settings, proxies, came, counted):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    request = rf.get("/", headers={"X-Forwarded-For": came} if came else {})
    assert get_adapter().get_client_ip(request) == counted
    assert AnonRate().get_ident(request) == counted


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"NUM_PROXIES": "2"}, b"2"),
        ({"HTTPS": "1", "NUM_PROXIES": "2"}, b"2"),
        ({"HTTPS": "1"}, b"1"),  # a proxy ends TLS
        ({"HTTPS": "1", "NUM_PROXIES": ""}, b"1"),
        ({}, b"0"),
    ],
)
def test_the_number_of_proxies_is_read_from_the_environment(given, read):
    code = "from config import settings as s; print(s.REST_FRAMEWORK['NUM_PROXIES'])"
    ran = subprocess.run([sys.executable, "-c", code], env=os.environ | given, capture_output=True)
    assert ran.stdout.strip() == read


def test_more_proxies_than_addresses_break_no_page(client, settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 2}
    assert client.get("/accounts/login/", headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200


def test_no_other_site_may_call_the_api_unless_it_is_named(client, settings):
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "GET"}
    assert "Access-Control-Allow-Origin" not in client.options("/api/v1/projects/", headers=asked)
    settings.CORS_ALLOWED_ORIGINS = ["https://other.example"]
    allowed = client.options("/api/v1/projects/", headers=asked)
    assert allowed["Access-Control-Allow-Origin"] == "https://other.example"
    assert "Access-Control-Allow-Origin" not in client.options("/accounts/login/", headers=asked)


def test_programs_in_a_browser_may_send_and_read_the_headers_that_the_api_speaks_of(client, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://other.example"]
    asked = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    assert client.get("/v2", headers=asked)["Access-Control-Allow-Origin"] == "https://other.example"
    sent = client.options("/v2/models/x/infer", headers=asked)["Access-Control-Allow-Headers"].split(", ")
    assert {"authorization", "x-sticky-key", "x-request-id", "inference-header-content-length"} <= set(sent)
    read = client.get("/api/v1/projects/", headers=asked)["Access-Control-Expose-Headers"].split(", ")
    assert {"x-model-version", "x-category", "x-request-id", "retry-after"} <= set(read)


def test_cookies_are_not_for_scripts(client):
    get_user_model().objects.create_user("ada", password="correct horse battery")
    answer = client.post("/accounts/login/", {"login": "ada", "password": "correct horse battery"})
    assert answer.cookies["sessionid"]["httponly"]
    assert answer.cookies["sessionid"]["samesite"] == "Lax"


def test_the_log_holds_neither_passwords_nor_keys_nor_queries(client, caplog):
    caplog.set_level(logging.DEBUG)
    client.post("/accounts/login/", {"login": "ada", "password": "a-very-secret-word"})
    client.get("/api/v1/projects/?token=in-the-address", headers={"Authorization": "Token ct_secretkey"})
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("crowdtune"))
    assert "/accounts/login/" in said
    for secret in ("a-very-secret-word", "ct_secretkey", "in-the-address"):
        assert secret not in said


ADDRESSES = [
    "/media/s3cret/projects/1/ab/ab.display.jpg", "/join/s3cret/", "/api/v1/invitations/s3cret/",
    "/accounts/confirm-email/s3cret/", "/accounts/password/reset/key/1-s3cret/",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_log_holds_no_address_that_opens_a_door(client, caplog, settings, address):
    settings.LOG_REQUESTS = True
    caplog.set_level(logging.INFO)
    client.get(address)
    Client(enforce_csrf_checks=True).post(address)  # of which Django writes a line, too
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert f"GET {address[:6]}" in said
    assert "s3cret" not in said


def test_every_address_with_a_secret_is_one_of_these():
    named = {"signature", "token", "invite", "key"}
    found = {str(pattern) for pattern in patterns(get_resolver()) if named & set(pattern.regex.groupindex)}
    assert len(found) == len(ADDRESSES)


def patterns(resolver: URLResolver) -> Iterator[Any]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry)
        else:
            yield entry.pattern


def test_an_address_with_a_line_break_forges_no_line_of_the_log(client, caplog):
    caplog.set_level(logging.INFO)
    client.get("/nothing%0atime=2000-01-01T00:00:00.000Z level=INFO logger=forged request=- GET / 200 1ms")
    assert any("/nothing%0A" in record.getMessage() for record in caplog.records)
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_an_address_that_is_signed_for_a_browser_is_in_no_log_however_much_it_tells(caplog):
    caplog.set_level(logging.DEBUG)
    signer = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="key", aws_secret_access_key="secret")
    address = signer.generate_presigned_url("get_object", Params={"Bucket": "images", "Key": "of-a-project.png"})
    assert "of-a-project" in address
    assert not [record for record in caplog.records if "of-a-project" in record.getMessage()]


def test_a_forgotten_password_is_reset_by_a_mail_and_where_none_is_sent_the_page_says_so(client, settings, mailoutbox):
    get_user_model().objects.create_user("ada", email="ada@example.com", password="correct horse battery")
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    page = client.get("/accounts/password/reset/").content.decode()
    assert "This site sends no mail" in page
    assert 'name="email"' not in page
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert 'name="email"' in client.get("/accounts/password/reset/").content.decode()
    client.post("/accounts/password/reset/", {"email": "ada@example.com"}, headers={"X-Forwarded-Proto": "https"})
    [link] = re.findall(r"/accounts/password/reset/key/\S+", mailoutbox[0].body)
    form = client.get(link)["Location"]
    ended = client.post(form, {"password1": "a new horse battery", "password2": "a new horse battery"}, follow=True)
    assert ended.redirect_chain[-1][0] == "/accounts/login/"  # where it is said once
    assert ended.content.decode().count("Password successfully changed.") == 1


def test_an_email_which_could_reset_the_password_is_changed_by_who_knows_it(client):
    ada = get_user_model().objects.create_user("ada", password="correct horse battery")
    client.post("/accounts/login/", {"login": "ada", "password": "correct horse battery"})
    asked = client.post("/accounts/email/", {"email": "eve@example.org", "action_add": ""})
    assert asked["Location"] == "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F"
    emails = EmailAddress.objects.filter(user=ada).values_list("email", flat=True)
    for password, kept in (("a guess", []), ("correct horse battery", ["eve@example.org"])):
        page = client.get(asked["Location"])
        assert "Confirm Access" in page.content.decode()
        client.post(asked["Location"], {"password": password, "next": "/accounts/email/"})
        assert list(emails.all()) == kept


def test_a_mail_server_that_is_away_is_told_as_an_outage_whoever_asks(client, settings):
    get_user_model().objects.create_user("ada", email="ada@example.com", password="correct horse battery")
    for name, value in databases.mail("smtp://127.0.0.1:1").items():
        setattr(settings, name, value)
    client.raise_request_exception = False
    for email in ("ada@example.com", "nobody@example.com"):
        answer = client.post("/accounts/password/reset/", {"email": email})
        assert answer.status_code == 503
        assert answer["Retry-After"] == "5"
        assert "No mail can be sent just now." in answer.content.decode()


def test_a_host_that_was_not_named_is_refused(client):
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("address", ["/api/v1/projects/?search=%00", "/?q=a%00b", "/api/v1/nope/?x=%00"])
def test_a_nul_in_the_query_is_a_bad_request_and_no_failure(client, address):
    answer = client.get(address)
    assert answer.status_code == 400
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    if address.startswith("/api/"):
        assert answer.json()["error"]["code"] == "bad_request"


def test_no_other_account_of_the_machine_can_read_the_images(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    name = FileSystemStorage().save("a/b.png", ContentFile(b"private"))
    file = tmp_path / "media" / name
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "media", file.parent, file)] == [
        0o700,
        0o700,
        0o600,
    ]
