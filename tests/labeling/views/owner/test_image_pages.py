"""The pictures of a project on its pages: brought in, found, and all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeling import services
from labeling.collecting import tasks
from labeling.models import (
    AuditEntry,
    Consensus,
    Image,
    Job,
    Membership,
    Project,
    Task,
)
from tests.labeling.conftest import person, picture
from tests.labeling.views.owner.conftest import judged
from tests.labeling.views.owner.test_pages import text


def test_images_are_found_by_name_state_and_label(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(judgments_min=2, judgments_max=2, confidence=0.6, gold_rate=0)
    gold = Task.objects.get(image__name="0002.png")
    services.set_gold(task=gold, answers={"category": "dog"}, user=project.owner)
    judged(project, 2)
    cases: tuple[tuple[str, set[str]], ...] = (
        ("", {"0000.png", "0001.png", "0002.png"}),
        ("?q=0001", {"0001.png"}),
        ("?state=gold", {"0002.png"}),
        ("?state=retired&answer=cat", {"0000.png", "0001.png"}),
        ("?answer=dog", {"0002.png"}),
        ("?answer=dog&below=0.2", set()),
        ("?below=1", {"0000.png", "0001.png"}),
        ("?state=new", set()),
        ("?state=nonsense&before=nonsense", {"0000.png", "0001.png", "0002.png"}),
    )
    for query, names in cases:
        page = text(owning.get(f"/projects/{project.slug}/images/{query}"))
        assert {name for name in ("0000.png", "0001.png", "0002.png") if f'alt="{name}"' in page} == names, query
    ended = Task.objects.get(image__name="0000.png")
    Consensus.objects.filter(task=ended).update(confidence=0.5)  # as a later fit may find
    page = text(owning.get(f"/projects/{project.slug}/images/{ended.image_id}/"))
    assert "50.0\u202f%" in page
    assert "Settled" in page


def test_a_label_tells_who_decided_it_who_made_it_gold_and_whose_answers_count_less(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=2, stopping="fixed")
    judged(project, 2, ("cat", "dog"))
    member = Membership.objects.filter(project=project, judgment_count=1).earliest("pk")
    services.weigh_worker(member=member, weight=0.0, by=project.owner)
    task, rita = Task.objects.get(), person("rita")
    of_reviewer = text(owning.get(f"/projects/{project.slug}/review/?task={task.pk}"))
    assert of_reviewer.count("counts 0\u202f%") == 1
    services.decide_task(task=task, answers={"category": "dog"}, user=rita)
    of_image = text(owning.get(f"/projects/{project.slug}/images/{task.image_id}/"))
    assert "<strong>rita</strong> · Decided a task" in of_image
    assert "A person decided" not in of_image.split("Who said what")[1], "beside the time of the crowd's end"
    services.set_gold(task=task, answers={"category": "cat"}, user=project.owner)
    services.set_gold(task=task, answers={"category": "dog"}, user=project.owner)
    page = owning.get(f"/projects/{project.slug}/images/{task.image_id}/")
    (story,) = page.context["stories"]
    acts = [(act.entry.user, act.entry.action, [said for _key, said in act.answers]) for act in story.acts]
    golds = [(project.owner, "gold_set", [animal]) for animal in ("cat", "dog")]
    assert acts == [(rita, "decided", ["dog"]), *golds]
    assert "<strong>rita</strong> · Decided a task" in text(page)
    assert text(page).count("counts 0\u202f%") == 1


@pytest.mark.parametrize(("answers", "disputed"), [(("cat",), 0), (("cat", "dog"), 1)])
def test_images_are_disputed_that_wait_for_a_reviewer_and_not_all_that_reached_the_maximum(
    answers: tuple[str, ...], disputed: int, make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=2, confidence=0.6, stopping="fixed")
    judged(project, 2, answers)
    assert Task.objects.get().retired_because == Task.Because.MAXIMUM
    page = text(owning.get(f"/projects/{project.slug}/images/?state=disputed"))
    assert page.count('alt="0000.png"') == disputed
    page = text(owning.get(f"/projects/{project.slug}/images/"))
    assert page.count('corner">Disputed<') == disputed  # what the picture's badge says is what the filter finds
    for address in ("labels/", "tasks/", f"images/{Image.objects.get().pk}/"):  # and what every other page says of it
        page = text(owning.get(f"/projects/{project.slug}/{address}"))
        assert ("Not sure enough" in page) == bool(disputed)
    # One answer alone disagrees with nobody, nor does what somebody has decided wait for a reviewer.
    for change in ({"judgment_count": 1}, {"judgment_count": 2}):
        Task.objects.update(**change)
        assert tasks.disputed_count(project) == (disputed if change["judgment_count"] == 2 else 0)
    Consensus.objects.update(decided_by=project.owner)
    assert tasks.disputed_count(project) == 0
    Consensus.objects.update(decided_by=None, confidence=0.99)  # all answers together made it sure since
    for address in ("labels/", "tasks/", f"images/{Image.objects.get().pk}/"):
        page = text(owning.get(f"/projects/{project.slug}/{address}"))
        assert "Not sure enough" not in page
        assert "Settled" in page


def test_long_lists_are_walked_forwards_and_back(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=70)
    first = owning.get(f"/projects/{project.slug}/images/").context["page"]
    second = owning.get(f"/projects/{project.slug}/images/{first.next}").context["page"]
    again = owning.get(f"/projects/{project.slug}/images/{second.previous}").context["page"]
    assert (len(first.rows), len(second.rows), second.next, again.previous) == (60, 10, "", "")
    assert [row.pk for row in again.rows] == [row.pk for row in first.rows]


def test_the_page_of_an_image_tells_who_said_what(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=1, judgments_max=2)
    judged(project, 2, ("cat", "dog"), seconds=4.2)
    page = text(owning.get(f"/projects/{project.slug}/images/{Image.objects.get().pk}/"))
    assert page.count("4.2 s") == 2
    assert "worker0" in page
    assert "worker1" in page
    assert "survey 1" in page


@pytest.mark.parametrize(
    ("given", "told"), [({"urls": "ftp://x/y.png"}, "starts with http:// or"), ({}, "Choose some files, or paste")]
)
def test_addresses_that_are_none_are_refused_with_a_sentence(
    project: Project, owning: Client, given: dict[str, str], told: str
) -> None:
    response = owning.post(f"/projects/{project.slug}/images/add/", given, follow=True)
    assert told in text(response)
    assert not Job.objects.exists()


def test_a_line_that_is_no_address_keeps_the_others_not_out(
    make_project: Callable[..., Project], owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=0)
    owning.post(f"/projects/{project.slug}/images/add/", {"urls": "http://127.0.0.1:9/a.jpg\n\n b.jpg"})
    run_actors()
    job = Job.objects.get()
    assert [row["item"] for row in job.errors] == ["http://127.0.0.1:9/a.jpg", "b.jpg"]
    assert "start with http:// or https://" in job.errors[1]["message"]


def test_an_empty_picture_keeps_no_other_out_and_is_told_by_its_name_in_its_folders(
    make_project: Callable[..., Project], owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=0)
    files = [SimpleUploadedFile("cat.png", picture(1)), SimpleUploadedFile("lost.png", b"")]
    paths = ["/pets/../a/cat.png", "pets/lost.png"]
    owning.post(f"/projects/{project.slug}/images/add/", {"uploads": files, "paths": paths})
    run_actors()
    job = Job.objects.get()
    assert [(row["item"], row["code"]) for row in job.errors] == [("pets/lost.png", "empty_file")]
    assert [image.name for image in Image.objects.filter(project=project)] == ["pets/a/cat.png"]


def test_gold_is_set_and_taken_back_on_the_page_of_an_image(project: Project, owning: Client) -> None:
    task = Task.objects.filter(project=project).first()
    assert task is not None
    address = f"/projects/{project.slug}/tasks/{task.pk}/gold/"
    owning.post(address, {"answer": json.dumps({"category": "cat"}), "use": "practice"})
    task.refresh_from_db()
    assert (task.is_gold, task.gold.answers, task.gold.use) == (True, {"category": "cat"}, "practice")
    owning.post(address, {"answer": ""})
    task.refresh_from_db()
    assert not task.is_gold


def test_chosen_images_are_deleted_at_once_and_the_list_stays_filtered(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project, other = make_project(images=4), make_project(images=1)
    page = text(owning.get(f"/projects/{project.slug}/images/?q=000"))
    assert page.count('form="chosen-images"') == 4
    ids = [*Image.objects.filter(project=project).order_by("id").values_list("pk", flat=True)]
    strange = Image.objects.get(project=other).pk
    address = f"/projects/{project.slug}/images/delete/"
    form = {"image": [ids[0], ids[2], strange, "x"], "shown": "q=000"}
    response = owning.post(address, form, follow=True)
    assert response.redirect_chain[0][0] == f"/projects/{project.slug}/images/?q=000"
    assert "2 images are deleted" in text(response)
    assert list(Image.objects.filter(project=project).order_by("id").values_list("pk", flat=True)) == [ids[1], ids[3]]
    assert Image.objects.filter(pk=strange).exists()
    assert "No image was chosen." in text(owning.post(address, follow=True))


def test_what_chosen_images_show_is_said_once_by_who_may(
    make_project: Callable[..., Project], signed_in: Callable[[User | None], Client]
) -> None:
    project = make_project(images=3)
    services.add_member(project=project, username=person("rita").username, role="reviewer")
    reviewing, owning = signed_in(User.objects.get(username="rita")), signed_in(project.owner)
    page = text(reviewing.get(f"/projects/{project.slug}/images/"))
    assert "Decide" in page
    assert "Make gold" not in page
    ids = list(Image.objects.order_by("id").values_list("pk", flat=True))[:2]
    address, form = f"/projects/{project.slug}/images/change/", {"image": ids, "answer": '{"category": "cat"}'}
    response = reviewing.post(address, {**form, "change": "decide", "shown": "q=0"}, follow=True)
    assert response.redirect_chain[0][0] == f"/projects/{project.slug}/images/?q=0"
    assert "2 images are changed." in text(response)
    several = {**form, "answer": ['{"category": "cat"}', "", '{"there": true}'], "change": "decide"}
    assert "no question &#x27;there&#x27;" in reviewing.post(address, several, follow=True).content.decode()
    assert reviewing.post(address, {**form, "change": "gold"}).status_code == 403
    assert "2 images are changed." in text(owning.post(address, {**form, "change": "gold"}, follow=True))
    told = text(owning.post(address, {**form, "change": "decide"}, follow=True))
    assert "2 stay as they were: The answer to this task is known" in told
    assert "No image was chosen." in text(owning.post(address, {"change": "sooner"}, follow=True))


def test_who_deletes_all_of_the_last_page_is_shown_what_there_is(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=3)
    first, second, _third = Image.objects.order_by("id")
    form = {"image": [first.pk], "shown": f"after=[{second.pk}]"}
    page = text(owning.post(f"/projects/{project.slug}/images/delete/", form, follow=True))
    assert page.count('form="chosen-images"') == 2
    assert "No image fits" not in page


def test_chosen_images_that_somebody_deleted_before_are_no_deletion(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=2)
    address, form = f"/projects/{project.slug}/images/delete/", {"image": [Image.objects.order_by("id")[0].pk]}
    owning.post(address, form)
    assert "The chosen images were deleted before." in text(owning.post(address, form, follow=True))
    assert AuditEntry.objects.filter(action="images_deleted").count() == 1


def test_tasks_are_found_by_the_name_of_their_image(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=3)
    found = owning.get(f"/projects/{project.slug}/tasks/?q=0001")
    assert [row.task.image.name for row in found.context["rows"]] == ["0001.png"]
    assert 'value="0001"' in text(found)
    assert "No task fits" in text(owning.get(f"/projects/{project.slug}/tasks/?q=zebra"))
