"""Who is taken out of a project while at work, and who comes back: nothing breaks, and what was earned is owed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.accounts import permissions
from labeling.actors import expire_leases
from labeling.consensus import fitting, provenance
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, AuditEntry, Consensus, Judgment, Membership, Project, Task
from labeling.upkeep import discarding
from tests.labeling.conftest import answer, claim, client, person

pytestmark = pytest.mark.django_db
RULE = {"measure": "median_seconds", "window": 5, "comparison": "below", "threshold": 0.5, "action": "warn"}


@pytest.fixture
def paid(make_project: Callable[..., Project]) -> Project:
    return make_project(images=3, access="open", price_per_judgment="0.10")


def take_out(project: Project, user: User) -> None:
    services.remove_member(member=Membership.objects.get(project=project, user=user), by=project.owner)


@pytest.mark.parametrize("ran_out", [False, True])
def test_what_a_person_holds_who_is_taken_out_goes_to_others(paid: Project, ran_out: bool) -> None:
    services.add_rule(project=paid, user=paid.owner, **RULE)
    paid.refresh_from_db()
    wanda = person("wanda")
    lease = claim(paid, wanda)
    if ran_out:
        Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        expire_leases()
    take_out(paid, wanda)
    with pytest.raises(CrowdtuneError) as refused:
        services.submit_judgment(assignment_id=lease.pk, worker=wanda, answers={"category": "cat"})
    assert refused.value.code == "lease_lost"
    assert set(Task.objects.values_list("open_slots", flat=True)) == {1}


def test_who_was_taken_out_is_still_owed_what_was_earned(paid: Project) -> None:
    wanda = person("wanda")
    answer(paid, wanda)
    take_out(paid, wanda)
    told = client(paid.owner).get(f"/api/v1/projects/{paid.slug}/earnings/").getvalue().decode().splitlines()
    assert told == ["worker,judgments,seconds,earned", "wanda,1,2.0,0.1000"]


def test_what_was_earned_by_images_that_are_deleted_is_owed_to_who_is_there_and_to_who_left(paid: Project) -> None:
    wanda, wei = person("wanda"), person("wei")
    for who in (wanda, wanda, wei):
        answer(paid, who)
    (first,) = Judgment.objects.filter(worker=wei).values_list("task__image", flat=True)
    for when in ("before", "after"):
        told = client(paid.owner).get(f"/api/v1/projects/{paid.slug}/earnings/").getvalue().decode().splitlines()
        assert told[1:] == ["wanda,2,4.0,0.2000", "wei,1,2.0,0.1000"], when
        if when == "before":
            take_out(paid, wei)
            services.delete_images(project=paid, ids=[first], user=paid.owner)
    for who, owed in ((wanda, Decimal("0.2")), (wei, Decimal("0.1"))):
        own = Client()
        own.force_login(who)
        lines = b"".join(own.get("/profile/earnings.csv").streaming_content).decode().splitlines()
        rows = list(csv.DictReader(lines))
        assert sum(Decimal(row["price"]) for row in rows) == owed
        assert rows[-1]["task"] == "deleted"
        page = own.get("/profile/")
        assert (page.context["earned"], paid.name in page.content.decode()) == (owed, True)
    back = services.ensure_member(project=paid, user=wei)
    assert (back.earned, back.judgment_count, back.deleted_count) == (Decimal("0.1"), 1, 1)


def test_the_list_of_earnings_adds_up_to_what_was_earned_though_an_answer_was_taken_back(paid: Project) -> None:
    wanda, own = person("wanda"), Client()
    own.force_login(wanda)
    answer(paid, wanda)
    answer(paid, wanda)
    services.undo_last(project=paid, worker=wanda)
    lines = b"".join(own.get("/profile/earnings.csv").streaming_content).decode().splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["withdrawn"] for row in rows] == ["", "yes"]
    assert sum(Decimal(row["price"]) for row in rows) == own.get("/profile/").context["earned"] == Decimal("0.1")


def test_a_project_is_handed_over_by_its_owner_to_a_manager_who_can_sign_in(paid: Project) -> None:
    olivia, manny = paid.owner, person("manny")
    services.add_member(project=paid, username="manny", role="manager")
    services.add_member(project=paid, username="wanda", role="worker")
    services.add_member(project=paid, username="outside", role="manager")  # has a key, and no password
    assert [one.user for one in services.successors(paid)] == [manny]
    for username in ("wanda", "outside", "olivia", "nobody"):
        with pytest.raises(CrowdtuneError, match=f"{username} is no manager"):
            services.hand_over_project(project=paid, username=username, by=olivia)
    with pytest.raises(CrowdtuneError, match="Only the owner"):
        services.hand_over_project(project=paid, username="manny", by=manny)
    assert services.hand_over_project(project=paid, username="manny", by=olivia).owner == manny
    paid.refresh_from_db()
    assert (permissions.role_of(manny, paid), permissions.role_of(olivia, paid)) == ("owner", "manager")
    with pytest.raises(CrowdtuneError, match="Only the owner"):
        services.hand_over_project(project=paid, username="olivia", by=olivia)
    entry = AuditEntry.objects.get(action="handed_over")
    assert (entry.user, entry.changes) == (olivia, {"username": ["olivia", "manny"]})


def test_an_owner_hands_over_by_the_api_and_who_gave_away_cannot_take_back(paid: Project) -> None:
    giver, manny = paid.owner, person("manny")
    services.add_member(project=paid, username="manny", role="manager", by=giver)
    address = f"/api/v1/projects/{paid.slug}/hand-over/"
    assert client(manny).post(address, {"username": "manny"}, format="json").status_code == 403
    refused = client(giver).post(address, {"username": "nobody"}, format="json")
    assert (refused.status_code, list(refused.json()["error"]["fields"])) == (400, ["username"])
    answer = client(giver).post(address, {"username": "manny"}, format="json")
    assert (answer.status_code, answer.json()) == (200, {"slug": paid.slug, "owner": "manny"})
    assert client(giver).post(address, {"username": giver.username}, format="json").status_code == 403


def test_what_was_earned_in_a_project_outlives_it_and_its_owner_is_told_before_it_is_deleted(paid: Project) -> None:
    owner, wanda, wei = Client(), person("wanda"), person("wei")
    owner.force_login(paid.owner)
    for who in (wanda, wei, wei, paid.owner):
        answer(paid, who)
    take_out(paid, wei)
    address = f"/projects/{paid.slug}/settings/danger/"
    told = owner.get(address).content.decode()
    assert "2 people have earned 0.30 here together" in told
    for text in (told, owner.get(f"/projects/{paid.slug}/workers/").content.decode()):
        assert f"/api/v1/projects/{paid.slug}/earnings/" in text
    for step in ("deleted", "deleted once more", "purged"):
        if step == "purged":
            discarding.run()
            assert not Project.with_deleted.exists()
        else:
            services.delete_project(project=paid)
        for who, count, owed in ((wanda, 1, Decimal("0.1")), (wei, 2, Decimal("0.2"))):
            own = Client()
            own.force_login(who)
            page = own.get("/profile/")
            assert (page.context["earned"], page.context["judgments"]) == (owed, count), step
            assert paid.name in page.content.decode()
            lines = b"".join(own.get("/profile/earnings.csv").streaming_content).decode().splitlines()
            assert [row["project"] for row in csv.DictReader(lines)] == [paid.slug]
            assert sum(Decimal(row["price"]) for row in csv.DictReader(lines)) == owed


def test_the_list_of_projects_to_label_counts_what_was_earned_as_the_profile_does(paid: Project) -> None:
    wanda, own = person("wanda"), Client()
    own.force_login(wanda)
    answer(paid, wanda)
    take_out(paid, wanda)
    page = own.get("/label/")
    assert (page.context["earned"], page.context["judgments"]) == (Decimal("0.1"), 1)
    assert "0.10" in page.content.decode()


def test_who_was_taken_out_takes_no_answer_back_to_be_paid_for_it_twice(paid: Project) -> None:
    wanda = person("wanda")
    answer(paid, wanda)
    take_out(paid, wanda)
    refused = client(wanda).post(f"/api/v1/projects/{paid.slug}/judgments/undo/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "nothing_to_undo")
    for _number in range(2):
        answer(paid, wanda)
    paid.refresh_from_db()
    assert Membership.objects.get(project=paid, user=wanda).earned == paid.spent == Decimal("0.3")


def test_who_comes_back_has_the_record_of_before_and_can_take_the_last_answer_back(paid: Project) -> None:
    wanda = person("wanda")
    answer(paid, wanda)
    take_out(paid, wanda)
    member = services.ensure_member(project=paid, user=wanda)
    assert (member.judgment_count, member.seconds, member.earned) == (1, 2.0, Decimal("0.1"))
    services.undo_last(project=paid, worker=wanda)
    member.refresh_from_db()
    assert (member.judgment_count, member.seconds, member.earned) == (0, 0.0, 0)


def test_who_comes_back_begins_to_be_measured_anew(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, access="open", gold_rate=1)
    services.set_gold(task=Task.objects.get(), answers="cat", user=project.owner)
    project.refresh_from_db()
    wanda = person("wanda")
    answer(project, wanda)
    take_out(project, wanda)
    member = services.ensure_member(project=project, user=wanda)
    assert (member.judgment_count, member.gold_seen, member.gold_right) == (1, 0, 0)
    services.undo_last(project=project, worker=wanda)
    member.refresh_from_db()
    assert (member.judgment_count, member.gold_seen, member.gold_right) == (0, 0, 0)


def test_a_weight_that_a_rule_lowered_is_raised_again_and_all_labels_follow(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1, judgments_min=3, access="open")
    Membership.objects.filter(project=project).delete()
    for person_, said, weight in ((worker, "dog", 0.0), (person("a"), "dog", 0.0), (person("b"), "cat", 1.0)):
        member = services.ensure_member(project=project, user=person_)
        services.weigh_worker(member=member, weight=weight, by=None)
        lease = claim(project, person_)
        services.submit_judgment(assignment_id=lease.pk, worker=person_, answers={"category": said})
    fitting.fit_project(project.pk)
    label = Consensus.objects.get(project=project)
    assert label.answer == "cat"
    api, at = client(project.owner), f"/api/v1/projects/{project.slug}/workers"
    for name in (worker.username, "a"):
        assert api.patch(f"{at}/{name}/", {"weight": 1}, format="json").json()["weight"] == 1
    assert api.patch(f"{at}/a/", {"weight": 1.5}, format="json").status_code == 400
    told = api.patch(f"{at}/a/", {"role": "reviewer", "weight": "nan"}, format="json")
    assert (told.status_code, Membership.objects.get(user__username="a").role) == (400, "worker"), "all or nothing"
    assert fitting.fit_project(project.pk), "it is due"
    label.refresh_from_db()
    assert label.answer == "dog"
    assert AuditEntry.objects.filter(project=project, action="worker_weighed").count() == 5


def test_who_was_taken_out_counts_as_little_as_before_and_comes_back_so(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, judgments_min=3, access="open")
    Membership.objects.filter(project=project).delete()
    spam, clown, honest = (person(name) for name in ("spam", "clown", "honest"))
    for who, said in ((spam, "dog"), (clown, "dog"), (honest, "cat")):
        member = services.ensure_member(project=project, user=who)
        if who != honest:
            services.weigh_worker(member=member, weight=0.0, by=None)
        lease = claim(project, who)
        if who == honest:  # by then the others have left: the answer's own update knows it, and so does the fit
            for name in (spam, clown):
                gone = Membership.objects.get(project=project, user=name)
                services.pause_worker(member=gone, because="Spam.", by=None)
                services.remove_member(member=gone, by=project.owner)
        services.submit_judgment(assignment_id=lease.pk, worker=who, answers={"category": said})
    label = Consensus.objects.get(project=project)
    assert label.answer == "cat"
    fitting.fit_project(project.pk)
    label.refresh_from_db()
    assert label.answer == "cat"
    told = {row["worker"]: row["worker_weight"] for row in provenance.of_task(label.task)["judgments"]}
    assert told == {"spam": 0.0, "clown": 0.0, "honest": 1.0}
    back = services.ensure_member(project=project, user=spam)
    assert (back.weight, back.is_paused, back.paused_because, back.judgment_count) == (0.0, True, "Spam.", 1)
    services.resume_worker(member=back, by=project.owner)
    services.weigh_worker(member=back, weight=1, by=project.owner)
    services.remove_member(member=back, by=project.owner)
    assert services.ensure_member(project=project, user=spam).weight == 1


@pytest.mark.parametrize("is_staff", [False, True])
def test_a_key_comes_with_an_account_that_has_no_other_way_in_but_for_staff(paid: Project, is_staff: bool) -> None:
    crowd = User.objects.create_user("crowd", is_staff=is_staff)
    assert not crowd.has_usable_password()
    key = services.add_member(project=paid, username="crowd", by=paid.owner)[1]
    assert (key is None) == is_staff


def test_a_name_that_no_account_can_have_is_refused(paid: Project) -> None:
    assert services.add_member(project=paid, username="x" * 150, by=paid.owner)[1]
    for name in ("x" * 151, "a b"):
        with pytest.raises(CrowdtuneError) as refused:
            services.add_member(project=paid, username=name, by=paid.owner)
        (told,) = refused.value.fields["username"]
        assert refused.value.message == f"username: {told}"


def test_a_reason_for_a_pause_has_room_for_a_word_of_why(paid: Project) -> None:
    member = services.ensure_member(project=paid, user=person("wanda"))
    services.pause_worker(member=member, because="x" * 400)
    member.refresh_from_db()
    assert member.paused_because == "x" * 300


def test_the_log_says_what_adding_somebody_again_has_changed(paid: Project) -> None:
    for role in ("worker", "worker", "reviewer"):
        services.add_member(project=paid, username="crowd", role=role, by=paid.owner)
    entries = AuditEntry.objects.filter(project=paid).order_by("id")
    told = [(entry.action, entry.changes.get("role")) for entry in entries if "username" in entry.changes]
    assert told == [
        ("member_added", "worker"), ("key_created", None), ("member_changed", ["worker", "reviewer"]),
        ("key_created", None),
    ]  # fmt: skip
