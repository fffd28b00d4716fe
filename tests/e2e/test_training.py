"""The owner's training and models pages in a browser: why no run has started, a run as it goes and as it ends, a run
that is stopped, and which version answers.

The live part has no race: the test speaks with the voice of a run (``Reporter``), a word at a time, and waits until the
page repeats it; then the real run takes over from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

from labeling.models import Project
from tests.e2e.trained import labeled, train  # noqa: F401 - fixtures
from training import services
from training.models import ModelVersion, TrainingRun
from training.runs import running
from training.runs.progress import Reporter
from training.versions import champions


def claimed(run: TrainingRun) -> Reporter:
    """The run in the hands of a trainer that says only what the test tells it to."""
    mine = running.claim(str(run.pk))
    assert mine is not None
    return Reporter(mine)


def say_epochs(reporter: Reporter, losses: list[float]) -> None:
    """What a fit says at the end of an epoch: all that it has drawn by now."""
    curves = {
        "loss": losses,
        "val_loss": [loss * 1.2 for loss in losses],
        "accuracy": [1 - loss / 2 for loss in losses],
        "val_accuracy": [0.9 - loss / 2 for loss in losses],
    }
    reporter.epoch({"epoch": len(losses), "epochs": 20, "curves": curves})
    reporter.flush()


def test_the_page_says_why_no_run_has_started(visit: Any, labeled: Project, axe: Any) -> None:  # noqa: F811
    services.set_policy(project=labeled, changes={"min_labels_per_category": 25, "min_new_labels": 50})
    page: Page = visit(f"/projects/{labeled.slug}/training/", user=labeled.owner)
    now = page.locator("#training-now")
    expect(now).to_contain_text("Each category needs 25 labels first. Still missing: Circle (5), Square (5).")
    expect(page.get_by_role("heading", name="No run yet")).to_be_visible()
    axe(page)

    services.set_policy(project=labeled, changes={"min_labels_per_category": 8})
    expect(now).to_contain_text("40 of 50 new labels are there; still missing: 10.")  # by itself, no reload
    expect(now.get_by_role("progressbar", name="New labels")).to_be_visible()

    page.reload()
    page.get_by_role("region", name="By itself").get_by_text("Change", exact=True).click()
    page.get_by_label("New labels, at least", exact=True).fill("30")
    page.get_by_role("button", name="Save").click()
    expect(now).to_contain_text("Due now")


def test_an_owner_starts_a_run_and_watches_it_to_its_end(
    visit: Any,
    labeled: Project,  # noqa: F811
    run_actors: Callable[[], int],
    axe: Any,
    fits: Any,
) -> None:
    page: Page = visit(f"/projects/{labeled.slug}/training/", user=labeled.owner, width=360)
    page.get_by_role("region", name="Train now").get_by_role("button", name="Train").click()
    expect(page.locator("#training-now").get_by_text("Queued", exact=True)).to_be_visible()
    expect(page.get_by_role("row", name="Queued")).to_have_count(1)
    page.get_by_role("link", name="Watch this run").click()
    progress = page.get_by_role("region", name="Progress")
    run = TrainingRun.objects.get()

    reporter = claimed(run)
    reporter.stage("features", "Looking at the images.", span=(0.02, 0.5))
    expect(progress.get_by_text("Looking", exact=True)).to_be_visible()
    reporter.stage("fit", "Training the classifier.", span=(0.5, 0.55))
    say_epochs(reporter, [0.9])
    say_epochs(reporter, [0.9, 0.6])
    tile = progress.locator(".tile", has_text="Epoch")
    expect(tile).to_contain_text("2 / 20")
    points = progress.locator(".chart", has_text="Cross-entropy").locator("tbody tr")
    expect(points).to_have_count(2)
    say_epochs(reporter, [0.9, 0.6, 0.4])
    expect(tile).to_contain_text("3 / 20")
    expect(points).to_have_count(3)
    expect(page.locator(".training-log")).to_contain_text("Training the classifier.")
    fits(page)

    running.release(run.pk, reporter.attempt)
    run_actors()
    expect(progress.get_by_text("Succeeded", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="In short")).to_contain_text("images that it had never seen")
    page.get_by_text("All figures, with the field's terms").click()
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    expect(page.locator(".training-log")).to_contain_text("First model")
    expect(page.locator("#run[hx-get]")).to_have_count(0)  # nothing asks any more
    axe(page)
    fits(page)
    page.get_by_role("link", name="Version 1").click()
    expect(page.get_by_role("heading", name="Version 1")).to_contain_text("Champion")


def test_a_running_run_is_stopped_by_its_button(
    visit: Any,
    labeled: Project,  # noqa: F811
    run_actors: Callable[[], int],
) -> None:
    run = services.request_run(project=labeled, cause="person", requested_by=labeled.owner)
    reporter = claimed(run)
    reporter.stage("fit", "Training the classifier.", span=(0.5, 0.55))
    page: Page = visit(f"/projects/{labeled.slug}/training/", user=labeled.owner)
    page.on("dialog", lambda dialog: dialog.accept())
    now = page.locator("#training-now")
    expect(now).to_contain_text("Training now")
    expect(page.get_by_role("row", name="Running")).to_have_count(1)
    now.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Stopping")).to_be_disabled()
    assert TrainingRun.objects.get().cancel_requested

    running.release(run.pk, reporter.attempt)
    run_actors()
    expect(page.get_by_role("region", name="Progress").get_by_text("Cancelled", exact=True)).to_be_visible()
    assert not ModelVersion.objects.exists()
    page.goto(f"/projects/{labeled.slug}/training/")
    expect(page.get_by_role("row", name="Cancelled")).to_have_count(1)


def test_who_watches_a_run_keeps_the_focus_and_is_told_its_stages(
    visit: Any,
    labeled: Project,  # noqa: F811
    axe: Any,
) -> None:
    run = services.request_run(project=labeled, cause="person", requested_by=labeled.owner)
    reporter = claimed(run)
    reporter.stage("features", "Looking at the images.", span=(0.1, 0.5))
    page: Page = visit(f"/projects/{labeled.slug}/training/runs/{run.pk}/", user=labeled.owner)
    cancel, log = page.get_by_role("button", name="Cancel"), page.get_by_role("list", name="Log")
    cancel.focus()
    reporter.stage("fit", "Training the classifier.", span=(0.5, 0.55))
    expect(log).to_contain_text("Training the classifier.")
    expect(cancel).to_be_focused()
    expect(page.locator("#said")).to_have_text("Training")
    say_epochs(reporter, [0.8])
    numbers = page.get_by_text("Show the numbers").nth(1)
    numbers.click()
    page.evaluate(
        "window.shut = 0; (function look() { shut += !document.querySelector('details[open]');"
        " requestAnimationFrame(look) })()"
    )
    log.focus()
    reporter.stage("evaluate", "Measuring it.", span=(0.6, 0.7))
    expect(log).to_contain_text("Measuring it.")
    expect(log).to_be_focused()
    expect(page.locator("details[open] > summary")).to_have_text(["Show the numbers"])
    assert page.evaluate("shut") == 0, "not even while it changed: all below would jump"
    axe(page)


def test_a_failed_run_says_what_to_do(visit: Any, labeled: Project, run_actors: Any, axe: Any) -> None:  # noqa: F811
    run = services.request_run(project=labeled, cause="person", requested_by=labeled.owner)
    labeled.images.all().delete()
    run_actors()
    page: Page = visit(f"/projects/{labeled.slug}/training/runs/{run.pk}/", user=labeled.owner)
    expect(page.get_by_role("alert")).to_contain_text("Every image of the snapshot has been deleted.")
    expect(page.get_by_role("alert")).to_contain_text("Let the crowd label more, then start the run again.")
    axe(page)


def test_an_owner_promotes_a_version_and_rolls_back(
    visit: Any,
    labeled: Project,  # noqa: F811
    train: Callable[..., ModelVersion],  # noqa: F811
    axe: Any,
    fits: Any,
) -> None:
    train()
    train(seed=1)
    page: Page = visit(f"/projects/{labeled.slug}/models/", user=labeled.owner, width=360)
    page.on("dialog", lambda dialog: dialog.accept())
    versions = page.get_by_role("region", name="Versions").locator("tbody tr.noted")
    verdicts = page.get_by_role("region", name="Versions").locator("tbody tr.note")  # below each, with its buttons
    expect(versions).to_have_count(2)
    expect(versions.nth(0)).to_contain_text("Challenger")
    expect(versions.nth(1)).to_contain_text("Champion")
    expect(page.get_by_role("heading", name="How good each version is")).to_be_visible()
    axe(page)
    fits(page)

    verdicts.nth(0).get_by_role("button", name="Promote").click()
    expect(page.get_by_text("Version 2 answers now.")).to_be_visible()
    expect(versions.nth(0)).to_contain_text("Champion")
    assert champions.champion_of(labeled).number == 2

    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("Version 1 answers again.")).to_be_visible()
    expect(versions.nth(1)).to_contain_text("Champion")
    assert champions.champion_of(labeled).number == 1
    expect(page.get_by_role("region", name="Who answered when").get_by_role("listitem")).to_have_count(3)

    page.goto(f"/projects/{labeled.slug}/models/1/")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.emulate_media(media="print")
    text = page.get_by_role("heading", name="Version 1").evaluate("text => getComputedStyle(text).color")
    assert max(int(part) for part in re.findall(r"\d+", text)[:3]) < 80, "dark on paper, whatever the theme"
    expect(page.get_by_role("navigation", name="Project")).to_be_hidden()
    page.emulate_media(media="screen")
    page.goto(f"/projects/{labeled.slug}/models/")

    verdicts.nth(0).get_by_role("button", name="Make challenger").click()
    expect(page.get_by_text("Version 2 is the challenger now.")).to_be_visible()
    expect(versions.nth(0)).to_contain_text("Challenger")
    axe(page)
    fits(page)
    verdicts.nth(0).get_by_role("button", name="Withdraw as challenger").click()
    expect(page.get_by_text("Version 2 is the challenger no longer.")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 900})
    wrap = page.get_by_role("group", name="Versions")
    assert wrap.evaluate("box => box.scrollWidth <= box.clientWidth"), "all buttons are in sight on a common screen"
