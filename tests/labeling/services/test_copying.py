"""A copy of a project asks the same in the same way, and knows nothing of what was answered."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from inference.services import configure
from labeling import services
from labeling.files import storage
from labeling.models import AuditEntry, CategoryExample, Project
from labeling.services.surveys import build_document
from labeling.upkeep import discarding
from tests.labeling.conftest import answer, client, person, picture
from training.models import TrainingPolicy
from training.services import set_policy

pytestmark = pytest.mark.django_db


def post(user: User, project: Project, **body: Any) -> Any:
    return client(user).post(f"/api/v1/projects/{project.slug}/copy/", body)


@pytest.fixture
def source(make_project: Callable[..., Project], owner: User) -> Project:
    project = make_project(
        languages=["hi"], judgments_max=5, price_per_judgment=Decimal("0.05"), budget=Decimal(9), is_paused=True
    )
    questions = [
        {"key": "category", "kind": "single_choice", "prompt": "Which?", "cant_tell": True},
        {"key": "sure", "kind": "rating", "show_if": {"question": "category", "equals": "cat"}},
    ]
    categories = [{"key": "cat", "name": "Cat", "description": "Purrs.", "parent": "pet"}, "dog", "pet"]
    services.replace_survey(project=project, user=owner, categories=categories, questions=questions)
    cat = project.categories.get(key="cat")
    services.add_example(category=cat, data=picture(7), alt="a cat", user=owner)
    values = {"measure": "agreement", "threshold": 0.4, "action": "weight", "value": 0.5, "is_active": False}
    services.add_rule(project=project, user=owner, **values)
    services.add_webhook(project=project, user=owner, url="https://example.org/hook")
    services.make_key(project=project, user=owner, name="shop", scopes=["predict"])
    person("wanda")
    services.add_member(project=project, username="wanda")
    set_policy(project=project, changes={"recipe": "fine_tuning", "min_new_labels": 77}, user=owner)
    configure(project=project, changes={"sample_rate": 0.25, "random_share": 0.5}, user=owner)
    return Project.objects.get(pk=project.pk)


def test_a_copy_has_the_survey_the_settings_the_rules_and_how_it_trains_and_serves(source: Project) -> None:
    manager = person("mira")
    services.add_member(project=source, username="mira", role="manager")
    made = post(manager, source)
    assert made.status_code == 201, made.content
    copy = Project.objects.get(slug=made.json()["slug"])
    assert (copy.name, copy.owner, copy.survey_version, copy.is_paused) == ("Copy of Pets", manager, 1, False)
    for name in ("languages", "judgments_min", "judgments_max", "price_per_judgment", "budget", "workflow", "access"):
        assert getattr(copy, name) == getattr(source, name), name
    before, after = build_document(source), build_document(copy)
    for question in [*before["questions"], *after["questions"]]:
        question.pop("id")
    assert after == before
    assert list(copy.rules.values_list("measure", "threshold", "action", "value", "is_active")) == list(
        source.rules.values_list("measure", "threshold", "action", "value", "is_active")
    )
    policy = TrainingPolicy.of(copy)
    assert (policy.recipe, policy.min_new_labels) == ("fine_tuning", 77)
    serving = client(manager).get(f"/api/v1/projects/{copy.slug}/serving/").json()["settings"]
    assert (serving["sample_rate"], serving["random_share"]) == (0.25, 0.5)


def test_a_copy_has_no_images_answers_people_keys_or_webhooks(source: Project, owner: User) -> None:
    Project.objects.filter(pk=source.pk).update(is_paused=False)
    answer(source, User.objects.get(username="wanda"), "dog")
    copy = Project.objects.get(slug=post(owner, source, name="Second year").json()["slug"])
    counts = ("image_count", "task_count", "judgment_count", "gold_count", "webhook_count", "spent")
    assert (copy.name, [getattr(copy, name) for name in counts]) == ("Second year", [0] * 6)
    assert copy.rule_count == 1
    api = client(owner)
    for part in ("images", "judgments", "webhooks", "keys"):
        assert api.get(f"/api/v1/projects/{copy.slug}/{part}/").json()["results"] == []
    assert [row["username"] for row in api.get(f"/api/v1/projects/{copy.slug}/workers/").json()["results"]] == [
        "olivia"
    ]
    assert copy.invite != source.invite


def test_both_logs_tell_of_a_copy(source: Project, owner: User) -> None:
    copy = Project.objects.get(slug=post(owner, source).json()["slug"])
    told = AuditEntry.objects.get(project=source, action="copied")
    assert (told.user, told.changes) == (owner, {"project": copy.slug})
    told = AuditEntry.objects.get(project=copy, action="copied_from")
    assert told.changes == {"project": source.slug, "version": source.survey_version}


def test_example_pictures_of_a_copy_outlive_the_project_that_they_came_from(source: Project, owner: User) -> None:
    copy = Project.objects.get(slug=post(owner, source).json()["slug"])
    example = CategoryExample.objects.get(category__project=copy)
    assert (example.category.key, example.alt) == ("cat", "a cat")
    services.delete_project(project=source)
    discarding.run()
    assert storage.read(example.file)


def test_a_network_that_is_another_projects_alone_is_not_copied(source: Project, owner: User) -> None:
    TrainingPolicy.objects.filter(project=source).update(backbone="champion-of-pets")
    copy = Project.objects.get(slug=post(owner, source).json()["slug"])
    assert TrainingPolicy.of(copy).backbone == "auto"


def test_a_key_of_one_project_copies_none(source: Project, owner: User) -> None:
    bound = client(owner, project=source)
    assert bound.post(f"/api/v1/projects/{source.slug}/copy/").status_code == 403
