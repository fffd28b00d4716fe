"""Practice, grids, sections, uploads and the preview in rough hands, and what the system sets."""

from __future__ import annotations

import pytest
from django.core.files.storage import default_storage
from playwright.sync_api import Route, expect

from labeling import services
from labeling.models import Gold, Job
from tests.e2e.conftest import drawn, happened, ready
from tests.e2e.test_labeling import ANIMAL, stored
from tests.e2e.test_what_is_stored import NOTE, SHARP


def test_nothing_moves_for_who_wants_no_motion(visit, make_project, owner):
    """What goes on for ever would flicker if it were only made short."""
    project = make_project()
    job = Job.objects.create(project=project, kind="import_images", state="running")
    page = visit(f"/projects/{project.slug}/jobs/{job.pk}/", user=owner)
    moving = "document.getAnimations().map(one => one.animationName ?? one.transitionProperty)"
    expect(page.locator(".spinner").first).to_be_visible()
    assert page.evaluate(moving) == []
    page.emulate_media(reduced_motion="no-preference")
    assert "turn" in page.evaluate(moving)


def test_what_is_chosen_is_seen_in_forced_colours(visit, make_project, join, worker):
    questions = [{**ANIMAL, "required": False}, {"key": "seen", "kind": "yes_no", "prompt": "Seen?", "required": True}]
    project = make_project(categories=["cat", "dog"], questions=questions, images=3)
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker)
    page.emulate_media(forced_colors="active")
    ready(page)
    expect(page.locator("#progress")).to_have_css("border-top-style", "solid")  # its ground has no colour of its own
    page.keyboard.press("1")
    marks = page.locator("#q-animal .mark")
    chosen, other = (marks.nth(n).evaluate("mark => getComputedStyle(mark).backgroundColor") for n in (0, 1))
    assert chosen != other
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Look closer")).to_have_css("background-color", chosen)
    page.goto(f"/label/{project.slug}/grid/")
    page.locator(".tap").first.click()
    expect(page.locator(".tap .tick").nth(0)).to_be_visible()
    expect(page.locator(".tap .tick").nth(1)).to_be_hidden()


def test_the_image_can_be_seen_at_four_times_the_size(make_project, start, fits):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    page = start(project, width=320, height=256)
    stage = page.locator("#stage").bounding_box()
    assert stage
    assert stage["height"] >= 150
    page.get_by_role("button", name="I can't tell").click()
    assert stored(project, 1)[0].answers == {"animal": "cant_tell"}
    fits(page)
    page.set_viewport_size({"width": 180, "height": 370})  # as letters of twice the size on a phone: the bar fills rows
    expect(page.locator(".panel-side .footer")).to_have_css("position", "static")
    fits(page)


def test_the_parts_of_the_header_lie_beside_each_other_at_twice_the_size(visit, worker, fits):
    page = visit("/label/", user=worker, width=180, height=370)
    apart = """(parts) => parts.map((part) => part.getBoundingClientRect()).every((one, at, all) =>
      all.slice(at + 1).every((other) => one.right <= other.left || other.right <= one.left
        || one.bottom <= other.top || other.bottom <= one.top))"""
    parts = page.locator(".site-header :is(.brand, .site-nav a:not(.optional), summary)")
    expect(parts).to_have_count(6)
    assert parts.evaluate_all(apart)
    fits(page)


def test_the_preview_leaves_the_back_button_alone(visit, make_project, owner):
    project = make_project()
    page = visit(f"/projects/{project.slug}/settings/survey/", user=owner)
    before = page.evaluate("history.length")
    prompt = page.locator("[name$=prompt]").first
    for text in ("Which one is it?", "Which one is it now?"):
        prompt.fill(text)
        expect(page.frame_locator(".preview-frame iframe:last-of-type").get_by_text(text)).to_be_visible()
    expect(page.locator(".preview-frame iframe")).to_have_count(1)
    assert page.evaluate("history.length") == before


