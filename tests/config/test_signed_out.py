"""A part of a page, asked for after the session has ended."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

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


def test_what_a_browser_has_already_leads_nowhere(client: Client) -> None:
    storage.put("pets/a.png", b"x")
    address = storage.file_url("pets/a.png")
    shown = client.get(address)
    assert b"".join(shown.streaming_content) == b"x"  # which closes the file
    assert client.get(address, headers={"If-None-Match": shown["ETag"], "HX-Request": "true"}).status_code == 304
