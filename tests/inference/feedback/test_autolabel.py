"""The model's own labels, under an audit that can stop it."""

from __future__ import annotations

import hashlib
import threading

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from inference.feedback import autolabel, backlog, loop
from inference.feedback.guarantee import has_failed, is_doubtful
from inference.intake.features import stored_features
from inference.models import AutoLabel, Deployment, Prediction, Reason
from inference.services import report_wrong
from labeling.models import Consensus, Image, Project, Task
from labeling.services import decide_task, replace_survey
from tests.inference.serving import URL, picture


def held_out(version, images) -> None:
    """Every image is held out, and the version is right on all of them."""
    answer = {row.image_id: row.category for row in Prediction.objects.filter(version=version)}
    for image in images:
        version.run.snapshot.items.create(
            image=image, sha256=image.sha256, label=answer[image.pk], confidence=1, split="test"
        )


def see(project, version, images) -> None:
    """The version has scored the images, is right on all of them, and finds none of them strange."""
    backlog.score_pool(project.pk)
    held_out(version, images)
    Prediction.objects.update(novelty=0, reason="")


@pytest.mark.django_db
def test_the_model_labels_what_it_is_sure_of_and_the_audit_stops_it(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(40))
    see(project, champion, images)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.5)
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    loop.close(project.pk)
    labels = AutoLabel.objects.filter(is_audit=False)
    audits = AutoLabel.objects.filter(is_audit=True)
    assert labels.count() + audits.count() == 40
    assert Consensus.objects.filter(method="model", is_final=True).count() == labels.count()
    assert Consensus.objects.for_training(project).count() == 0
    contradict(audits, owner)
    loop.close(project.pk)
    deployment = Deployment.objects.get()
    assert not deployment.auto_label
    assert "audit" in deployment.auto_label_stopped


def test_a_worker_that_is_killed_between_leaves_no_label_that_a_failed_audit_would_not_find(
    project, champion, add_images, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = add_images(range(40))
    see(project, champion, images)
    Deployment.objects.update(auto_label=True, error_bound=0.1)

    def killed(*_rows: object, **_options: object) -> None:
        assert Consensus.objects.filter(method="model").exists()
        raise SystemExit

    monkeypatch.setattr(AutoLabel.objects, "bulk_create", killed)
    with pytest.raises(SystemExit):
        loop.close(project.pk)

    assert not Consensus.objects.filter(method="model").exists()
    assert Task.objects.filter(state=Task.State.OPEN).count() == 40


def test_what_was_drawn_at_random_is_left_to_the_crowd_or_only_what_is_unsure_would_measure_the_pool(
    project, champion, add_images
) -> None:
    images = add_images(range(40))
    see(project, champion, images)
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    Prediction.objects.filter(image__in=images[:20]).update(reason=Reason.RANDOM)

    loop.close(project.pk)

    assert set(AutoLabel.objects.values_list("image_id", flat=True)) == {image.pk for image in images[20:]}


def test_images_that_the_version_has_learned_say_nothing_of_its_errors(api, project, champion, add_images) -> None:
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    held_out(champion, images)
    assert len(autolabel.held_out(champion)[0]) == 40
    champion.run.snapshot.items.update(split="validation")
    assert not len(autolabel.held_out(champion)[0])


def test_an_owner_who_sees_no_label_by_the_model_is_told_why(
    api, project, champion, add_images, client: Client
) -> None:
    images = add_images(range(40))
    see(project, champion, images)
    items = champion.run.snapshot.items

    def told(**settings: object) -> str:
        assert api.patch(URL + "serving/", {"auto_label": True, **settings}, format="json").status_code == 200
        loop.close(project.pk)
        return api.get(URL + "serving/").json()["settings"]["auto_label_waits"]

    assert "at least 59, and there are 40" in told(error_bound=0.05)
    right = list(items.values_list("pk", "label"))
    items.update(label="none of them")
    assert "differs from the label too often" in told(error_bound=0.1)
    assert not AutoLabel.objects.exists()
    client.force_login(project.owner)
    assert "Wrong labels of the crowd count" in client.get(f"/projects/{project.slug}/serving/").content.decode()
    Project.objects.update(budget=0, price_per_judgment=1)
    assert "while the budget is spent" in told()
    Project.objects.update(budget=None)
    for pk, label in right:
        items.filter(pk=pk).update(label=label)
    assert told() == ""
    assert AutoLabel.objects.exists()


def start_labeling(api, project, version, images, monkeypatch) -> None:
    """The model labels half of the images and leaves the other half to the audit."""
    see(project, version, images)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.5)
    assert api.patch(URL + "serving/", {"auto_label": True, "error_bound": 0.1}, format="json").status_code == 200
    loop.close(project.pk)


def contradict(audits, owner) -> None:
    for row in audits:
        wrong = next(key for key in ("blue", "green", "red") if key != row.category)
        decide_task(task=row.image.tasks.get(), answers={"label": wrong}, user=owner)


