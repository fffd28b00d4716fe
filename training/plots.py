"""Rows of this room as plots: curves of a run, what a version is worth, versions over time, the zoo, a bake-off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from labeling import charts
from labeling.charts import Bin, Chart, Point, Series
from labeling.templatetags.ui import percent
from training.models import ModelVersion, Snapshot, TrainingRun
from training.versions.gate import FEW


def loss_curve(run: TrainingRun) -> Chart:
    return charts.line(
        _curves(run.history, "loss", "val_loss"),
        title=_("Loss"),
        description=_(
            "Small where the right answer was given a high chance. Where validation rises while training falls, it"
            " learns by heart."
        ),
        x_label=_("Epoch"),
        y_label=_("Cross-entropy"),
        y_low=0.0,
    )


def accuracy_curve(run: TrainingRun) -> Chart:
    return charts.line(
        _curves(run.history, "accuracy", "val_accuracy"),
        title=_("Accuracy"),
        description=_("On the training images, and on the validation images, which it does not learn."),
        x_label=_("Epoch"),
        y_label=_("Right answers"),
        y_format="percent",
        y_high=1.0,
    )


def _curves(history: dict[str, list[float]], train: str, validation: str) -> list[Series]:
    named = [(_("Training"), history.get(train, [])), (_("Validation"), history.get(validation, []))]
    return [
        Series(name, [(epoch, value) for epoch, value in enumerate(curve, 1)], dashed=name == named[1][0])
        for name, curve in named
        if curve
    ]


def class_balance(snapshot: Snapshot, names: dict[str, str]) -> Chart:
    """How many images of each category are on each side of the split."""
    sides = ("train", "validation", "test")
    rows = [
        (names.get(key, key), [snapshot.counts.get(side, {}).get(key, 0) for side in sides])
        for key in snapshot.categories
    ]
    return charts.stacked_bars(
        rows, [_("Training"), _("Validation"), _("Test")], title=_("Images per category and side of the split")
    )


def confusion(
    metrics: dict[str, Any],
    categories: Sequence[str],
    names: dict[str, str],
    link: Callable[[int, int], str] | None = None,
) -> Chart:
    return charts.matrix(
        [names.get(key, key) for key in categories],
        metrics.get("confusion", []),
        title=_("Confusion matrix"),
        description=_("Each row is what the image shows, each column what the model said, on images it never saw."),
        row_label=pgettext("noun", "Label"),
        column_label=_("Model"),
        link=link,
    )


def reliability(metrics: dict[str, Any]) -> Chart:
    bins = [
        Bin(bar["low"], bar["high"], bar["confidence"], bar["accuracy"], int(bar["count"]))
        for bar in metrics.get("reliability", [])
    ]
    return charts.reliability(
        bins,
        title=_("Reliability"),
        description=_("When the model says 80 %, is it right 8 times of 10? On the diagonal it means what it says."),
        x_label=_("The model's confidence"),
        y_label=_("Right answers"),
        count_label=_("Images"),
    )


def learning_curve(found: dict[str, Any]) -> Chart:
    """Error by how many images were learned, and where twice as many would probably bring it."""
    points, twice = found["points"], found["twice"]
    rows = [*points, twice] if found["verdict"] == "better" else points
    ahead = [
        Series(_("Probably"), [(row["images"], row["error"]) for row in rows[-2:]], dashed=True,
               band=[(row["images"], *row["interval"]) for row in rows[-2:]]),
    ]  # fmt: skip
    return charts.line(
        [
            Series(
                _("Error"),
                [(row["images"], row["error"]) for row in points],
                band=[(row["images"], *row["interval"]) for row in points],
            ),
            *(ahead if found["verdict"] == "better" else []),
        ],
        title=_("What more labels bring"),
        description=_(
            "The error on held-out images of classifiers that learned an eighth, a quarter, half and all of the images,"
            " the mean of four drawings; the shade shows how far chance may reach."
        ),
        x_label=_("Images learned"),
        y_label=_("Error"),
        y_format="percent",
        y_low=0.0,
    )


def outlook(found: dict[str, Any]) -> str:
    """The same in a sentence, which promises no more than the curve shows."""
    now, twice = found["points"][-1], found["twice"]
    low, high = twice["interval"]
    said = {
        "better": _(
            "Twice as many labels would probably bring the error from %(now)s to %(then)s (95 %% interval %(low)s to"
            " %(high)s)."
        ),
        "little": _("More labels of this kind would probably bring little: the error is at %(now)s and hardly falls."),
        "unknown": _("These held-out images are too few to tell whether more labels would bring much."),
    }[found["verdict"]]
    shares = {"now": now["error"], "then": twice["error"], "low": low, "high": high}
    return said % {name: percent(share, 1) for name, share in shares.items()}


def on_same_images(versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Those of the versions that were last measured together, on one set of images."""
    latest = max((version.same_images.get("of", 0) for version in versions), default=0)
    return [version for version in versions if latest and version.same_images.get("of") == latest]


def accuracy_by_version(versions: Sequence[ModelVersion]) -> Chart:
    """Each version on the same held-out images, with its interval; where there are none yet, on its own.

    Args:
        versions: From the oldest to the newest, ``summarised``.
    """
    measured = on_same_images(versions)
    if not measured:
        return _accuracy_on_own_images(versions)
    shares = [(version.number, version.same_images) for version in measured]
    return charts.line(
        [
            Series(
                _("Right answers"),
                [(number, found["right"] / found["count"]) for number, found in shares],
                band=[(number, *found["interval"]) for number, found in shares],
            )
        ],
        title=_("How good each version is"),
        description=_(
            "All versions on the same %(count)s images, which none of them was trained on; the shade shows how far"
            " chance may reach."
        )
        % {"count": shares[-1][1]["count"]},
        x_label=_("Version"),
        y_label=_("Right answers"),
        y_format="percent",
        y_high=1.0,
    )


