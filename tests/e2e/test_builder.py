"""The survey's builder in a browser: by keyboard, on a phone and without a script."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Dialog, Page, expect


def test_the_preview_follows_what_is_typed_and_its_width(visit: Any, make_project: Any, owner: Any) -> None:
    project = make_project()
    page: Page = visit(f"/projects/{project.slug}/settings/survey/", user=owner)
    preview = page.frame_locator(".preview-frame iframe:last-of-type")
    page.get_by_label("Question", exact=True).fill("Is it a zebra?")
    expect(preview.get_by_text("Is it a zebra?")).to_be_visible()
    page.get_by_role("button", name="Scale").click()
    expect(page.locator(".question-edit")).to_have_count(2)
    expect(page.get_by_label("Question", exact=True).nth(1)).to_be_focused()  # one who adds a question writes it next
    two = '["rating", "number"].forEach(kind => document.querySelector(`[value="add:${kind}"]`).click())'
    page.evaluate(two)  # the second before the first is answered
    expect(page.locator(".question-edit")).to_have_count(4)
    seen = page.locator("iframe").first  # the next one waits behind it, unseen, until it has loaded
    expect(seen).to_have_css("width", "360px")
    page.get_by_text("Desktop", exact=True).click()
    expect(seen).to_have_css("width", "1200px")


def test_a_question_is_moved_by_keyboard_as_far_as_one_wants(visit: Any, make_project: Any, owner: Any) -> None:
    page: Page = visit(f"/projects/{make_project().slug}/settings/survey/", user=owner, width=360)
    asked, cards = page.get_by_label("Question", exact=True), page.locator(".question-edit")
    for number, kind in ((1, "Scale"), (2, "Number")):
        page.get_by_role("button", name=kind, exact=True).click()
        expect(asked.nth(number)).to_be_focused()
    page.keyboard.type("How many?")
    cards.nth(2).get_by_role("button", name="Move up").focus()
    for place, goes_on in ((1, "Move up"), (0, "Move down")):
        page.keyboard.press("Enter")
        expect(asked.nth(place)).to_have_value("How many?")
        expect(cards.nth(place).get_by_role("button", name=goes_on)).to_be_focused()
        expect(cards.nth(place).get_by_role("button", name=goes_on)).to_be_in_viewport(ratio=1)
    cards.nth(0).get_by_role("button", name="Remove this question").press("Enter")
    expect(cards).to_have_count(2)
    expect(asked.nth(0)).to_be_focused()
    told: list[str] = []

    def leave(dialog: Dialog) -> None:
        told.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()
    assert told == ["beforeunload"], "questions that are not saved would be gone without a word"
    asked.nth(0).press_sequentially("!")
    page.get_by_role("button", name="Save survey").click()
    expect(page.get_by_text("Saved as a new version")).to_be_visible()
    page.reload()
    assert told == ["beforeunload"]


def test_a_survey_s_kinds_can_be_read_on_a_phone(visit: Any, make_project: Any, owner: Any, fits: Any) -> None:
    project = make_project(workflow="three_stage_boxes")
    page: Page = visit(f"/projects/{project.slug}/settings/survey/", user=owner, width=360)
    kind = page.get_by_label("Kind of question").first
    assert kind.evaluate("kind => kind.clientWidth") > 120
    fits(page)


def test_a_survey_is_composed_without_a_script(visit: Any, make_project: Any, owner: Any) -> None:
    project = make_project()
    page: Page = visit(f"/projects/{project.slug}/settings/survey/", user=owner, script=False)
    page.get_by_role("button", name="Yes or no").click()
    page.get_by_label("Question", exact=True).nth(1).fill("Is it asleep?")
    page.get_by_role("button", name="Save survey").click()
    expect(page.get_by_text("Saved as a new version")).to_be_visible()
    assert [q.prompt for q in project.questions.order_by("position")][1] == "Is it asleep?"


def test_a_long_survey_is_folded_and_opens_where_there_is_something_to_write(
    visit: Any, make_project: Any, owner: Any, axe: Any, fits: Any
) -> None:
    asked = [{"key": f"q{number}", "kind": "number", "prompt": f"How many {number}?"} for number in range(12)]
    page: Page = visit(f"/projects/{make_project(questions=asked).slug}/settings/survey/", user=owner, width=360)
    folds, cards = page.locator(".question-more"), page.locator(".question-edit")
    expect(page.locator(".question-more[open]")).to_have_count(0)
    assert page.locator("#builder").evaluate("form => form.scrollHeight") < 4000
    fits(page)
    axe(page)
    folds.nth(1).locator("summary").first.press("Enter")
    cards.nth(1).get_by_role("button", name="Move down").click()
    expect(cards.nth(2).get_by_label("Question", exact=True)).to_have_value("How many 1?")
    expect(page.locator(".question-more[open]")).to_have_count(1)
    expect(folds.nth(2)).to_have_attribute("open", "")
    cards.nth(0).get_by_label("Kind of question").select_option("text")
    expect(folds.nth(0)).to_have_attribute("open", "")
    page.get_by_role("button", name="Scale", exact=True).click()
    expect(folds.nth(12)).to_have_attribute("open", "")
    cards.nth(12).get_by_label("Question", exact=True).fill("How good?")
    most = folds.nth(12).locator("[name$='-most']")
    most.fill("")
    most.press("-")  # no number: the browser itself refuses it, and has to show where
    folds.nth(12).locator("summary").first.click()
    page.get_by_role("button", name="Save survey").click()
    expect(most).to_be_focused()
