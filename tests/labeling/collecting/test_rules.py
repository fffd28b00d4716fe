"""Rules as data: each measure and each action, by a worker who earns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Gold, Judgment, Membership, Project, RuleEvent, Task
from tests.labeling.conftest import answer, claim, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(make_project: Callable[..., Project], worker: User) -> tuple[Project, User]:
    project = make_project(images=8, judgments_min=2, judgments_max=5, access="open", gold_rate=0)
    services.ensure_member(project=project, user=worker)
    return project, worker


def add(project: Project, **values: Any) -> None:
    services.add_rule(project=project, user=project.owner, **{"message": "Please look closely.", **values})


def standing(project: Project, worker: User) -> Membership:
    return Membership.objects.get(project=project, user=worker)


def make_gold(project: Project, tasks: int, answer: str = "dog") -> None:
    for task in Task.objects.filter(project=project, is_gold=False).order_by("pk")[:tasks]:
        services.set_gold(task=task, answers=answer, user=project.owner)


def serve(project: Project, *, gold: bool) -> None:
    services.change_project(project=Project.objects.get(pk=project.pk), user=project.owner, gold_rate=float(gold))


def skip(project: Project, worker: User) -> None:
    services.skip_assignment(assignment_id=claim(project, worker).pk, worker=worker)


def test_answers_that_are_too_fast_pause_the_worker_with_the_reason(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="median_seconds", window=3, comparison="below", threshold=1.0, action="pause")
    for seconds in (0.2, 5.0, 0.3):
        answer(project, worker, seconds=seconds)
    assert standing(project, worker).paused_because == "Please look closely."
    with pytest.raises(CrowdtuneError, match="You can appeal"):
        answer(project, worker)


def test_slow_enough_is_left_alone_as_is_who_a_rule_that_is_off_would_meet(place: tuple[Project, User]) -> None:
    project, worker = place
    rule = {"measure": "median_seconds", "window": 3, "comparison": "below", "action": "pause"}
    add(project, threshold=2.0, **rule)
    add(project, threshold=3.0, is_active=False, **rule)
    for _ in range(3):
        answer(project, worker, seconds=2.0)
    assert not standing(project, worker).is_paused


@pytest.mark.parametrize(
    ("measure", "comparison", "threshold"),
    [("same_in_a_row", "at_least", 3), ("median_seconds", "below", 9), ("skips_in_a_row", "below", 1)],
)
def test_who_goes_on_alike_is_warned_once_per_window(
    place: tuple[Project, User], measure: str, comparison: str, threshold: int
) -> None:
    project, worker = place
    add(project, measure=measure, window=3, comparison=comparison, threshold=threshold, action="warn")
    soon = 3 if measure == "skips_in_a_row" else 5  # who has not skipped is known at the first answer
    for _ in range(soon):
        answer(project, worker)
    assert standing(project, worker).warning == "Please look closely."
    assert RuleEvent.objects.count() == 1
    answer(project, worker)
    assert RuleEvent.objects.count() == 2


def test_another_answer_breaks_the_row(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="same_in_a_row", window=3, comparison="at_least", threshold=3, action="warn")
    for value in ("cat", "cat", "dog", "cat", "cat"):
        answer(project, worker, value)
    services.undo_last(project=project, worker=worker)
    answer(project, worker)
    assert RuleEvent.objects.count() == 0
    Judgment.objects.update(answers={"category": "cat"}, source="import")  # of nobody's work here
    answer(project, worker)
    assert RuleEvent.objects.count() == 0


@pytest.mark.parametrize("skips", [False, True])
def test_who_has_practised_all_there_is_practises_once_more(place: tuple[Project, User], skips: bool) -> None:
    project, worker = place
    make_gold(project, 2)
    Gold.objects.update(use="practice")
    add(project, measure="median_seconds", window=1, comparison="below", threshold=1.0, action="train")
    for number in (1, 2):
        answer(project, worker, seconds=0.2)
        member = standing(project, worker)
        assert (member.phase, member.warning) == ("practice", "Please look closely.")
        for _practice in range(2):
            assert claim(project, worker).task.gold.use == "practice"
            skip(project, worker) if skips else answer(project, worker, seconds=5.0)
        member = standing(project, worker)
        assert (member.phase, member.judgment_count) == ("working", number if skips else number + 2)
        assert member.seconds == pytest.approx(0.2 * number + (0 if skips else 10))
        project.refresh_from_db()
        assert project.judgment_count == member.judgment_count
    assert set(Task.objects.filter(is_gold=True).values_list("judgment_count", flat=True)) == {0 if skips else 1}


def test_practice_comes_before_the_tasks_that_were_handed_out_already(place: tuple[Project, User]) -> None:
    project, worker = place
    make_gold(project, 1)
    Gold.objects.update(use="practice")
    add(project, measure="median_seconds", window=1, comparison="below", threshold=1.0, action="train")
    first, second, _third = services.claim_leases(project=project, member=standing(project, worker), hold=3)
    services.submit_judgment(assignment_id=first.id, worker=worker, answers={"category": "cat"}, seconds=0.2)
    assert claim(project, worker).task.gold.use == "practice"
    services.submit_judgment(assignment_id=second.id, worker=worker, answers={"category": "cat"}, seconds=5.0)


def test_agreement_is_of_answers_that_others_gave_too_however_far_apart(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=6, judgments_min=3, judgments_max=5, access="open", gold_rate=0)
    services.ensure_member(project=project, user=worker)
    add(project, measure="agreement", window=2, comparison="below", threshold=0.5, action="warn")
    shared = set()
    others = [person("a"), person("b")]
    for other in others:
        services.ensure_member(project=project, user=other)
    for number in range(6):
        if number in {0, 5}:
            task = Task.objects.filter(project=project, judgment_count=0).order_by("pk")[0]
            services.raise_priority(project=project, priorities={task.image_id: 9.0 + number})
            shared.add(task.pk)
            for other in others:
                assert answer(project, other, "cat").task_id == task.pk
        assert standing(project, worker).warning == ""
        assert (answer(project, worker, "dog").task_id in shared) == (number in {0, 5})
    assert standing(project, worker).warning == "Please look closely."


@pytest.mark.parametrize(
    ("asked", "known", "near", "practised"),
    [
        ({"kind": "number"}, 100, 103, 97.5),
        ({"kind": "number", "whole": True}, 100, 103, 98),
        ({"kind": "text"}, "AB 12", "ab  12", "Ab 12"),
    ],
)
def test_who_measures_counts_or_writes_as_well_as_the_others_agrees_with_them(
    make_project: Callable[..., Project], worker: User, asked: dict[str, Any], known: Any, near: Any, practised: Any
) -> None:
    asked = {**asked, "key": "category", "prompt": "What does the scale say?"}
    project = make_project(images=4, judgments_min=2, access="open", gold_rate=0, questions=[asked])
    add(project, measure="agreement", window=2, comparison="below", threshold=0.9, action="warn")
    for who, said in ((project.owner, known), (worker, near)):
        for _ in range(2):
            answer(project, who, said)
    assert not RuleEvent.objects.exists()
    task = Task.objects.filter(project=project, judgment_count=0).first()
    assert task is not None
    services.set_gold(task=task, answers=known, use="practice", user=project.owner)
    Membership.objects.filter(project=project, user=worker).update(phase="practice")
    told = services.feedback(judgment=answer(project, worker, practised))
    assert told is not None
    assert (told["right"], told["expected"]) == (True, {"category": known})


def test_who_was_not_asked_and_who_remarks_nothing_agrees_with_the_others(
    make_project: Callable[..., Project], worker: User
) -> None:
    count = {
        "key": "count",
        "kind": "number",
        "show_if": {"question": "category", "equals": True},
        "prompt": "How many?",
    }
    asked = [{"key": "category", "kind": "yes_no", "prompt": "Is there a dog?"}, count]
    asked.append({"key": "note", "kind": "text", "prompt": "What is odd?", "required": False})
    project = make_project(images=1, judgments_min=5, judgments_max=5, access="open", gold_rate=0, questions=asked)
    add(project, measure="agreement", window=1, comparison="below", threshold=1, action="warn")
    said: list[tuple[User, dict[str, Any]]] = [
        *((person(name), {"category": True, "count": 2, "note": "A cat."}) for name in "ab"),
        *((person(name), {"category": False}) for name in "cd"),
        (worker, {"category": False, "note": "It is dark."}),
    ]
    for who, answers in said:
        services.submit_judgment(assignment_id=claim(project, who).pk, worker=who, answers=answers)
    assert not RuleEvent.objects.filter(membership__user=worker).exists()


def test_bad_gold_answers_lower_the_weight(place: tuple[Project, User]) -> None:
    project, worker = place
    services.change_project(project=project, user=project.owner, gold_rate=1.0)
    for task in Task.objects.filter(project=project)[:2]:
        services.set_gold(task=task, answers="dog", user=project.owner)
    add(project, measure="gold_accuracy", window=2, comparison="below", threshold=0.6, action="weight", value=0.25)
    answer(project, worker, "cat")
    assert standing(project, worker).weight == 1
    answer(project, worker, "dog")
    assert standing(project, worker).weight == 0.25


def test_disagreeing_with_the_others_requires_training(place: tuple[Project, User]) -> None:
    project, worker = place
    lesson = Task.objects.filter(project=project).last()
    assert lesson is not None
    services.set_gold(task=lesson, answers="dog", user=project.owner, use="practice")
    Membership.objects.filter(project=project).update(phase="working")
    add(project, measure="agreement", window=2, comparison="below", threshold=0.5, action="train")
    others = [person("a"), person("b")]
    for other in others:
        services.ensure_member(project=project, user=other)
    Membership.objects.filter(project=project).update(phase="working")
    for _ in range(2):
        for other in others:
            answer(project, other, "cat")
    for task in Task.objects.filter(project=project, judgment_count=2):
        services.reopen_task(task=task, user=project.owner, count=1) if task.state == "retired" else services.open_more(
            task=task
        )
        services.raise_priority(project=project, priorities={task.image_id: 5.0})
    for _ in range(2):
        answer(project, worker, "dog")
    assert standing(project, worker).phase == "practice"


def test_skips_in_a_row_ask_for_more_judgments_of_the_task(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="skips_in_a_row", window=2, comparison="below", threshold=1, action="overlap", value=2)
    task = Task.objects.get(pk=answer(project, worker).task_id)
    assert task.wanted == project.judgments_min + 2


def test_skips_in_a_row_are_seen_at_the_skip(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="skips_in_a_row", window=3, comparison="at_least", threshold=2, action="warn")
    for _ in range(2):
        assert standing(project, worker).warning == ""
        skip(project, worker)
    assert standing(project, worker).warning == "Please look closely."


def test_training_is_not_required_where_there_is_none(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="median_seconds", window=1, comparison="below", threshold=1.0, action="train")
    answer(project, worker, seconds=0.2)
    member = standing(project, worker)
    assert (member.phase, member.warning) == ("working", "Please look closely.")
    told = RuleEvent.objects.get().description
    assert told == "Median seconds per task (0.2) is below 1: warned, for no practice is left to do"


def test_gold_that_is_rare_is_measured_too(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=24, judgments_min=1, access="open", gold_rate=0)
    services.ensure_member(project=project, user=worker)
    make_gold(project, 2)
    add(project, measure="gold_accuracy", window=2, comparison="below", threshold=0.6, action="pause")
    serve(project, gold=True)
    answer(project, worker, "cat")
    serve(project, gold=False)
    for _ in range(20):
        answer(project, worker, "dog")
    serve(project, gold=True)
    answer(project, worker, "cat")
    assert standing(project, worker).is_paused


def test_whose_appeal_was_accepted_is_measured_by_new_answers_alone(place: tuple[Project, User]) -> None:
    project, worker = place
    make_gold(project, 3)
    add(project, measure="gold_accuracy", window=2, comparison="below", threshold=0.6, action="pause")
    serve(project, gold=True)
    for _ in range(2):
        answer(project, worker, "cat")
    appeal = services.appeal_pause(member=standing(project, worker), text="I was tired.")
    services.decide_appeal(appeal=appeal, accept=True, by=project.owner)
    answer(project, worker, "dog")
    serve(project, gold=False)
    answer(project, worker, "dog")
    assert not standing(project, worker).is_paused, "by the old answers"


@pytest.mark.parametrize("measure", ["gold_accuracy", "skips_in_a_row"])
def test_who_was_taken_out_and_comes_back_is_measured_by_new_answers_alone(
    place: tuple[Project, User], measure: str
) -> None:
    project, worker = place
    make_gold(project, 3)
    by_gold = measure == "gold_accuracy"
    comparison, threshold = ("below", 0.6) if by_gold else ("at_least", 2)
    add(project, measure=measure, window=2, comparison=comparison, threshold=threshold, action="pause")
    serve(project, gold=by_gold)
    for _ in range(2):
        answer(project, worker, "cat") if by_gold else skip(project, worker)
    services.resume_worker(member=standing(project, worker), by=project.owner)
    services.remove_member(member=standing(project, worker), by=project.owner)
    services.ensure_member(project=project, user=worker)
    answer(project, worker, "dog") if by_gold else skip(project, worker)
    assert not standing(project, worker).is_paused, "by what was forgiven"


def test_who_skips_on_after_an_appeal_is_paused_again(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="skips_in_a_row", window=10, comparison="at_least", threshold=2, action="pause")
    for _ in range(2):
        for _skip in range(2):
            assert not standing(project, worker).is_paused
            skip(project, worker)
        member = standing(project, worker)
        assert member.is_paused
        services.resume_worker(member=member, by=project.owner)


def test_a_row_may_be_longer_than_the_window(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=6, judgments_min=1, access="open", gold_rate=0)
    services.ensure_member(project=project, user=worker)
    add(project, measure="skips_in_a_row", window=1, comparison="at_least", threshold=4, action="warn")
    for _ in range(4):
        assert standing(project, worker).warning == ""
        skip(project, worker)
    assert standing(project, worker).warning == "Please look closely."


def test_a_rule_lowers_a_weight_and_never_raises_it(place: tuple[Project, User]) -> None:
    project, worker = place
    add(project, measure="median_seconds", window=1, comparison="below", threshold=1.0, action="weight", value=0.2)
    add(project, measure="median_seconds", window=1, comparison="below", threshold=2.0, action="weight", value=0.6)
    answer(project, worker, seconds=0.5)
    assert standing(project, worker).weight == 0.2


def test_more_is_asked_of_all_that_was_measured_also_where_it_was_retired(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=4, judgments_min=1, access="open", gold_rate=0, stopping="fixed")
    services.ensure_member(project=project, user=worker)
    make_gold(project, 1)
    add(project, measure="median_seconds", window=3, comparison="below", threshold=1.0, action="overlap", value=2)
    said = {answer(project, worker, seconds=0.2).task_id for _ in range(2)}
    assert set(Task.objects.filter(pk__in=said).values_list("state", flat=True)) == {"retired"}
    serve(project, gold=True)
    gold = answer(project, worker, seconds=0.2).task_id
    wants = Task.objects.filter(pk__in=said).values_list("state", "wanted", "open_slots", "asked_for")
    assert list(wants) == [("open", 3, 2, 3)] * 2
    assert Task.objects.get(pk=gold).state == "retired", "what is known is asked nobody for this"
    assert Project.objects.get(pk=project.pk).retired_count == 1
    other = person("otto")
    services.ensure_member(project=project, user=other)
    serve(project, gold=False)
    answer(project, other, seconds=5.0)
    assert Task.objects.filter(pk__in=said, state="open").count() == 2


def test_a_rule_that_could_never_be_met_is_refused(place: tuple[Project, User]) -> None:
    project, _worker = place
    for values in ({"window": 501, "threshold": 1}, {"window": 10, "threshold": 501}):
        with pytest.raises(CrowdtuneError, match="500"):
            add(project, measure="same_in_a_row", comparison="at_least", action="warn", **values)


def test_what_practice_taught_is_not_measured(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=4, access="open", gold_rate=1)
    uses = ("practice", "practice", "hidden", "hidden")
    for task, use in zip(Task.objects.filter(project=project).order_by("id"), uses, strict=True):
        services.set_gold(task=task, answers="cat", user=project.owner, use=use)
    add(project, measure="gold_accuracy", window=2, comparison="below", threshold=1.0, action="pause")
    services.ensure_member(project=project, user=worker)
    for said in ("dog", "dog", "cat"):
        answer(project, worker, said)
    member = standing(project, worker)
    assert (member.is_paused, member.gold_seen, member.gold_right) == (False, 1, 1)
    answer(project, worker, "dog")
    member = standing(project, worker)
    assert (member.is_paused, member.gold_seen, member.gold_right) == (True, 2, 1)
