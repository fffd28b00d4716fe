"""What the demo draws can be learned by the backbone that every clone has, else a clone without weights learns none."""

from __future__ import annotations

import numpy as np

from config.demo.drawing import CATEGORIES, draw_set
from labeling.files.imaging import pixels
from training.learning.heads.head import fit_head
from training.learning.networks.trunk import Trunk


def test_the_bundled_backbone_tells_the_drawn_animals_apart_after_a_few_dozen_noisy_labels(small_trunk: Trunk):
    drawn = draw_set(160)
    features = small_trunk.embed(np.stack([pixels(one.data(), 128) for one in drawn]))
    truth = np.array([CATEGORIES.index(one.category) for one in drawn])
    right = []
    for seed in range(3):
        chance = np.random.default_rng(seed)
        train, test = np.split(chance.permutation(len(drawn)), [80])
        said = np.where(chance.uniform(size=len(drawn)) < 0.1, chance.integers(0, 4, len(drawn)), truth)
        head, _ = fit_head(features[train], np.eye(4)[said[train]], categories=list(CATEGORIES), seed=seed)
        right.append((head.logits(features[test]).argmax(axis=1) == truth[test]).mean())
    assert np.mean(right) > 0.5  # chance is .25; .37 was not enough for a first champion
