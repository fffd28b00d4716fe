"""Judgments made elsewhere are labels by the time that their job is done."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling import exporting, services
from labeling.accounts import people
from labeling.files import storage
from labeling.importing import judgments
from labeling.jobs import run
from labeling.models import Consensus, Image, Job, Judgment, Membership, Project, Task
from tests.labeling.conftest import claim, client, person, picture

pytestmark = pytest.mark.django_db
LINES = b"image,worker,answer\n" + b"".join(
    b"%04d.png,%s,%s\n" % (image, worker, (b"cat", b"dog")[image % 2])
    for image in range(4)
    for worker in (b"dora", b"emil", b"fay")
)


def test_who_asks_once_the_job_is_done_finds_labels(make_project: Callable[..., Project]) -> None:
    project = make_project(images=4)
    job = services.import_judgments(project=project, file=SimpleUploadedFile("a.csv", LINES), user=project.owner)
    run(str(job.pk), judgments.run)  # and no other actor
    job.refresh_from_db()
    assert (job.state, job.result["imported"]) == ("succeeded", 12)
    labels = Consensus.objects.filter(project=project).order_by("task__image__name").values_list("answer", flat=True)
    assert list(labels) == ["cat", "dog", "cat", "dog"]
    project.refresh_from_db()
    assert project.fitted_version == project.answers_version > 0


def bring(project: Project, data: bytes) -> Job:
    job = services.import_judgments(project=project, file=SimpleUploadedFile("a", data), user=project.owner)
    run(str(job.pk), judgments.run)
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("name", ["a.png", "cats/a.png"])
def test_a_name_that_several_images_have_is_asked_back_instead_of_guessed(
    make_project: Callable[..., Project], name: str
) -> None:
    project = make_project(images=0)
    services.add_images(project=project, images={name: picture(1)})
    services.add_images(project=project, images={name.replace("cats", "dogs"): picture(2)})
    first, second = Image.objects.order_by("pk")
    job = bring(project, b"image,worker,answer\na.png,ann,cat\n%d,bob,dog\n" % second.pk)
    assert [(row["item"], row["code"]) for row in job.errors] == [("line 2", "ambiguous_image")]
    assert [row.task.image_id for row in Judgment.objects.all()] == [second.pk]
    assert first.pk != second.pk


@pytest.mark.parametrize("chunk", [1, 2000])
def test_of_two_answers_of_one_worker_the_first_stays_and_the_other_is_told(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(judgments, "CHUNK", chunk)
    project = make_project(images=1)
    lines = b"image,worker,answer\n0000.png,ann,cat\n0000.png,ann,dog\n0000.png,ann,cat\n"
    job = bring(project, lines)
    assert (job.state, job.result["imported"]) == ("succeeded", 1)
    assert [(row["item"], row["code"]) for row in job.errors] == [("line 3", "already_answered")]
    assert Judgment.objects.get().answers == {"category": "cat"}


def test_a_file_adds_to_what_came_from_files_and_to_nobody_s_own_answer(make_project: Callable[..., Project]) -> None:
    asked = [{"key": key, "kind": "yes_no", "prompt": key, "required": False} for key in ("a", "b")]
    project = make_project(images=1, questions=asked, access="open")
    ann = person("ann")
    lease = claim(project, ann)
    services.submit_judgment(assignment_id=lease.pk, worker=ann, answers={"a": True})
    head = b"image,worker,question,answer\n"
    assert bring(project, head + b"0000.png,bob,a,yes\n").errors == []
    before = Project.objects.get()
    job = bring(project, head + b"0000.png,bob,b,no\n0000.png,ann,a,yes\n0000.png,ann,b,no\n")
    assert [(row["item"], row["code"]) for row in job.errors] == [("line 4", "already_answered")]
    project.refresh_from_db()
    assert project.fitted_version == project.answers_version > before.answers_version  # what was added is fitted, too
    said = {row.worker.username: row.answers for row in Judgment.objects.select_related("worker")}
    assert said == {"ann": {"a": True}, people.stand_in("bob", project).username: {"a": True, "b": False}}


@pytest.mark.parametrize("data", [b"image,worker,answer\n", b'{"image": "0000.png", "judgments": []}\n'])
def test_a_file_without_a_judgment_fails_in_words(make_project: Callable[..., Project], data: bytes) -> None:
    job = bring(make_project(images=1), data)
    assert (job.state, job.message) == ("failed", "There is no judgment in a.")


def test_a_refused_line_has_the_number_that_an_editor_shows(make_project: Callable[..., Project]) -> None:
    project = make_project(images=1)
    lines = b'{"image": "0000.png", "worker": "ann", "answer": "cat"}\n\n{"image": "x", "worker": "ann", "answer": 1}\n'
    assert [row["item"] for row in bring(project, lines).errors] == ["line 3"]
    table = b'image,worker,answer,note\n0000.png,bob,cat,"two\nlines"\nx,bob,cat,\n'
    assert [row["item"] for row in bring(project, table).errors] == ["line 4"]


def test_a_line_that_is_no_json_object_is_told_as_such(make_project: Callable[..., Project]) -> None:
    good = b'{"image": "0000.png", "worker": "ann", "answer": "cat"}'
    job = bring(make_project(images=1), good + b"\n{bad\n7\n")
    assert [(row["item"], row["code"]) for row in job.errors] == [("line 2", "bad_row"), ("line 3", "bad_row")]
    assert "JSON object" in job.errors[0]["message"]
    assert job.result["imported"] == 1


def test_who_signed_up_by_the_name_of_an_account_that_stands_for_another_does_not_get_in_by_it(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=4, access="invited")
    stranger = person("dora@pets")
    for _again in range(2):
        assert bring(project, LINES).state == "succeeded"
    assert not Membership.objects.filter(project=project, user=stranger).exists()
    assert not Judgment.objects.filter(worker=stranger).exists()
    assert Judgment.objects.filter(project=project).count() == 12
    assert {people.name_of(row.user) for row in Membership.objects.exclude(role="owner")} == {"dora", "emil", "fay"}
    told = client(project.owner).get("/api/v1/projects/pets/judgments/?worker=dora").json()["results"]
    assert {row["worker"] for row in told} == {"dora"}
    assert len(told) == 4


def test_a_spreadsheet_with_decimal_commas_parts_its_fields_by_semicolons(make_project: Callable[..., Project]) -> None:
    text = "\ufeffimage;worker;answer;seconds\r\n0000.png;ann;cat;3,2\r\n"
    job = bring(make_project(images=1), text.encode())
    judgment = Judgment.objects.get()
    assert (job.errors, judgment.answers, judgment.seconds) == ([], {"category": "cat"}, 3.2)


def test_a_line_in_another_encoding_is_refused_before_it_makes_a_name_that_nobody_has(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(images=1)
    table = "image,worker,answer\n0000.png,müller,cat\n0000.png,ann,cat\n".encode("cp1252")
    lines = '{"image": "0000.png", "worker": "gönül", "answer": "cat"}\n'.encode("cp1254")
    for data, kept in ((table, 1), (lines, 0)):
        job = bring(project, data)
        assert ([row["item"] for row in job.errors], job.result["imported"]) == ([f"line {1 + kept}"], kept)
        assert "UTF-8" in job.errors[0]["message"]
    header = bring(project, "image,worker,answer,größe\n0000.png,ann,cat,1\n".encode("cp1252"))
    assert (header.state, "UTF-8" in header.message) == ("failed", True)
    assert {people.name_of(row.worker) for row in Judgment.objects.all()} == {"ann"}


def test_the_unicode_text_of_a_spreadsheet_is_read(make_project: Callable[..., Project]) -> None:
    text = "image\tworker\tanswer\r\n0000.png\tmüller\tcat\r\n"
    job = bring(make_project(images=1), text.encode("utf-16"))
    assert (job.errors, people.name_of(Judgment.objects.get().worker)) == ([], "müller")


def test_an_image_that_is_called_by_a_number_of_very_many_digits_is_unknown(
    make_project: Callable[..., Project],
) -> None:
    job = bring(make_project(images=1), b"image,worker,answer\n%s,dora,cat\n0000.png,dora,cat\n" % (b"9" * 5000))
    assert (job.state, job.result["imported"], job.errors[0]["code"]) == ("succeeded", 1, "unknown_image")


@pytest.mark.parametrize("into", ["csv", "jsonl"])
def test_judgments_of_images_of_one_name_travel_to_another_project(
    make_project: Callable[..., Project], into: str
) -> None:
    here, there = make_project(images=0), make_project(images=0)
    for project in (there, here):
        for number in (1, 2):  # one by one, so that both are called so
            services.add_images(project=project, images={"a.png": picture(number)})
    first, second = Image.objects.filter(project=here).order_by("pk")
    bring(here, b"image,worker,answer\n%d,ann,cat\n%d,ann,dog\n" % (first.pk, second.pk))
    job = services.start_export(project=here, into=into, user=here.owner, options={"judgments": True})
    run(str(job.pk), exporting.run)
    job.refresh_from_db()
    brought = bring(there, storage.read(job.result["file"]))
    assert brought.errors == []
    rows = Judgment.objects.filter(project=there).values_list("task__image__sha256", "answers")
    assert dict(rows) == {first.sha256: {"category": "cat"}, second.sha256: {"category": "dog"}}


def test_the_time_that_judgments_took_is_the_workers(make_project: Callable[..., Project]) -> None:
    project = make_project(images=2)
    lines = b"0000.png,ann,cat,2.5\n0001.png,ann,cat,4\n0000.png,bob,cat,\n"
    bring(project, b"image,worker,answer,seconds\n" + lines)
    workers = client(project.owner).get(f"/api/v1/projects/{project.slug}/stats/").json()["workers"]
    told = {row["username"]: row["seconds_per_judgment"] for row in workers}
    assert (told["ann"], told["bob"]) == (3.25, None)


def test_a_time_that_is_told_beside_the_first_answer_alone_is_the_judgment_s(
    make_project: Callable[..., Project],
) -> None:
    asked = [{"key": "cat", "kind": "yes_no"}, {"key": "dog", "kind": "yes_no"}]
    project = make_project(images=1, questions=asked)
    bring(project, b"image,worker,question,answer,seconds\n0000.png,ann,cat,yes,2.5\n0000.png,ann,dog,no,\n")
    assert Judgment.objects.get(task__project=project).seconds == 2.5


def test_more_lines_are_counted_in_no_more_statements(make_project: Callable[..., Project]) -> None:
    project = make_project(images=12, judgments_max=9)
    spoken = []
    for images, workers in ((range(2), range(2)), (range(2, 12), range(2, 9))):
        lines = b"".join(b"%04d.png,w%d,cat\n" % (image, who) for image in images for who in workers)
        for who in workers:  # so that no account is made meanwhile
            services.add_member(project=project, username=person(f"w{who}").username, role="worker")
        with CaptureQueriesContext(connection) as said:
            bring(project, b"image,worker,answer\n" + lines)
        spoken.append(len(said))
    # A fit that is not the first asks for what there was, and the tasks that it is sure of are looked at once more.
    assert spoken[1] - spoken[0] < 8
    counted = Membership.objects.filter(project=project, user__username__startswith="w")
    told = dict(counted.values_list("user__username", "judgment_count"))
    assert told == {f"w{who}": 2 if who < 2 else 10 for who in range(9)}
    tasks = Task.objects.filter(project=project).order_by("image__name").values_list("judgment_count", "open_slots")
    assert list(tasks) == [(2, 0)] * 2 + [(7, 0)] * 10


def test_several_choices_in_a_cell_are_read_as_people_write_them(make_project: Callable[..., Project]) -> None:
    kind = {"key": "all", "kind": "multiple_choice", "prompt": "p", "options": {"cant_tell": True}}
    project = make_project(images=1, categories=["cat", "dog", "7", "dog|7"], questions=[kind])
    said = ["cat", "Dog | cat", "7", '"[""dog""]"', "[]", "cant_tell", "cow|cat", "", "dog|7", '"""cant_tell"""']
    cells = "".join(f"0000.png,{number},{text}\n" for number, text in enumerate(said))
    job = bring(project, f"image,worker,answer\n{cells}".encode())
    answers = [row.answers["all"] for row in Judgment.objects.order_by("worker__username")]
    assert answers == [["cat"], ["cat", "dog"], ["7"], ["dog"], [], "cant_tell", ["dog|7"], "cant_tell"]
    assert [(row["item"], row["code"]) for row in job.errors] == [("line 8", "bad_answer"), ("line 9", "bad_answer")]


@pytest.mark.parametrize(("most", "state", "because"), [(9, "open", ""), (4, "retired", "maximum")])
def test_a_task_that_the_first_lines_made_sure_of_is_open_again_where_the_later_ones_say_otherwise(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, most: int, state: str, because: str
) -> None:
    project = make_project(images=3, judgments_min=2, judgments_max=most, confidence=0.8)
    for name in ("gus", "hal"):  # these were sure before the file came
        user = person(name)
        services.ensure_member(project=project, user=user)
        for _task in range(3):
            lease = claim(project, user)
            if lease.task.image.name == "0002.png":
                services.submit_judgment(assignment_id=lease.pk, worker=user, answers={"category": "cat"})
                break
            services.skip_assignment(assignment_id=lease.pk, worker=user)
    assert set(Task.objects.filter(retired_because="confident").values_list("image__name", flat=True)) == {"0002.png"}
    monkeypatch.setattr(judgments, "CHUNK", 4)
    said = [("ann", "cat", "cat"), ("ben", "cat", "cat"), ("dora", "dog", "cat"), ("emil", "dog", "cat")]
    lines = [f"0000.png,{who},{first}\n0001.png,{who},{second}\n" for who, first, second in said]
    disputed = "".join(f"0002.png,{who},dog\n" for who, _first, _second in said)
    bring(project, ("image,worker,answer\n" + "".join(lines) + disputed).encode())
    tasks = Task.objects.filter(project=project).order_by("image__name")
    assert list(tasks.values_list("state", "retired_because")) == [
        (state, because),
        ("retired", "confident"),
        ("retired", "confident"),  # not by this file, so it stays as it was
    ]
    unsure = tasks[0]
    label = Consensus.objects.get(task=unsure)
    assert (label.is_final, label.judgment_count, label.confidence < 0.8) == (state == "retired", 4, True)
    assert (unsure.open_slots > 0) is (state == "open")
    project.refresh_from_db()
    assert project.retired_count == tasks.filter(state="retired").count()
