"""A survey in several languages: what a worker sees of it, and how an owner words it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labeling import services
from labeling.models import Assignment, SurveyVersion
from tests.e2e.conftest import ready
from tests.e2e.test_labeling import loaded_ahead, moved_on, shown, stored

ARABIC = {
    "instructions": "انظر جيدًا.",
    "questions": {"tame": {"prompt": "هل هو أليف؟"}},
    "answers": {"yes": "نعم", "no": "لا", "cant_tell": "لا أعرف"},
}
TAME = {"key": "tame", "kind": "yes_no", "prompt": "Is it tame?", "help_text": "Look.", "cant_tell": True}


@pytest.fixture
def worded(make_project):
    return make_project(
        questions=[TAME], images=6, instructions="Look well.", language="en", wordings={"ar": ARABIC}
    )  # fmt: skip


@pytest.mark.parametrize("width", [360, 1440])
def test_a_worker_reads_arabic_from_right_to_left_and_chooses_another_language(worded, start, axe, fits, width):
    page = start(worded, width=width, language="ar")
    legend = page.locator("legend > span").first
    expect(legend).to_have_text("هل هو أليف؟")
    assert [legend.get_attribute(name) for name in ("lang", "dir")] == ["ar", "rtl"]
    help_text = page.locator(".help > span")
    assert [help_text.get_attribute(name) for name in ("lang", "dir")] == ["en", "ltr"]
    assert page.locator("#questions").evaluate("node => getComputedStyle(node).direction") == "rtl"
    expect(page.locator(".choice .name")).to_have_text(["نعم", "لا", "لا أعرف"])
    fits(page)
    axe(page)
    page.keyboard.press("i")
    expect(page.locator("#instructions .prose")).to_have_attribute("dir", "rtl")
    page.keyboard.press("Escape")
    page.locator(".task-bar .menu summary").click()
    fits(page)
    axe(page)
    page.get_by_role("button", name="English").click()
    ready(page)
    expect(page.locator("legend > span").first).to_have_text("Is it tame?")
    expect(page.locator("#questions")).to_have_attribute("dir", "ltr")


def test_an_answer_tells_the_language_that_it_was_shown_in_however_late_it_arrives(worded, start):
    page = start(worded, language="ar", watch=False)
    loaded_ahead(page, 2)
    page.context.set_offline(True)
    before = shown(page)
    page.keyboard.press("1")
    moved_on(page, before)
    page.context.set_extra_http_headers({"Accept-Language": "en"})
    page.context.set_offline(False)
    assert [(row.answers, row.language) for row in stored(worded, 1)] == [({"tame": True}, "ar")]


def test_what_stands_in_the_form_and_what_is_leased_stay_when_the_language_is_switched(make_project, start):
    animals = [{"key": f"a{n}", "name": f"Animal {n}"} for n in range(30)]
    which = {"key": "which", "kind": "single_choice", "prompt": "Which?", "choices": animals, "required": False}
    arabic = {**ARABIC, "questions": {"which": {"choices": {f"a{n}": f"حيوان {n}" for n in range(30)}}}}
    project = make_project(questions=[TAME, which], images=6, language="en", wordings={"ar": arabic})
    page = start(project, language="ar", watch=False)
    loaded_ahead(page, 2)
    leased = list(Assignment.objects.filter(project=project).order_by("pk").values_list("pk", "state"))
    page.locator(".choice", has_text="نعم").click()
    page.get_by_role("combobox").fill("animal 17")
    page.get_by_role("option", name="حيوان 17").click()
    page.context.set_offline(True)
    page.locator(".task-bar .menu summary").click()
    page.get_by_role("button", name="English").click()
    expect(page.locator("#toasts")).to_contain_text("No connection")
    page.context.set_offline(False)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("combobox")).to_have_value("Animal 17")
    loaded_ahead(page, 2)
    assert list(Assignment.objects.filter(project=project).order_by("pk").values_list("pk", "state")) == leased
    page.locator("#submit").click()
    row = stored(project, 1)[0]
    assert (row.answers, row.language) == ({"tame": True, "which": "a17"}, "en")


def test_a_page_without_scripts_and_a_grid_tell_the_language_too(worded, join, worker, visit):
    join(worded, worker)
    page = visit(f"/label/{worded.slug}/", user=worker, script=False, language="ar")
    page.locator(".choice", has_text="نعم").click()
    assert stored(worded, 1)[0].language == "ar"
    page.goto(f"/label/{worded.slug}/grid/")
    expect(page.locator("h1")).to_have_text("هل هو أليف؟")
    page.locator("#grid button").click()
    assert {row.language for row in stored(worded, 6)} == {"ar"}


@pytest.mark.parametrize("width", [360, 600, 1440])
def test_the_menus_in_a_pages_head_lie_in_the_window(worded, join, owner, worker, visit, fits, width):
    member = join(worded, worker)
    of_project = f"/projects/{worded.slug}"
    of_image, of_worker = f"{of_project}/images/{worded.images.first().pk}/", f"{of_project}/workers/{member.pk}/"
    for path, user in ((f"/label/{worded.slug}/grid/", worker), (of_image, owner), (of_worker, owner)):
        page = visit(path, user=user, width=width)
        page.locator(".page-head .menu summary").click()
        expect(page.locator(".page-head .menu .panel")).to_be_in_viewport(ratio=1)
        fits(page)


@pytest.mark.parametrize("width", [360, 1440])
def test_an_owner_words_a_survey_beside_its_original_and_sees_it_so(make_project, owner, visit, axe, fits, width):
    project = make_project(questions=[TAME], instructions="Look well.", languages=["en"])
    page = visit(f"/projects/{project.slug}/settings/survey/", user=owner, width=width)
    page.get_by_role("link", name="Ask in other languages").click()
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Another language").select_option("ar")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("0 of 6 texts")).to_be_visible()
    fits(page)
    axe(page)
    field = page.get_by_role("textbox", name="Question Is it tame?")
    assert [field.get_attribute(name) for name in ("lang", "dir")] == ["ar", "rtl"]
    field.fill("هل هو أليف؟")
    preview = page.frame_locator(".preview-frame iframe >> nth=-1")
    expect(preview.locator("legend > span").first).to_have_text("هل هو أليف؟")
    expect(preview.locator("#questions")).to_have_attribute("dir", "rtl")
    page.locator("[name='answers/yes']").fill("نعم")
    page.locator("#builder").get_by_role("button", name="Save").click()
    expect(page.get_by_text("2 of 6 texts").first).to_be_visible()
    project.refresh_from_db()
    stored_words = SurveyVersion.objects.get(project=project, version=project.survey_version).document
    assert stored_words["translations"] == {
        "ar": {"questions": {"tame": {"prompt": "هل هو أليف؟"}}, "answers": {"yes": "نعم"}}
    }
    assert project.languages == ["en", "ar"]
    services.replace_survey(project=project, user=owner, questions=[{**TAME, "prompt": "Is it quite tame?"}])
    page.reload()
    expect(page.get_by_text("The original has changed since")).to_be_visible()
    fits(page)
    axe(page)


def test_each_name_of_a_control_is_said_once_and_in_the_pages_language(make_project, start):
    place = {"key": "place", "kind": "boxes", "prompt": "Where?", "options": {"choices": ["it"]}}
    page = start(make_project(questions=[place], images=1, instructions="Look well."), language="hi")
    expect(page.get_by_role("button", name="निर्देश", exact=True)).to_be_visible()
    page.get_by_role("button", name="नया बक्सा").click()
    expect(page.get_by_role("spinbutton", name="बक्सा 1: चौड़ाई")).to_be_visible()


def test_what_is_read_out_of_a_survey_is_marked_with_its_language(make_project, start):
    place = {"key": "place", "kind": "boxes", "prompt": "أين هو؟", "options": {"choices": ["قط"]}}
    count = {"key": "count", "kind": "number", "prompt": "كم؟", "required": False, "options": {"unit": "رجل"}}
    project = make_project(questions=[place, count], images=1)
    services.replace_survey(project=project, user=project.owner, language="ar")
    page = start(project, language="hi")
    read = page.locator("#announce [lang]")
    expect(read).to_have_text("أين هو؟")
    assert read.get_attribute("lang") == "ar"
    page.get_by_role("button", name="नया बक्सा").click()
    assert page.get_by_role("combobox", name="बक्सा 1").get_by_role("option").get_attribute("lang") == "ar"
    expect(page.get_by_role("spinbutton", name="كم؟")).to_have_accessible_description("رجل")