def test_files_of_no_use_are_told_and_a_second_choice_is_not_cut_off(visit, make_project, owner, tmp_path):
    project = make_project(images=1)
    page = visit("/projects/", user=owner)
    held: list[Route] = []

    def hold_the_second(route: Route) -> None:
        held.append(route)
        if len(held) == 1:
            route.continue_()

    page.route("**/images/add/", hold_the_second)
    page.goto(f"/projects/{project.slug}/images/")
    page.get_by_role("button", name="Add images").click()
    field = page.locator("dialog .dropzone input[type=file]")
    (tmp_path / "notes.txt").write_text("no picture")
    field.set_input_files(tmp_path / "notes.txt")
    expect(page.locator("#toasts")).to_contain_text("no images or archives: 1")
    for name in ("one", "two"):
        (tmp_path / f"{name}.png").write_bytes(drawn(50 + len(name) + ord(name[0])))
    field.set_input_files(tmp_path / "one.png")
    field.set_input_files(tmp_path / "two.png")
    happened(page, lambda: len(held) == 2)
    held[0].request.response().finished()
    page.wait_for_timeout(500)  # in which the page stays
    expect(page.get_by_role("dialog")).to_be_visible()
    held[1].continue_()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert Job.objects.filter(project=project, kind="import_images").count() == 2


def test_a_double_click_in_practice_does_not_skip_what_is_told(make_project, start, owner):
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL], images=3)
    task = project.tasks.order_by("id").first()
    services.set_gold(task=task, answers={"animal": "cat"}, user=owner, use=Gold.Use.PRACTICE)
    page = start(project)
    page.get_by_role("button", name="dog").dblclick()
    expect(page.get_by_text("Not quite")).to_be_visible()


def test_a_double_click_sends_one_grid(visit, make_project, join, worker):
    question = {"key": "dog", "kind": "yes_no", "prompt": "A dog?", "required": True}
    project = make_project(questions=[question], images=30)
    join(project, worker)
    page = visit(f"/label/{project.slug}/grid/", user=worker)
    page.get_by_role("button", name="Send").dblclick()
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text("12 answers stored.")


def test_the_second_click_of_a_double_click_makes_no_second_webhook(visit, make_project, owner):
    project = make_project()
    page = visit(f"/projects/{project.slug}/settings/webhooks/", user=owner)
    page.get_by_label("Address").fill("https://example.org/hook")
    refused = page.get_by_role("button", name="Add").evaluate(
        """button => {
          const refused = [];
          addEventListener("submit", (event) => refused.push(event.defaultPrevented));
          button.click();
          button.click();
          return refused;
        }"""
    )
    assert refused == [False, True]
    expect(page.get_by_role("button", name="Turn off")).to_have_count(1)
    assert project.webhooks.count() == 1


def test_the_second_click_of_a_double_click_decides_nothing_on_the_page_that_the_first_one_brought(
    visit, make_project, owner
):
    page = visit(f"/projects/{make_project().slug}/settings/webhooks/", user=owner)
    clicked = """(button, [detail, ago]) => {
      performance.getEntriesByName = () => [{ startTime: performance.now() - ago }];
      return button.dispatchEvent(new MouseEvent("click", { detail, bubbles: true, cancelable: true }));
    }"""
    button = page.get_by_role("button", name="Add")  # which sends nothing while the address is empty
    assert [button.evaluate(clicked, [detail, ago]) for detail, ago in ((2, 0), (1, 0), (2, 60_000))] == [
        False, True, True,
    ]  # fmt: skip


def test_settings_that_the_back_button_brings_again_after_they_were_sent_are_loaded_anew(visit, make_project, owner):
    """Or whoever sets back what the page showed first would be told that it is saved, and it would not be."""
    project = make_project()
    page = visit(f"/projects/{project.slug}/settings/", user=owner)
    name = page.get_by_label("Name", exact=True)
    comes_back = "setTimeout(() => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })))"
    page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    name.fill("Other")
    page.evaluate(
        f"new Promise((done) => {{ addEventListener('pageshow', () => done(), {{ once: true }}); {comes_back}; }})"
    )
    expect(name).to_have_value("Other")  # nothing was sent
    page.get_by_role("button", name="Save").first.click()
    page.evaluate(comes_back)
    expect(name).to_have_value(project.name)


