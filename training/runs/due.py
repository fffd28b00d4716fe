"""Worker-side: is it time to train, and if not, why not, in words that an owner understands.

The order of the questions is the order in which an owner can act: is there anything to learn from, is something new,
is the crowd still busy. ``decide`` is arithmetic over facts; ``check_due`` gathers the facts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import Q, QuerySet
from django.forms.models import model_to_dict
from django.utils import timezone
from django.utils.translation import get_language

from labeling.errors import CrowdtuneError
from labeling.models import Project, Question, Task
from labeling.text.words import gettext as _
from training.models import TrainingPolicy, TrainingRun
from training.snapshots import labels

logger = logging.getLogger(__name__)
# A category that is still short after so many times the wanted labels is rare in nature: train without it.
PATIENCE = 5
# After a failure the same data would fail again: wait, longer each time, at most a day.
RETRY_AFTER = timedelta(minutes=10)
# Where labels never pause for the quiet seconds, so much is between two runs: else each would start the next.
BUSY_PAUSE = timedelta(minutes=1)
# A look at hundreds of thousands of labels takes the database a second, pages ask every few seconds and the check every
# one: after a look that was so long, its answer holds for so many times as long.
LONG_SECONDS, REST = 0.25, 10


@dataclass(frozen=True)
class Facts:
    """What the decision depends on, and nothing else."""

    now: datetime
    counts: dict[str, int]
    total: int
    new: int
    last_run_at: datetime | None
    last_run_failed: bool
    failures: int
    newest_label_at: datetime | None
    is_live: bool
    project_since: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to start; ``reason`` says why or why not; ``due_at`` is known where only time is missing."""

    start: bool
    reason: str
    cause: str = ""
    due_at: datetime | None = None
    new_labels: int = 0
    needed_labels: int = 0
    short_categories: dict[str, int] = field(default_factory=dict)


def check_due(project: Project) -> Decision:
    """Whether a run should start by itself now."""
    if project.archived_at is not None:
        return Decision(False, _("The project is archived; it trains again when it is reopened."))
    policy = TrainingPolicy.of(project)
    question = project.primary_question()
    if question is None:
        return Decision(False, _("The survey has no question with one answer out of several to learn."))
    # What runs of another question have learned, or failed at, says nothing of this one.
    runs = TrainingRun.objects.filter(project=project, snapshot__question=question).order_by("-created_at")
    last = runs.select_related("snapshot").first()
    names = labels.category_names(question)
    facts = _facts(project, question, runs, last, names)
    decision = decide(policy, facts, names)
    if decision.start and facts.last_run_failed and last is not None and last.finished_at is not None:
        retry_at = last.finished_at + retry_after(facts.failures)
        if facts.now < retry_at:
            return _wait(_("The last run failed; it is tried again later."), facts, policy, due_at=retry_at)
    wants_labels = decision.short_categories or decision.new_labels < decision.needed_labels
    if not decision.start and policy.automatic_training and not facts.is_live and wants_labels:
        return replace(decision, reason=_with_a_way_out(project, decision.reason, facts.total))
    return decision


def _facts(
    project: Project, question: Question, runs: QuerySet[TrainingRun], last: TrainingRun | None, names: dict[str, str]
) -> Facts:
    learned = runs.filter(state=TrainingRun.State.SUCCEEDED).first()
    # What a person has cancelled is not started again by itself before enough is new since then.
    known = last if last is not None and last.state == TrainingRun.State.CANCELLED else learned
    found = labels.counts_by_category(project=project, question=question)
    since = learned.created_at if learned else project.created_at
    failures = runs.filter(state=TrainingRun.State.FAILED, created_at__gt=since)
    return Facts(
        now=timezone.now(),
        counts={key: found.get(key, 0) for key in names},
        total=sum(found.get(key, 0) for key in names),
        new=labels.new_since(project=project, question=question, snapshot=known.snapshot if known else None),
        last_run_at=known.created_at if known else None,
        last_run_failed=last is not None and last.state == TrainingRun.State.FAILED,
        failures=failures.count(),
        newest_label_at=labels.newest_label_at(project=project),
        is_live=TrainingRun.objects.live().filter(project=project).exists(),
        project_since=project.created_at,
    )


def _with_a_way_out(project: Project, why: str, total: int) -> str:
    """The reason, and what to do where more images wait for the answers of others than have a label."""
    waiting = Task.objects.filter(project=project, state=Task.State.OPEN, judgment_count__gt=0).count()
    if waiting <= total:
        return why
    told = _(
        "%(why)s %(waiting)s images have answers and wait for those of more people. Where one person's answers are"
        " enough, ask fewer people per image in the settings, or bring the answers in as gold on the Labels page."
    )
    return told % {"why": why, "waiting": waiting}