def test_after_a_failed_audit_a_person_can_let_the_model_label_again(
    api, project, champion, add_images, owner, client, monkeypatch
) -> None:
    client.force_login(owner)
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not Deployment.objects.get().auto_label
    assert client.get(f"/projects/{project.slug}/serving/").context["audited"] > 0
    api.patch(URL + "serving/", {"auto_label": True}, format="json")
    loop.close(project.pk)
    assert Deployment.objects.get().auto_label
    assert client.get(f"/projects/{project.slug}/serving/").context["audited"] == 0  # the old audit says nothing of it


def test_the_model_gives_no_label_that_has_left_the_survey(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    said = Prediction.objects.first().category
    replace_survey(project=project, categories=[*{"blue", "green", "red"} - {said}, "pink"], user=owner)
    start_labeling(api, project, champion, images, monkeypatch)
    assert not AutoLabel.objects.filter(category=said).exists()


def test_labels_by_the_model_do_not_run_ahead_of_the_answers_of_the_audit(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    monkeypatch.setattr(autolabel, "BATCH", 16)
    start_labeling(api, project, champion, add_images(range(60)), monkeypatch)
    for _ in range(20):
        loop.close(project.pk)
    waiting = AutoLabel.objects.filter(is_audit=True, is_correct=None)
    assert 8 <= waiting.count() <= 16  # of every two sure images one: they stand for 16 labels
    before = AutoLabel.objects.count()
    assert before < 60
    for row in waiting:
        decide_task(task=row.image.tasks.get(), answers={"label": row.category}, user=owner)
    loop.close(project.pk)
    assert AutoLabel.objects.count() > before


def say(audits, owner, wrong: int) -> None:
    """So many of the audit's labels are wrong and the others right."""
    contradict(audits[:wrong], owner)
    for row in audits[wrong:]:
        decide_task(task=row.image.tasks.get(), answers={"label": row.category}, user=owner)


def test_while_the_audit_is_in_doubt_the_model_labels_nothing_and_the_crowd_is_asked_instead(
    api, client, project, champion, add_images, owner, monkeypatch
) -> None:
    monkeypatch.setattr(autolabel, "BATCH", 16)
    start_labeling(api, project, champion, add_images(range(80)), monkeypatch)
    for _ in range(20):
        loop.close(project.pk)
    audits, given = AutoLabel.objects.filter(is_audit=True), AutoLabel.objects.filter(is_audit=False)
    said, before = audits.count(), given.count()
    doubtful = next(wrong for wrong in range(said) if is_doubtful(wrong, said, 0.1))
    say(list(audits), owner, doubtful)
    loop.close(project.pk)
    assert given.count() == before
    asked = list(audits.filter(is_correct=None))
    assert 8 <= len(asked) <= 9  # of every two sure images all: they stand for a batch of 16
    client.force_login(owner)
    assert "Paused" in client.get(f"/projects/{project.slug}/serving/").content.decode()

    say(asked, owner, 0)
    loop.close(project.pk)
    assert given.count() > before
    assert "Paused" not in client.get(f"/projects/{project.slug}/serving/").content.decode()


@pytest.mark.parametrize(("level", "goes_on"), [(0.05, False), (0.2, True)])
def test_a_doubt_that_nothing_is_left_to_settle_is_settled_by_one_look(
    api, project, champion, add_images, owner, monkeypatch, level: float, goes_on: bool
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    audits = list(AutoLabel.objects.filter(is_audit=True))
    wrong = next(wrong for wrong in range(len(audits)) if is_doubtful(wrong, len(audits), 0.1, level))
    assert not has_failed(wrong, len(audits), 0.1)
    say(audits[1:], owner, wrong)
    loop.close(project.pk)
    assert Deployment.objects.get().auto_label  # one answer is still to come
    say(audits[:1], owner, 0)
    loop.close(project.pk)
    assert Deployment.objects.get().auto_label is goes_on


def test_a_failed_audit_withdraws_the_labels_of_its_version_but_for_what_people_have_decided(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    given = list(AutoLabel.objects.filter(is_audit=False))
    decided = given[0]
    decide_task(task=decided.image.tasks.get(), answers={"label": decided.category}, user=owner)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not Consensus.objects.filter(method="model").exists()
    opened = Task.objects.filter(state="open", open_slots=F("wanted"), retired_at=None)
    assert set(opened.values_list("image_id", flat=True)) == {row.image_id for row in given[1:]}
    project.refresh_from_db()
    assert project.retired_count == Task.objects.filter(state="retired").count()
    assert f"{len(given) - 1} labels by the model" in Deployment.objects.get().auto_label_stopped
    assert list(AutoLabel.objects.filter(is_audit=False)) == [decided]


def test_an_audit_hears_of_a_label_that_was_corrected_after_it_was_found_right(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    audits = AutoLabel.objects.filter(is_audit=True)
    for row in audits:
        decide_task(task=row.image.tasks.get(), answers={"label": row.category}, user=owner)
    loop.close(project.pk)
    assert Deployment.objects.get().auto_label
    assert not audits.exclude(is_correct=True).exists()
    contradict(audits, owner)
    loop.close(project.pk)
    assert not audits.exclude(is_correct=False).exists()
    assert not Deployment.objects.get().auto_label


def test_an_audit_that_still_waits_at_a_promotion_is_judged_and_can_fail(
    api, project, champion, add_version, add_images, owner, monkeypatch
) -> None:
    start_labeling(api, project, champion, add_images(range(40)), monkeypatch)
    add_version(seed=2, alias="champion")
    backlog.score_pool(project.pk)
    contradict(AutoLabel.objects.filter(is_audit=True), owner)
    loop.close(project.pk)
    assert not AutoLabel.objects.filter(is_audit=True, is_correct=None).exists()
    assert not Deployment.objects.get().auto_label


def test_one_versions_good_audit_does_not_hide_anothers_bad_one(
    api, project, champion, add_version, add_images, owner, monkeypatch
) -> None:
    images = add_images(range(10))
    good, bad = add_images(range(10, 300), embed=False), images
    backlog.score_pool(project.pk)
    newer = add_version(seed=2, alias="champion")
    Deployment.objects.update(auto_label=True, error_bound=0.05)
    AutoLabel.objects.bulk_create(
        AutoLabel(
            project=project, image=image, version=version, category="red", probability=1, is_audit=True,
            is_correct=right,
        )
        for version, some, right in ((champion, good, True), (newer, bad, False))
        for image in some
    )  # fmt: skip
    Prediction.objects.bulk_create(
        Prediction(
            project=project, image=row.image, version=row.version, category="red", probability=1, uncertainty=0,
            is_correct=row.is_correct,
        )
        for row in AutoLabel.objects.all()
        if row.version == newer
    )  # fmt: skip
    loop.close(project.pk)
    assert not Deployment.objects.get().auto_label


def test_too_few_held_out_images_let_the_model_label_nothing(project, champion, add_images) -> None:
    images = add_images(range(20))
    backlog.score_pool(project.pk)
    held_out(champion, images)
    Deployment.objects.update(auto_label=True, error_bound=0.01)
    loop.close(project.pk)
    assert AutoLabel.objects.count() == 0


def test_what_a_person_called_wrong_is_asked_of_the_crowd_and_not_labeled_by_the_model(
    api, project, champion, add_images, owner, monkeypatch
) -> None:
    labeled, waiting = add_images(range(40)), picture(50)
    start_labeling(api, project, champion, labeled, monkeypatch)
    given = AutoLabel.objects.filter(is_audit=False)
    mine = given.first().image
    for data in (picture(int(mine.name.removesuffix(".png"))), waiting):
        report_wrong(project=project, data=data, user=owner)
    stored_features("tiny-0000", list(Image.objects.filter(project=project)))
    Deployment.objects.update(scored_version=None)
    backlog.score_pool(project.pk)
    Prediction.objects.update(novelty=0, probability=1.0)
    loop.close(project.pk)
    for sha256 in (mine.sha256, hashlib.sha256(waiting).hexdigest()):
        task = Task.objects.get(image__sha256=sha256)
        assert (task.state, task.priority) == (Task.State.OPEN, 3.0)
        assert not Consensus.objects.filter(task=task, method="model").exists()
    assert not given.filter(image=mine).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_not_label_what_the_other_one_drew_for_the_audit(
    api, project, champion, add_images, monkeypatch
) -> None:
    images = add_images(range(120))
    see(project, champion, images)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.5)
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    both = threading.Barrier(2)

    def work() -> None:
        both.wait()
        try:
            loop.close_all()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drawn = set(AutoLabel.objects.filter(is_audit=True).values_list("image", flat=True))
    labeled = set(Consensus.objects.filter(method="model").values_list("task__image", flat=True))
    assert drawn
    assert labeled
    assert drawn & labeled == set()
    loop.close_all()  # the lock is free again
    assert Deployment.objects.get().judged_at is not None


@pytest.mark.django_db
def test_what_is_like_nothing_that_was_learned_is_not_labeled_however_sure_the_model_is(
    project, champion, add_images, monkeypatch
) -> None:
    images = add_images(range(40))
    backlog.score_pool(project.pk)
    held_out(champion, images)
    monkeypatch.setattr(autolabel, "AUDIT_SHARE", 0.0001)  # as good as none
    Deployment.objects.update(auto_label=True, error_bound=0.1)
    Prediction.objects.update(novelty=1.5)
    strange = list(Prediction.objects.order_by("id").values_list("image_id", flat=True)[:10])
    Prediction.objects.exclude(image__in=strange).update(novelty=1.0)
    monkeypatch.setattr(autolabel, "BATCH", 10**6)
    autolabel.step(project)
    labeled = set(AutoLabel.objects.values_list("image_id", flat=True))
    assert labeled
    assert labeled.isdisjoint(strange)
