"""Questions with thousands of categories: the same conclusions, without an array of that size."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from labeling.aggregation import AGGREGATORS, Votes, majority
from labeling.aggregation.belief import Belief
from labeling.aggregation.combine import Said, combine
from labeling.aggregation.slots import LEAST_WIDTH, is_wide, slotted
from labeling.aggregation.votes import UNKNOWN
from labeling.consensus import agreement
from labeling.consensus.base import Judgments
from labeling.consensus.question_fit import fit_question
from labeling.surveys.survey import Asked

IMAGENET = 20_000


def crowd(tasks: int, classes: int, each: int = 5, workers: int = 40, seed: int = 0) -> tuple[Votes, np.ndarray]:
    """Workers right .3 to .95 of the time; an error names the next category in three of four cases, as look-alikes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, tasks)
    skill = rng.uniform(0.3, 0.95, workers)
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([rng.permutation(workers)[:each] for _ in range(tasks)])
    wrong = np.where(rng.random(len(task)) < 0.75, (truth[task] + 1) % classes, rng.integers(0, classes, len(task)))
    label = np.where(rng.random(len(task)) < skill[worker], truth[task], wrong)
    known = np.where(np.arange(tasks) < tasks // 20, truth, UNKNOWN)
    return Votes.of(task, worker, label, n_tasks=tasks, n_workers=workers, n_classes=classes, known=known), truth


def test_every_vote_and_gold_finds_its_label_again() -> None:
    votes, _truth = crowd(300, 700)
    slots = slotted(votes)
    assert (slots.label[votes.task, slots.votes.label] == votes.label).all()
    gold = np.flatnonzero(votes.known != UNKNOWN)
    assert (slots.label[gold, slots.votes.known[gold]] == votes.known[gold]).all()
    assert slots.width >= LEAST_WIDTH
    assert (slots.label == UNKNOWN).any(axis=1).all(), "a place for what nobody named"


def test_where_a_label_lies_says_nothing_of_its_votes() -> None:
    votes, _truth = crowd(4000, 900)
    slots = slotted(votes)
    winners = majority.fit(slots.votes).label
    share = np.bincount(winners, minlength=slots.width) / len(winners)
    assert share == pytest.approx(1 / slots.width, abs=0.03)


def test_a_majority_on_slots_is_the_majority() -> None:
    votes, _truth = crowd(400, 150)
    slots = slotted(votes)
    dense, narrow = majority.fit(votes).posterior, majority.fit(slots.votes).posterior
    rows, at = np.nonzero(slots.label != UNKNOWN)
    assert narrow[rows, at] == pytest.approx(dense[rows, slots.label[rows, at]])


def test_the_default_is_better_than_a_majority_among_thousands_of_categories() -> None:
    votes, truth = crowd(1500, 3000)
    slots = slotted(votes)
    rest = np.flatnonzero(votes.known == UNKNOWN)

    def right(method: str) -> float:
        posterior = np.where(slots.label == UNKNOWN, -1, AGGREGATORS[method](slots.votes).posterior)
        return float((slots.label[rest, posterior[rest].argmax(axis=1)] == truth[rest]).mean())

    assert right("adaptive") > right("majority") + 0.02


def test_only_many_categories_that_few_votes_speak_of_are_wide() -> None:
    assert is_wide(crowd(500, IMAGENET)[0])
    assert not is_wide(crowd(500, 100)[0])
    assert not is_wide(crowd(4000, 120)[0]), "enough was said for a matrix of 120 categories"


def test_figures_without_an_array_of_categories_are_the_same() -> None:
    votes, _truth = crowd(300, 40, each=3)
    single = Votes.of(np.append(votes.task[:-2], [298, 299]), votes.worker, votes.label, n_tasks=300)
    for one in (votes, single):
        dense = one.counts()
        kappa, alpha, by_category = agreement.sparse(one.task, one.label, slotted(one).votes.counts(), one.n_classes)
        assert kappa == pytest.approx(agreement.fleiss_kappa(dense))
        assert alpha == pytest.approx(agreement.krippendorff_alpha(dense))
        assert by_category == pytest.approx(agreement.per_category(dense), nan_ok=True)
    nobody = agreement.sparse(np.zeros(1, int), np.zeros(1, int), np.array([[1.0]]), 1)
    assert np.isnan([nobody[0], nobody[1], *nobody[2]]).all()


def asked(classes: int) -> tuple[Asked, list[str]]:
    names = [f"n{number:05}" for number in range(classes)]
    choices = [{"key": name, "label": name} for name in names]
    return Asked(1, "object", "single_choice", "What is it?", "", True, {"choices": choices}, None, ""), names


def test_a_project_of_the_size_of_imagenets_taxonomy_is_fitted_in_bounded_memory() -> None:
    question, names = asked(IMAGENET)
    votes, truth = crowd(400, IMAGENET)
    judgments = Judgments()
    for task, worker, label in zip(votes.task.tolist(), votes.worker.tolist(), votes.label.tolist(), strict=True):
        judgments.add(task, worker, {"object": names[label]})
    known = {task: names[truth[task]] for task in range(20)}
    tracemalloc.start()
    found = fit_question(question, judgments, known, {}, "adaptive")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert peak < 200 * 2**20, "20,000 x 20,000 numbers are 3 GB"
    answers = [found.combined(task).answer for task in found.tasks]
    assert np.mean([answer == names[truth[task]] for task, answer in zip(found.tasks, answers, strict=True)]) > 0.75
    assert sum(len(found.combined(task).posterior) for task in found.tasks) < 6 * len(found.tasks)
    assert "majority" in found.combined(30).others
    assert 0 < found.stored["figures"]["krippendorff_alpha"] < 1
    assert set(found.stored["figures"]["by_category"]) <= set(names)


def told(said: list[str], belief: Belief, **skills: float) -> Any:
    rows = [Said(worker, answer) for worker, answer in enumerate(said)]
    known = {worker: {"accuracy": accuracy} for worker, accuracy in enumerate(skills.values())}
    return combine("class", rows, {}, belief, known)


def test_one_task_is_decided_among_what_was_named() -> None:
    _question, names = asked(IMAGENET)
    for belief in (
        Belief.ignorant(names),
        Belief.read({"width": 6, "classes": [], "prior": [], "accuracy": 0.8}, names),
    ):
        one = told([names[7]], belief)
        assert (one.answer, set(one.posterior)) == (names[7], {names[7]})
        assert 0.4 < one.confidence < 0.9
        two = told([names[7], names[7], names[3]], belief)
        assert two.answer == names[7]
        assert set(two.posterior) == {names[3], names[7]}
        assert one.confidence < told([names[7]] * 2, belief).confidence < 1
        assert told([names[7], names[3]], belief).answer == names[3], "of two as probable the first category"
        assert told(["gone", names[9]], belief).answer == names[9]
        assert told(["gone"], belief).answer in names


def test_a_skilled_worker_weighs_more_among_many_categories() -> None:
    _question, names = asked(IMAGENET)
    belief = Belief.read({"width": 6, "classes": [], "prior": [], "accuracy": 0.6}, names)
    assert told([names[1], names[2], names[2]], belief, a=0.95, b=0.4, c=0.4).answer == names[1]
    assert told([names[1], names[2], names[2]], belief, a=0.6, b=0.6, c=0.6).answer == names[2]


def test_sets_of_very_many_choices_are_fitted_on_what_was_chosen() -> None:
    question, names = asked(IMAGENET)
    question = replace(question, kind="multiple_choice")
    rng = np.random.default_rng(0)
    truth = [sorted({names[number] for number in rng.integers(0, IMAGENET, 3)}) for _task in range(200)]
    judgments = Judgments()
    for task in range(200):
        for worker in range(5):
            kept = [name for name in truth[task] if rng.random() < 0.85]
            noise = [names[rng.integers(IMAGENET)]] if rng.random() < 0.3 else []
            judgments.add(task, worker, {"object": sorted({*kept, *noise})})
    tracemalloc.start()
    found = fit_question(question, judgments, {0: truth[0]}, {}, "adaptive")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert peak < 200 * 2**20
    assert np.mean([found.combined(task).answer == truth[task] for task in range(200)]) > 0.9
    assert len(found.combined(1).posterior) < 12


def test_of_very_many_sets_some_teach_what_the_crowd_is_like_and_each_is_decided(monkeypatch) -> None:
    question, names = asked(10)
    question = replace(question, kind="multiple_choice")
    rng = np.random.default_rng(0)
    truth = {task: sorted({names[number] for number in rng.integers(0, 10, 3)}) for task in range(1000, 1400)}
    judgments = Judgments()
    for task, right in truth.items():
        for worker in range(5):
            judgments.add(task, worker, {"object": [name for name in names if (name in right) == (rng.random() < 0.9)]})
    for worker in range(5, 7):  # who is in no task that teaches but gold
        judgments.add(1399, worker, {"object": truth[1399]})
    whole = fit_question(question, judgments, {1399: truth[1399]}, {}, "adaptive")
    monkeypatch.setattr("labeling.consensus.classes.MOST_VOTES", 4000)  # of 20,020
    some = fit_question(question, judgments, {1399: truth[1399]}, {}, "adaptive")
    assert whole is not None
    assert some is not None
    assert (some.tasks, some.said, some.skills.keys()) == (whole.tasks, whole.said, whole.skills.keys())
    assert some.stored["figures"]["judgments"] == whole.stored["figures"]["judgments"] == 2002
    assert some.stored != whole.stored
    for found, near in ((some.stored["accuracy"], 0.02), (some.stored["figures"]["percent"], 0.03)):
        assert found == pytest.approx(0.9 if near == 0.02 else 0.82, abs=near)
    right = [some.combined(task).answer == answer for task, answer in truth.items()]
    assert np.mean(right) > 0.85
