"""Keys of programs: shown once, bounded, replaced, revoked."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from inference.intake import inputs, limits
from inference.intake.grants import grants
from inference.models import KeyLimit
from inference.services.keys import rotate_key
from labeling.accounts.keys import create_key
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey
from tests.inference.serving import URL, ask, picture


def test_a_key_is_shown_once_rotated_with_grace_and_revoked(api, project, champion) -> None:
    made = api.post(URL + "keys/", {"name": "site", "scopes": ["predict"], "per_day": 5}, format="json").json()
    assert "token" not in api.get(URL + "keys/").json()["results"][0]
    old, new = APIClient(), APIClient()
    old.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    rotated = api.post(f"{URL}keys/{made['id']}/rotate/").json()
    new.credentials(HTTP_AUTHORIZATION=f"Token {rotated['token']}")
    assert rotated["per_day"] == 5
    assert (ask(old).status_code, ask(new).status_code) == (200, 200)
    ApiKey.objects.filter(pk=made["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    grants.forget()  # as a second later
    assert ask(old).status_code == 401
    revoked = ApiKey.objects.get(pk=rotated["id"])
    assert api.delete(f"{URL}keys/{revoked.pk}/").status_code == 204
    assert ask(new).status_code == 401
    with pytest.raises(CrowdtuneError, match="is gone"):  # looked up before it was revoked
        rotate_key(key=revoked, user=project.owner)
    assert ApiKey.objects.filter(project=project).count() == 1


def test_a_manager_gets_no_copy_of_a_key_of_the_owner(api, client_of, owner, project, django_user_model) -> None:
    owners = api.post(URL + "keys/", {"scopes": ["manage"]}, format="json").json()
    manager = django_user_model.objects.create_user("manager")
    project.memberships.create(user=manager, role="manager")
    refused = client_of(manager).post(f"{URL}keys/{owners['id']}/rotate/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")
    own = client_of(manager).post(URL + "keys/", {"scopes": ["manage"]}, format="json").json()
    assert client_of(manager).post(f"{URL}keys/{own['id']}/rotate/").status_code == 201
    assert api.post(f"{URL}keys/{own['id']}/rotate/").status_code == 201


def test_a_manager_gets_no_copy_of_the_key_of_another_one_who_may_own_the_project_tomorrow(
    client_of, project, django_user_model
) -> None:
    """By the copy, what one does would stand in the log as the other's."""
    mary, mark = (django_user_model.objects.create_user(name, password="x") for name in ("mary", "mark"))
    for user in (mary, mark):
        project.memberships.create(user=user, role="manager")
    marys = client_of(mary).post(URL + "keys/", {"scopes": ["manage"]}, format="json").json()
    assert client_of(mark).post(f"{URL}keys/{marys['id']}/rotate/").status_code == 403
    page = Client()
    page.force_login(mark)
    assert not page.get(f"/projects/{project.slug}/settings/keys/").context["rows"][-1].is_rotatable
    assert client_of(mark).delete(f"{URL}keys/{marys['id']}/").status_code == 204  # what leaked, anybody can end


def test_the_page_of_keys_lists_those_of_an_outside_crowds_workers_apart(api, owner, project) -> None:
    api.post(URL + "workers/", {"username": "robin"}, format="json")
    for name in ("label", "predict"):
        create_key(user=owner, name=name, scopes=(name,), project=project)
    browser = Client()
    browser.force_login(owner)
    page = browser.get(f"/projects/{project.slug}/settings/keys/")
    assert [row.key.name for row in page.context["rows"]] == ["predict", "label"]
    assert [row.key.user.username for row in page.context["of_workers"]] == ["robin"]


def test_keys_are_told_as_the_schema_says(api, project) -> None:
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]
    made = api.post(URL + "keys/", {"scopes": ["predict"]}, format="json").json()
    (listed,) = api.get(URL + "keys/").json()["results"]
    assert set(schemas["KeyMade"]["required"]) <= set(made) <= set(schemas["KeyMade"]["properties"])
    assert set(schemas["Key"]["required"]) <= set(listed) <= set(schemas["Key"]["properties"])


def test_a_key_does_what_its_scopes_say_and_only_in_its_project(api, client_of, owner, project, champion) -> None:
    assert ask(client_of(owner, scopes=("label",))).status_code == 403
    predict = client_of(owner, scopes=("predict",))
    assert ask(predict).status_code == 200
    assert predict.get(URL + "serving/").status_code == 403
    other = type(project).objects.create(slug="other", name="Other", owner=owner)
    assert ask(client_of(owner, project=other)).status_code == 404


