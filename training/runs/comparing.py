"""Worker-side: on which images a new version and the champion are set side by side, and what each says of them.

Both always meet on the new run's frozen test set, which neither was trained on: the split goes by the image's hash. (An
image that the champion learned as a near-duplicate of another, and that was uploaded again without that one, is left
out.) A head on cached features also meets the champion on the images that are new since the champion's snapshot: the
champion never saw them, and the new head answers each in folds, fitted without it. Five times as many images tell two
versions apart where a small test set with a crowd's own errors in it cannot. A fine-tuned version is too dear to fit in
folds. What a network that a former version retrained has learned is known to whatever stands on it, folds or not: after
a rollback the new head may stand on more than the champion of now.

What is new is no fair sample: the crowd was asked first about what the champion was unsure of, and there any other
model looks better than it is (simulated with four of five images asked for so: one that is as good was promoted in 27
of 100 cases, one that is two points worse in 8). So images are weighed until the champion is as often so sure of them
as of its own held-out ones (post-stratification): 8 and 2 of 100, and it costs nothing where nobody chose. Of fewer
than twenty such images nothing can be learned about the others; there chance reaches further than the choice does.
Sources: Stone, Cross-Validatory Choice and Assessment of Statistical Predictions (JRSS B 1974); Holt and Smith, Post
Stratification (JRSS A 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.features import answers
from training.learning.heads.folds import out_of_fold
from training.models import LearnedPictures, ModelVersion, Recipe, SnapshotItem, TrainingRun
from training.runs.stages import fit
from training.runs.stages.work import Items, Work
from training.zoo import catalogue

MOST_IN_FOLDS = 20_000
EPOCHS = 30  # the order of the answers settles long before the loss does
STRATA, LEAST_IN_STRATUM = 5, 10


def side_by_side(work: Work, champion: ModelVersion) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns:
    places int [n] of the work's items, probabilities [n, k] of the new version, and [n, k] of the champion, with
    columns in the order of the work's categories, and the column that the champion answers, int [n]: -1 for a category
    that has no labels any more. Images that the champion cannot read any more are left out.
    """
    assert work.test_probabilities is not None
    learned = learned_by([champion.run], work.items, standing=[work.run])
    test, fresh = work.items.side("test"), _new_since(work, learned)
    said, test = work.test_probabilities[~learned[test]], test[~learned[test]]
    if len(fresh):
        said = np.concatenate([said, _in_folds(work)[fresh]])
    places = np.concatenate([test, fresh]).astype(int)
    found, read = answers.answers_of(champion, [work.items.pictures[place] for place in places])
    columns = np.array([work.categories.index(key) if key in work.categories else -1 for key in champion.categories])
    answered = columns[found[read].argmax(axis=1)]
    return places[read], said[read], in_order(found[read], champion.categories, work.categories), answered


def weights_of(champion: ModelVersion, image_ids: Sequence[int], sure: np.ndarray) -> np.ndarray | None:
    """float [n], how much each of these images counts beside a champion; None = all alike.

    Args:
        sure: float [n], the champion's largest probability for each.
    """
    held_out = SnapshotItem.objects.filter(snapshot=champion.run.snapshot_id, split="test")
    is_held_out = np.isin(image_ids, list(held_out.values_list("image_id", flat=True)))
    return None if is_held_out.all() else strata_weights(sure, is_held_out)


def strata_weights(sure: np.ndarray, is_reference: np.ndarray) -> np.ndarray | None:
    """float [n] of mean 1: after them all images are spread over ``sure [n]`` as the reference is; None where that is
    too small to say how."""
    reference = sure[is_reference]
    count = min(STRATA, len(reference) // LEAST_IN_STRATUM)
    if count < 2:
        return None
    # Edges that are values of the reference, below its largest: each stratum has some of it, however many are alike.
    edges = np.unique(np.quantile(reference, np.arange(1, count) / count, method="lower"))
    stratum = np.searchsorted(edges[edges < reference.max()], sure)
    shares = np.bincount(stratum[is_reference]) / len(reference)
    return np.asarray((shares / (np.bincount(stratum) / len(sure)))[stratum])


def learned_by(runs: Sequence[TrainingRun], items: Items, *, standing: Sequence[TrainingRun] = ()) -> np.ndarray:
    """bool [n]: which of the pictures, or near-duplicates of them, one of the runs was trained on, or a network that it
    or one of those ``standing`` stands on, also those that were deleted since.
    """
    teachers = [teacher for run in (*runs, *standing) for teacher in catalogue.teachers_of(run.backbone)]
    known_runs = {run.pk for run in runs} | {version.run_id for version in teachers}
    snapshots = TrainingRun.objects.filter(pk__in=known_runs).values("snapshot")  # each once, however many its runs
    rows = LearnedPictures.objects.filter(snapshot__in=snapshots).values_list("hashes", flat=True)
    known = np.frombuffer(b"".join(map(bytes, rows)), ">u8").astype(np.uint64)  # isin knows no foreign order
    found = np.isin(np.array([int(picture.sha256[:16], 16) for picture in items.pictures], np.uint64), known)
    return np.isin(items.groups, items.groups[found])


def _new_since(work: Work, learned: np.ndarray) -> np.ndarray:
    """Places of training and validation images that the champion, and what both stand on, was not trained on."""
    if work.run.recipe != Recipe.FEATURE_EXTRACTION or len(work.items) > MOST_IN_FOLDS:
        return np.empty(0, int)
    return np.flatnonzero(~learned & (work.items.split != "test"))


def _in_folds(work: Work) -> np.ndarray:
    """[n, k] over all items; zeros on the test part, which is not fitted on."""
    assert work.features is not None
    options = fit.head_options(work.run.options)
    known = np.flatnonzero(work.items.split != "test")
    said = np.zeros((len(work.items), len(work.categories)), np.float32)
    said[known] = out_of_fold(
        work.features[known],
        work.items.targets[known],
        work.items.weights[known],
        categories=work.categories,
        options=replace(
            options,
            strength=work.fit_facts.get("strength"),
            blend=work.fit_facts.get("blend"),
            # A dense head goes by its batches, and was fitted for as long as this (see fit.refit).
            epochs=int(work.fit_facts["best_epoch"]) or 1 if options.hidden else min(options.epochs, EPOCHS),
        ),
        groups=work.items.groups[known],
        seed=work.run.seed,
        progress=work.still,
    )
    return said


def in_order(probabilities: np.ndarray, has: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Columns in the order of ``wanted``; 0 for a category that the version does not know."""
    columns = {category: column for column, category in enumerate(has)}
    known = [category in columns for category in wanted]
    found = np.zeros((len(probabilities), len(wanted)), probabilities.dtype)
    found[:, known] = probabilities[:, [columns[category] for category in wanted if category in columns]]
    return found
