"""Every page that a worker sees, on a phone and on a desk, in light and in dark: no violation of axe, nothing wider
than the window; and what a worker does beside labeling."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.templatetags.static import static
from playwright.sync_api import Page, expect

from labeling import services
from labeling.models import Gold, Membership
from tests.e2e.conftest import LISTEN, OF_COLOUR, drawn, heard, ready
from tests.e2e.test_boxes import QUESTION as BOXES
from tests.e2e.test_labeling import ANIMAL, SURVEY


@pytest.fixture
def addresses(make_project, join, worker, owner) -> dict[str, str]:
    """Address by name of every page for a worker who has joined, been paused, failed and been invited."""
    choice = make_project("Choice", questions=[ANIMAL], categories=["cat", "dog"], instructions="Look twice.", images=2)
    survey = make_project("Survey", questions=SURVEY, categories=["cat", "dog"], images=1)
    boxes = make_project("Boxes", questions=[BOXES], categories=["cat", "dog"], images=1)
    many = make_project("Many", categories=[f"kind {n}" for n in range(40)], images=1)
    paused = make_project("Paused", images=1)
    failed = make_project("Failed", images=1)
    services.set_gold(task=failed.tasks.get(), answers="cat", use=Gold.Use.QUALIFICATION, user=owner)
    empty = make_project("Empty", images=0)
    fresh = make_project("Fresh", images=1, instructions="Read me.", price_per_judgment="0.05")
    for project in (choice, survey, boxes, many, paused, failed, empty):
        join(project, worker)
    services.pause_worker(member=Membership.objects.get(project=paused, user=worker), because="Too fast.")
    Membership.objects.filter(project=failed, user=worker).update(phase=Membership.Phase.FAILED)
    projects = (choice, survey, boxes, many, paused, failed, empty, fresh)
    pages = {project.name: f"/label/{project.slug}/" for project in projects}
    return {**pages, "list": "/label/", "profile": "/profile/", "invitation": f"/join/{fresh.invite}/"}


@pytest.fixture
def passes(axe, fits) -> Callable[[Page], None]:
    """Assert that axe refuses nothing on a page, in light and in dark, and that it fits."""

    def check(page: Page) -> None:
        axe(page)
        fits(page)
        page.emulate_media(color_scheme="dark")
        axe(page, OF_COLOUR)
        page.emulate_media(color_scheme="light")

    return check


@pytest.mark.parametrize("width", [360, 1440])
def test_worker_pages_pass_axe_and_fit(visit, addresses, worker, passes, width):
    page = visit("/", user=worker, width=width, touch=width == 360)
    for address in ("/", *addresses.values()):
        page.goto(address)
        passes(page)


@pytest.mark.parametrize("width", [360, 1440])
def test_account_pages_pass_axe_and_fit(visit, passes, width):
    page = visit("/", width=width, touch=width == 360)
    for address in ("/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"):
        page.goto(address)
        passes(page)


def test_a_missing_page_says_so_in_the_same_look(visit, axe):
    page = visit("/label/no-such-project/", watch=False)
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.goto("/nothing-here/")
    expect(page.get_by_role("heading", name="There is nothing here that you may see")).to_be_visible()
    axe(page)


def test_dialogs_and_menus_pass_axe(visit, addresses, worker, axe):
    page = visit(addresses["Choice"], user=worker)
    ready(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("i")
    expect(page.get_by_role("dialog", name="Instructions")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    axe(page)


def test_a_person_signs_up_and_labels(visit, make_project):
    project = make_project("Animals", questions=[ANIMAL], categories=["cat", "dog"], images=2)
    page = visit("/")
    page.get_by_role("link", name="Make an account").click()
    page.get_by_label("Username").fill("newcomer")
    page.get_by_label("Password", exact=True).fill("a long and good one")
    page.get_by_label("Password again").fill("a long and good one")
    page.get_by_role("button", name="Make the account").click()
    page.get_by_role("link", name="View Animals").click()
    page.get_by_role("button", name="Start").click()
    ready(page)
    assert Membership.objects.filter(project=project, user__username="newcomer").exists()


def test_a_practice_answer_is_told_at_once_whether_it_was_right(visit, make_project, worker, owner):
    project = make_project("Practice", questions=[ANIMAL], categories=["cat", "dog"], images=3)
    task = project.tasks.order_by("id").first()
    services.set_gold(
        task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.PRACTICE, explanation="Look at the ears."
    )
    page = visit(f"/label/{project.slug}/", user=worker)
    page.get_by_role("button", name="Start").click()
    ready(page)
    page.keyboard.press("2")
    expect(page.get_by_text("Not quite")).to_be_visible()
    expect(page.get_by_text("Look at the ears.")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    ready(page)
    expect(page.get_by_text("Practice", exact=True)).to_have_count(1)  # the project's name; the round is over


def test_a_paused_worker_reads_why_and_appeals(visit, addresses, worker):
    page = visit(addresses["Paused"], user=worker)
    page.add_init_script(LISTEN)
    expect(page).to_have_title("Your work here is paused · Paused")
    expect(page.get_by_text("Too fast.")).to_be_visible()
    page.get_by_label("Do you think this is wrong?").fill("I know these animals.")
    page.get_by_role("button", name="Send the appeal").click()
    expect(page.get_by_text("Waiting for an answer")).to_be_visible()
    heard(page, "Your appeal was sent.")
    member = Membership.objects.get(user=worker, project__name="Paused")
    assert member.appeals.get().text == "I know these animals."


def test_who_failed_the_test_reads_how_far_and_appeals_and_the_owner_answers(visit, make_project, worker, owner, axe):
    project = make_project("Tested", questions=[ANIMAL], categories=["cat", "dog"], images=3, qualification_share=0.8)
    for task in project.tasks.order_by("id")[:2]:
        services.set_gold(task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.QUALIFICATION)
    page = visit(f"/label/{project.slug}/", user=worker)
    page.get_by_role("button", name="Start").click()
    for key in ("1", "2"):
        ready(page)
        before = page.locator("#image").get_attribute("src")
        page.keyboard.press(key)
        expect(page.locator(f"#image[src='{before}']")).to_have_count(0)
    expect(page.get_by_role("heading", name="The test was not passed")).to_be_visible()
    expect(page.get_by_text("You had 50\u202f% of the answers right; this project asks for 80\u202f%")).to_be_visible()
    axe(page)
    page.clock.install()
    page.get_by_label("Do you think this is wrong?").fill("The second picture shows both.")
    page.get_by_role("button", name="Send the appeal").click()
    expect(page.get_by_text("Waiting for an answer")).to_be_visible()
    expect(page.get_by_role("link", name="Look again")).to_be_visible()

    desk = visit(f"/projects/{project.slug}/workers/", user=owner)
    appeal = desk.get_by_role("region", name="Appeal of worker1")
    expect(appeal).to_contain_text("The second picture shows both.")
    expect(appeal).to_contain_text("50\u202f% right, 80\u202f% asked for")
    axe(desk)
    appeal.get_by_label("Your answer").fill("You are right.")
    appeal.get_by_role("button", name="Let them go on").click()
    expect(desk.get_by_text("The worker sees your answer on the next visit.")).to_be_visible()
    page.clock.fast_forward(20_000)  # it looks again by itself
    ready(page)
    assert Membership.objects.get(project=project, user=worker).phase == Membership.Phase.WORKING


def test_examples_of_the_categories_open_by_one_key(visit, make_project, start, worker, owner, axe, fits):
    project = make_project("Shown", questions=[ANIMAL], categories=["cat", "dog"], images=2, instructions="Look.")
    cat = project.categories.get(key="cat")
    services.change_category(category=cat, user=owner, changes={"description": "It purrs."})
    services.add_example(category=cat, data=drawn(7), alt="a black cat", user=owner)
    page = start(project, width=360, language="hi")
    fits(page)  # every button of the bar, in the longer language
    page = visit(f"/label/{project.slug}/", user=worker, width=360)
    ready(page)
    page.keyboard.press("e")
    guide = page.get_by_role("dialog", name="What the answers mean")
    expect(guide.get_by_alt_text("a black cat")).to_be_visible()
    expect(guide).to_contain_text("It purrs.")
    axe(page)
    fits(page)
    page.keyboard.press("Escape")
    expect(guide).to_be_hidden()


def test_a_key_is_shown_once(visit, worker):
    page = visit("/profile/", user=worker)
    page.get_by_role("button", name="New key").click()
    page.get_by_role("dialog").get_by_label("Name").fill("my script")
    page.get_by_role("button", name="Make the key").click()
    key = page.locator(".code pre").inner_text().strip()
    assert len(key) > 30
    page.goto("/profile/")
    expect(page.get_by_text("my script")).to_be_visible()
    assert key not in page.content()
    page.set_viewport_size({"width": 360, "height": 740})
    table = page.get_by_role("region", name="API keys")  # whose buttons are in sight on a phone, too
    assert table.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_the_language_is_switched_on_the_page(visit, worker):
    page = visit("/label/", user=worker)
    menu = page.get_by_label("Language")
    expect(menu).to_have_accessible_name("Language: EN")  # who speaks says what stands there
    menu.click()
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.locator("html")).to_have_attribute("lang", "hi")
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Label")


def test_the_theme_is_kept_from_page_to_page(visit):
    page = visit("/")
    page.get_by_label("Theme").click()
    page.get_by_role("button", name="Dark").click()
    page.goto("/accounts/login/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize("width", [360, 1440])
def test_right_to_left_pages_fit_and_mirror(visit, addresses, worker, fits, width):
    page = visit("/", user=worker, width=width, touch=width == 360)
    for name in ("list", "Choice", "Survey", "profile"):
        page.goto(addresses[name])
        page.evaluate("document.documentElement.dir = 'rtl'")
        fits(page)
    page.goto(addresses["Choice"])
    page.evaluate("document.documentElement.dir = 'rtl'")
    ready(page)
    if width == 1440:
        panel = page.locator(".panel-side").bounding_box()
        assert panel is not None
        assert panel["x"] == 0


def test_who_dictates_turns_the_keys_of_one_letter_or_digit_off(make_project, start):
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    page = start(make_project(questions=[place], images=1))
    rows, single = page.locator(".box-table tbody tr"), page.get_by_role("checkbox", name="Single letters and digits")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    single.uncheck()
    page.keyboard.press("Escape")
    page.reload()
    ready(page)
    for key in "n1s?":
        page.keyboard.press(key)
    expect(single).to_be_hidden()
    expect(page.locator("#skip")).not_to_have_attribute("open")
    expect(rows).to_have_count(0)
    page.locator("#stage").press("n")  # a shortcut of what has the focus, which nothing sets off by accident
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Keyboard shortcuts").click()
    single.check()
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("n")
    expect(rows).to_have_count(2)


SECONDS = """async (address) => {
  const { Clock } = await import(address);
  const found = [];
  let now = 0;
  let hidden = false;
  performance.now = () => now;
  Object.defineProperty(document, "hidden", { get: () => hidden });
  const hide = (value) => {
    hidden = value;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const wait = (seconds) => (now += 1000 * seconds);
  const clock = new Clock({ cap: 30 });
  clock.start();
  wait(5);
  document.dispatchEvent(new Event("keydown"));
  found.push(clock.seconds());
  wait(300);
  document.dispatchEvent(new Event("pointermove"));
  found.push(clock.seconds());
  wait(2);
  hide(true);
  wait(20);
  hide(false);
  wait(1);
  found.push(clock.seconds());
  hide(true);
  clock.start();
  wait(20);
  found.push(clock.seconds());
  return found;
}"""


def test_active_seconds_count_no_long_gap_and_no_page_out_of_sight(visit):
    page = visit("/accounts/login/")
    assert page.evaluate(SECONDS, static("js/label/clock.js")) == [5, 35, 38, 0]
