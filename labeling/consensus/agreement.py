"""How far people agree: percent, Cohen's and Fleiss' kappa, Krippendorff's alpha, who confuses what. Pure.

All take one row a judgment (task, worker, label); missing answers are simply not there. A figure that the data cannot
give (nobody answered the same task, or everybody gave one label everywhere) is nan, never a flattering 1.

Source: J. Cohen, "A coefficient of agreement for nominal scales" (1960); J. L. Fleiss, "Measuring nominal scale
agreement among many raters" (1971); K. Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import Floats, Ints

NAN = float("nan")
LEAST_SHARED = 5  # tasks in common from which on a pair has a kappa
BUSIEST = 40  # people whose pairs are looked at


def counts_of(task: Ints, label: Ints, n_tasks: int, n_classes: int) -> Floats:
    """[tasks, classes]: how often each label was given to each task."""
    flat = np.bincount(task * n_classes + label, minlength=n_tasks * n_classes)
    return flat.reshape(n_tasks, n_classes).astype(np.float64)


def percent(counts: Floats) -> float:
    """The chance that two people asked about the same task say the same; each task weighs alike.

    Args:
        counts: [tasks, classes], as ``counts_of`` gives.
    """
    total = counts.sum(axis=1)
    asked = total >= 2
    if not asked.any():
        return NAN
    n, pairs = total[asked], (counts[asked] * (counts[asked] - 1)).sum(axis=1)
    return float((pairs / (n * (n - 1))).mean())


def cohen_kappa(first: Ints, second: Ints) -> float:
    """Agreement of two raters on the same tasks beyond what their own label frequencies give by chance.

    Args:
        first, second: [tasks], both raters' labels of the same tasks, in the same order.
    """
    if not len(first):
        return NAN
    used, place = np.unique(np.concatenate([first, second]), return_inverse=True)  # of 20,000 a pair uses a few
    table = np.zeros((len(used), len(used)))
    np.add.at(table, (place[: len(first)], place[len(first) :]), 1)
    table /= table.sum()
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return (float(np.trace(table)) - chance) / (1 - chance) if chance < 1 else NAN


def mean_cohen_kappa(task: Ints, worker: Ints, label: Ints) -> float:
    """The mean kappa of pairs of the busiest workers with tasks enough in common, weighed by how many."""
    busiest: list[int] = np.argsort(-np.bincount(worker))[:BUSIEST].tolist() if len(worker) else []
    said = {int(w): dict(zip(task[worker == w].tolist(), label[worker == w].tolist(), strict=True)) for w in busiest}
    people = sorted(said)
    total = weight = 0.0
    for index, one in enumerate(people):
        for other in people[index + 1 :]:
            shared = sorted(said[one].keys() & said[other].keys())
            if len(shared) < LEAST_SHARED:
                continue
            pair = [np.array([said[who][t] for t in shared], dtype=np.int64) for who in (one, other)]
            kappa = cohen_kappa(pair[0], pair[1])
            if not np.isnan(kappa):
                total, weight = total + kappa * len(shared), weight + len(shared)
    return total / weight if weight else NAN


def fleiss_kappa(counts: Floats) -> float:
    """Agreement of many raters beyond chance, over tasks with at least two judgments.

    With the same number of judgments a task this is Fleiss' own figure; with different numbers each task's agreement
    weighs alike, and the label frequencies are over all judgments.

    Args:
        counts: [tasks, classes].
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return NAN
    share = counts.sum(axis=0) / counts.sum()
    chance = float((share**2).sum())
    return (percent(counts) - chance) / (1 - chance) if chance < 1 else NAN


