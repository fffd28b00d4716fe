"""One task's answers to one question -> one answer, how sure, and the posterior. Pure; one function a statistic.

This is what runs inside the transaction of each submit, with skills from the last full fit; the full fit itself comes
from the same models, so the two differ only by what was said since. The adaptive default's is less sure, where little
was said: it also weighs how far off the skills themselves may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import floor, inf, log10
from typing import Any

from labeling.aggregation import belief as beliefs
from labeling.aggregation import boxes, numeric
from labeling.aggregation.belief import Belief, Skill
from labeling.aggregation.slots import MANY
from labeling.questions.kind import CANT_TELL, Options
from labeling.questions.text import plain

LIKELY = 0.5
FINEST = 1e-50  # the least spread of numbers: the square of the largest (1e100), seen by it, is still a number


@dataclass(frozen=True)
class Said:
    """One judgment's answer to one question."""

    worker: int
    answer: Any
    weight: float = 1.0


@dataclass(frozen=True)
class Combined:
    """``answer`` in the question kind's own form; ``posterior`` by label, empty where the kind has no labels."""

    answer: Any
    confidence: float
    posterior: dict[str, float]
    judgments: int
    votes: dict[str, int] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)  # what other aggregators say, after a full fit


Skills = Mapping[int, Mapping[str, Any]]  # worker -> what the full fit stored of it
Combine = Callable[[Sequence[Said], Options, Belief, Skills], Combined]


