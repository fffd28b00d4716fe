"""The staff admin: every row of every room is there, can be listed and opened, and records cannot be changed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import CharField, JSONField, TextField
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.models import QueuedMessage
from labeling import services
from labeling.models import (
    Appeal,
    AuditEntry,
    CategoryExample,
    Judgment,
    Membership,
    Project,
    Rule,
    RuleEvent,
    Webhook,
    WebhookDelivery,
)
from tests.labeling.conftest import picture

pytestmark = pytest.mark.django_db
ROOMS = ("labeling", "training", "inference", "config")
MODELS = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff", password="a long one"))
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_registered_and_its_list_can_be_searched(model: Any, staff: Client) -> None:
    assert admin.site.is_registered(model)
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    assert staff.get(address, {"q": "x"} if admin.site._registry[model].search_fields else {}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_says_what_it_is_and_asks_nothing_for_it(model: Any, django_assert_num_queries: Any) -> None:
    def some(field: Any) -> Any:
        return {} if isinstance(field, JSONField) else "x" if isinstance(field, CharField | TextField) else 1

    row = model(**{field.attname: some(field) for field in model._meta.concrete_fields if not field.has_default()})
    with django_assert_num_queries(0):
        told = str(row)
    assert "object (" not in told
    assert told


def test_a_list_asks_as_often_for_many_rows_as_for_one(staff: Client) -> None:
    project = services.create_project(owner=User.objects.get(username="staff"), name="Cats", categories=["cat", "dog"])
    rule = Rule.objects.create(project=project, measure="gold_accuracy", threshold=0.5, action="warn")
    lists = ["ruleevent", "appeal", "membership", "webhookdelivery", "categoryexample"]

    def add(name: str) -> None:
        user = User.objects.create_user(name)
        member = Membership.objects.create(project=project, user=user)
        RuleEvent.objects.create(rule=rule, membership=member, measured=0.2, description="Slow")
        Appeal.objects.create(membership=member, text="No!")
        hook = Webhook.objects.create(project=project, url=f"https://example.org/{name}")
        WebhookDelivery.objects.create(webhook=hook, event="task.retired", payload={})
        CategoryExample.objects.create(category=project.categories.get(key="cat"), file=name, width=1, height=1)

    def asked() -> dict[str, int]:
        found = {}
        for name in lists:
            with CaptureQueriesContext(connection) as queries:
                assert staff.get(f"/admin/labeling/{name}/").status_code == 200
            found[name] = len(queries)
        return found

    add("ann")
    asked()
    before = asked()
    for name in ("bob", "cyd", "dee"):
        add(name)
    assert asked() == before


@pytest.mark.parametrize("model", [Judgment, AuditEntry, Project], ids=lambda model: model.__name__)
def test_records_cannot_be_added_changed_or_deleted(model: Any, staff: Client) -> None:
    page = admin.site._registry[model]
    request: Any = type("Request", (), {"user": User.objects.get(username="staff")})()
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_a_record_can_be_opened(staff: Client) -> None:
    project = services.create_project(owner=User.objects.get(username="staff"), name="Cats", categories=["cat", "dog"])
    assert b"Cats" in staff.get(reverse("admin:labeling_project_change", args=[project.pk])).content


def test_lists_name_the_picture_that_a_row_is_of(staff: Client) -> None:
    owner = User.objects.get(username="staff")
    project = services.create_project(owner=owner, name="Pets", categories=["cat", "dog"])
    services.add_images(project=project, images={"rex.png": picture(1)})
    assert "rex.png" in staff.get("/admin/labeling/task/").content.decode()


def test_a_person_who_is_not_staff_is_sent_away(client: Client) -> None:
    client.force_login(User.objects.create_user("worker1"))
    assert client.get("/admin/labeling/project/").status_code == 302


def park(actor: str) -> uuid.UUID:
    key = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO dramatiq_queue (message_id, queue_name, state, message, deliveries, reason)"
            " VALUES (%s, 'cpu', 'rejected', jsonb_build_object('actor_name', %s::text), 5, 'its workers died')",
            [key, actor],
        )
    return key


def test_a_parked_message_is_shown_with_its_reason_and_can_be_sent_again(staff: Client) -> None:
    key = park("import_images")
    address = reverse("admin:config_queuedmessage_changelist")
    page = staff.get(address, {"state__exact": "rejected"}).content.decode()
    assert "import_images" in page
    assert "its workers died" in page
    staff.post(address, {"action": "send_again", "_selected_action": [str(key)]})
    row = QueuedMessage.objects.get(pk=key)
    assert (row.state, row.deliveries, row.reason) == ("queued", 0, "")


def test_only_parked_messages_are_thrown_away(staff: Client) -> None:
    gone, stays = park("a"), park("b")
    QueuedMessage.objects.filter(pk=stays).update(state="queued")
    address = reverse("admin:config_queuedmessage_changelist")
    staff.post(address, {"action": "throw_away", "_selected_action": [str(gone), str(stays)]})
    assert list(QueuedMessage.objects.values_list("pk", flat=True)) == [stays]