@pytest.mark.parametrize("path", ["", "grid/"])
def test_who_stops_a_page_that_is_sent_may_send_again(visit, make_project, join, worker, owner, path):
    """In practice, where an answer goes as a form, and in the grid."""
    project = make_project(
        questions=[{"key": "dog", "kind": "yes_no", "prompt": "A dog?", "required": True}], images=14
    )
    if not path:
        task = project.tasks.order_by("id").first()
        services.set_gold(task=task, answers={"dog": True}, user=owner, use=Gold.Use.PRACTICE)
    join(project, worker)
    page = visit(f"/label/{project.slug}/{path}", user=worker)
    stopped: list[str] = []

    def stop(route: Route) -> None:
        if route.request.method != "POST" or stopped:
            return route.continue_()
        stopped.append(route.request.url)
        return route.abort("aborted")

    page.route(f"**/label/{project.slug}/{path}", stop)
    if not path:
        ready(page)
    button = page.get_by_role("button", name="Send" if path else "Yes")
    button.click(no_wait_after=True)
    happened(page, lambda: stopped)
    page.evaluate("{ const now = performance.now.bind(performance); performance.now = () => now() + 6000; }")
    button.click()
    stored(project, 12 if path else 1)


def test_a_section_of_hidden_questions_has_no_title(make_project, start):
    note = {
        "key": "note",
        "kind": "text",
        "prompt": "Why?",
        "options": {"section": "Details"},
        "show_if": {"question": "animal", "equals": "dog"},
    }
    project = make_project(categories=["cat", "dog"], questions=[ANIMAL, note], images=2)
    page = start(project)
    title = page.get_by_role("heading", name="Details")
    expect(title).to_be_hidden()
    page.keyboard.press("2")
    expect(title).to_be_visible()


def test_an_upload_that_stopped_is_chosen_again_and_tried_again_without_connection_and_without_what_was_moved(
    visit, make_project, owner, tmp_path
):
    project = make_project(images=1)
    page = visit(f"/projects/{project.slug}/images/", user=owner, watch=False)
    page.get_by_role("button", name="Add images").click()
    field = page.locator("dialog .dropzone input[type=file]")
    files = [tmp_path / "one.png", tmp_path / "moved.png"]
    for number, file in enumerate(files):
        file.write_bytes(drawn(50 + number))
    files.append(tmp_path / "IMG_1.HEIC")
    files[-1].write_bytes(b"\0\0\0\x18ftypheic" + bytes(4000))
    page.route("**/images/add/", lambda route: route.fulfill(status=400), times=1)
    field.set_input_files(files)
    expect(page.locator("#toasts")).to_contain_text("The upload stopped")
    assert field.evaluate("field => field.files.length") == 0  # a browser tells of a change only where there is one
    page.route("**/images/add/", lambda route: route.abort(), times=1)
    with page.expect_response("**/images/add/") as told:
        field.set_input_files(files)
        expect(page.locator("dialog .upload-progress span")).to_have_text("The connection is lost. It is tried again …")
        files[1].unlink()
    assert told.value.status == 200
    expect(page.get_by_role("dialog")).to_be_hidden()  # what runs is shown below it; its end loads the page again, once
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"
    sent = Job.objects.get(project=project).arguments["files"]  # the report names what came without bytes
    assert [(file["name"], default_storage.size(file["spool"])) for file in sent] == [
        ("one.png", len(drawn(50))), ("moved.png", 0), ("IMG_1.HEIC", 32)
    ]  # fmt: skip


