"""The playground and the serving page in a browser, with a version that was really trained."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image as Picture
from playwright.sync_api import Page, expect

from inference.engine.routing import routes
from inference.models import Deployment, Sample
from inference.monitoring import stored_reference
from inference.monitoring.traffic import recorder
from labeling.models import ApiKey, Project, Task
from tests.e2e.trained import labeled, train  # noqa: F401 - fixtures
from tests.training.drawing import draw
from training.models import ModelVersion
from training.versions import champions

DROP = """
async ([selector, bytes, type]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "dropped", { type }));
  const zone = document.querySelector(selector);
  for (const kind of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  }
}
"""


@pytest.fixture
def served(train: Callable[..., ModelVersion]) -> Iterator[ModelVersion]:  # noqa: F811
    """The champion, with what it was trained on at hand for comparison.

    What is counted of the traffic is not written: a timer would do it, when the test is over and its rows are gone.
    """
    version = train()
    stored_reference.ensure_reference(version)
    routes.forget()
    recorder.seconds = None
    yield version
    recorder._counts.clear()


def drop(page: Page, data: bytes, kind: str = "image/png") -> None:
    """A file from outside, dropped on the zone."""
    page.evaluate(DROP, ["[data-playground]", list(data), kind])


def test_a_dropped_photo_is_answered_with_bars_a_heat_map_and_its_neighbours(
    visit: Any, served: ModelVersion, axe: Any, fits: Any
) -> None:
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner, width=360)
    drop(page, draw("circle", 1001))
    answer = page.locator("#answer")
    best = answer.locator(".scores li").first
    expect(best).to_contain_text("Circle")
    expect(answer.get_by_role("progressbar")).to_have_count(2)
    shares = [float(text.rstrip(" %\u00a0")) for text in answer.locator(".scores .tabular").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    assert shares[0] > shares[1]
    for picture in (answer.get_by_alt_text("The photo you asked about"), answer.get_by_alt_text("Where the champion")):
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") >= 64
    neighbours = answer.get_by_role("region", name="Nearest training images").locator("img")
    expect(neighbours).to_have_count(6)
    expect(answer.get_by_text("ms", exact=False).first).to_be_visible()
    axe(page)
    fits(page)
    noise = io.BytesIO()
    Picture.effect_noise((160, 160), 120).convert("RGB").save(noise, "PNG")
    drop(page, noise.getvalue())
    expect(answer.get_by_text("No: unlike anything it learned from")).to_be_visible()
    fits(page)


def test_who_has_no_photo_at_hand_asks_about_an_image_that_is_here(
    visit: Any, served: ModelVersion, axe: Any, fits: Any
) -> None:
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner, width=360)
    axe(page)
    page.locator("[name=stored]").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#answer .scores li")).to_have_count(2)
    expect(page.get_by_role("link", name="Everything about this image")).to_be_visible()
    fits(page)


def test_this_is_wrong_makes_the_photo_the_next_task(visit: Any, served: ModelVersion, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(draw("square", 1002))
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner)
    page.get_by_label("A photo to ask about").set_input_files(photo)
    page.get_by_role("button", name="This is wrong").click()
    expect(page.get_by_text("Thank you. The image is now among the next tasks.")).to_be_visible()
    task = Task.objects.filter(project=served.project).order_by("-priority").first()
    assert task is not None
    assert task.state == "open"
    assert Sample.objects.get(reason="wrong").image_id == task.image_id


def test_what_is_no_picture_is_refused_in_words_and_the_next_is_answered(
    visit: Any, served: ModelVersion, tmp_path: Path
) -> None:
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner)
    drop(page, b"not a picture", "application/pdf")
    expect(page.locator("#answer")).to_contain_text("Expected one of JPEG")
    expect(page.locator(".preview")).to_have_count(0)
    drop(page, draw("square", 1003))
    expect(page.locator("#answer .scores li")).to_have_count(2)


def test_who_asks_over_a_broken_line_is_told_and_asks_again(visit: Any, served: ModelVersion) -> None:
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner, watch=False)
    page.context.set_offline(True)
    drop(page, draw("square", 1005))
    expect(page.get_by_text("The server did not take that. Try again.")).to_be_visible()
    page.context.set_offline(False)
    page.get_by_role("button", name="Ask the champion").click()
    expect(page.locator("#answer .scores li")).to_have_count(2)


def test_the_playground_works_without_a_script(visit: Any, served: ModelVersion, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(draw("circle", 1004))
    page: Page = visit(f"/projects/{served.project.slug}/playground/", user=served.project.owner, script=False)
    page.get_by_label("A photo to ask about").set_input_files(photo)
    page.get_by_role("button", name="Ask the champion").click()
    expect(page.locator("#answer .scores li")).to_have_count(2)


def test_the_serving_page_gives_snippets_and_a_key_that_works_until_it_is_revoked(
    visit: Any, served: ModelVersion, axe: Any, fits: Any
) -> None:
    slug = served.project.slug
    page: Page = visit(f"/projects/{slug}/serving/", user=served.project.owner, width=360)
    page.on("dialog", lambda dialog: dialog.accept())
    address = page.evaluate("location.origin") + f"/api/v1/projects/{slug}/predict/"
    snippets = page.get_by_role("region", name="How programs ask")
    expect(snippets.locator("pre").first).to_contain_text(address)
    snippets.get_by_text("JavaScript", exact=True).click()
    expect(snippets.locator("pre").nth(2)).to_be_visible()
    axe(page)
    fits(page)

    page.get_by_role("button", name="CSV, for a spreadsheet").click()
    expect(page.get_by_role("heading", name="Answers")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.go_back()

    page.get_by_role("link", name="make one, or take one back").click()
    page.get_by_label("Name").fill("site")
    expect(page.get_by_label("Ask the classifier")).to_be_checked()
    page.get_by_role("button", name="Make a key").click()
    key = page.locator(".alert pre").inner_text().strip()
    row = ApiKey.objects.get(project=served.project, name="site")
    assert key.startswith(row.prefix)

    def status() -> int:
        photo = {"image": io.BytesIO(draw("circle", 1005))}
        client = Client(headers={"Authorization": f"Token {key}"})
        return client.post(f"/api/v1/projects/{slug}/predict/", photo).status_code

    assert status() == 200
    page.get_by_role("row", name=re.compile("site")).get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("The key does not work any more.")).to_be_visible()
    assert status() == 401


def test_a_challenger_gets_a_share_and_then_the_traffic(
    visit: Any,
    served: ModelVersion,
    train: Callable[..., ModelVersion],  # noqa: F811
) -> None:
    challenger = train(seed=1)
    project: Project = served.project
    page: Page = visit(f"/projects/{project.slug}/serving/", user=project.owner)
    page.on("dialog", lambda dialog: dialog.accept())
    versions = page.get_by_role("region", name="Versions and traffic").locator("tbody tr")
    expect(versions.nth(0)).to_contain_text("Challenger")

    settings = page.get_by_role("region", name="What happens with requests and with images that wait")
    settings.get_by_text("Change", exact=True).click()
    settings.locator("[name=challenger_mode]").select_option("share")
    settings.locator("[name=challenger_share]").fill("0.2")
    settings.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Serving follows the new settings within a second.")).to_be_visible()
    stored = Deployment.of(project.pk)
    assert (stored.challenger_mode, stored.challenger_share) == ("share", 0.2)

    versions.nth(0).get_by_role("button", name="Promote").click()
    expect(page.get_by_text("Version 2 answers now.")).to_be_visible()
    assert champions.champion_of(project) == challenger
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("Version 1 answers again.")).to_be_visible()
    assert champions.champion_of(project) == served
