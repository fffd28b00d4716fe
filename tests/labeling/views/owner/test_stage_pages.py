"""What the pages say of boxes in three stages, and of a budget that ends before the work."""

from __future__ import annotations

from collections.abc import Callable

from django.core.cache import cache
from django.test import Client

from labeling import figures, services
from labeling.models import Image, Project, Task
from tests.labeling.conftest import claim, person, picture
from tests.labeling.views.owner.test_pages import text

BOX = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}


def test_three_stage_boxes_show_their_cost_by_stage_and_give_gold(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=1, access="open"
    )
    gold = "Give some known answers as gold"
    labels = f"/projects/{project.slug}/labels/"
    assert "once its boxes are verified" in text(owning.get(labels))
    box = {"category": "cat", "box": [2.0, 3.0, 10.0, 12.0]}
    for name, answers in (("a", {"box": [box]}), ("b", {"good": True}), ("c", {"covered": True})):
        user = person(name)
        lease = claim(project, user)
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers, seconds=9.0)
    page = text(owning.get(f"/projects/{project.slug}/activity/"))
    assert "Seconds per accepted box, by stage" in page
    assert "1 accepted box, 1 covered image" in page
    of_labels = text(owning.get(labels))
    assert '<strong class="answer">1 × cat</strong>' in of_labels
    assert '<span class="muted answer">–</span>' in of_labels, "the first box that one drew is no majority"
    assert project.primary_question() is None  # its yes and no are about boxes, not what a classifier learns
    assert "Nothing is disputed" in text(owning.get(f"/projects/{project.slug}/review/"))
    services.add_images(project=project, images={"more.png": picture(9)})
    assert gold not in text(owning.get(f"/projects/{project.slug}/")), "it is made by itself"
    assert "Gold is made by itself of covered images" in text(owning.get(f"/projects/{project.slug}/settings/"))
    owning.post(f"/projects/{project.slug}/images/golds/")
    assert Task.objects.filter(project=project, is_gold=True).count() == 4


def test_what_is_left_to_do_costs_a_range_while_nobody_knows_how_many_boxes_there_are(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(
        images=4, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, price_per_judgment="0.50"
    )
    page = text(owning.get(f"/projects/{project.slug}/activity/"))
    low, high = figures.cost(project)["judgments_to_finish_between"]
    assert f"{low}–{high}" in page
    assert f"judgments, about {low / 2:.2f}–{high / 2:.2f}" in page


def test_an_image_of_three_stages_shows_its_boxes_so_far_and_its_rounds_in_words(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, judgments_max=1, access="open"
    )
    boxes = [{"category": "cat", "box": [left, 3.0, 5.0, 5.0]} for left in (2.0, 12.0)]
    said = [{"box": [boxes[0]]}, {"good": True}, {"covered": False}, {"box": [boxes[1]]}]
    for number, answers in enumerate(said):
        user = person(f"in-stages{number}")
        lease = claim(project, user)
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers)
    page = text(owning.get(f"/projects/{project.slug}/images/{Image.objects.get().pk}/"))
    assert "Verify its quality, round 2" in page
    assert "quality:2" not in page
    assert "Accepted so far" in page
    assert "Waits for its verdict" in page
    assert "Not sure enough" not in page  # one draws, as it is meant to be
    assert "from 1 judgment, " in page
    assert page.count('class="overlay"') == 5, "above, and beside each task but the first"
    quality = Task.objects.get(stage="quality:2")
    of_quality = text(owning.get(f"/projects/{project.slug}/review/?task={quality.pk}"))
    assert of_quality.count("<rect") == 2, "the box that is judged, and the one before it"
    assert "Judged here" in of_quality
    member = project.memberships.get(user__username="in-stages1")
    of_person = text(owning.get(f"/projects/{project.slug}/workers/{member.pk}/"))
    assert 'Verify its quality, round 1:</span> <span class="answer">Yes' in of_person
    assert "Draw a box, round 2" in text(owning.get(f"/projects/{project.slug}/tasks/"))
    # A decision that is taken back takes along what followed it.
    services.reopen_task(task=Task.objects.get(stage="coverage:1"), user=project.owner)
    page = text(owning.get(f"/projects/{project.slug}/images/{Image.objects.get().pk}/"))
    assert "Accepted so far" in page
    assert "Waits for its verdict" not in page
    user = person("in-stages5")
    services.submit_judgment(assignment_id=claim(project, user).id, worker=user, answers={"covered": True})
    is_open = '<span class="badge info">Open</span>'
    assert is_open not in text(owning.get(f"/projects/{project.slug}/labels/"))
    services.reopen_task(task=Task.objects.get(stage="coverage:1"), user=project.owner)
    assert is_open in text(owning.get(f"/projects/{project.slug}/labels/"))


