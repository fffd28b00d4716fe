"""Pages are compressed, and nothing else is."""

from __future__ import annotations

import gzip

import pytest
from django.test import Client


@pytest.mark.django_db
def test_a_page_is_compressed_for_who_reads_that_and_the_api_is_not() -> None:
    plain = Client().get("/accounts/login/")
    page = Client().get("/accounts/login/", headers={"Accept-Encoding": "gzip, deflate"})
    assert page["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page["Vary"]
    assert len(page.content) < len(plain.content) / 2
    assert b"<html" in gzip.decompress(page.content)
    assert "Content-Encoding" not in plain
    assert "Content-Encoding" not in Client().get("/api/v1/schema/", headers={"Accept-Encoding": "gzip"})
