"""Names whose accents a Mac has taken apart from their letters, and quotes as browsers send them."""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import normalize

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from labeling import services
from labeling.models import Gold, Job, Judgment, Project
from tests.labeling.conftest import picture
from tests.labeling.importing.conftest import Import, zipped

pytestmark = pytest.mark.django_db
MAC, KEYBOARD = normalize("NFD", "café.png"), normalize("NFC", "café.png")
ACCENTS = [(MAC, KEYBOARD), (KEYBOARD, MAC), (MAC, MAC)]
QUOTED, SENT, LINES = 'a "b".png', "a %22b%22.png", "1%0A2.png"
SIGNS = [(SENT, QUOTED), (SENT, SENT), (QUOTED, SENT), (LINES, LINES)]
both_ways = pytest.mark.parametrize(("stored", "said"), ACCENTS)
as_sent = pytest.mark.parametrize(("stored", "said"), SIGNS)
all_ways = pytest.mark.parametrize(("stored", "said"), ACCENTS + SIGNS)


@all_ways
def test_gold_finds_its_file(bring: Import, stored: str, said: str) -> None:
    job = bring(files=[SimpleUploadedFile(stored, picture(1))], gold={said: "cat"})
    assert (job.errors, Gold.objects.get().answers) == ([], {"category": "cat"})


@both_ways
def test_a_row_of_a_manifest_finds_its_file(bring: Import, stored: str, said: str) -> None:
    text = f"path,label\n{said},cat\n".encode()
    job = bring(manifest=SimpleUploadedFile("list.csv", text), archive=zipped({stored: picture(1)}))
    assert (job.errors, job.result["labels"]) == ([], 1)
    sent = [SimpleUploadedFile(stored, picture(2))]
    assert bring(manifest=SimpleUploadedFile("list.csv", text), files=sent).errors == []


@as_sent
def test_a_row_of_a_manifest_finds_its_file_as_it_was_sent(bring: Import, stored: str, said: str) -> None:
    text = f"path,label\n{said},cat\n".encode()
    job = bring(manifest=SimpleUploadedFile("list.csv", text), files=[SimpleUploadedFile(stored, picture(1))])
    assert (job.errors, job.result["labels"]) == ([], 1)


@pytest.mark.parametrize(
    ("stored", "said", "folder"), [(MAC, KEYBOARD, ""), *((*pair, "pets/") for pair in ACCENTS + SIGNS)]
)
def test_judgments_and_labels_find_their_image(
    make_project: Callable[..., Project], run_actors: Callable[[], int], stored: str, said: str, folder: str
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={folder + stored: picture(1)})
    lines = SimpleUploadedFile("a.csv", f"image,worker,answer\n{said},ann,cat\n".encode())
    services.import_judgments(project=project, file=lines, user=project.owner)
    labels = SimpleUploadedFile("b.csv", f"image,answer\n{said},cat\n".encode())
    services.import_labels(project=project, file=labels, user=project.owner, form="csv", take_as="gold", source="them")
    run_actors()
    assert [job.errors for job in Job.objects.filter(kind__startswith="import")] == [[], []]
    assert Judgment.objects.get().answers == Gold.objects.get().answers == {"category": "cat"}


def test_of_two_that_differ_in_their_spelling_alone_the_one_that_is_spelled_so_is_meant(
    make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={MAC: picture(1), KEYBOARD: picture(2)})
    lines = SimpleUploadedFile("a.csv", f"image,worker,answer\n{MAC},ann,cat\n{KEYBOARD},ann,dog\n".encode())
    services.import_judgments(project=project, file=lines, user=project.owner)
    labels = SimpleUploadedFile("b.csv", f"image,answer\n{KEYBOARD},dog\n{MAC},cat\n".encode())
    services.import_labels(project=project, file=labels, user=project.owner, form="csv", take_as="gold", source="them")
    run_actors()
    assert [job.errors for job in Job.objects.filter(kind__startswith="import")] == [[], []]
    for model in (Judgment, Gold):
        said = {row.task.image.name: row.answers["category"] for row in model.objects.select_related("task__image")}
        assert said == {MAC: "cat", KEYBOARD: "dog"}


def test_a_manifest_names_two_files_that_differ_in_their_spelling_alone(bring: Import) -> None:
    text = f"path,label\n{MAC},cat\n{KEYBOARD},dog\n".encode()
    sent = [SimpleUploadedFile(KEYBOARD, picture(2)), SimpleUploadedFile(MAC, picture(1))]
    job = bring(manifest=SimpleUploadedFile("list.csv", text), files=sent)
    assert (job.errors, job.result["imported"]) == ([], 2)
    said = {row.task.image.name: row.answers["category"] for row in Gold.objects.select_related("task__image")}
    assert said == {MAC: "cat", KEYBOARD: "dog"}