def test_a_key_with_a_limit_is_refused_beyond_it_and_says_for_how_long(api, client_of, owner, champion, noon) -> None:
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_minute": 2, "per_day": 3}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    answers = [ask(client) for _ in range(4)]
    codes = [answer.status_code for answer in answers]
    assert codes[:2] == [200, 200]
    assert codes[-1] == 429
    assert int(answers[-1]["Retry-After"]) > 0
    assert answers[-1].json()["error"]["code"] == "quota_spent"
    told = ['"minute";r=1;t=40, "day";r=2;t=43180', '"minute";r=0;t=40, "day";r=1;t=43180']
    assert [answer["RateLimit"] for answer in answers] == [*told, told[-1], told[-1]]
    assert {answer["RateLimit-Policy"] for answer in answers} == {
        '"minute";q=2;w=60;qu="images", "day";q=3;w=86400;qu="images"'
    }
    assert "RateLimit" not in ask(api).headers, "a key without limits"


def test_a_request_with_more_images_than_the_key_ever_may_is_told_so(api, client_of, owner, champion) -> None:
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_minute": 2}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    files = [io.BytesIO(picture(seed)) for seed in range(3)]
    refused = client.post(URL + "predict/", {"image": files}, format="multipart")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "too_many_images")
    assert "3 images" in refused.json()["error"]["message"]
    assert ask(client).status_code == 200


def test_a_key_that_has_used_up_its_minute_makes_us_fetch_nothing(
    api, client_of, owner, champion, noon, monkeypatch
) -> None:
    fetched = []

    def fetch(url: str, **_options: float) -> bytes:
        fetched.append(url)
        return picture(1)

    monkeypatch.setattr(inputs, "fetch", fetch)
    limits._known.clear()
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_day": 1}, format="json").json()
    client = client_of(owner)
    client.credentials(HTTP_AUTHORIZATION=f"Token {made['token']}")
    body = {"images": [{"url": "https://example.org/a.png"}]}
    answers = [client.post(URL + "predict/", body, format="json").status_code for _ in range(3)]
    assert answers == [200, 429, 429]
    assert len(fetched) == 1
    bad = {"images": [{"url": "https://example.org/a.png"}, "data:nonsense"]}
    assert client.post(URL + "predict/", bad, format="json").status_code == 400
    assert len(fetched) == 1


def test_a_key_that_is_replaced_twice_passes_its_own_lifetime_on(api, project) -> None:
    for days in (90, None):
        made = api.post(URL + "keys/", {"scopes": ["predict"], "days": days}, format="json").json()
        for _ in range(2):  # the second time it is in its last day
            row = ApiKey.objects.get(pk=api.post(f"{URL}keys/{made['id']}/rotate/").json()["id"])
            life = row.expires_at and round((row.expires_at - row.created_at) / timedelta(days=1))
            assert life == days


def asked(client: APIClient, key: dict[str, str]) -> int:
    client.credentials(HTTP_AUTHORIZATION=f"Token {key['token']}")
    return ask(client).status_code


def test_keys_that_replace_one_another_use_up_the_same_images_also_once_the_replaced_ones_are_revoked(
    api, client_of, owner, champion
) -> None:
    limits._known.clear()
    client = client_of(owner)
    made = api.post(URL + "keys/", {"scopes": ["predict"], "per_day": 4}, format="json").json()
    assert asked(client, made) == 200
    first = api.post(f"{URL}keys/{made['id']}/rotate/").json()
    assert asked(client, first) == 200
    second = api.post(f"{URL}keys/{made['id']}/rotate/").json()  # of the oldest, and of the newest
    third = api.post(f"{URL}keys/{second['id']}/rotate/").json()
    assert asked(client, made) == 200
    assert api.delete(f"{URL}keys/{made['id']}/").status_code == 204
    assert [asked(client, one) for one in (third, second, first, third)] == [200, 429, 429, 429]
    assert list(KeyLimit.objects.filter(counts_at=None).values_list("key", "day_used")) == [(third["id"], 4)]


def test_a_key_ends_at_the_moment_that_was_asked_for(api, project) -> None:
    end = (timezone.now() + timedelta(days=3)).isoformat().replace("+00:00", "Z")
    made = api.post(URL + "keys/", {"expires_at": end}, format="json").json()
    assert made["expires_at"] == end
    lifetime = ApiKey.objects.get(pk=made["id"]).lifetime
    assert lifetime is not None
    assert timedelta(days=2) < lifetime < timedelta(days=3)
    for wrong in ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": end, "days": 3}):
        assert api.post(URL + "keys/", wrong, format="json").status_code == 400
