"""The owner's pages in a browser: by keyboard, at 360 and 1440 px, light and dark, without axe's complaints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from labeling import charts, services
from labeling.consensus import fitting
from labeling.models import Consensus, Image, Job, Project, Task
from tests.e2e.conftest import drawn, quiet

PATHS = [
    "",
    "images/",
    "tasks/",
    "workers/",
    "labels/",
    "review/",
    "settings/",
    "settings/survey/",
    "settings/categories/",
    "settings/rules/",
    "settings/webhooks/",
    "settings/keys/",
    "settings/log/",
    "settings/danger/",
]


def disagreed(project: Project, owner: Any, worker: Any, join: Any, beside: str = "") -> Project:
    """Two people disagree about two of four pictures, and agree at the question ``beside``; a job and an appeal."""
    for person in (owner, worker):
        join(project, person)
        for number in range(4):
            lease = services.claim_assignment(project=project, worker=person)
            assert lease is not None
            said: dict[str, Any] = {"category": "cat" if person == owner or number % 2 else "dog"}
            if beside:
                said[beside] = number < 3
            services.submit_judgment(assignment_id=lease.id, worker=person, answers=said, seconds=2.0 + number)
    member = project.memberships.get(user=worker)
    services.pause_worker(member=member, because="Too quick")
    member.refresh_from_db()
    services.appeal_pause(member=member, text="I looked at each of them.")
    Job.objects.create(project=project, kind="import_images", state="succeeded", result={"refused": 1})
    return project


@pytest.fixture
def busy(make_project: Any, owner: Any, worker: Any, join: Any) -> Project:
    return disagreed(make_project(judgments_min=2, judgments_max=2, confidence=0.999), owner, worker, join)


@pytest.fixture
def surveyed(make_project: Any, owner: Any, worker: Any, join: Any) -> Project:
    """The same with a second question, fitted."""
    asked = [
        {"key": "category", "kind": "single_choice", "prompt": "Which animal?"},
        {"key": "sharp", "kind": "yes_no", "prompt": "Is the picture sharp?"},
    ]
    most = {"judgments_min": 2, "judgments_max": 2, "confidence": 0.999}
    project: Project = make_project(categories=["cat", "dog"], questions=asked, **most)
    disagreed(project, owner, worker, join, beside="sharp")
    fitting.fit_project(project.pk)
    return project


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1440, "light")])
def test_every_page_fits_and_has_nothing_that_axe_refuses(
    width: int, theme: str, visit: Any, surveyed: Project, owner: Any, axe: Any, fits: Any
) -> None:
    page: Page = visit("/projects/", user=owner, width=width, theme=theme, touch=width == 360)
    image = Image.objects.filter(project=surveyed).first()
    member = surveyed.memberships.exclude(user=owner).get()
    rows = [f"images/{image.pk}/" if image else "", f"workers/{member.pk}/?question=sharp", "?question=sharp"]
    addresses = [f"/projects/{surveyed.slug}/{path}" for path in [*PATHS, *rows]]
    problems: list[str] = []
    for address in ["/projects/", "/projects/new/", *addresses]:
        page.goto(address)
        quiet(page)
        try:
            fits(page)
            axe(page)
        except AssertionError as error:  # look at all pages before saying what is wrong
            problems.append(str(error))
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_figures_of_a_matrix_are_readable_on_every_tint(
    theme: str, visit: Any, make_project: Any, owner: Any, axe: Any
) -> None:
    tints = [[[20 - n, n], [n, 20 - n]] for n in range(11)]
    body = "".join(charts.matrix(["a", "b"], cells, title=f"t{n}").body for n, cells in enumerate(tints))
    page: Page = visit(f"/projects/{make_project().slug}/", user=owner, theme=theme)
    quiet(page)
    page.evaluate("body => document.querySelector('main').insertAdjacentHTML('beforeend', body)", body)
    axe(page)


def test_a_rule_asks_for_a_number_only_where_its_action_takes_one(visit: Any, make_project: Any, owner: Any) -> None:
    page: Page = visit(f"/projects/{make_project().slug}/settings/rules/", user=owner)
    number = page.get_by_label("With", exact=True)
    for action, asks in (("Pause the worker", False), ("Lower the weight", True), ("Warn", False)):
        page.get_by_label("Then").select_option(action)
        expect(number).to_be_visible(visible=asks)


def test_pictures_are_added_in_the_dialog(visit: Any, make_project: Any, owner: Any, tmp_path: Path) -> None:
    project = make_project(images=1)
    path = tmp_path / "more.png"
    path.write_bytes(drawn(9))
    page: Page = visit(f"/projects/{project.slug}/images/", user=owner)
    page.get_by_role("button", name="Add images").click()
    page.locator("dialog .dropzone input[type=file]").set_input_files(path)
    expect(page.locator(".job")).to_contain_text("Bringing in images")
    assert Job.objects.filter(project=project, kind="import_images").count() == 1


def test_a_link_is_copied_where_pages_have_no_clipboard(visit: Any, make_project: Any, owner: Any) -> None:
    """As by http on a network of one's own."""
    page: Page = visit(f"/projects/{make_project().slug}/workers/", user=owner)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_text("Copied", exact=True)).to_be_visible()
    page.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
    page.locator("textarea").last.press("Control+V")
    expect(page.locator("textarea").last).to_have_value(re.compile("/join/"))


