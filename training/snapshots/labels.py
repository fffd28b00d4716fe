"""Worker-side: the labels that a classifier of a project may learn, from consensus and gold, as rows in one shape."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, Count, Exists, F, Func, Max, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KeyTransform

from labeling.models import Consensus, Gold, Image, Project, Question, Task
from labeling.text.words import gettext as _
from training.models import ModelVersion, Snapshot, SnapshotItem, Suspect

PART = 2_000  # rows read at a time
LEFT_OUT = "left_out"  # the part of a snapshot's items that nothing is learned from


@dataclass(frozen=True)
class Label:
    """One image's label. An empty posterior means: sure (gold, or a person decided)."""

    image_id: int
    sha256: str
    category: str
    posterior: dict[str, float]
    confidence: float
    judgments: int
    is_certain: bool

    @property
    def is_tie(self) -> bool:
        """Whether another answer is as likely: the category is then whichever of them comes first."""
        likeliest = sorted(self.posterior.values())[-2:]
        return len(likeliest) == 2 and likeliest[1] - likeliest[0] < 1e-6


def category_names(question: Question) -> dict[str, str]:
    """The classes of the question in the owner's order: key -> name."""
    if question.kind == "yes_no":
        return {"yes": _("Yes"), "no": _("No")}
    return {choice["key"]: choice["name"] for choice in question.choices()}


def category_of(answer: Any) -> str:
    """An answer as the class key that posteriors use: ``true`` -> ``"yes"``."""
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return str(answer)


def labels_of(*, project: Project, question: Question) -> Iterator[Label]:
    """Every final label of the question, one an image, in the order of the images' hashes.

    Gold comes before what workers said of the same image. Labels pass by: no more than gold is held.
    """
    gold = dict(_gold(project, question))
    said = (label for label in _consensus(project) if label.image_id not in gold)
    yield from heapq.merge(sorted(gold.values(), key=_hash), said, key=_hash)


def _hash(label: Label) -> str:
    return label.sha256


def _consensus(project: Project) -> Iterator[Label]:
    # Looked up for each row by its key: a join is planned by guesses, and where tables have just been filled these say
    # "one row", so that some thousand labels would be compared with each other.
    image = Subquery(Task.objects.filter(pk=OuterRef("task_id")).values("image_id"))
    digest = Subquery(Image.objects.filter(pk=OuterRef("image_id")).values("sha256"))
    known: Any = Consensus.objects.for_training(project).annotate(image_id=image).annotate(sha256=digest)
    fields = ("image_id", "sha256", "answer", "posterior", "confidence", "judgment_count", "decided_by")
    rows = known.order_by("sha256", "id").values_list(*fields)
    last = None
    for image_id, sha256, answer, posterior, confidence, judgments, decided_by in rows.iterator(PART):
        if answer is None or image_id == last:  # an image may have been labeled by several tasks
            continue
        last = image_id
        certain = decided_by is not None
        yield Label(
            image_id=image_id,
            sha256=sha256,
            category=category_of(answer),
            posterior={} if certain else posterior,
            confidence=1.0 if certain else float(confidence),
            judgments=judgments,
            is_certain=certain,
        )


def _gold(project: Project, question: Question) -> Iterator[tuple[int, Label]]:
    rows = Gold.objects.filter(task__project=project, answers__has_key=question.key).values_list(
        "task__image_id", "task__image__sha256", "answers", "task__judgment_count"
    )
    for image_id, sha256, answers, judgments in rows.order_by("id"):
        category = category_of(answers[question.key])
        yield image_id, Label(image_id, sha256, category, {}, 1.0, judgments, True)


def class_of_answer(question: Question) -> Any:
    """The SQL of ``category_of``: the answer's text, with yes and no for true and false."""
    text = Func(F("answer"), template="(%(expressions)s #>> '{}')", output_field=CharField())
    if question.kind != "yes_no":
        return text
    return Case(When(answer=True, then=Value("yes")), default=Value("no"), output_field=CharField())


def counts_by_category(*, project: Project, question: Question) -> dict[str, int]:
    """How many final labels each class has (consensus and gold), without reading them."""
    rows = (
        Consensus.objects.for_training(project)
        .annotate(category=class_of_answer(question))
        .values_list("category")
        .annotate(n=Count("id"))
    )
    counts: dict[str, int] = {category: n for category, n in rows if category is not None}
    for answers in _gold_without_consensus(project, question):
        category = category_of(answers[question.key])
        counts[category] = counts.get(category, 0) + 1
    return counts


def new_since(*, project: Project, question: Question, snapshot: Snapshot | None) -> int:
    """Labels of the question's classes that the snapshot does not hold, or holds with another class, or held without
    learning them because they were too little sure, and that have become known or were decided since.
    """
    rows = Consensus.objects.for_training(project).annotate(category=class_of_answer(question))
    rows = rows.filter(category__in=category_names(question))  # not those of a category that was removed
    gold = _gold_without_consensus(project, question)
    if snapshot is None:
        return rows.count() + gold.count()
    held = SnapshotItem.objects.filter(snapshot=snapshot, image=OuterRef("task__image"))
    same = held.filter(label=OuterRef("category"))
    unsure = Q(method__in=["gold", "person"]) & Exists(held.filter(split=LEFT_OUT, confidence__lt=1))
    return rows.filter(~Exists(same) | unsure).count() + gold.filter(~Exists(held)).count()


def uncorrected(version: ModelVersion) -> QuerySet[Suspect]:
    """The labels that the version doubts and that their images have still: since any version doubted it, nobody has
    corrected it, nor decided that it is right.
    """
    question, image = version.run.snapshot.question, OuterRef("image")
    said = Consensus.objects.filter(task__image=image, question=question, is_final=True)
    said = said.exclude(task__gold__answers__has_key=question.key)  # which counts before what people said
    gold = Gold.objects.filter(task__image=image, answers__has_key=question.key)
    doubted = Suspect.objects.filter(image=image, label=OuterRef("label"), version__project=version.project_id)
    since = Subquery(doubted.order_by("version__created_at").values("version__created_at")[:1])
    kept = said.filter(decided_by__isnull=False, updated_at__gt=OuterRef("since"))
    stand = version.suspects.annotate(since=since).filter(~Exists(kept))
    for rows in (said, gold.annotate(answer=KeyTransform(question.key, "answers"))):
        stand = stand.filter(
            ~Exists(rows.annotate(category=class_of_answer(question)).exclude(category=OuterRef("label")))
        )
    return stand


def newest_label_at(*, project: Project) -> datetime | None:
    """When the last label became final."""
    newest: datetime | None = Consensus.objects.for_training(project).aggregate(at=Max("task__retired_at"))["at"]
    return newest


def _gold_without_consensus(project: Project, question: Question) -> QuerySet[Gold, Any]:
    final = Consensus.objects.for_training(project).filter(task=OuterRef("task"))
    return (
        Gold.objects.filter(task__project=project, answers__has_key=question.key)
        .filter(~Exists(final))
        .values_list("answers", flat=True)
    )
