"""Who tells nothing? Guessers and honest people found without gold, by what the platform looks at and otherwise.

    python -m bench.guessers [--seeds 12] [--sweeps 60]

Drawn crowds of forty people, three judgments a task, a fifth of them guessers of three kinds: any class, classes as
often as they come, nearly always the same one. The honest look at .65 to .95 of the images and otherwise say a class as
often as it comes (of two even classes they are right on .825 to .975). And the real crowds of ../shared/data/crowd,
thinned to three judgments a task, where a fifth of the people say what they said of other images: their own answers,
shuffled. Each line tells the guessers found and the honest people flagged by each:

agreement  below half of twenty answers in a row are the consensus: the rule that a project is offered
far        the accuracy of the fit is far below the median: what the workers' page marks
informed   nine in ten sure that a tenth of the person's answers at most tells something beyond chance, as others'
           answers show it; what is usual in the crowd is the prior (nonparametric empirical Bayes)

and last, for the scores behind the three, the guessers beyond whom only a fiftieth of the honest lies. The last lines
are of the real people as they are: those flagged by the three, by how much of what they say is right beyond chance.

Source: Kiefer & Wolfowitz (1956) for the prior; Efron, Large-Scale Inference (2010), local false discovery rates;
Youden, Index for rating diagnostic tests (1950).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from bench.aggregators import SHARED, folders, read
from labeling.aggregation import Votes, adaptive
from labeling.aggregation.votes import Fit, log_likelihood, softmax

PEOPLE, GUESSERS, EACH = 40, 0.2, 3
SHARES = np.linspace(0, 1, 21)  # of the answers that tell something
NOTHING, SURE = 0.1, 0.9
WINDOW, BELOW = 20, 0.5
LEAST, FAR, ERRORS = 10, 0.1, 3  # as in labeling/doubts.py, which needs a database
HONEST_FLAGGED = 0.02
TRULY = (0.2, 0.4, 0.6)
OWN = 2.0  # answers that the crowd's habit counts as in a person's


class Case(NamedTuple):
    votes: Votes
    is_guesser: np.ndarray


def drawn(classes: int, common: float | None, each: int, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    share = np.full(classes, 1 / classes)
    if common:
        share = np.array([common, *[(1 - common) / (classes - 1)] * (classes - 1)])
    truth = rng.choice(classes, PEOPLE * each // EACH, p=share)
    task = np.repeat(np.arange(len(truth)), EACH)
    worker = np.concatenate([rng.choice(PEOPLE, EACH, replace=False) for _ in truth])
    is_guesser = rng.permutation(PEOPLE) < PEOPLE * GUESSERS
    looks = rng.uniform(0.65, 0.95, PEOPLE)[:, None, None]
    matrices = looks * np.eye(classes) + (1 - looks) * share
    for who in np.flatnonzero(is_guesser):
        same = np.where(np.arange(classes) == (0 if common else rng.integers(classes)), 0.95, 0.05 / (classes - 1))
        matrices[who] = (np.full(classes, 1 / classes), share, same)[rng.integers(3)]
    label = (matrices[worker, truth[task]].cumsum(axis=1) > rng.random((len(task), 1))).argmax(axis=1)
    return Case(Votes.of(task, worker, label, n_workers=PEOPLE, n_classes=classes), is_guesser)


def shuffled(votes: Votes, seed: int, share: float = GUESSERS) -> Case:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(votes))
    order = order[np.argsort(votes.task[order], kind="stable")]
    task = votes.task[order]
    starts = np.flatnonzero(np.diff(task, prepend=-1))
    kept = order[np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order)))) < EACH]
    is_guesser = rng.permutation(votes.n_workers) < votes.n_workers * share
    label = votes.label[kept]
    for who in np.flatnonzero(is_guesser):
        at = np.flatnonzero(votes.worker[kept] == who)
        label[at] = label[rng.permutation(at)]
    return Case(Votes.of(votes.task[kept], votes.worker[kept], label, n_workers=votes.n_workers), is_guesser)


def agreement(votes: Votes, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Whom the rule meets, and the agreement of all answers."""
    right = (fit.label[votes.task] == votes.label).astype(float)
    met, share = np.zeros(votes.n_workers, bool), np.ones(votes.n_workers)
    for who in range(votes.n_workers):
        mine = right[votes.worker == who]
        share[who] = mine.mean() if len(mine) else 1
        if len(mine) >= WINDOW:
            met[who] = (np.convolve(mine, np.ones(WINDOW), "valid") / WINDOW < BELOW).any()
    return met, share


