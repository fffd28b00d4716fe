"""What an owner is told of jobs: how far they are, what they refused, which are over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import Job, Project
from tests.labeling.views.owner.test_pages import text


def test_a_job_says_what_was_refused_and_why(project: Project, owning: Client) -> None:
    job = Job.objects.create(
        project=project,
        kind="import_images",
        state="succeeded",
        errors=[{"item": "notes.txt", "code": "not_an_image", "message": "This is not a picture."}],
    )
    page = text(owning.get(f"/projects/{project.slug}/jobs/{job.pk}/"))
    assert "notes.txt" in page
    assert "This is not a picture." in page
    assert "The first" not in page


def test_what_was_refused_is_told_once_beside_a_job(project: Project, owning: Client) -> None:
    result = {"imported": 250, "refused": 2}
    Job.objects.create(project=project, kind="import_images", state="succeeded", result=result)
    page = text(owning.get(f"/projects/{project.slug}/jobs/"))
    assert page.lower().count("refused") == 1
    assert "Brought in 250" in page


def test_while_the_first_images_come_in_none_are_counted(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=0)
    assert "None yet<" in text(owning.get(f"/projects/{project.slug}/images/"))
    Job.objects.create(project=project, kind="import_images", state="running")
    assert "the first are on their way in" in text(owning.get(f"/projects/{project.slug}/images/"))


def test_a_job_that_refused_more_than_it_lists_says_so(project: Project, owning: Client) -> None:
    errors = [{"item": "notes.txt", "code": "not_an_image", "message": "This is not a picture."}]
    told = {"kind": "import_images", "state": "succeeded", "errors": errors, "result": {"refused": 10_000}}
    job = Job.objects.create(project=project, **told)
    assert "The first 1 of 10,000." in text(owning.get(f"/projects/{project.slug}/jobs/{job.pk}/"))


def test_lists_of_jobs_read_no_reports(project: Project, owning: Client) -> None:
    Job.objects.create(project=project, kind="import_labels", state="running", result={"refused": 1000})
    for address in ("jobs/", "labels/"):
        with CaptureQueriesContext(connection) as queries:
            assert "1,000 refused" in text(owning.get(f"/projects/{project.slug}/{address}"))
        assert not [one["sql"] for one in queries if '"labeling_job"."errors"' in one["sql"]]


def test_an_import_tells_its_file_and_groups_its_digits(project: Project, owning: Client) -> None:
    for sent in ("file", "archive", "manifest"):
        told = {
            "arguments": {sent: {"name": f"{sent}.zip", "spool": ""}},
            "result": {"refused": 4100, "imported": 9000},
        }
        job = Job.objects.create(project=project, kind="import_labels", state="succeeded", **told)
        page = text(owning.get(f"/projects/{project.slug}/jobs/{job.pk}/"))
        assert all(words in page for words in (f"{sent}.zip · ", "4,100 refused", ">9,000<"))
    Job.objects.filter(pk=job.pk).update(state="failed", message="manifest.zip is no archive that can be read.")
    assert "manifest.zip · " not in text(owning.get(f"/projects/{project.slug}/jobs/{job.pk}/"))


def test_the_list_of_jobs_asks_again_only_while_one_runs(project: Project, owning: Client) -> None:
    job = Job.objects.create(project=project, kind="export", state="running", progress=0.5)
    assert "every 1500ms" in text(owning.get(f"/projects/{project.slug}/jobs/"))
    Job.objects.filter(pk=job.pk).update(state="succeeded")
    assert "every 1500ms" not in text(owning.get(f"/projects/{project.slug}/jobs/"))


def test_a_job_that_cannot_know_how_far_it_is_shows_no_share(project: Project, owning: Client) -> None:
    job = Job.objects.create(project=project, kind="import_images", state="running", message="12 files")
    address = f"/projects/{project.slug}/jobs/{job.pk}/"
    page = text(owning.get(address))
    assert "12 files" in page
    assert '<progress class="progress" max="1" aria-label' in page
    assert "0\u202f%" not in page
    Job.objects.filter(pk=job.pk).update(progress=0.5)
    page = text(owning.get(address))
    assert 'max="1" value="0.500"' in page
    assert "50\u202f%" in page


def test_jobs_are_a_page_to_a_person_and_a_fragment_to_pages(project: Project, owning: Client) -> None:
    job = Job.objects.create(project=project, kind="export", state="succeeded")
    address = f"/projects/{project.slug}/jobs/"
    assert "</html>" in text(owning.get(address))
    assert "</html>" not in text(owning.get(address, headers={"HX-Request": "true"}))
    for kind, tab in (("export", "labels"), ("predict", "serving"), ("import_images", "images")):
        Job.objects.filter(pk=job.pk).update(kind=kind)
        assert owning.get(f"{address}{job.pk}/").context["tab"] == tab


def test_the_newest_of_finished_jobs_stands_in_full_and_those_before_it_are_folded(
    project: Project, owning: Client
) -> None:
    for number in range(5):
        when = timezone.now() - timedelta(hours=number)
        state = Job.State.FAILED if number == 2 else Job.State.SUCCEEDED
        result = {"imported": 199, "refused": int(number == 4)}
        Job.objects.create(
            project=project, kind="export", state=state, result=result, created_at=when, finished_at=when
        )
    newest, older, failed, oldest, refused = Job.objects.order_by("-created_at").values_list("pk", flat=True)
    page = text(owning.get(f"/projects/{project.slug}/labels/"))
    full, _, folded = page.partition("1 more that ended lately")
    assert str(newest) in full
    assert str(failed) in full
    assert str(refused) in full  # of the many that a large upload is parted into, the one with a report
    assert str(oldest) not in page
    assert str(older) in folded
    assert str(older) not in full
