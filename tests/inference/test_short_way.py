"""The short way of programs: the view's answers without a query, and no right that the view would refuse."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from config.throttles import UserRate
from inference.engine.routing import routes
from inference.intake import limits
from inference.intake.grants import SECONDS, Grants, grants
from inference.intake.multipart import split
from inference.services import limit_key
from labeling.accounts.keys import create_key, replace_key
from labeling.models import ApiKey, Membership, Role
from labeling.services import create_project, make_key, revoke_key
from tests.inference.serving import picture
from tests.inference.test_api import URL, data_url, post_files, store

V2 = "/v2/models/colours/infer"


@pytest.fixture
def open_way(api: Any, champion: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client, let through by the view a moment ago, with model and route in memory; that moment lasts."""
    for keeper, name in ((grants, "seconds"), (routes, "seconds"), (limits, "SECONDS")):
        monkeypatch.setattr(keeper, name, 1000.0)
    monkeypatch.setattr(limits, "_known", {})
    assert post_files(api, picture(1)).status_code == 200
    return api


def without_time(response: Any) -> Any:
    return {name: value for name, value in response.json().items() if name != "milliseconds"}


def long_way(api: Any, *files: bytes, **fields: Any) -> Any:
    """The same question as a browser of another site asks it: with an origin."""
    api.credentials(**api._credentials, HTTP_ORIGIN="https://elsewhere.example")
    response = post_files(api, *files, **fields)
    api._credentials.pop("HTTP_ORIGIN")
    return response


