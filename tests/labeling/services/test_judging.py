"""Answers: checked, stored once, counted, taken back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from labeling import services
from labeling.collecting import lookups, statements
from labeling.errors import CrowdtuneError
from labeling.models import Assignment, Consensus, Judgment, Membership, Project, Task
from labeling.services import undoing
from tests.labeling.conftest import answer, claim, person

pytestmark = pytest.mark.django_db


def test_a_judgment_moves_every_counter_in_its_own_transaction(project: Project, worker: User) -> None:
    Project.objects.filter(pk=project.pk).update(price_per_judgment="0.05")
    project.refresh_from_db()
    judgment = answer(project, worker, seconds=2.5)
    project.refresh_from_db()
    member = Membership.objects.get(project=project, user=worker)
    assert (project.judgment_count, str(project.spent), project.answers_version) == (1, "0.0500", 1)
    assert (member.judgment_count, member.seconds, str(member.earned), member.streak_days) == (1, 2.5, "0.0500", 1)
    assert Task.objects.get(pk=judgment.task_id).judgment_count == 1
    assert Consensus.objects.get(task=judgment.task_id).answer == "cat"


@pytest.mark.parametrize(
    ("answers", "key"),
    [
        ({"category": "cow"}, "category"),
        ({}, "category"),
        ({"category": "cat", "colour": "red"}, "colour"),
        ({"category": None}, "category"),
        ({"category": ["cat"]}, "category"),
        ({"category": "cant_tell"}, "category"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_with_its_question(
    project: Project, worker: User, answers: dict[str, Any], key: str
) -> None:
    assignment = claim(project, worker)
    with pytest.raises(CrowdtuneError) as refusal:
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers=answers)
    assert refusal.value.code == "bad_answer"
    assert key in refusal.value.fields
    assignment.refresh_from_db()
    assert assignment.state == "leased"
    assert Judgment.objects.count() == 0


@pytest.mark.parametrize("answers", [None, "cat", ["cat"], 3])
def test_answers_that_are_no_object_are_refused(project: Project, worker: User, answers: Any) -> None:
    assignment = claim(project, worker)
    with pytest.raises(CrowdtuneError, match="Expected answers"):
        services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers=answers)


def test_other_answers_under_an_answered_lease_are_409(project: Project, worker: User) -> None:
    judgment = answer(project, worker)
    with pytest.raises(CrowdtuneError) as refusal:
        services.submit_judgment(
            assignment_id=judgment.assignment_id or uuid.uuid4(), worker=worker, answers={"category": "dog"}
        )
    assert (refusal.value.code, refusal.value.status) == ("already_answered", 409)


def test_nobody_can_answer_for_another(project: Project, worker: User) -> None:
    assignment = claim(project, worker)
    with pytest.raises(CrowdtuneError) as refusal:
        services.submit_judgment(assignment_id=assignment.pk, worker=person("eve"), answers={"category": "cat"})
    assert refusal.value.status == 404


def test_undo_withdraws_the_answer_and_leases_its_task_again(project: Project, worker: User) -> None:
    Project.objects.filter(pk=project.pk).update(price_per_judgment="0.05")
    project.refresh_from_db()
    judgment = answer(project, worker, "cat", seconds=2.0)
    assert judgment.price == Decimal("0.05")
    lease, answers = services.undo_last(project=project, worker=worker)
    assert (lease.task_id, answers) == (judgment.task_id, {"category": "cat"})
    project.refresh_from_db()
    member = Membership.objects.get(project=project, user=worker)
    assert (project.judgment_count, project.spent, project.retired_count) == (0, 0, 0)
    assert (member.judgment_count, member.seconds, member.earned) == (0, 0, 0)
    assert not Consensus.objects.filter(task=judgment.task_id).exists()
    again = claim(project, worker)
    assert again.pk == lease.pk
    services.submit_judgment(assignment_id=again.pk, worker=worker, answers={"category": "dog"})
    assert Consensus.objects.get(task=judgment.task_id).answer == "dog"
    assert Judgment.objects.filter(task=judgment.task_id).count() == 2


@pytest.mark.parametrize("is_gold", [False, True])
def test_undo_takes_the_label_of_a_question_that_nobody_else_has_answered(
    make_project: Callable[..., Project], worker: User, is_gold: bool
) -> None:
    legs = {"key": "legs", "kind": "number", "prompt": "Legs?", "required": False}
    what = {"key": "what", "kind": "single_choice", "prompt": "What?"}
    project = make_project(
        images=1, questions=[what, legs], access="open", judgments_min=3, judgments_max=3, gold_rate=1
    )
    if is_gold:
        services.set_gold(task=project.tasks.get(), answers={"what": "cat"}, user=project.owner)
    first = person("first")
    for who, answers in ((first, {"what": "cat"}), (worker, {"what": "cat", "legs": 4})):
        services.submit_judgment(assignment_id=claim(project, who).pk, worker=who, answers=answers)
    labels = Consensus.objects.filter(project=project)
    assert labels.count() == 2
    services.undo_last(project=project, worker=worker)
    assert labels.get().question.key == "what"


def test_undo_goes_on_to_the_answer_before(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(images=4, judgments_min=1, access="open")
    given = [answer(project, worker) for _ in range(3)]
    taken = [services.undo_last(project=project, worker=worker)[0] for _ in range(2)]
    assert [lease.task_id for lease in taken] == [given[2].task_id, given[1].task_id]
    services.submit_judgment(assignment_id=taken[1].pk, worker=worker, answers={"category": "dog"})
    lease, answers = services.undo_last(project=project, worker=worker)
    assert (lease.task_id, answers) == (given[1].task_id, {"category": "dog"})


def test_an_undo_that_names_its_answer_takes_back_no_second_one(
    make_project: Callable[..., Project], worker: User
) -> None:
    project = make_project(images=3, judgments_min=1, access="open")
    first, second = answer(project, worker), answer(project, worker, "dog")
    named = {"project": project, "worker": worker, "assignment_id": second.assignment_id}
    leases = [services.undo_last(**named) for _ in range(2)]
    assert [answers for _lease, answers in leases] == [{"category": "dog"}] * 2
    assert leases[0][0].pk == leases[1][0].pk
    assert Judgment.objects.get(withdrawn_at=None).pk == first.pk
    services.submit_judgment(assignment_id=leases[0][0].pk, worker=worker, answers={"category": "cat"})
    with pytest.raises(CrowdtuneError, match="no answer left"):
        services.undo_last(**named)
    assert Judgment.objects.filter(withdrawn_at=None).count() == 2


def test_undo_goes_back_so_far_and_no_further(
    make_project: Callable[..., Project], worker: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undoing, "MOST_UNDONE", 2)
    project = make_project(images=4, judgments_min=1, access="open")
    for _ in range(3):
        answer(project, worker)
    for _ in range(2):
        services.undo_last(project=project, worker=worker)
    with pytest.raises(CrowdtuneError, match="no answer left"):
        services.undo_last(project=project, worker=worker)
    assert Membership.objects.get(project=project, user=worker).judgment_count == 1


def test_undo_reopens_a_task_that_the_answer_had_retired(make_project: Callable[..., Project], worker: User) -> None:
    project = make_project(judgments_max=1, access="open")
    judgment = answer(project, worker)
    assert Task.objects.get(pk=judgment.task_id).state == "retired"
    services.undo_last(project=project, worker=worker)
    task = Task.objects.get(pk=judgment.task_id)
    assert (task.state, task.judgment_count, task.open_slots) == ("open", 0, 0)


def test_seconds_that_make_no_sense_are_not_kept(project: Project, worker: User) -> None:
    assert answer(project, worker, seconds=float("nan")).seconds is None
    assert answer(project, worker, seconds=1e9).seconds == statements.LONGEST_SECONDS


@pytest.mark.parametrize("kind", ["single_choice", "number"])
def test_an_answer_leaves_the_same_behind_whether_it_is_one_statement_or_several(
    make_project: Callable[..., Project], kind: str
) -> None:
    """A rule that nobody breaks makes them several; three say what two of them agree on, and the task retires."""
    key = "category" if kind == "single_choice" else "count"
    people = [person(name) for name in ("ada", "bob", "cyd")]
    left = []
    for rule_count in (0, 1):
        settings: dict[str, Any] = {
            "judgments_min": 3,
            "access": "open",
            "price_per_judgment": "0.02",
            "budget": "0.06",
        }
        project = make_project(images=1, **settings)
        Project.objects.filter(pk=project.pk).update(rule_count=rule_count)
        if kind == "number":
            asked = {"key": key, "kind": "number", "prompt": "How many?"}
            project = services.replace_survey(project=project, user=project.owner, questions=[asked])
        for user, value in zip(people, (0, 1, 1), strict=True):
            said = ["dog", "cat"][value] if kind == "single_choice" else value
            lease = claim(project, user)
            services.submit_judgment(assignment_id=lease.pk, worker=user, answers={key: said}, seconds=2)
        told: list[Any] = [
            (Project.objects.filter(pk=project.pk), "judgment_count", "spent", "answers_version", "retired_count"),
            (Task.objects.filter(project=project), "judgment_count", "state", "retired_because", "open_slots"),
            (
                Consensus.objects.filter(project=project),
                "answer",
                "confidence",
                "posterior",
                "judgment_count",
                "is_final",
            ),
            (Membership.objects.filter(project=project), "judgment_count", "seconds", "earned", "streak_days"),
            (Judgment.objects.filter(project=project), "answers", "seconds", "price", "source", "is_gold"),
            (Assignment.objects.filter(project=project), "state", "slot"),
        ]
        left.append([sorted(map(repr, rows.values_list(*columns))) for rows, *columns in told])
    assert left[0] == left[1]
    assert "'retired', 'maximum', 0" in left[0][1][0]


def test_an_answer_whose_look_is_out_of_date_is_stored_once_and_hears_all(
    make_project: Callable[..., Project],
) -> None:
    """Between look and answer somebody else answers: the one statement must find the task changed and write nothing."""
    project = make_project(images=1, judgments_min=3, judgments_max=3, access="open")
    ada, bob = person("ada"), person("bob")
    of_ada, of_bob = (services.claim_assignment(project=project, worker=user) for user in (ada, bob))
    assert of_ada is not None
    assert of_bob is not None
    looked = lookups.leased(assignment_id=of_ada.pk, worker_id=ada.pk)
    services.submit_judgment(assignment_id=of_bob.pk, worker=bob, answers={"category": "dog"})
    assert looked is not None
    assert looked.seen.judgment_count == 0
    services.submit_leased(lease=looked, answers={"category": "dog"})
    row = Consensus.objects.get(project=project)
    assert (row.answer, row.judgment_count, Judgment.objects.count()) == ("dog", 2, 2)
    assert Task.objects.get(project=project).judgment_count == 2


def test_a_disputed_task_asks_for_more_up_to_the_maximum(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, judgments_min=2, judgments_max=4, access="open", aggregator="majority")
    for name, value in (("a", "cat"), ("b", "dog"), ("c", "cat"), ("d", "dog")):
        answer(project, person(name), value)
    task = Task.objects.get(project=project)
    assert (task.state, task.retired_because, task.judgment_count) == ("retired", "maximum", 4)
    assert services.claim_assignment(project=project, worker=person("e")) is None


@pytest.mark.django_db(transaction=True)
def test_when_one_counter_cannot_be_written_nothing_is(project: Project, worker: User) -> None:
    """A trigger breaks the last statement of a submit: judgment, lease, task and record must all be as before."""
    assignment = claim(project, worker)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION break_it() RETURNS trigger AS $$ BEGIN RAISE 'broken'; END $$ LANGUAGE plpgsql;"
            "CREATE TRIGGER break_it BEFORE UPDATE OF judgment_count ON labeling_project"
            " FOR EACH ROW EXECUTE FUNCTION break_it();"
        )
    try:
        with pytest.raises(DatabaseError):
            services.submit_judgment(assignment_id=assignment.pk, worker=worker, answers={"category": "cat"})
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER break_it ON labeling_project; DROP FUNCTION break_it()")
    assert Assignment.objects.get(pk=assignment.pk).state == "leased"
    assert Judgment.objects.count() == Consensus.objects.count() == 0
    task = Task.objects.get(pk=assignment.task_id)
    assert (task.judgment_count, task.state, task.open_slots) == (0, "open", 0)
    assert Membership.objects.get(project=project, user=worker).judgment_count == 0


def test_an_answer_to_gold_that_is_taken_back_is_no_more_measured(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1, access="open", gold_rate=1)
    services.set_gold(task=Task.objects.get(), answers="cat", user=project.owner)
    project.refresh_from_db()
    wanda = person("wanda")
    for said, right in (("cat", 1), ("dog", 0)):
        answer(project, wanda, said)
        record = Membership.objects.filter(project=project, user=wanda).values_list("gold_seen", "gold_right")
        assert record.get() == (1, right)
        services.undo_last(project=project, worker=wanda)
        assert record.get() == (0, 0)