def test_who_is_signed_out_keeps_the_survey_and_saves_it_after_signing_in_elsewhere(visit, make_project, owner):
    project = make_project()
    page = visit(f"/projects/{project.slug}/settings/survey/", user=owner, watch=False)
    prompt = page.locator("[name$=prompt]")
    prompt.first.fill("Which animal is it?")
    page.context.clear_cookies(name="sessionid")
    add = page.get_by_role("button", name="Yes or no", exact=True)
    for _twice in range(2):
        with page.expect_response(lambda answer: answer.request.method == "POST") as told:
            add.click()
        assert told.value.status == 401
    expect(page.locator("#toasts .toast")).to_have_count(1)
    expect(page.locator("#toasts")).to_contain_text("You are signed out.")
    expect(prompt.first).to_have_value("Which animal is it?")
    other = page.context.new_page()
    other.goto("/accounts/login/")
    other.get_by_label("Username").fill("owner1")
    other.get_by_label("Password").first.fill("owner1-password")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/label/")
    page.evaluate("dispatchEvent(new Event('focus'))")
    add.click()
    expect(prompt).to_have_count(2)
    expect(prompt.first).to_have_value("Which animal is it?")


def test_a_part_of_what_was_deleted_asks_once_and_no_more(visit, make_project, owner):
    page = visit(f"/projects/{make_project().slug}/", user=owner)
    asks = """(status) => {
      const [elt, { body }] = [document.querySelector("main"), document];
      const tell = (name, detail) => body.dispatchEvent(new CustomEvent(name, { detail, cancelable: true }));
      tell("htmx:responseError", { elt, xhr: { status }, requestConfig: { verb: "get" } });
      return tell("htmx:beforeRequest", { elt });
    }"""
    assert [page.evaluate(asks, status) for status in (503, 404)] == [True, False]
    expect(page.locator("#toasts")).to_contain_text("What this page shows is not there any more.")


def test_a_form_that_came_back_begins_where_it_was_refused(visit, owner):
    page = visit("/projects/new/", user=owner, width=360, touch=True)
    page.get_by_label("Name", exact=True).fill("Animals")
    page.get_by_role("textbox", name="Categories").fill("cat, dog")
    page.get_by_text("How many people, and who").click()
    page.get_by_label("People per image, at least").fill("5")
    page.get_by_label("and at most").fill("2")
    page.get_by_role("button", name="Create project").click()
    field = page.get_by_label("and at most")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    expect(page.get_by_text("This must not be below the least number of people.")).to_be_visible()


def test_a_refusal_of_no_field_and_an_answer_without_its_script_begin_where_they_were_refused(
    visit, make_project, owner, worker, join
):
    sharp = {**SHARP, "required": True}
    project = make_project(questions=[sharp, NOTE])
    page = visit(f"/projects/{project.slug}/settings/survey/", user=owner, watch=False)
    services.replace_survey(project=project, user=owner, questions=[{**sharp, "prompt": "Is it clear?"}, NOTE])
    page.get_by_label("Question", exact=True).first.fill("Is it really sharp?")
    page.get_by_role("button", name="Save survey").click()
    expect(page.locator("form [role=alert]")).to_be_focused()
    join(project, worker)
    page = visit(f"/label/{project.slug}/", user=worker, watch=False)
    page.route("**/label.js", lambda route: route.abort())
    page.reload()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("radio", name="Yes")).to_be_focused()


@pytest.mark.parametrize("rtl", [False, True])
def test_a_long_name_stays_inside_of_the_owners_pages(visit, make_project, owner, fits, rtl):
    long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
    project = make_project(f"{long} {long}", categories=[f"{long}_{long[:30]}", "dog"], images=1)
    page = visit("/", user=owner, width=360, touch=True)
    for address in ("", "images/", "labels/", "workers/", "settings/", "settings/survey/", "settings/categories/"):
        page.goto(f"/projects/{project.slug}/{address}")
        if rtl:
            page.evaluate("document.documentElement.dir = 'rtl'")
        fits(page)
    page.goto(f"/projects/{project.slug}/settings/survey/")
    frame = page.locator(".preview-frame")
    assert frame.evaluate("frame => frame.scrollWidth <= frame.clientWidth"), "the preview is seen whole on a phone"
