"""A worker's way in a project: practice, the qualification test, then real tasks. Worker-side."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from labeling.collecting import rightness, statements
from labeling.models import Appeal, Assignment, Gold, Judgment, Membership, Project, Task
from labeling.surveys import survey
from labeling.text.words import gettext as _

Phase = Membership.Phase
BEFORE_WORK = (Phase.PRACTICE, Phase.QUALIFICATION)


def advance_phase(*, project: Project, worker_id: int) -> str:
    """Move the worker on when practice or the test is through; returns the phase that holds now.

    A test that was not passed may be by now: its answers were corrected since, or less of them is asked for.
    """
    member = Membership.objects.get(project=project, user_id=worker_id)
    if member.phase != Phase.WORKING:
        golds = Gold.objects.filter(task__project=project, use=member.phase)
        if not golds.exclude(pk__in=seen(golds, worker_id)).exists():
            has_failed, member.phase = member.phase == Phase.FAILED, _next(project, member)
            member.save(update_fields=["phase"])
            if has_failed and member.phase == Phase.WORKING:
                _answer_appeal(member)
    return member.phase


def look_again(project: Project) -> None:
    """The test was corrected, or less is asked for: whose appeal against it waits may have passed by now."""
    waiting = Membership.objects.filter(project=project, phase=Phase.FAILED, appeals__state=Appeal.State.OPEN)
    for worker_id in waiting.order_by("user_id").values_list("user_id", flat=True):
        advance_phase(project=project, worker_id=worker_id)


def _answer_appeal(member: Membership) -> None:
    """Who goes on has nothing to appeal any more, but where a pause remains; the reason stands above the next task."""
    if member.is_paused:
        return
    why = _("The test counts as passed now: its answers were corrected, or fewer right ones are asked for.")
    appeals = member.appeals.filter(state=Appeal.State.OPEN)
    if appeals.update(state=Appeal.State.ACCEPTED, answer=why, decided_at=timezone.now()):
        Membership.objects.filter(pk=member.pk).update(warning=why)


def seen(golds: QuerySet[Gold], worker_id: int) -> QuerySet[Gold]:
    """Those that the worker has answered or skipped: neither comes again. A skipped one of the test is not right."""
    said = Judgment.objects.filter(worker_id=worker_id, withdrawn_at=None)
    skipped = Assignment.objects.filter(worker_id=worker_id, state=Assignment.State.SKIPPED)
    return golds.filter(Q(task__in=said.values("task")) | Q(task__in=skipped.values("task")))


def practise_again(*, project_id: int, worker_id: int) -> bool:
    """Have the worker do again all practice that they have answered or skipped; False where that is none.

    Practice measures nothing and earns nothing, so its answers are taken back as by an undo, and the new ones count.
    """
    tasks = Gold.objects.filter(task__project=project_id, use=Gold.Use.PRACTICE).values("task")
    done = [Assignment.State.SUBMITTED, Assignment.State.SKIPPED]
    leases = Assignment.objects.filter(worker_id=worker_id, task__in=tasks, state__in=done)
    found = leases.update(state=Assignment.State.WITHDRAWN)
    said = Judgment.objects.filter(worker_id=worker_id, task__in=tasks, withdrawn_at=None)
    seconds = dict(said.values_list("task_id", "seconds"))
    if seconds:
        said.update(withdrawn_at=timezone.now())
        Task.objects.filter(pk__in=list(seconds)).update(judgment_count=F("judgment_count") - 1)
        Membership.objects.filter(project_id=project_id, user_id=worker_id).update(
            judgment_count=F("judgment_count") - len(seconds),
            seconds=F("seconds") - sum(took or 0 for took in seconds.values()),
        )
        statements.count(project_id=project_id, judgments=-len(seconds), price=Decimal(0))
    return bool(found)


def golds_before_work(project: Project) -> dict[str, int]:
    """How many images of practice and of the test stand before the real ones."""
    uses = Gold.objects.filter(task__project=project, use__in=BEFORE_WORK).order_by()
    return dict(uses.values_list("use").annotate(n=Count("id")))


def place_in_phase(project: Project, member: Membership) -> dict[str, int] | None:
    """Which image of practice or of the test comes next, out of how many; None among real tasks."""
    if member.phase not in BEFORE_WORK:
        return None
    total = Gold.objects.filter(task__project=project, use=member.phase)
    return {"number": seen(total, member.user_id).count() + 1, "total": total.count()}


def _next(project: Project, member: Membership) -> str:
    if member.phase == Phase.PRACTICE:  # perhaps once more, after the test, or after an appeal against it was accepted
        tests = _tests(project)
        return Phase.QUALIFICATION if tests.exclude(pk__in=seen(tests, member.user_id)).exists() else Phase.WORKING
    return Phase.WORKING if test_share(project, member.user_id) >= project.qualification_share else Phase.FAILED


def _tests(project: Project) -> QuerySet[Gold]:
    return Gold.objects.filter(task__project=project, use=Gold.Use.QUALIFICATION)


def test_share(project: Project, worker_id: int) -> float:
    """The share of the qualification test that the worker got right."""
    known = dict(_tests(project).values_list("task_id", "answers"))
    judgments = Judgment.objects.filter(worker_id=worker_id, task_id__in=known, withdrawn_at=None)
    right = 0
    for task_id, answers, version in judgments.values_list("task_id", "answers", "survey_version"):
        right += rightness.is_right(answers, survey.answerable(project.pk, version, known[task_id]))
    return right / len(known) if known else 1.0
