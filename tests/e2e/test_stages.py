"""The other ways of asking: a grid of images under one question, and boxes in three stages."""

from __future__ import annotations

from django.contrib.auth.models import User
from playwright.sync_api import expect

from labeling import services
from labeling.surveys.survey import MANY_CHOICES
from tests.e2e.conftest import drawn, ready
from tests.e2e.pointers import drag
from tests.e2e.test_boxes import drawn_boxes, pictured
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, shown, stored

DOG = {"key": "dog", "kind": "yes_no", "prompt": "Is there a dog?", "required": True, "options": {}}


def test_a_grid_stores_a_yes_for_tapped_images_and_a_no_for_the_others(visit, make_project, join, worker, axe, fits):
    project = make_project("Dogs", questions=[DOG], images=5)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, width=360, touch=True)
    page.get_by_role("link", name="As a grid").click()
    axe(page)
    fits(page)
    page.get_by_role("checkbox", name="Image 2").check()
    page.get_by_role("checkbox", name="Image 4").check()
    expect(page.locator("#tapped")).to_have_text("2")
    tapped = page.locator("[name=tapped]:checked").evaluate_all("all => all.map((one) => one.value)")
    page.reload()  # as who comes back from sending it without a connection
    expect(page.locator("#tapped")).to_have_text("2")
    assert page.locator("[name=tapped]:checked").evaluate_all("all => all.map((one) => one.value)") == tapped
    page.get_by_role("button", name="Send 5 answers").click()
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    answers = [row.answers["dog"] for row in stored(project, 5)]
    assert sorted(answers) == [False, False, False, True, True]


def test_a_grid_works_without_javascript(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, script=False)
    page.locator("label.tap").first.click()
    page.get_by_role("button", name="Send 3 answers").click()
    assert sum(row.answers["dog"] for row in stored(project, 3)) == 1


def test_a_grid_shows_whole_images_and_what_is_suggested_for_each(visit, make_project, join, worker, axe, fits):
    project = make_project("Dogs", questions=[DOG], images={"tall.png": drawn(1, 200, 600)}, show_suggestions=True)
    project.tasks.update(payload={"suggestions": {"dog": True}, "blind_share": 0})
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker, width=360)
    tile = page.get_by_role("checkbox", name="Image 1")
    expect(tile).to_have_accessible_description("Yes")
    expect(page.get_by_text("This is what the model suggests.")).to_be_visible()
    expect(page.locator(".tap img")).to_have_css("object-fit", "contain")
    axe(page)
    fits(page)


def test_a_box_is_drawn_by_one_worker_and_judged_by_another(visit, make_project, join, worker):
    project = make_project(
        "Staged", images={"red.png": pictured()}, categories=["thing"], workflow="three_stage_boxes", questions=None
    )
    other = User.objects.create_user("worker2", password="worker2-password")
    join(project, worker)
    join(project, other)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    judge = visit(f"/label/{project.slug}/", user=other)
    judge.clock.install()
    judge.reload()
    expect(judge.get_by_text("look again in a while")).to_be_visible()
    drag(page, (476, 438), (573, 502))
    drawn_boxes(page, 1)
    page.get_by_role("button", name="Send").click()
    stored(project, 1)
    judge.clock.fast_forward(20_000)  # it looks again by itself
    ready(judge)
    expect(judge.get_by_text("Judge the box with the thick blue line. It was drawn as: thing.")).to_be_visible()
    expect(judge.locator("svg.overlay rect.candidate")).to_have_count(1)
    expect(judge.get_by_role("link", name="As a grid")).to_have_count(0)  # it would show no box
    judge.keyboard.press("y")
    judged = stored(project, 2)[1]
    assert judged.task.stage == "quality:1"
    assert list(judged.answers.values()) == [True]
    whose = visit(f"/projects/{project.slug}/images/{judged.task.image_id}/", user=project.owner)
    swatch = whose.locator(".chart-swatch")  # whose box is whose is seen in forced colours, too
    colour = swatch.evaluate("swatch => getComputedStyle(swatch).backgroundColor")
    whose.emulate_media(forced_colors="active")
    expect(swatch).to_have_css("background-color", colour)