def test_a_question_that_was_let_through_a_moment_ago_costs_no_query(open_way, django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert post_files(open_way, picture(2)).status_code == 200


def test_a_protocol_question_costs_no_query_either(open_way, django_assert_num_queries) -> None:
    url = data_url(picture(3))
    body = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": [url]}]}
    with django_assert_num_queries(0):
        answer = open_way.post(V2, body, format="json")
    assert answer.status_code == 200
    assert answer["X-Model-Version"] == "1"


def test_both_ways_give_one_answer_and_the_same_headers_that_matter(open_way) -> None:
    for fields in ({}, {"top_k": 2}):
        short, long = post_files(open_way, picture(4), **fields), long_way(open_way, picture(4), **fields)
        assert without_time(short) == without_time(long)
        for name in (
            "X-Model-Version",
            "Content-Type",
            "X-Frame-Options",
            "X-Content-Type-Options",
            "Vary",
            "Content-Language",
        ):
            assert short[name].lower() == long[name].lower()
        assert short["X-Request-ID"]
        assert short["Content-Length"] == str(len(short.content))
        assert "Content-Security-Policy" in short


def test_both_ways_are_counted_under_their_view(open_way) -> None:
    def counted() -> list[float]:
        by_status = {"status": "200", "view": "api-predict", "method": "POST"}
        by_view = {"view": "api-predict", "transport": "http", "method": "POST"}
        names = {
            "django_http_responses_total_by_status_view_method_total": by_status,
            "django_http_requests_total_by_view_transport_method_total": by_view,
            "django_http_requests_latency_seconds_by_view_method_count": {"view": "api-predict", "method": "POST"},
            "django_http_responses_total_by_status_total": {"status": "200"},
        }
        return [REGISTRY.get_sample_value(name, labels) or 0 for name, labels in names.items()]

    before = counted()
    post_files(open_way, picture(4))
    between = counted()
    long_way(open_way, picture(4))
    assert [b - a for a, b in zip(before, between, strict=True)] == [1, 1, 1, 1]
    assert [b - a for a, b in zip(between, counted(), strict=True)] == [1, 1, 1, 1]


@pytest.mark.parametrize("end", ["infer", "versions/1/infer"])
def test_the_names_under_which_the_short_way_counts_are_those_of_the_views(open_way, end: str) -> None:
    path = f"/v2/models/colours/{end}"
    body = {"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], "data": [data_url(picture(3))]}]}
    labels = {"status": "200", "view": resolve(path).view_name, "method": "POST"}
    name = "django_http_responses_total_by_status_view_method_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    assert open_way.post(path, body, format="json").status_code == 200
    assert REGISTRY.get_sample_value(name, labels) == before + 1


def test_both_ways_refuse_in_the_same_words(open_way) -> None:
    for files, fields in (([b"no picture"], {}), ([picture(1)], {"top_k": 0}), ([picture(1), b"\xff\xd8\xff"], {})):
        short, long = post_files(open_way, *files, **fields), long_way(open_way, *files, **fields)
        assert short.status_code == long.status_code == 400
        assert short.json() == long.json()


def test_both_ways_refuse_in_the_language_of_the_caller(open_way) -> None:
    open_way.credentials(**open_way._credentials, HTTP_ACCEPT_LANGUAGE="hi")
    for files, fields in (([], {"top_k": 1}), ([b"no picture"], {})):
        short, long = post_files(open_way, *files, **fields), long_way(open_way, *files, **fields)
        assert short.status_code == long.status_code == 400
        assert short.json() == long.json()
        assert not short.json()["error"]["message"].isascii()


def test_json_and_stored_images_go_the_short_way_too(open_way, project) -> None:
    image = store(project, picture(5))
    short = open_way.post(URL, {"images": [{"id": image.pk}, data_url(picture(5))]}, format="json")
    one, two = short.json()["predictions"]
    assert one == two == long_way(open_way, picture(5)).json()["predictions"][0]


def test_damaged_json_is_refused_as_the_view_refuses_it(open_way) -> None:
    for body in (b"{", b'{"images": NaN}', b"[" * 100_000):
        answer = open_way.generic("POST", URL, body, content_type="application/json")
        assert answer.status_code == 400, body[:20]
        assert answer.json()["error"]["code"]


def test_a_revoked_key_is_refused_at_once_by_the_process_that_revoked_it(open_way, owner) -> None:
    revoke_key(key=ApiKey.objects.get(), user=owner)
    assert post_files(open_way, picture(1)).status_code == 401


def test_a_key_that_its_page_takes_back_is_refused_at_once(owner, champion) -> None:
    key, text = make_key(project=champion.project, user=owner, name="shop")
    program = APIClient(headers={"Authorization": f"Token {text}"})
    assert post_files(program, picture(1)).status_code == 200
    browser = Client()
    browser.force_login(owner)
    browser.post(f"/projects/colours/settings/keys/{key.pk}/", {"do": "revoke"})
    assert post_files(program, picture(1)).status_code == 401


def test_a_text_that_its_person_replaced_is_refused_at_once(owner, champion) -> None:
    key, text = create_key(user=owner)
    program = APIClient(headers={"Authorization": f"Token {text}"})
    assert post_files(program, picture(1)).status_code == 200
    replace_key(row=key)
    assert post_files(program, picture(1)).status_code == 401


def test_the_log_tells_of_a_key_that_was_made_what_it_may(owner, project, champion) -> None:
    browser = Client()
    browser.force_login(owner)
    browser.post("/projects/colours/settings/keys/", {"name": "shop", "scopes": ["predict", "label"]})
    entries = list(project.audit.filter(action__startswith="key"))
    assert [(entry.action, set(entry.changes)) for entry in entries] == [("key_created", {"name", "prefix", "scopes"})]
    assert "predict, label" in browser.get("/projects/colours/settings/log/").content.decode()


def test_a_key_that_another_process_revoked_is_refused_when_the_second_is_over(open_way, owner) -> None:
    assert SECONDS <= 1.0
    ApiKey.objects.all().delete()
    (grant,) = grants._grants.values()
    grant.until = 0.0
    assert post_files(open_way, picture(1)).status_code == 401


def test_who_has_lost_the_role_is_refused_when_the_second_is_over(client_of, project, champion) -> None:
    person = User.objects.create_user("member")
    Membership.objects.create(project=project, user=person, role=Role.REVIEWER)
    api = client_of(person)
    assert post_files(api, picture(1)).status_code == 200
    Membership.objects.filter(user=person).delete()
    for grant in grants._grants.values():
        grant.until = 0.0
    assert post_files(api, picture(1)).status_code in {403, 404}


def test_a_key_opens_only_the_project_that_it_was_let_into(open_way, owner, client_of) -> None:
    other = create_project(owner=owner, name="Other", categories=["a", "b"])
    own = client_of(owner, project=ApiKey.objects.get().project or other)
    address = f"/api/v1/projects/{other.slug}/predict/"
    assert own.post(URL.replace("colours", "nothing"), {}, format="json").status_code == 404
    assert open_way.post(address, {"images": [data_url(picture(1))]}, format="json").status_code == 409  # no champion


def test_a_memory_of_a_key_ends_with_the_key_and_renews_by_one_request_at_a_time(owner, project) -> None:
    memory = Grants(seconds=1000.0)
    key, text = create_key(user=owner)
    memory.remember(key, project)
    assert memory.find(f"Token {text}", project.slug) is not None
    assert memory.find(f"bearer {text}", project.slug) is not None
    for header, slug in ((f"Basic {text}", project.slug), (f"Token {text}x", project.slug), (f"Token {text}", "other")):
        assert memory.find(header, slug) is None
    (grant,) = memory._grants.values()
    grant.renew = 0.0
    assert memory.find(f"Token {text}", project.slug) is None  # this one goes by the view
    assert memory.find(f"Token {text}", project.slug) is not None  # the others do not wait for it
    memory.remember(None, project)
    assert len(memory._grants) == 1
    memory.forget(key.pk)
    assert memory.find(f"Token {text}", project.slug) is None


def test_a_limited_key_is_counted_on_the_short_way(open_way, noon) -> None:
    key = ApiKey.objects.get()
    limit_key(key=key, per_minute=None, per_day=1)
    limits._known.clear()
    answered = post_files(open_way, picture(1))
    assert (answered.status_code, answered["RateLimit"]) == (200, '"day";r=0;t=43180')
    refused = post_files(open_way, picture(1))
    assert (refused.status_code, refused["RateLimit"]) == (429, '"day";r=0;t=43180')
    assert refused.json()["error"]["code"] == "quota_spent"
    assert int(refused["Retry-After"]) > 0


def test_the_rate_of_a_person_holds_on_the_short_way(open_way, noon, monkeypatch) -> None:
    monkeypatch.setitem(UserRate.THROTTLE_RATES, "user", "3/day")
    assert [post_files(open_way, picture(1)).status_code for _ in range(4)] == [200, 200, 200, 429]


def body_of(parts: list[tuple[str, str | None, bytes]], boundary: str) -> bytes:
    out = b""
    for name, filename, data in parts:
        file = f'; filename="{filename}"\r\nContent-Type: image/png' if filename else ""
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


@given(
    files=st.lists(st.one_of(st.binary(max_size=60), st.text("-B\r\n", max_size=20).map(str.encode)), max_size=4),
    top_k=st.none() | st.integers(0, 99),
)
def test_the_form_is_split_as_djangos_parser_splits_it_or_not_at_all(files: list[bytes], top_k: int | None) -> None:
    parts: list[tuple[str, str | None, bytes]] = [("image", "a.png", data) for data in files]
    if top_k is not None:
        parts.append(("top_k", None, str(top_k).encode()))
    body, kind = body_of(parts, "B-B"), "multipart/form-data; boundary=B-B"
    ours = split(body, kind)
    theirs = RequestFactory().generic("POST", "/", body, content_type=kind)
    if ours is not None:
        read = [file.read() for file in theirs.FILES.getlist("image")]
        assert ours == (read, theirs.POST.get("top_k"))
        assert read == files
    elif parts:
        assert any(b"--B-B" in data for data in files)


@pytest.mark.parametrize(
    "parts",
    [[("other", "a.png", b"x")], [("image", None, b"x")], [("top_k", None, b"x")], [("image", 'a"b.png', b"x")]],
)
def test_an_unusual_form_is_left_to_djangos_parser(parts: Any) -> None:
    assert split(body_of(parts, "B"), "multipart/form-data; boundary=B") is None
    assert split(body_of([("image", "a.png", b"x")], "B"), "multipart/mixed; boundary=B") is None
    coded = b"Content-Transfer-Encoding: base64\r\nContent-Type"
    encoded = body_of([("image", "a.png", b"eA==")], "B").replace(b"Content-Type", coded)
    assert split(encoded, "multipart/form-data; boundary=B") is None


def test_a_key_is_remembered_no_longer_than_it_lasts(owner, project) -> None:
    memory = Grants(seconds=1000.0)
    key, _text = create_key(user=owner)
    key.expires_at = timezone.now() + timedelta(seconds=60)
    memory.remember(key, project)
    (grant,) = memory._grants.values()
    assert grant.until <= time.monotonic() + 60