def _accuracy_on_own_images(versions: Sequence[ModelVersion]) -> Chart:
    rows = [row for row in map(attrgetter("number", "summary"), versions) if row[1].get("top1") is not None]
    return charts.line(
        [
            Series(
                _("Held-out accuracy"),
                [(number, metrics["top1"]) for number, metrics in rows],
                band=[(number, *metrics["interval"]) for number, metrics in rows],
            )
        ],
        title=_("Accuracy of each version on its own images"),
        description=_(
            "Each version on the images held out when it was made: others, and often harder ones, each time. So a line"
            " that falls does not say that versions get worse; from the next run on all are measured on the same"
            " images."
        ),
        x_label=_("Version"),
        y_format="percent",
        y_high=1.0,
        y_label=_("Right answers"),
    )


def progress(versions: Sequence[ModelVersion]) -> str:
    """What training has brought, in sentences: the newest version beside the champion, or beside the first one where
    it is the champion itself; "" where nothing was measured on the same images yet.

    Args:
        versions: From the oldest to the newest.
    """
    measured = on_same_images(versions)
    if not measured:
        return ""
    newest = measured[-1]
    champion = next((version for version in measured if version.alias == ModelVersion.Alias.CHAMPION), measured[0])
    other = measured[0] if champion == newest else champion
    count = newest.same_images["count"]
    shown = {"number": newest.number, "right": newest.same_images["right"], "count": count}
    if other == newest:
        said = _("Version %(number)s is right on %(right)s of %(count)s images that it was not trained on.") % shown
    else:
        said = _(
            "Version %(number)s is right on %(right)s of %(count)s images that it was not trained on, version"
            " %(other)s on %(fewer)s of the same."
        ) % {**shown, "other": other.number, "fewer": other.same_images["right"]}
        said = f"{said} {_chance(newest, other)}"
    best = max(measured, key=lambda version: version.same_images["right"])
    if best.same_images["right"] > max(newest.same_images["right"], other.same_images["right"]):
        best_of_all = {"number": best.number, "right": best.same_images["right"]}
        said = f"{said} " + _("The most is %(right)s, by version %(number)s.") % best_of_all
    if count < FEW:
        said = f"{said} " + _("So few images say little: let the crowd label more.")
    return said


def _chance(newest: ModelVersion, other: ModelVersion) -> str:
    """Whether the newest version is better than this one, or worse."""
    ahead = other.same_images["ahead"]
    if ahead and ahead[0] > 0 and other.alias == ModelVersion.Alias.CHAMPION:  # which goes on answering
        return _(
            "On these it is better, by more than chance; but new images are often those that version %(number)s was"
            " unsure of, and the decision between the two weighs for that."
        ) % {"number": other.number}
    if ahead and ahead[0] > 0:
        return _("It is better, by more than chance.")
    if ahead and ahead[1] < 0:
        return _("It is worse, by more than chance.")
    if newest.same_images["right"] == other.same_images["right"]:
        return _(
            "On these alone neither is better. The decision between two versions looks at all images that neither of"
            " them was trained on."
        )
    return _("On these alone a difference like this may be chance.")


def historic_line(rows: Sequence[tuple[str, int, float]]) -> Chart:
    """(name, year, top-5 error in percent) of the networks that the field teaches."""
    return charts.columns(
        [f"{name} {year}" for name, year, _error in rows],
        [(_("Top-5 error"), [error / 100 for _name, _year, error in rows])],
        title=_("ImageNet top-5 error of the winners"),
        unit="percent",
        y_label=_("Top-5 error"),
    )


def transfer_curves(rows: Sequence[dict[str, Any]]) -> tuple[Chart, Chart]:
    """A comparison's candidates over their epochs: right answers on the validation part, and the gap to training."""
    held, gap = [], []
    for row in rows:
        seen, kept = (row.get("curves", {}).get(name, []) for name in ("accuracy", "val_accuracy"))
        if seen and kept:
            held.append(Series(row["title"], list(enumerate(kept, 1))))
            gap.append(Series(row["title"], [(e, a - b) for e, (a, b) in enumerate(zip(seen, kept, strict=False), 1)]))
    return (
        charts.line(
            held,
            title=_("Right answers on the validation part"),
            description=_("From scratch has to learn what a picture is; a pretrained network begins where that ends."),
            x_label=_("Epoch"),
            y_label=_("Right answers"),
            y_format="percent",
            y_high=1.0,
        ),
        charts.line(
            gap,
            title=_("Training minus validation"),
            description=_("How much is known by heart only: augmentation narrows it, more trained layers widen it."),
            x_label=_("Epoch"),
            y_label=_("Right answers"),
            y_format="percent",
        ),
    )


def pareto(rows: Sequence[dict[str, Any]], *, cost: str, title: str, x_label: str, unit: Any) -> Chart:
    """A bake-off's candidates: error against one kind of cost; the front joins those that none beats at both."""
    points = [
        Point(float(row[cost]), float(row["top1_error"]), row["title"], marked=bool(row.get("winner")))
        for row in rows
        if row.get(cost) is not None and row.get("top1_error") is not None
    ]
    return charts.scatter(
        points,
        title=title,
        x_label=x_label,
        y_label=_("Top-1 error"),
        x_format=unit,
        y_format="percent",
        log_x=True,
        front=("less", "less"),
        y_low=0.0,
    )
