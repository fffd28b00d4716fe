"""Where the draws do not agree that the votes are wrong, the votes decide: how the adaptive default defers to majority.

An average over draws has favourites even where the draws contradict each other. With two judgments a task the votes
cannot tell whether a class is rare or often missed: by the one account a split vote speaks for the frequent class, by
the other for the rare one. The first half of the draws therefore names the favourites, and each draw of the second half
says how many more labels it expects to be right with them than with the votes' winners; where these contradict each
other, draws by the other account judge the same favourites. Only when nearly all of them expect a gain are the
favourites followed against the votes (or to break their ties); else winners keep the lead, and tied winners stay tied.
Where much was said the draws agree, and nothing is changed.

Draws of one model agree on what the model cannot see. So draws of another, in which tasks may be murky (``murky.py``),
are asked as well, but only against: where nearly all of them expect a loss, the winners keep the lead too.

What no draw of any model can see, hidden gold may: whether favourites are right where they are not the votes' winners.
Each is ahead of these by some log odds. All are believed too far by one number of log odds, the likeliest under gold,
against a half-normal prior that starts at 0; a favourite that is ahead by less is not followed.

Source: the share of draws that agree in sign is one less A. Gelman and F. Tuerlinckx' type S error, "Type S error rates
for classical and Bayesian single and multiple comparison procedures", Computational Statistics 15 (2000).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from labeling.aggregation.correlation import FLOOR, Parts
from labeling.aggregation.votes import UNKNOWN, Floats, Ints, Votes

AGREED = 0.9  # of the draws
LEAD = 1e-4  # what the votes' winner is ahead by where it keeps the lead
EXCESSES = np.arange(0, 6.25, 0.25)  # log odds that favourites may be believed too far
USUAL_EXCESS = 1.0  # their deviation before gold has told


class Verdict(NamedTuple):
    """What hidden gold says of favourites that are not the votes' winners."""

    excess: float = 0.0  # log odds that they are believed too far
    favourites: float = 0.0  # gold tasks on which they are right
    winners: float = 0.0  # gold tasks on which the votes' winners are


def verdict(parts: Parts, chance: Floats) -> Verdict:
    """Gold by parts, and the posterior [parts, classes] of their people; a part's tied winners share the point."""
    winners = _winners(parts.said)
    rows, favourite = _departures(chance, winners)
    ahead, rivals = _ahead(chance[rows], winners[rows], favourite)
    truth, weight, place = parts.truth[rows], parts.weight[rows], np.arange(len(rows))
    right, wrong = truth == favourite, rivals[place, truth] > 0
    beyond = ahead[:, None] - EXCESSES
    fits = np.where(right[:, None], -np.logaddexp(0, -beyond), -np.logaddexp(0, beyond))
    fits = ((right | wrong) * weight) @ fits - 0.5 * (EXCESSES / USUAL_EXCESS) ** 2
    theirs = winners[rows][place, truth]
    return Verdict(float(EXCESSES[fits.argmax()]), float(weight @ right), float(weight @ theirs))


def _winners(counts: Floats) -> Floats:
    """[tasks, classes]: the votes' winner, or an equal share of several; nothing where nobody has said anything."""
    top = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
    return top / np.maximum(top.sum(axis=1, keepdims=True), 1)


def _departures(posterior: Floats, winners: Floats) -> tuple[Ints, Ints]:
    """Tasks whose favourite is not the votes' sole winner, and these favourites."""
    favourite = posterior.argmax(axis=1)
    rows = np.flatnonzero(winners[np.arange(len(posterior)), favourite] < 1)
    return rows, favourite[rows]


def _ahead(chance: Floats, winners: Floats, favourite: Ints) -> tuple[Floats, Floats]:
    """[tasks]: the log odds of the favourite against the mean of the votes' other winners; and these."""
    rivals, place = winners.copy(), np.arange(len(winners))
    rivals[place, favourite] = 0
    level = (chance * rivals).sum(axis=1) / rivals.sum(axis=1)
    return np.log(np.maximum(chance[place, favourite], FLOOR) / np.maximum(level, FLOOR)), rivals


class Deference:
    """Told of every draw, it says in the end what of their mean stands."""

    def __init__(self, votes: Votes, draws: int) -> None:
        counts = votes.counts()
        self.asked, self.half = (counts.sum(axis=1) > 0) & (votes.known == UNKNOWN), draws // 2
        self.winners = _winners(np.where(self.asked[:, None], counts, 0))
        self.seen, self.rows, self.favourites = 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.gains: list[float] = []
        self.doubts: list[float] = []  # gains, by another model

    def hear(self, draw: Floats, so_far: Floats) -> None:
        """One more draw's posterior, and the sum of all draws up to it; both [n_tasks, n_classes]."""
        self.seen += 1
        if self.seen == self.half:
            self.rows, self.favourites = self._departures(so_far)
        elif self.seen > self.half:
            self.judge(draw)

    def judge(self, draw: Floats) -> None:
        """What one draw [n_tasks, n_classes] expects of the favourites that were named."""
        if len(self.rows):
            self.gains.append(self._gain(draw))

    def doubt(self, draw: Floats) -> None:
        """The same, of a model that is only asked whether they lose."""
        self.doubts.append(self._gain(draw))

    def _gain(self, draw: Floats) -> float:
        ours = draw[self.rows, self.favourites]
        theirs = (draw[self.rows] * self.winners[self.rows]).sum(axis=1)
        return float((ours - theirs).sum())

    @property
    def agreed(self) -> float:
        """The share of draws that expect the favourites to be right more often than the votes; 1 when none departs."""
        return float(np.mean(np.array(self.gains) > 0)) if self.gains else 1.0

    @property
    def doubted(self) -> float:
        """The share of the other model's draws that expect the favourites to be right less often than the votes."""
        return float(np.mean(np.array(self.doubts) < 0)) if self.doubts else 0.0

    @property
    def is_open(self) -> bool:
        """Whether the draws differ, and as many more could still make nearly all of them agree."""
        return 2 * AGREED - 1 <= self.agreed < 1

    def settle(self, posterior: Floats, excess: float = 0.0) -> Floats:
        """The posterior [n_tasks, n_classes]; where the votes' winners keep the lead, mixed with these just enough.

        They keep it everywhere, or, where the draws agree, against favourites that are ahead by less than ``excess``.
        """
        rows, favourites = self._departures(posterior)
        if self.agreed >= AGREED > self.doubted:
            weak = _ahead(posterior[rows], self.winners[rows], favourites)[0] < excess
            rows, favourites = rows[weak], favourites[weak]
        found, share = posterior.copy(), self.winners[rows]
        own = posterior[rows]
        level = (own * share).sum(axis=1)
        behind = share[np.arange(len(rows)), favourites] == 0
        ahead = np.where(behind, (own[np.arange(len(rows)), favourites] - level) / share.max(axis=1) + LEAD, 0.0)
        even = np.where(share > 0, level[:, None], own)
        found[rows] = (even + ahead[:, None] * share) / (1 + ahead)[:, None]
        return found

    def _departures(self, posterior: Floats) -> tuple[Ints, Ints]:
        rows, favourites = _departures(posterior, self.winners)
        asked = self.asked[rows]
        return rows[asked], favourites[asked]
