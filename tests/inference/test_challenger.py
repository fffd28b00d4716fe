"""The challenger beside the champion, on the images that the crowd sees next."""

from __future__ import annotations

import pytest

from inference import backlog, predictions
from inference.figures import by_version
from inference.models import Deployment, Prediction
from labeling.services import decide_task


def test_a_challenger_is_measured_on_the_images_that_the_crowd_sees_next(
    project, champion, add_version, add_images, owner
) -> None:
    images = add_images(range(80))
    backlog.score_pool(project.pk)
    challenger = add_version(seed=2, alias="challenger")
    assert backlog.due_projects() == [project.pk]
    backlog.score_pool(project.pk)
    assert backlog.due_projects() == []
    chosen = Prediction.objects.filter(version=champion).exclude(reason="")
    said = Prediction.objects.filter(version=challenger)
    assert chosen.count() == 10
    assert dict(said.values_list("image", "reason")) == dict(chosen.values_list("image", "reason"))
    backlog.score_pool(project.pk)  # a champion that scores the pool again leaves the challenger's word there
    assert said.count() >= 10
    for image in images:
        decide_task(task=image.tasks.get(), answers={"label": "red"}, user=owner)
    predictions.judge(project.pk)
    figures = {one.version.pk: one for one in by_version(project)}
    assert figures[champion.pk].judged == 80
    assert figures[challenger.pk].judged == said.count()
    assert figures[challenger.pk].accuracy == said.filter(category="red").count() / said.count()


@pytest.mark.usefixtures("champion")
def test_a_challenger_that_does_not_run_is_not_asked(project, add_version, add_images) -> None:
    add_images(range(20))
    Deployment.objects.create(project=project, challenger_mode="off")
    challenger = add_version(seed=2, alias="challenger")
    backlog.score_pool(project.pk)
    assert backlog.due_projects() == []
    assert not Prediction.objects.filter(version=challenger).exists()
