"""What figures say, in sentences for people who do not know the field; the pages of versions and comparisons begin so.

The figures themselves, with the field's terms, stand below: a sentence here promises no more than they do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.templatetags.ui import percent
from training import outlook, plots
from training.models import FROM_SCRATCH, ModelVersion
from training.snapshots import labels
from training.versions.gate import FEW

Link = Callable[[int, int], str]
CLEARLY = 1.5  # times as quick: less is the clock's, or nothing that anybody would notice


class Step(NamedTuple):
    """Something that its owner can do next: why, and what leads there."""

    why: str
    does: str
    url: str


def of_figures(
    metrics: dict[str, Any], names: Sequence[str], behind: Link | None = None
) -> tuple[list[str], list[Step]]:
    """How often a version is right, what it mixes up, and whether it can be taken at its word; and what that suggests.

    Args:
        metrics: Of ``metrics.evaluate``, with at least one image.
        names: The categories as people call them, in the order of the confusion matrix.
        behind: The address of the images behind a cell of that.
    """
    count, right = metrics["count"], round(metrics["top1"] * metrics["count"])
    shown = {"right": right, "count": count}
    said, steps = [_("Right on %(right)s of %(count)s images that it had never seen.") % shown], []
    if count < FEW:
        said.append(_("So few images say little: let the crowd label more."))
    if pair := _mixed_up(metrics.get("confusion", [])):
        label, answer, both = pair
        told = {"one": names[label], "other": names[answer], "count": both, "wrong": count - right}
        said.append(_("It mixes up %(one)s and %(other)s most: %(count)s of its %(wrong)s mistakes.") % told)
        if behind:
            why = _("Do people mix up %(one)s and %(other)s, too? Then describe more clearly how they differ.") % told
            steps.append(Step(why, _("See the images"), behind(label, answer)))
    return [*said, *_word(metrics)], steps


def _mixed_up(confusion: Sequence[Sequence[int]]) -> tuple[int, int, int] | None:
    """(label, answer, how often, both ways) of the two categories mixed up most; None where no two stand out."""
    pairs = sorted(
        (confusion[one][other] + confusion[other][one], one, other)
        for one in range(len(confusion))
        for other in range(one)
    )
    if not pairs or pairs[-1][0] < 2 or (len(pairs) > 1 and pairs[-2][0] == pairs[-1][0]):
        return None
    both, one, other = pairs[-1]
    return (one, other, both) if confusion[one][other] >= confusion[other][one] else (other, one, both)


def _word(metrics: dict[str, Any]) -> list[str]:
    """Whether it is as often right as it says, as far as that can be told apart from chance."""
    bars = [bar for bar in metrics.get("reliability", []) if bar["count"]]
    if not bars or metrics.get("ece_by_chance") is None:
        return []
    if metrics["ece"] <= metrics["ece_by_chance"]:
        if metrics["count"] < FEW:  # chance reaches so far that nothing is told
            return []
        return [_("As far as these images tell, it is as often right as it says that it is sure.")]
    sure = sum(bar["confidence"] * bar["count"] for bar in bars) / sum(bar["count"] for bar in bars)
    shown = {"sure": percent(sure), "right": percent(metrics["top1"])}
    if sure > metrics["top1"]:
        return [_("It is too sure of itself: on average it says %(sure)s, and %(right)s are right.") % shown]
    return [_("It is right more often than it says: on average it says %(sure)s, and %(right)s are right.") % shown]


def of_version(version: ModelVersion, names: Sequence[str], behind: Link) -> dict[str, Any]:
    """The sentences on top of a version's pages, and what its owner can do next."""
    if not version.metrics.get("count"):
        return {"said": [], "steps": []}
    said, steps = of_figures(version.metrics, names, behind)
    slug = version.project.slug
    if doubted := labels.uncorrected(version).filter(sent_at=None).count():
        told = ngettext(
            "It doubts %d label. That may be wrong, or the version is.",
            "It doubts %d labels. Some of them may be wrong, in others the version is: begin with the most doubtful,"
            " which come first.",
            doubted,
        )
        url = f"{reverse('project-insights', args=[slug])}?version={version.number}#suspects"
        steps.insert(0, Step(told % doubted, _("Labels that it doubts"), url))
    found = version.metrics.get(outlook.KEY, {})
    if found.get("verdict") == "better":
        steps.append(Step(plots.outlook(found), _("Add images"), reverse("project-images", args=[slug])))
    elif found.get("verdict") == "little":
        steps.append(Step(plots.outlook(found), _("Compare backbones"), reverse("project-bake-off", args=[slug])))
    return {"said": said, "steps": steps}


def better(versions: Sequence[ModelVersion]) -> dict[str, Any] | None:
    """A version that the gate did not let answer, and that a later comparison has ahead of the champion: ``said``, with
    its ``version``. A person decides: of many versions that are looked at so, one may be ahead by luck.

    The newest is none of them: the gate has just decided about it, on these images and more.
    """
    measured = plots.on_same_images(versions)
    champion = next((version for version in measured if version.alias == ModelVersion.Alias.CHAMPION), None)
    if champion is None:
        return None
    fewer, found = champion.same_images["right"], []
    for version in measured:
        same = version.same_images
        is_later = version.promoted_at is None and version.number != same["of"]
        low = (same.get("ahead_of_champion") or [0.0])[0] if same.get("champion") == champion.number else 0.0
        if is_later and low > 0 and same["right"] > fewer:
            found.append(version)
    if not found:
        return None
    best = max(found, key=lambda version: (version.same_images["right"], version.number))
    said = _(
        "Version %(number)s has come out ahead of version %(champion)s, which answers: on the same %(count)s images it"
        " is right on %(right)s instead of %(fewer)s, more than chance explains."
    )
    shown = {"number": best.number, "right": best.same_images["right"], "count": best.same_images["count"]}
    return {"version": best, "said": said % {**shown, "champion": champion.number, "fewer": fewer}}


def of_comparison(rows: Sequence[dict[str, Any]], count: int) -> list[str]:
    """Which candidate of a comparison is best, by how much, and what speaks for another.

    Args:
        rows: As ``with_winner`` marks them.
        count: Of the held-out images.
    """
    winner = next((row for row in rows if row.get("winner")), None)
    if winner is None:
        return []
    shown = {"title": winner["title"], "count": count, "right": round((1 - winner["top1_error"]) * count)}
    said = [_("Take %(title)s: right on %(right)s of %(count)s images that it had never seen.") % shown]
    others = [row for row in rows if row is not winner and row.get("top1_error") is not None]
    close = [row for row in others if row.get("may_be_as_good") and row["recipe"] != FROM_SCRATCH]
    quicker = min(close, key=lambda row: row["latency"], default=None)
    if others and all(row.get("may_be_as_good") is False for row in others):
        said.append(_("The others are behind by more than chance."))
    elif quicker and quicker["latency"] < winner["latency"] / CLEARLY:
        told = {"title": quicker["title"], "ms": quicker["milliseconds"], "its_ms": winner["milliseconds"]}
        said.append(
            _("%(title)s may be as good and answers sooner: in %(ms)s ms instead of %(its_ms)s ms an image.") % told
        )
    elif close:
        more = ngettext(
            "%(count)s other may be as good: so few images cannot tell them apart.",
            "%(count)s others may be as good: so few images cannot tell them apart.",
            len(close),
        )
        said.append(more % {"count": len(close)})
    if close:
        said.append(_("Take the one that you prefer for its speed or size, or compare again with more labels."))
    return said
