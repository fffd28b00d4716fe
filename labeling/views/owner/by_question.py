"""How far people agree on the categories of one question, and what one person takes for what there.

Both read what the last fit found, which has left out answers that the labels of other questions rule out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Case, Count, F, FloatField, Func, IntegerField, Max, Min, QuerySet, TextField, When
from django.db.models.functions import Cast, Greatest, Least, Round
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from labeling import charts, figures
from labeling.aggregation.belief import MOST_CLASSES
from labeling.aggregation.boxes import Hand
from labeling.charts.scale import sayer, scale
from labeling.models import Consensus, Project, Question, WorkerSkill
from labeling.questions.text import plain
from labeling.surveys import tongues
from labeling.views.owner.answers import names_of, say

ANSWERS_SHOWN = 20  # in the plot of labels, and of agreement
NUMBER_STEPS = 10  # in the plot of labels, about
MOST_NUMBER = 1e15  # in the plot of labels: a slip beyond counts as this, or columns were called by ninety digits

CHOSEN = {"single_choice", "yes_no", "rating"}  # kinds whose label is one answer out of a few


def charts_of(project: Project, question: Question) -> dict[str, Any]:
    """The plots of one question, and why those that are empty are."""
    found, names = question.fit.get("figures", {}), names_of(question)
    plots = {"confusion": _confusion(project, question, found, names), "agreement": _agreement(found, names)}
    return {
        **plots,
        "per_category": _answers(project, question, names),
        "by_language": _by_language(question),
        "missing": _missing(question, found, plots["confusion"], plots["agreement"]),
    }


def _confusion(project: Project, question: Question, found: dict[str, Any], names: dict[str, str]) -> charts.Chart:
    classes = list(question.fit.get("classes", []))
    key = question.key if question.statistic == "class" else ""

    def behind(label: int, said: int) -> str:
        """The labels of a cell."""
        query = urlencode({"question": key, "answer": classes[label], "said": classes[said]})
        return f"{reverse('project-labels', args=[project.slug])}?{query}"

    return charts.matrix(
        [say(key, names) for key in classes] if found.get("confusion") else [],
        found.get("confusion") or [],
        title=_("What is taken for what"),
        description=_("Judgments by label and answer: away from the diagonal the crowd confuses two categories."),
        row_label=pgettext("noun", "Label"),
        column_label=_("Answer"),
        link=behind if key else None,
    )


def _agreement(found: dict[str, Any], names: dict[str, str]) -> charts.Chart:
    shares = [(say(key, names), share) for key, share in found.get("by_category", {}).items() if share is not None]
    return charts.bars(
        sorted(shares, key=lambda row: row[1])[:ANSWERS_SHOWN],
        title=_("Agreement by category"),
        description=_("How often two people who looked at the same image said the same.")
        if "mean_iou" not in found
        else capfirst(_("mean overlap (IoU) with the combined boxes")),
        unit="percent",
        most=1.0,
    )


def _by_language(question: Question) -> charts.Chart:
    """Nothing where all were asked in one language."""
    found = figures.by_language(question) if question.kind in CHOSEN else {}
    shares = [(tongues.NAMES.get(code, code), agreeing / all_of_it) for code, (all_of_it, agreeing) in found.items()]
    return charts.bars(
        shares if len(shares) > 1 else [],
        title=_("Agreement by language"),
        description=_("How often an answer is the label, by the language in which the question was shown."),
        unit="percent",
        most=1.0,
    )


def _answers(project: Project, question: Question, names: dict[str, str]) -> charts.Chart:
    """How many tasks have each answer to the question so far."""
    title = _("Labels so far")
    labels = Consensus.objects.filter(project=project, question=question).asked(project)
    if question.kind == "number":
        return _numbers(labels, title)
    if question.kind not in CHOSEN | {"text"}:
        return charts.bars([], title=title)
    counts = list(labels.values_list("answer").annotate(n=Count("id")).order_by("-n"))
    if question.kind == "text":
        counts = _texts(counts)
    told = ""
    if len(counts) > ANSWERS_SHOWN:
        told = _("The %(shown)s most common of %(all)s answers.")
        told %= {"shown": ANSWERS_SHOWN, "all": intcomma(len(counts))}
    rows = counts[:ANSWERS_SHOWN]
    if question.kind == "rating":  # a scale is read from its one end to the other; who cannot tell is beside it
        rows.sort(key=lambda row: (isinstance(row[0], str), row[0]))
    return charts.bars([(say(answer, names), n) for answer, n in rows], title=title, description=told)


def _texts(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Spellings of one text together, as the commonest; nothing where no two tasks have the same text."""
    spelled: dict[str, str] = {}
    found: Counter[str] = Counter()
    for text, n in counts:
        found[spelled.setdefault(plain(text), text)] += n
    together = found.most_common()
    return together if together and together[0][1] > 1 else []