def combine(statistic: str, said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined | None:
    """None without an answer. When more people could not tell than could, by their weight, that is the answer."""
    if not said:
        return None
    told = [row for row in said if row.answer != CANT_TELL or isinstance(row.answer, list)]
    heard, all_said = sum(row.weight for row in told), sum(row.weight for row in said)
    if not told or heard * 2 < all_said:
        return Combined(CANT_TELL, 1 - heard / all_said if all_said else 0.5, {}, len(said))
    return COMBINE[statistic](told, options, belief, skills)


def label_of(answer: Any) -> str:
    """The posterior's name of a class answer: yes and no for booleans, the category's key else."""
    return ("yes" if answer else "no") if isinstance(answer, bool) else str(answer)


def answer_of(label: str, kind: str) -> Any:
    """The other way round."""
    return label == "yes" if kind == "yes_no" else label


def by_class(said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined:
    """Of a wide question only what was named is an answer; the chance of all else is what is missing to 1."""
    if belief.width:
        belief = belief.among(label_of(row.answer) for row in said)
    number = {label: index for index, label in enumerate(belief.classes)}
    votes = [
        (number[label_of(row.answer)], skill_of(skills, row.worker), row.weight)
        for row in said
        if label_of(row.answer) in number
    ]
    chances = beliefs.shares(votes, belief) if belief.is_vote else beliefs.posterior(votes, belief)
    named = [index for index, label in enumerate(belief.classes) if label]
    best = max(named, key=chances.__getitem__)
    label = belief.classes[best]
    answer = label == "yes" if isinstance(said[0].answer, bool) else label
    counts: dict[str, int] = {}
    for index, _, _ in votes:
        counts[belief.classes[index]] = counts.get(belief.classes[index], 0) + 1
    posterior = {belief.classes[index]: round(chances[index], 6) for index in named if chances[index] > 1e-6}
    return Combined(answer, chances[best], posterior, len(said), counts)


def by_set(said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined:
    """Each choice is a yes-or-no question of its own; how sure the set is, is how sure its least sure choice is.

    Of very many choices only those that somebody chose are questions.
    """
    keys = [choice["key"] for choice in options.get("choices", [])]
    if len(keys) > MANY:
        chosen = {key for row in said for key in row.answer}
        keys = [key for key in keys if key in chosen]
    chances: dict[str, float] = {}
    for key in keys:
        votes = [(int(key in row.answer), skill_of(skills, row.worker), row.weight) for row in said]
        chances[key] = beliefs.posterior(votes, _of_choice(belief, key))[1]
    answer = [key for key, chance in chances.items() if chance > LIKELY]
    confidence = min((max(chance, 1 - chance) for chance in chances.values()), default=1.0)
    return Combined(answer, confidence, {key: round(chance, 6) for key, chance in chances.items()}, len(said))


def _of_choice(belief: Belief, key: str) -> Belief:
    """The two-class belief about one choice: the crowd's skill at saying yes and no, and how frequent the choice is."""
    if belief.pooled is None:
        return Belief.ignorant(("no", "yes"))
    share = belief.prior[belief.classes.index(key)]
    pair = ("no", "yes"), (1 - share, share)
    return Belief(*pair, belief.pooled, belief.accuracy, correlation=belief.correlation)


def by_median(said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined:
    """A rating's posterior over its steps, or a number's reliability-weighted robust mean."""
    is_scale = "least" in options and "most" in options and bool(options.get("scale"))
    heard = [row for row in said if row.weight > 0] or said
    spread = _spread(heard, belief)
    if belief.spread <= 0:  # the first who rate or count have not shown yet how far people are apart
        expected = numeric.HALF if options.get("whole") else 0.0
        spread = max(spread, numeric.SHARE * (options["most"] - options["least"]) if is_scale else expected)
    answers = []
    for row in heard:
        known = skills.get(row.worker, {})
        answers.append(
            (
                float(row.answer),
                float(known.get("bias", 0.0)),
                float(known.get("spread") or spread) / max(row.weight, 0.05),
            )
        )
    if is_scale:
        scale = list(range(int(options["least"]), int(options["most"]) + 1))
        chances = numeric.steps(answers, scale)
        best = max(range(len(scale)), key=chances.__getitem__)
        posterior = {str(step): round(chance, 6) for step, chance in zip(scale, chances, strict=True)}
        return Combined(scale[best], chances[best], posterior, len(said))
    least, most = options.get("least", -inf), options.get("most", inf)
    value, error = numeric.combine(answers)
    value = min(max(value, least), most)  # who leans is corrected, not to what nobody may say
    if options.get("whole"):
        return Combined(*numeric.nearest(answers, value, error, least, most), {}, len(said))
    answer = min(max(round(value, _decimals(heard)) + 0.0, least), most)  # not minus zero
    return Combined(answer, numeric.within(error, float(numeric.tolerance(value, False))), {}, len(said))


def _decimals(said: Sequence[Said]) -> int:
    """One digit more than anybody said: three who counted 1 make no 1.005. At most six: behind the point, or, where all
    is smaller than 1, those that count."""
    numbers = [abs(float(row.answer)) for row in said]
    largest = max(numbers)
    most = 6 if largest >= 1 or not largest else 5 - floor(log10(largest))
    return min(most, 1 + max(-int(Decimal(repr(number)).normalize().as_tuple().exponent) for number in [*numbers, 1.0]))


def _spread(said: Sequence[Said], belief: Belief) -> float:
    """The crowd's spread where it was fitted, else that of these very answers."""
    if belief.spread > 0:
        return belief.spread
    values = sorted(float(row.answer) for row in said)
    centre = values[len(values) // 2]
    away = sorted(abs(value - centre) for value in values)
    return max(1.4826 * away[len(away) // 2], 0.05 * abs(centre), FINEST)


def by_text(said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined:
    """The text that most people wrote, as ``plain`` tells them apart; spelled as most of these did."""
    spelled: dict[str, float] = {}
    for row in said:
        spelled[row.answer] = spelled.get(row.answer, 0.0) + row.weight
    weight: dict[str, float] = {}
    for text, share in spelled.items():
        weight[plain(text)] = weight.get(plain(text), 0.0) + share
    best = max(weight, key=weight.__getitem__)
    answer = max((text for text in spelled if plain(text) == best), key=spelled.__getitem__)
    return Combined(answer, weight[best] / max(sum(weight.values()), 1e-9), {}, len(said))


def by_boxes(said: Sequence[Said], options: Options, belief: Belief, skills: Skills) -> Combined:
    drawn = [boxes.Drawn(row.worker, row.answer, row.weight) for row in said]
    fused = boxes.fuse(drawn, {worker: boxes.Hand.read(stored) for worker, stored in skills.items()})
    answer = [{"category": box.category, "box": [round(side, 2) for side in box.box]} for box in fused.boxes]
    return Combined(answer, fused.confidence, {}, len(said))


COMBINE: dict[str, Combine] = {
    "class": by_class,
    "set": by_set,
    "median": by_median,
    "text": by_text,
    "boxes": by_boxes,
}


def skill_of(skills: Skills, worker: int) -> Skill | None:
    stored = skills.get(worker)
    return Skill(stored["accuracy"], stored.get("confusion")) if stored else None
