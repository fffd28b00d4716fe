"""The staff's view of the labeling room: everything is there to be found and read.

What people said, what was paid and what was changed is never edited here: owners change settings on their own pages,
where each change is logged, and judgments are append-only. Staff may take back keys, and manage accounts.
Source: https://unfoldadmin.com/docs/
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from labeling.models import (
    ApiKey,
    Appeal,
    Assignment,
    AuditEntry,
    Category,
    Consensus,
    Gold,
    Image,
    Job,
    Judgment,
    Membership,
    Project,
    Question,
    Rule,
    Task,
    Webhook,
)

LONG = (models.JSONField, models.TextField, models.BinaryField)


class RecordAdmin(ModelAdmin):
    """Rows that the platform writes: to search and read, not to change. Its default columns are the short fields."""

    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True

    def get_list_display(self, request: HttpRequest) -> Any:
        if tuple(self.list_display) != ("__str__",):
            return self.list_display
        short = [f.name for f in self.model._meta.concrete_fields if not isinstance(f, LONG)]
        return short[:8]

    def get_list_select_related(self, request: HttpRequest) -> Any:
        shown = self.get_list_display(request)
        names = [field.name for field in self.model._meta.concrete_fields if field.is_relation and field.name in shown]
        return self.list_select_related or names or False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def register(*rows: tuple[type[models.Model], str, str, str]) -> None:
    """Register records: of each the columns of its list, what it is filtered and what it is searched by."""
    for model, shown, filters, search in rows:
        options: dict[str, Any] = {"list_filter": filters.split(), "search_fields": search.split()}
        admin.site.register(model, RecordAdmin, **options, **({"list_display": shown.split()} if shown else {}))


def register_rest(app_label: str) -> None:
    """Register every model of a room that has no page of its own yet."""
    for model in apps.get_app_config(app_label).get_models():
        if not admin.site.is_registered(model):
            admin.site.register(model, RecordAdmin)


@admin.register(Project)
class ProjectAdmin(RecordAdmin):
    list_display = ("name", "slug", "owner", "access", "image_count", "judgment_count", "is_paused", "pages")
    list_filter = ("access", "workflow", "is_paused", "is_demo", ("archived_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "slug", "owner__username")

    @admin.display(description=_("Owner's pages"))
    def pages(self, row: Project) -> SafeString:
        return format_html('<a href="{}">{}</a>', reverse("project-overview", args=[row.slug]), _("Open"))


@admin.register(Appeal)
class AppealAdmin(RecordAdmin):
    list_display = ("worker", "project", "state", "text", "created_at", "decided_by")
    list_select_related = ("membership__user", "membership__project", "decided_by")
    list_filter = ("state",)
    search_fields = ("membership__user__username", "text")

    @admin.display(description=_("Worker"))
    def worker(self, row: Appeal) -> str:
        return str(row.membership.user)

    @admin.display(description=_("Project"))
    def project(self, row: Appeal) -> str:
        return str(row.membership.project)


@admin.register(Webhook)
class WebhookAdmin(RecordAdmin):
    list_display = ("url", "project", "is_active", "created_at")
    exclude = ("secret",)
    search_fields = ("url", "project__slug")


@admin.register(ApiKey)
class ApiKeyAdmin(RecordAdmin):
    """Keys can be taken back here; their text is nowhere."""

    list_display = ("prefix", "name", "user", "project", "scopes", "last_used_at", "expires_at")
    exclude = ("digest", "of_password")
    search_fields = ("prefix", "name", "user__username")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.has_perm("labeling.delete_apikey"))


register(
    (Membership, "user project role phase judgment_count accuracy is_paused earned",
     "role phase is_paused", "user__username project__name project__slug"),
    (Category, "name key project parent wordnet_id position", "", "name key wordnet_id project__slug"),
    (Question, "prompt key kind project stage required", "kind", "prompt key project__slug"),
    (Image, "name project width height byte_count created_at", "", "name =sha256 project__slug"),
    (Task, "id project image stage state retired_because judgment_count priority",
     "state retired_because is_gold", "=id project__slug image__name"),
    (Gold, "task use source answers", "use", "=task__id source"),
    (Assignment, "id project worker state reason created_at expires_at",
     "state", "=id worker__username project__slug"),
    (Judgment, "id project worker task answers seconds source created_at withdrawn_at",
     "source is_gold", "=id worker__username project__slug"),
    (Consensus, "id project question answer confidence method is_final decided_by",
     "method is_final", "=task__id project__slug"),
    (Job, "id kind project state progress attempts message created_at", "state kind", "=id project__slug message"),
    (AuditEntry, "created_at project user action changes", "action", "project__slug user__username action"),
    (Rule, "project measure window comparison threshold action is_active",
     "measure action is_active", "project__slug message"),
)  # fmt: skip
register_rest("labeling")
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """A name that Django's own rule refuses (of a file, or with vowel signs) stays; the rest can be saved."""
        read_only = super().get_readonly_fields(request, obj)
        try:
            UnicodeUsernameValidator()(obj.username if obj else "new")
        except ValidationError:
            return (*read_only, "username")
        return read_only


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