def _numbers(labels: QuerySet[Consensus], title: str) -> charts.Chart:
    """How many tasks have about this number, in round steps; without those that nobody can tell.

    Of many people's numbers one is made that may lie a little beside theirs, so each counts for its nearest step.
    """
    kind = Func(F("answer"), function="jsonb_typeof", output_field=TextField())
    said = Least(Greatest(Cast(Cast("answer", TextField()), FloatField()), -MOST_NUMBER), MOST_NUMBER)
    rows = labels.annotate(kind=kind, number=Case(When(kind="number", then=said))).exclude(number=None)
    ends = rows.aggregate(least=Min("number"), most=Max("number"))
    if ends["least"] is None:
        return charts.columns([], [], title=title)
    along = scale([ends["least"], ends["most"]], count=NUMBER_STEPS)
    step = along.ticks[1] - along.ticks[0]
    place = Cast(Round((F("number") - along.low) / step), IntegerField())
    counts = dict(rows.annotate(place=place).order_by().values_list("place").annotate(n=Count("id")))
    steps = range(min(counts), max(counts) + 1)
    return charts.columns(
        [along.say(along.low + step * at) for at in steps],
        [(title, [counts.get(at, 0) for at in steps])],
        title=title,
        x_label=_("Number, rounded"),
        y_label=_("Images"),
    )


# Why a question of this kind has no plot by category, or none of what is taken for what.
NO_CATEGORIES = {
    "rating": gettext_lazy(
        "The steps of a scale have an order and are no categories: two people may be near without saying the same. How"
        " near they are is in Krippendorff's alpha."
    ),
    "number": gettext_lazy(
        "Numbers have no categories: two people may be near without saying the same. How near they are is in"
        " Krippendorff's alpha."
    ),
    "text": gettext_lazy("Texts have no categories: two people wrote the same or they did not."),
}
NOT_TAKEN = {
    "multiple_choice": gettext_lazy(
        "Several choices may be right at once, so none is taken for another: agreement is told of each choice."
    ),
    "boxes": gettext_lazy(
        "Boxes are compared by how far they overlap, so it is not counted which category is taken for which."
    ),
}


def _missing(question: Question, found: dict[str, Any], confusion: charts.Chart, agreement: charts.Chart) -> list[str]:
    if not found:
        return [_("No answers to this question are combined yet: its figures come a few seconds after the first.")]
    if question.kind in NO_CATEGORIES:
        return [str(NO_CATEGORIES[question.kind])]
    told = (
        [_("No image has two people's answers to this question yet, which agreement needs.")]
        if agreement.is_empty
        else []
    )
    if question.kind in NOT_TAKEN:
        told.append(str(NOT_TAKEN[question.kind]))
    elif confusion.is_empty and found.get("confusion") is None:
        told.append(_("Of more than %d categories it is not counted which is taken for which.") % MOST_CLASSES)
    return told


def of_person(question: Question | None, skill: WorkerSkill | None) -> dict[str, Any]:
    """How one person errs at a question, as the last fit found: a plot or a few numbers, else why there is neither."""
    plot = _mistakes(question, skill) if question else charts.matrix([], [], title=_("Confusion"))
    habits = _habits(question, skill.confusion) if question and skill else []
    why = "" if habits or not plot.is_empty else _no_mistakes(question, skill)
    return {"plot": plot, "habits": habits, "why_no_plot": why}


def _mistakes(question: Question, skill: WorkerSkill | None) -> charts.Chart:
    """Its rows are the classes of the last fit, whatever the survey has become since."""
    classes, names = list(question.fit.get("classes", [])), names_of(question)
    rows = [say(key, names) for key in classes]
    told = _("How often this person gives each answer, by what the image shows, as estimated from all answers.")
    if question.statistic == "set":
        rows = [_("Not chosen"), _("Chosen")]
        told = _("How often this person chooses what is right and what is not, over all choices, as estimated.")
    found = skill.confusion if skill and question.statistic in {"class", "set"} else None
    cells = found if isinstance(found, list) and len(found) == len(rows) else []
    return charts.matrix(
        rows if cells else [],
        cells,
        title=_("Confusion"),
        description=told,
        row_label=_("Truth"),
        column_label=_("Answer"),
        unit="percent",
    )


def _habits(question: Question, found: Any) -> list[tuple[str, str]]:
    """Of numbers and boxes: (what, how much)."""
    if not isinstance(found, dict):
        return []
    if question.statistic == "median" and "bias" in found:
        return [
            (_("Usually above (+) or below (−) the truth by"), _signed(found["bias"], "{:+.3g}")),
            (_("Spread of the rest"), f"± {found['spread']:.3g}"),
        ]
    if question.statistic != "boxes" or "hand" not in found:
        return []
    hand = Hand.read(found)
    sides = (
        pgettext("side of a box", "left"),
        pgettext("side of a box", "top"),
        pgettext("side of a box", "right"),
        pgettext("side of a box", "bottom"),
    )
    moved = [f"{side} {_signed(share * 100, '{:+.1f}')}" for side, share in zip(sides, hand.offset, strict=True)]
    share = sayer("percent")
    return [
        (_("Draws what is there"), share(hand.finds)),
        (_("Draws where nothing is"), share(hand.invents)),
        (_("Sides off, in per cent of the box"), ", ".join(moved)),
        (_("Spread of the rest"), f"± {share(hand.spread)}"),
    ]


def _signed(value: float, pattern: str) -> str:
    """With a minus as wide as a plus."""
    return pattern.format(value).replace("-", "−")


def _no_mistakes(question: Question | None, skill: WorkerSkill | None) -> str:
    if question is None or skill is None:
        return _("Nothing that this person said to this question is combined yet.")
    if question.kind == "text":
        return _("Texts have no categories: only how often this person wrote what most did is told.")
    if "width" in question.fit or len(question.fit.get("classes", ())) > MOST_CLASSES:
        return _("Of more than %d categories only the accuracy is told.") % MOST_CLASSES
    return _("The survey has changed since the answers were last combined.")
