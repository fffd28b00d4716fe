"""What every browser test shares: one Chromium for the run, a live server on a real database, signed-in pages, axe.

A missing browser skips these tests on a laptop and fails them where CI=true.
"""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image as Picture
from PIL import ImageDraw
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from labeling import services
from labeling.models import Membership, Project

# Playwright's synchronous API runs an event loop in this thread, which Django takes for an asynchronous caller.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The first is Chromium without a window's machinery: the same engine, and a quarter of the work for each page.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Patience for a machine that is busy with other tests; no test waits longer than it has to.
expect.set_options(timeout=60_000)
WIDTHS = {360: 740, 1440: 900}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine, else the one that Playwright has downloaded."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        except PlaywrightError as error:
            reason = f"no Chromium on this machine ({str(error).splitlines()[0]})"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield chromium
        chromium.close()


@dataclass
class Visits:
    """Opens pages: each visit is a browser of its own, signed in as somebody or nobody."""

    browser: Browser
    address: str
    contexts: list[BrowserContext] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __call__(
        self,
        path: str = "/",
        *,
        user: User | None = None,
        width: int = 1440,
        height: int | None = None,
        theme: str = "light",
        touch: bool = False,
        dpr: float = 1,
        script: bool = True,
        watch: bool = True,
        language: str = "en",
    ) -> Page:
        context = self.browser.new_context(
            base_url=self.address,
            viewport={"width": width, "height": height or WIDTHS.get(width, 800)},
            color_scheme="dark" if theme == "dark" else "light",
            has_touch=touch,
            is_mobile=touch,
            device_scale_factor=dpr,
            java_script_enabled=script,
            locale=language,
            reduced_motion="reduce",
        )
        context.set_default_timeout(60_000)
        self.contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[django_settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": cookie, "url": self.address}])
        page = context.new_page()
        if watch:
            page.on("pageerror", lambda error: self.errors.append(str(error)))
            page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.goto(path)
        return page


def answered() -> None:
    """What closed pages had asked for is answered: it would meet the next test's tables and settings."""
    end = time.monotonic() + 60
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < end, "a page is closed, and its request does not end"
        time.sleep(0.005)


@pytest.fixture
def visit(browser: Browser, live_server: Any) -> Iterator[Visits]:
    """``visit("/label/", user=worker)`` -> the page. What a script throws or the console reports fails the test."""
    visits = Visits(browser, live_server.url)
    yield visits
    for context in visits.contexts:
        context.close()
    answered()
    assert not visits.errors, visits.errors


# Only what it refuses comes back: all else that it looks at on a page is megabytes.
RUN_AXE = "rules => axe.run({resultTypes: ['violations'], ...rules}).then(found => found.violations)"
# What axe leaves out where it is folded or in a dialog: each id is given once, each control has one label, and what is
# pointed at is there.
RUN_NAMES = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const ids = all("[id]").map(({ id }) => id);
  const found = ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `two have the id ${id}`);
  for (const control of all("input:not([type=hidden]), select, textarea")) {
    const isNamed = control.ariaLabel || control.hasAttribute("aria-labelledby");
    const isClear = control.labels.length < 2 && (control.labels.length || isNamed);
    if (!isClear) found.push(`no label, or two: ${control.outerHTML.slice(0, 160)}`);
  }
  for (const name of ["aria-describedby", "aria-labelledby", "for"]) {
    for (const element of all(`[${name}]`)) {
      const lost = element.getAttribute(name).split(" ").filter((id) => !ids.includes(id));
      if (lost.length) found.push(`${name} of nothing: ${lost}`);
    }
  }
  return found;
}"""
OF_COLOUR = {"runOnly": ["color-contrast", "link-in-text-block"]}


@pytest.fixture(scope="session")
def axe() -> Callable[..., None]:
    """Assert that a page has no violation of axe-core's rules: ``axe(page)``, or ``axe(page, OF_COLOUR)`` where the
    same page has passed all of them in other colours."""
    from axe_playwright_python.base import AXE_SCRIPT

    def check(page: Page, rules: dict[str, Any] | None = None) -> None:
        if page.evaluate("typeof axe") == "undefined":
            page.evaluate(AXE_SCRIPT)
        told = [
            f"{rule['id']}: {rule['help']} | " + " | ".join(node["html"][:160] for node in rule["nodes"][:3])
            for rule in page.evaluate(RUN_AXE, rules or {})
        ]
        told += page.evaluate(RUN_NAMES)
        assert not told, f"{page.url} at {page.viewport_size}: " + "\n".join(told)

    return check


# In a field with smaller letters, Safari on a phone zooms the page, and leaves it so.
SMALL_LETTERS = """() => matchMedia("(pointer: coarse)").matches
  ? [...document.querySelectorAll("select, textarea, input")]
      .filter((field) => !["hidden", "checkbox", "radio", "file"].includes(field.type))
      .filter((field) => parseFloat(getComputedStyle(field).fontSize) < 16).map((field) => field.outerHTML)
  : []"""


@pytest.fixture
def fits() -> Callable[[Page], None]:
    """Assert that a page does not scroll sideways, and that a phone does not zoom into its fields."""

    def check(page: Page) -> None:
        width = page.evaluate("document.documentElement.scrollWidth")
        assert page.viewport_size is not None
        assert width <= page.viewport_size["width"], f"{page.url} is {width} px wide"
        assert not page.evaluate(SMALL_LETTERS), page.url

    return check


def painted(page: Page) -> None:
    """What the last event changed is laid out and on the screen."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def until(page: Page, true: str, arg: Any = None) -> None:
    """Wait until an expression, or a function of ``arg``, is true in the page.

    Not Playwright's ``wait_for_function``: from its second look on that evaluates a string, which our Content Security
    Policy forbids.
    """
    end = time.monotonic() + 60
    while not page.evaluate(true, arg):
        assert time.monotonic() < end, f"it never became true: {true}"
        time.sleep(0.02)