def test_a_budget_that_will_not_last_is_told_before_it_ends(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=4, judgments_min=3, judgments_max=3, price_per_judgment="0.50", budget="5.75")
    address = f"/projects/{project.slug}/activity/"
    assert "to finish takes about 6.00, and 5.75 is left" in text(owning.get(address))
    cache.clear()
    Project.objects.update(budget=6)
    assert "will not last" not in text(owning.get(address))


def test_the_end_of_the_budget_leaves_images_of_three_stages_to_finish(
    make_project: Callable[..., Project], owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(
        images=3, categories=["cat"], workflow="three_stage_boxes", judgments_min=1, price_per_judgment=1, budget=2
    )
    for user in (person("a"), person("b")):
        lease = claim(project, user)
        answers = {"draw": {"box": [BOX]}, "quality": {"good": True}}[lease.task.stage.partition(":")[0]]
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers, seconds=9.0)
    run_actors()
    project.refresh_from_db()
    assert "0 of 3 images · 3 cut short by the budget" in text(owning.get(f"/projects/{project.slug}/"))
    before = figures.cost(project)["judgments_to_finish_between"]
    assert before[0] >= 3 + 2 * 2  # an image takes a box, its verdict and whether there are more
    services.change_project(project=project, user=project.owner, budget=None)
    run_actors()
    project.refresh_from_db()
    assert figures.cost(project)["judgments_to_finish_between"] == before


def test_an_owner_is_told_that_too_few_people_are_there_to_verify_a_box(
    make_project: Callable[..., Project], owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=2, judgments_max=2, access="open"
    )
    user = person("a")
    lease = claim(project, user)
    services.submit_judgment(assignment_id=lease.id, worker=user, answers={"box": [BOX]}, seconds=9.0)
    told = "Boxes wait to be verified"
    services.ensure_member(project=project, user=person("b"))
    assert told in text(owning.get(f"/projects/{project.slug}/")), "the owner labels nothing"
    services.ensure_member(project=project, user=person("c"))
    assert told not in text(owning.get(f"/projects/{project.slug}/"))
    services.change_project(project=project, user=project.owner, judgments_max=7)
    assert told not in text(owning.get(f"/projects/{project.slug}/")), "its tasks follow that first"
    run_actors()
    assert told in text(owning.get(f"/projects/{project.slug}/")), "two who say yes are not sure enough"
    services.change_project(project=project, user=project.owner, stopping="fixed")
    run_actors()
    assert told not in text(owning.get(f"/projects/{project.slug}/"))


def test_an_owner_is_told_of_a_box_on_which_all_who_are_there_disagree(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(
        images=1, categories=["cat"], workflow="three_stage_boxes", judgments_min=2, judgments_max=7, confidence=0.8
    )
    told, answers = "1 task waits for a person who has not seen it", [{"box": [BOX]}, {"good": True}, {"good": False}]
    people = [project.owner, person("a"), person("b")]
    for user in people[1:]:
        services.ensure_member(project=project, user=user)
    for user, given in zip(people, answers, strict=True):
        assert told not in text(owning.get(f"/projects/{project.slug}/"))
        cache.clear()
        lease = claim(project, user)
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=given, seconds=9.0)
    assert told in text(owning.get(f"/projects/{project.slug}/"))
