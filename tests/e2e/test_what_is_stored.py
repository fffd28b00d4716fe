"""What stood in the form is what is stored: after the way back, an undo, half a name, and where several share one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Route, expect

from labeling import services
from labeling.actors import expire_leases
from labeling.models import Assignment, Gold
from labeling.surveys.survey import MANY_CHOICES
from tests.e2e.conftest import error_of, happened, ready
from tests.e2e.test_labeling import ANIMAL, loaded_ahead, moved_on, sent, shown, stored

SHARP = {"key": "sharp", "kind": "yes_no", "prompt": "Is it sharp?", "required": False}
NOTE = {"key": "note", "kind": "text", "prompt": "What else?", "required": False}
DOG = {"key": "dog", "kind": "yes_no", "prompt": "Is there a dog?", "required": True}
CRANES = [{"key": f"kind-{n}", "name": f"Kind {n}"} for n in range(40)] + [
    {"key": "crane-bird", "name": "Crane"},
    {"key": "crane-machine", "name": "Crane"},
]


def test_the_way_back_ticks_no_image_of_another_grid(visit, make_project, join, worker):
    project = make_project("Dogs", questions=[DOG], images=30)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    page.locator("label.tap").first.click()
    page.locator("label.tap").nth(3).click()
    page.get_by_role("button", name="Send 12 answers").click()
    stored(project, 12)
    expect(page.locator("#tapped")).to_have_text("0")
    page.goto("/label/")
    page.go_back()
    expect(page.locator("label.tap")).to_have_count(12)
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_the_way_back_brings_no_answer_of_another_image(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, SHARP], images=6)
    page = start(project)
    page.get_by_role("radio", name="dog").check()
    page.goto("/label/")
    other = page.context.new_page()  # where the person answers what was left open there
    other.goto(f"/label/{project.slug}/")
    ready(other)
    before = shown(other)
    other.get_by_role("radio", name="cat").check()
    other.get_by_role("button", name="Send").click()
    moved_on(other, before)
    sent(other)
    page.go_back()
    ready(page)
    assert shown(page) != before
    expect(page.locator("#task input:checked")).to_have_count(0)


def test_the_way_back_without_javascript_brings_no_answer_of_another_image(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, SHARP], images=6)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, script=False)
    page.get_by_role("radio", name="dog").check()
    page.get_by_role("button", name="Send").click()
    stored(project, 1)
    page.goto("/label/")
    page.go_back()
    page.get_by_role("radio", name="cat").check()
    page.goto("/label/")
    page.go_back()
    page.go_back()
    expect(page.locator("#task input:checked")).to_have_count(0)


def test_an_undo_shows_the_answer_whatever_its_key(make_project, start):
    project = make_project(categories=["true", "false"], questions=[ANIMAL, SHARP], images=3)
    page = start(project)
    before = shown(page)
    page.get_by_role("radio", name="true").check()
    page.keyboard.press("Enter")
    moved_on(page, before)
    ready(page)
    page.keyboard.press("u")
    expect(page.locator("#image")).to_have_attribute("src", before)
    expect(page.get_by_role("radio", name="true")).to_be_checked()


def test_what_stood_in_the_form_comes_back_after_an_undo(make_project, start):
    project = make_project(questions=[SHARP, NOTE], images=4)
    page = start(project)
    first = shown(page)
    page.get_by_role("radio", name="Yes").check()
    page.keyboard.press("Enter")
    moved_on(page, first)
    ready(page)
    second = shown(page)
    page.get_by_role("textbox").fill("a long note")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#image")).to_have_attribute("src", first)
    ready(page)
    expect(page.get_by_role("textbox")).to_have_value("")
    page.get_by_role("radio", name="No", exact=True).check()
    page.keyboard.press("Enter")
    moved_on(page, first)
    expect(page.locator("#image")).to_have_attribute("src", second)
    expect(page.get_by_role("textbox")).to_have_value("a long note")
    page.get_by_role("button", name="Send").click()
    assert [row.answers for row in stored(project, 2)] == [{"sharp": False}, {"note": "a long note"}]


def test_a_survey_of_which_nothing_is_answered_is_not_sent(make_project, start):
    """Enter twice: the second is about an image that nobody has looked at."""
    project = make_project(questions=[SHARP, NOTE], images=4)
    page = start(project)
    before = shown(page)
    page.get_by_role("radio", name="Yes").check()
    page.keyboard.press("Enter")
    moved_on(page, before)
    ready(page)
    second = shown(page)
    page.keyboard.press("Enter")
    expect(error_of(page, "sharp")).to_have_text("At least one question must be answered.")
    assert shown(page) == second
    expect(page.locator("#done")).to_have_text("1")
    page.get_by_role("textbox").fill("a bird")
    expect(error_of(page, "sharp")).to_be_empty()
    page.get_by_role("button", name="Send").click()
    assert [row.answers for row in stored(project, 2)] == [{"sharp": True}, {"note": "a bird"}]


def test_half_a_name_is_not_left_out_without_a_word(make_project, start):
    project = make_project(categories=CRANES, questions=[{**ANIMAL, "required": False}, SHARP], images=4)
    page = start(project)
    before = shown(page)
    page.get_by_role("radio", name="Yes").check()
    page.get_by_role("combobox").fill("Kind 3")
    page.keyboard.press("Backspace")
    page.get_by_role("button", name="Send").click()
    expect(error_of(page, "animal")).to_have_text("Choose an answer from the list.")
    assert shown(page) == before
    page.get_by_role("combobox").fill("Kind 37")
    page.keyboard.press("Enter")  # picks
    assert shown(page) == before
    page.keyboard.press("Enter")  # sends, as in every other field
    moved_on(page, before)
    assert stored(project, 1)[0].answers == {"animal": "kind-37", "sharp": True}


def test_what_stood_in_the_form_is_followed_by_the_list_of_choices(make_project, start):
    """The list before anything is typed is asked of the server, too late for a form that is filled at once."""
    many = [{"key": f"kind-{n}", "name": f"Kind {n}"} for n in range(MANY_CHOICES + 1)]
    project = make_project(categories=many, questions=[ANIMAL, SHARP], images=3)
    page = start(project)
    page.get_by_role("combobox").fill("Kind 37")
    expect(page.get_by_role("option", selected=True)).to_have_text("Kind 37")
    page.keyboard.press("Enter")
    page.reload()
    ready(page)
    expect(page.get_by_role("combobox")).to_have_value("Kind 37")
    page.get_by_role("combobox").press("Escape")
    expect(page.get_by_role("option")).to_have_count(30)


def test_of_two_choices_of_one_name_practice_takes_the_picked(make_project, start, owner):
    project = make_project(categories=CRANES, questions=[ANIMAL], images=3)
    services.set_gold(
        task=project.tasks.order_by("id")[0], answers={"animal": "crane-bird"}, user=owner, use=Gold.Use.PRACTICE
    )
    page = start(project)
    page.get_by_role("combobox").fill("Crane")
    page.get_by_role("option").first.click()
    expect(page.get_by_role("status").filter(has_text="Right")).to_be_visible()
    assert stored(project, 1)[0].answers == {"animal": "crane-bird"}


def test_a_name_that_two_choices_share_is_asked_about_without_javascript(visit, make_project, join, worker):
    project = make_project(categories=CRANES, questions=[ANIMAL], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, script=False, watch=False)
    page.locator("[name='a.animal']").fill("crane")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("radio", name="Crane")).to_have_count(2)
    page.get_by_role("radio", name="Crane").first.check()
    page.get_by_role("button", name="Send").click()
    assert stored(project, 1)[0].answers == {"animal": "crane-bird"}


def test_an_answer_that_was_refused_does_not_count(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    lost = {"error": {"code": "lease_lost", "message": "Lost."}}
    page.route("**/judgment/", lambda route: route.fulfill(status=409, json=lost))
    page.goto(f"/label/{project.slug}/")
    ready(page)
    page.keyboard.press("1")  # the task is asked again as long as the server says that it is leased
    expect(page.locator(".toast")).to_contain_text("Lost.")
    expect(page.locator("#done")).to_have_text("0")


def test_an_answer_on_its_way_counts_once_after_a_reload(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    arrived: list[int] = []

    def lose_each_reply(route: Route) -> None:
        if not arrived:
            arrived.append(route.fetch().status)
        route.abort()

    page.route("**/judgment/", lose_each_reply)
    page.goto(f"/label/{project.slug}/")
    ready(page)
    before = shown(page)
    page.keyboard.press("1")
    moved_on(page, before)
    happened(page, lambda: arrived)
    before = shown(page)
    page.keyboard.press("2")
    moved_on(page, before)
    page.reload()  # the server has the first, and not the second
    ready(page)
    expect(page.locator("#done")).to_have_text("2")
    page.unroute("**/judgment/")
    sent(page)
    stored(project, 2)
    expect(page.locator("#done")).to_have_text("2")


def test_who_comes_back_after_their_leases_ran_out_answers_each_image_once(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=5)
    page = start(project)
    loaded_ahead(page, 2)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_leases()
    plan = {}
    for turn in range(5):
        ready(page)
        before = shown(page)
        plan[before.rpartition("/")[2]] = {"animal": ["cat", "dog"][turn % 2]}
        page.keyboard.press(str(turn % 2 + 1))
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert {row.task.image.display.rpartition("/")[2]: row.answers for row in stored(project, 5)} == plan


def test_who_comes_back_after_an_hour_is_asked_nothing_that_others_have_answered(make_project, start, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=5, judgments_max=1)
    page = start(project)
    loaded_ahead(page, 2)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_leases()
    other = User.objects.create_user("other")
    for answers in (None, {"animal": "dog"}, {"animal": "dog"}):  # the first image is left to the worker
        lease = services.claim_assignment(project=project, worker=other)
        assert lease
        if answers:
            services.submit_judgment(assignment_id=lease.pk, worker=other, answers=answers)
        else:
            services.skip_assignment(assignment_id=lease.pk, worker=other)
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
    for _ in range(3):
        ready(page)
        before = shown(page)
        page.keyboard.press("1")
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert [row.worker_id for row in stored(project, 5)].count(worker.pk) == 3


def test_what_stood_in_the_form_outlives_a_page_that_ends_out_of_sight(make_project, start):
    project = make_project(questions=[SHARP, NOTE], images=4)
    page = start(project)
    page.get_by_role("textbox").fill("took a while")
    # All that a page hears before a phone ends it.
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert "took a while" in page.evaluate("sessionStorage.getItem('crowdtune:draft') ?? ''")


@pytest.mark.parametrize("javascript", [True, False])
def test_what_practice_said_is_said_again_when_its_page_is_loaded_anew(
    visit, make_project, join, worker, owner, javascript
):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    for task in project.tasks.order_by("id")[:2]:
        services.set_gold(task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.PRACTICE)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, script=javascript)
    page.get_by_role("button", name="dog").click()
    expect(page.get_by_text("Not quite")).to_be_visible()
    page.reload()  # sends the form again
    expect(page.get_by_text("Not quite")).to_be_visible()
    stored(project, 1)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("2 of 2")).to_be_visible()


def test_an_undo_tells_the_name_of_a_choice_that_the_page_does_not_hold(make_project, start):
    many = [{"key": f"n{number:08}", "name": f"Animal {number}"} for number in range(MANY_CHOICES + 1)]
    project = make_project(categories=many, questions=[ANIMAL, SHARP], images=3)
    page = start(project)
    before = shown(page)
    page.get_by_role("combobox").fill(f"Animal {MANY_CHOICES}")
    page.get_by_role("option", name=f"Animal {MANY_CHOICES}").click()
    page.get_by_role("button", name="Send").click()
    moved_on(page, before)
    stored(project, 1)
    page.reload()
    ready(page)
    page.locator("#undo").click()
    expect(page.locator("#image")).to_have_attribute("src", before)
    expect(page.get_by_role("combobox")).to_have_value(f"Animal {MANY_CHOICES}")


def test_what_is_answered_in_one_tab_is_not_asked_in_another(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    join(project, worker)
    tabs = [visit(f"/label/{project.slug}/", user=worker)]
    tabs.append(tabs[0].context.new_page())
    tabs[1].goto(f"/label/{project.slug}/")
    plan = {}
    for turn in range(5):
        for page in tabs:
            ready(page)
        page = tabs[turn % 2]
        before = shown(page)
        plan[before.rpartition("/")[2]] = {"animal": ["cat", "dog"][turn % 2]}
        page.keyboard.press(str(turn % 2 + 1))
        for either in tabs:
            moved_on(either, before)
        stored(project, turn + 1)
    assert {row.task.image.display.rpartition("/")[2]: row.answers for row in stored(project, 5)} == plan


def test_practice_tells_no_answer_to_a_question_that_was_hidden_again(make_project, start, owner):
    count = {"key": "count", "kind": "number", "prompt": "How many?", "show_if": {"question": "dog", "equals": True}}
    project = make_project(questions=[DOG, count], images=3)
    task = project.tasks.order_by("id")[0]
    services.set_gold(task=task, answers={"dog": True, "count": 2}, user=owner, use=Gold.Use.PRACTICE)
    page = start(project)
    page.get_by_role("radio", name="Yes").check()
    page.get_by_role("spinbutton").fill("31")
    page.get_by_role("radio", name="No").check()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Not quite")).to_be_visible()
    expect(page.locator(".feedback")).not_to_contain_text("31")
    assert stored(project, 1)[0].answers == {"dog": False}


def test_what_stood_in_the_form_is_there_again_in_another_language_and_after_a_reload(make_project, start):
    many = [{"key": f"n{number:08}", "name": f"Animal {number}"} for number in range(MANY_CHOICES + 1)]
    asked = [ANIMAL, {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}, NOTE]
    project = make_project(categories=many, questions=asked, images=4)
    page = start(project)
    before = shown(page)
    page.get_by_role("combobox").first.fill(f"Animal {MANY_CHOICES}")
    page.get_by_role("option", name=f"Animal {MANY_CHOICES}").click()
    page.get_by_role("textbox").fill("took a while")
    page.get_by_role("button", name="New box").click()
    drawn = page.locator("[data-json]").input_value()
    page.get_by_label("Language").first.click()
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    ready(page)
    loaded_ahead(page, 2)
    Assignment.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_leases()
    page.reload()  # and the same task comes under another lease
    ready(page)
    assert shown(page) == before
    expect(page.get_by_role("combobox").first).to_have_value(f"Animal {MANY_CHOICES}")
    assert page.locator("[data-json]").input_value() == drawn
    page.locator("#submit").click()
    moved_on(page, before)
    answers = stored(project, 1)[0].answers
    assert (answers["animal"], answers["note"]) == (f"n{MANY_CHOICES:08}", "took a while")
    ready(page)
    page.reload()
    ready(page)
    expect(page.get_by_role("textbox")).to_have_value("")
