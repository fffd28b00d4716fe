"""The overview without a browser: what to do next, what a spent budget leaves, and how far people agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from labeling import figures, services
from labeling.consensus import fitting
from labeling.models import Consensus, Job, Judgment, Membership, Project, Question, Task
from labeling.views.owner import by_question, overview
from tests.labeling.conftest import answer, claim, person, picture
from tests.labeling.views.owner.conftest import judged

pytestmark = pytest.mark.django_db
Make = Callable[..., Project]


def text_of(client: Client, path: str) -> str:
    cache.clear()
    return " ".join(client.get(path).content.decode().split())


def test_what_the_end_of_the_budget_cut_short_is_not_called_finished(
    make_project: Make, owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=5, price_per_judgment=Decimal("0.10"), budget=Decimal("0.20"), judgments_max=1)
    for _task in range(2):
        answer(project, project.owner)
    run_actors()
    page = text_of(owning, f"/projects/{project.slug}/")
    assert "<dd>40 %</dd>" in page
    assert "2 of 5 tasks · 3 cut short by the budget" in page
    assert f'href="/projects/{project.slug}/settings/#id_budget"' in page
    page = text_of(owning, "/projects/")
    assert "The budget is spent" in page
    assert 'class="progress" max="1" value="0.4000"' in page
    project.refresh_from_db()
    assert figures.cost(project)["judgments_to_finish"] == 3  # what raising the budget has to pay for
    services.change_project(project=project, user=project.owner, price_per_judgment=0, budget=None)
    assert "Cost so far" in text_of(owning, f"/projects/{project.slug}/")
    assert "Earned" in text_of(owning, f"/projects/{project.slug}/workers/")


def test_an_owner_whose_budget_will_not_last_is_told_how_far_it_goes_and_what_to_change(
    make_project: Make, owning: Client, run_actors: Callable[[], int]
) -> None:
    project = make_project(images=5, price_per_judgment=Decimal("0.10"), budget=Decimal("0.30"), judgments_max=1)
    answer(project, project.owner)
    page = text_of(owning, f"/projects/{project.slug}/activity/")
    assert "to finish takes about 0.40, and 0.20 is left. It ends with about 60 % finished." in page
    assert f'href="/projects/{project.slug}/settings/#id_budget"' in page
    for _task in range(2):
        answer(project, project.owner)
    run_actors()
    assert "will not last" not in text_of(owning, f"/projects/{project.slug}/activity/")
    assert "<dd>60 %</dd>" in text_of(owning, f"/projects/{project.slug}/")


def test_the_plot_of_labels_says_that_there_are_more(
    make_project: Make, owning: Client, run_actors: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(images=2, judgments_max=1)
    for said in ("cat", "dog"):
        answer(project, project.owner, said)
    run_actors()
    page = f"/projects/{project.slug}/activity/"
    assert "most common" not in text_of(owning, page)
    monkeypatch.setattr(by_question, "ANSWERS_SHOWN", 1)
    assert "The 1 most common of 2 answers." in text_of(owning, page)


def test_a_reviewer_is_told_that_nobody_is_handed_a_task_without_a_link_to_settings_that_are_not_theirs(
    make_project: Make, signed_in: Callable[[User], Client]
) -> None:
    project = make_project(is_paused=True, price_per_judgment=1, budget=0)
    reviewer = person("rita")
    services.add_member(project=project, username="rita", role="reviewer")
    page = text_of(signed_in(reviewer), f"/projects/{project.slug}/")
    assert "The project is paused" in page
    assert "The budget is spent" in page
    assert f"/projects/{project.slug}/settings/" not in page


def test_a_survey_of_several_questions_shows_how_far_people_agree_on_each(make_project: Make, owning: Client) -> None:
    asked = [
        {"key": "cat", "kind": "yes_no", "prompt": "Is it a cat?"},
        {"key": "say", "kind": "text"},
    ]
    project = make_project(images=1, questions=asked, judgments_min=2)
    for user, said in ((project.owner, True), (person("wanda"), False)):
        services.ensure_member(project=project, user=user)
        lease = claim(project, user)
        services.submit_judgment(assignment_id=lease.pk, worker=user, answers={"cat": said, "say": "so"})
    fitting.fit_project(project.pk)
    page = text_of(owning, f"/projects/{project.slug}/activity/")
    link = f'<a href="/projects/{project.slug}/labels/?question=cat">Is it a cat?</a>'
    assert '</th><td class="num">1</td>' in page.split(link)[1].split("</tr>")[0]
    assert '<td class="num">-1.00</td><td class="num">–</td></tr>' in page  # Fleiss' kappa; a pair shares one task
    services.replace_survey(project=project, user=project.owner, questions=asked[:1])
    assert link in text_of(owning, f"/projects/{project.slug}/activity/")  # the tiles tell of no kappa
    services.replace_survey(project=project, user=project.owner, questions=asked[1:])
    assert "Agreement by question" not in text_of(owning, f"/projects/{project.slug}/activity/")


def test_agreement_is_told_by_the_language_in_which_a_question_was_shown(make_project: Make, owning: Client) -> None:
    words = {"hi": {"categories": {"cat": {"name": "बिल्ली"}}}}
    project = make_project(images=4, judgments_min=3, language="en", wordings=words)
    for name, said in (("anna", "cat"), ("ben", "cat"), ("hari", "dog")):
        user = person(name)
        services.ensure_member(project=project, user=user)
        for _task in range(4):
            answer(project, user, said)
    services.add_images(project=project, images={"alone.png": picture(9)})
    answer(project, user, "dog")  # nobody else has answered that one: the answer is the label
    assert "Agreement by language" not in text_of(owning, f"/projects/{project.slug}/activity/")
    Judgment.objects.update(language="en")
    Judgment.objects.filter(worker__username="hari").update(language="hi")
    page = text_of(owning, f"/projects/{project.slug}/activity/")
    assert "Agreement by language" in page
    assert figures.by_language(Question.objects.get(project=project)) == {"en": (8, 8), "hi": (4, 0)}


def test_a_judgment_of_a_clock_that_was_ahead_does_not_stretch_the_plot_over_time(make_project: Make) -> None:
    project = make_project(images=3)
    told = [answer(project, project.owner) for _task in range(3)]
    Judgment.objects.filter(pk=told[1].pk).update(created_at=told[1].created_at + timedelta(days=3))
    plot = overview._labels_over_time(project)
    assert len(plot.rows) <= 60
    assert sum(int(row[1]) for row in plot.rows) == 2


def test_an_owner_who_stops_by_imagenets_table_sees_what_it_asks_for_and_why_there_is_none(
    make_project: Make, owning: Client
) -> None:
    project = make_project(images=1, judgments_max=7, stopping="imagenet", confidence=0.9)
    answer(project, project.owner)
    page = f"/projects/{project.slug}/activity/"
    assert "with 10 answers or more, and at most 7 people are asked" in text_of(owning, page)
    cache.clear()
    Question.objects.update(fit={"table": {"cat": {"1,0": 0.8, "2,0": 0.95}, "dog": {"1,0": 0.5}}})
    assert "are enough. cat: 2, dog: none yet" in text_of(owning, page)


def test_an_owner_is_shown_whether_people_follow_suggestions(make_project: Make, owning: Client) -> None:
    project = make_project(images=1)
    answer(project, project.owner)
    found = {"agree_shown": 0.9, "agree_blind": 0.6, "interval": [0.1, 0.5]}
    Question.objects.update(fit={"figures": {"anchoring": found}})
    page = text_of(owning, f"/projects/{project.slug}/activity/")
    assert "on 90 % of the tasks where they see it, and on 60 % where they do not" in page
    assert "The suggestion sways them" in page


def test_an_owner_sees_how_often_labels_are_right_on_hidden_gold_where_there_is_enough_of_it(
    make_project: Make, owning: Client
) -> None:
    project = make_project(images=1)
    answer(project, project.owner)
    cases = ((50, 38, 46.1, True, True), (50, 45, 46.1, True, False), (9, 2, 8, False, False))
    for tasks, right, expected, is_told, warns in cases:
        found = {"tasks": tasks, "right": right, "expected": expected, "sure": 30.2, "sure_right": 26}
        found |= {"favourites_right": 2, "winners_right": 6}
        figures = {"gold": found, "warning": True, "differs_from_majority": 0.2}
        Question.objects.update(fit={"figures": figures, "fit": {"excess": 0.0} if is_told else {"coarse": True}})
        cache.clear()
        page = text_of(owning, f"/projects/{project.slug}/activity/")
        told = f"people alone would label {right} right; by how sure their labels are, it should be 46."
        assert (told in page) is is_told
        assert ("Of 30 whose label would be at least 95 % sure, 26 are right." in page) is is_told
        assert "it was right on 2, the majority on 6." in page
        assert "The labels follow it on 20.0 % of the tasks, where it is sure enough." in page
        assert ("Say what is right on 10 of them (0 so far)" in page) is is_told
        assert ("People make the same mistakes" in page) is warns
        assert (f"/projects/{project.slug}/review/?differs=category" in page) is is_told
        assert f"/projects/{project.slug}/labels/?differs=1" in page


def test_an_owner_whose_images_are_on_their_way_in_is_not_asked_for_the_first_ones(
    make_project: Make, owning: Client
) -> None:
    project = make_project(images=0)
    job = Job.objects.create(project=project, kind="import_images", state=Job.State.RUNNING)
    page = text_of(owning, f"/projects/{project.slug}/")
    assert "Images are on their way in" in page
    assert "Add the first images" not in page
    Job.objects.filter(pk=job.pk).update(state=Job.State.SUCCEEDED)
    assert "Add the first images" in text_of(owning, f"/projects/{project.slug}/")


def test_an_owner_is_told_that_a_budget_without_a_price_is_never_spent(make_project: Make, owning: Client) -> None:
    project = make_project(budget=50)
    told = "A judgment has no price, so the budget is never spent"
    assert told in text_of(owning, f"/projects/{project.slug}/")
    services.change_project(project=project, user=project.owner, price_per_judgment=Decimal("0.05"))
    assert told not in text_of(owning, f"/projects/{project.slug}/")


def test_what_a_bad_worker_says_is_counted_for_nothing_and_in_full_again(make_project: Make, owning: Client) -> None:
    project = make_project()
    member = services.ensure_member(project=project, user=person("wanda"))
    address = f"/projects/{project.slug}/workers/{member.pk}/"
    assert "Count for nothing" in text_of(owning, address)
    for action, weight in (("discount", 0.0), ("weight", 1.0)):
        assert owning.post(f"{address}change/", {"action": action}).status_code == 302
        assert Membership.objects.get(pk=member.pk).weight == weight


def test_the_plot_of_people_says_where_it_draws_only_some(
    make_project: Make, owning: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    for name in ("anna", "ben"):
        services.ensure_member(project=project, user=person(name))
    Membership.objects.filter(project=project).update(judgment_count=5, seconds=5.0, accuracy=0.5)
    address, told = f"/projects/{project.slug}/workers/", "those with the most judgments are here"
    assert told not in text_of(owning, address)
    monkeypatch.setattr("labeling.views.owner.workers.MOST_DRAWN", 1)
    assert told in text_of(owning, address)


def test_an_owner_whom_a_rule_has_paused_lets_herself_go_on(make_project: Make, owning: Client) -> None:
    project = make_project()
    member = services.ensure_member(project=project, user=project.owner)
    Membership.objects.filter(pk=member.pk).update(is_paused=True, weight=0.5)
    address = f"/projects/{project.slug}/workers/{member.pk}/"
    page = text_of(owning, address)
    assert "Let them go on" in page
    assert "Take out" not in page
    for action in ("resume", "weight"):
        owning.post(f"{address}change/", {"action": action})
    member.refresh_from_db()
    assert (member.is_paused, member.weight) == (False, 1.0)


def test_who_mends_a_survey_that_was_answered_is_told_how_to_ask_again(make_project: Make, owning: Client) -> None:
    project = make_project()
    answer(project, project.owner)
    address = f"/projects/{project.slug}/settings/survey/"
    form = {"q": "0", "0-key": "category", "0-kind": "single_choice", "0-prompt": "Which animal?", "action": "save"}
    page = owning.post(address, form, follow=True).content.decode()
    assert "Saved as a new version" in page
    assert "Change tasks, on the Labels page" in page


def test_the_overview_says_what_to_do_next(make_project: Make, owning: Client) -> None:
    empty = make_project(images=0)
    assert "Add the first images" in owning.get(f"/projects/{empty.slug}/").content.decode()
    disputed = make_project(name="Disputed", images=1, judgments_max=2, confidence=0.99)
    judged(disputed, 2, ("cat", "dog"))
    page = owning.get(f"/projects/{disputed.slug}/").content.decode()
    assert "1 disputed task waits for your decision" in page
    assert "Add more images, if they are too few" in page  # the crowd has nothing left to do for a model
    assert "Bring in labels" not in page


def test_before_the_first_judgment_the_overview_shows_steps_instead_of_empty_figures(
    make_project: Make, owning: Client
) -> None:
    empty = make_project(images=0)
    assert 'class="tile"' not in owning.get(f"/projects/{empty.slug}/activity/").content.decode()
    fresh = make_project(name="Fresh", access="open", price_per_judgment="0.10")
    page = owning.get(f"/projects/{fresh.slug}/").content.decode()
    assert "Invite people</a>" in owning.get(f"/projects/{fresh.slug}/images/").content.decode()
    assert "Invite people to label<" in page  # it is open to everyone already
    assert f'href="/label/{fresh.slug}/"><svg' in page
    assert "Bring in labels that you have already" in page
    assert "Say what counts as what" in page
    fresh.categories.filter(key="cat").update(description="Not a lynx.")
    assert "Say what counts as what" not in owning.get(f"/projects/{fresh.slug}/").content.decode()
    activity = owning.get(f"/projects/{fresh.slug}/activity/").content.decode()
    assert "To finish" in activity
    assert "Certainty" not in activity
    assert "Nothing to draw yet" not in activity


def test_the_overview_says_how_many_labels_may_be_wrong(make_project: Make, owning: Client) -> None:
    project = make_project(images=3, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    mean = sum(Consensus.objects.values_list("confidence", flat=True)) / 3
    page = owning.get(f"/projects/{project.slug}/activity/").content.decode()
    assert f"about {round((1 - mean) * 3)} of 3 labels may be wrong" in page
    assert "Cost so far" not in owning.get(f"/projects/{project.slug}/").content.decode()  # nothing costs anything here


def test_the_overview_says_how_far_people_agree_as_the_question_can_tell(make_project: Make, owning: Client) -> None:
    drawn = make_project(name="Drawn", questions=[{"key": "category", "kind": "boxes"}])
    box: Any = [{"category": "cat", "box": [1, 1, 8, 8]}]
    judged(drawn, 2, (box,))
    alone = make_project(name="Alone", questions=[{"key": "category", "kind": "boxes"}])
    judged(alone, 1, (box,))
    alike = make_project(name="Alike")
    judged(alike, 2, ("cat", "cat"))
    waits = owning.get(f"/projects/{alike.slug}/activity/").content.decode()
    for project in (drawn, alone, alike):
        fitting.fit_project(project.pk)
    assert "after the first fit" in waits
    cache.clear()  # a few seconds
    page = owning.get(f"/projects/{drawn.slug}/activity/").content.decode()
    assert '<dt>Agreement</dt><dd>100\u202f%</dd><dd class="note">mean overlap (IoU)' in page
    page = owning.get(f"/projects/{alone.slug}/activity/").content.decode()
    assert '<dt>Agreement</dt><dd>–</dd><dd class="note"></dd>' in page  # who drew agrees with nobody else
    page = owning.get(f"/projects/{alike.slug}/activity/").content.decode()
    assert '<dt>Agreement</dt><dd>100\u202f%</dd><dd class="note"></dd>' in page  # one answer alone shows no alpha


def test_gold_is_no_next_step_where_every_task_is_finished(project: Project, owning: Client) -> None:
    address = f"/projects/{project.slug}/"
    assert "how far to trust labels" in owning.get(address).content.decode()
    for task in Task.objects.filter(project=project):
        services.retire_task(task=task, user=project.owner)
    page = owning.get(address).content.decode()
    assert "Every task is finished" in page
    assert "how far to trust labels" not in page
