"""Who answers: champion, challenger, and for how long a process believes it."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.utils import timezone

from inference import services
from inference.engine import routing
from inference.engine.metrics import BUCKETS
from inference.engine.routing import Route, Routes, VersionRef, routes
from inference.errors import NoChampion
from inference.feedback import loop
from inference.intake.inputs import Inputs
from inference.models import Deployment, Traffic
from inference.monitoring import shadowing, stored_reference, traffic
from inference.monitoring.figures import by_version
from inference.monitoring.traffic import Recorder, compact, quantile, recorder
from tests.inference.serving import make_trunk, picture
from tests.processes import until
from training.models import ModelVersion
from training.services import challenge, promote, rollback

CHAMPION, CHALLENGER = VersionRef(1, 1, 1, "a", ()), VersionRef(2, 1, 2, "b", ())


def test_the_same_caller_meets_the_same_version_and_the_share_is_kept() -> None:
    route = Route(CHAMPION, CHALLENGER, "share", 0.25, 0.0)
    chosen = [route.choose(f"caller {n}") for n in range(4000)]
    assert chosen == [route.choose(f"caller {n}") for n in range(4000)]
    assert sum(version == CHALLENGER for version in chosen) / 4000 == pytest.approx(0.25, abs=0.03)


def test_a_challenger_in_the_shadow_answers_nobody() -> None:
    route = Route(CHAMPION, CHALLENGER, "shadow", 0.5, 0.0)
    assert {route.choose(f"caller {n}") for n in range(100)} == {CHAMPION}
    assert route.shadow == CHALLENGER
    with pytest.raises(NoChampion):
        Route(None, None, "off", 0.0, 0.0).choose("x")


def test_a_route_is_read_once_while_it_is_fresh(project, champion, django_assert_num_queries) -> None:
    fresh = Routes(seconds=60)
    with django_assert_num_queries(2):
        for _ in range(5):
            assert fresh.get(project.pk).champion.number == 1
    fresh.forget(project.pk)
    with django_assert_num_queries(2):
        fresh.get(project.pk)


def ask(project, seed: int = 1, **options):
    return services.predict(project=project, inputs=Inputs((picture(seed),), 5), **options)


def test_traffic_is_counted_by_version_and_written_when_flushed(project, champion) -> None:
    for _ in range(3):
        ask(project)
    assert recorder.flush() == 1
    row = Traffic.objects.get()
    assert (row.version, row.requests, row.images, sum(row.latencies)) == (champion, 3, 3, 3)
    assert sum(row.classes.values()) == 3
    assert recorder.flush() == 0


@pytest.mark.parametrize(("seconds", "bucket"), [(0.001, 0), (BUCKETS[2], 2), (0.021, 3), (60.0, len(BUCKETS))])
def test_an_answer_is_counted_by_how_long_it_took(seconds: float, bucket: int, project, champion) -> None:
    counted = Recorder(None)
    counted.answered(dataclasses.replace(ask(project), seconds=seconds), "colours")
    assert counted.flush() == 1
    assert Traffic.objects.get().latencies == [int(place == bucket) for place in range(len(BUCKETS) + 1)]


def test_what_is_answered_while_a_row_cannot_be_written_is_added_to_what_waits(
    project, champion, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, answer = Recorder(None), ask(project)

    def away(_waiting: Any) -> int:
        counted.answered(answer, "colours")
        raise OperationalError("the connection is closed")

    counted.answered(answer, "colours")
    with monkeypatch.context() as patched:
        patched.setattr(traffic, "_write", away)
        with pytest.raises(OperationalError):
            counted.flush()
    counted.flush()
    assert Traffic.objects.get().requests == 2


@pytest.mark.django_db(transaction=True)
def test_what_a_database_that_is_away_does_not_take_is_written_when_it_is_back(project, champion) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("the connection is closed")

    answers = [ask(project) for _ in range(3)]
    with connection.execute_wrapper(away):
        for _ in range(2):
            with pytest.raises(OperationalError):
                recorder.flush()
            recorder.answered(answers[0], "colours")
    recorder.seconds = 0.1  # from here on by its own timer, also where nobody asks any more
    with connection.execute_wrapper(away):
        recorder._tick()
    until(Traffic.objects.exists, "the timer's row")
    row = Traffic.objects.get()
    assert (row.version, row.requests, row.images, sum(row.latencies)) == (champion, 5, 5, 5)
    assert sum(row.classes.values()) == 5
    assert recorder.flush() == 0


def test_a_version_deleted_meanwhile_takes_nobody_elses_counts_with_it(project, add_version) -> None:
    kept = add_version(seed=1, alias="champion")
    ask(project)
    gone = add_version(seed=2, alias="champion")
    routes.forget(project.pk)
    assert ask(project).version.id == gone.pk
    gone.delete()
    assert recorder.flush() == 1
    assert Traffic.objects.get().version == kept


def test_of_an_hour_that_is_over_one_row_a_version_is_left_with_the_same_sums(project, champion, add_images) -> None:
    images = add_images(range(20))
    for image in images:
        champion.run.snapshot.items.create(image=image, sha256=image.sha256, label="red", confidence=1, split="train")
    assert stored_reference.ensure_reference(champion) is not None
    for n in range(6):
        for seed in range(n + 1):
            ask(project, seed)
        recorder.flush()
    now = timezone.now()
    ids = list(Traffic.objects.order_by("id").values_list("pk", flat=True))
    for n, pk in enumerate(ids[:5]):  # three of one hour, two of the next, and one of this hour
        hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=3 if n < 3 else 2)
        Traffic.objects.filter(pk=pk).update(at=hour + timedelta(minutes=20 * (n % 3)))
    before, measured = by_version(project)[0].as_json(), loop.measure_drift(champion, Traffic.objects.all(), now)
    assert compact(project.pk, now) == 3
    assert sorted(Traffic.objects.values_list("requests", flat=True)) == [6, 6, 9]
    assert by_version(project)[0].as_json() == before
    again = loop.measure_drift(champion, Traffic.objects.all(), now)
    assert measured is not None
    assert again is not None
    assert again.feature_distance == pytest.approx(measured.feature_distance, rel=1e-3)
    assert (again.images, again.class_psi) == (measured.images, measured.class_psi)
    assert compact(project.pk, now) == 0


def test_a_shadow_on_the_same_trunk_is_compared_with_the_champion(project, add_version) -> None:
    add_version(seed=1, alias="challenger")
    champion = add_version(seed=1, alias="champion")
    for seed in range(4):
        assert ask(project, seed).version.id == champion.pk
    recorder.flush()
    shadow = Traffic.objects.get(version__alias="challenger")
    assert (shadow.compared, shadow.agreed, shadow.requests) == (4, 4, 0)


def test_a_shadow_on_the_same_trunk_is_as_slow_as_the_answer_whose_features_it_borrows(project, add_version) -> None:
    add_version(seed=1, alias="challenger")
    add_version(seed=1, alias="champion")
    answer = ask(project)
    slow = dataclasses.replace(answer, seconds=1.2)
    recorder._counts.clear()
    challenger = routes.get(project.pk).challenger
    assert challenger is not None
    shadowing.compare(slow, challenger, [picture(1)])
    recorder.flush()
    latencies = Traffic.objects.get(version__alias="challenger").latencies
    assert sum(latencies) == sum(latencies[BUCKETS.index(2.5) :]) == 1


def test_callers_of_the_protocol_meet_the_challenger_as_all_do(api, project, add_version) -> None:
    add_version(seed=1, alias="champion")
    add_version(seed=2, alias="challenger")
    Deployment.objects.create(project=project, challenger_mode="share", challenger_share=0.5)
    routes.forget()
    met = set()
    for n in range(12):
        data = picture(n)
        tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(data).decode()]}
        for headers in ({}, {"X-Sticky-Key": f"caller {n}"}):
            form = {"image": SimpleUploadedFile("a.png", data)}
            told = api.post("/api/v1/projects/colours/predict/", form, format="multipart", headers=headers)
            again = api.post("/v2/models/colours/infer", {"inputs": [tensor]}, format="json", headers=headers)
            assert told["X-Model-Version"] == again["X-Model-Version"]
            met.add(told["X-Model-Version"])
    assert met == {"1", "2"}


@pytest.mark.parametrize("file", ["{version}/head.npz", "trunks/tiny-other/trunk.bin"])
def test_callers_of_a_challenger_that_is_broken_are_answered_by_the_champion(
    api, project, data_dir, add_version, file: str
) -> None:
    make_trunk(data_dir / "trunks", "tiny-other")
    add_version(seed=1, alias="champion")
    challenger = add_version(seed=2, alias="challenger", trunk="tiny-other")
    Deployment.objects.create(project=project, challenger_mode="share", challenger_share=0.5)
    routes.forget()
    caller = next(name for name in map(str, range(99)) if routes.get(project.pk).choose(name).number == 2)
    (data_dir / file.format(version=challenger.artifact)).write_bytes(b"")
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(picture()).decode()]}
    asked: list[tuple[str, Any, str]] = [
        ("/api/v1/projects/colours/predict/", {"image": SimpleUploadedFile("a.png", picture())}, "multipart"),
        ("/api/v1/projects/colours/explain/", {"image": SimpleUploadedFile("a.png", picture())}, "multipart"),
        ("/v2/models/colours/infer", {"inputs": [tensor]}, "json"),
    ]
    for address, body, form in asked:
        answer = api.post(address, body, format=form, headers={"X-Sticky-Key": caller})
        assert (answer.status_code, answer.headers.get("X-Model-Version")) == (200, "1"), address
    certain = api.post("/v2/models/colours/versions/2/infer", {"inputs": [tensor]}, format="json")
    assert certain.status_code == 503


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_what_leaves_by_a_job_is_the_champions_whatever_the_challenger_has(
    project, owner, add_version, share: float
) -> None:
    for _ in range(6):
        add_version(seed=2, alias="challenger")
    champion = add_version(seed=1, alias="champion")
    Deployment.objects.create(project=project, challenger_mode="share", challenger_share=share)
    for challenger in ModelVersion.objects.exclude(pk=champion.pk):
        ModelVersion.objects.filter(alias="challenger").update(alias="")
        ModelVersion.objects.filter(pk=challenger.pk).update(alias="challenger")
        routes.forget()
        assert services.start_batch(project=project, user=owner, stored=True).arguments["version"] == champion.number


def test_a_shadow_on_a_trunk_of_its_own_runs_beside_the_answer(project, data_dir, add_version) -> None:
    make_trunk(data_dir / "trunks", "tiny-other")
    add_version(seed=5, alias="challenger", trunk="tiny-other")
    add_version(seed=1, alias="champion")
    ask(project)
    shadowing._pool.submit(lambda: None).result()  # one thread: what came before is done
    recorder.flush()
    assert Traffic.objects.get(version__alias="challenger").compared == 1


def test_a_quantile_is_read_out_of_the_buckets() -> None:
    counts = [0] * (len(BUCKETS) + 1)
    assert quantile(counts, 0.5) is None
    counts[1] = 10  # all between 5 and 10 ms
    assert quantile(counts, 0.5) == pytest.approx(0.0075)
    counts[-1] = 90
    assert (quantile(counts, 0.99) or 0) > BUCKETS[-1]


def test_who_promotes_or_goes_back_is_answered_by_that_version(
    project, owner, add_version, django_capture_on_commit_callbacks
) -> None:
    first, second = add_version(seed=1, alias="champion"), add_version(seed=2)
    assert ask(project).version.number == first.number
    with django_capture_on_commit_callbacks(execute=True):
        promote(version=second, user=owner)
    assert ask(project).version.number == second.number
    with django_capture_on_commit_callbacks(execute=True):
        promote(version=first, user=owner)
    assert ask(project).version.number == first.number
    with django_capture_on_commit_callbacks(execute=True):
        rollback(project=project, user=owner)
    assert ask(project).version.number == second.number


def test_a_new_champion_ends_the_challenge_of_an_older_version_only_and_each_rollback_goes_one_further_back(
    project, champion, add_version, owner
) -> None:
    second, third, fourth = (add_version(seed) for seed in (2, 3, 4))
    for challenger, promoted, left in ((second, third, ""), (fourth, second, "challenger")):
        challenge(version=challenger, user=owner)
        promote(version=promoted, user=owner)
        challenger.refresh_from_db()
        assert challenger.alias == left
    promote(version=fourth, user=owner)
    assert [rollback(project=project, user=owner).number for _ in range(2)] == [2, 3]


def test_what_was_read_before_it_was_forgotten_is_not_remembered(project, add_version, monkeypatch) -> None:
    first = add_version(seed=1, alias="champion")
    read, fresh = routing._read, Routes(seconds=60)

    def promoted_meanwhile(project_id: int) -> Route:
        route = read(project_id)
        if first.alias:
            first.alias = ""
            first.save()
            add_version(seed=2, alias="champion")
            fresh.forget(project_id)
        return route

    monkeypatch.setattr(routing, "_read", promoted_meanwhile)
    assert fresh.get(project.pk).standing().number == 1
    assert fresh.get(project.pk).standing().number == 2