def retry_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, at most a day."""
    return min(RETRY_AFTER * 2 ** min(max(failures, 1) - 1, 10), timedelta(days=1))


def recent_decision(project: Project) -> Decision:
    """``check_due`` for pages that ask again and again: after a long look its answer, until something was decided."""
    last = TrainingRun.objects.filter(project=project).order_by("-created_at").values_list("pk", "state").first()
    policy = TrainingPolicy.of(project)
    chosen = model_to_dict(policy, exclude=["status", "checked_at", "seen", "look_again_at"])
    key, stand = f"due:{project.pk}", (last, chosen, get_language())
    kept = cache.get(key)
    if kept is not None and kept[0] == stand:
        return _as_it_went(project, policy, kept[1])
    started = time.monotonic()
    decision = check_due(project)
    _rest(key, (stand, decision), time.monotonic() - started)
    return _as_it_went(project, policy, decision)


def _as_it_went(project: Project, policy: TrainingPolicy, decision: Decision) -> Decision:
    """What is due and was tried on these very labels has not started: why, and when it is tried again."""
    again = policy.look_again_at
    if not decision.start or policy.seen != _counters(project) or (again is not None and again <= timezone.now()):
        return decision
    return replace(decision, start=False, cause="", reason=policy.status, due_at=again)


def _rest(key: str, value: object, seconds: float) -> None:
    if seconds > LONG_SECONDS:
        cache.set(key, value, REST * seconds)


def decide(policy: TrainingPolicy, facts: Facts, names: dict[str, str]) -> Decision:
    """The rule itself."""
    if not policy.automatic_training:
        return _wait(_("Automatic training is off for this project; start a run by hand."), facts, policy)
    if facts.is_live:
        return _wait(_("A run is queued or running now."), facts, policy)
    short = short_categories(policy, facts.counts)
    if short:
        return _wait(_short_reason(policy, short, names), facts, policy, short=short)
    cause, reason = _cause(policy, facts)
    if not cause:
        return _wait(reason, facts, policy, due_at=_next_clock(policy, facts) if facts.new else None)
    # A label of the future was given before the clock was set back: how long it has been quiet since, nobody knows.
    if facts.newest_label_at is not None and facts.newest_label_at <= facts.now:
        quiet_at = facts.newest_label_at + timedelta(seconds=policy.quiet_seconds)
        enough = facts.new >= 3 * needed(policy, facts.total, facts.last_run_at is None)
        paused = facts.last_run_at is None or facts.now - facts.last_run_at >= BUSY_PAUSE
        if facts.now < quiet_at and not (enough and paused):
            reason = _("Labels are still coming in; the run starts after %(seconds)s quiet seconds.")
            return _wait(reason % {"seconds": policy.quiet_seconds}, facts, policy, due_at=quiet_at)
    return Decision(True, reason, cause, facts.now, facts.new, needed(policy, facts.total, facts.last_run_at is None))


def needed(policy: TrainingPolicy, total: int, is_first: bool) -> int:
    """How many new labels a run by itself wants: the policy's count, or its share of all labels where that is more."""
    if is_first:
        return policy.min_new_labels
    return max(policy.min_new_labels, round(policy.min_new_share * total))


def short_categories(policy: TrainingPolicy, counts: dict[str, int]) -> dict[str, int]:
    """Category -> how many labels are missing; rare ones are no longer waited for, if two are left to tell apart."""
    short = {key: policy.min_labels_per_category - n for key, n in counts.items() if n < policy.min_labels_per_category}
    patience = PATIENCE * policy.min_labels_per_category * max(len(counts), 1)
    if len(counts) - len(short) >= 2 and sum(counts.values()) >= patience:
        return {}
    return short if short or len(counts) >= 2 else {"": policy.min_labels_per_category}


def _cause(policy: TrainingPolicy, facts: Facts) -> tuple[str, str]:
    """(cause, why) or ("", why not)."""
    want = needed(policy, facts.total, facts.last_run_at is None)
    if facts.new >= want:
        return "new_labels", _("%(new)s new labels, at least %(want)s were waited for.") % {
            "new": f"{facts.new:,}",
            "want": f"{want:,}",
        }
    if facts.new and policy.drift_at and (facts.last_run_at is None or policy.drift_at > facts.last_run_at):
        return "drift", policy.drift_reason or _("The pictures that are asked about have changed.")
    if facts.new and _is_old(policy, facts):
        return "age", _("The last run is older than %(hours)s hours.") % {"hours": policy.max_age_hours}
    waits_since = facts.last_run_at or facts.newest_label_at or facts.project_since
    if facts.new and policy.daily_at and waits_since and _last_clock(policy, facts.now) > waits_since:
        return "schedule", _("It is the hour of the daily run.")
    if not facts.new:
        return "", _("Nothing is new since the last run.") if facts.last_run_at else _("There are no final labels yet.")
    missing = want - facts.new
    reason = _("%(new)s of %(want)s new labels are there; still missing: %(missing)s.")
    return "", reason % {"new": f"{facts.new:,}", "want": f"{want:,}", "missing": f"{missing:,}"}


