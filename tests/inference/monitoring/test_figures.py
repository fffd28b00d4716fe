"""What the serving page shows."""

from __future__ import annotations

import re
from datetime import timedelta

from django.utils import timezone

from inference.feedback import backlog, loop
from inference.models import Drift, Prediction, Reason, Traffic
from inference.monitoring import drift
from inference.monitoring.figures import accuracy_plot, by_version, drift_plots, latency_plot
from inference.monitoring.traffic import recorder
from labeling.services import decide_task
from tests.inference.serving import URL, ask


def test_plots_show_the_version_that_answers_and_its_newest_days(project, add_version) -> None:
    champion = add_version(alias="champion")
    newer, today = [add_version() for _ in range(8)], timezone.now().date()
    for version in (champion, *newer):
        Traffic.objects.create(project=project, version=version, requests=1, images=1, latencies=[1] * 14)
        for days in (1, 2, 100, 101):
            Drift.objects.create(
                project=project, version=version, day=today - timedelta(days=days), images=60,
                feature_distance=1, feature_limit=1, novel_share=0.1, novel_limit=0.1, class_psi=9,
            )  # fmt: skip
    plots = [latency_plot(by_version(project)), *drift_plots(project)]
    assert [str(plot.legend).count("Version ") for plot in plots] == [3, 6, 6, 6]
    for plot in plots:
        assert "Version 1'" in str(plot.legend)
        assert "Version 9'" in str(plot.legend)
    assert [len(plot.rows) for plot in plots[1:]] == [2, 2, 2]  # days


def test_drift_is_drawn_beside_the_alarm_on_days_with_as_many_images_as_the_alarm_waits_for(project, champion) -> None:
    def row(days: int, images: int, **more: float) -> None:
        Drift.objects.create(
            project=project, version=champion, day=timezone.now().date() - timedelta(days=days), images=images,
            feature_distance=3, feature_limit=2, class_psi=drift.psi_alarm(len(champion.categories), images), **more,
        )  # fmt: skip

    row(1, 1)
    assert [plot.is_empty for plot in drift_plots(project)] == [True, True, True]
    row(4, 60)  # before novel images were counted
    row(
        2, drift.LEAST, novel_share=0.08, novel_limit=0.08
    )  # of so few images the alarm of the classes is above that of many
    row(3, 5000, novel_share=0.03, novel_limit=0.03)
    images, strangers, classes = drift_plots(project)
    assert [day[1] for day in images.rows] == ["1.5", "1.5", "1.5"]
    assert [day[1] for day in strangers.rows] == ["1", "1"]
    assert [day[1] for day in classes.rows] == ["1", "1", "1"]
    for plot, days in ((images, 3), (strangers, 2), (classes, 3)):  # all points lie on the line of the alarm
        line = re.search(r'y1="([\d.]+%)"[^>]*class="chart-reference"', plot.body)
        assert line is not None
        assert plot.body.count(f'cy="{line[1]}"') == days
        assert ">Alarm<" in plot.body


def test_live_accuracy_is_drawn_from_the_second_day_on_and_by_days_that_say_their_time_zone(
    project, champion, add_images
) -> None:
    images = add_images(range(3))

    def judge(image: object, days: int) -> None:
        Prediction.objects.create(
            project=project, version=champion, image=image, category="red", probability=1, uncertainty=0,
            is_correct=True, judged_at=timezone.now() - timedelta(days=days),
        )  # fmt: skip

    judge(images[0], 0)
    judge(images[1], 0)
    assert accuracy_plot(project).is_empty
    judge(images[2], 1)
    assert ">Day (UTC)<" in accuracy_plot(project).body


def test_the_figures_say_how_right_each_version_was(api, project, champion, add_images, owner) -> None:
    images = add_images(range(60))
    backlog.score_pool(project.pk)
    said = {row.image_id: row for row in Prediction.objects.all()}
    for image in images:
        decide_task(task=image.tasks.get(), answers={"label": said[image.pk].category}, user=owner)
    ask(api)
    recorder.flush()
    loop.close(project.pk)
    (row,) = api.get(URL + "serving/").json()["versions"]
    assert (row["judged"], row["live_accuracy"]) == (60, 1.0)
    assert row["judged_random"] == sum(one.reason == Reason.RANDOM for one in said.values())
    assert row["requests"] == 1
