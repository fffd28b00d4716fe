"""Suggested answers, and the blind share that tells whether people follow them."""

from __future__ import annotations

import pytest

from labeling import services
from labeling.collecting import suggestions
from labeling.consensus import fitting
from labeling.models import Judgment, Membership, Project, Question, Task
from tests.labeling.crowds import make_project, make_tasks, person, say

KNOWN = {"suggestions": {"label": "cat"}, "suggested_by": "model", "blind_share": 0.5}


def test_the_blind_share_is_about_as_large_as_asked_and_stays():
    drawn = [suggestions.is_blind(task, worker, 0.2) for task in range(100) for worker in range(50)]
    assert 0.17 < sum(drawn) / len(drawn) < 0.23
    assert drawn[:50] == [suggestions.is_blind(0, worker, 0.2) for worker in range(50)]


def test_nobody_is_blind_at_0_and_everybody_at_1():
    assert not any(suggestions.is_blind(task, 1, 0.0) for task in range(100))
    assert all(suggestions.is_blind(task, 1, 1.0) for task in range(100))


def test_anchoring_is_the_difference_of_the_two_rates():
    """All who see "cat" say cat; all who are blind say dog."""
    said = [(task, 1, "dog" if suggestions.is_blind(task, 1, 0.5) else "cat") for task in range(200)]
    found = suggestions.anchoring(said, dict.fromkeys(range(200), ("cat", 0.5)))
    assert found is not None
    assert (found["agree_shown"], found["agree_blind"], found["difference"]) == (1.0, 0.0, 1.0)
    assert found["shown"] + found["blind"] == 200


def test_where_all_see_the_suggestion_nothing_is_claimed():
    assert suggestions.anchoring([(1, 1, "cat")], {1: ("cat", 0.0)}) is None


@pytest.mark.django_db
def test_a_blind_worker_s_lease_has_no_trace_of_the_suggestion():
    project = make_project(show_suggestions=True, access="open")
    made = make_tasks(project, 30, payload=KNOWN)
    seen = set()
    for number in range(3):  # each lease is blind or not by the flip of a coin: thirty do not all fall alike
        worker = person(f"worker{number}")
        member = Membership.objects.create(project=project, user=worker)
        leases = services.claim_leases(project=project, member=member, hold=10)
        assert len(leases) == 10
        for lease in leases:
            blind = suggestions.is_blind(lease.task_id, worker.pk, 0.5)
            assert lease.payload == ({} if blind else {"suggestions": {"label": "cat"}, "suggestion": "cat"})
            seen.add(blind)
    assert seen == {True, False}
    assert Task.objects.get(pk=made[0].pk).payload == KNOWN


@pytest.mark.django_db
def test_a_category_that_has_left_the_survey_is_suggested_no_more():
    project = make_project(show_suggestions=True, access="open", blind_share=0)
    make_tasks(project, 2, payload={**KNOWN, "blind_share": 0})
    member = Membership.objects.create(project=project, user=person("worker1"))
    before = services.claim_leases(project=project, member=member)
    services.replace_survey(project=project, categories=["dog", "bird"], user=project.owner)
    project.refresh_from_db()
    after = services.claim_leases(project=project, member=member, hold=2)
    assert before[0].payload["suggestion"] == "cat"
    assert [lease.payload.get("suggestion") for lease in after] == ["cat", None]  # a lease keeps its form


@pytest.mark.django_db
def test_without_the_setting_nobody_sees_a_suggestion():
    project = make_project(access="open")
    make_tasks(project, 5, payload=KNOWN)
    member = Membership.objects.create(project=project, user=person("worker1"))
    leases = services.claim_leases(project=project, member=member, hold=5)
    assert [lease.payload for lease in leases] == [{}] * 5


@pytest.mark.django_db
def test_a_full_fit_measures_anchoring():
    project = make_project(show_suggestions=True)
    worker = person("worker1")
    for task in make_tasks(project, 20, payload=KNOWN):
        say(task, worker, "dog" if suggestions.is_blind(task.pk, worker.pk, 0.5) else "cat")
    fitting.fit_project(Project.objects.get().pk)
    assert Question.objects.get().fit["figures"]["anchoring"]["difference"] == 1.0


@pytest.mark.django_db
def test_judgments_from_a_file_are_of_nobody_who_saw_a_suggestion():
    project = make_project(show_suggestions=True)
    worker, source = person("worker1"), person("source")
    for task in make_tasks(project, 20, payload=KNOWN):
        say(task, worker, "dog" if suggestions.is_blind(task.pk, worker.pk, 0.5) else "cat")
        say(task, source, "dog")
    Judgment.objects.filter(worker=source).update(source="import")
    fitting.fit_project(Project.objects.get().pk)
    found = Question.objects.get().fit["figures"]["anchoring"]
    assert (found["shown"] + found["blind"], found["difference"]) == (20, 1.0)


@pytest.mark.django_db
def test_a_model_suggests_only_where_nobody_has_judged_and_the_owner_wants_it():
    project = make_project(show_suggestions=True)
    fresh, judged = make_tasks(project, 2)
    say(judged, person("worker1"), "dog")
    labels = {fresh.image_id: "cat", judged.image_id: "cat"}
    assert services.suggest_answers(project=project, labels=labels, source="model 1") == 1
    fresh.refresh_from_db()
    assert fresh.payload == {"suggestions": {"label": "cat"}, "suggested_by": "model 1", "blind_share": 0.2}
    project.show_suggestions = False
    assert services.suggest_answers(project=project, labels=labels, source="model 1") == 0


@pytest.mark.django_db
@pytest.mark.parametrize("shows", [True, False])
def test_an_undo_and_a_form_that_is_refused_tell_a_blind_worker_nothing(client, shows):
    project = make_project(show_suggestions=shows, access="open", blind_share=1)
    make_tasks(
        project, 2, payload={**KNOWN, "suggestions": {"label": "dog"}, "suggested_by": "resnet", "blind_share": 1}
    )
    worker = person("worker1")
    member = Membership.objects.create(project=project, user=worker)
    client.force_login(worker)
    lease = services.claim_leases(project=project, member=member)[0]
    refused = client.post(f"/label/{project.slug}/", {"assignment": str(lease.id)})
    pages = [refused]
    for address in (f"/label/{project.slug}/undo/", f"/api/v1/projects/{project.slug}/judgments/undo/"):
        lease = services.claim_leases(project=project, member=member)[0]
        services.submit_judgment(assignment_id=lease.id, worker=worker, answers={"label": "cat"})
        pages.append(client.post(address))
    assert [page.status_code for page in pages] == [400, 200, 200]
    for page in pages:
        assert not [word for word in ("resnet", "blind_share", "suggested_by") if word in page.text]
    assert [page.json().get("task", page.json().get("assignment"))["payload"] for page in pages[1:]] == [{}, {}]
    assert refused.context["task"]["payload"] == {}
