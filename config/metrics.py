"""``/metrics`` for Prometheus: requests and database by django-prometheus, the queue and the loop's figures by us.

For staff and for this machine only: the figures name no person, but say how much work is done here. A request that a
proxy passed on is not from this machine, whatever its peer address.
Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

from django.db.models import Count, Min, Sum
from django.db.models.fields.json import KT
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from rest_framework.exceptions import AuthenticationFailed

from config import env
from config.errors import plain
from config.models import QueuedMessage
from config.processes import guard
from inference.monitoring import figures
from labeling.accounts import permissions
from labeling.accounts.keys import ApiKeyAuthentication
from labeling.models import Project

if TYPE_CHECKING:
    from rest_framework.request import Request

# What proxies add, each some of it.
PASSED_ON = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")


class Figures:
    """Read from the database at each scrape, so that every process tells the same."""

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        names = {"images": "image", "tasks": "task", "retired_tasks": "retired", "judgments": "judgment"}
        totals = Project.objects.aggregate(**{name: Sum(f"{column}_count") for name, column in names.items()})
        for name, value in totals.items():
            yield GaugeMetricFamily(f"crowdtune_{name}", "Sum over all projects.", value=value or 0)
        yield from self._drift()

    def _drift(self) -> Iterator[Metric]:
        """Of the last day with requests of each champion, where that is today or yesterday (UTC)."""
        names = {"input_drift": "Distance of the requests; 1 is what chance reaches.",
                 "input_drift_alarm": "Beyond it the alarm is given.",
                 "novel_share": "Share of the requests' images that are unlike all training images.",
                 "novel_share_alarm": "Beyond it the alarm is given.",
                 "class_drift": "Stability index of the predicted classes.",
                 "class_drift_alarm": "Beyond it the alarm is given.",
                 "drift_alarm": "1 where it is given."}  # fmt: skip
        gauges = {
            name: GaugeMetricFamily(f"crowdtune_{name}", said, labels=["project"]) for name, said in names.items()
        }
        for slug, row in figures.drift_now().items():
            values = (row["input_drift"], row["input_alarm"], row["novel_share"], row["novel_alarm"],
                      row["class_drift"], row["class_alarm"], row["is_alarm"])  # fmt: skip
            for gauge, value in zip(gauges.values(), values, strict=True):
                if value is not None:
                    gauge.add_metric([slug], float(value))
        yield from gauges.values()

    def _queue(self) -> Iterator[Metric]:
        rows = QueuedMessage.objects.values("queue_name", "state").annotate(count=Count("pk"), oldest=Min("mtime"))
        count = GaugeMetricFamily("crowdtune_queue_messages", "Background messages.", labels=["queue", "state"])
        age = GaugeMetricFamily(
            "crowdtune_queue_oldest_seconds", "Since the oldest changed its state.", labels=["queue", "state"]
        )
        now = timezone.now()
        for row in rows:
            labels = [row["queue_name"], row["state"]]
            count.add_metric(labels, row["count"])
            age.add_metric(labels, (now - row["oldest"]).total_seconds())
        parked = GaugeMetricFamily("crowdtune_queue_parked", "Messages given up, by actor.", labels=["actor"])
        given_up = QueuedMessage.objects.filter(state=QueuedMessage.State.REJECTED)
        for actor, number in given_up.values_list(KT("message__actor_name")).annotate(Count("pk")):
            parked.add_metric([actor], number)
        yield from (count, age, parked)


FIGURES = CollectorRegistry()
FIGURES.register(Figures())


@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    if not (_from_this_machine(request) or _from_staff(request)):
        return plain(request, 403, _("Metrics are for staff, or from this machine."))
    return HttpResponse(_counted() + generate_latest(FIGURES), content_type=CONTENT_TYPE_LATEST)


def _counted() -> bytes:
    """What this web process counted, or all of them where there are several (``config.web``)."""
    folder = env.string("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest(REGISTRY)
    for file in Path(folder).glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not guard.is_alive(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _from_staff(request: HttpRequest) -> bool:
    """A browser's session, or a key, which is all that Prometheus can send: one that manages, of no single project."""
    try:
        found = ApiKeyAuthentication().authenticate(cast("Request", request))
    except AuthenticationFailed:
        return False
    user, key = found or (request.user, None)
    return bool(user.is_staff) and (key is None or (key.project_id is None and permissions.key_has(user, "manage")))


def _from_this_machine(request: HttpRequest) -> bool:
    if any(name in request.headers for name in PASSED_ON):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
