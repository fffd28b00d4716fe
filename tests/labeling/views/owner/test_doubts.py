"""Who of a crowd is far behind it, and which questions people read differently; both as its owner is told."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from labeling import doubts, services
from labeling.consensus import fitting
from labeling.figures import of_project
from labeling.models import Judgment, Membership, Project, Question, WorkerSkill
from tests.labeling.conftest import claim, person
from tests.labeling.crowds import make_tasks

pytestmark = pytest.mark.django_db
Make = Callable[..., Project]
ASKED = [
    {"key": "category", "kind": "single_choice", "prompt": "What is it?"},
    {"key": "nice", "kind": "yes_no", "prompt": "Is it not unusual?"},
]


def crowd(project: Project, accuracies: dict[str, float], judgments: int = 60, answered: int = 60) -> None:
    """People of whom a fit has found so much, who made so many judgments; at most so many answer the question."""
    question = project.questions.get()
    tasks = list(project.tasks.all()) or make_tasks(project, judgments)
    for name, accuracy in accuracies.items():
        member = services.ensure_member(project=project, user=person(name))
        WorkerSkill.objects.create(question=question, worker=member.user, accuracy=accuracy)
        Membership.objects.filter(pk=member.pk).update(
            judgment_count=judgments, accuracy=accuracy, seconds=judgments * (1 + 10 * accuracy)
        )
        said = {"project": project, "worker": member.user, "answers": {question.key: "cat"}}
        Judgment.objects.bulk_create(Judgment(task=task, **said) for task in tasks[: min(judgments, answered)])


def names(project: Project) -> list[str]:
    return [member.user.username for member in doubts.far_behind(project)]


GOOD = {f"good{n}": 0.9 + n / 100 for n in range(6)}


def test_those_whom_chance_does_not_explain_are_far_behind_the_least_accurate_first(make_project: Make) -> None:
    project = make_project(images=0)
    crowd(project, {**GOOD, "careless": 0.75, "spammer": 0.5, "unlucky": 0.84})
    assert names(project) == ["spammer", "careless"]


def test_nobody_is_far_behind_by_few_judgments_or_of_few_people_or_where_all_are_bad(make_project: Make) -> None:
    few = make_project(images=0)
    crowd(few, {**GOOD, "careless": 0.75}, judgments=12)
    small = make_project(images=0)
    crowd(small, {"anna": 0.95, "ben": 0.95, "carl": 0.4})
    hard = make_project(images=0)
    crowd(hard, {f"guess{n}": 0.5 + n / 100 for n in range(8)})
    assert [names(few), names(small), names(hard)] == [[], [], []]


def test_at_a_question_only_its_own_answers_are_counted(make_project: Make) -> None:
    project = make_project(images=0)
    crowd(project, GOOD)
    for name, count in (("careless", 12), ("seldom", 6)):
        crowd(project, {name: 0.5}, answered=count)
    assert names(project) == ["careless"]


def test_who_is_paused_or_counts_for_nothing_has_been_dealt_with(make_project: Make) -> None:
    project = make_project(images=0)
    crowd(project, {**GOOD, "paused": 0.5, "silenced": 0.5, "spammer": 0.5})
    services.pause_worker(member=project.memberships.get(user__username="paused"), because="", by=project.owner)
    services.weigh_worker(member=project.memberships.get(user__username="silenced"), weight=0.0, by=project.owner)
    assert names(project) == ["spammer"]
    told = {row["username"]: (row["is_far_behind"], row["weight"]) for row in of_project(project)["workers"]}
    assert [name for name, (is_behind, _weight) in told.items() if is_behind] == ["spammer"]
    assert told["silenced"] == (False, 0.0)


def test_a_question_is_unclear_where_agreement_is_no_better_than_guesses_on_tasks_enough(make_project: Make) -> None:
    project = make_project(images=0, questions=ASKED)
    found = {"tasks": 40, "percent": 0.5, "krippendorff_alpha": 0.02}
    for figures, is_unclear in (
        (found, True),
        ({**found, "tasks": 10}, False),
        ({**found, "percent": 0.97}, False),  # nearly all say the same, one answer is rare
        ({**found, "krippendorff_alpha": 0.6}, False),
        ({**found, "krippendorff_alpha": None}, False),
        ({}, False),
    ):
        Question.objects.filter(project=project, key="nice").update(fit={"figures": figures})
        assert [question.key for question in doubts.unclear(project)] == ["nice"] * is_unclear, figures


def test_an_owner_is_told_who_answers_at_random_and_which_question_is_read_differently(
    make_project: Make, owning: Client
) -> None:
    project = make_project(images=24, questions=ASKED, judgments_min=6, judgments_max=6, stopping="fixed")
    first = project.images.order_by("pk").values_list("pk", flat=True)[0]
    people = [person(name) for name in ("anna", "ben", "carl", "dora", "eve", "sam")]
    for user in people:
        services.ensure_member(project=project, user=user)
        for _task in range(24):
            lease = claim(project, user)
            place = lease.task.image_id - first
            truth = "cat" if place % 2 else "dog"
            chance = random.Random(f"{user.username} {place}")  # by the image: their order is drawn anew at each run
            said = chance.choice(["cat", "dog"]) if user.username == "sam" else truth
            answers = {"category": said, "nice": chance.random() < 0.5}
            services.submit_judgment(assignment_id=lease.pk, worker=user, answers=answers, seconds=2)
    fitting.fit_project(project.pk)
    cache.clear()
    page = " ".join(owning.get(f"/projects/{project.slug}/").content.decode().split())
    sam = project.memberships.get(user__username="sam")
    assert f'href="/projects/{project.slug}/workers/{sam.pk}/"' in page
    assert "sam is right far less often than the others" in page
    assert "“Is it not unusual?” people agree hardly more often than by chance" in page
    assert "“What is it?”" not in page


def test_the_workers_page_shows_those_far_behind_alone_and_the_quickest_first_a_page_at_a_time(
    make_project: Make, owning: Client
) -> None:
    project = make_project(images=0)
    crowd(project, {**GOOD, "spammer": 0.5, "careless": 0.7})
    User.objects.bulk_create(User(username=f"new{n:02d}") for n in range(60))
    Membership.objects.bulk_create(
        Membership(project=project, user=user) for user in User.objects.filter(username__startswith="new")
    )
    path = f"/projects/{project.slug}/workers/"

    def shown(query: str) -> list[str]:
        return [member.user.username for member in owning.get(path + query).context["page"]]

    assert shown("?role=behind&order=accuracy") == ["spammer", "careless"]
    assert shown("?order=pace")[:2] == ["spammer", "careless"]
    first, second = shown(""), shown("?page=2")
    assert len(first) == 50
    assert len(first + second) == len({*first, *second}) == project.memberships.count()
    assert 'rel="next" href="?order=pace&amp;page=2"' in owning.get(path + "?order=pace").content.decode()
    assert 'rel="prev" href="?page=1"' in owning.get(path + "?page=2").content.decode()
    assert shown("?page=99") == second  # somebody has left meanwhile
    assert "far behind" in owning.get(path).content.decode()


def test_a_person_s_page_shows_at_which_question_they_are_behind(make_project: Make, owning: Client) -> None:
    project = make_project(images=0, questions=ASKED)
    for key, low in (("category", 0.4), ("nice", 0.5)):
        for name, accuracy in {**GOOD, "sam": low}.items():
            user = User.objects.filter(username=name).first() or person(name)
            member = services.ensure_member(project=project, user=user)
            said = 0.5 if key == "nice" else accuracy  # at this one nobody is better than by chance
            WorkerSkill.objects.create(question=project.questions.get(key=key), worker=user, accuracy=said)
            Membership.objects.filter(pk=member.pk).update(judgment_count=60, accuracy=(accuracy + 0.5) / 2)
    sam = {"project": project, "worker": User.objects.get(username="sam")}
    answers = {"category": "cat", "nice": True}
    Judgment.objects.bulk_create(Judgment(task=task, answers=answers, **sam) for task in make_tasks(project, 60))
    pages = {}
    for name in ("sam", "good1"):
        member = project.memberships.get(user__username=name)
        response = owning.get(f"/projects/{project.slug}/workers/{member.pk}/")
        pages[name] = {question.key: at.is_behind for question, at in response.context["at_questions"]}
        assert "over all questions" in response.content.decode()
        assert ("People who guess look like this" in response.content.decode()) == (name == "sam")
    assert pages == {"sam": {"category": True, "nice": False}, "good1": {"category": False, "nice": False}}


def test_one_mistake_on_hidden_gold_warns_of_nothing_and_several_do(make_project: Make, owning: Client) -> None:
    project = make_project(images=0)
    for right, warns in ((10, False), (9, False), (7, True)):
        gold = {"tasks": 10, "right": right, "expected": 9.83, "sure": 9, "sure_right": right - 1}
        project.questions.update(fit={"figures": {"gold": gold}})
        cache.clear()
        page = owning.get(f"/projects/{project.slug}/activity/").content.decode()
        assert "images of hidden gold" in page
        assert ("People make the same mistakes" in page) == warns, right
