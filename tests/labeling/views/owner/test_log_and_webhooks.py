"""What the owner reads of changes that were made, and of events that were sent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from labeling import services
from labeling.models import Project, Task
from labeling.services.oversight import EVENTS
from labeling.views.owner import oversight
from labeling.webhooks import signature
from tests.labeling.views.owner.test_pages import text


def test_a_webhook_whose_program_fails_is_no_good_one_and_the_page_says_when_it_is_tried_again(
    project: Project, owning: Client
) -> None:
    hooks = [
        services.add_webhook(project=project, user=project.owner, url=f"https://example.org/{name}")
        for name in ("well", "failing")
    ]
    due = timezone.now() + timedelta(minutes=5)
    tried = {"attempts": 2, "status_code": 500, "error": "It answered 500; 2xx was expected.", "next_at": due}
    hooks[1].deliveries.create(event="job.finished", payload={}, **tried)
    page = owning.get(f"/projects/{project.slug}/settings/webhooks/")
    assert [hook.refused for hook in page.context["webhooks"]] == [0, 1]
    assert "Next try" in text(page)
    assert "500 It answered" not in text(page)
    # Its card, the card's name, the field to change it, and beside the event.
    assert text(page).count("https://example.org/failing") == 4
    in_hindi = owning.get(page.request["PATH_INFO"], headers={"accept-language": "hi"})
    assert "from now" not in text(in_hindi)


def test_the_page_tells_at_once_of_an_address_where_nothing_will_be_sent(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/settings/webhooks/"
    page = owning.post(address, {"url": "http://192.168.1.7/told"}, follow=True)
    assert "Nothing will be sent there: 192.168.1.7 is not on the public internet." in text(page)
    promise = "is told of what happens from now on"
    assert promise not in text(page)
    page = owning.post(address, {"url": "https://hooks.example/told"}, follow=True)
    assert text(page).count("Nothing will be sent") == text(page).count(promise) == 1


def test_the_check_of_a_signature_that_the_page_shows_is_right() -> None:
    shown: dict[str, Any] = {}
    exec(oversight.CHECK, shown)  # as whoever copies it
    header = signature("secret", b"{}", 1_700_000_000)
    assert shown["is_genuine"]("secret", header, b"{}")
    assert not shown["is_genuine"]("secret", header, b"{ }")
    assert not shown["is_genuine"]("another", header, b"{}")


def test_the_log_shows_long_texts_where_they_differ(project: Project, owning: Client) -> None:
    long = "Look at all of the picture before you answer. " * 4
    services.change_project(project=project, user=project.owner, instructions=long)
    services.change_project(project=project, user=project.owner, instructions=f"{long}In doubt, skip.")
    [_name, before, after] = owning.get(f"/projects/{project.slug}/settings/log/").context["entries"][0][2][0]
    assert (before, after) == ("… before you answer. ", "… before you answer. In doubt, skip.")


def test_the_log_says_shares_as_percentages_as_the_pages_do_where_they_are_set(
    project: Project, owning: Client
) -> None:
    rule = services.add_rule(
        project=project, user=project.owner, measure="agreement", window=20, threshold=0.6, action="warn"
    )
    services.change_rule(rule=rule, user=project.owner, threshold=0.625)
    services.add_rule(
        project=project, user=project.owner, measure="median_seconds", window=5, threshold=0.6, action="warn"
    )
    services.change_project(project=project, user=project.owner, confidence=0.9, gold_rate=0.05)
    entries = owning.get(f"/projects/{project.slug}/settings/log/").context["entries"]
    settings, seconds, changed, added = [{str(row[0]): row[1:] for row in entry[2]} for entry in entries[:4]]
    assert (settings["Sure enough at"][1], settings["Share of hidden gold"][1]) == ("90 %", "5 %")
    assert (seconds["Threshold"], changed["Threshold"]) == ((None, "0.6"), ("60\u202f%", "62.5\u202f%"))
    assert added["Threshold"] == (None, "60\u202f%")


def test_the_log_says_what_was_changed_in_the_survey_and_which_answer_is_known(
    project: Project, owning: Client
) -> None:
    task = Task.objects.filter(project=project).earliest("pk")
    services.set_gold(task=task, answers="cat", user=project.owner)
    services.set_gold(task=task, answers="dog", user=project.owner)
    cat = project.categories.get(key="cat")
    services.change_category(category=cat, user=project.owner, changes={"name": "house cat"})
    entries = owning.get(f"/projects/{project.slug}/settings/log/").context["entries"]
    renamed, known = [
        [(str(name), *pair) for name, *pair in changes] for _entry, _action, changes, _image in entries[:2]
    ]
    assert ("cat: Name", "cat", "house cat") in renamed
    assert ("Answers", "category: cat", "category: dog") in known


def test_each_event_has_its_words_beside_the_box_that_chooses_it(project: Project, owning: Client) -> None:
    page = owning.get(f"/projects/{project.slug}/settings/webhooks/").content.decode()
    for event, words in EVENTS.items():
        assert re.search(rf'value="{event}">.*?{re.escape(str(words))}', page)


def test_who_is_added_again_gets_another_key_and_is_told_so(project: Project, owning: Client) -> None:
    pages = [
        owning.post(f"/projects/{project.slug}/workers/add/", {"username": "crowd"}).content.decode() for _ in range(2)
    ]
    assert ["Another key of crowd" in page for page in pages] == [False, True]
