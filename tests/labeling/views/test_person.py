"""A person's own pages: what they say of themself, and the keys of their programs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from labeling import services
from labeling.accounts.keys import create_key, digest
from labeling.models import ApiKey, Membership, Profile, Project, Task
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker() -> User:
    return person("wanda")


@pytest.fixture
def pages(worker: User) -> Client:
    browser = Client()
    browser.force_login(worker)
    return browser


def test_languages_and_a_word_about_oneself_are_kept_and_shown_again(pages: Client, worker: User) -> None:
    pages.post("/profile/", {"languages": ["hi", "en"], "about": "I know birds."})
    said = Profile.objects.get(user=worker)
    assert (said.languages, said.about) == (["hi", "en"], "I know birds.")
    assert "I know birds." in pages.get("/profile/").content.decode()


def test_what_was_earned_by_project_adds_up_to_what_was_earned(
    pages: Client, worker: User, make_project: Callable[..., Project]
) -> None:
    for name, earned in (("Cats", "0.025"), ("Dogs", "0.0365"), ("Owls", "1200")):
        project = make_project(name=name, price_per_judgment="0.0005")
        Membership.objects.create(project=project, user=worker, judgment_count=1, earned=earned)
    Membership.objects.create(project=make_project(name="Frogs"), user=worker)
    for address in ("/profile/", "/label/"):
        shown = pages.get(address).content.decode()
        assert all(amount in shown for amount in ("0.025", "0.0365", "1200.00", "<dd>1200.0615</dd>"))
    shown = pages.get("/profile/").content.decode()
    assert "Frogs" not in shown  # nothing was done there
    assert shown.index(">Earned</th>") < shown.index(">Time</th>")  # in sight on a phone, before one scrolls


def test_a_key_is_shown_once_to_whoever_made_it_and_loading_the_page_again_makes_no_other(
    pages: Client, worker: User
) -> None:
    assert "Choose what the key may do." in pages.post("/profile/keys/", {"name": "none"}, follow=True).content.decode()
    told = pages.post("/profile/keys/", {"name": "laptop", "scopes": ["label"]})
    assert (told.status_code, told["Location"]) == (302, "/profile/")
    cookie = pages.cookies["new_key"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/profile/", True, "Strict")
    shown = pages.get("/profile/")
    assert digest(shown.context["new_key"]) == ApiKey.objects.get(scopes=["label"]).digest
    assert '<span class="answer">Label' in shown.content.decode()
    assert shown["Cache-Control"] == "no-store"
    assert not pages.get("/profile/").context["new_key"]
    for wrong in (signing.dumps([worker.pk + 1, "of another"], salt="new_key"), "made up"):
        pages.cookies["new_key"] = wrong
        assert not pages.get("/profile/").context["new_key"]


def test_a_key_that_its_person_deletes_is_gone_and_its_projects_log_says_so(
    pages: Client, worker: User, make_project: Callable[..., Project]
) -> None:
    project = make_project()
    key, _text = create_key(user=worker, project=project)
    other, _text = create_key(user=project.owner, project=project)

    assert pages.post(f"/profile/keys/{other.pk}/delete/").status_code == 302
    pages.post(f"/profile/keys/{key.pk}/delete/")

    assert list(ApiKey.objects.all()) == [other]
    assert "This key is gone" in pages.post(f"/profile/keys/{key.pk}/delete/", follow=True).content.decode()
    assert project.audit.get(action="key_revoked").changes["prefix"] == key.prefix


def test_a_warning_that_was_read_is_shown_no_more(
    pages: Client, worker: User, make_project: Callable[..., Project]
) -> None:
    project = make_project(access="open", images=1)
    member = Membership.objects.create(project=project, user=worker, warning="Take your time.")
    assert "Take your time." in pages.get(f"/label/{project.slug}/").content.decode()

    pages.post(f"/label/{project.slug}/warning/")

    member.refresh_from_db()
    assert member.warning == ""


def test_an_invitation_says_the_price_the_practice_and_the_test_before_one_joins(
    pages: Client, make_project: Callable[..., Project]
) -> None:
    project = make_project(images=6, price_per_judgment="0.05", qualification_share=0.75)
    for number, task in enumerate(Task.objects.order_by("id")[:3]):
        use = "practice" if number < 2 else "qualification"
        services.set_gold(task=task, answers={"category": "cat"}, use=use, user=project.owner)
    for guest in (pages, Client()):
        told = guest.get(f"/join/{project.invite}/").content.decode()
        assert "0.05 for each answer" in told
        assert "Practice and the test earn nothing" in told
        assert "begins with 2 images to practice on" in told
        assert "a test of 1 image; 75\u202f% have to be right" in told


def test_the_link_of_an_invitation_leads_a_worker_who_has_joined_to_the_work(
    pages: Client, make_project: Callable[..., Project]
) -> None:
    project = make_project()
    link, work = f"/join/{project.invite}/", f"/label/{project.slug}/"
    assert pages.post(link)["Location"] == work
    assert pages.get(link)["Location"] == work
    pages.force_login(project.owner)  # who looks at what others will see
    assert pages.get(link).status_code == 200
