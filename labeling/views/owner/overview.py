"""How a project stands, and what to do next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db.models import Count
from django.db.models.functions import TruncDay, TruncHour, TruncMinute
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from labeling import charts, figures
from labeling.accounts import languages
from labeling.charts.scale import time_sayer
from labeling.collecting import tasks, workflow
from labeling.consensus import stopping
from labeling.models import Judgment, Project, Question
from labeling.views.owner import by_question
from labeling.views.owner.answers import main_question, names_of, say, shown_question
from labeling.views.owner.context import context_of, load_project
from labeling.views.owner.steps import next_steps

LEAST_GOLD = 10  # images from which on they say how often labels are right
MOST_TOLD = 20  # of ImageNet's table
ACTIVITY_SECONDS = 20  # how long a plot over judgments is kept: it counts rows, so no page load waits for it


@login_required
def overview(request: HttpRequest, slug: str) -> HttpResponse:
    project = load_project(request, slug, "review")
    context = context_of(request, project, tab="overview")
    context["steps"] = next_steps(project, manages=context["manages"])
    context["cut_short"] = cut_short = figures.cut_short(project)[project.pk]
    done, context["all"] = project.finished
    context["done"] = max(done - cut_short, 0)
    context["chosen"] = key = request.GET.get("question")
    if key is not None:  # its figures stand where the address leads, and need no JavaScript
        context.update(_figures_of(project, key))
    return render(request, "projects/overview.html", context)


@login_required
def activity(request: HttpRequest, slug: str) -> HttpResponse:
    """A fragment: what was labeled when, what the labels are, and how far people agree on one question's categories."""
    project = load_project(request, slug, "review")
    key = request.GET.get("question")
    context = context_of(request, project, tab="overview", chosen=key)
    return render(request, "projects/_activity.html", {**context, **_figures_of(project, key)})


def _figures_of(project: Project, key: str | None) -> dict[str, Any]:
    """Of the project, and by category of the question with this key; of the main one where there is none."""
    shown = shown_question(project, project.questions.all() if key else (), key)
    kept = f"activity:{project.pk}:{get_language()}"  # its words are of one language
    found = cache.get_or_set(kept, lambda: _activity(project), ACTIVITY_SECONDS) or {}
    if shown is None:
        return found
    plots = cache.get_or_set(f"{kept}:{shown.pk}", lambda: by_question.charts_of(project, shown), ACTIVITY_SECONDS)
    return {**found, **(plots or {}), "shown": shown}


def _unsure(between: list[int] | None) -> list[int] | None:
    """What the judgments to finish lie between, while that says more than one number."""
    return between if between and between[1] > 1.25 * between[0] else None


def _price(project: Project, cost: dict[str, Any], unsure: list[int] | None) -> str:
    """What it takes to finish costs, as wide as that is unsure."""
    if not unsure:
        return str(cost["cost_to_finish"])
    return "–".join(f"{judgments * project.price_per_judgment:.2f}" for judgments in unsure)


def _activity(project: Project) -> dict[str, Any]:
    question = main_question(project)
    found = question.fit.get("figures", {}) if question else {}
    names = names_of(question)
    certain = figures.agreement(project)
    sure = certain.get(question.key, {}) if question else {}
    cost = figures.cost(project)
    unsure = _unsure(cost["judgments_to_finish_between"])
    left = _left(project, Decimal(cost["cost_to_finish"]))
    return {
        "cost": cost,
        "left": left,
        "reached": None if left is None else _reached(project, left / Decimal(cost["cost_to_finish"])),
        "unsure": unsure,
        "price": _price(project, cost, unsure),
        "figures": found,
        "question": question,
        "gold_tells": "excess" in (question.fit.get("fit", {}) if question else {}),
        "certainty": sure.get("mean_confidence"),
        "labels": sure.get("labels"),
        "doubtful": _doubtful(question, sure),
        "on_gold": _on_gold(found),
        "tried": _tried(found),
        "checks": sure.get("checks", 0),
        "enough": tasks.ENOUGH_CHECKS,
        "per_time": _labels_over_time(project),
        "anchoring": found.get("anchoring"),
        "table": _table(project, question, names),
        "table_sample": stopping.SAMPLE,
        "questions": _questions(project, certain),
        "stages": _stages(project),
    }


def _table(project: Project, question: Question | None, names: dict[str, str]) -> str | None:
    """Of ImageNet's table, how many votes are enough for each category where all are for it: empty while there is
    none; None under another policy.
    """
    if question is None or project.stopping != "imagenet":
        return None
    table = question.fit.get("table", {})
    told = [(say(key, names), stopping.enough(table, key, project.confidence)) for key in list(table)[:MOST_TOLD]]
    more = ["…"] if len(table) > MOST_TOLD else []
    none = pgettext("number of votes", "none yet")
    return ", ".join([f"{name}: {votes or none}" for name, votes in told] + more)


def _left(project: Project, to_finish: Decimal) -> Decimal | None:
    """What is left of a budget that will not last to the end, as things go; None where it will, or is spent already."""
    if project.budget is None or project.is_spent or project.budget - project.cost >= to_finish:
        return None
    return project.budget - project.cost


