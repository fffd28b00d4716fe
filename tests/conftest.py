"""What every test stands on: a PostgreSQL of its own, an empty DATA_DIR, and the real background work.

The server starts once per run and is shared by all xdist workers (each has its own database on it). Environment
variables are set here, before Django reads its settings, so a developer's own ``data`` folder is never touched.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT

_FOLDER = Path(os.environ.get("CROWDTUNE_TEST_FOLDER") or tempfile.mkdtemp(prefix="crowdtune-test-"))
os.environ["CROWDTUNE_TEST_FOLDER"] = str(_FOLDER)
os.environ["DATA_DIR"] = str(_FOLDER / os.environ.get("PYTEST_XDIST_WORKER", "main"))
Path(os.environ["DATA_DIR"], "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns of a missing one
os.environ["SECRET_KEY"] = "only for tests"
for _name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "ADMIN_PASSWORD", "PORT", "DEBUG", "HTTPS", "ALLOWED_HOSTS"):
    os.environ.pop(_name, None)
os.environ["ENV_FILE"] = os.devnull
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# As in the web process (config/web.py): looking after every 700 new objects takes a tenth of what tests compute.
gc.set_threshold(10_000, 20, 20)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that began this in the background
    # Whatever is started here would ignore it, too, and a database that is told so to stop would be waited for.
    signal.signal(signal.SIGINT, signal.default_int_handler)

from config.processes import postgres  # noqa: E402 - after the environment

os.environ["DATABASE_URL"] = postgres.url(_FOLDER / "postgres")

import django  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402

django.setup()

# For the whole run, not for each test: a thread of the live server that still answers a page of the last test would
# make the storage anew between two tests, from whatever the settings are just then, and the next test would keep it.
django_settings.STORAGES = {  # tests collect no static files: pages name them as they lie in the checkout
    **django_settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# A good password hash is slow on purpose, and hundreds of tests make people.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

import dramatiq  # noqa: E402 - after the broker is set
import hypothesis  # noqa: E402
import psycopg  # noqa: E402
from django.contrib.auth.models import Permission  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.db import OperationalError, connection, transaction  # noqa: E402
from django.test import TransactionTestCase  # noqa: E402
from django.utils import translation  # noqa: E402
from django.utils.module_loading import autodiscover_modules  # noqa: E402

from config.models import QueuedMessage  # noqa: E402

# A busy machine is slow; that says nothing of the code.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    config.add_cleanup(lambda: shutil.rmtree(_FOLDER, ignore_errors=True))
    if config.option.collectonly or config.option.help:
        return
    server = postgres.Postgres(
        _FOLDER / "postgres", settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    )
    (_FOLDER / "postgres").mkdir(parents=True, exist_ok=True)
    with open(_FOLDER / "postgres.log", "wb") as log:
        server.start(log=log)
    config.add_cleanup(server.stop)
    if getattr(config.option, "numprocesses", None):
        # pytest-django reads the settings as soon as it sees this name: in a worker before the lines above have given
        # it a folder of its own, and all workers would write into one.
        del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, in a random order of their own: at the end one would leave a worker alone."""
    if os.environ.get("CI") == "true":
        # Browsers and servers share the cores with all other tests, and what they wait for can be late. What passed
        # only at the second try is named in the report.
        for item in items:
            if any(item.get_closest_marker(name) for name in ("browser", "slow", "brokers")):
                item.add_marker(pytest.mark.flaky(reruns=1))
    slow = {item.path for item in items if any(item.iter_markers("slow")) or any(item.iter_markers("browser"))}
    items.sort(key=lambda item: item.path not in slow)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Why a test failed at its first try: its name alone tells nobody what to mend."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"first try of {report.nodeid}, {report.when}")
        terminalreporter.write_line(report.longreprtext)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through all of it again and again."""
    gc.collect()
    gc.freeze()


# Of who does nothing now, or is this session between two tests: who is at work gives its own back.
_KEPT_LOCKS = """SELECT DISTINCT classid, objid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND datname = current_database() AND (state = 'idle' OR pid = pg_backend_pid())"""


def _empty_tables(_case: TransactionTestCase) -> None:
    """What Django's flush does after a test with real commits, where rows are.

    Truncating every table and writing all rights anew took longer than most of these tests. Like it this waits for
    whoever still writes, such as a request of a page that is closed by now; but it holds no table meanwhile, or who
    writes might wait for that one.
    """
    kept = {ContentType._meta.db_table, Permission._meta.db_table}
    names = [*connection.introspection.django_table_names(), django_settings.CACHES["shared"]["LOCATION"]]
    tables = [f'"{name}"' for name in names if name not in kept]
    filled = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
    end = time.monotonic() + 120
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE NOWAIT")
                cursor.execute(filled)
                for (table,) in cursor.fetchall():
                    cursor.execute(f"DELETE FROM {table}")  # foreign keys are looked at when all is gone
                cursor.execute(_KEPT_LOCKS)
                kept_locks = cursor.fetchall()
            assert not kept_locks, f"a later test would wait for advisory locks that this one keeps: {kept_locks}"
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable) or time.monotonic() > end:
                raise
        time.sleep(0.02)


TransactionTestCase._fixture_teardown = _empty_tables


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> None:
    """Migrations take seconds of a core: the first worker runs them, and each works on a copy of what they made.

    Databases go with their server at the end: dropping them would wait for the session of each killed child.
    """
    migrated, own = _FOLDER / "migrated", f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    given = django_settings.DATABASES["default"]
    with django_db_blocker.unblock(), open(_FOLDER / "migrating", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not migrated.exists():
            given["TEST"]["NAME"] = migrated.name
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            connection.close()
            connection.close_pool()  # what is copied has no session
            migrated.touch()
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute(f'CREATE DATABASE "{own}" TEMPLATE "{migrated.name}"')
        given["NAME"] = connection.settings_dict["NAME"] = own


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """Rate limits count in the cache: no test pays for what another one asked."""
    cache.clear()
    yield


@pytest.fixture(autouse=True)
def default_language() -> Iterator[None]:
    """A request in this thread leaves its language behind, as in a server's thread; the next test begins without."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def own_media(settings: Any, tmp_path: Path) -> Path:
    """Files of one test are not seen by another."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    return tmp_path / "media"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real weights, images and judgments, which are beside a checkout on some machines and never in it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not on this machine")
    return folder


@pytest.fixture
def run_actors(request: pytest.FixtureRequest) -> Callable[[], int]:
    """A function that works off every queued message here and now, and returns how many there were.

    The messages come from the real queue, in the order in which a worker would claim them, delayed ones included, and
    on this test's connection, so within its transaction. What an actor raises reaches the test.
    """
    if "transactional_db" not in request.fixturenames:
        request.getfixturevalue("db")
    autodiscover_modules("actors")

    def run(limit: int = 10_000) -> int:
        for done in range(limit):
            waiting = QueuedMessage.objects.filter(state="queued").order_by("available_at", "position").first()
            if waiting is None:
                return done
            waiting.delete()
            message = waiting.message
            dramatiq.get_broker().get_actor(message["actor_name"])(*message["args"], **message["kwargs"])
        raise AssertionError(f"{limit} messages and no end: an actor sends itself for ever")

    return run
