"""A part of a page, asked for after the session has ended."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
def test_a_part_of_a_page_is_no_sign_in_page_and_a_page_is_led_to_it(client: Client) -> None:
    part = client.post("/projects/cats/images/add/", headers={"HX-Request": "true"})
    assert (part.status_code, part.json()["error"]["message"]) == (401, "You are signed out.")
    assert client.get("/projects/", headers={"HX-Request": "true"}).status_code == 401
    page = client.get("/projects/")
    assert (page.status_code, page["Location"]) == (302, "/accounts/login/?next=/projects/")
    moved = client.get("/projects", headers={"HX-Request": "true"})
    assert (moved.status_code, moved["Location"]) == (308, "/projects/")
