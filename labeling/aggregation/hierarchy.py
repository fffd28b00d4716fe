"""The model under the adaptive aggregator, as a Gibbs sampler: one ``sweep`` draws every unknown given the others.

    truth of a task            z ~ prior,                     prior ~ Dirichlet(evenness)
    crowd's hit rate, class k  logit = level_k,               level_k ~ Normal(mean, variance)
    crowd's misses, class k    misses_k ~ Dirichlet(spread)   over the other classes
    ability of worker w        shifts every level_k,          ability_w ~ Normal(0, ability_variance)
    habit of worker w          share_w ~ Beta, habit_w ~ Dirichlet over labels: answers given without looking
    own matrix of worker w     rows ~ Dirichlet(strength_w x what ability and habit predict)
    strength of worker w       one of STRENGTHS, as often as this crowd has such workers: most may be like the crowd and
                               a few quite unlike it

A worker who is worse than the crowd is not taken to make the crowd's typical mistakes more often (that would turn a
careless worker into evidence for the neighbouring class): the extra misses are spread evenly. What a hyper-parameter
has no exact conditional for is drawn from a grid by its marginal likelihood, or from a normal at the mode (Laplace).

Where several people differ, a class that none of them named does not teach what people say of it. The model takes votes
on a task as independent, so it has no other word for a task on which all differ than a class that is answered at
random, and a rare class would become that: the home of whatever is disputed, though nobody speaks of it there. So
matrices are learned from truths that somebody named, or nobody disputed; what a task is in the end, any class may be.

A vote that is alone on its task says nothing of its worker, and first it is taken at its word. Where such votes are
many (labels of a source, of which people judged a few again) the chain would take thousands of sweeps to leave that
word, so it begins with the votes that others or gold check, and ``hear_all`` adds the rest.

Source: as in ``adaptive.py``; the marginal likelihoods: ``grids.py``.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.grids import (
    EVENNESS,
    HABITS,
    SPREADS,
    STRENGTHS,
    of_evenness,
    of_habits,
    of_spreads,
    of_strengths,
)
from labeling.aggregation.votes import UNKNOWN, Floats, Votes, held, softmax, vote_shares

# Log weights of EVENNESS, by two accounts. With two votes a task a rare class looks like one that is often missed. Who
# takes classes to be even until the votes say otherwise settles split votes for the latter, who takes nothing for
# granted for the former; where the votes can tell, both say the same.
EVEN_FIRST = -4 * np.maximum(np.log10(10 / EVENNESS), 0)
ANY_SHARES = np.zeros(len(EVENNESS))
FLOOR = 1e-6
MOST_LOGIT = 8.0
SEVERAL = 3  # who differ: of two, both are wrong too often
PART = 2_000  # tasks at once: their votes fit into a processor's cache
LEAST_LOG = -25.0  # of one vote's likelihood: no single vote is beyond doubt


class Crowd:
    """The state of the chain, by one account of how even classes are (log weights of EVENNESS).

    Votes are kept in the order (task, worker), so that their given order cannot matter.
    """

    def __init__(self, votes: Votes, rng: np.random.Generator, account: Floats = EVEN_FIRST) -> None:
        order = np.lexsort((votes.worker, votes.task))
        self.votes, self.rng, self.account = votes, rng, account
        self.task, self.worker, self.label = votes.task[order], votes.worker[order], votes.label[order]
        self.pair = self.worker * votes.n_classes + self.label
        counts = np.bincount(self.task, minlength=votes.n_tasks)
        self.asked = np.flatnonzero(counts)
        self.starts = np.append((np.cumsum(counts) - counts)[self.asked], len(order))  # and the end
        self.heard = np.bincount(self.worker, minlength=votes.n_workers) > 0
        self.gold = np.flatnonzero(votes.known != UNKNOWN)
        checked = ((counts > 1) | (votes.known != UNKNOWN))[self.task]
        self.clear = checked if checked.any() else np.ones(len(order), dtype=bool)
        named = votes.counts() > 0
        self.unnamed = ~named & ((named.sum(axis=1) > 1) & (counts >= SEVERAL))[:, None]
        classes, workers = votes.n_classes, votes.n_workers
        self.same = np.eye(classes, dtype=bool)
        self.posterior = vote_shares(votes)
        self.prior = np.full(classes, 1 / classes)
        self.level, self.level_mean, self.level_variance = np.full(classes, 1.5), 1.0, 0.3
        self.misses = np.where(self.same, 0, 1 / max(classes - 1, 1))
        self.ability, self.ability_variance = np.zeros(workers), 0.3
        self.habit_of, self.habit = np.full(workers, 0.1), np.full((workers, classes), 1 / classes)
        self.habit_beta = (0.5, 4.0)
        self.strength = np.full(workers, 20.0)
        self.strength_share = np.full(len(STRENGTHS), 1 / len(STRENGTHS))
        self.counts = np.zeros((workers, classes, classes))
        self.skilled = self._skilled()

    def hear_all(self) -> None:
        """From now on votes teach that are alone on their tasks, too."""
        self.clear = np.ones(len(self.task), dtype=bool)

    @property
    def habit_share(self) -> float:
        """The crowd's mean share of answers given by habit."""
        return self.habit_beta[0] / sum(self.habit_beta)

    def sweep(self) -> None:
        """Draw every unknown once, the truth first."""
        truth = self._draw_truth()
        looked = self._draw_habits(truth)
        weight = self._worth(looked)
        self._draw_abilities(looked, weight)
        self._draw_levels(looked, weight)
        self._draw_misses((looked * weight[:, :, None]).sum(axis=0))
        self.skilled = self._skilled()
        predicted = self._predicted()
        self._draw_strength(predicted)
        self._draw_prior(truth)
        self._weigh(self._draw_log_matrices(predicted))

    def expected_matrices(self) -> Floats:
        """[workers, truth, label]: own counts and what ability and habit predict, weighed by the strength."""
        own = self.counts + self.strength[:, None, None] * self._predicted()
        return own / own.sum(axis=2, keepdims=True)

    def _draw_truth(self) -> np.ndarray:
        named = np.where(self.unnamed, 0.0, self.posterior + 1e-300)
        reach = self.rng.random((len(named), 1)) * named.sum(axis=1, keepdims=True)
        truth = (named.cumsum(axis=1) > reach).argmax(axis=1)
        truth[self.gold] = self.votes.known[self.gold]
        self._draw_clear(truth)
        self.counts = self._count(truth[self.task], self.clear)
        return truth

    def _draw_clear(self, truth: np.ndarray) -> None:
        """Which votes their workers gave as ever: all, unless tasks may be murky (``murky.py``)."""

    def _count(self, truth: np.ndarray, chosen: np.ndarray | slice) -> Floats:
        classes = self.votes.n_classes
        cell = (self.worker[chosen] * classes + truth[chosen]) * classes + self.label[chosen]
        flat = np.bincount(cell, minlength=self.counts.size)
        return flat.reshape(self.counts.shape).astype(np.float64)

    def _draw_habits(self, truth: np.ndarray) -> Floats:
        """Which votes came from habit; returns the counts of those that came from looking."""
        at = truth[self.task]
        blind = self.habit_of[self.worker] * self.habit[self.worker, self.label]
        seen = (1 - self.habit_of[self.worker]) * self.skilled[self.worker, at, self.label]
        by_habit = self.clear & (self.rng.random(len(at)) * (blind + seen) < blind)
        said = np.bincount(self.worker[self.clear], minlength=len(self.heard)).astype(np.float64)
        workers, classes = self.habit.shape
        times = np.bincount(self.worker[by_habit], minlength=workers).astype(np.float64)
        labels = np.bincount(self.pair[by_habit], minlength=workers * classes).reshape(workers, classes)
        one, other = self.habit_beta
        self.habit_of = np.clip(self.rng.beta(one + times, other + said - times), 1e-4, 1 - 1e-4)
        habit = self.rng.standard_gamma(labels + 1 / classes) + 1e-12
        self.habit = habit / habit.sum(axis=1, keepdims=True)
        self._draw_habit_beta(times[self.heard], said[self.heard])
        return self._count(at, self.clear & ~by_habit)

    def _draw_habit_beta(self, times: Floats, said: Floats) -> None:
        one, other = HABITS[self._pick(of_habits(times, said))]
        self.habit_beta = float(one), float(other)

    def _worth(self, looked: Floats) -> Floats:
        """[workers, truth]: what an answer counts as for the crowd's figures, since rows vary between workers."""
        strength = self.strength[:, None]
        return (strength + 1) / (strength + np.maximum(looked.sum(axis=2), 1))

    def _draw_abilities(self, looked: Floats, weight: Floats) -> None:
        right, total = np.einsum("wkk->wk", looked) * weight, looked.sum(axis=2) * weight
        pull = 1 / self.ability_variance
        for _ in range(3):
            chance = _logistic(self.level + self.ability[:, None])
            bend = (total * chance * (1 - chance)).sum(axis=1) + pull
            step = ((right - total * chance).sum(axis=1) - self.ability * pull) / bend
            self.ability = _within(self.ability + _within(step, 2), MOST_LOGIT)
        self.ability = self.ability + self.rng.standard_normal(len(bend)) / np.sqrt(bend)
        squares, people = float((self.ability[self.heard] ** 2).sum()), int(self.heard.sum())
        self.ability_variance = self._draw_variance(squares, people)

    def _draw_levels(self, looked: Floats, weight: Floats) -> None:
        right, total = np.einsum("wkk->wk", looked) * weight, looked.sum(axis=2) * weight
        pull = 1 / self.level_variance
        for _ in range(3):
            chance = _logistic(self.level + self.ability[:, None])
            bend = (total * chance * (1 - chance)).sum(axis=0) + pull
            step = ((right - total * chance).sum(axis=0) - (self.level - self.level_mean) * pull) / bend
            self.level = _within(self.level + _within(step, 2), MOST_LOGIT)
        self.level = self.level + self.rng.standard_normal(len(bend)) / np.sqrt(bend)
        squares = float(((self.level - self.level_mean) ** 2).sum())
        self.level_variance = self._draw_variance(squares, len(self.level))
        noise = self.rng.standard_normal() * np.sqrt(self.level_variance / len(self.level))
        self.level_mean = float(self.level.mean() + noise)

    def _draw_variance(self, squares: float, count: int) -> float:
        """From its inverse-gamma conditional, under a weak prior."""
        return min(max((squares / 2 + 0.1) / self.rng.gamma(count / 2 + 1), 1e-3), 9.0)

    def _draw_misses(self, pooled: Floats) -> None:
        others = len(pooled) - 1
        if others < 2:
            return
        wrong = np.where(self.same, 0, pooled)
        spread = SPREADS[self._pick(of_spreads(wrong))]
        drawn = np.where(self.same, 0, self.rng.standard_gamma(np.where(self.same, 1, wrong + spread / others)) + 1e-12)
        self.misses = drawn / drawn.sum(axis=1, keepdims=True)

    def _skilled(self) -> Floats:
        """[workers, truth, label]: the pooled matrix at each worker's ability; extra misses are spread evenly."""
        classes = len(self.level)
        usual = _logistic(self.level)
        chance = _logistic(self.level + self.ability[:, None])
        worse = np.clip((usual - chance) / np.maximum(usual - 1 / classes, 1e-3), 0, 1)
        wrong = (1 - worse)[:, :, None] * ((1 - usual)[:, None] * self.misses) + (worse / classes)[:, :, None]
        wrong = np.where(self.same, 0, wrong)
        wrong *= ((1 - chance) / wrong.sum(axis=2))[:, :, None]
        return np.maximum(np.where(self.same, chance[:, :, None], wrong), FLOOR)

    def _predicted(self) -> Floats:
        share = self.habit_of[:, None, None]
        return (1 - share) * self.skilled + share * self.habit[:, None, :]

    def _draw_strength(self, predicted: Floats) -> None:
        fits = of_strengths(self.counts, predicted)
        chances = softmax((fits + np.log(self.strength_share + 1e-12)[:, None]).T)
        chosen = (chances.cumsum(axis=1) > self.rng.random((len(chances), 1))).argmax(axis=1)
        self.strength = STRENGTHS[chosen]
        times = np.bincount(chosen[self.heard], minlength=len(STRENGTHS))
        self.strength_share = self.rng.dirichlet(times + 0.3)

    def _draw_prior(self, truth: np.ndarray) -> None:
        counts = np.bincount(truth, minlength=len(self.prior)).astype(np.float64)
        self.prior = self.rng.dirichlet(counts + EVENNESS[self._pick(of_evenness(counts) + self.account)])

    def _draw_log_matrices(self, predicted: Floats) -> Floats:
        drawn = self.rng.standard_gamma(self.counts + self.strength[:, None, None] * predicted) + 1e-300
        logs = np.log(drawn) - np.log(drawn.sum(axis=2, keepdims=True))
        return np.maximum(logs, LEAST_LOG)

    def _weigh(self, log_matrices: Floats) -> None:
        """Each task's posterior, given everybody's matrices."""
        self.posterior = held(self.votes, softmax(self._evidence(log_matrices) + np.log(self.prior + 1e-12)))

    def _evidence(self, log_matrices: Floats) -> Floats:
        """[tasks, truth]: the log chance of what was said of each task."""
        by_pair = log_matrices.transpose(0, 2, 1).reshape(-1, self.votes.n_classes)
        evidence = np.zeros_like(self.posterior)
        for first in range(0, len(self.asked), PART):
            tasks, starts = self.asked[first : first + PART], self.starts[first : first + PART + 1]
            evidence[tasks] = np.add.reduceat(by_pair[self.pair[starts[0] : starts[-1]]], starts[:-1] - starts[0])
        return evidence

    def _pick(self, log_weights: Floats) -> int:
        weights = np.exp(log_weights - log_weights.max())
        return int(np.searchsorted(weights.cumsum(), self.rng.random() * weights.sum()))


def _logistic(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-_within(x, 30)))


def _within(x: Floats, most: float) -> Floats:
    """Clipped to -most..most: of a few numbers in a third of the time that np.clip takes."""
    return np.minimum(np.maximum(x, -most), most)