def informed(votes: Votes, fit: Fit) -> np.ndarray:
    """[workers]: the chance that a tenth of the person's answers at most tells something."""
    log_confusion = np.log(np.clip(fit.confusion, 1e-4, 1))
    own = log_confusion[votes.worker, :, votes.label]
    beside = softmax(np.log(fit.prior + 1e-12) + log_likelihood(votes, log_confusion)[votes.task] - own)
    hit = beside[np.arange(len(votes)), votes.label]
    counts = np.zeros((votes.n_workers, votes.n_classes))
    np.add.at(counts, (votes.worker, votes.label), 1)
    crowd = (counts.sum(axis=0) + 1) / (counts.sum() + votes.n_classes)
    said = counts.sum(axis=1)[votes.worker]
    habit = (counts[votes.worker, votes.label] - 1 + OWN * crowd[votes.label]) / (said - 1 + OWN)
    logs = np.zeros((votes.n_workers, len(SHARES)))
    np.add.at(logs, votes.worker, np.log(SHARES * hit[:, None] + (1 - SHARES) * habit[:, None] + 1e-12))
    prior = np.full(len(SHARES), 1 / len(SHARES))
    for _ in range(200):
        posterior = softmax(logs + np.log(prior))
        prior = (posterior.sum(axis=0) + 1 / len(SHARES)) / (len(posterior) + 1)
    return posterior[:, SHARES <= NOTHING + 1e-9].sum(axis=1)


def far(votes: Votes, fit: Fit) -> np.ndarray:
    counts = np.bincount(votes.worker, minlength=votes.n_workers)
    middle = float(np.median(fit.accuracy[counts >= LEAST]))
    chance = ERRORS * np.sqrt(middle * (1 - middle) / np.maximum(counts, 1))
    return (counts >= LEAST) & (middle - fit.accuracy > np.maximum(FAR, chance))


def measured(case: Case) -> list[float]:
    votes, heard = case.votes, np.bincount(case.votes.worker, minlength=case.votes.n_workers) > 0
    fit = adaptive.fit(votes)
    met, share = agreement(votes, fit)
    chance = informed(votes, fit)
    guessers, honest = case.is_guesser & heard, ~case.is_guesser & heard
    flags = met, far(votes, fit), chance > SURE
    row = [float(flag[who].mean()) for flag in flags for who in (guessers, honest)]
    scores = -share, -fit.accuracy, chance
    return row + [float((s[guessers] > np.quantile(s[honest], 1 - HONEST_FLAGGED)).mean()) for s in scores]


def cases() -> Iterator[tuple[str, Callable[[int], Case]]]:
    for classes, common, each in product((2, 10), (None, 0.9), (10, 20, 50)):
        name = f"{classes} classes, {'one of .9' if common else 'even'} | {each}"
        yield name, partial(drawn, classes, common, each)
    for folder in folders(SHARED):
        votes, _ = read(folder)
        each = round(EACH * votes.n_tasks / votes.n_workers)
        yield f"{folder.name} | {each}", partial(shuffled, votes)


def by_truth(seeds: int) -> None:
    """The real people as they are: who is flagged, by how much of what they say is right beyond chance."""
    for folder in folders(SHARED):
        votes, truth = read(folder)
        said = np.bincount(votes.worker, minlength=votes.n_workers)
        right = np.bincount(votes.worker, truth[votes.task] == votes.label, votes.n_workers) / np.maximum(said, 1)
        beyond = (right - 1 / votes.n_classes) / (1 - 1 / votes.n_classes)
        groups = np.digitize(beyond, TRULY)
        flagged: dict[tuple[int, int], list[float]] = {}
        for seed in range(seeds):
            few = shuffled(votes, seed, share=0.0).votes
            fit, heard = adaptive.fit(few), np.bincount(few.worker, minlength=few.n_workers) > 0
            for number, flag in enumerate((agreement(few, fit)[0], far(few, fit), informed(few, fit) > SURE)):
                for group in np.unique(groups[heard]):
                    flagged.setdefault((group, number), []).append(float(flag[heard & (groups == group)].mean()))
        for group in np.unique(groups):
            shares = " / ".join(f"{np.mean(flagged[group, number]):.3f}" for number in range(3))
            low = (0.0, *TRULY)[group]
            print(f"{folder.name}, {low:.1f} on | {(groups == group).sum()} people | {shares}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--sweeps", type=int, default=adaptive.KEEP, help="of the fit; fewer are quicker")
    options: Any = parser.parse_args()
    adaptive.KEEP, adaptive.BURN = options.sweeps, min(adaptive.BURN, options.sweeps)
    print("crowd | judgments a person | agreement | far | informed: found, flagged | best")
    for name, case in cases():
        rows = np.array([measured(case(seed)) for seed in range(options.seeds)])
        mean, error = rows.mean(axis=0), rows.std(axis=0) / np.sqrt(max(len(rows) - 1, 1))
        cells = [f"{mean[i]:.2f}±{error[i]:.2f}, {mean[i + 1]:.3f}±{error[i + 1]:.3f}" for i in (0, 2, 4)]
        print(name, *cells, " / ".join(f"{one:.2f}" for one in mean[6:]), sep=" | ", flush=True)
    by_truth(options.seeds)


if __name__ == "__main__":
    main()