def happened(page: Page, truth: Callable[[], object]) -> None:
    """Wait until something is true here, such as what a route's handler notes: a handler runs only while Playwright is
    waited for, so one that the page still has to call would never run during a plain sleep."""
    end = time.monotonic() + 60
    while not truth():
        assert time.monotonic() < end, "it never happened"
        page.wait_for_timeout(20)


def lose_first_reply(page: Page, to: str) -> list[int]:
    """The server takes the first request to this address, and nobody hears of it; its status comes into the list."""
    lost: list[int] = []

    def lose(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route(to, lose)
    return lost


def error_of(page: Page, key: str) -> Locator:
    """What a labeling page says is wrong with the answer to a question."""
    return page.locator(f"#q-{key}-error")


def quiet(page: Page) -> None:
    """Fonts and fragments that the page asks for at its start are there, and nothing is under way."""
    page.evaluate("document.fonts.ready.then(() => {})")
    until(page, """() => !document.querySelector('[hx-trigger="load"], .htmx-request')""")
    painted(page)


# What a screen reader is told by the page that comes next: all that is added to a part that speaks.
LISTEN = """addEventListener("DOMContentLoaded", () => {
  window.heard = [];
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (!target.closest("[role=status], [role=alert], [aria-live]")) continue;
      heard.push(...[...addedNodes].map((node) => node.textContent));
    }
  }).observe(document.body, { childList: true, subtree: true });
})"""


def heard(page: Page, text: str) -> None:
    """Wait until this was read out since the page came; ``page.add_init_script(LISTEN)`` before it did."""
    until(page, "text => window.heard?.includes(text)", text)


def ready(page: Page) -> None:
    """The task is on the screen and the script waits for an answer."""
    expect(page.locator("#announce")).not_to_be_empty()


def drawn(number: int = 0, width: int = 320, height: int = 240) -> bytes:
    """A small picture, different for each number."""
    picture = Picture.new("RGB", (width, height), (40 + number * 37 % 180, 90, 200 - number * 23 % 150))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.25, height * 0.25, width * 0.75, height * 0.75), fill=(240, 220, number * 61 % 250))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def owner(db: Any) -> User:
    return User.objects.create_user("owner1", password="owner1-password")


@pytest.fixture
def worker(db: Any) -> User:
    return User.objects.create_user("worker1", password="worker1-password")


@pytest.fixture
def make_project(owner: User) -> Callable[..., Project]:
    """``make_project("Animals", images=4, categories=["cat", "dog"])``: an open project with drawn pictures."""

    def make(name: str = "Animals", *, images: int | dict[str, bytes] = 4, **settings: Any) -> Project:
        settings.setdefault("access", "open")
        settings.setdefault("judgments_min", 1)
        if "questions" not in settings:
            settings.setdefault("categories", ["cat", "dog"])
        project = services.create_project(owner=owner, name=name, **settings)
        pictures = images if isinstance(images, dict) else {f"{n}.png": drawn(n) for n in range(images)}
        services.add_images(project=project, images=pictures)
        project.refresh_from_db()
        return project

    return make


@pytest.fixture
def join() -> Callable[[Project, User], Membership]:
    """Make somebody a worker of a project."""
    return lambda project, user: services.ensure_member(project=project, user=user)


@pytest.fixture
def start(visit: Visits, join: Callable[[Project, User], Membership], worker: User) -> Callable[..., Page]:
    """``start(project)``: the worker is in the project, and the first task is on the screen."""

    def make(project: Project, **options: Any) -> Page:
        join(project, worker)
        page = visit(f"/label/{project.slug}/", user=worker, **options)
        ready(page)
        return page

    return make
