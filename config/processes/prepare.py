"""What must be true before the first request: tables, collected static files, and somebody who can sign in as staff."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.files.storage import storages
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader

from config.databases import of_driver
from config.processes import secret_files

_MIGRATION_LOCK = 0x63726F7764  # "crowd"


def migrate() -> None:
    """Bring the tables up to date; of several processes that start at once, one does it and the others wait."""
    _reach_database()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            _refuse_newer_tables()
            call_command("migrate", interactive=False, verbosity=0)
            call_command("createcachetable", verbosity=0)
        finally:
            with contextlib.suppress(OperationalError):  # a Ctrl-C closed the connection, which gave the lock back
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def _refuse_newer_tables() -> None:
    """Code on the tables of a later one would fail here and there, and what it wrote might be wrong for both."""
    loader = MigrationLoader(connection)
    newest: dict[str, str] = {}
    for app, name in loader.disk_migrations or ():
        newest[app] = max(name, newest.get(app, ""))
    applied = loader.applied_migrations or ()
    newer = sorted(f"{app} {name}" for app, name in applied if name > newest.get(app, name))
    if newer:
        raise CommandError(
            f"The database was brought up to date by a later version of Crowdtune than this one, which does not know "
            f"{', '.join(newer)}. Start that version again, or put back the backup from before the upgrade."
        )


def _reach_database() -> None:
    """Ask once without the pool, which would say after ten seconds that it waited and not why."""
    parameters = of_driver(connection.get_connection_params())
    try:
        psycopg.connect(**{"connect_timeout": 10, **parameters}).close()
    except psycopg.Error as error:
        raise CommandError(f"The database of DATABASE_URL cannot be used: {str(error).strip()}") from error


def collect_static() -> bool:
    """Collect and compress the static files when any of them changed; returns whether it did."""
    root = Path(settings.STATIC_ROOT)
    stamp, now = root / ".stamp", _static_digest()
    if stamp.exists() and stamp.read_text(encoding="ascii") == now:
        return False
    # Redoc is the other of two ways to show the API; /api/docs/ is Swagger.
    try:
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["redoc"])
        stamp.write_text(now, encoding="ascii")
    except OSError as error:
        raise CommandError(f"The static files could not be written to {root}: {error.strerror}.") from error
    return True


def ensure_bucket() -> bool:
    """Make the object store's bucket when there is none; returns whether it did. Nothing to do for a folder."""
    if not settings.STORAGES["default"]["BACKEND"].endswith("S3Storage"):
        return False
    storage: Any = storages["default"]
    from botocore.exceptions import BotoCoreError, ClientError  # here: most installs keep their files in a folder

    client = storage.connection.meta.client
    try:
        return _make_bucket(client, storage.bucket_name)
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"The bucket of STORAGE_URL ({storage.bucket_name}) cannot be used: {error}") from error


def _make_bucket(client: Any, name: str) -> bool:
    try:
        client.head_bucket(Bucket=name)
    except client.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=name)
        return True
    return False


def _static_digest() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def ensure_admin() -> str | None:
    """Make the staff account ``admin``; returns the password when it was generated just now, to be shown once.

    A given ``ADMIN_PASSWORD`` holds from each start on; a generated one is only the first, and may be changed.
    """
    users = get_user_model().objects
    admin = users.filter(username="admin").first()
    if settings.ADMIN_PASSWORD:
        if admin is None:
            users.create_superuser("admin", password=settings.ADMIN_PASSWORD)
        elif not admin.check_password(settings.ADMIN_PASSWORD):
            admin.set_password(settings.ADMIN_PASSWORD)
            admin.save(update_fields=["password"])
        return None
    if admin is not None:
        return None
    password, _made = secret_files.read_or_create(settings.DATA_DIR / "admin_password", length=12)
    users.create_superuser("admin", password=password)
    return password
