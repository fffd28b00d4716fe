"""The wiring as a Django app, so that it has commands and migrations; it sets the message broker at start."""

from __future__ import annotations

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The broker reads settings and must be set before any room's actors are imported.
        from config import broker

        broker.install()
