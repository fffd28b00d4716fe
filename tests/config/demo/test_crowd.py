"""How right a simulated worker is."""

from __future__ import annotations

import socket

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from config.demo.crowd import chance_of_right
from config.demo.seed import CAST, DemoError, Truth, drawn_pictures, own_pictures, read_truths, write_truths


def test_a_clear_picture_is_answered_by_skill_and_a_hopeless_one_nearly_by_chance():
    assert chance_of_right(0.97, 0.0, 4) == pytest.approx(0.97)
    assert chance_of_right(0.97, 1.0, 4) == pytest.approx(0.25 + 0.72 * 0.15)


def test_the_cast_has_good_and_bad_workers():
    skills = [skill for skill, _ in CAST]
    assert max(skills) > 0.95
    assert min(skills) < 0.6


def test_truths_survive_the_file(tmp_path):
    truths = {"a.jpg": Truth("crab", 0.25), "b,c.jpg": Truth("fish", 1.0)}
    write_truths(tmp_path / "demo" / "t.csv", truths)
    assert read_truths(tmp_path / "demo" / "t.csv") == truths


def test_own_images_are_read_by_folder_even_where_two_folders_use_one_name(tmp_path):
    for category in ("cat", "dog"):
        (tmp_path / category).mkdir()
        (tmp_path / category / "1.jpg").write_bytes(drawn_pictures(1)[0].read())
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    pictures = own_pictures(tmp_path)
    assert [p.truth.category for p in pictures] == ["cat", "dog"]
    assert len({p.name for p in pictures}) == 2


def test_one_folder_is_no_question(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(b"x")
    with pytest.raises(DemoError, match="two folders"):
        own_pictures(tmp_path)


@pytest.mark.django_db
def test_a_platform_that_does_not_run_is_told_to_be_started(tmp_path):
    get_user_model().objects.create_superuser("admin")
    for category in ("cat", "dog"):
        (tmp_path / category).mkdir()
        (tmp_path / category / "1.jpg").write_bytes(b"x")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(CommandError, match="start it first, with `make run`"):
        call_command("demo", images=tmp_path, url=url)