def krippendorff_alpha(counts: Floats) -> float:
    """Krippendorff's alpha of labels: 1 - observed / expected disagreement; any number of judgments a task.

    Args:
        counts: [tasks, classes].
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return NAN
    n, said = counts.sum(axis=1), counts.sum(axis=0)
    differ = ((n**2 - (counts**2).sum(axis=1)) / (n - 1)).sum()
    expected = (said.sum() ** 2 - (said**2).sum()) / (said.sum() - 1)
    return float(1 - differ / expected) if expected > 0 else NAN


def of_numbers(task: Ints, value: Floats, *, is_ordinal: bool) -> tuple[float, float]:
    """``percent`` and Krippendorff's alpha of numbers: how different two of them are is the square of their distance.

    The mean of that over all pairs is twice their variance, so no pair and no table of values is looked at.

    Args:
        task, value: [judgments].
        is_ordinal: Only the order of the values counts: the distance of two is that of their middle ranks.
    """
    total = np.bincount(task)
    shared = total[task] >= 2
    if not shared.any():
        return NAN, NAN
    task = np.unique(task[shared], return_inverse=True)[1]
    points, code, often = np.unique(value[shared], return_inverse=True, return_counts=True)
    n = np.bincount(task).astype(np.float64)
    cells, times = np.unique(task * len(points) + code, return_counts=True)
    pairs = np.bincount(cells // len(points), weights=times * (times - 1.0))
    # From a value that was said: far from zero, and where all say the same, what a mean rounds off would count.
    place = (np.cumsum(often) - often / 2 if is_ordinal else points - points[len(points) // 2])[code]
    mean = np.bincount(task, weights=place) / n
    within = np.bincount(task, weights=(place - mean[task]) ** 2)
    expected = float(((place - place.mean()) ** 2).sum()) * len(place) / (len(place) - 1)
    alpha = float(1 - (within * n / (n - 1)).sum() / expected) if expected > 0 else NAN
    return float((pairs / (n * (n - 1))).mean()), alpha


def sparse(task: Ints, label: Ints, counts: Floats, n_classes: int) -> tuple[float, float, Floats]:
    """Fleiss' kappa, Krippendorff's nominal alpha and ``per_category`` of too many classes for an array of them.

    Args:
        task, label: [judgments].
        counts: [tasks, any], how often each label was given to each task, whatever labels the columns stand for.

    Returns:
        The same as ``fleiss_kappa``, ``krippendorff_alpha`` and ``per_category`` on [tasks, classes].
    """
    total = counts.sum(axis=1)
    asked = total[task] >= 2
    if not asked.any():
        return NAN, NAN, np.full(n_classes, NAN)
    said = np.bincount(label[asked], minlength=n_classes).astype(np.float64)
    chance = float(((said / said.sum()) ** 2).sum())
    kappa = (percent(counts) - chance) / (1 - chance) if chance < 1 else NAN
    _cells, place, often = np.unique(task * n_classes + label, return_inverse=True, return_counts=True)
    others = (often[place][asked] - 1) / (total[task[asked]] - 1)  # a judgment's share of others that say the same
    same = np.bincount(label[asked], weights=others, minlength=n_classes)
    expected = float((said * (said.sum() - said)).sum()) / (said.sum() - 1)
    alpha = float(1 - (said.sum() - same.sum()) / expected) if expected > 0 else NAN
    return kappa, alpha, np.where(said > 0, same / np.where(said > 0, said, 1), NAN)


def confusion(counts: Floats, answer: Ints) -> Floats:
    """[answer, label]: of the tasks whose answer is one category, how often people said each."""
    table = np.zeros((counts.shape[1], counts.shape[1]))
    np.add.at(table, answer, counts)
    return table


def per_category(counts: Floats) -> Floats:
    """[classes]: the chance that a second person gives the label that a first one gave (specific agreement)."""
    n = counts.sum(axis=1, keepdims=True)
    asked = n[:, 0] >= 2
    same = (counts[asked] * (counts[asked] - 1) / (n[asked] - 1)).sum(axis=0)
    said = counts[asked].sum(axis=0)
    return np.where(said > 0, same / np.where(said > 0, said, 1), NAN)


def disagreement(answer: Ints, majority: Ints, not_compared: np.ndarray) -> float:
    """The share of tasks whose answer is not the majority's, of those where it could be.

    Args:
        answer, majority: [tasks], labels.
        not_compared: bool [tasks], where several labels have the most votes, or the answer is no word of the crowd.
    """
    clear = ~not_compared
    return float((answer[clear] != majority[clear]).mean()) if clear.any() else 0.0
