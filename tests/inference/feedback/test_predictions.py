"""What versions said, measured by what the crowd says later."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from inference.feedback import backlog, predictions
from inference.models import Deployment, Prediction
from labeling.models import Consensus, Question
from labeling.services import decide_task, label_by_model, set_gold


def test_what_the_crowd_answers_measures_the_version_that_said_it_before(project, champion, add_images, owner) -> None:
    images = add_images(range(4))
    backlog.score_pool(project.pk)
    for number, image in enumerate(images):
        said = Prediction.objects.get(image=image).category
        other = next(key for key in ("blue", "green", "red") if key != said)
        decide_task(task=image.tasks.get(), answers={"label": said if number else other}, user=owner)
    assert predictions.judge(project.pk) == 4
    assert predictions.judge(project.pk) == 0
    assert Prediction.objects.filter(is_correct=True).count() == 3
    assert Prediction.objects.get(image=images[0]).is_correct is False


def test_a_label_that_a_reviewer_corrects_measures_anew_on_the_day_of_the_first(
    project, champion, add_images, owner
) -> None:
    (image,) = add_images(range(1))
    backlog.score_pool(project.pk)
    row = Prediction.objects.get(image=image)
    wrong = next(key for key in ("blue", "green", "red") if key != row.category)
    decide_task(task=image.tasks.get(), answers={"label": wrong}, user=owner)
    assert predictions.judge(project.pk) == 1
    then = Prediction.objects.get().judged_at
    decide_task(task=image.tasks.get(), answers={"label": row.category}, user=owner)
    assert predictions.judge(project.pk) == 1
    row.refresh_from_db()
    assert (row.is_correct, row.judged_at) == (True, then)
    assert predictions.judge(project.pk) == 0


def test_gold_corrects_what_was_compared_and_measures_nothing_by_itself(project, champion, add_images, owner) -> None:
    images = add_images(range(2))
    backlog.score_pool(project.pk)
    rows = [Prediction.objects.get(image=image) for image in images]
    wrong = next(key for key in ("blue", "green", "red") if key != rows[0].category)
    decide_task(task=images[0].tasks.get(), answers={"label": wrong}, user=owner)
    assert predictions.judge(project.pk) == 1
    for image, row in zip(images, rows, strict=True):
        set_gold(task=image.tasks.get(), answers={"label": row.category}, user=owner)
    assert predictions.judge(project.pk) == 1
    assert [Prediction.objects.get(image=image).is_correct for image in images] == [True, None]


def test_a_label_made_before_the_prediction_measures_nothing(project, champion, add_images, owner) -> None:
    (image,) = add_images(range(1))
    decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    late = timezone.now() + timedelta(seconds=5)
    Prediction.objects.create(
        project=project, image=image, version=champion, category="red", probability=1, uncertainty=0, created_at=late
    )
    assert Consensus.objects.filter(is_final=True).count() == 1
    assert predictions.judge(project.pk) == 0


def test_what_a_model_has_labeled_by_itself_measures_no_version(project, champion, add_images) -> None:
    (image,) = add_images(range(1))
    backlog.score_pool(project.pk)
    assert label_by_model(project=project, labels={image.pk: ("red", 0.99)}) == [image.pk]
    assert Consensus.objects.get().is_final
    assert predictions.judge(project.pk) == 0


def test_what_is_left_of_an_image_deleted_while_it_was_scored_is_swept_away(project, champion, add_images) -> None:
    add_images(range(5))
    facts = {"project": project, "version": champion, "category": "red", "probability": 1, "uncertainty": 0}
    Prediction.objects.create(image_id=999_999, **facts)
    backlog.score_pool(project.pk)
    assert Prediction.objects.filter(version=champion).count() == 5
    assert not Prediction.objects.filter(image_id=999_999).exists()


def test_what_other_labels_rule_out_measures_no_version(project, champion, add_images, owner) -> None:
    (image,) = add_images(range(1))
    backlog.score_pool(project.pk)
    task = decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    seen = Question.objects.create(project=project, key="seen", kind="yes_no", prompt="Anything?", position=9)
    Question.objects.filter(project=project, key="label").update(show_if={"question": "seen", "equals": True})
    Consensus.objects.create(project=project, task=task, question=seen, answer=False, confidence=1, is_final=True)
    assert predictions.judge(project.pk) == 0
    Consensus.objects.filter(question=seen).update(answer=True)
    Deployment.objects.update(judged_at=None)
    assert predictions.judge(project.pk) == 1
