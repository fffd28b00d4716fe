"""What a migration does to processes of the version before, which go on until they are stopped."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from tests.config.test_architecture import ROOMS

# Of before the rule.
BREAK = {
    "inference.0008_pool_seen_to",
    "inference.0010_why_no_label",
    "inference.0011_who_and_audit_unread",
    "labeling.0011_keys_of_passwords",
    "labeling.0012_answers_about_deleted_images",
    "training.0008_mirrored_copies_or_not",
}


def in_database(operation: Operation) -> Sequence[Operation]:
    return operation.database_operations if isinstance(operation, migrations.SeparateDatabaseAndState) else [operation]


def breaks(operation: Operation) -> bool:
    """Whether the version before would read what is gone, or write no value where there must be one."""
    if isinstance(operation, migrations.AddField):
        field = operation.field
        return not (field.null or field.many_to_many or field.has_db_default())
    gone = (migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel)
    return isinstance(operation, gone)


def test_processes_of_the_version_before_can_work_on_the_tables_of_the_next():
    """A new column may be null or has ``db_default``. One that nobody reads leaves the state first and the table in a
    later version (``SeparateDatabaseAndState``), and so does a model; nothing is renamed.
    """
    found = MigrationLoader(None).disk_migrations or {}
    assert {
        f"{app}.{name}"
        for (app, name), migration in found.items()
        if app in ROOMS and not name.endswith("_initial")
        if any(breaks(step) for operation in migration.operations for step in in_database(operation))
    } == BREAK
