"""Worker-side: the stages of a run in their order, and what comes after the last.

features  every image of the snapshot through the trunk, or out of the store
fit       the new head on cached features
tune      fine-tuning only: the last block behind the cut, on cached activations
evaluate  temperature on the validation part, metrics on images that the run never saw
export    the version's folder: weights, manifest, model card
verify    the export answers like Keras
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from labeling.text.words import gettext as _
from training.errors import NotEnoughLabels
from training.learning.errors import ArtifactDamaged, WeightsMissing
from training.models import ModelVersion, Recipe, TrainingRun
from training.runs import comparing, registry
from training.runs.progress import Reporter
from training.runs.stages import evaluate, export, features, fit, tune, verify, weights
from training.runs.stages.work import Work, load_items
from training.versions import champions
from training.versions.gate import Verdict, first_verdict, log_losses, not_asked, not_comparable, nothing_left, verdict
from training.zoo import catalogue

# name -> (the work, what people read, progress when it begins)
STAGES: dict[str, tuple[Callable[[Work], None], str, float]] = {
    "features": (features.run, _("Looking at the images."), 0.02),
    "fit": (fit.run, _("Training the classifier."), 0.5),
    "tune": (tune.run, _("Retraining the last block."), 0.55),
    "evaluate": (evaluate.run, _("Measuring on held-out images."), 0.85),
    "export": (export.run, _("Writing the model."), 0.9),
    "verify": (verify.run, _("Checking that the written model answers like the trained one."), 0.93),
}


def runs_folder() -> Path:
    """Where work in progress keeps its checkpoints."""
    return settings.DATA_DIR / "runs"


def go_through(run: TrainingRun, reporter: Reporter, folder: Path) -> ModelVersion:
    """All stages, then the gate; what a stage raises ends the run."""
    folder.mkdir(parents=True, exist_ok=True)
    started, cpu = time.monotonic(), time.process_time()
    work = Work(run, reporter, folder, load_items(run), list(run.snapshot.categories))
    if not len(work.items):
        raise NotEnoughLabels(_("Every image of the snapshot has been deleted."))
    weights.run(work)
    told = _("Training on %(count)s images with %(title)s.")
    reporter.log(told % {"count": len(work.items), "title": catalogue.backbone_of(run.backbone).title})
    for name, (stage, message, _progress) in STAGES.items():
        if name == "tune" and run.recipe == Recipe.FEATURE_EXTRACTION:
            continue
        at = time.monotonic()
        reporter.stage(name, message, span=span_of(name))
        stage(work)
        work.cost[f"{name}_seconds"] = round(time.monotonic() - at, 3)
    decided = decide(work)
    reporter.log(decided.reason)
    work.cost["seconds"] = round(time.monotonic() - started, 3)
    work.cost["cpu_seconds"] = round(time.process_time() - cpu, 3)
    return registry.register(
        run=run,
        folder=work.version_folder,
        categories=work.categories,
        metrics=work.metrics,
        manifest=work.manifest,
        verdict=decided,
        values={"cost": work.cost, **reporter.last_values()},
    )


def span_of(name: str) -> tuple[float, float]:
    """Where the run's progress stands when the stage begins, and when it ends."""
    begins = [progress for _stage, _message, progress in STAGES.values()]
    place = list(STAGES).index(name)
    return begins[place], [*begins, 1.0][place + 1]


def decide(work: Work) -> Verdict:
    """The gate, against the champion of now on images that neither was trained on, if both learned one question."""
    assert work.test_probabilities is not None
    test = work.items.side("test")
    truth = work.items.labels[test]
    right = work.test_probabilities.argmax(axis=1) == truth
    project = work.run.project
    champion = champions.champion_of(project)
    if champion is None:
        return first_verdict(right=right, truth=truth)
    name = _("version %(number)s") % {"number": champion.number}
    if champion.question_id != work.run.snapshot.question_id:
        if champions.champion_of_question(project) is not None:
            return not_asked(champion=name, right=right)
        return first_verdict(right=right, truth=truth, other=name)
    try:
        places, said, champion_said, answered = comparing.side_by_side(work, champion)
    except (ArtifactDamaged, WeightsMissing) as error:  # no reason to lose the new one: a person can promote it
        return not_comparable(champion=name, why=error.message, right=right)
    if not len(places):
        return nothing_left(champion=name, right=right)
    truth, targets = work.items.labels[places], work.items.targets[places]
    image_ids = [work.items.image_ids[place] for place in places]
    return verdict(
        right=said.argmax(axis=1) == truth,
        champion_right=answered == truth,
        champion=name,
        losses=log_losses(said, targets),
        champion_losses=log_losses(champion_said, targets),
        weights=comparing.weights_of(champion, image_ids, champion_said.max(axis=1)),
        groups=work.items.groups[places],
        with_new=bool((work.items.split[places] != "test").any()),
    )
