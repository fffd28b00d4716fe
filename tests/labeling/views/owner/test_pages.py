"""What an owner does on the pages: begin, bring in, filter, decide, change, delete."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.consensus import fitting
from labeling.models import (
    Appeal,
    Consensus,
    Image,
    Job,
    Judgment,
    Membership,
    Project,
    Task,
)
from labeling.surveys.starters import STARTERS
from tests.labeling.conftest import claim, person, picture
from tests.labeling.views.owner.conftest import judged


def text(response: object) -> str:
    return response.content.decode()


@pytest.mark.parametrize("starter", STARTERS)
def test_every_starting_point_makes_a_project_with_questions(starter: str, owning: Client) -> None:
    form = {"name": "Cats", "starter": starter, "judgments_min": 3, "judgments_max": 7, "access": "invited"}
    form["prompt"] = "Which one?"
    if STARTERS[starter].needs_categories:
        form["categories"] = "cat, dog"
    response = owning.post("/projects/new/", form)
    assert response.status_code == 302
    assert response["Location"].endswith("/settings/survey/" if starter == "survey" else "/images/")
    project = Project.objects.get(slug="cats")
    assert project.questions.earliest("position").prompt == "Which one?"
    assert project.workflow == STARTERS[starter].workflow


def test_a_new_project_with_files_starts_importing_them(owning: Client, run_actors: Callable[[], int]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("folder/c.png", picture(3))
    files = [
        SimpleUploadedFile("a.png", picture(1)),
        SimpleUploadedFile("b.png", picture(2)),
        SimpleUploadedFile("more.zip", buffer.getvalue()),
    ]
    form = {"name": "Cats", "starter": "yes_no", "judgments_min": 1, "judgments_max": 3, "access": "open"}
    owning.post("/projects/new/", {**form, "uploads": files})
    run_actors()
    assert Image.objects.filter(project__slug="cats").count() == 3
    assert Job.objects.filter(project__slug="cats", state="succeeded").count() == 2


def test_too_few_categories_are_said_at_their_field(owning: Client) -> None:
    form = {"name": "Cats", "starter": "single_choice", "categories": "cat", "judgments_min": 3, "judgments_max": 7}
    page = text(owning.post("/projects/new/", {**form, "access": "open"}))
    assert "Name at least two categories." in page
    assert not Project.objects.exists()


def test_the_list_shows_what_one_runs_and_nothing_else(
    project: Project, owning: Client, signed_in: Callable[[User | None], Client]
) -> None:
    assert project.name in text(owning.get("/projects/"))
    reviewer = person("reviewer1")
    services.add_member(project=project, username="reviewer1", role="reviewer")
    assert project.name in text(signed_in(reviewer).get("/projects/"))
    assert "Your first project" in text(signed_in(person("stranger")).get("/projects/"))


def test_one_of_many_projects_is_found_by_its_name(make_project: Callable[..., Project], owning: Client) -> None:
    first = make_project(0, name="Sea lions")
    assert 'name="q"' not in text(owning.get("/projects/"))
    Project.objects.bulk_create([Project(owner=first.owner, name=f"P {n}", slug=f"p-{n}") for n in range(30)])
    assert first.name not in text(owning.get("/projects/"))
    assert 'name="q"' in text(owning.get("/projects/"))
    assert owning.get("/projects/", {"q": "LIONS"}).context["page"].rows == [first]
    page = text(owning.get("/projects/", {"q": "tigers"}))
    assert "No project fits" in page
    assert "New project" in page
    assert "Your first project" not in page


def test_a_budget_of_nothing_is_a_budget(make_project: Callable[..., Project], owning: Client) -> None:
    page = text(owning.get(f"/projects/{make_project(budget=0).slug}/"))
    assert "of a budget of 0.00" in page
    assert "no budget set" not in page


def test_a_workers_answers_are_told_in_the_surveys_order_and_words(
    make_project: Callable[..., Project], owner: User, worker: User, owning: Client
) -> None:
    project = make_project(images=1)
    choices = [{"key": "r", "name": "Red"}, {"key": "b", "name": "Blue"}]
    questions = [
        {"key": "a_category", "kind": "single_choice"},
        {"key": "q", "kind": "rating"},
        {"key": "fur", "kind": "single_choice", "options": {"choices": choices}},
    ]
    project = services.replace_survey(project=project, user=owner, questions=questions)
    member = services.ensure_member(project=project, user=worker)
    lease = claim(project, worker)
    answers = {"a_category": "cat", "q": 4, "fur": "r"}
    services.submit_judgment(assignment_id=lease.id, worker=worker, answers=answers, seconds=2.0)
    assert "cat, 4, Red" in text(owning.get(f"/projects/{project.slug}/workers/{member.pk}/"))


def test_what_is_taken_for_what_leads_to_the_labels_behind_it(project: Project, owning: Client) -> None:
    judged(project, people=3, answers=("cat", "cat", "dog"))
    fitting.fit_project(project.pk)
    page = text(owning.get(f"/projects/{project.slug}/activity/"))
    address = f"/projects/{project.slug}/labels/?question=category&answer=cat&said=dog"
    assert f'<a href="{address.replace("&", "&amp;")}">3</a>' in page
    doubted, agreed = Task.objects.filter(project=project).order_by("pk")[:2]
    Judgment.objects.filter(task=agreed, answers__category="dog").update(withdrawn_at=timezone.now())
    page = text(owning.get(address))
    assert f"/images/{doubted.image_id}/" in page
    assert f"/images/{agreed.image_id}/" not in page
    assert "Somebody said dog" in page
    filtered = {"question": "category", "answer": "cat", "said": "dog", "change": "close"}
    owning.post(f"/projects/{project.slug}/labels/tasks/", filtered)
    assert Job.objects.get(kind="change_tasks").arguments["where"]["said"] == "dog"


def test_a_workers_confusion_keeps_the_names_of_its_fit_when_the_categories_change(
    make_project: Callable[..., Project], owner: User, owning: Client
) -> None:
    project = make_project(images=4, judgments_min=2, judgments_max=2)
    judged(project, 2)
    fitting.fit_project(project.pk)
    member = project.memberships.exclude(user=owner).first()
    assert member is not None
    page = owning.get(f"/projects/{project.slug}/workers/{member.pk}/")
    assert 'scope="row">cat<' in str(page.context["plot"].body)
    services.replace_survey(project=project, user=owner, categories=["ape", "dog", "cat"])
    page = owning.get(f"/projects/{project.slug}/workers/{member.pk}/")
    assert 'scope="row">ape<' not in str(page.context["plot"].body)


def test_judgments_of_a_few_minutes_are_shown_by_the_minute_also_a_week_later(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=3, judgments_max=2)
    judged(project, 1)
    start = (timezone.now() - timedelta(days=7)).replace(hour=8, minute=30)
    for number, judgment in enumerate(Judgment.objects.order_by("id")):
        Judgment.objects.filter(pk=judgment.pk).update(created_at=start + timedelta(minutes=2 * number))
    page = text(owning.get(f"/projects/{project.slug}/activity/"))
    assert ">8:30<" in page
    assert ">8:34<" in page
    assert f"until {start.day} {start:%b}" in page


def test_the_list_of_jobs_says_what_each_brought_and_keeps_more_than_the_last_few(
    project: Project, owning: Client, run_actors: Callable[[], int]
) -> None:
    for number in range(5):
        file = SimpleUploadedFile(f"{number}.png", picture(50 + number))
        services.import_images(project=project, files=[file], user=project.owner)
    run_actors()
    page = text(owning.get(f"/projects/{project.slug}/jobs/"))
    assert page.count("Brought in 1") == 5
    asked_again = text(owning.get(f"/projects/{project.slug}/jobs/?long=1", headers={"HX-Request": "true"}))
    assert asked_again.count("Brought in 1") == 5
    services.start_export(project=project, into="csv", user=project.owner)
    of_images = text(owning.get(f"/projects/{project.slug}/images/"))
    assert "All jobs" in of_images
    assert of_images.count('class="job ') == 3, "those of images, with no other among them"
    failed, *others = Job.objects.values_list("pk", flat=True)
    Job.objects.update(finished_at=timezone.now() - timedelta(days=2))
    Job.objects.filter(pk=failed).update(state="failed", kind="import_images")
    of_images = text(owning.get(f"/projects/{project.slug}/images/"))
    assert "All jobs" in of_images
    assert f"/jobs/{failed}/" in of_images, "nobody may have seen it yet"
    assert not any(f"/jobs/{other}/" in of_images for other in others), "what is old is no news"


def test_labels_stand_beside_the_majority_with_a_warning_where_they_differ(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_max=3)
    judged(project, 3, ("cat", "cat", "dog"))
    address = f"/projects/{project.slug}/labels/?differs=1"
    fitting.fit_project(project.pk)
    assert "No label fits" in text(owning.get(address))
    Consensus.objects.update(answer="dog")
    page = text(owning.get(address))
    assert "1 label on this page differs from the plain majority" in page
    assert f"/projects/{project.slug}/review/?differs=category" in page
    owning.post(f"/projects/{project.slug}/labels/tasks/", {"question": "category", "differs": "1", "change": "sooner"})
    assert Job.objects.get(kind="change_tasks").arguments["where"]["differs"] is True
    tied = {"answer": "cat", "confidence": 0.5, "posterior": {"cat": 0.5, "dog": 0.5}}
    Consensus.objects.update(others={"majority": tied})
    page = text(owning.get(f"/projects/{project.slug}/labels/"))
    assert "differs from the plain majority" not in page, "as many say so"


def test_a_label_that_is_sure_says_which_question_keeps_its_task_open(
    make_project: Callable[..., Project], owning: Client, owner: User
) -> None:
    asked = [{"key": key, "kind": "yes_no", "prompt": f"Is it {key}?"} for key in ("sharp", "bright", "whole")]
    project = make_project(images=1, judgments_max=7, questions=asked)
    services.submit_judgment(
        assignment_id=claim(project, owner).pk, worker=owner, answers={"sharp": True, "bright": True, "whole": True}
    )
    for key, sure in (("sharp", 1.0), ("bright", 0.7), ("whole", 0.61)):
        Consensus.objects.filter(question__key=key).update(confidence=sure)
    address = f"/projects/{project.slug}/labels/?question="
    assert "“Is it whole?” is only 61\u202f% sure" in text(owning.get(f"{address}sharp"))
    assert "sure</span>" not in text(owning.get(f"{address}bright")).partition("<tbody>")[2]


def test_a_worker_is_added_paused_and_taken_out(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/workers/"
    page = text(owning.post(f"{address}add/", {"username": "crowd7", "role": "worker"}))
    assert "This key is shown once" in page
    member = Membership.objects.get(user__username="crowd7")
    owning.post(f"{address}{member.pk}/change/", {"action": "pause", "because": "Too quick"})
    member.refresh_from_db()
    assert (member.is_paused, member.paused_because) == (True, "Too quick")
    services.weigh_worker(member=member, weight=0.2, by=None)
    assert "Count in full again" in owning.get(f"{address}{member.pk}/").content.decode()
    owning.post(f"{address}{member.pk}/change/", {"action": "weight"})
    assert Membership.objects.get(pk=member.pk).weight == 1
    owning.post(f"{address}{member.pk}/change/", {"role": "reviewer"})
    member.refresh_from_db()
    assert member.role == "reviewer"
    owning.post(f"{address}{member.pk}/change/", {"action": "remove"})
    assert not Membership.objects.filter(user__username="crowd7").exists()


def test_an_appeal_is_answered(project: Project, worker: User, owning: Client) -> None:
    member = Membership.objects.get(user=worker)
    services.pause_worker(member=member, because="Too quick")
    member.refresh_from_db()
    appeal = services.appeal_pause(member=member, text="I was not")
    assert "I was not" in text(owning.get(f"/projects/{project.slug}/workers/"))
    owning.post(
        f"/projects/{project.slug}/workers/appeals/{appeal.pk}/", {"action": "accept", "answer": "You are right"}
    )
    appeal.refresh_from_db()
    member.refresh_from_db()
    assert (appeal.state, appeal.answer, member.is_paused) == (Appeal.State.ACCEPTED, "You are right", False)


def test_labels_are_compared_with_any_method(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=2, judgments_min=2)
    judged(project, 2)
    page = owning.get(f"/projects/{project.slug}/labels/?method=dawid_skene")
    assert [row.other for row in page.context["rows"]] == ["cat", "cat"]
    assert "Dawid-Skene" in text(page)


def test_an_export_is_started_with_its_options_and_its_link_is_shown(
    make_project: Callable[..., Project], owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=2)
    judged(project, 1)
    address = f"/projects/{project.slug}/labels/"
    assert '<option value="csv" selected>' in text(owning.get(address))  # what everybody can open, without boxes
    owning.post(f"{address}export/", {"format": "csv", "judgments": "on"})
    job = Job.objects.get(kind="export")
    assert job.arguments == {"format": "csv", "options": {"judgments": True}}
    run_actors()
    job.refresh_from_db()
    assert job.state == "succeeded"
    page = text(owning.get(address))
    assert "Download" in page
    assert f"/{job.result['file']}" in page


def test_labels_made_elsewhere_come_in_as_gold(project: Project, owning: Client, run_actors: Callable[[], int]) -> None:
    shown = text(owning.get(f"/projects/{project.slug}/labels/"))
    assert shown.count('<option value="csv" selected>') == 4  # out and in, each in a dialog and where no script runs
    file = SimpleUploadedFile("gold.csv", b"image,answer\n0000.png,cat\n0001.png,giraffe\n")
    form = {"file": file, "form": "csv", "take_as": "gold", "source": "experts"}
    owning.post(f"/projects/{project.slug}/labels/import/", form)
    run_actors()
    assert [task.image.name for task in Task.objects.filter(project=project, is_gold=True)] == ["0000.png"]
    job = Job.objects.get(kind="import_labels")
    assert "giraffe" in text(owning.get(f"/projects/{project.slug}/jobs/{job.pk}/"))


def test_who_brings_in_labels_says_which_of_several_questions_they_answer(
    project: Project, make_project: Callable[..., Project], run_actors: Callable[[], int]
) -> None:
    asked = [{"key": key, "kind": "single_choice", "prompt": key.title(), "choices": ["a", "b"]} for key in ("x", "y")]
    two = make_project(name="Two", images=1, questions=asked)
    owning = Client()
    owning.force_login(two.owner)
    assert '<option value="y">Y</option>' in text(owning.get(f"/projects/{two.slug}/labels/"))
    for question in ("", "y", "z"):
        form = {"file": SimpleUploadedFile("gold.csv", b"image,answer\n0000.png,b\n"), "form": "csv", "take_as": "gold"}
        owning.post(f"/projects/{two.slug}/labels/import/", {**form, "question": question})
    run_actors()
    jobs = Job.objects.filter(kind="import_labels").order_by("created_at")
    assert [(job.state, job.arguments["question"]) for job in jobs] == [("failed", ""), ("succeeded", "y")]
    assert [task.gold.answers for task in Task.objects.filter(project=two, is_gold=True)] == [{"y": "b"}]
    owning.force_login(project.owner)
    assert 'name="question"' not in text(owning.get(f"/projects/{project.slug}/labels/")).partition("Take them")[2]


def test_judgments_of_many_people_come_in(project: Project, owning: Client, run_actors: Callable[[], int]) -> None:
    lines = b"image,worker,answer\n0000.png,ann,cat\n0000.png,bob,dog\n"
    form = {"file": SimpleUploadedFile("said.csv", lines), "form": "csv", "take_as": "many"}
    owning.post(f"/projects/{project.slug}/labels/import/", form)
    run_actors()
    project.refresh_from_db()
    assert project.judgment_count == 2


def test_an_answer_that_is_no_button_of_the_page_is_refused_with_a_sentence(project: Project, owning: Client) -> None:
    task = Task.objects.filter(project=project).first()
    assert task is not None
    address = f"/projects/{project.slug}"
    assert "choose one of its buttons" in text(
        owning.post(f"{address}/tasks/{task.pk}/gold/", {"answer": "{"}, follow=True)
    )
    page = owning.post(f"{address}/review/{task.pk}/", {"answer-category": "cat"}, follow=True)
    assert "choose one of its buttons" in text(page)
