"""Sentences that are written down in one language and read in another."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils.translation import override

from labeling import services
from labeling.collecting import rules
from labeling.models import Job, Membership, Project, Rule, RuleEvent
from labeling.text import words
from labeling.text.words import gettext as _
from tests.labeling.conftest import claim, client

HINDI = {"Accept-Language": "hi"}


def is_hindi(text: str) -> bool:
    return any("\u0900" <= letter <= "\u097f" for letter in text)


def test_a_sentence_is_read_in_the_language_of_the_reader_whatever_it_was_written_in() -> None:
    with override("hi"):
        kept = words.stored(_("%(done)s of %(total)s files") % {"done": 3, "total": 9})
    with override("en"):
        assert words.read(kept) == "3 of 9 files"
    with override("hi"):
        assert words.read(kept) == "9 में से 3 फ़ाइलें"


def test_a_sentence_within_a_sentence_is_translated_too() -> None:
    kept = words.stored(_("Failed: %(why)s") % {"why": _("The machine ran out of memory.")})
    with override("hi"):
        assert not set("abcdefghijklmnopqrstuvwxyz") & set(words.read(kept))


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5)])
def test_numbers_stay_numbers(value: Any) -> None:
    said = _("accuracy would fall from %(high).4f to %(low).4f") % {"high": value, "low": value}
    assert words.read(words.stored(said)) == said == "accuracy would fall from 0.5000 to 0.5000"


@pytest.mark.parametrize("text", ["", "plain", "50 % sure", '{"msgid": "%(x)999999999d", "params": {"x": 1}}', "{}"])
def test_plain_text_is_read_as_it_was_written_also_text_that_looks_like_a_stored_sentence(text: str) -> None:
    assert words.read(words.stored(text)) == text


@pytest.mark.parametrize("kept", ['{"msgid": ', '{"msgid": 3}', '{"msgid": "%(x)s and %(y)d", "params": {"x": 1}}'])
def test_what_cannot_be_told_is_shown_and_breaks_nothing(kept: str) -> None:
    assert words.read(kept)


def test_a_sentence_outlives_a_pickle() -> None:
    said = pickle.loads(pickle.dumps(_("%(done)s files") % {"done": 3}))
    with override("hi"):
        assert words.read(words.stored(said)) == "3 फ़ाइलें"


@pytest.mark.django_db
def test_a_row_that_is_read_in_one_language_and_saved_is_still_told_in_another(project: Project) -> None:
    made = Job.objects.create(project=project, kind="export", message=_("Cancelled."), errors=[{"message": "plain"}])
    with override("hi"):
        row = Job.objects.get(pk=made.pk)
        assert row.message == "रद्द किया गया।"
        row.errors.append({"item": "a.zip", "message": _("The row names neither url nor path.")})
        row.save()
    with override("en"):
        row = Job.objects.get(pk=made.pk)
        assert (row.message, [error["message"] for error in row.errors]) == (
            "Cancelled.", ["plain", "The row names neither url nor path."]
        )  # fmt: skip


@pytest.mark.django_db
def test_a_worker_whom_a_rule_pauses_reads_why_in_hindi(
    make_project: Callable[..., Project], worker: User, client: Any
) -> None:
    project = make_project(images=8, access="open", gold_rate=0)
    member = services.ensure_member(project=project, user=worker)
    rule = {"measure": "median_seconds", "window": 2, "comparison": "below", "threshold": 1.0, "action": "pause"}
    services.add_rule(project=project, user=project.owner, **rule)
    for _number in range(2):
        lease = claim(Project.objects.get(pk=project.pk), worker)
        services.submit_judgment(assignment_id=lease.pk, worker=worker, answers={"category": "cat"}, seconds=0.1)

    assert Membership.objects.get(pk=member.pk).paused_because == (
        "Half of your last 2 answers took 0.1 seconds or less. Please look at each image a little longer."
    )
    client.force_login(worker)
    page = client.get(f"/label/{project.slug}/", headers=HINDI).content.decode()
    assert "आपके पिछले 2 उत्तरों में से" in page
    assert "of your last" not in page
    with override("hi"):
        event = RuleEvent.objects.get().description
        assert "कार्यकर्ता को रोकें" in event
        assert "Pause" not in event


@pytest.mark.django_db
def test_a_rule_that_fires_while_hindi_is_spoken_is_read_in_english(project: Project, worker: User) -> None:
    services.add_rule(
        project=project, user=project.owner, measure="skips_in_a_row", window=1, comparison="at_least", threshold=1,
        action="warn",
    )  # fmt: skip
    lease = claim(project, worker)
    with override("hi"):
        services.skip_assignment(assignment_id=lease.pk, worker=worker)
    assert RuleEvent.objects.get().description == "Skips in a row (1) is at least 1: Warn"
    assert Membership.objects.get(user=worker).warning.startswith("Skipped in a row: 1. Where")


def test_a_share_that_a_rule_measured_is_told_in_percent() -> None:
    rule = Rule(measure="agreement", window=3, comparison="below", threshold=0.7)
    for share, percent in ((2 / 3, 66), (29 / 50, 58)):
        assert f"last 3 answers, {percent} % are what others see, too; 70 % are" in rules._why(rule, share)
    rule.comparison = "at_least"
    assert rules._why(rule, 0.9) == "Agreement with the consensus over the last 3: 90\u202f%."


@pytest.mark.django_db
def test_a_refused_claim_tells_the_pause_in_hindi(project: Project, worker: User) -> None:
    member = Membership.objects.get(project=project, user=worker)
    services.pause_worker(member=member, because="", by=project.owner)
    path = f"/api/v1/projects/{project.slug}/assignments/"
    said = [client(worker).post(path, headers=h).json()["error"] for h in ({}, HINDI)]
    assert said[0]["code"] == said[1]["code"] == "worker_paused"
    assert "Paused by the owner." in said[0]["message"]
    assert "Paused by the owner." not in said[1]["message"]
    assert is_hindi(said[1]["message"])


@pytest.mark.django_db
def test_what_the_page_says_of_a_task_that_was_left_is_read_in_hindi(
    project: Project, worker: User, client: Any
) -> None:
    for reason in ("left the page", "My cat sat on it."):
        lease = claim(project, worker)
        services.release_assignment(assignment_id=lease.pk, worker=worker, reason=reason)
    client.force_login(project.owner)
    page = client.get(f"/projects/{project.slug}/images/{lease.task.image_id}/", headers=HINDI).content.decode()
    assert "पृष्ठ छोड़ा" in page
    assert "left the page" not in page
    assert "My cat sat on it." in page
    assert "खुला" in page
