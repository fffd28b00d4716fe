"""All versions measured on the images that the newest one holds out, and what the pages say of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client

from labeling.models import Project
from tests.training.drawing import add_image, draw, label
from training import plots, same_images, services
from training.models import LearnedPictures, ModelVersion, TrainingRun
from training.same_images import common, figures


def label_more(project: Project, first: int, count: int) -> None:
    for seed in range(first, first + count):
        kind = "circle" if seed % 2 else "square"
        label(add_image(project, draw(kind, seed)), kind)


def version_of(number: int, alias: str = "", **found: Any) -> ModelVersion:
    return ModelVersion(number=number, alias=alias, same_images=found)


def counts() -> list[int | None]:
    return [version.same_images.get("count") for version in ModelVersion.objects.order_by("number")]


def see_pages_tell(said: str, client: Client) -> None:
    for page in ("models/", "training/", "training/summary/"):
        shown = client.get(f"/projects/shapes/{page}").content.decode()
        assert said in shown, page
        assert "How good each version is" in shown, page
    live = "/projects/shapes/training/live/"
    assert said in client.get(live, {"measured": "2"}).content.decode()
    assert said not in client.get(live, {"measured": "3"}).content.decode()


def test_versions_meet_on_the_images_that_the_newest_holds_out(
    project: Project, run_actors: Callable[[], int], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in (500, 600, 700):
        services.request_run(project=project, cause="person")
        run_actors()
        label_more(project, first, 30)

    one, two, three = ModelVersion.objects.order_by("number")
    held_out = three.run.snapshot.items.filter(split="test")
    assert held_out.count() > one.metrics["count"]
    for version in (one, two, three):
        found = version.same_images
        assert (found["of"], found["count"]) == (3, held_out.count())
        low, high = found["interval"]
        assert low <= found["right"] / found["count"] <= high
    assert three.same_images["right"] == round(three.metrics["top1"] * held_out.count())
    assert three.same_images["ahead"] == [0, 0]
    champion = ModelVersion.objects.champions().get().same_images
    assert champion["ahead_of_champion"] == [0, 0]
    assert three.same_images["ahead_of_champion"] == champion["ahead"]

    client.force_login(project.owner)
    see_pages_tell(f"Version 3 is right on {three.same_images['right']} of {held_out.count()} images", client)
    listed = client.get("/api/v1/projects/shapes/models/").json()["results"]
    assert [row["same_images"] for row in listed] == [row.same_images for row in (three, two, one)]
    assert client.get("/api/v1/projects/shapes/models/1/").json()["same_images"] == one.same_images

    same_images.measure(two.pk)  # a message that comes late
    assert ModelVersion.objects.get(number=1).same_images == one.same_images

    # What one of them has learned all the same is none of these images; and one without its files has no figure.
    learned = held_out.order_by("sha256").first()
    row = LearnedPictures.objects.get(snapshot=one.run.snapshot)
    row.hashes = bytes(row.hashes) + bytes.fromhex(learned.sha256)[:8]
    row.save()
    (settings.DATA_DIR / two.artifact / "head.npz").unlink()
    same_images.measure(three.pk)
    assert counts() == [held_out.count() - 1, None, held_out.count() - 1]
    assert client.get("/api/v1/projects/shapes/models/2/").json()["same_images"] is None

    # A retrained block costs more than a head: of many such versions the newest are measured.
    TrainingRun.objects.filter(pk__in=[one.run_id, three.run_id]).update(recipe="fine_tuning")
    ModelVersion.objects.filter(pk=one.pk).update(alias="")  # the champion is measured in any case
    monkeypatch.setattr(same_images, "MOST_RETRAINED", 1)
    same_images.measure(three.pk)
    assert counts() == [None, None, held_out.count()]  # what the first has learned is of no matter then


def test_how_far_the_newest_is_ahead_is_told_by_images_that_only_one_of_them_gets_right() -> None:
    before, newest = (
        np.array([True] * 60 + [False] * 40),
        np.array([True] * 58 + [False] * 2 + [True] * 20 + [False] * 20),
    )

    found = figures(before, newest, np.arange(100))

    assert (found["count"], found["right"]) == (100, 60)
    assert 0 < found["ahead"][0] < 0.18 < found["ahead"][1]
    assert figures(before, newest, np.repeat(np.arange(5), 20))["ahead"] is None  # copies of five images


def test_the_newest_is_not_ahead_because_the_champion_chose_the_images() -> None:
    """Of two that are right on four of five images, the newest is right where the champion, less sure, is wrong."""
    asked_for = np.arange(100) < 40
    champion_right = np.where(asked_for, np.arange(100) % 2 == 0, np.arange(100) % 5 > 0)
    newest_right = np.arange(100) % 5 != 1

    plain = figures(champion_right, newest_right, np.arange(100))
    weighed = figures(champion_right, newest_right, np.arange(100), np.where(asked_for, 0.1, 1.6))

    assert plain["ahead"][0] > 0 > weighed["ahead"][0]
    assert {**plain, "ahead": None} == {**weighed, "ahead": None}  # what people count stays


def test_versions_meet_on_what_all_of_them_can_read_but_for_one_that_lacks_many() -> None:
    newest, champion, bare = np.arange(40) > 0, np.arange(40) != 7, np.arange(40) < 20
    fewer = np.arange(40) != 9

    kept, places = common([newest, champion, bare, fewer]) or ([], newest)

    assert kept == [True, True, False, False]  # of 39 images two are one too many
    assert np.flatnonzero(~places).tolist() == [0, 7]
    assert common([newest[:3], champion[:3], np.array([True, True, False])]) is not None
    assert common([np.zeros(3, bool), np.ones(3, bool)]) is None


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (
            [0.02, 0.2],
            "On these it is better, by more than chance; but new images are often those that version 2 was unsure of,"
            " and the decision between the two weighs for that.",
        ),
        ([-0.2, -0.02], "It is worse, by more than chance."),
        ([-0.1, 0.2], "On these alone a difference like this may be chance."),
        (None, "On these alone a difference like this may be chance."),
    ],
)
def test_the_newest_version_stands_beside_the_champion(ahead: list[float] | None, said: str) -> None:
    same = {"of": 3, "count": 96}
    versions = [
        version_of(1, right=60, ahead=[0.1, 0.3], **same),
        version_of(2, "champion", right=70, ahead=ahead, **same),
        version_of(3, right=81, ahead=[0, 0], **same),
    ]

    assert plots.progress(versions) == (
        f"Version 3 is right on 81 of 96 images that it was not trained on, version 2 on 70 of the same. {said}"
    )
    versions[1].alias, versions[2].alias = "", "champion"  # then beside the first
    assert plots.progress(versions).endswith("version 1 on 60 of the same. It is better, by more than chance.")


def test_two_that_are_right_equally_often_have_no_difference_that_may_be_chance() -> None:
    same = {"of": 2, "count": 96, "right": 70, "ahead": [-0.1, 0.1]}
    assert "On these alone neither is better." in plots.progress(
        [version_of(1, **same), version_of(2, "champion", **same)]
    )


def test_a_version_between_that_is_right_most_often_is_named() -> None:
    same = {"of": 3, "count": 96, "ahead": [-0.1, 0.1]}
    first, between, newest = (version_of(n, right=right, **same) for n, right in ((1, 60), (2, 70), (3, 65)))
    first.alias = "champion"
    assert plots.progress([first, between, newest]).endswith("may be chance. The most is 70, by version 2.")
    assert "The most" not in plots.progress([first, newest])


def test_few_images_are_called_few_and_no_figure_is_made_up() -> None:
    alone = version_of(1, "champion", of=1, count=7, right=7, ahead=[0, 0])

    assert plots.progress([alone]) == (
        "Version 1 is right on 7 of 7 images that it was not trained on. So few images say little: let the crowd label"
        " more."
    )
    assert plots.progress([version_of(1)]) == ""


def test_only_versions_that_were_measured_together_are_drawn_together() -> None:
    same = {"count": 40, "right": 30, "interval": [0.6, 0.9], "ahead": [0, 0]}
    versions = [version_of(1, of=2, **same), version_of(2, of=3, **same), version_of(3, of=3, **same)]

    assert [row[0] for row in plots.accuracy_by_version(versions).rows] == ["2", "3"]


def test_before_any_were_measured_together_the_plot_says_that_its_images_differ() -> None:
    versions = [version_of(1), version_of(2)]
    for version, share in zip(versions, (1.0, 0.74), strict=True):
        version.summary = {"top1": share, "interval": [share - 0.1, share]}

    drawn = plots.accuracy_by_version(versions)

    assert "a line that falls does not say that versions get worse" in drawn.description
    assert len(drawn.rows) == 2
