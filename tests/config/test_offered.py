"""Nobody is offered what would be refused: whatever a page leads to, or sends, its reader may."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlparse

import pytest
from django.db import transaction
from django.test import Client

from labeling import services
from labeling.models import Job, Project
from tests.config.test_others_ids import full_project
from tests.labeling.conftest import person

pytestmark = pytest.mark.django_db


class Offers(HTMLParser):
    """The links of a page, the parts that it loads, and its forms: each with what one of its buttons sends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[tuple[str, dict[str, str]]] = []
        self._action: str | None = None
        self._fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        self.links += [of[name] for name in ("href", "hx-get") if name in of and tag != "link"]
        if tag == "form":
            self._action, self._fields = of.get("action", "") if of.get("method") == "post" else None, {}
        elif tag == "input" and of.get("type") == "hidden" and of["name"] != "csrfmiddlewaretoken":
            self._fields[of["name"]] = of.get("value", "")
        elif tag == "button" and of.get("type", "submit") == "submit" and self._action is not None:
            pressed = {of["name"]: of.get("value", "")} if "name" in of else {}
            self.forms.append((of.get("formaction", self._action), self._fields | pressed))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = None


def refusals(browser: Client, project: Project, but: set[str]) -> Iterator[str]:
    start = f"/projects/{project.slug}/"
    todo, seen = [start], {start, *(start + path for path in but)}
    sent: set[tuple[object, ...]] = set()
    while todo:
        page = todo.pop()
        response = browser.get(page)
        if response.status_code in {403, 404}:
            yield f"GET {page}"
        if not response["Content-Type"].startswith("text/html"):
            continue
        offers = Offers(response.content.decode())
        for link in offers.links:
            address = urlparse(urljoin(page, link))
            if address.path.startswith(start) and not address.netloc and address.path not in seen:
                seen.add(address.path)
                todo.append(address._replace(fragment="").geturl())
        for action, fields in offers.forms:
            target = urljoin(page, action)
            if (target, *fields.items()) not in sent and target.startswith(start):
                sent.add((target, *fields.items()))
                with transaction.atomic():
                    if browser.post(target, fields).status_code in {403, 404, 405}:
                        yield f"POST {target} {fields}"
                    transaction.set_rollback(True)
    assert len(seen) > 8  # it went on from the overview


@pytest.mark.parametrize("role", ["reviewer", "manager", "owner"])
def test_nobody_is_offered_what_would_be_refused(role: str) -> None:
    project, names = full_project(person("olga"))
    user = project.owner if role == "owner" else person("rita")
    if role != "owner":
        services.add_member(project=project, username=user.username, role=role)
    browser = Client()
    browser.force_login(user)
    Job.objects.all().delete()  # one without arguments has no page
    of_files = {f"models/{names['version']}/", f"models/{names['version']}/download/"}  # which a row alone has not
    assert list(refusals(browser, project, of_files)) == []
