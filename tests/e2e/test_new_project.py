"""A project is made in a browser, with its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from labeling.models import Project
from tests.e2e.conftest import drawn
from tests.e2e.pointers import drop


def test_a_project_is_made_with_its_pictures_by_keyboard_alone(
    visit: Any, owner: Any, tmp_path: Path, run_actors: Any
) -> None:
    files = []
    for number in range(3):
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(drawn(number))
    page: Page = visit("/projects/new/", user=owner)
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Cats and dogs")
    page.keyboard.press("Tab")  # the starting points
    page.keyboard.press("Tab")
    page.keyboard.type("cat, dog")
    page.locator("input[type=file]").set_input_files(files)
    expect(page.locator(".dropzone output")).to_contain_text("0.png")
    page.get_by_role("button", name="Create project").press("Enter")
    expect(page.get_by_role("heading", name="Images")).to_be_visible()
    run_actors()
    expect(page.locator(".image-tile")).to_have_count(3)  # without a reload: the page hears that the import has ended
    project = Project.objects.get(slug="cats-and-dogs")
    assert [category.key for category in project.categories.all()] == ["cat", "dog"]


def test_a_project_is_made_with_a_dropped_folder_and_told_of_too_many_files(
    visit: Any, owner: Any, tmp_path: Path, run_actors: Any
) -> None:
    for number, kind in enumerate(("cat", "dog")):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        (tmp_path / "photos" / kind / "1.png").write_bytes(drawn(number))
    (tmp_path / "photos" / "notes.txt").write_text("by me")
    page: Page = visit("/projects/new/", user=owner)
    page.get_by_label("Name", exact=True).fill("Cats and dogs")
    page.get_by_role("radio", name="Yes or no").check()
    zone = page.locator(".dropzone")
    drop(page, tmp_path / "photos", zone)
    expect(page.locator(".toast")).to_contain_text("Left out, being no images or archives: 1")
    expect(zone.locator("output")).to_have_text("1.png, 1.png")
    field = zone.locator("input")
    zone.evaluate("zone => { zone.dataset.most = 1; zone.querySelector('input').dispatchEvent(new Event('change')); }")
    assert "any number" in field.evaluate("field => field.validationMessage")
    zone.evaluate("zone => { zone.dataset.most = 2; }")
    drop(page, tmp_path / "photos", zone)
    expect(page.locator("[name=paths]")).to_have_count(2)
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="Images")).to_be_visible()
    run_actors()
    images = Project.objects.get(slug="cats-and-dogs").images.all()
    assert sorted(image.name for image in images) == ["photos/cat/1.png", "photos/dog/1.png"]


def test_too_few_categories_are_said_before_the_pictures_are_sent(visit: Any, owner: Any, tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    path.write_bytes(drawn(1))
    page: Page = visit("/projects/new/", user=owner)
    page.get_by_label("Name", exact=True).fill("Cats and dogs")
    page.locator("input[type=file]").set_input_files(path)
    field = page.get_by_role("textbox", name="Categories")
    field.fill("cat, cat")
    page.get_by_role("button", name="Create project").click()
    expect(field).to_be_focused()
    assert field.evaluate("field => field.validationMessage") == "Name at least two categories."
    assert page.locator("input[type=file]").evaluate("field => field.files.length") == 1
    page.get_by_role("radio", name="Yes or no").check()  # it asks for no categories
    with page.expect_navigation():
        page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="Images")).to_be_visible()
