"""Judgments made elsewhere are labels by the time that their job is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import services
from labeling.importing import said
from labeling.jobs import run
from labeling.models import Consensus, Project

pytestmark = pytest.mark.django_db
LINES = b"image,worker,answer\n" + b"".join(
    b"%04d.png,%s,%s\n" % (image, worker, (b"cat", b"dog")[image % 2])
    for image in range(4)
    for worker in (b"dora", b"emil", b"fay")
)


def test_who_asks_once_the_job_is_done_finds_labels(make_project: Callable[..., Project]) -> None:
    project = make_project(images=4)
    job = services.import_judgments(project=project, file=SimpleUploadedFile("a.csv", LINES), user=project.owner)
    run(str(job.pk), said.run)  # and no other actor
    job.refresh_from_db()
    assert (job.state, job.result["imported"]) == ("succeeded", 12)
    labels = Consensus.objects.filter(project=project).order_by("task__image__name").values_list("answer", flat=True)
    assert list(labels) == ["cat", "dog", "cat", "dog"]
    project.refresh_from_db()
    assert project.fitted_version == project.answers_version > 0
