"""The challenger beside the champion, on the images that the crowd sees next."""

from __future__ import annotations

import pytest

from inference.engine import runtime
from inference.engine.routing import routes
from inference.feedback import backlog, predictions
from inference.models import Deployment, Prediction
from inference.monitoring.figures import by_version
from labeling.services import decide_task, replace_survey
from tests.inference.test_other_question import NEW, OLD
from training.errors import NothingToDo
from training.services import challenge, promote, rollback, withdraw_challenger


@pytest.mark.parametrize("floats", [runtime.FLOATS, 100])
def test_a_challenger_is_measured_on_the_images_that_the_crowd_sees_next(
    project, champion, add_version, add_images, owner, monkeypatch, floats: int
) -> None:
    monkeypatch.setattr(runtime, "FLOATS", floats)  # features that a worker holds at once: of all images, or of some
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


def test_a_version_that_was_gone_back_from_is_compared_again_when_it_is_put_up_as_challenger(
    project, owner, add_version, add_images
) -> None:
    add_images(range(40))
    champion = promote(version=add_version(seed=1), user=owner)
    second = add_version(seed=2, alias="challenger")
    backlog.score_pool(project.pk)
    promote(version=second, user=owner)
    backlog.score_pool(project.pk)
    rollback(project=project, user=owner)
    backlog.score_pool(project.pk)
    second.refresh_from_db()
    assert second.alias == ""
    said = Prediction.objects.filter(version=second)
    assert not said.exists()  # of no use, while it does not challenge
    challenge(version=second, user=owner)
    assert backlog.due_projects() == [project.pk]
    backlog.score_pool(project.pk)
    assert backlog.due_projects() == []
    chosen = Prediction.objects.filter(version=champion).exclude(reason="")
    assert set(said.values_list("image", flat=True)) == set(chosen.values_list("image", flat=True))


def test_an_older_version_runs_beside_the_champion_in_place_of_the_challenger_before(
    project, owner, add_version, add_images, django_capture_on_commit_callbacks
) -> None:
    add_images(range(20))
    older, champion = add_version(seed=1), add_version(seed=2, alias="champion")
    before = add_version(seed=3, alias="challenger")
    assert routes.get(project.pk).shadow.number == before.number
    with django_capture_on_commit_callbacks(execute=True):
        challenge(version=older, user=owner)
    assert routes.get(project.pk).shadow.number == older.number
    before.refresh_from_db()
    assert before.alias == ""
    backlog.score_pool(project.pk)
    assert Prediction.objects.filter(version=older).exists()
    older.refresh_from_db()
    assert older.alias == "challenger"
    with django_capture_on_commit_callbacks(execute=True):
        withdraw_challenger(version=older, user=owner)
    assert routes.get(project.pk).shadow is None
    assert routes.get(project.pk).champion.number == champion.number


def test_without_a_champion_of_the_same_question_nothing_can_challenge(project, owner, add_version) -> None:
    first, second = add_version(seed=1), add_version(seed=2)
    with pytest.raises(NothingToDo, match="no champion"):
        challenge(version=first, user=owner)
    promote(version=first, user=owner)
    replace_survey(project=project, user=owner, questions=[NEW, OLD])
    project.refresh_from_db()
    third = add_version(seed=3)
    with pytest.raises(NothingToDo, match="another question"):
        challenge(version=third, user=owner)
    challenge(version=second, user=owner)


def test_serving_lists_what_serves_however_old_it_is(project, owner, add_version, client) -> None:
    oldest, champion = add_version(seed=1), add_version(seed=2, alias="champion")
    for seed in range(12):
        add_version(seed=seed)
    challenge(version=oldest, user=owner)
    client.force_login(owner)
    page = client.get(f"/projects/{project.slug}/serving/").content.decode()
    assert page.count(">Challenger<") >= 1
    for one in (oldest, champion):
        assert f'<th scope="row">{one.number}</th>' in page


def test_a_challenger_that_a_newer_champion_overtakes_is_written_down(project, owner, add_version) -> None:
    add_version(seed=1, alias="champion")
    older, newer = add_version(seed=2, alias="challenger"), add_version(seed=3)
    promote(version=newer, user=owner)
    older.refresh_from_db()
    assert older.alias == ""
    change = older.alias_changes.get()
    assert (change.kind, change.alias, change.user) == ("withdraw", "challenger", None)
