"""The wiring as a Django app, so that it has commands and migrations; it sets the message broker at start."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries


class ConfigConfig(AppConfig):
    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The broker reads settings and must be set before any room's actors are imported.
        from config import broker

        broker.install()
        # A request gives its connection back to the pool at its end, so at the start of the next there is none to look
        # at; Django keeps the texts of queries only for DEBUG, and 9,000 at most; neither of the caches has anything to
        # close. Asking all that of each request was a twentieth of a claim.
        request_started.disconnect(close_old_connections)
        request_started.disconnect(reset_queries)
        request_finished.disconnect(close_caches)