def _reached(project: Project, paid: Decimal) -> float:
    """The share that is finished when the budget ends, where it pays for this share of what is to come: tasks that
    are begun are ended before others, so hardly any is half done then.
    """
    done, all_of_it = project.finished
    return (done + (all_of_it - done) * float(paid)) / all_of_it


def _on_gold(found: dict[str, Any]) -> dict[str, Any] | None:
    """Of hidden gold: how many images there are, how often people are right, and how often their labels' certainty
    says; None where it is too little to tell. ``warns`` where they are right less often than chance explains.
    """
    gold = found.get("gold") or {}
    if gold.get("tasks", 0) < LEAST_GOLD:
        return None
    share = gold["expected"] / gold["tasks"]
    chance = (gold["tasks"] * share * (1 - share)) ** 0.5  # two standard deviations of it are rarely seen
    beyond = gold["expected"] - gold["right"] - 0.5  # images come whole, and one mistake is often chance
    shown = {name: round(value) for name, value in gold.items()}
    return {**shown, "warns": beyond > 2 * chance}


def _tried(found: dict[str, Any]) -> dict[str, Any] | None:
    """Where the method leans away from the plain majority and the answer is known: how often each is right; None where
    there is no such image.
    """
    gold = found.get("gold") or {}
    ours, theirs = (round(gold.get(name, 0)) for name in ("favourites_right", "winners_right"))
    return {"ours": ours, "theirs": theirs, "leaves": found.get("differs_from_majority")} if ours or theirs else None


def _doubtful(question: Question | None, sure: dict[str, Any]) -> int | None:
    """How many labels to expect wrong, where certainty is the probability of one answer; None where it is not."""
    if question is None or question.kind not in by_question.CHOSEN or not sure.get("labels"):
        return None
    return round((1 - sure["mean_confidence"]) * sure["labels"])


def _stages(project: Project) -> charts.Chart:
    title = _("Seconds per accepted box, by stage")
    if not project.in_stages:
        return charts.bars([], title=title)
    found = workflow.figures(project)
    spent, boxes, images = found["seconds_per_accepted_box"], found["accepted_boxes"], found["covered_images"]
    return charts.bars(
        [(str(name), spent[key]) for key, name in workflow.STAGES.items() if spent.get(key) is not None],
        title=title,
        description=", ".join(
            (
                ngettext("%d accepted box", "%d accepted boxes", boxes) % boxes,
                ngettext("%d covered image", "%d covered images", images) % images,
            )
        ),
        unit="seconds",
    )


def _questions(project: Project, certain: dict[str, Any]) -> list[tuple[Question, dict[str, Any]]]:
    """How sure and how much agreed on the answers to each question are; nothing where the tiles say it all of one."""
    asked = [question for question in project.questions.order_by("position", "id") if question.key in certain]
    rows = [(question, certain[question.key]) for question in asked]
    return rows if len(rows) > 1 or any(row["fit"].get("fleiss_kappa") is not None for _question, row in rows) else []


def _labels_over_time(project: Project) -> charts.Chart:
    """Judgments per minute, hour or day, whichever suits the time from the first to the last of the last month."""
    now = timezone.now()
    rows = Judgment.objects.filter(project=project, withdrawn_at=None)
    moments = rows.order_by("id").values_list("created_at", flat=True)
    start = max(moments.first() or now, now - timedelta(days=30))
    end = max(moments.last() or now, start)
    truncate, step = _step(end - start)
    counts = dict(
        rows.filter(created_at__range=(start, end))  # one of a clock that was far ahead would add a month of minutes
        .annotate(at=truncate("created_at", tzinfo=UTC))
        .values_list("at")
        .annotate(n=Count("id"))
        .order_by("at")
    )
    times = _times(counts, step)
    span = max((end - start).total_seconds(), 300)  # no step is shorter than a minute, so nothing to say of seconds
    say, day = time_sayer(span, languages.months()), time_sayer(2 * 86400, languages.months())
    is_today = step >= timedelta(days=1) or end.date() == now.date()  # else clock times alone do not say of which day
    return charts.columns(
        [say(at.timestamp()) for at in times],
        [(_("Judgments"), [counts.get(at, 0) for at in times])],
        title=_("Judgments over time"),
        x_label=_("Time (UTC)") if is_today else _("Time (UTC), until %(day)s") % {"day": day(end.timestamp())},
    )


def _step(span: timedelta) -> tuple[Any, timedelta]:
    if span < timedelta(hours=1):
        return TruncMinute, timedelta(minutes=1)
    return (TruncHour, timedelta(hours=1)) if span < timedelta(days=2) else (TruncDay, timedelta(days=1))


def _times(counts: dict[datetime, int], step: timedelta) -> list[datetime]:
    """Every step from the first to the last, those without a judgment too."""
    if not counts:
        return []
    first, last = min(counts), max(counts)
    return [first + step * i for i in range(int((last - first) / step) + 1)]