def test_figures_that_renew_themselves_leave_open_what_is_read(visit: Any, busy: Project, owner: Any) -> None:
    page: Page = visit(f"/projects/{busy.slug}/", user=owner)
    page.clock.install()
    page.reload()
    numbers = page.locator(".overview[hx-trigger='every 30s'] summary").first
    numbers.press("Enter")
    with page.expect_response("**/activity/"):
        page.clock.fast_forward(31_000)
    quiet(page)
    expect(numbers).to_be_focused()
    expect(numbers.locator("..")).to_have_attribute("open", "")


def test_what_the_keyboard_reaches_in_a_row_that_scrolls_is_in_sight(visit: Any, busy: Project, owner: Any) -> None:
    """A browser leaves where it is what a hair of shows."""
    page: Page = visit(f"/projects/{busy.slug}/settings/rules/", user=owner, width=360)
    links = page.locator(".tabs a, .settings-nav a")
    links.first.focus()
    for at in range(links.count()):
        expect(links.nth(at)).to_be_focused()
        expect(links.nth(at)).to_be_in_viewport(ratio=1)
        page.keyboard.press("Tab")


def test_a_reviewer_decides_with_one_key(visit: Any, busy: Project, owner: Any) -> None:
    page: Any = visit(f"/projects/{busy.slug}/review/", user=owner, width=360)
    waiting = Task.objects.filter(project=busy, retired_because="maximum").count()
    assert waiting
    second = page.locator(".decision").nth(1)
    chosen = second.get_attribute("value")
    page.keyboard.press("2")
    told = page.get_by_text("Decided.")
    expect(told).to_be_visible()
    assert told.bounding_box()["y"] < page.locator(".decision").first.bounding_box()["y"], "it would lie over them"
    decided = Consensus.objects.get(project=busy, decided_by=owner)
    assert chosen == f'"{decided.answer}"'
    page.keyboard.press("g")
    expect(page.get_by_text("Known now: it is hidden gold.")).to_be_visible()
    assert decided.task.gold.answers == {"category": decided.answer}


def test_a_reviewer_who_dictates_turns_the_keys_of_one_digit_off(visit: Any, busy: Project, owner: Any) -> None:
    page: Page = visit(f"/projects/{busy.slug}/review/", user=owner)
    single = page.get_by_role("checkbox", name="Single letters and digits")
    single.uncheck()
    page.reload()
    expect(single).not_to_be_checked()
    page.keyboard.press("s")
    page.keyboard.press("2")
    page.reload()  # what the key had sent would have come before this
    assert not Consensus.objects.filter(project=busy, decided_by=owner).exists()
    single.check()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("2")
    expect(page.get_by_text("Decided.")).to_be_visible()


def test_a_key_that_a_reviewer_holds_decides_no_further_task(visit: Any, busy: Project, owner: Any) -> None:
    """The key of the last page is still down when the next one has loaded."""
    page: Page = visit(f"/projects/{busy.slug}/review/", user=owner)
    page.locator("body").evaluate(
        """body => body.dispatchEvent(new KeyboardEvent("keydown", {key: "2", repeat: true, bubbles: true}))"""
    )
    page.wait_for_timeout(500)
    assert not Consensus.objects.filter(project=busy, decided_by=owner).exists()


def test_the_keys_of_a_reviewer_pass_over_what_nobody_answered(
    visit: Any, make_project: Any, owner: Any, worker: Any, join: Any
) -> None:
    kinds = {"animal": "single_choice", "note": "text", "asleep": "yes_no"}
    questions = [{"key": key, "kind": kind, "prompt": f"{key}?", "required": False} for key, kind in kinds.items()]
    project = make_project(
        images=1, categories=["cat", "dog"], questions=questions, judgments_min=2, judgments_max=2, confidence=0.999
    )
    for person, answer in ((owner, "cat"), (worker, "dog")):
        join(project, person)
        lease = services.claim_assignment(project=project, worker=person)
        services.submit_judgment(assignment_id=lease.id, worker=person, answers={"animal": answer})
    page: Page = visit(f"/projects/{project.slug}/review/", user=owner)
    page.keyboard.press("1")
    page.keyboard.press("2")
    expect(page.locator('[name="answer-asleep"][aria-pressed="true"]')).to_have_text("2No")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Decided.")).to_be_visible()


