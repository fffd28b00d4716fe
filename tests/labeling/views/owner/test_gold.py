"""Gold on the page of an image: what it is for, and why its answer is right."""

from __future__ import annotations

import html
import re

from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.models import Project
from tests.labeling.conftest import claim, client, person


def test_why_a_gold_answer_is_right_is_written_and_changed_on_the_page(project: Project, owning: Client) -> None:
    task = project.tasks.order_by("id").first()
    assert task is not None
    address = f"/projects/{project.slug}/tasks/{task.pk}/gold/"
    right = {"answer": '{"category": "cat"}', "use": "practice", "explanation": "Look at the ears."}
    owning.post(address, right)
    task.refresh_from_db()
    assert (task.gold.answers, task.gold.explanation) == ({"category": "cat"}, "Look at the ears.")
    page = owning.get(f"/projects/{project.slug}/images/{task.image_id}/").content.decode()
    assert "Look at the ears." in page

    owning.post(address, {"save": "1", "use": "qualification", "explanation": "Look at the tail."})
    task.gold.refresh_from_db()
    assert (task.gold.answers, task.gold.use) == ({"category": "cat"}, "qualification")
    assert task.gold.explanation == "Look at the tail."
    owning.post(address, {"answer": '{"category": "dog"}', "use": "qualification"})
    task.gold.refresh_from_db()
    assert (task.gold.answers, task.gold.explanation) == ({"category": "dog"}, "Look at the tail.")


def test_a_program_reads_and_sets_why_a_gold_answer_is_right(project: Project, owner: User) -> None:
    api = client(owner)
    task = project.tasks.order_by("id").first()
    assert task is not None
    address = f"/api/v1/tasks/{task.pk}/gold/"
    assert api.get(address).status_code == 404
    gold = {"answers": {"category": "cat"}, "use": "practice", "explanation": "Look at the ears.", "position": 0}
    assert api.put(address, gold, format="json").status_code == 200
    assert api.get(address).json() == gold


def test_a_practice_answer_by_program_is_told_why(project: Project, owner: User) -> None:
    task = project.tasks.order_by("id").first()
    assert task is not None
    known = {"category": "cat"}
    services.set_gold(task=task, answers=known, user=owner, use="practice", explanation="Look at the ears.")
    newcomer = person("newcomer")
    services.add_member(project=project, username=newcomer.username, role="worker")
    api = client(newcomer)
    lease = api.post(f"/api/v1/projects/{project.slug}/assignments/").json()
    body = {"answers": {"category": "dog"}, "seconds": 2}
    told = api.post(f"/api/v1/assignments/{lease['id']}/judgment/", body, format="json").json()
    assert told["feedback"]["explanation"] == "Look at the ears."


def test_an_image_that_nobody_has_judged_can_be_made_gold_on_its_page(project: Project, owning: Client) -> None:
    task = project.tasks.order_by("id").first()
    assert task is not None
    page = owning.get(f"/projects/{project.slug}/images/{task.image_id}/")
    values = re.findall(r'name="answer" value=\'([^\']*)\'', page.content.decode())
    assert [html.unescape(value) for value in values] == ['{"category": "cat"}', '{"category": "dog"}']
    owning.post(f"/projects/{project.slug}/tasks/{task.pk}/gold/", {"answer": html.unescape(values[1])})
    task.refresh_from_db()
    assert task.gold.answers == {"category": "dog"}


def test_the_steps_of_a_scale_stay_in_order_for_gold_when_one_was_answered(
    project: Project, owner: User, worker: User, owning: Client
) -> None:
    project = services.replace_survey(project=project, user=owner, questions=[{"key": "sharp", "kind": "rating"}])
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.id, worker=worker, answers={"sharp": 4}, seconds=2.0)
    page = owning.get(f"/projects/{project.slug}/images/{lease.task.image_id}/").content.decode()
    values = [html.unescape(value) for value in re.findall(r'name="answer" value=\'([^\']+)\'', page)]
    assert values == [f'{{"sharp": {step}}}' for step in range(1, 6)]


def test_where_no_answer_is_known_the_page_says_how_gold_comes_about(
    project: Project, owner: User, owning: Client
) -> None:
    services.replace_survey(project=project, user=owner, questions=[{"key": "note", "kind": "text"}])
    image = project.images.order_by("id").first()
    assert image is not None
    assert "can be made gold" in owning.get(f"/projects/{project.slug}/images/{image.pk}/").content.decode()
