"""A second opinion on the adaptive model: might the tasks that it sees as an odd class be only murky ones?

That model takes votes on a task as independent, so tasks that people guess at must be of a class that is answered at
random, and a rare class that is mostly missed becomes that. Here a task may be murky instead: there a worker sees what
it is with a chance, ``ease``, and answers as ever, else anything is said, by one distribution for all. The rest is as
in ``hierarchy.py``.

    share of murky tasks  ~ Beta(1, 3)
    ease                  one of EASES
    what is said blindly  ~ Dirichlet round how often each label is given

It only judges (``deference.py``). As the model itself, or mixed in by how well it foresees votes, it was right more
often on crowds drawn with such tasks, and not on real ones.

Source: a state for each task as J. Whitehill et al., "Whose vote should count more", NIPS 2009, in its coarsest form.
"""

from __future__ import annotations

import numpy as np

from labeling.aggregation.hierarchy import Crowd
from labeling.aggregation.votes import Floats

EASES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
FIRST_SHARE, FIRST_EASE = 0.1, 0.4
USUAL = 10.0  # answers that the overall frequency of labels counts as, in what is said blindly
LEAST = 1e-4
MOST_LOG_ODDS = 500.0
BEGUN = (
    "posterior", "prior", "level", "level_mean", "level_variance", "misses", "ability", "ability_variance", "habit_of",
    "habit", "habit_beta", "strength", "strength_share", "skilled",
)  # fmt: skip


class Murky(Crowd):
    """The state of a chain over crowds some of whose tasks are murky, begun where a plain one has come to."""

    def __init__(self, plain: Crowd, rng: np.random.Generator) -> None:
        super().__init__(plain.votes, rng, plain.account)
        for name in BEGUN:
            setattr(self, name, getattr(plain, name))
        said = np.bincount(self.label, minlength=self.votes.n_classes) + 1.0
        self.usual = said / said.sum()
        self.blindly, self.ease, self.share = self.usual, FIRST_EASE, FIRST_SHARE
        self._weigh(np.log(self._predicted()))

    def _draw_clear(self, truth: np.ndarray) -> None:
        murky = self.rng.random(len(truth)) < self.murk[np.arange(len(truth)), truth]
        many = np.count_nonzero(murky[self.asked])
        self.share = float(np.clip(self.rng.beta(1 + many, 3 + len(self.asked) - many), LEAST, 1 - LEAST))
        some = np.flatnonzero(murky[self.task])
        own = np.exp(self.log_matrices[self.worker[some], truth[self.task[some]], self.label[some]])
        blind = self.blindly[self.label[some]]
        fits = np.array([np.log(ease * own + (1 - ease) * blind).sum() for ease in EASES])
        self.ease = float(EASES[self._pick(fits)])
        seen, unseen = self.ease * own, (1 - self.ease) * blind
        self.clear = np.ones(len(self.task), dtype=bool)
        self.clear[some] = self.rng.random(len(some)) * (seen + unseen) < seen
        guesses = np.bincount(self.label[~self.clear], minlength=len(self.prior))
        self.blindly = np.maximum(self.rng.dirichlet(guesses + USUAL * self.usual), LEAST)

    def _evidence(self, log_matrices: Floats) -> Floats:
        """Murky or not; ``murk`` [tasks, truth] is the chance of being murky."""
        self.log_matrices = log_matrices
        clear = super()._evidence(log_matrices) + np.log1p(-self.share)
        blurred = np.log(self.ease * np.exp(log_matrices) + (1 - self.ease) * self.blindly)
        odds = np.exp(np.minimum(super()._evidence(blurred) + np.log(self.share) - clear, MOST_LOG_ODDS))
        self.murk = odds / (1 + odds)
        return clear + np.log1p(odds)
