"""A survey is edited while people work: each answer belongs to the form that its worker held."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.accounts.keys import create_key
from labeling.consensus import fitting, viewpoints
from labeling.errors import CrowdtuneError
from labeling.models import ApiKey, Assignment, Consensus, Judgment, Membership, Project, Task
from labeling.surveys import survey
from tests.labeling.conftest import claim, client, person

pytestmark = pytest.mark.django_db

LEGS = [{"key": "legs", "kind": "number", "prompt": "How many legs?"}]
PETS = {"key": "category", "kind": "single_choice", "prompt": "What is it?"}


def submit(lease: Assignment, worker: User, **answers: Any) -> Judgment:
    return services.submit_judgment(assignment_id=lease.pk, worker=worker, answers=answers)[0]


def edit(project: Project, **parts: Any) -> Project:
    return services.replace_survey(project=project, user=project.owner, **parts)


def test_an_answer_on_a_form_that_was_replaced_meanwhile_is_kept_with_that_form(project: Project, worker: User) -> None:
    lease = claim(project, worker)
    edit(project, questions=LEGS)
    judgment = submit(lease, worker, category="cat")
    assert (judgment.survey_version, judgment.answers) == (1, {"category": "cat"})
    assert Judgment.objects.get().survey_version == 1


def test_a_held_form_is_not_judged_by_the_new_questions(project: Project, worker: User) -> None:
    lease = claim(project, worker)
    edit(project, questions=LEGS)
    with pytest.raises(CrowdtuneError, match="no question 'legs'"):
        submit(lease, worker, legs=4)
    assert Judgment.objects.count() == 0


def test_the_next_lease_is_of_the_new_version_and_a_live_one_keeps_its_own(project: Project, worker: User) -> None:
    held = claim(project, worker)
    edit(project, questions=LEGS)
    assert claim(project, worker).survey_version == held.survey_version == 1
    submit(held, worker, category="dog")
    fresh = claim(project, worker)
    assert fresh.survey_version == 2
    assert submit(fresh, worker, legs=4).survey_version == 2


def test_the_same_answer_sent_again_after_an_edit_is_the_stored_one(project: Project, worker: User) -> None:
    lease = claim(project, worker)
    first = submit(lease, worker, category="cat")
    edit(project, questions=LEGS)
    again, created = services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"})
    assert (again.pk, created) == (first.pk, False)


def test_what_an_old_form_says_to_a_question_that_stayed_still_counts(project: Project, worker: User) -> None:
    lease = claim(project, worker)
    edit(project, questions=[PETS, *LEGS])
    submit(lease, worker, category="cat")
    row = Consensus.objects.get(task=lease.task_id)
    assert (row.question.key, row.answer, row.judgment_count) == ("category", "cat", 1)


def test_an_answer_to_questions_that_are_gone_is_kept_and_the_task_asks_one_more(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=1, access="open", judgments_min=2, judgments_max=2)
    old, new = person("old"), [person("new"), person("newer")]
    held = claim(project, old)
    edit(project, questions=LEGS)
    submit(held, old, category="cat")
    assert not Consensus.objects.filter(task=held.task_id).exists()
    for user in new:
        submit(claim(project, user), user, legs=4)
    task = Task.objects.get(pk=held.task_id)
    assert (task.judgment_count, task.wanted, task.retired_because) == (3, 3, "maximum")
    assert Consensus.objects.get(task=task).judgment_count == 2


def test_an_answer_whose_choice_is_gone_counts_no_more_in_the_full_fit_either(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=1, access="open", judgments_min=3, judgments_max=5)
    for name, answer in (("a", "dog"), ("b", "dog"), ("c", "cat")):
        user = person(name)
        lease = claim(project, user)
        submit(lease, user, category=answer)
    project = edit(project, categories=["cat", "horse"])
    fitting.fit_project(project.pk)
    row = Consensus.objects.get(task__project=project)
    assert (row.answer, row.judgment_count) == ("cat", 1)
    project.refresh_from_db()
    assert viewpoints.of_rows(project=project, rows=[row], method="majority")[row.pk]["answer"] == "cat"


def test_where_nothing_counts_any_more_there_is_no_consensus(project: Project, worker: User) -> None:
    submit(claim(project, worker), worker, category="dog")
    project = edit(project, categories=["cat", "horse"])
    fitting.fit_project(project.pk)
    assert not Consensus.objects.filter(project=project).exists()
    assert Judgment.objects.get().answers == {"category": "dog"}


def test_a_question_that_changes_its_kind_is_a_new_one(project: Project, worker: User) -> None:
    submit(claim(project, worker), worker, category="cat")
    old = project.questions.get().pk
    project = edit(project, questions=[{**PETS, "kind": "multiple_choice"}])
    assert project.questions.get().pk != old
    fitting.fit_project(project.pk)  # "cat" is no set of choices
    assert not Consensus.objects.filter(project=project).exists()


def test_an_edit_that_only_rewords_keeps_question_and_consensus(project: Project, worker: User) -> None:
    submit(claim(project, worker), worker, category="cat")
    before = Consensus.objects.get().pk
    project = edit(project, questions=[{**PETS, "prompt": "Which animal?"}])
    fitting.fit_project(project.pk)
    assert Consensus.objects.get().pk == before


def test_gold_measures_a_worker_only_by_what_the_held_form_asked(
    make_project: Callable[..., Project], owner: User, worker: User
) -> None:
    project = make_project(images=1, access="open", gold_rate=1.0)
    task = Task.objects.get(project=project)
    services.set_gold(task=task, answers={"category": "cat"}, user=owner)
    project.refresh_from_db()
    services.ensure_member(project=project, user=worker)
    held = claim(project, worker)
    project = edit(project, questions=[PETS, *LEGS])
    task = Task.objects.get(project=project)
    services.set_gold(task=task, answers={"category": "cat", "legs": 4}, user=owner)
    submit(held, worker, category="cat")
    member = Membership.objects.get(project=project, user=worker)
    assert (member.gold_seen, member.gold_right) == (1, 1)


def test_an_undone_answer_comes_back_on_the_form_it_was_given_on(project: Project, worker: User) -> None:
    submit(claim(project, worker), worker, category="cat")
    edit(project, questions=LEGS)
    lease, answers = services.undo_last(project=Project.objects.get(pk=project.pk), worker=worker)
    assert (lease.survey_version, answers) == (1, {"category": "cat"})
    assert submit(lease, worker, category="dog").survey_version == 1


@pytest.mark.parametrize("way", ["Token", "Bearer"])
def test_the_api_shows_and_takes_the_held_form_both_ways(project: Project, worker: User, way: str) -> None:
    api = client()
    api.credentials(HTTP_AUTHORIZATION=f"{way} {create_key(user=worker)[1]}")
    ApiKey.objects.update(last_used_at=timezone.now())
    before = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    edit(project, questions=LEGS)
    after = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    assert after["id"] == before["id"]
    assert (after["survey_version"], after["questions"]) == (1, before["questions"])
    stored = api.post(f"/api/v1/assignments/{after['id']}/judgment/", {"answers": {"category": "cat"}}, format="json")
    assert (stored.status_code, stored.json()["survey_version"]) == (201, 1)
    fresh = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    assert (fresh["survey_version"], [row["key"] for row in fresh["questions"]]) == (2, ["legs"])


def test_the_page_without_javascript_shows_and_takes_the_held_form(project: Project, worker: User) -> None:
    page = Client()
    page.force_login(worker)
    address = f"/label/{project.slug}/"
    lease = page.get(address).context["task"]["id"]
    edit(project, questions=LEGS)
    assert [row["key"] for row in page.get(address).context["questions"]] == ["category"]
    page.post(address, {"assignment": lease, "a.category": "cat"})
    assert (Judgment.objects.get().answers, Judgment.objects.get().survey_version) == ({"category": "cat"}, 1)
    assert [row["key"] for row in page.get(address).context["questions"]] == ["legs"]


def test_the_page_without_javascript_takes_an_answer_after_the_lease_ran_out(project: Project, worker: User) -> None:
    page = Client()
    page.force_login(worker)
    lease = page.get(f"/label/{project.slug}/").context["task"]["id"]
    Assignment.objects.filter(pk=lease).update(expires_at=timezone.now())
    page.post(f"/label/{project.slug}/", {"assignment": lease, "a.category": "cat"})
    assert Judgment.objects.get().answers == {"category": "cat"}


def test_a_search_among_choices_is_about_the_form_that_asks(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(categories=[f"kind {n}" for n in range(30)], access="open")
    services.ensure_member(project=project, user=worker)
    page = Client()
    page.force_login(worker)
    shown = page.get(f"/label/{project.slug}/").context["questions"][0]
    edit(project, categories=["other"])
    assert {"key": "kind 7", "name": "kind 7"} in page.get(f"{shown['search_url']}&q=kind 7").json()["results"]


def test_a_grid_answers_tiles_of_the_version_they_were_shown_with(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(access="open", questions=[{"key": "cat", "kind": "yes_no", "prompt": "Is it a cat?"}])
    services.ensure_member(project=project, user=worker)
    api = client(worker)
    address = f"/api/v1/projects/{project.slug}/grid/"
    held = api.post(address, {"size": 2}).json()["tiles"]
    edit(project, questions=[{"key": "dog", "kind": "yes_no", "prompt": "Is it a dog?"}])
    both = api.post(address, {"size": 3}).json()["tiles"]
    assert [tile["id"] for tile in both] == [tile["id"] for tile in held]
    ids = [tile["id"] for tile in both]
    assert api.put(address, {"shown": ids, "tapped": ids[:1]}).status_code == 201
    assert sorted(row.answers["cat"] for row in Judgment.objects.all()) == [False, True]
    (last,) = api.post(address, {"size": 3}).json()["tiles"]
    assert api.put(address, {"shown": [last["id"]], "tapped": []}).status_code == 201
    assert Judgment.objects.latest("id").answers == {"dog": False}


def test_shuffled_choices_come_in_one_order_for_a_worker_and_task_by_api_and_page(
    make_project: Callable[..., Project], owner: User, worker: User
) -> None:
    names = [f"kind {n}" for n in range(12)]
    project = make_project(categories=names, access="open", questions=[{**PETS, "shuffle": True}])
    services.ensure_member(project=project, user=worker)
    page = Client()
    page.force_login(worker)
    api = client(worker)
    seen: list[list[str]] = []
    for _task in range(3):
        claimed = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
        by_api = [choice["key"] for choice in claimed["questions"][0]["choices"]]
        context = page.get(f"/label/{project.slug}/").context
        by_page = [choice["key"] for choice in context["questions"][0]["shown_choices"]]
        assert by_api == by_page == context["task"]["order"]["category"]
        assert sorted(by_api) == sorted(names)
        answer = {"answers": {"category": by_api[0]}}
        assert api.post(f"/api/v1/assignments/{claimed['id']}/judgment/", answer).status_code == 201
        story = client(owner).get(f"/api/v1/tasks/{claimed['task']}/provenance/").json()
        newest = client(owner).get(f"/api/v1/projects/{project.slug}/judgments/").json()["results"][0]
        assert story["judgments"][0]["order"] == newest["order"] == {"category": by_api}
        seen.append(by_api)
    assert len({tuple(order) for order in seen}) == 3


def test_every_order_of_the_choices_comes_about_equally_often(project: Project) -> None:
    project = edit(project, categories=["a", "b", "c"], questions=[{**PETS, "shuffle": True}])
    question = survey.current(project).questions[0]
    counts: dict[str, int] = {}
    for task in range(1200):
        order = "".join(choice["key"] for choice in question.ordered(survey.order_seed(worker_id=3, task_id=task)))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(140 < count < 260 for count in counts.values()), counts


def test_choices_keep_the_owners_order_where_no_shuffling_is_asked_for(project: Project, worker: User) -> None:
    claimed = client(worker).post(f"/api/v1/projects/{project.slug}/assignments/").json()
    assert [choice["key"] for choice in claimed["questions"][0]["choices"]] == ["cat", "dog"]


def test_a_survey_that_is_sent_again_as_it_is_read_is_no_new_version(make_project: Callable[..., Project]) -> None:
    project = make_project(images=0, questions=[PETS, *LEGS])
    api, address = client(project.owner), f"/api/v1/projects/{project.slug}/"
    again = api.patch(address, api.get(address).json(), format="json")
    assert (again.status_code, again.json()["survey_version"]) == (200, 1)
    assert "survey" not in [row["action"] for row in api.get(f"{address}audit/").json()["results"]]
    changed = api.patch(address, {"questions": [PETS]}, format="json")
    assert changed.json()["survey_version"] == 2
