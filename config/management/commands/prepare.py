"""``manage.py prepare``: tables, static files and the staff account, for installs without ``up``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from config.processes import prepare


class Command(BaseCommand):
    help = "Bring the tables up to date, collect static files and make the staff account."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        prepare.migrate()
        prepare.collect_static()
        prepare.ensure_bucket()
        password = prepare.ensure_admin()
        if password:
            self.stdout.write(f"Staff sign in as admin with the password {password}.")
