"""An address without its last slash, and one by another name."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
def test_what_was_sent_to_an_address_without_its_slash_arrives(client: Client) -> None:
    told = client.post("/api/v1/auth/token?next=1", {"username": "ada"}, content_type="application/json")
    assert (told.status_code, told["Location"]) == (308, "/api/v1/auth/token/?next=1")
    arrived = client.post("/api/v1/auth/token", {"username": "ada"}, content_type="application/json", follow=True)
    assert arrived.status_code == 400
    assert "password" in arrived.json()["error"]["fields"]
    assert client.get("/label").status_code == 308
    assert client.post("/api/v1/nowhere", {}).status_code == 404


def test_a_page_of_a_project_is_found_by_what_its_subject_is_called_too(client: Client) -> None:
    assert client.get("/projects/pets/overview/")["Location"] == "/projects/pets/"
    assert client.get("/projects/pets/adjudication/")["Location"] == "/projects/pets/review/"


@pytest.mark.django_db
def test_what_has_no_slash_at_its_end_is_found_with_one_too(client: Client) -> None:
    assert client.get("/v2/", follow=True).json()["name"] == "crowdtune"
    told = client.post("/v2/models/pets/infer/?a=b%2F", {}, content_type="application/json")
    assert (told.status_code, told["Location"]) == (308, "/v2/models/pets/infer?a=b%2F")
    assert client.get("/healthz/", follow=True).status_code == 200
    assert client.get("/v2/nowhere/").status_code == client.get("/v2/nowhere").status_code == 404


def test_what_a_page_of_the_administration_does_not_find_leads_nowhere(admin_client: Client) -> None:
    for path in ("auth/user/999/password/", "r/4/999/"):
        assert admin_client.get(f"/admin/{path}").status_code == 404  # and not there and back without an end
