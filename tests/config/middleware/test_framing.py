"""Bodies in chunks, and packed ones."""

from __future__ import annotations

import gzip

import pytest
from django.contrib.auth.models import User
from django.test import Client
from prometheus_client import generate_latest

PREDICT = "/api/v1/projects/colours/predict/"


@pytest.mark.parametrize("address", [PREDICT, "/api/v1/auth/token/", "/v2/models/colours/infer"])
def test_a_body_in_chunks_is_refused_as_such_and_not_taken_for_an_empty_one(client: Client, address: str) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    told = client.post(address, "{}", content_type="application/json", headers=chunked, CONTENT_LENGTH="")
    assert told.status_code == 411
    assert "Content-Length" in str(told.json()["error"])


def test_a_packed_body_is_refused_as_such(client: Client) -> None:
    told = client.post(
        PREDICT, gzip.compress(b"{}"), content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert told.status_code == 415
    assert "gzip" in told.json()["error"]["message"]


def test_a_method_that_somebody_made_up_is_refused_and_leaves_nothing_in_the_metrics(client: Client) -> None:
    for address in ("/", "/healthz", PREDICT):
        told = client.generic("MADEUP", address)
        assert told.status_code == 405
        assert "POST" in told["Allow"]
        assert client.generic("TRACE", address).status_code == 405  # Django's views would answer it as GET
    assert client.options("/api/v1/").status_code != 405
    assert b"MADEUP" not in generate_latest()


@pytest.mark.django_db
def test_a_form_s_address_that_somebody_opens_says_that_it_takes_only_what_is_sent(client: Client) -> None:
    client.force_login(User.objects.create(username="olga"))
    told = client.get("/projects/any/images/add/")
    assert (told.status_code, told["Allow"]) == (405, "POST")
    assert "takes only what a form sends" in told.content.decode()
