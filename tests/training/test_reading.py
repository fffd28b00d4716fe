"""What the pages of versions and comparisons say before their figures."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from labeling.models import Project
from training import reading, services
from training.models import ModelVersion


def metrics(**of: Any) -> dict[str, Any]:
    bar = {"low": 0.8, "high": 0.9, "confidence": 0.85, "accuracy": 0.78, "count": 100}
    confusion = [[30, 3, 2], [4, 25, 5], [4, 4, 23]]
    return {"top1": 0.78, "count": 100, "confusion": confusion, "reliability": [bar], "ece": 0.07, **of}


NAMES = ["beagle", "basset", "collie"]


def test_a_version_is_told_by_counts_and_by_what_it_mixes_up() -> None:
    said, steps = reading.of_figures(metrics(ece_by_chance=0.1), NAMES, lambda label, answer: f"/{label}-{answer}/")

    assert said == [
        "Right on 78 of 100 images that it had never seen.",
        "It mixes up basset and collie most: 9 of its 22 mistakes.",
        "As far as these images tell, it is as often right as it says that it is sure.",
    ]
    assert [step.url for step in steps] == ["/1-2/"]  # bassets are taken for collies more often than the reverse


@pytest.mark.parametrize(
    "confusion", [[[40, 1], [0, 40]], [[30, 3, 0], [0, 30, 3], [0, 0, 30]], [[40, 0], [0, 40]], []]
)
def test_no_two_are_named_where_none_stand_out(confusion: list[list[int]]) -> None:
    said, steps = reading.of_figures(metrics(confusion=confusion), NAMES)

    assert not any("mixes up" in sentence for sentence in said)
    assert steps == []


def test_few_images_are_called_few_and_a_word_that_is_not_kept_is_told() -> None:
    few, _steps = reading.of_figures(metrics(count=20, confusion=[], ece_by_chance=0.3), NAMES)
    too_sure, _steps = reading.of_figures(metrics(ece_by_chance=0.01), NAMES)
    modest, _steps = reading.of_figures(metrics(ece_by_chance=0.01, top1=0.95), NAMES)

    assert few[1:] == ["So few images say little: let the crowd label more."]
    assert too_sure[-1] == "It is too sure of itself: on average it says 85\u202f%, and 78\u202f% are right."
    assert modest[-1] == "It is right more often than it says: on average it says 85\u202f%, and 95\u202f% are right."


def measured(number: int, right: int, alias: str = "", low: float = 0.02, **more: Any) -> ModelVersion:
    same = {"of": 4, "count": 96, "right": right, "champion": 2, "ahead_of_champion": [low, low + 0.2]}
    return ModelVersion(number=number, alias=alias, same_images=same, **more)


def test_a_version_that_has_come_out_ahead_of_the_champion_is_proposed() -> None:
    champion = measured(2, 70, "champion", -0.1)
    ahead, newest = measured(3, 80), measured(4, 85)

    found = reading.better([champion, ahead, newest])

    assert found is not None
    assert found["said"] == (
        "Version 3 has come out ahead of version 2, which answers: on the same 96 images it is right on 80 instead of"
        " 70, more than chance explains."
    )
    gone = measured(3, 80)
    gone.same_images["champion"] = 1  # it was set beside another one
    was_champion = measured(3, 80, promoted_at="2026-01-01T00:00Z")
    for other in (measured(3, 80, low=-0.01), gone, was_champion, measured(3, 70)):
        assert reading.better([champion, other, newest]) is None
    assert reading.better([ahead, newest]) is None
    assert reading.better([]) is None


def candidate(title: str, error: float, **more: Any) -> dict[str, Any]:
    row = {"title": title, "recipe": "feature_extraction", "top1_error": error, "latency": 0.02, "milliseconds": 20.0}
    return {**row, **more}


def test_a_comparison_says_which_candidate_to_take_and_what_speaks_for_another() -> None:
    winner = candidate("ResNet50", 0.08, winner=True)

    alone = reading.of_comparison([winner], 100)
    clear = reading.of_comparison([winner, candidate("VGG16", 0.2, may_be_as_good=False)], 100)
    close = reading.of_comparison([winner, candidate("VGG16", 0.1, may_be_as_good=True)], 100)
    sooner = candidate("MobileNetV2", 0.1, may_be_as_good=True, latency=0.005, milliseconds=5.0)

    assert alone == ["Take ResNet50: right on 92 of 100 images that it had never seen."]
    assert clear[1:] == ["The others are behind by more than chance."]
    assert close[1:2] == ["1 other may be as good: so few images cannot tell them apart."]
    assert reading.of_comparison([winner, sooner], 100)[1:] == [
        "MobileNetV2 may be as good and answers sooner: in 5.0 ms instead of 20.0 ms an image.",
        "Take the one that you prefer for its speed or size, or compare again with more labels.",
    ]
    assert reading.of_comparison([candidate("VGG16", 0.2)], 100) == []


def test_the_pages_propose_it_with_the_button_that_lets_it_answer(
    project: Project, run_actors: Any, client: Client
) -> None:
    client.force_login(project.owner)
    for _run in range(2):
        services.request_run(project=project, cause="person")
        run_actors()
    champion, other = ModelVersion.objects.order_by("number")
    same = {"of": 3, "count": 96, "champion": 1, "interval": [0.6, 0.9], "ahead": [0.0, 0.0]}
    for version, right, low in ((champion, 70, 0.0), (other, 80, 0.02)):
        version.same_images = {**same, "right": right, "ahead_of_champion": [low, 0.2]}
        version.save()

    for page in ("models/", "models/2/", "training/", f"training/runs/{other.run_id}/"):
        shown = client.get(f"/projects/shapes/{page}").content.decode()
        assert "Version 2 has come out ahead of version 1" in shown, page
        assert "Promote version 2" in shown, page
    assert "Look at version 2" in client.get("/projects/shapes/training/summary/").content.decode()
    client.post("/projects/shapes/models/2/promote/")
    assert "has come out ahead" not in client.get("/projects/shapes/models/").content.decode()


def test_the_sentences_are_in_the_readers_language() -> None:
    with translation.override("hi"):
        said, _steps = reading.of_figures(metrics(ece_by_chance=0.1), NAMES)
    assert not any("images" in sentence for sentence in said)
