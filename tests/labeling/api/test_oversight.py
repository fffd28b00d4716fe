"""Rules, webhooks, appeals, earnings, the audit log and grids over the API."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services, webhooks
from labeling.models import AuditEntry, Judgment, Membership, Project, SurveyVersion, Webhook, WebhookDelivery
from tests.labeling.conftest import claim, client, person

pytestmark = pytest.mark.django_db
API = "/api/v1/projects"


def test_a_rule_is_added_changed_removed_and_each_is_in_the_log(project: Project, owner: User) -> None:
    api = client(owner)
    body = {"measure": "gold_accuracy", "window": 5, "threshold": 0.6, "action": "pause", "message": "Look closely."}
    made = api.post(f"{API}/{project.slug}/rules/", body)
    assert made.status_code == 201, made.content
    rule = f"{API}/{project.slug}/rules/{made.json()['id']}/"
    assert api.patch(rule, {"threshold": 0.7}).json()["threshold"] == 0.7
    assert api.patch(rule, {"threshold": 7}).json()["error"]["fields"] == {
        "threshold": ["This measure is a share from 0 to 1, as 0.6 for 60 %; got 7.0."]
    }
    assert api.get(rule).json() == made.json() | {"threshold": 0.7}
    assert api.delete(rule).status_code == 204
    actions = [row["action"] for row in api.get(f"{API}/{project.slug}/audit/").json()["results"]]
    assert actions[:3] == ["rule_removed", "rule_changed", "rule_added"]


def test_a_webhook_that_is_added_turned_off_is_told_nothing(project: Project, owner: User) -> None:
    body = {"url": "https://example.org/hook", "is_active": False}
    made = client(owner).post(f"{API}/{project.slug}/webhooks/", body, format="json")
    assert (made.status_code, made.json()["is_active"]) == (201, False)
    assert not Webhook.objects.get().is_active


def test_another_secret_signs_what_waits_already(project: Project, owner: User) -> None:
    api = client(owner)
    hook = api.post(f"{API}/{project.slug}/webhooks/", {"url": "https://example.org/hook"}, format="json").json()
    project.refresh_from_db()
    webhooks.emit(project=project, event="job.finished", payload={})
    replaced = api.post(f"{API}/{project.slug}/webhooks/{hook['id']}/secret/").json()
    assert replaced == {**hook, "secret": replaced["secret"]} != hook
    assert WebhookDelivery.objects.get().webhook.secret == replaced["secret"]
    entry = AuditEntry.objects.get(action="webhook_secret_replaced")
    assert entry.changes == {"url": "https://example.org/hook"}  # and no secret


def test_a_webhook_is_changed_and_keeps_its_secret(project: Project, owner: User) -> None:
    api = client(owner)
    hook = api.post(f"{API}/{project.slug}/webhooks/", {"url": "https://example.org/old"}, format="json").json()
    address = f"{API}/{project.slug}/webhooks/{hook['id']}/"
    for wrong in ({"url": "ftp://example.org/"}, {"events": ["no.such"]}, {"events": "task.retired"}):
        refused = api.patch(address, wrong, format="json")
        assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, list(wrong))
    values = {"url": "https://example.org/new", "events": ["task.retired"], "is_active": False}
    for _again in range(2):
        assert api.patch(address, values, format="json").json() == {**hook, **values}
    entry = AuditEntry.objects.get(action="webhook_changed")
    assert entry.changes == {
        "url": ["https://example.org/old", "https://example.org/new"],
        "events": [[], ["task.retired"]],
        "is_active": [True, False],
    }


def test_what_was_given_up_is_sent_again_once_or_all_at_once(project: Project, owner: User) -> None:
    hook = services.add_webhook(project=project, user=owner, url="https://example.org/hook")
    given_up = {"state": "failed", "attempts": 10, "status_code": 500, "error": "It answered 500; 2xx was expected."}
    letters = [hook.deliveries.create(event="job.finished", payload={}, **given_up) for _number in range(3)]
    there = hook.deliveries.create(event="job.finished", payload={}, state="delivered", attempts=1)
    api, address = client(owner), f"{API}/{project.slug}/webhooks/{hook.pk}/send-again/"
    assert api.post(address, {"delivery": letters[0].pk}, format="json").json() == {"count": 1}
    assert list(hook.deliveries.filter(state="waiting", attempts=0, error="")) == letters[:1]
    assert api.post(address).json() == {"count": 2}
    for wrong, code in (({}, "not_given_up"), ({"delivery": there.pk}, "not_given_up"), ({"delivery": 0}, "not_found")):
        assert api.post(address, wrong, format="json").json()["error"]["code"] == code
    assert set(hook.deliveries.filter(state="waiting")) == set(letters)
    entries = AuditEntry.objects.filter(action="webhook_sent_again").order_by("pk")
    assert [entry.changes["count"] for entry in entries] == [1, 2]


def test_a_name_and_password_in_a_webhooks_address_stay_out_of_the_log(project: Project, owner: User) -> None:
    api = client(owner)
    body = {"url": "https://ada:s3cret@example.org/a@b"}
    hook = api.post(f"{API}/{project.slug}/webhooks/", body, format="json").json()
    address = f"{API}/{project.slug}/webhooks/{hook['id']}/"
    api.post(f"{address}secret/")
    assert api.patch(address, {"is_active": False}, format="json").json()["url"] == body["url"]
    api.patch(address, {"url": "https://s3cret2@example.org"}, format="json")
    api.delete(address)
    told = [entry.changes["url"] for entry in AuditEntry.objects.filter(action__startswith="webhook").order_by("pk")]
    first, last = "https://…@example.org/a@b", "https://…@example.org"
    assert told == [first, first, first, [first, last], last]


def test_a_change_of_settings_says_what_stood_there_before(project: Project, owner: User) -> None:
    client(owner).patch(f"{API}/{project.slug}/", {"name": "Animals", "judgments_per_task": {"min": 2, "max": 5}})
    entry = AuditEntry.objects.filter(project=project, action="settings").get()
    assert entry.changes == {"name": ["Pets", "Animals"], "judgments_min": [1, 2], "judgments_max": [3, 5]}
    assert entry.user == owner


def test_new_questions_are_a_new_version_and_old_judgments_keep_theirs(
    project: Project, owner: User, worker: User
) -> None:
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})
    questions = [
        {"key": "category", "kind": "single_choice", "prompt": "Which animal?"},
        {"key": "n", "kind": "number"},
    ]
    changed = client(owner).patch(f"{API}/{project.slug}/", {"questions": questions})
    assert changed.json()["survey_version"] == 2
    assert Judgment.objects.get().survey_version == 1
    assert SurveyVersion.objects.get(project=project, version=1).document["questions"][0]["prompt"] != "Which animal?"
    schema = client(owner).get(f"{API}/{project.slug}/survey/schema/").json()
    assert schema["properties"]["n"] == {"type": "number", "title": "n"}
    assert schema["required"] == ["category", "n"]


def test_a_paused_worker_appeals_and_goes_on(project: Project, owner: User, worker: User) -> None:
    member = Membership.objects.get(project=project, user=worker)
    services.pause_worker(member=member, because="Too fast.")
    api = client(worker)
    refused = api.post(f"{API}/{project.slug}/assignments/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "worker_paused")
    appeal = api.post(f"{API}/{project.slug}/appeals/", {"text": "I know these animals."})
    assert appeal.status_code == 201
    decided = {"accept": False, "answer": "They are taken from a book."}
    assert client(owner).post(f"{API}/{project.slug}/appeals/{appeal.json()['id']}/", decided).status_code == 200
    told = api.get(f"{API}/{project.slug}/standing/").json()["appeal"]
    assert (told["state"], told["text"], told["answer"]) == ("rejected", "I know these animals.", decided["answer"])
    appeal = api.post(f"{API}/{project.slug}/appeals/", {"text": "I know them from the sea."})
    verdict = client(owner).post(f"{API}/{project.slug}/appeals/{appeal.json()['id']}/", {"accept": True})
    assert verdict.json()["state"] == "accepted"
    assert api.post(f"{API}/{project.slug}/assignments/").status_code == 201


def test_earnings_are_a_table_that_no_name_can_turn_into_a_formula(
    make_project: Callable[..., Project], owner: User
) -> None:
    project = make_project(access="open", price_per_judgment="0.25")
    sly = person("+ईशा")
    lease = claim(project, sly)
    services.submit_judgment(assignment_id=lease.pk, worker=sly, answers={"category": "cat"}, seconds=2)
    answer = client(owner).get(f"{API}/{project.slug}/earnings/")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"  # untold, some programs read latin-1
    assert answer.getvalue().decode().splitlines() == ["worker,judgments,seconds,earned", "'+ईशा,1,2.0,0.2500"]


def test_a_grid_gives_one_yes_or_no_an_image(make_project: Callable[..., Project]) -> None:
    project = make_project(
        images=5, access="open", questions=[{"key": "cat", "kind": "yes_no", "prompt": "Does it contain a cat?"}]
    )
    api = client(person("wendy"))
    grid = api.post(f"{API}/{project.slug}/grid/", {"size": 4})
    assert grid.status_code == 201, grid.content
    tiles = [tile["id"] for tile in grid.json()["tiles"]]
    assert len(tiles) == 4
    sent = api.put(f"{API}/{project.slug}/grid/", {"shown": tiles, "tapped": tiles[:1], "seconds": 8})
    assert sent.status_code == 201, sent.content
    said = Judgment.objects.filter(project=project)
    assert sorted(row.answers["cat"] for row in said) == [False, False, False, True]
    assert {row.seconds for row in said} == {2.0}


def test_a_grid_of_anything_but_yes_or_no_is_409(project: Project, worker: User) -> None:
    answer = client(worker).post(f"{API}/{project.slug}/grid/", {"size": 4})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_a_grid")


def test_practice_then_the_test_then_real_tasks(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=4, access="open", qualification_share=1.0)
    first, second = project.tasks.order_by("id")[:2]
    services.set_gold(task=first, answers="cat", user=owner, use="practice", explanation="Look at the ears.")
    services.set_gold(task=second, answers="dog", user=owner, use="qualification")
    api = client(person("newcomer"))

    def step(value: str) -> dict[str, object]:
        lease = api.post(f"{API}/{project.slug}/assignments/").json()
        sent = api.post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": value}})
        return {"task": lease["task"], "feedback": sent.json()["feedback"]}

    practice = step("dog")
    assert practice["task"] == first.pk
    assert practice["feedback"] == {
        "right": False,
        "expected": {"category": "cat"},
        "explanation": "Look at the ears.",
    }
    test = step("dog")
    assert (test["task"], test["feedback"]) == (second.pk, None)
    assert step("cat")["task"] not in {first.pk, second.pk}
    assert api.get(f"{API}/{project.slug}/standing/").json()["phase"] == "working"


def test_whoever_fails_the_test_is_told_so(make_project: Callable[..., Project], owner: User) -> None:
    project = make_project(images=2, access="open", qualification_share=1.0)
    task = project.tasks.first()
    assert task is not None
    services.set_gold(task=task, answers="dog", user=owner, use="qualification")
    api = client(person("newcomer"))
    lease = api.post(f"{API}/{project.slug}/assignments/").json()
    api.post(f"/api/v1/assignments/{lease['id']}/judgment/", {"answers": {"category": "cat"}})
    refused = api.post(f"{API}/{project.slug}/assignments/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_qualified")


def test_an_invitation_link_makes_a_worker_and_a_renewed_one_ends_the_old(project: Project, owner: User) -> None:
    api, guest = client(owner), client(person("guest"))
    old = api.get(f"{API}/{project.slug}/invite/").json()["invite"]
    api.post(f"{API}/{project.slug}/invite/")
    assert guest.post(f"/api/v1/invitations/{old}/").status_code == 404
    new = api.get(f"{API}/{project.slug}/invite/").json()["invite"]
    assert guest.post(f"/api/v1/invitations/{new}/").json() == {"project": project.slug, "role": "worker"}
    assert guest.post(f"{API}/{project.slug}/assignments/").status_code == 201


def test_the_link_of_an_invitation_leads_to_the_page_where_it_is_taken(project: Project, owner: User) -> None:
    link = client(owner).get(f"{API}/{project.slug}/invite/").json()["url"]
    guest, browser = person("guest"), Client()
    assert link.startswith("http://testserver/")
    stranger = browser.get(link).content.decode()  # who has no account yet reads what it is, and keeps the way back
    onward = f"?next={quote(link.removeprefix('http://testserver'))}"
    assert project.name in stranger
    assert f"/accounts/signup/{onward}" in stranger
    assert browser.post(link).headers["Location"] == f"/accounts/login/{onward}"
    signing_in = browser.get(f"/accounts/login/{onward}").content.decode()
    for page in (stranger, signing_in):
        assert '"/accounts/signup/"' not in page
    browser.force_login(guest)
    browser.post(link)
    assert Membership.objects.filter(project=project, user=guest).exists()


def test_large_taxonomies_are_searched(owner: User) -> None:
    categories = [{"key": f"n{n:05d}", "name": f"kind {n}", "wordnet_id": f"n{n:08d}"} for n in range(500)]
    categories.append({"key": "dog", "name": "Dog", "description": "A friend.", "parent": "n00001"})
    project = services.create_project(owner=owner, name="Large", categories=categories)
    api = client(owner)
    found = api.get(f"{API}/{project.slug}/categories/", {"search": "dog"}).json()["results"]
    assert [(row["key"], row["parent"], row["description"]) for row in found] == [("dog", "n00001", "A friend.")]
    below = api.get(f"{API}/{project.slug}/categories/", {"parent": "n00001"}).json()["results"]
    assert [row["key"] for row in below] == ["dog"]
    assert len(api.get(f"{API}/{project.slug}/categories/", {"search": "kind"}).json()["results"]) == 50


def test_large_taxonomies_are_read_page_by_page(owner: User) -> None:
    categories = [{"key": f"n{n:05d}", "name": f"kind {n}"} for n in range(120)]
    project = services.create_project(owner=owner, name="Large", categories=categories)
    api, keys, address = client(owner), [], f"{API}/{project.slug}/categories/"
    while address:
        page = api.get(address).json()
        keys += [row["key"] for row in page["results"]]
        address = page["next"]
    assert keys == [row["key"] for row in categories]


def test_provenance_tells_who_said_what_and_what_decided(project: Project, owner: User, worker: User) -> None:
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"}, seconds=4)
    api = client(owner)
    api.post(f"/api/v1/tasks/{lease.task_id}/decide/", {"answers": {"category": "dog"}})
    story = api.get(f"/api/v1/tasks/{lease.task_id}/provenance/").json()
    (said,) = story["judgments"]
    assert (said["worker"], said["answers"], said["seconds"], said["survey_version"]) == (
        "wanda",
        {"category": "cat"},
        4.0,
        1,
    )
    (label,) = story["labels"]
    assert (label["answer"], label["method"], label["decided_by"]) == ("dog", "person", "olivia")
    assert [row["action"] for row in story["decisions"]] == ["decided"]
    assert story["retired_because"]