def test_a_reviewer_is_not_asked_what_their_choice_rules_out(
    visit: Any, make_project: Any, owner: Any, worker: Any, join: Any
) -> None:
    collar = {"key": "collar", "kind": "yes_no", "show_if": {"question": "animal", "equals": "dog"}}
    questions = [{"key": "animal", "kind": "single_choice"}, collar]
    project = make_project(
        images=1, categories=["cat", "dog"], questions=questions, judgments_min=2, judgments_max=2, confidence=0.999
    )
    for person, answers in ((owner, {"animal": "cat"}), (worker, {"animal": "dog", "collar": True})):
        join(project, person)
        lease = services.claim_assignment(project=project, worker=person)
        services.submit_judgment(assignment_id=lease.id, worker=person, answers=answers)
    page: Page = visit(f"/projects/{project.slug}/review/", user=owner)
    asked = page.get_by_role("group", name="collar")
    expect(asked).to_be_hidden()
    page.keyboard.press("2")
    expect(asked).to_be_visible()
    page.reload()
    page.keyboard.press("1")
    expect(page.locator(".decision[aria-pressed=true]")).to_contain_text("cat")
    expect(asked).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Decided.")).to_be_visible()


def test_what_has_the_focus_is_not_under_the_bar_that_saves(visit: Any, make_project: Any, owner: Any) -> None:
    page: Page = visit(f"/projects/{make_project().slug}/settings/", user=owner, height=500)
    bar = page.locator(".save-bar button")
    page.get_by_label("Name", exact=True).focus()
    while not bar.evaluate("bar => bar === document.activeElement"):
        page.keyboard.press("Tab")
        under = """bar => {
          const { activeElement: at } = document;
          return !bar.contains(at) && at.getBoundingClientRect().top >= bar.getBoundingClientRect().top;
        }"""
        assert not page.locator(".save-bar").evaluate(under), page.evaluate("document.activeElement.name")


def test_who_deletes_several_images_is_asked_how_many(visit: Any, make_project: Any, owner: Any) -> None:
    project = make_project(images=3)
    page: Page = visit(f"/projects/{project.slug}/images/", user=owner)
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    for picture in ("0.png", "2.png"):
        page.get_by_label(f"Choose {picture}").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_label("Choose 0.png")).to_have_count(0)
    assert asked == ["Delete the chosen images (2) and everything that was said of them?"]
    assert list(project.images.values_list("name", flat=True)) == ["1.png"]


def test_a_filter_says_what_is_shown_when_one_comes_back(visit: Any, make_project: Any, owner: Any) -> None:
    project = make_project(images=1)
    page: Page = visit(f"/projects/{project.slug}/labels/", user=owner)
    state = page.get_by_role("search").get_by_label("State")
    with page.expect_navigation():
        state.select_option("1")
    expect(state).to_have_value("1")
    expect(state).to_be_focused()  # who chooses by arrows goes on from there
    page.go_back()
    expect(page).to_have_url(re.compile("/labels/$"))
    expect(state).to_have_value("")
    page.go_forward()
    expect(state).to_have_value("1")


def test_a_category_is_described_and_shown_by_a_picture(
    visit: Any, make_project: Any, owner: Any, tmp_path: Path, axe: Any, fits: Any
) -> None:
    project = make_project()
    path = tmp_path / "cat.png"
    path.write_bytes(drawn(3))
    page: Page = visit(f"/projects/{project.slug}/settings/categories/", user=owner, width=360)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("link", name="cat", exact=True).click()
    page.get_by_label("Description").fill("It purrs.")
    page.get_by_label("WordNet id").fill("n02121808")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()

    adding = page.get_by_role("form", name="Add an example")
    adding.get_by_label("Picture").set_input_files(path)
    adding.get_by_label("What it shows").fill("a black cat")
    adding.get_by_role("button", name="Add the example").click()
    shown = page.get_by_role("img", name="a black cat")
    expect(shown).to_have_js_property("complete", True)
    axe(page)
    fits(page)
    page.get_by_role("listitem").get_by_label("What it shows").fill("a black cat, asleep")
    page.get_by_role("listitem").get_by_role("button", name="Save").click()
    expect(page.get_by_role("img", name="a black cat, asleep")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The example is removed.")).to_be_visible()
    category = project.categories.get(key="cat")
    assert (category.description, category.wordnet_id, category.examples.count()) == ("It purrs.", "n02121808", 0)


def test_an_archived_project_has_its_changes_off_and_its_export_keys_and_way_back_on(
    visit: Any, busy: Project, owner: Any
) -> None:
    at = f"/projects/{busy.slug}/"
    page: Page = visit(f"{at}settings/", user=owner)
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()
    services.archive_project(project=busy, user=owner)
    page.reload()
    save = page.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_disabled()
    expect(save).to_have_attribute("title", re.compile("This project is archived"))
    expect(page.get_by_label("Instructions")).to_be_disabled()
    for path, name in (("settings/keys/", "Make a key"), ("settings/danger/", "Reopen"), ("settings/danger/", "Copy")):
        page.goto(page.url.partition(at)[0] + at + path)
        expect(page.get_by_role("button", name=name, exact=True)).to_be_enabled()
    page.goto(page.url.partition(at)[0] + at + "labels/")
    expect(page.get_by_role("searchbox", name="File name")).to_be_enabled()
    expect(page.get_by_role("button", name="Bring in labels")).to_be_disabled()
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("button", name="Start the export")).to_be_enabled()
