"""Disputed tasks, one at a time: all answers side by side, and a reviewer who decides with one key."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from labeling import services
from labeling.accounts import people
from labeling.collecting import tasks
from labeling.files import storage
from labeling.models import Consensus, Gold, Membership, Project, Role, Task
from labeling.questions import CANT_TELL
from labeling.views.numbers import whole
from labeling.views.owner.answers import Names, is_taken, names_of, offered, read
from labeling.views.owner.context import context_of, load_project, refusals, still_there
from labeling.views.owner.provenance import Verdict, story

# A reviewer decides by one key, 1 to 9.
KEYS = 9


@login_required
def review(request: HttpRequest, slug: str) -> HttpResponse:
    """The next disputed task; ``?after=`` skips those before, ``?task=`` shows one that a page links to.

    With ``?differs=``, a question's key, those whose label is not the plain majority's, in an order by chance: what a
    manager says is right becomes known, without a look at what others have said. Such images are hard, so these answers
    check labels, and nobody is measured by them.
    """
    project = load_project(request, slug, "review")
    context = context_of(request, project, tab="review")
    differs = next((one for one in project.questions.all() if one.key == request.GET.get("differs")), None)
    order, queue = ("random", tasks.differing(differs)) if differs else ("id", tasks.disputed(project))
    queue, waiting = queue.select_related("image").order_by(order), tasks.counted(queue)
    after, wanted = whole(request.GET.get("after")), whole(request.GET.get("task"))
    before = Task.objects.filter(project=project, pk=after).first()
    if wanted:
        task = Task.objects.select_related("image").filter(project=project, pk=wanted).first()
        context["is_gone"] = task is None
    elif after:
        passed = before.random if differs and before else after
        task = queue.filter(**{f"{order}__gt": passed}).first() or queue.first()
    else:
        task = queue[_start(project, request.user.pk, waiting) :].first() or queue.first()
    known = differs if context["manages"] else None
    context |= {"waiting": waiting, "most_counted": tasks.MOST_COUNTED, "before": before, "differs": differs}
    context |= {"checks": tasks.checks(differs), "enough": tasks.ENOUGH_CHECKS} if differs else {}
    context["same_queue"] = f"&{urlencode({'differs': differs.key})}" if differs else ""
    context["decided"] = _decided(before, request.user) if context["manages"] and not project.archived_at else []
    if task is not None:
        told = next(item for item in story(project, task.image) if item.task.pk == task.pk)
        context.update(
            task=task,
            story=told,
            url=storage.image_url(task.image),
            known=known,
            counts_less={who.user_id: who.weight for _one, _said, who in told.judgments if who and who.weight < 1},
            choices=_all_choices(project, [one for one in told.verdicts if known in {None, one.question}]),
        )
    return render(request, "projects/review.html", context)


def _decided(task: Task | None, user: Any) -> list[tuple[str, str]]:
    """What this person has decided of a task by question, as JSON: it may become gold."""
    if task is None or task.stage != "label":
        return []
    rows = (
        Consensus.objects.filter(task=task, decided_by=user)
        .asked(task.project)
        .order_by("question__position", "question_id")
    )
    return [(key, json.dumps(answer)) for key, answer in rows.values_list("question__key", "answer")]


def _start(project: Project, user_id: int | None, waiting: int) -> int:
    """Where in the queue this reviewer begins: several at once have each a part of it, and decide nothing twice."""
    judges = Membership.objects.filter(project=project).exclude(role=Role.WORKER).order_by("pk")
    ids = list(judges.values_list("user_id", flat=True))
    return waiting * ids.index(user_id) // len(ids) if user_id in ids else 0


def _all_choices(project: Project, verdicts: list[Verdict]) -> list[tuple[Verdict, list[dict[str, Any]]]]:
    """The choices by question. Of several questions only those that are unsure are left to choose for."""
    choices = [(verdict, choices_of(verdict)) for verdict in verdicts]
    for verdict, options in choices if len(choices) > 1 else []:
        label = verdict.consensus
        if label is not None and (label.decided_by_id or label.confidence >= project.confidence):
            for option in options:
                option["is_chosen"] = option.get("is_consensus", False)
    return choices


def choices_of(verdict: Verdict) -> list[dict[str, Any]]:
    """What a reviewer can decide: every answer that was given, the crowd's own, and what else the question offers.

    The crowd's is often nobody's: boxes are fused from several people's, a number is their median. Where the question
    offers no more than there are number keys, each choice keeps its place and its key from task to task; else what was
    answered comes first.
    """
    names = names_of(verdict.question)
    given = [
        {
            "value": side.as_json,
            "text": side.text,
            "by": people.name_of(side.judgments[0].worker) if verdict.question.kind == "boxes" else "",
            "votes": len(side.judgments),
            "is_consensus": side.is_consensus,
        }
        for side in verdict.sides
        if side.answer != CANT_TELL and is_taken(verdict.question, side.answer, names)
    ]
    crowds = verdict.consensus.answer if verdict.consensus else None
    is_choice = crowds is not None and crowds != CANT_TELL and is_taken(verdict.question, crowds, names)
    if is_choice and not any(choice["is_consensus"] for choice in given):
        given.insert(0, {"value": json.dumps(crowds), "text": verdict.text, "by": _("Consensus"), "is_consensus": True})
    return _keyed(_in_order(verdict, given, names), is_scale=verdict.question.kind == "rating")


def _in_order(verdict: Verdict, given: list[dict[str, Any]], names: Names) -> list[dict[str, Any]]:
    known = {choice["value"]: choice for choice in given}
    choices = [
        {"value": json.dumps(value), "text": text, "votes": 0} for value, text in offered(verdict.question, names)
    ]
    if len(choices) > KEYS:
        return given + [choice for choice in choices if choice["value"] not in known]
    stable = [known.pop(choice["value"], choice) for choice in choices]
    return stable + list(known.values())


def _keyed(choices: list[dict[str, Any]], *, is_scale: bool) -> list[dict[str, Any]]:
    """The choices with their number key: their place, or on a short scale the digit that they are."""
    digits = [
        choice["value"] if is_scale and len(choices) <= KEYS else str(at + 1) for at, choice in enumerate(choices)
    ]
    return [
        {**choice, "key": digit if digit in set("123456789") else ""}
        for choice, digit in zip(choices, digits, strict=True)
    ]


@login_required
@require_POST
def decide(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    known = request.POST.get("known", "")
    project = load_project(request, slug, "manage" if known else "review")
    sent = {
        name.removeprefix("answer-"): str(text) for name, text in request.POST.items() if name.startswith("answer-")
    }
    with refusals(request):
        on = f"after={pk}"
        task = still_there(Task.objects.filter(project=project), pk, _("This task is gone: its image was deleted."))
        on = f"task={pk}"
        answers = {name: read(text) for name, text in sent.items() if text}
        if known:
            _make_known(request, task, answers)
        else:
            services.decide_task(task=task, answers=answers, user=request.user, seen=request.POST.get("seen"))
            messages.success(request, _("Decided."))
        on = f"after={pk}"
    if differs := request.POST.get("differs"):
        on = f"{on}&{urlencode({'differs': differs})}"
    return redirect(f"/projects/{project.slug}/review/?{on}")


def _make_known(request: HttpRequest, task: Task, answers: dict[str, Any]) -> None:
    """What was known of other questions stays, and what it is for."""
    gold = task.gold if task.is_gold else None
    use = Gold.Use.CHECK if "differs" in request.POST else Gold.Use.HIDDEN
    use = Gold.Use(gold.use) if gold else use
    services.set_gold(
        task=task,
        answers={**(gold.answers if gold else {}), **answers},
        use=use,
        explanation=gold.explanation if gold else "",
        position=gold.position if gold else 0,
        user=request.user,
    )
    told = _("Saved.")
    if use == Gold.Use.CHECK:
        told = _("Known now: it checks the labels, and nobody is asked about it.")
    elif use == Gold.Use.HIDDEN:
        told = _(
            "Known now: it is hidden gold. People disagreed about it, so good ones may miss it: on its image's page it"
            " can become practice, or a check of labels."
        )
    messages.success(request, told)