def _is_old(policy: TrainingPolicy, facts: Facts) -> bool:
    if facts.last_run_at is None or policy.max_age_hours is None:
        return False
    return facts.now - facts.last_run_at >= timedelta(hours=policy.max_age_hours)


def _short_reason(policy: TrainingPolicy, short: dict[str, int], names: dict[str, str]) -> str:
    if "" in short:
        return _("A classifier needs at least two categories.")
    worst = sorted(short.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{names.get(key, key)} ({missing})" for key, missing in worst[:5])
    reason = _("Each category needs %(least)s labels first. Still missing: %(listed)s.")
    if len(worst) > 5:
        reason = _("Each category needs %(least)s labels first. Still missing: %(listed)s and %(more)s more.")
    return reason % {"least": policy.min_labels_per_category, "listed": listed, "more": f"{len(worst) - 5:,}"}


def _last_clock(policy: TrainingPolicy, now: datetime) -> datetime:
    """The last time that the daily hour struck (UTC)."""
    assert policy.daily_at is not None
    today = datetime.combine(now.date(), policy.daily_at, tzinfo=now.tzinfo)
    return today if today <= now else today - timedelta(days=1)


def _next_clock(policy: TrainingPolicy, facts: Facts) -> datetime | None:
    """When time alone will make a run due, if what is new stays."""
    times = []
    if policy.daily_at:
        times.append(_last_clock(policy, facts.now) + timedelta(days=1))
    if policy.max_age_hours is not None and facts.last_run_at:
        times.append(facts.last_run_at + timedelta(hours=policy.max_age_hours))
    return min(times, default=None)


def _wait(
    reason: str,
    facts: Facts,
    policy: TrainingPolicy,
    *,
    due_at: datetime | None = None,
    short: dict[str, int] | None = None,
) -> Decision:
    want = needed(policy, facts.total, facts.last_run_at is None)
    return Decision(False, reason, "", due_at, facts.new, want, short or {})


def start_due_runs(start: Callable[[Project, Decision], object]) -> int:
    """Call ``start`` for each project that is due; write down why each other one is not. Returns how many started.

    What goes wrong with one project is logged, written down there and tried again later; the others go on.
    """
    started = 0
    for project in _candidates():
        try:
            started += _start_if_due(project, start)
        except Exception:
            logger.exception("project %s: its training could not be started", project.pk)
            _note(project, _("Training could not be started; the server's log says why."), _later())
    return started


def _start_if_due(project: Project, start: Callable[[Project, Decision], object]) -> bool:
    looked_at = time.monotonic()
    decision = check_due(project)
    _rest(f"due:rests:{project.pk}", True, time.monotonic() - looked_at)
    if not decision.start:
        _note(project, decision.reason, decision.due_at)
        return False
    try:
        start(project, decision)
    except CrowdtuneError as refusal:
        # A full disk, or weights that are missing, may change without any new label.
        _note(project, refusal.message, None if refusal.code == "not_enough_labels" else _later())
        return False
    _note(project, decision.reason, None)
    return True


def _later() -> datetime:
    return timezone.now() + RETRY_AFTER


def _note(project: Project, reason: str, again: datetime | None) -> None:
    """Write down why no run has started, and when to look again though nothing has changed."""
    TrainingPolicy.objects.update_or_create(
        project=project,
        defaults={"status": reason, "checked_at": timezone.now(), "seen": _counters(project), "look_again_at": again},
    )


def look_again(project_id: int) -> None:
    """Something changed that the project's counters do not show: a run ended, a policy, drift."""
    TrainingPolicy.objects.filter(project=project_id).update(seen="")


def _candidates() -> Iterator[Project]:
    """Projects where the answer may have changed since the last check, and no run is live.

    The check runs every second or so: it must cost one small query while nobody labels.
    """
    live = TrainingRun.objects.live().values("project_id")
    seen = {policy.project_id: policy for policy in TrainingPolicy.objects.all()}
    rows = Project.objects.at_work().filter(Q(retired_count__gt=0) | Q(gold_count__gt=0)).exclude(pk__in=live)
    for project in rows.order_by("id").iterator():
        policy = seen.get(project.pk)
        is_time = policy is not None and policy.look_again_at is not None and policy.look_again_at <= timezone.now()
        if policy is None or not policy.seen:
            yield project  # never looked at, or a person asks: that does not wait for a rest to be over
        elif (policy.seen != _counters(project) or is_time) and not cache.get(f"due:rests:{project.pk}"):
            yield project


def _counters(project: Project) -> str:
    """What grows whenever a label becomes final, is taken back or corrected."""
    counters = (project.retired_count, project.gold_count, project.answers_version, project.fitted_version)
    return ".".join(map(str, counters))
