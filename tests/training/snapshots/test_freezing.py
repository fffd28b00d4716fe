"""A frozen training set: the same for the same labels, and never another."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from labeling import services
from labeling.errors import CrowdtuneError
from labeling.models import Consensus, Gold, Image, Project, Task
from labeling.services import set_gold
from tests.training.drawing import SHAPES, add_image, draw, label, labeled_project, make_project, png
from training.errors import NotEnoughLabels
from training.learning.errors import LearningError
from training.learning.split import split_of
from training.models import ImageTrait, LearnedPictures, Snapshot, SnapshotItem, TrainingPolicy
from training.runs.due import Decision, start_due_runs
from training.runs.queueing import create_run
from training.snapshots import freezing, labels
from training.snapshots.freezing import freeze_snapshot


def test_the_same_labels_give_the_same_snapshot(project: Project) -> None:
    first = freeze_snapshot(project=project)

    assert freeze_snapshot(project=project) == first
    assert first.item_count == 60
    assert Counter(first.items.values_list("split", flat=True)) == {
        side: sum(counts.values()) for side, counts in first.counts.items()
    }
    learned = first.items.filter(split__in=["train", "validation"]).order_by("sha256").values_list("sha256", flat=True)
    assert bytes(LearnedPictures.objects.get().hashes).hex() == "".join(sha256[:16] for sha256 in learned)


LABEL = labels.Label(1, "ab" * 32, "cat", {"cat": 0.75, "dog": 0.25}, 0.75, 3, is_certain=False)


@pytest.mark.parametrize(
    ("categories", "label", "side"),
    [
        (["dog", "cat"], LABEL, "train"),
        (["cat", "dog"], LABEL, "test"),
        (["cat", "dog"], replace(LABEL, sha256="cd" * 32), "train"),
        (["cat", "dog"], replace(LABEL, category="dog"), "train"),
        (["cat", "dog"], replace(LABEL, posterior={"cat": 0.5, "dog": 0.5}), "train"),
        (["cat", "dog"], replace(LABEL, confidence=0.5), "train"),
    ],
)
def test_whatever_a_model_is_made_of_is_in_the_digest(categories: list[str], label: labels.Label, side: str) -> None:
    digest = freezing._tally(["cat", "dog"], [(LABEL, "train")]).digest
    assert freezing._tally(["cat", "dog"], [(replace(LABEL, image_id=2, judgments=4), "train")]).digest == digest
    assert freezing._tally(categories, [(label, side)]).digest != digest


def test_labels_that_come_later_leave_a_snapshot_as_it_is(project: Project) -> None:
    first = freeze_snapshot(project=project)
    before = list(first.items.order_by("sha256").values_list("sha256", "label", "split"))

    for seed in range(100, 120):
        label(add_image(project, draw("square", seed)), "square")
    second = freeze_snapshot(project=project)

    assert second.digest != first.digest
    assert list(first.items.order_by("sha256").values_list("sha256", "label", "split")) == before
    assert set(before) <= set(second.items.values_list("sha256", "label", "split"))


def test_labels_of_a_category_that_was_removed_are_not_new(project: Project) -> None:
    question = project.primary_question()
    assert question is not None
    project.categories.filter(key="square").delete()

    assert labels.new_since(project=project, question=question, snapshot=None) == 30


def test_images_that_come_back_with_their_labels_are_in_the_snapshot_again(project: Project) -> None:
    first = freeze_snapshot(project=project)
    before = list(first.items.order_by("sha256").values_list("sha256", "label", "split"))
    learned = bytes(LearnedPictures.objects.get().hashes)
    # As an older checkout leaves it, where these were deleted before anybody wrote down what was learned.
    LearnedPictures.objects.update(hashes=learned[:16])
    gone = list(project.images.order_by("id")[:20])
    Image.objects.filter(pk__in=[image.pk for image in gone]).delete()

    for image in gone:
        label(add_image(project, draw(_kind(image), int(image.name[:3])), image.name), _kind(image))

    again = freeze_snapshot(project=project)
    assert again == first
    assert list(again.items.order_by("sha256").values_list("sha256", "label", "split")) == before
    assert bytes(LearnedPictures.objects.get().hashes) == learned


def test_an_image_never_changes_its_side_of_the_split(project: Project) -> None:
    other = labeled_project("other", count=60)

    sides = dict(freeze_snapshot(project=project).items.values_list("sha256", "split"))
    assert dict(freeze_snapshot(project=other).items.values_list("sha256", "split")) == sides


def test_a_corrected_label_is_new_and_makes_another_snapshot(project: Project) -> None:
    question = project.primary_question()
    assert question is not None
    first = freeze_snapshot(project=project)
    assert labels.new_since(project=project, question=question, snapshot=first) == 0

    Consensus.objects.filter(pk=Consensus.objects.order_by("pk")[0].pk).update(answer="square", posterior={"square": 1})

    assert labels.new_since(project=project, question=question, snapshot=first) == 1
    assert freeze_snapshot(project=project).digest != first.digest


def test_gold_is_new_only_where_its_label_was_not_learned(project: Project) -> None:
    question = project.primary_question()
    assert question is not None
    rows = Consensus.objects.filter(project=project).select_related("task").order_by("pk")
    learned, corrected, tied = rows[0], rows[1], rows[2]
    tie = {"posterior": {"circle": 0.5, "square": 0.5}, "confidence": 0.5}
    Consensus.objects.filter(pk=tied.pk).update(**tie)
    first = freeze_snapshot(project=project)
    other = next(key for key in ("circle", "square") if key != corrected.answer)

    for row, answer, new in ((learned, learned.answer, 0), (corrected, other, 1), (tied, tied.answer, 2)):
        set_gold(task=row.task, answers=answer, user=project.owner)
        assert labels.new_since(project=project, question=question, snapshot=first) == new
    again = freeze_snapshot(project=project)
    assert labels.new_since(project=project, question=question, snapshot=again) == 0


def test_near_duplicates_stand_on_one_side(db: None) -> None:
    project = labeled_project(count=40)
    for image in list(project.images.order_by("id")):
        with Pillow.open(io.BytesIO(draw(_kind(image), int(image.name[:3])))) as picture:
            again = io.BytesIO()
            picture.convert("RGB").save(again, "JPEG", quality=70)
        label(add_image(project, again.getvalue(), image.name), _kind(image))

    snapshot = freeze_snapshot(project=project)

    sides: dict[str, set[str]] = {}
    for name, side in snapshot.items.values_list("image__name", "split"):
        sides.setdefault(name, set()).add(side)
    assert all(len(both) == 1 for both in sides.values())
    assert ImageTrait.objects.values("group").distinct().count() == 40


def test_different_drawings_on_plain_ground_are_not_near_duplicates(db: None) -> None:
    project = labeled_project(count=60, drawn=_plain)

    freeze_snapshot(project=project)

    assert ImageTrait.objects.values("group").distinct().count() == 60


def test_posteriors_are_kept_and_gold_is_certain(db: None) -> None:
    project = labeled_project(count=40)
    doubtful = label(add_image(project, draw("circle", 500)), "circle", posterior={"circle": 0.6, "square": 0.4})
    image = add_image(project, draw("square", 501))
    task = Task.objects.create(
        project=project, image=image, state="retired", retired_because="gold", is_gold=True, open_slots=0
    )
    Gold.objects.create(task=task, answers={"what": "square"})

    snapshot = freeze_snapshot(project=project)

    assert snapshot.items.get(image=doubtful.task.image).posterior == {"circle": 0.6, "square": 0.4}
    gold = snapshot.items.get(image=image)
    assert (gold.label, gold.posterior, gold.confidence) == ("square", {}, 1.0)


def test_an_image_judged_once_is_never_measured_on(db: None) -> None:
    project = labeled_project(count=60)
    Consensus.objects.update(judgment_count=1)
    Consensus.objects.filter(pk__in=list(Consensus.objects.values_list("pk", flat=True)[::2])).update(judgment_count=3)

    snapshot = freeze_snapshot(project=project)

    assert not snapshot.items.filter(split="test", judgment_count=1).exists()
    assert snapshot.items.filter(split="left_out", judgment_count=1).exists()
    assert snapshot.items.filter(split="train", judgment_count=1).exists()


def test_what_nobody_could_tell_is_not_learned(project: Project) -> None:
    image = Image.objects.order_by("id").first()
    Consensus.objects.filter(task__image=image).update(answer="cant_tell")

    assert not freeze_snapshot(project=project).items.filter(image=image).exists()


def test_a_tie_is_neither_learned_nor_measured_on(project: Project) -> None:
    posterior = {"circle": 0.4, "square": 0.4, "triangle": 0.2}
    tied = [label(add_image(project, draw("circle", seed)), "circle", posterior=posterior) for seed in range(500, 512)]
    clear = label(add_image(project, draw("square", 520)), "square", posterior={"circle": 0.5, "square": 0.5 + 1e-3})

    items = freeze_snapshot(project=project).items

    found = items.filter(image__in=[consensus.task.image for consensus in tied])
    assert set(found.values_list("split", flat=True)) == {"left_out"}
    assert items.get(image=clear.task.image).split != "left_out"


def test_a_category_with_one_image_is_left_out_and_counted(db: None) -> None:
    project = labeled_project(count=40, categories=SHAPES[:2])
    project.categories.create(key="triangle", name="Triangle", position=9)
    label(add_image(project, draw("triangle", 900)), "triangle")

    snapshot = freeze_snapshot(project=project)

    assert snapshot.categories == ["circle", "square"]
    assert snapshot.left_out == {"triangle": 1}


def test_yes_and_no_are_two_categories(db: None) -> None:
    project = make_project(categories=(), kind="yes_no")
    for seed in range(40):
        wanted = seed % 2 == 0
        consensus = label(add_image(project, draw("circle" if wanted else "square", seed)), "yes" if wanted else "no")
        Consensus.objects.filter(pk=consensus.pk).update(answer=wanted)

    snapshot = freeze_snapshot(project=project)

    question = project.primary_question()
    assert question is not None
    assert snapshot.categories == ["yes", "no"]
    assert labels.counts_by_category(project=project, question=question) == {"yes": 20, "no": 20}
    assert labels.new_since(project=project, question=question, snapshot=snapshot) == 0


@pytest.mark.parametrize(("categories", "count"), [(("circle",), 30), (("circle", "square"), 2)])
def test_nothing_to_tell_apart_is_refused_with_the_reason(categories: tuple[str, ...], count: int, db: None) -> None:
    project = labeled_project(count=count, categories=categories)

    with pytest.raises(NotEnoughLabels, match="at least two categories"):
        freeze_snapshot(project=project)
    assert not SnapshotItem.objects.exists()


def test_where_all_images_are_near_duplicates_it_is_not_more_labels_that_are_wanted(db: None) -> None:
    project = make_project("alike")
    held_out = next(seed for seed in range(100) if split_of(hashlib.sha256(draw("circle", seed)).hexdigest()) == "test")
    with Pillow.open(io.BytesIO(draw("circle", held_out))) as picture:
        copies = [draw("circle", held_out), *(png(picture.resize((size, size))) for size in (96, 128, 160))]
    for number, data in enumerate(copies):
        label(add_image(project, data, f"{number}.png"), "circle" if number % 2 else "square")

    with pytest.raises(NotEnoughLabels, match=r"the images of 2 of 2 categories are all held out .* near-duplicates"):
        freeze_snapshot(project=project)


def test_a_survey_without_a_choice_is_refused_with_the_reason(db: None) -> None:
    project = make_project(kind="text")

    with pytest.raises(NotEnoughLabels, match="no question with one answer"):
        freeze_snapshot(project=project)


def test_a_question_that_a_snapshot_stands_on_stays_in_the_survey(project: Project) -> None:
    freeze_snapshot(project=project)
    key = project.questions.get().key

    with pytest.raises(CrowdtuneError, match=f"stands on the question '{key}'"):
        services.replace_survey(project=project, user=None, questions=[{"key": "legs", "kind": "number"}])

    assert project.questions.get().key == key


def _kind(image: Image) -> str:
    return image.name[4:].partition(".")[0]


def _plain(kind: str, seed: int) -> bytes:
    """A small spot on a plain ground: hashes of such pictures are nearly empty."""
    pixels = np.full((64, 64, 3), 200, np.uint8)
    y, x = 4 + 6 * (seed // 8), 4 + 6 * (seed % 8)
    pixels[y : y + 8, x : x + 8] = np.random.default_rng(seed).integers(0, 120, 3)
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_labels_come_once_an_image_in_the_order_of_their_hashes_and_gold_first(project: Project) -> None:
    question = project.primary_question()
    assert question is not None
    second = Image.objects.filter(project=project).order_by("sha256")[1]
    Gold.objects.create(task=Task.objects.get(image=second), answers={question.key: "circle"})

    found = list(labels.labels_of(project=project, question=question))

    assert [row.sha256 for row in found] == sorted(set(Image.objects.values_list("sha256", flat=True)))
    assert [row.is_certain for row in found[:3]] == [False, True, False]
    assert found[1].category == "circle"


def test_a_full_disk_refuses_a_snapshot_in_words_and_stops_no_other_project(project: Project, small_disk: None) -> None:
    with pytest.raises(LearningError, match="Free some disk") as refused:
        freeze_snapshot(project=project)
    assert refused.value.code == "disk_full"
    assert not Snapshot.objects.exists()

    def start(due: Project, _decision: Decision) -> None:
        create_run(project=due, cause="new_labels")

    TrainingPolicy.objects.update_or_create(project=project, defaults={"quiet_seconds": 0})
    assert start_due_runs(start) == 0
    policy = TrainingPolicy.objects.get(project=project)
    assert "Free some disk" in policy.status
    assert policy.look_again_at is not None


@pytest.mark.parametrize(
    ("asked", "judgments", "is_certain", "kept"),
    [(3, 1, False, False), (3, 2, False, True), (1, 1, False, True), (1, 0, False, False), (3, 0, True, True)],
)
def test_what_is_held_out_was_judged_twice_where_that_is_asked_for_unless_a_person_is_sure(
    asked: int, judgments: int, is_certain: bool, kept: bool
) -> None:
    held_out = next(sha256 for number in range(1000) if split_of(sha256 := f"{number:064x}") == "test")
    given = labels.Label(1, held_out, "square", {}, 1.0, judgments, is_certain)
    found = freezing._side(Project(judgments_min=asked), given, held_out)
    assert found == ("test" if kept else freezing.LEFT_OUT)
