"""One name is one account, in whatever characters that look the same it is written."""

from __future__ import annotations

import re
import unicodedata

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from labeling import services
from labeling.accounts import people
from labeling.errors import CrowdtuneError
from labeling.models import Project
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough one"
WIDE = "\uff57anda"  # a full-width w


def sign_up(name: str) -> int:
    fields = {"username": name, "email": "", "password1": PASSWORD, "password2": PASSWORD}
    return Client().post("/accounts/signup/", fields).status_code


def test_nobody_signs_up_by_a_name_that_is_another_in_wider_letters() -> None:
    person("wanda")
    assert sign_up(WIDE) == 200, "taken"
    assert sign_up("\ufb03" * 100) == 200, "300 letters"
    assert User.objects.count() == 1


def test_who_signed_up_by_a_composed_letter_signs_in_by_its_parts_and_the_other_way_round() -> None:
    composed, apart = "zo\u00eb", unicodedata.normalize("NFD", "zo\u00eb")
    assert sign_up(apart) == 302
    for name in (composed, apart):
        assert Client().post("/accounts/login/", {"login": name, "password": PASSWORD}).status_code == 302
        answer = APIClient().post("/api/v1/auth/token/", {"username": name, "password": PASSWORD})
        assert answer.status_code == 200


def test_only_who_follows_an_invitation_makes_an_account_where_the_operator_says_so(project: Project, settings) -> None:
    said = {"username": "ada", "password1": "correct horse battery", "password2": "correct horse battery"}
    settings.SIGN_UP = "invited"
    elsewhere = ("https://elsewhere.example/join/x/", "http://[")
    for onward in ("", "/join/made-up/", "/label/", *elsewhere, f"/joined/{project.invite}/"):
        page = Client().get("/accounts/signup/", {"next": onward} if onward else {})
        assert "By invitation" in page.content.decode()
        Client().post("/accounts/signup/", said | {"next": onward})
    assert not User.objects.filter(username="ada").exists()
    link = f"/join/{project.invite}/"
    assert Client().get("/accounts/signup/", {"next": link}).status_code == 200
    assert Client().post("/accounts/signup/", said | {"next": link})["Location"] == link
    assert User.objects.filter(username="ada").exists()


def test_a_class_signs_up_and_in_from_one_address_within_a_minute() -> None:
    for number in range(32):
        visitor = Client(REMOTE_ADDR="198.51.100.77")
        name = f"pupil{number}"
        fields = {"username": name, "email": "", "password1": PASSWORD, "password2": PASSWORD}
        assert visitor.post("/accounts/signup/", fields).status_code == 302, name
        visitor.logout()
        answer = visitor.post("/accounts/login/", {"login": name, "password": PASSWORD})
        assert answer.status_code == 302, name


@pytest.mark.parametrize("typed", [WIDE, "Wanda"])
def test_who_is_added_is_the_person_of_that_name(project: Project, worker: User, typed: str) -> None:
    member, key = services.add_member(project=project, username=typed, by=project.owner)
    assert (member.user, key) == (worker, None)


def test_workers_of_an_outside_crowd_may_differ_by_their_capitals_alone(project: Project) -> None:
    added = [services.add_member(project=project, username=name, by=project.owner) for name in ("aB3", "ab3", "aB3")]
    assert [member.user.username for member, _key in added] == ["aB3", "ab3", "aB3"]
    assert all(key for _member, key in added)


@pytest.mark.parametrize("name", [".", "..", "\uff0e\uff0e"])
def test_nobody_is_called_what_leads_elsewhere_in_an_address(project: Project, name: str) -> None:
    """``DELETE …/workers/../`` is ``DELETE`` of the project where a client has tidied the address."""
    assert sign_up(name) == 200
    with pytest.raises(CrowdtuneError, match="lead elsewhere") as refusal:
        services.add_member(project=project, username=name, by=project.owner)
    assert list(refusal.value.fields) == ["username"]
    assert not User.objects.filter(username__in=[".", ".."]).exists()


@pytest.mark.parametrize("name", ["प्रिया", "தமிழ்", "สุดา"])
def test_people_are_called_by_letters_with_vowel_signs(project: Project, name: str, admin_client: Client) -> None:
    assert sign_up(name) == 302
    assert Client().post("/accounts/login/", {"login": name, "password": PASSWORD}).status_code == 302
    user = User.objects.get(username=name)
    assert services.add_member(project=project, username=name, by=project.owner)[0].user == user
    change = {"date_joined_0": "2026-11-01", "date_joined_1": "10:00", "first_name": "Anita"}
    assert admin_client.post(f"/admin/auth/user/{user.pk}/change/", change).status_code == 302
    user.refresh_from_db()
    assert (user.username, user.first_name, user.is_active) == (name, "Anita", False)


def test_no_name_has_signs_that_nobody_sees_or_a_heap_of_them(project: Project) -> None:
    for name in (
        "wanda\ufe0f",
        "wand\u034fa",
        "w\u0316\u0316",
        "w\u0316\u0317\u0318\u0319",
        "\u093fw",
        "wanda\u3164",
        "a b",
        "w" * 151,
    ):
        assert sign_up(name) == 200, name
        with pytest.raises(CrowdtuneError, match="username"):
            services.add_member(project=project, username=name, by=project.owner)
    assert User.objects.get() == project.owner


def test_an_account_of_before_keeps_its_name() -> None:
    User.objects.create(username=WIDE, password=make_password(PASSWORD))
    assert people.plain_name(WIDE) == WIDE
    assert Client().post("/accounts/login/", {"login": WIDE, "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize(("address", "name"), [("/accounts/signup/", "username"), ("/accounts/login/", "login")])
def test_the_first_field_has_the_focus_where_a_page_is_nothing_but_its_form(address: str, name: str) -> None:
    field = re.search(f'<input[^>]*name="{name}"[^>]*>', Client().get(address).content.decode())
    assert field
    assert " autofocus" in field[0]
