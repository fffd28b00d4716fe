"""The pages on which a reviewer decides."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from labeling import services
from labeling.collecting import tasks
from labeling.consensus import fitting
from labeling.models import Consensus, Judgment, Project, Question
from labeling.views.owner.answers import sides
from tests.labeling.conftest import claim, person
from tests.labeling.views.owner.conftest import judged
from tests.labeling.views.owner.test_pages import text


def test_a_reviewer_decides_a_disputed_task(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=1, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    page = owning.get(f"/projects/{project.slug}/review/")
    task = page.context["task"]
    options = [option["text"] for option in page.context["choices"][0][1]]
    assert set(options) == {"cat", "dog"}
    owning.post(f"/projects/{project.slug}/review/{task.pk}/", {"answer-category": '"dog"'})
    consensus = Consensus.objects.get(task=task)
    assert (consensus.answer, consensus.decided_by) == ("dog", project.owner)
    assert "Nothing is disputed" in text(owning.get(f"/projects/{project.slug}/review/"))


def test_a_link_to_a_task_that_is_gone_is_told_so(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=1)
    page = text(owning.get(f"/projects/{project.slug}/review/?task=987654321"))
    assert "There is no such task" in page
    assert "Nothing is disputed" not in page


def test_a_small_picture_is_shown_large_enough_to_judge(make_project: Callable[..., Project], owning: Client) -> None:
    project = make_project(images=1, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    image = project.images.get()
    times = 320 // max(image.width, image.height)
    assert times > 1
    assert f"inline-size: min({times} * {image.width}px, " in text(owning.get(f"/projects/{project.slug}/review/"))


def test_spellings_of_one_text_are_one_choice_with_all_its_votes() -> None:
    said = [Judgment(answers={"seen": each}) for each in ("Red  fox", "red fox", "cat", "cant_tell", "red fox", "Cat ")]
    told = sides(Question(key="seen", kind="text"), said, "red fox", {})
    assert [(side.answer, len(side.judgments), side.is_consensus) for side in told] == [
        ("red fox", 3, True),
        ("cat", 2, False),
        ("cant_tell", 1, False),
    ]


def test_a_category_that_is_gone_is_no_choice_of_a_reviewer_and_no_gold(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    task = project.tasks.get()
    services.replace_survey(project=project, user=project.owner, categories=["cat", "horse"])
    page = owning.get(f"/projects/{project.slug}/review/?task={task.pk}")
    assert [option["text"] for option in page.context["choices"][0][1]] == ["cat", "horse"]
    told = owning.get(f"/projects/{project.slug}/images/{task.image_id}/").context["stories"][0].verdicts[0]
    assert [side.text for side in told.golds] == ["cat", "horse"]
    assert [side.text for side in told.sides] == ["cat", "dog"]  # what was said is shown as it was


def test_a_reviewer_goes_back_to_the_one_before_and_decides_it_anew(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=2, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    address = f"/projects/{project.slug}/review/"
    first = owning.get(address).context["task"]
    response = owning.post(f"{address}{first.pk}/", {"answer-category": '"dog"'}, follow=True)
    assert response.context["task"] != first
    assert f'data-key="b" aria-keyshortcuts="B" href="?task={first.pk}"' in text(response)
    assert "olivia decided: dog" in text(owning.get(f"{address}?task={first.pk}"))
    owning.post(f"{address}{first.pk}/", {"answer-category": '"cat"'})
    assert Consensus.objects.get(task=first).answer == "cat"
    second = response.context["task"]
    last = text(owning.post(f"{address}{second.pk}/", {"answer-category": '"dog"'}, follow=True))
    assert "Nothing is disputed" in last
    assert f'href="?task={second.pk}"' in last


def test_of_two_reviewers_at_once_neither_repeats_nor_overrules_the_other(
    make_project: Callable[..., Project], owning: Client, client: Client
) -> None:
    project = make_project(images=4, judgments_max=2, confidence=0.99)
    judged(project, 4, ("cat", "dog"))
    rita = person("rita")
    services.add_member(project=project, username="rita", role="reviewer", by=project.owner)
    client.force_login(rita)
    address = f"/projects/{project.slug}/review/"
    begun = [one.get(address).context["task"].pk for one in (owning, client)]
    assert begun == list(project.tasks.order_by("pk").values_list("pk", flat=True))[::2]
    form = {"answer-category": '"dog"', "seen": "maximum"}
    client.post(f"{address}{begun[0]}/", form)
    page = owning.post(f"{address}{begun[0]}/", {**form, "answer-category": '"cat"'}, follow=True)
    assert "rita has decided this one meanwhile" in text(page)
    assert (page.context["task"].pk, Consensus.objects.get(task=begun[0]).answer) == (begun[0], "dog")
    assert 'name="seen" value="person"' in text(page)
    owning.post(f"{address}{begun[0]}/", {"answer-category": '"cat"', "seen": "person"})
    assert Consensus.objects.get(task=begun[0]).answer == "cat"


def test_a_reviewer_may_accept_what_the_crowd_leans_to_where_nobody_said_just_that(
    make_project: Callable[..., Project], owning: Client
) -> None:
    questions = [
        {"key": "boxes", "kind": "boxes", "prompt": "Box it", "options": {}},
        {"key": "count", "kind": "number", "prompt": "How many?", "options": {}},
    ]
    project = make_project(images=1, judgments_min=2, judgments_max=2, confidence=0.999, questions=questions)
    for x, y in ((2.0, 3.0), (4.0, 4.0)):
        user = person(f"drawer{x:.0f}")
        services.ensure_member(project=project, user=user)
        lease = claim(project, user)
        answers = {"boxes": [{"category": "cat", "box": [x, 3.0, 20.0, 20.0]}], "count": y}
        services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers)
    page = owning.get(f"/projects/{project.slug}/review/")
    task, (boxes, count) = page.context["task"], [options for _verdict, options in page.context["choices"]]
    assert [option["by"] for option in boxes] == ["Consensus", "drawer2", "drawer4"]
    assert "3.5" in [option["text"] for option in count]
    assert "4" in [option["text"] for option in count]
    fused = Consensus.objects.get(task=task, question__key="boxes").answer
    form = {"answer-boxes": boxes[0]["value"], "answer-count": count[0]["value"]}
    owning.post(f"/projects/{project.slug}/review/{task.pk}/", form)
    decided = Consensus.objects.get(task=task, question__key="boxes")
    assert (decided.answer, decided.decided_by) == (fused, project.owner)


def test_a_decision_that_lacks_an_answer_comes_back_to_its_task(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=2, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    first = owning.get(f"/projects/{project.slug}/review/").context["task"]
    page = owning.post(f"/projects/{project.slug}/review/{first.pk}/", {}, follow=True)
    assert page.context["task"] == first
    assert "Decided" not in text(page)


def test_the_choices_of_a_reviewer_keep_their_places_and_keys_from_task_to_task(
    make_project: Callable[..., Project], owning: Client
) -> None:
    questions = [
        {"key": "category", "kind": "single_choice", "prompt": "What?"},
        {"key": "asleep", "kind": "yes_no", "prompt": "Asleep?"},
        {"key": "quality", "kind": "rating", "prompt": "How good?", "options": {"least": 0, "most": 4}},
    ]
    project = make_project(images=2, judgments_min=3, judgments_max=3, confidence=0.999, questions=questions)
    for number in range(3):
        user = person(f"reviewed{number}")
        services.ensure_member(project=project, user=user)
        for _ in range(2):
            lease = claim(project, user)
            is_first = (number + lease.task_id) % 2 == 0
            answers = {
                "category": "dog" if is_first else "cat",
                "asleep": not is_first,
                "quality": 4 if is_first else 2,
            }
            services.submit_judgment(assignment_id=lease.id, worker=user, answers=answers)
    address = f"/projects/{project.slug}/review/"
    first = owning.get(address)
    second = owning.get(f"{address}?after={first.context['task'].pk}")
    assert first.context["task"] != second.context["task"]
    assert text(first).count("<noscript><select") == 3, "what the buttons choose by script"
    for page in (first, second):
        shown = [
            [(choice["text"], choice["key"]) for choice in options] for _verdict, options in page.context["choices"]
        ]
        assert shown[0] == [("cat", "1"), ("dog", "2")]
        assert shown[1] == [("Yes", "1"), ("No", "2")]
        assert shown[2] == [("0", ""), ("1", "1"), ("2", "2"), ("3", "3"), ("4", "4")]
        assert sorted(choice.get("votes", 0) for choice in page.context["choices"][0][1]) == [1, 2]


def test_more_disputed_tasks_than_are_counted_are_told_as_more(
    make_project: Callable[..., Project], owning: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(images=2, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    monkeypatch.setattr(tasks, "MOST_COUNTED", 1)
    assert "More than 1 disputed tasks wait for your decision" in text(owning.get(f"/projects/{project.slug}/"))
    assert "More than 1 disputed tasks wait<" in text(owning.get(f"/projects/{project.slug}/review/"))
    monkeypatch.setattr(tasks, "MOST_COUNTED", 2)
    assert "2 disputed tasks wait<" in text(owning.get(f"/projects/{project.slug}/review/"))


def test_a_reviewer_of_several_questions_decides_only_those_that_are_unsure(
    make_project: Callable[..., Project], owning: Client
) -> None:
    questions = [{"key": key, "kind": "yes_no", "prompt": f"{key}?"} for key in ("clear", "murky")]
    project = make_project(images=1, judgments_min=2, judgments_max=2, questions=questions)
    for name, murky in (("wanda", True), ("willi", False)):
        user = person(name)
        services.ensure_member(project=project, user=user)
        answers = {"clear": True, "murky": murky}
        services.submit_judgment(assignment_id=claim(project, user).id, worker=user, answers=answers)
    Consensus.objects.filter(question__key="clear").update(confidence=0.99)
    Consensus.objects.filter(question__key="murky").update(confidence=0.6)
    page = owning.get(f"/projects/{project.slug}/review/?task={project.tasks.get().pk}")
    shown = page.content.decode()
    assert 'name="answer-clear" value="true" aria-pressed="true"' in shown
    assert '<input type="hidden" name="answer-clear" value="true">' in shown
    assert shown.count('<input type="hidden" name="answer-') == 1
    # Firefox gives back hidden fields after a reload: another answer would be sent than is marked.
    assert re.search('<form [^>]*autocomplete="off"[^>]* data-review', shown)


@pytest.fixture
def differing(make_project: Callable[..., Project]) -> Project:
    """Of each of three images two say cat and one says dog; the fit says dog of two, and one is a tie."""
    project = make_project(images=3, judgments_min=3, judgments_max=3, stopping="fixed")
    judged(project, 3, ("cat", "cat", "dog"))
    fitting.fit_project(project.pk)
    first, second, tied = project.tasks.order_by("random").values_list("pk", flat=True)
    rows = Consensus.objects.filter(project=project)
    rows.filter(task__in=(first, second)).update(answer="dog", decided_by=None)
    Judgment.objects.filter(task=first).update(answers={"category": "cat"})  # the label is nobody's answer
    views = {"majority": {"answer": "cat", "confidence": 0.5, "posterior": {"cat": 0.5, "dog": 0.5}}}
    rows.filter(task=tied).update(answer="dog", others=views)
    return project


def test_a_manager_says_by_one_press_what_is_right_where_label_and_majority_differ(
    differing: Project, owning: Client
) -> None:
    address = f"/projects/{differing.slug}/review/?differs=category"
    shown = text(owning.get(address))
    assert "2 labels are not the plain majority" in shown
    assert "0 of 10 known answers." in shown
    assert not re.search(r"\d votes|The crowd leans to|Consensus", shown)
    found = []
    for _ in range(2):
        task = owning.get(address).context["task"]
        form = {"answer-category": '"cat"', "known": "1", "differs": "category"}
        page = owning.post(f"/projects/{differing.slug}/review/{task.pk}/", form, follow=True)
        assert page.request["QUERY_STRING"] == f"after={task.pk}&differs=category"
        assert (task.gold.answers, task.gold.use) == ({"category": "cat"}, "check")
        found.append(task.random)
    assert found == sorted(found)
    differing.refresh_from_db()
    assert (tasks.checks(differing.questions.get()), differing.gold_count) == (2, 0)
    stats = owning.get(f"/api/v1/projects/{differing.slug}/stats/").json()
    assert stats["agreement"]["category"]["checks"] == 2
    assert "No label differs from the plain majority" in text(page)


def test_who_only_reviews_decides_where_label_and_majority_differ_and_makes_no_gold(
    differing: Project, client: Client
) -> None:
    services.add_member(project=differing, username=person("rita").username, role="reviewer", by=differing.owner)
    client.force_login(User.objects.get(username="rita"))
    address = f"/projects/{differing.slug}/review/"
    page = client.get(f"{address}?differs=category")
    assert 'name="known"' not in text(page)
    form = {"answer-category": '"dog"', "differs": "category"}
    task = page.context["task"]
    assert client.post(f"{address}{task.pk}/", {**form, "known": "1"}).status_code == 403
    after = client.post(f"{address}{task.pk}/", form, follow=True)
    assert after.context["waiting"] == 1, "what a person has decided does not come again"
    assert "Make the one before gold" not in text(after)


def test_what_a_manager_has_decided_is_made_gold_by_one_press(
    make_project: Callable[..., Project], owning: Client
) -> None:
    project = make_project(images=1, judgments_max=2, confidence=0.99)
    judged(project, 2, ("cat", "dog"))
    task = project.tasks.get()
    address = f"/projects/{project.slug}/review/{task.pk}/"
    page = owning.post(address, {"answer-category": '"dog"'}, follow=True)
    assert "Make the one before gold" in text(page)
    sent = {f"answer-{key}": answer for key, answer in page.context["decided"]}
    page = owning.post(address, {**sent, "known": "1"}, follow=True)
    assert task.gold.answers == {"category": "dog"}
    assert "Make the one before gold" not in text(page)


def test_of_several_questions_only_the_one_on_which_labels_differ_is_known_then(
    make_project: Callable[..., Project], owning: Client
) -> None:
    questions = [{"key": key, "kind": "yes_no", "prompt": f"{key}?"} for key in ("clear", "murky")]
    project = make_project(images=1, questions=questions, judgments_max=1)
    worker = person("wanda")
    services.ensure_member(project=project, user=worker)
    lease = claim(project, worker)
    services.submit_judgment(assignment_id=lease.id, worker=worker, answers={"clear": True, "murky": True})
    views = {"majority": {"answer": False, "confidence": 1.0, "posterior": {"no": 1.0}}}
    Consensus.objects.filter(question__key="murky").update(others=views)
    address = f"/projects/{project.slug}/review/"
    assert owning.get(f"{address}?differs=clear").context.get("task") is None
    page = owning.get(f"{address}?differs=murky")
    [(verdict, options)] = page.context["choices"]
    assert (verdict.question.key, [option["value"] for option in options]) == ("murky", ["true", "false"])
    task = page.context["task"]
    for key in ("murky", "clear"):  # what is known of another question stays known
        owning.post(f"{address}{task.pk}/", {f"answer-{key}": "false", "known": "1", "differs": key})
    task.refresh_from_db()
    assert task.gold.answers == {"murky": False, "clear": False}
