"""What a start makes sure of: tables, static files, somebody who can sign in, and a bucket."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finder
from django.core.files.storage import default_storage, storages
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config import databases
from config.processes import prepare, secret_files
from labeling.importing import s3
from tests import ROOT
from tests.s3 import s3_service

Users = get_user_model().objects


@pytest.fixture
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.mark.django_db
def test_a_generated_password_works_is_told_once_and_kept_privately(data_dir, settings):
    settings.ADMIN_PASSWORD = ""
    password = prepare.ensure_admin()
    admin = Users.get(username="admin")
    assert admin.is_superuser
    assert admin.check_password(password)
    kept = data_dir / "admin_password"
    assert kept.read_text().strip() == password
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert prepare.ensure_admin() is None


@pytest.mark.django_db
def test_a_given_password_is_not_told_and_holds_after_it_was_changed(data_dir, settings):
    settings.ADMIN_PASSWORD = "first word"
    assert prepare.ensure_admin() is None
    settings.ADMIN_PASSWORD = "second word"
    prepare.ensure_admin()
    assert Users.get(username="admin").check_password("second word")
    assert not (data_dir / "admin_password").exists()


@pytest.mark.django_db
def test_a_generated_password_that_its_owner_changed_is_left_alone(data_dir, settings):
    settings.ADMIN_PASSWORD = ""
    prepare.ensure_admin()
    admin = Users.get(username="admin")
    admin.set_password("my own")
    admin.save()
    prepare.ensure_admin()
    assert Users.get(username="admin").check_password("my own")


@pytest.mark.django_db(transaction=True)
def test_tables_that_are_up_to_date_are_left_alone_and_the_lock_is_given_back():
    prepare.migrate()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_a_stop_in_the_middle_of_a_query_is_a_stop_and_no_failure(monkeypatch):
    def interrupted(*_words, **_options):
        connection.connection.close()  # as psycopg does when a signal's handler raises while it waits
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "call_command", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare.migrate()
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_tables_of_a_later_version_are_left_alone_and_what_to_do_is_said():
    applied = MigrationRecorder(connection)
    applied.record_applied("labeling", "9999_of_tomorrow")
    try:
        with pytest.raises(CommandError, match=r"does not know labeling 9999_of_tomorrow\. Start that version again"):
            prepare.migrate()
    finally:
        applied.record_unapplied("labeling", "9999_of_tomorrow")
    # One that has been squashed away since is no later one.
    applied.record_applied("labeling", "0000_of_yesterday")
    try:
        prepare.migrate()
    finally:
        applied.record_unapplied("labeling", "0000_of_yesterday")


def test_static_files_are_collected_once_until_one_changes(settings, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.css").write_text("a { color: red }")
    settings.STATICFILES_DIRS = [source]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.StaticFiles"}}
    get_finder.cache_clear()
    assert prepare.collect_static() is True
    assert prepare.collect_static() is False
    (source / "a.css").write_text("a { color: blue; background: white }")
    assert prepare.collect_static() is True
    hashed = [path.name for path in (tmp_path / "collected").glob("a.*.css")]
    assert len(hashed) == 2
    get_finder.cache_clear()


def test_what_a_script_imports_is_named_by_its_content_as_the_script_is(settings, tmp_path):
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "static", [tmp_path / "ours"]
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "part.js").write_text("export const part = 1;")
    (tmp_path / "ours" / "page.js").write_text('import { part } from "./part.js";')
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.StaticFiles"}}
    get_finder.cache_clear()
    prepare.collect_static()
    static = tmp_path / "static"
    (page,), (part,) = static.glob("page.*.js"), static.glob("part.*.js")
    assert page.read_text() == f'import {{ part }} from "./{part.name}";'
    get_finder.cache_clear()


def test_a_disk_that_is_full_while_static_files_are_collected_is_told_and_nothing_stays_cut_off(settings, tmp_path):
    settings.STATIC_ROOT, settings.STATICFILES_DIRS = tmp_path / "static", [tmp_path / "ours"]
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "page.js").write_text("/* " + "x" * 5000 + " */")
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "config.static.StaticFiles"}}
    get_finder.cache_clear()
    at_most = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, at_most[1]))  # what is larger breaks off in the middle
    try:
        with pytest.raises(CommandError, match="could not be written"):
            prepare.collect_static()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, at_most)
        signal.signal(signal.SIGXFSZ, before)
    prepare.collect_static()
    assert (tmp_path / "static" / "page.js").stat().st_size == 5006
    get_finder.cache_clear()


def test_a_missing_bucket_is_made_and_a_present_one_is_left(settings, monkeypatch):
    with s3_service(monkeypatch):
        settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://crowdtune/images")}
        assert prepare.ensure_bucket() is True
        assert prepare.ensure_bucket() is False
        assert default_storage.exists("a") is False


def test_a_bucket_that_cannot_be_used_is_told_of_in_words(settings, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    monkeypatch.setattr(s3, "TRIES", 1)
    settings.STORAGES = {**settings.STORAGES, "default": databases.storage("s3://crowdtune/images")}
    with pytest.raises(CommandError, match="STORAGE_URL"):
        prepare.ensure_bucket()


def test_addresses_of_a_bucket_are_signed_in_the_present_way_and_a_store_that_hangs_is_given_up(monkeypatch):
    with s3_service(monkeypatch):
        store = storages.create_storage(databases.storage("s3://crowdtune"))
        assert "X-Amz-Signature=" in store.url("a.jpg")
        config = store.connection.meta.client.meta.config
        assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (5, 20, 2)


def test_a_worker_asks_a_store_that_refuses_more_often_than_the_web_where_a_person_waits():
    """One answer of ten was 503, and no batch of an import came through."""
    code = "from config import web; web.load(''); from django.core.files.storage import default_storage;"
    code += "print(default_storage.connection.meta.client.meta.config.retries['total_max_attempts'])"
    tries = [s3.client_config().retries["total_max_attempts"]]
    store = {"STORAGE_URL": "s3://own", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "a"}
    asked = {**os.environ, **store, "AWS_SECRET_ACCESS_KEY": "a"}
    ran = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, check=True, cwd=ROOT)
    tries += [int(ran.stdout)]
    assert tries == [4, 2]


def test_a_folder_needs_no_bucket():
    assert prepare.ensure_bucket() is False


def test_two_who_ask_for_a_secret_get_the_same(tmp_path):
    first, made = secret_files.read_or_create(tmp_path / "secret")
    second, made_again = secret_files.read_or_create(tmp_path / "secret")
    assert (made, made_again) == (True, False)
    assert first == second
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
