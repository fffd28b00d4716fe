"""Answers for all images of a project: the crowd's labels, and the version's answers where there are none."""

from __future__ import annotations

import codecs
import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage
from django.db.models import JSONField, Value
from django.test import Client
from django.utils import timezone

from inference import batch, services
from labeling.files import storage
from labeling.models import Consensus, Image, Job, Project, Task
from labeling.services import add_member, replace_survey
from tests.inference.serving import CATEGORIES

BATCH = "/api/v1/projects/colours/predict/batch/"
SERVING = "/projects/colours/serving/"
PREDICT = "/api/v1/projects/colours/predict/"


def label(image: Image, answer: Any, *, is_final: bool = True, method: str = "majority", sure: float = 0.75) -> None:
    """What the crowd, or another, says of the image."""
    question = image.project.primary_question()
    assert question is not None
    Consensus.objects.create(
        task=Task.objects.get(image=image), project=image.project, question=question, answer=answer, confidence=sure,
        method=method, is_final=is_final,
    )  # fmt: skip


def table(job: Job) -> list[dict[str, Any]]:
    """The rows of the job's file, of whichever format."""
    job.refresh_from_db()
    assert job.state == "succeeded", job.message
    content = storage.read(job.result["file"])
    if job.arguments["format"] == "csv":
        return list(csv.DictReader(io.StringIO(content.decode())))
    if job.arguments["format"] == "jsonl":
        return [json.loads(line) for line in content.decode().splitlines()]
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
    return rows


@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_each_image_has_the_crowds_final_label_or_the_versions_answer_and_whose_it_is(
    api, project, champion, add_images, run_actors, output: str
) -> None:
    images = add_images(range(6))
    asked = api.post(PREDICT, {"images": [{"id": image.pk} for image in images], "top_k": 1}, format="json").json()
    best = [one["categories"][0] for one in asked["predictions"]]
    others = [next(key for key in CATEGORIES if key != one["category"]) for one in best]
    label(images[0], others[0])
    label(images[1], others[1], is_final=False)  # people are still asked
    label(images[2], others[2], method="model")
    label(images[3], "cant_tell")
    label(images[4], Value(None, JSONField()))  # of a question that may be passed over
    job = api.post(BATCH, {"stored": True, "format": output}, format="json").json()["job"]
    run_actors()
    rows = table(Job.objects.get(pk=job))
    assert [int(row["id"]) for row in rows] == [image.pk for image in images]
    told = [(row["answer"], row["answered_by"], round(float(row["certainty"]), 6)) for row in rows]
    crowd = {0: (others[0], "crowd", 0.75), 3: ("cant_tell", "crowd", 0.75)}
    assert told == [crowd.get(n, (best[n]["category"], "model", best[n]["probability"])) for n in range(6)]
    assert [row["category"] for row in rows] == [one["category"] for one in best]  # beside it, of each
    assert {row["question"] for row in rows} == {"label"}
    done = Job.objects.get(pk=job)
    assert (done.result["images"], done.result["labels"]) == (6, 2)
    assert done.result["file"].endswith(f"/colours-answers.{output}")


@pytest.mark.parametrize("output", ["csv", "jsonl", "parquet"])
def test_an_image_that_cannot_be_read_keeps_its_row_and_the_label_that_it_has(
    project, owner, champion, add_images, run_actors, output: str
) -> None:
    images = add_images(range(3), embed=False)
    label(images[0], "red")
    for image in images[:2]:
        default_storage.delete(image.original)
    job = services.start_batch(project=project, user=owner, output=output, stored=True)
    run_actors()
    rows = table(job)
    assert [row["answered_by"] or None for row in rows] == ["crowd", None, "model"]
    assert [row["answer"] or None for row in rows][:2] == ["red", None]
    assert [row["category"] or None for row in rows][:2] == [None, None]
    assert sorted(error["code"] for error in job.errors) == ["missing_file", "missing_file"]


def test_an_image_that_is_deleted_in_between_is_no_error_and_no_row(
    project, owner, champion, add_images, run_actors, monkeypatch
) -> None:
    images = add_images(range(3), embed=False)
    read = batch.stored_features

    def late(*args: Any) -> Any:
        if Image.objects.filter(pk=images[1].pk).delete()[0]:
            default_storage.delete(images[1].original)
        return read(*args)

    monkeypatch.setattr(batch, "stored_features", late)
    job = services.start_batch(project=project, user=owner, output="jsonl", stored=True)
    run_actors()
    assert [row["id"] for row in table(job)] == [images[0].pk, images[2].pk]
    assert job.errors == []


