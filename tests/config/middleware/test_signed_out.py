"""A part of a page, asked for after the session has ended."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling import services
from labeling.files import storage


@pytest.mark.django_db
def test_a_part_of_a_page_is_no_sign_in_page_and_a_page_is_led_to_it(client: Client) -> None:
    part = client.post("/projects/cats/images/add/", headers={"HX-Request": "true"})
    assert (part.status_code, part.json()["error"]["message"]) == (401, "You are signed out.")
    assert client.get("/projects/", headers={"HX-Request": "true"}).status_code == 401
    page = client.get("/projects/")
    assert (page.status_code, page["Location"]) == (302, "/accounts/login/?next=/projects/")
    moved = client.get("/projects", headers={"HX-Request": "true"})
    assert (moved.status_code, moved["Location"]) == (308, "/projects/")


@pytest.mark.django_db
def test_a_form_comes_back_on_a_page_that_sends_it_again(client: Client) -> None:
    address, browser = "/projects/cats/settings/?x=1", {"Accept": "text/html,*/*"}
    page = client.post(address, {"instructions": 'One "two"\r\n<b>', "languages": ["en", "hi"]}, headers=browser)
    assert page.status_code == 401
    said = page.content.decode()
    assert 'method="post" action="/projects/cats/settings/?x=1"' in said
    assert 'name="instructions" value="One &quot;two&quot;\r\n&lt;b&gt;"' in said
    assert 'name="languages" value="en"><input type="hidden" name="languages" value="hi"' in said
    for path, data in (
        ("/accounts/password/change/", {"password1": "secret"}),
        ("/projects/cats/settings/", {}),
        ("/projects/cats/settings/", {"name": "x", "file": SimpleUploadedFile("a.txt", b"a")}),
    ):
        assert client.post(path, data, headers=browser).status_code == 302, path
    led = client.post("/i18n/setlang/", {"language": "hi", "next": "/accounts/login/"}, headers=browser)
    assert (led.status_code, led["Location"]) == (302, "/accounts/login/")


@pytest.mark.django_db
def test_a_form_of_before_the_sign_in_can_be_sent_again() -> None:
    """Without scripts nothing renews the token that the page holds; signing in has made another."""
    owner = User.objects.create_user("owner")
    project = services.create_project(owner=owner, name="Cats", categories=["cat", "dog"])
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    address, own = f"/projects/{project.slug}/settings/", {"Origin": "http://testserver"}
    token = re.search('name="csrfmiddlewaretoken" value="(.+?)"', client.get(address).content.decode())
    assert token
    form = {"csrfmiddlewaretoken": "a" * 64, "instructions": "Look <b>twice", "languages": ["en", "hi"]}
    page = client.post(address, form, headers=own)
    said = page.content.decode()
    assert (page.status_code, f'method="post" action="{address}"' in said) == (403, True)
    assert 'name="instructions" value="Look &lt;b&gt;twice"' in said
    assert said.count('name="languages"') == 2
    assert "a" * 64 not in said
    anew = re.search('name="csrfmiddlewaretoken" value="(.+?)"', said)
    assert anew
    again = client.post(address, form | {"csrfmiddlewaretoken": anew[1]}, headers=own)
    assert "Look &lt;b&gt;twice" in again.content.decode()  # read as a form, which asks for the other fields
    for odd in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):  # another's page is not helped
        assert "twice" not in client.post(address, form, headers=odd).content.decode(), odd
    assert "secret" not in client.post("/accounts/login/", {"password": "secret"}, headers=own).content.decode()


def test_what_a_browser_has_already_leads_nowhere(client: Client) -> None:
    storage.put("pets/a.png", b"x")
    address = storage.file_url("pets/a.png")
    shown = client.get(address)
    assert b"".join(shown.streaming_content) == b"x"  # which closes the file
    assert client.get(address, headers={"If-None-Match": shown["ETag"], "HX-Request": "true"}).status_code == 304
