"""Requests that wait for the store of files hold some threads of the web server, and not all."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling.models import Project
from labeling.resilience import outside, turns
from tests.inference.serving import picture


def test_whoever_needs_the_store_while_many_wait_for_it_is_told_to_come_again_and_asks_it_for_nothing(
    api: Any, owner: Any, project: Project, champion: Any, add_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs was waited for by every thread, and nobody was answered any more, whatever he asked for."""
    monkeypatch.setattr(turns, "SECONDS", 0.01)
    monkeypatch.setattr(outside, "STORE", turns.Places(1))
    image = add_images([1], embed=False)[0]
    page = Client(raise_request_exception=False)
    page.force_login(owner)
    api.raise_request_exception = False
    category = project.categories.all()[0].pk
    of, table = f"/api/v1/projects/{project.slug}/", b"image,worker,answer\n1.png,w,red\n"

    def asked() -> list[Any]:
        def file(data: bytes, name: str) -> SimpleUploadedFile:
            return SimpleUploadedFile(name, data)

        example, labels = file(picture(2, (400, 400)), "b.png"), file(table, "b.csv")
        return [
            api.post(f"{of}images/", {"files": [file(picture(3), "a.png")]}, format="multipart"),
            api.post(f"{of}judgments/import/", {"file": file(table, "a.csv")}, format="multipart"),
            api.post(f"{of}labels/import/", {"file": labels, "format": "csv", "as": "gold"}, format="multipart"),
            api.post(f"{of}predict/batch/", {"files": [file(picture(4), "c.png")]}, format="multipart"),
            api.post(f"{of}categories/{category}/examples/", {"image": example}, format="multipart"),
            api.post(f"{of}explain/", {"image": {"id": image.pk}}, format="json"),
            api.post(f"{of}predict/", {"images": [{"id": image.pk}]}, format="json"),
            page.post(f"/projects/{project.slug}/playground/", {"stored": image.pk}),
        ]

    with outside.stored():
        answers = asked()
        assert [answer.status_code for answer in answers] == [503] * len(answers)
        assert {answer["Retry-After"] for answer in answers} == {"5"}
    assert [answer.status_code for answer in asked()] == [202, 202, 202, 202, 201, 200, 200, 200]
