"""The adaptive default: Dawid-Skene that believes a worker's matrix only as far as the worker has spoken.

A Bayesian hierarchy (``hierarchy.py``): the crowd has one pooled confusion matrix, shrunk towards one coin; a worker
has one ability, which moves all rows of that matrix towards or away from the diagonal, and a habit, answers given
without looking; and each row of a worker's own matrix is Dirichlet-distributed round what ability and habit predict.
How much of each there is (how different abilities are, how common habits, how far own matrices stray, how unequal the
classes) is learned from the votes and not set. With nobody heard much this is a vote of equals; with much heard, Dawid
and Skene's model; with habits, it is near to MACE.

The unknowns are not maximised but averaged over, by Gibbs sampling from a fixed seed. That is what keeps it from Dawid
and Skene's failure: a maximum believes in matrices that a handful of votes happened to suggest, and lets one class
swallow its neighbour; the average does not. Each task's posterior is the mean of its exact conditional posteriors, made
as unsure as people err together (``correlation.py``); and where the draws do not agree that leaving the votes' winners
pays, these stay (``deference.py``), so that a crowd too small to be known is not worse served than by a majority.

Votes alone may be unable to tell whether a class is rare or often missed, and then the prior decides. So where the
draws on a small crowd are not of one mind, draws by a prior that does not take classes to be even judge too: what hangs
on the choice of the prior is not agreed upon. And where nearly all draws of a model in which tasks may be murky
(``murky.py``) expect the votes to be right more often, they stay too; and where hidden gold says so.

Source: H.-C. Kim and Z. Ghahramani, "Bayesian classifier combination", AISTATS 2012; B. Carpenter, "Multilevel Bayesian
models of categorical data annotation" (2008); D. Hovy et al., "Learning whom to trust with MACE", NAACL 2013;
A. P. Dawid and A. M. Skene (1979); a second prior: J. O. Berger, "Robust Bayesian analysis: sensitivity to the prior",
J. Statistical Planning and Inference 25 (1990).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labeling.aggregation import coarse, correlation, majority
from labeling.aggregation.deference import Deference, verdict
from labeling.aggregation.hierarchy import ANY_SHARES, EVEN_FIRST, Crowd
from labeling.aggregation.murky import Murky
from labeling.aggregation.slots import MANY, MOST_CELLS, THIN
from labeling.aggregation.votes import Fit, Floats, Votes

BURN, KEEP = 60, 400  # sweeps, for a crowd of WORK votes x classes or less
LEAST_BURN, LEAST_KEEP = 15, 25
WORK = 50_000
FEW_CLASSES = 20  # above it names are looked at in every tenth sweep


def fit(votes: Votes) -> Fit:
    """Average over what the crowd may be like.

    Returns:
        Posterior; each worker's expected confusion matrix; ``pooled``, that of a worker not seen before; and in
        ``details`` what was learned of the crowd: how often habits speak, the variance of ability (in log odds), how
        many answers the crowd's word counts as in a worker's own matrix, the correlation of errors on one task, and
        the share of draws that expect to be right more often than the votes, and of those that expect the opposite
        where tasks may be murky; how often the crowd alone is right on hidden gold, and by how many log odds that shows
        its departures from the votes to be believed too far.
    """
    if not len(votes) or votes.n_classes < 2:
        return majority.fit(votes)
    cells = votes.n_classes**2
    if votes.n_workers * cells > MOST_CELLS or (votes.n_classes > MANY and cells > THIN * len(votes)):
        return coarse.fit(votes)
    burn, keep = sweeps(len(votes) * votes.n_classes)
    posterior = np.zeros((votes.n_tasks, votes.n_classes))
    confusion = np.zeros((votes.n_workers, votes.n_classes, votes.n_classes))
    prior = np.zeros(votes.n_classes)
    deference = Deference(votes, keep)
    learned: list[tuple[float, ...]] = []
    for crowd in draws(votes, EVEN_FIRST, burn, keep):
        posterior += crowd.posterior
        deference.hear(crowd.posterior, posterior)
        confusion += crowd.expected_matrices()
        prior += crowd.prior
        learned.append((crowd.habit_share, crowd.ability_variance, float(np.median(crowd.strength))))
    if deference.is_open and keep == KEEP:  # a second chain of a large crowd would take as long again
        for crowd in draws(votes, ANY_SHARES, burn, keep - keep // 2):
            deference.judge(crowd.posterior)
    if len(deference.rows):
        for doubter in draws(votes, crowd.account, burn // 4, keep // 4, plain=crowd):
            deference.doubt(doubter.posterior)
    posterior, confusion, prior = posterior / keep, confusion / keep, prior / keep
    heard = np.bincount(votes.worker, minlength=votes.n_workers) > 0
    habit, variance, strength = np.median(np.array(learned), axis=0)
    fitted = votes, posterior, confusion, prior, float(strength)
    together = correlation.learned(*fitted)
    gold, excess = _gold(*fitted, together)
    return Fit(
        posterior=deference.settle(correlation.tempered(votes, posterior, together), excess),
        accuracy=np.clip(np.einsum("k,wkk->w", prior, confusion), 0, 1),
        confusion=confusion,
        prior=prior,
        pooled=confusion[heard].mean(axis=0),
        iterations=burn + keep,
        details={
            "habits": round(float(habit), 4),
            "ability_variance": round(float(variance), 4),
            "strength": round(float(strength), 1),
            "correlation": round(together, 3),
            "agreed": round(deference.agreed, 3),
            "doubted": round(deference.doubted, 3),
            "excess": excess,
            "gold": gold,
        },
    )


def _gold(
    votes: Votes, posterior: Floats, confusion: Floats, prior: Floats, strength: float, together: float
) -> tuple[dict[str, float] | None, float]:
    """What gold says of the crowd, in tasks; and by how many log odds favourites are believed too far."""
    telling = votes.hidden if votes.checks is None else votes.hidden | votes.checks
    if not telling.any():
        return None, 0.0
    parts = correlation.unaided(votes, posterior, confusion, prior, strength, telling)
    told = verdict(parts, parts.chances(together))
    figures = {"favourites_right": round(told.favourites, 2), "winners_right": round(told.winners, 2)}
    hidden = correlation.unaided(votes, posterior, confusion, prior, strength, votes.hidden)
    return {**correlation.on_gold(hidden, together), **figures}, told.excess


def draws(votes: Votes, account: Floats, burn: int, keep: int, plain: Crowd | None = None) -> Iterator[Crowd]:
    """The crowd after each kept sweep of a chain by this account of how even the classes are (``hierarchy.py``).

    Where a ``plain`` crowd is given, tasks may be murky, and the chain begins with what that one, whose account it
    is, has come to.
    """
    rng = np.random.default_rng(0)
    said = majority.fit(votes).posterior
    crowd = Murky(plain, rng) if plain else Crowd(votes, rng, account)
    for step in range(burn + keep):
        if step >= burn:
            crowd.hear_all()
        crowd.sweep()
        if step % (1 if votes.n_classes <= FEW_CLASSES else 10) == 0 and names_switched(crowd.posterior, said):
            crowd = Murky(plain, rng) if plain else Crowd(votes, rng, account)
            crowd.sweep()
        if step >= burn:
            yield crowd


def names_switched(posterior: np.ndarray, said: np.ndarray) -> bool:
    """Whether two classes have exchanged their names: the votes would fit better with the two swapped.

    A crowd that errs in everything explains its votes as well as one that is right, so a chain over both can cross from
    one to the other where nothing but the prior holds it: a single worker, or one vote a task. Crowds are right more
    often than wrong; the other mode is left as soon as it is entered (M. Stephens, "Dealing with label switching in
    mixture models", JRSS B 62, 2000).

    Args:
        posterior, said: [n_tasks, n_classes], what the chain believes and the shares of the votes.
    """
    together = said.T @ posterior
    kept = together.diagonal()[:, None] + together.diagonal()[None, :]
    return bool((together + together.T > 1.1 * kept + 0.5).any())


def sweeps(work: int) -> tuple[int, int]:
    """How many sweeps to drop and to keep: fewer for a large crowd, whose figures vary less between sweeps."""
    share = min(1.0, WORK / work)
    return max(round(BURN * share), LEAST_BURN), max(round(KEEP * share), LEAST_KEEP)
