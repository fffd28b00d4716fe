"""The labeling page as a worker uses it: by keys, by touch, without JavaScript, without a connection."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.models import Assignment, Judgment
from tests.e2e.conftest import LISTEN, drawn, happened, heard, lose_first_reply, painted, quiet, ready, until

ANIMAL = {
    "key": "animal",
    "kind": "single_choice",
    "prompt": "Which animal is this?",
    "required": True,
    "options": {"cant_tell": True},
}


def stored(project: Any, count: int, seconds: float = 60) -> list[Judgment]:
    """The project's judgments, as soon as there are so many."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rows = list(Judgment.objects.filter(project=project, withdrawn_at=None).order_by("id"))
        if len(rows) >= count:
            return rows
        time.sleep(0.05)
    raise AssertionError(f"{len(rows)} judgments instead of {count}")


def shown(page: Page) -> str:
    return page.locator("#image").get_attribute("src") or ""


def moved_on(page: Page, before: str) -> None:
    """Another image is on the screen, and the script waits for an answer to it."""
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    ready(page)


def sent(page: Page) -> None:
    """The server has everything that was answered or skipped: nothing is left in the outbox."""
    until(page, "localStorage.length === 0")


def loaded_ahead(page: Page, count: int) -> None:
    """So many tasks after this one are leased, and their images are decoded."""
    expect(page.locator("#task")).to_have_attribute("data-ahead", str(count))


@pytest.mark.parametrize("window", [(360, 740), (1440, 900), (800, 360)])
@pytest.mark.parametrize("javascript", [True, False])
def test_a_tall_picture_is_seen_whole(visit, make_project, join, worker, window, javascript):
    tall = drawn(width=300, height=900)
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images={"tall.png": tall})
    join(project, worker)
    width, height = window
    page = visit(f"/label/{project.slug}/", user=worker, width=width, height=height, script=javascript)
    image, stage = page.evaluate(  # at one moment
        "['#image', '.stage'].map((at) => document.querySelector(at).getBoundingClientRect().toJSON())"
    )
    assert image == pytest.approx(stage, abs=1)  # which it fills as far as its shape allows


@pytest.mark.parametrize("kind", ["single_choice", "multiple_choice"])
def test_the_next_image_begins_without_the_answer_of_the_last(make_project, start, kind):
    """Whatever the question's key: "category" is the one that a project's first question gets by itself."""
    question = {"key": "category", "kind": kind, "prompt": "What is it?", "options": {"cant_tell": True}}
    second = {"key": "sharp", "kind": "yes_no", "prompt": "Is it sharp?", "required": False}
    project = make_project(categories=["cat", "dog"], questions=[question, second])
    page = start(project, width=360, touch=True)
    chosen = page.locator("#task input:checked")
    page.locator('[data-choice="cat"]').tap()
    expect(chosen).to_have_count(1)
    before = shown(page)
    page.locator("#submit").tap()
    moved_on(page, before)
    expect(chosen).to_have_count(0)
    page.locator('[data-choice="dog"]').tap()
    page.locator('input[value="cant_tell"]').first.check()
    expect(chosen).to_have_count(1)  # it stands alone