def test_an_image_with_features_is_answered_without_its_file_and_one_without_from_its_file(
    project, owner, champion, add_images, run_actors
) -> None:
    for image in add_images(range(3)):
        default_storage.delete(image.original)
    add_images(range(3, 5), embed=False)
    job = services.start_batch(project=project, user=owner, stored=True)
    run_actors()
    assert [row["answered_by"] for row in table(job)] == ["model"] * 5
    assert job.errors == []


def test_the_table_for_a_spreadsheet_begins_with_the_mark_of_its_encoding_and_that_for_programs_does_not(
    project, owner, champion, add_images, run_actors
) -> None:
    add_images([1])
    browser = Client()
    browser.force_login(owner)
    browser.post(f"{SERVING}answers/", {"format": "csv"})
    services.start_batch(project=project, user=owner, stored=True)
    run_actors()
    files = [default_storage.open(job.result["file"]).read() for job in Job.objects.order_by("created_at")]
    assert files[0] == codecs.BOM_UTF8 + files[1]


def test_the_labels_are_those_of_the_question_that_the_version_learned(
    project, owner, champion, add_images, run_actors
) -> None:
    (image,) = add_images([1])
    other = project.questions.create(key="size", kind="single_choice", prompt="How large?", position=5)
    Consensus.objects.create(
        task=Task.objects.get(image=image), project=project, question=other, answer="large", confidence=1,
        method="majority", is_final=True,
    )  # fmt: skip
    job = services.start_batch(project=project, user=owner, output="jsonl", stored=True)
    run_actors()
    (row,) = table(job)
    assert (row["question"], row["answered_by"]) == ("label", "model")


def test_where_several_questions_are_asked_the_page_says_which_one_is_answered(
    client, project, owner, champion
) -> None:
    client.force_login(owner)
    told = "It answers “What colour is it?”"
    assert told not in client.get(SERVING).content.decode()
    asked = {"label": "What colour is it?", "frame": "What colour is its frame?"}
    questions = [{"key": key, "kind": "single_choice", "prompt": prompt} for key, prompt in asked.items()]
    replace_survey(project=project, user=owner, questions=questions)
    assert told in client.get(SERVING).content.decode()


def test_a_press_on_the_page_leads_to_the_job_whose_table_it_then_offers_and_a_second_press_to_the_same(
    client, project, owner, champion, add_version, add_images, run_actors
) -> None:
    add_images(range(2))
    add_version(seed=2)
    client.force_login(owner)
    Project.objects.update(archived_at=timezone.now())  # a project that is done is where one wants it
    first, second = (client.post(f"{SERVING}answers/", {"format": "csv"}) for _press in range(2))
    job = Job.objects.get()
    assert first.url == second.url == f"/projects/colours/jobs/{job.pk}/"
    assert job.arguments["version"] == champion.number
    run_actors()
    for page in (first.url, SERVING):
        assert "colours-answers.csv" in client.get(page).content.decode()
    client.post(f"{SERVING}answers/", {"version": 2})
    assert Job.objects.get(state="queued").arguments["version"] == 2


def test_without_a_champion_the_page_offers_no_answers_and_says_why(client, project, owner, data_dir) -> None:
    client.force_login(owner)
    assert f"{SERVING}answers/" not in client.get(SERVING).content.decode()
    assert "has no champion yet" in client.post(f"{SERVING}answers/", follow=True).content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("role", "expected"), [("manager", 302), ("reviewer", 403), ("worker", 403), ("stranger", 404)]
)
def test_answers_for_all_images_are_for_those_who_manage(
    client, project, champion, django_user_model, role: str, expected: int
) -> None:
    user = django_user_model.objects.create_user(role)
    if role != "stranger":
        add_member(project=project, username=role, role=role)
    client.force_login(user)
    assert client.post(f"{SERVING}answers/").status_code == expected
    assert Job.objects.exists() == (expected == 302)


def test_what_a_biologist_can_do_stands_above_what_programs_ask(client, project, owner, champion) -> None:
    client.force_login(owner)
    page = client.get(SERVING).content.decode()
    assert page.index("Try it on a photo") < page.index("Answers for all images") < page.index("curl -H")
