"""Appeals: of what length, one at a time, and once decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.collecting import marking
from labeling.errors import CrowdtuneError
from labeling.models import Appeal, Membership, Project
from labeling.services.appeals import LONGEST
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def paused(project: Project, worker: User) -> Membership:
    return services.pause_worker(member=Membership.objects.get(project=project, user=worker), because="Too fast.")


@pytest.mark.parametrize("text", [" \n", "x" * (LONGEST + 1)])
def test_an_appeal_says_something_and_not_too_much(paused: Membership, text: str) -> None:
    with pytest.raises(CrowdtuneError) as refused:
        services.appeal_pause(member=paused, text=text)
    assert list(refused.value.fields) == ["text"]
    assert services.appeal_pause(member=paused, text="x" * LONGEST).text == "x" * LONGEST


def test_one_appeal_waits_at_a_time_and_is_decided_once(paused: Membership) -> None:
    appeal = services.appeal_pause(member=paused, text="I know these animals.")
    with pytest.raises(CrowdtuneError) as refused:
        services.appeal_pause(member=paused, text="Really.")
    assert refused.value.code == "appeal_open"
    owner = paused.project.owner
    answered = services.decide_appeal(appeal=appeal, accept=False, by=owner, answer=" No. " + "x" * LONGEST)
    assert (answered.state, len(answered.answer)) == ("rejected", LONGEST)
    with pytest.raises(CrowdtuneError) as refused:
        services.decide_appeal(appeal=appeal, accept=True, by=owner)
    assert refused.value.code == "appeal_decided"
    paused.refresh_from_db()
    assert paused.is_paused
    assert services.appeal_pause(member=paused, text="Really.").state == "open"


@pytest.mark.parametrize(("phase", "state"), [("working", "accepted"), ("failed", "open")])
def test_who_may_go_on_waits_for_no_answer_but_to_an_appeal_against_the_test(
    paused: Membership, phase: str, state: str
) -> None:
    Membership.objects.filter(pk=paused.pk).update(phase=phase)
    appeal = services.appeal_pause(member=paused, text="I know these animals.")
    services.resume_worker(member=paused, by=paused.project.owner)
    appeal.refresh_from_db()
    assert appeal.state == state
    told = Membership.objects.get(pk=paused.pk).warning
    assert told == ("Your appeal was accepted." if state == "accepted" else "")


def failed_test(project: Project) -> Appeal:
    """Who said cat where the test wants a dog, and appeals."""
    services.set_gold(task=project.tasks.earliest("pk"), answers="dog", use="qualification", user=project.owner)
    worker = person("wanda")
    services.ensure_member(project=project, user=worker)
    lease = services.claim_assignment(project=project, worker=worker)
    assert lease is not None
    services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})
    member = Membership.objects.get(project=project, user=worker)
    return services.appeal_pause(member=member, text="It is a cat.")


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_appeal_against_a_test_that_is_passed_after_its_correction_is_closed_with_the_reason(
    make_project: Callable[..., Project], is_paused: bool
) -> None:
    project = make_project(images=2, access="open")
    appeal = failed_test(project)
    task, member = project.tasks.earliest("pk"), appeal.membership
    if is_paused:
        services.pause_worker(member=member, because="", by=project.owner)

    services.set_gold(task=task, answers="cat", use="qualification", user=project.owner)

    appeal.refresh_from_db()
    member.refresh_from_db()
    assert member.phase == "working"
    assert appeal.state == ("open" if is_paused else "accepted")
    assert ("its answers were corrected" in appeal.answer) is not is_paused
    assert ("its answers were corrected" in member.warning) is not is_paused


@pytest.mark.parametrize("how", ["less is asked for", "labels come in", "known no more"])
def test_it_is_closed_however_the_test_comes_to_be_passed(
    make_project: Callable[..., Project], how: str, django_capture_on_commit_callbacks: Any
) -> None:
    project = make_project(images=2, access="open")
    appeal = failed_test(project)
    with django_capture_on_commit_callbacks(execute=True):
        if how == "less is asked for":
            services.change_project(project=project, user=project.owner, qualification_share=0)
        elif how == "labels come in":
            entry = {"answers": {"category": "cat"}, "use": "hidden"}
            marking.mark_all(entries=[(project.tasks.earliest("pk"), entry)], project=project, source="them")
        else:
            services.remove_gold(task=project.tasks.earliest("pk"), user=project.owner)
    appeal.refresh_from_db()
    assert appeal.state == "accepted"


@pytest.mark.parametrize(
    ("answer", "told"),
    [(" Go on. ", "Your appeal was accepted: Go on."), ("", "Your appeal was accepted.")],
)
def test_who_goes_on_reads_the_answer_above_the_next_task(
    paused: Membership, client: Client, answer: str, told: str
) -> None:
    appeal = services.appeal_pause(member=paused, text="I know these animals.")
    services.decide_appeal(appeal=appeal, accept=True, by=paused.project.owner, answer=answer)
    client.force_login(paused.user)
    assert told in client.get(f"/label/{paused.project.slug}/").content.decode()
    services.read_warning(project=paused.project, user=paused.user)
    assert told not in client.get(f"/label/{paused.project.slug}/").content.decode()
