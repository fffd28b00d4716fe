"""Pure: may a new version answer instead of the champion? By the paired bootstrap on the same held-out images.

Two looks at the same images. Accuracy counts only the answer on top; where held-out labels come from a crowd, their own
errors hide a difference of some percent in it. The log loss against the crowd's posteriors is a proper score: it sees
how sure each model was, and of what, so it tells two models apart on far fewer images. A version passes when it is
better beyond chance by either, and not worse beyond chance by accuracy. Near-duplicates count as one image that is
looked at several times, and images may have weights, where they were not drawn by chance (``runs.comparing``).
Source: Gneiting and Raftery, Strictly Proper Scoring Rules (JASA 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from labeling.text.words import Told, tell
from labeling.text.words import gettext as _
from training.learning.metrics import bootstrap

FLOOR = 0.01
# On fewer images nothing is beyond chance (near-duplicates are one): five that all speak for one of two models do so in
# one of 16 cases when the models are equally good (sign test, two-sided), and resampling five that all say the same
# cannot know that.
FEWEST = 6
# On fewer it can be told only of the plainly better: of versions right on 80 and 60 of 100 images, the better one shows
# it on 30 images in half of the cases, one right on 70 in an eighth (docs/decisions/0010-training.md).
FEW = 30


@dataclass(frozen=True)
class Verdict:
    """``alias`` is champion or challenger; ``reason`` is stored with the version and shown to people: a sentence that
    needs no statistics and, after a comparison, the figures behind it on a second line."""

    alias: str
    reason: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def first_verdict(*, right: np.ndarray, truth: np.ndarray, other: str = "") -> Verdict:
    """The first model of a question has nothing to beat but the largest category, which is no less than chance.

    Args:
        right: bool [n], whether the new model was right on each held-out image.
        truth: int [n], the labels.
        other: The champion's name, where that learned another question.
    """
    count, by_chance = len(truth), int(np.bincount(truth).max())
    said = _(
        "right on %(right)s of %(count)s images that it was not trained on; always saying the largest category would be"
        " right on %(by_chance)s"
    ) % {"right": int(right.sum()), "count": count, "by_chance": by_chance}
    is_better = int(right.sum()) > by_chance
    if is_better and count < FEW:
        said = _(
            "%(said)s. So few images say little of how good it is; later versions are compared with it on more, not"
            " with this figure"
        ) % {"said": said}
    if is_better:
        if other:
            first = _("First model of this question, %(champion)s learned another: %(said)s.")
            return Verdict("champion", first % {"champion": other, "said": said})
        return Verdict("champion", _("First model: %(said)s.") % {"said": said})
    told = _("Not better than knowing nothing: %(said)s. More labels or another backbone may help.")
    if by_chance == count:
        told = _(
            "All held-out images show one category, so nothing tells whether it knows another: %(said)s. Let the"
            " crowd label more images of the others."
        )
    return Verdict("challenger", told % {"said": said})


def verdict(
    *,
    right: np.ndarray,
    champion_right: np.ndarray,
    champion: str,
    losses: np.ndarray | None = None,
    champion_losses: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    with_new: bool = False,
    seed: int = 0,
) -> Verdict:
    """Whether the new model is better than the champion beyond chance.

    Args:
        right: bool [n], whether the new model was right on each image of the frozen test set.
        champion_right: bool [n], the same for the champion, on the same images in the same order.
        champion: The champion's name, for the reason.
        losses: float [n], the new model's log loss on each image (``log_losses``); None to look at accuracy alone.
        champion_losses: float [n], the champion's.
        weights: float [n], how much each image counts; None = all alike.
        groups: int [n]: near-duplicates have one number; None = no image is like another.
        with_new: Whether images are among them that came since the champion, for the reason.
    """
    gain, count = right.astype(int) - champion_right.astype(int), len(right)
    of = partial(np.average, weights=weights)  # a mean over the images
    difference, (low, high) = float(of(gain)), bootstrap(gain, weights, groups, seed=seed)
    said = _(
        "Accuracy %(new).1f %% against %(old).1f %% of %(champion)s on the same %(count)s images, which neither was"
        " trained on; the difference is %(difference)+.1f points (95 %% interval %(low)+.1f to %(high)+.1f)."
    ) % {
        "new": 100 * float(of(right)), "old": 100 * float(of(champion_right)), "champion": champion,
        "count": count, "difference": 100 * difference, "low": 100 * low, "high": 100 * high,
    }  # fmt: skip
    said = _with_choice(said, champion, is_weighed=weights is not None, with_new=with_new)
    alone = count if groups is None else len(np.unique(groups))
    enough = alone >= FEWEST
    if low > 0 and enough:
        told = _("Better than %(champion)s, by more than chance.") % {"champion": champion}
        return Verdict("champion", _lines(told, said), difference, low, high)
    if enough and losses is not None and champion_losses is not None and high >= 0:
        gained_low, gained_high = bootstrap(champion_losses - losses, weights, groups, seed=seed)
        if gained_low > 0:
            surer = _(
                "%(said)s Log loss, which is small where the right answer was given a high chance: %(new).3f against"
                " %(old).3f, lower by %(low).3f to %(high).3f (95 %% interval)."
            ) % {
                "new": float(of(losses)), "old": float(of(champion_losses)), "said": said, "low": gained_low,
                "high": gained_high,
            }  # fmt: skip
            told = _("Better than %(champion)s: it is surer of what is right, by more than chance.")
            return Verdict("champion", _lines(told % {"champion": champion}, surer), difference, low, high)
    told = _not_yet(is_ahead=difference > 0, is_few=alone < FEW) % {"champion": champion}
    return Verdict("challenger", _lines(told, said), difference, low, high)


def _lines(told: Told, figures: Told) -> Told:
    """What everybody understands, and on a line of its own what it stands on."""
    return tell("%(told)s\n%(figures)s", {"told": told, "figures": figures})


def _with_choice(said: Told, champion: str, *, is_weighed: bool, with_new: bool) -> Told:
    """The figures, and what they owe to the order in which the crowd is asked."""
    if is_weighed:
        return _(
            "%(said)s The crowd is asked first about what %(champion)s is unsure of, so such images count here as much"
            " as they do among its own held-out ones."
        ) % {"said": said, "champion": champion}
    if with_new:
        return _(
            "%(said)s Newer images are often those that %(champion)s was unsure of: on them both are right less often"
            " than on their own held-out ones."
        ) % {"said": said, "champion": champion}
    return said


def _not_yet(*, is_ahead: bool, is_few: bool) -> Told:
    """Why the champion goes on answering, and what its owner can do."""
    if is_ahead and is_few:
        return _(
            "More often right than %(champion)s, but that may be chance, and so few images seldom tell two versions"
            " apart: the champion goes on answering until more labels do, or you promote this one by hand."
        )
    if is_ahead:
        return _(
            "More often right than %(champion)s, but that may be chance: the champion goes on answering until more"
            " labels tell, or you promote this one by hand."
        )
    if is_few:
        return _(
            "Not better than %(champion)s. So few images seldom tell two versions apart: the champion goes on"
            " answering, and more labels may show another picture."
        )
    return _("Not better than %(champion)s, which goes on answering; more labels may bring a better version.")


def not_comparable(*, champion: str, why: str, right: np.ndarray) -> Verdict:
    """The champion cannot be asked any more, so nothing says that the new model is better: a person decides.

    Args:
        right: bool [n], whether the new model was right on each held-out image.
    """
    told = _(
        "It could not be compared, since %(champion)s cannot answer: %(why)s Its accuracy is %(accuracy).1f %% on"
        " %(count)s held-out images; promote it by hand if that is good enough."
    )
    return _left_to_a_person(told, right, champion=champion, why=why)


def nothing_left(*, champion: str, right: np.ndarray) -> Verdict:
    """No held-out image is left that the champion has not learned and can read: a person decides.

    Args:
        right: bool [n], whether the new model was right on each held-out image.
    """
    told = _(
        "It could not be compared, since no image is left that %(champion)s can read and has not learned. Its accuracy"
        " is %(accuracy).1f %% on %(count)s held-out images; promote it by hand if that is good enough."
    )
    return _left_to_a_person(told, right, champion=champion)


def not_asked(*, champion: str, right: np.ndarray) -> Verdict:
    """The project asks another question by now, which the champion answers: a person decides.

    Args:
        right: bool [n], whether the new model was right on each held-out image.
    """
    told = _(
        "The project has another question for its classifier by now, which %(champion)s has learned. Its accuracy at"
        " the one before is %(accuracy).1f %% on %(count)s held-out images."
    )
    return _left_to_a_person(told, right, champion=champion)


def _left_to_a_person(told: str, right: np.ndarray, **more: str) -> Verdict:
    said = {"accuracy": 100 * float(right.mean()), "count": len(right), **more}
    return Verdict("challenger", told % said)


def log_losses(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Cross-entropy of each image against the crowd's posterior.

    Args:
        probabilities: [n, k], rows sum to at most 1 (a class that a model does not know has 0).
        targets: [n, k], rows sum to 1.

    Returns:
        float [n], at most -log(FLOOR): one confident mistake must not outweigh all the rest.
    """
    return np.asarray(-(targets * np.log(np.clip(probabilities, FLOOR, 1.0))).sum(axis=1))