def test_a_number_key_answers_and_the_next_image_is_there(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    first = shown(page)
    page.keyboard.press("2")
    moved_on(page, first)
    ready(page)
    page.keyboard.press("0")
    rows = stored(project, 2)
    assert [row.answers for row in rows] == [{"animal": "dog"}, {"animal": "cant_tell"}]
    assert all(row.seconds is not None for row in rows)
    assert rows[0].task.image.display in first


def test_keys_work_where_a_person_writes_hindi_or_has_digits_behind_shift(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    press = """([key, code]) => document.body.dispatchEvent(
        new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true }))"""
    for key, code in (("\u0967", "Digit1"), ("\u00e9", "Digit2")):  # a Hindi one; the second of a French row
        ready(page)
        before = shown(page)
        page.evaluate(press, [key, code])
        moved_on(page, before)
    assert [row.answers["animal"] for row in stored(project, 2)] == ["cat", "dog"]
    page.evaluate(press, ["\u0939", "KeyU"])
    expect(page.locator("#image")).to_have_attribute("src", before)


def test_the_last_answer_leads_to_the_end_page(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=2)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    for _ in range(2):
        ready(page)
        before = shown(page)
        page.keyboard.press("1")
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert len(stored(project, 2)) == 2
    page.get_by_role("button", name="Undo the last answer").click()
    expect(page.locator("#announce")).to_contain_text("The last answer is taken back")
    expect(page.locator(".choice[aria-pressed=true]")).to_contain_text("cat")


def test_undo_brings_the_answered_image_back(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    first = shown(page)
    page.keyboard.press("1")
    stored(project, 1)
    moved_on(page, first)
    ready(page)
    page.keyboard.press("u")
    expect(page.locator("#image")).to_have_attribute("src", first)
    ready(page)
    page.keyboard.press("2")
    rows = stored(project, 1)
    moved_on(page, first)
    rows = stored(project, 1)
    assert rows[-1].answers == {"animal": "dog"}
    assert Judgment.objects.filter(project=project).exclude(withdrawn_at=None).count() == 1


def test_a_skip_takes_a_reason_and_goes_on(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=2)
    page = start(project, width=740, height=360)
    first = shown(page)
    page.keyboard.press("s")
    reasons = page.locator(".skip-form").bounding_box()  # all in sight, on a phone on its side
    assert reasons["y"] >= 0
    assert reasons["x"] + reasons["width"] <= 740
    page.get_by_text("Why skip this one?").click()  # words, which close nothing
    page.get_by_role("button", name="The image is not clear enough").press("Enter")
    moved_on(page, first)
    sent(page)
    skipped = project.tasks.get(assignments__state="skipped").assignments.get(state="skipped")
    assert skipped.reason == "unclear"


def test_digits_and_arrows_in_the_menu_of_reasons_answer_no_task(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project)
    first = shown(page)
    page.keyboard.press("s")
    for key, reason in (("ArrowUp", "Another reason"), ("ArrowDown", "The image is not clear"), ("s", "Skip")):
        page.keyboard.press(key)
        expect(page.locator(":focus")).to_contain_text(reason)
    page.keyboard.press("s")
    page.keyboard.press("2")
    moved_on(page, first)
    sent(page)
    assert [row.reason for row in Assignment.objects.filter(project=project, state="skipped")] == ["broken"]
    page.keyboard.press("2")
    assert [row.answers["animal"] for row in stored(project, 1)] == ["dog"]


def test_answers_without_a_connection_arrive_when_it_is_back(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=6)
    page = start(project, watch=False)
    page.add_init_script(LISTEN)
    page.reload()
    ready(page)
    loaded_ahead(page, 2)
    page.context.set_offline(True)
    for key in ("1", "2"):
        before = shown(page)
        page.keyboard.press(key)
        moved_on(page, before)
        ready(page)
    expect(page.locator("#sync")).to_have_text("Offline: 2 waiting, 1 left")
    expect(page.locator("#toasts")).to_contain_text("Your answers are kept on this device")
    page.keyboard.press("1")
    expect(page.locator("#loading")).to_be_visible()
    expect(page.locator("#sync")).to_have_text("Offline: 3 waiting, 0 left")
    expect(page.locator("#toasts")).to_contain_text("no image is left on this device")
    until(page, "localStorage.length === 3")  # in one entry, another tab would overwrite what it has not heard of yet
    assert Judgment.objects.filter(project=project).count() == 0
    heard(page, "Loading the next image")
    told = page.evaluate("heard.filter((text) => text.includes('waiting'))")
    assert len(told) == len(set(told)), "each time that it is tried in vain"
    page.context.set_offline(False)
    rows = stored(project, 3)
    assert [row.answers["animal"] for row in rows] == ["cat", "dog", "cat"]
    expect(page.locator("#loading")).to_be_hidden()
    heard(page, "Back online: what waited is being sent.")


def test_a_lost_connection_holds_more_images_for_a_while(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=16, lease_seconds=7200)
    page = start(project, watch=False)
    loaded_ahead(page, 2)

    def answer() -> None:
        before = shown(page)
        page.keyboard.press("1")
        moved_on(page, before)
        ready(page)

    page.context.set_offline(True)
    answer()
    expect(page.locator("#sync")).to_have_text("Offline: 1 waiting, 2 left")
    page.context.set_offline(False)
    stored(project, 1)
    answer()
    expect(page.locator("#task")).to_have_attribute("data-ahead", re.compile("[45]"))  # 4 where it was asked before
    # Ten minutes later others have these images.
    page.evaluate("{ const now = Date.now; Date.now = () => now() + 700_000; }")
    for _ in range(4):
        answer()
    stored(project, 6)
    expect(page.locator("#task")).to_have_attribute("data-ahead", re.compile("[12]"))
    assert Assignment.objects.filter(project=project, state="leased").count() <= 3


def test_an_answer_survives_a_closed_tab(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project, watch=False)
    again = page.context.new_page()
    again.goto("/label/")
    page.context.set_offline(True)
    page.keyboard.press("1")
    until(again, "localStorage.length > 0")  # the device has it, not only the tab
    page.close()
    again.context.set_offline(False)
    again.goto(f"/label/{project.slug}/")
    assert stored(project, 1)[0].answers == {"animal": "cat"}


def test_a_lost_reply_stores_one_judgment(visit, make_project, join, worker):
    """The server takes the answer, the reply is lost, the script sends it again."""
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    join(project, worker)
    page = visit("/label/", user=worker, watch=False)
    lost = lose_first_reply(page, "**/judgment/")
    page.goto(f"/label/{project.slug}/")  # a page that was open before may still send around a new route
    ready(page)
    page.keyboard.press("1")
    happened(page, lambda: lost)
    sent(page)
    assert lost == [201]
    assert Judgment.objects.filter(project=project).count() == 1


def test_the_page_works_without_javascript(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = visit(f"/label/{project.slug}/", user=worker, script=False)
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="dog").click()
    expect(page.locator("#done")).to_have_text("1")
    assert [row.answers for row in stored(project, 1)] == [{"animal": "dog"}]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#done")).to_have_text("0")
    page.get_by_role("button", name="cat").click()
    expect(page.locator("#done")).to_have_text("1")
    before = shown(page)
    page.locator("#skip summary").click()
    page.get_by_role("button", name="Another reason").click()
    expect(page.locator("#image")).not_to_have_attribute("src", before)
    page.get_by_role("button", name="I can't tell").click()
    expect(page.get_by_role("heading", name="Nothing is left for you here")).to_be_visible()
    assert [row.answers for row in stored(project, 2)] == [{"animal": "cat"}, {"animal": "cant_tell"}]


def test_a_phone_labels_by_touch(make_project, start, fits):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project, width=360, touch=True)
    fits(page)
    button = page.get_by_role("button", name="dog")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= 740
    first = shown(page)
    button.tap()
    moved_on(page, first)
    assert stored(project, 1)[0].answers == {"animal": "dog"}
    # What was touched last does not look as if it were chosen for the next image.
    looks = "[...document.querySelectorAll('.choice')].map((one) => getComputedStyle(one).backgroundColor)"
    until(page, f"new Set({looks}).size === 1")


WATCH_SHIFTS = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shift += entry.value;
}).observe({ type: "layout-shift" });
"""


def test_nothing_shifts_from_task_to_task(make_project, start):
    sizes = {f"{n}.png": size for n, size in enumerate([(320, 240), (200, 600), (900, 100)])}
    images = {name: drawn(n, *size) for n, (name, size) in enumerate(sizes.items())}
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=images)
    page = start(project)
    quiet(page)
    page.evaluate(WATCH_SHIFTS)
    places = []
    for _ in range(3):
        painted(page)
        places.append((page.locator("#stage").bounding_box(), page.get_by_role("button", name="cat").bounding_box()))
        before = shown(page)
        if len(places) < 3:
            page.keyboard.press("1")
            moved_on(page, before)
            ready(page)
    assert places[0] == places[1] == places[2]
    assert page.evaluate("window.shift") < 0.01


SURVEY = [
    {
        "key": "animal",
        "kind": "single_choice",
        "prompt": "Which animal is this?",
        "required": True,
        "options": {"cant_tell": True, "shuffle": True, "section": "The animal"},
    },
    {
        "key": "young",
        "kind": "yes_no",
        "prompt": "Is it young?",
        "required": True,
        "options": {"section": "The animal"},
        "show_if": {"question": "animal", "equals": "cat"},
    },
    {
        "key": "seen",
        "kind": "multiple_choice",
        "prompt": "What else is there?",
        "required": True,
        "options": {"choices": ["grass", "toy"], "section": "The picture"},
    },
    {"key": "quality", "kind": "rating", "prompt": "How sharp is it?", "required": True, "options": {}},
    {"key": "count", "kind": "number", "prompt": "How many?", "required": False, "options": {"whole": True}},
    {"key": "remark", "kind": "text", "prompt": "Anything else?", "required": False, "options": {}},
]


def test_a_survey_shows_what_its_conditions_say_and_asks_for_what_is_missing(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=SURVEY, images=2)
    page = start(project)
    young = page.get_by_role("group", name="Is it young?")
    expect(young).to_be_hidden()
    page.get_by_role("radio", name="cat").check()
    expect(young).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(young).to_have_accessible_description("This question needs an answer.")
    expect(page.get_by_role("alert")).to_have_count(0)  # one region tells it, and not each question once more
    expect(page.locator("#announce")).to_have_text("This question needs an answer.")
    count = page.get_by_label("Your answers here")
    expect(count).to_have_attribute("aria-live", "off")  # it changes beside what is told
    young.get_by_role("radio", name="No").check()
    page.get_by_role("checkbox", name="toy").check()
    page.get_by_role("radio", name="4").check()
    page.get_by_label("How many?").fill("2")
    page.get_by_role("button", name="Send").click()
    assert stored(project, 1)[0].answers == {"animal": "cat", "young": False, "seen": ["toy"], "quality": 4, "count": 2}


def test_a_survey_is_answered_by_keys_alone(make_project, start):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, *SURVEY[3:4]], images=2)
    page = start(project)
    page.keyboard.press("2")
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    assert stored(project, 1)[0].answers == {"animal": "dog", "quality": 5}


def test_a_survey_without_javascript_says_what_is_missing(visit, make_project, join, worker):
    project = make_project(categories=["cat", "dog"], questions=SURVEY, images=2)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, script=False, watch=False)
    page.locator("label.choice", has_text="dog").click()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#q-seen .error")).to_contain_text("is required")
    expect(page.get_by_role("radio", name="dog")).to_be_checked()
    page.locator("label.choice", has_text="None of these").click()
    page.locator("#q-quality label.choice").nth(2).click()
    page.get_by_label("How many?").fill("3")
    page.get_by_role("button", name="Send").click()
    assert stored(project, 1)[0].answers == {"animal": "dog", "seen": [], "quality": 3, "count": 3}


def test_many_options_are_found_by_their_first_letters(make_project, start):
    names = [f"{first}{second}" for first in ("ash", "beech", "cedar", "elm", "fir", "oak") for second in "abcdef"]
    project = make_project(categories=names, images=2)
    page = start(project)
    page.get_by_role("combobox").press_sequentially("elm")
    expect(page.get_by_role("option")).to_have_count(6)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    key = project.questions.get().key
    assert stored(project, 1)[0].answers == {key: "elmb"}