def test_who_draws_goes_on_drawing_for_as_long_as_boxes_to_draw_are_at_hand(visit, make_project, join, worker):
    project = make_project("Staged", images=3, categories=["thing"], workflow="three_stage_boxes", questions=None)
    other = User.objects.create_user("worker2", password="worker2-password")
    join(project, worker)
    join(project, other)
    lease = services.claim_assignment(project=project, worker=other)
    answers = {"box": [{"category": "thing", "box": [80, 60, 100, 80]}]}
    services.submit_judgment(assignment_id=lease.pk, worker=other, answers=answers)
    first, last = project.tasks.filter(state="open", stage="draw:1").order_by("id")
    for place, task in enumerate([first, project.tasks.get(stage="quality:1"), last]):
        project.tasks.filter(pk=task.pk).update(random=place / 10)
    page = visit(f"/label/{project.slug}/", user=worker)
    ready(page)
    loaded_ahead(page, 2)
    for _ in range(2):
        expect(page.locator("legend")).to_contain_text("Draw one box")
        before = shown(page)
        page.get_by_role("button", name="New box").click()
        page.get_by_role("button", name="Send").click()
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.locator("legend")).to_contain_text("Is the highlighted box good?")


def test_each_task_shows_its_own_suggestion_or_none(visit, make_project, join, worker):
    project = make_project("Suggested", questions=[ANIMAL], categories=["cat", "dog"], images=3, show_suggestions=True)
    tasks = list(project.tasks.order_by("-priority", "random", "id"))
    for task, answer in zip(tasks, ("cat", None, "dog"), strict=True):
        task.payload = {"suggestions": {"animal": answer}, "blind_share": 0} if answer else {}
        task.save(update_fields=["payload"])
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    seen: list[str] = []
    for _ in range(3):
        ready(page)
        before = page.locator("#image").get_attribute("src") or ""
        remark = page.locator("#suggestion")
        seen.append(remark.inner_text() if remark.is_visible() else "")
        page.keyboard.press("1")
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    assert ["cat" in seen[0], seen[1], "dog" in seen[2]] == [True, "", True]


def test_where_several_questions_are_asked_a_suggestion_names_the_one_that_it_answers(
    visit, make_project, join, worker
):
    tail = {**DOG, "key": "tail", "prompt": "Is its tail seen?", "required": False}
    project = make_project("Suggested", questions=[DOG, tail], images=2, show_suggestions=True)
    project.tasks.update(payload={"suggestions": {"tail": True}, "blind_share": 0})
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    told = "The model suggests: Is its tail seen? Yes. Trust your own eyes."
    ready(page)
    expect(page.locator("#suggestion")).to_have_text(told)
    before = page.locator("#image").get_attribute("src") or ""
    page.locator("input[name='a.dog'][value='no']").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.locator("#suggestion")).to_have_text(told)


def test_a_suggestion_is_told_by_its_name_though_the_page_does_not_hold_it(visit, make_project, join, worker):
    many = [{"key": f"n{number:08}", "name": f"Animal {number}"} for number in range(MANY_CHOICES + 1)]
    project = make_project("Suggested", categories=many, questions=[ANIMAL], images=3, show_suggestions=True)
    project.tasks.update(payload={"suggestions": {"animal": "n00000007"}, "blind_share": 0})
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    for _ in range(2):
        ready(page)
        expect(page.locator("#suggestion")).to_have_text("The model suggests: Animal 7. Trust your own eyes.")
        before = page.locator("#image").get_attribute("src") or ""
        page.get_by_role("combobox").fill("Animal 70")
        page.get_by_role("option", name="Animal 70").click()
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
