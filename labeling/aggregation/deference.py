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

Source: the share of draws that agree in sign is one less A. Gelman and F. Tuerlinckx' type S error, "Type S error rates
for classical and Bayesian single and multiple comparison procedures", Computational Statistics 15 (2000).
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.votes import UNKNOWN, Floats, Ints, Votes

AGREED = 0.9  # of the draws
LEAD = 1e-4  # what the votes' winner is ahead by where it keeps the lead


class Deference:
    """Told of every draw, it says in the end what of their mean stands."""

    def __init__(self, votes: Votes, draws: int) -> None:
        counts = votes.counts()
        asked = (counts.sum(axis=1) > 0) & (votes.known == UNKNOWN)
        top = (counts == counts.max(axis=1, keepdims=True)) & asked[:, None]
        self.winners = top / np.maximum(top.sum(axis=1, keepdims=True), 1)
        self.asked, self.half = asked, draws // 2
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

    def settle(self, posterior: Floats) -> Floats:
        """The posterior [n_tasks, n_classes]; where the votes' winners keep the lead, mixed with these just enough."""
        if self.agreed >= AGREED > self.doubted:
            return posterior
        rows, favourites = self._departures(posterior)
        found, share = posterior.copy(), self.winners[rows]
        own = posterior[rows]
        level = (own * share).sum(axis=1)
        behind = share[np.arange(len(rows)), favourites] == 0
        ahead = np.where(behind, (own[np.arange(len(rows)), favourites] - level) / share.max(axis=1) + LEAD, 0.0)
        even = np.where(share > 0, level[:, None], own)
        found[rows] = (even + ahead[:, None] * share) / (1 + ahead)[:, None]
        return found

    def _departures(self, posterior: Floats) -> tuple[Ints, Ints]:
        """Tasks whose favourite is not the votes' sole winner, and these favourites."""
        favourite = posterior.argmax(axis=1)
        rows = np.flatnonzero(self.asked & (self.winners[np.arange(len(posterior)), favourite] < 1))
        return rows, favourite[rows]
