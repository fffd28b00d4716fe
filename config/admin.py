"""The staff's view of the queue: what waits, what is worked on, and what was parked and why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from config.messages import parked
from config.models import QueuedMessage, QueueWorker
from labeling.admin import RecordAdmin


@admin.register(QueuedMessage)
class QueuedMessageAdmin(RecordAdmin):
    list_display = ("actor", "queue_name", "state", "deliveries", "reason", "available_at", "mtime")
    list_filter = ("state", "queue_name")
    search_fields = ("message__actor_name", "reason")
    ordering = ("-mtime",)
    actions = ("send_again", "throw_away")

    @admin.display(description=_("Actor"))
    def actor(self, row: QueuedMessage) -> str:
        return str(row.message.get("actor_name", "?"))

    @admin.action(description=_("Send parked messages again"))
    def send_again(self, request: HttpRequest, rows: QuerySet[QueuedMessage]) -> None:
        number = parked.send_again(rows.values_list("pk", flat=True))
        self.message_user(request, _("%d sent again.") % number, messages.SUCCESS)

    @admin.action(description=_("Throw parked messages away"))
    def throw_away(self, request: HttpRequest, rows: QuerySet[QueuedMessage]) -> None:
        number = parked.throw_away(rows.values_list("pk", flat=True))
        self.message_user(request, _("%d thrown away.") % number, messages.SUCCESS)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(QueueWorker)
class QueueWorkerAdmin(RecordAdmin):
    list_display = ("worker_id", "heartbeat_at")
