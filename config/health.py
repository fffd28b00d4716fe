"""Whether the platform lives (``/healthz``) and can do its work (``/readyz``), for people, supervisors and balancers.

``/healthz`` touches nothing: a process that answers is alive, and killing it would not mend its database. ``/readyz``
tries each part that a request may need, and answers 503 with what is wrong.
Source: https://codingjoe.dev/django-health-check/
"""

from __future__ import annotations

import dataclasses
import logging

import dramatiq
from django.conf import settings
from django.db import Error, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from health_check.base import HealthCheck
from health_check.checks import Database, Storage
from health_check.exceptions import HealthCheckException, ServiceUnavailable

from config.models import QueuedMessage
from training.models import ModelVersion

logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Queue(HealthCheck):
    """A message could be sent now."""

    def run(self) -> None:
        broker = dramatiq.get_broker()
        try:
            if not settings.BROKER_URL:
                QueuedMessage.objects.exists()
            elif hasattr(broker, "client"):
                broker.client.ping()
            else:
                broker.connection.process_data_events()  # type: ignore[attr-defined]
        except Error as error:
            raise ServiceUnavailable("The queue's database does not answer.") from error


@dataclasses.dataclass
class Models(HealthCheck):
    """Every champion's files are where this process can read them."""

    def run(self) -> None:
        champions = ModelVersion.objects.filter(alias=ModelVersion.Alias.CHAMPION)
        for number, artifact in champions.values_list("number", "artifact"):
            if not (settings.DATA_DIR / artifact / "manifest.json").is_file():
                raise ServiceUnavailable(f"The files of model version {number} ({artifact}) are not in DATA_DIR.")


CHECKS: dict[str, type[HealthCheck]] = {"database": Database, "queue": Queue, "storage": Storage, "model": Models}


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("alive\n", content_type="text/plain")


@never_cache
@transaction.non_atomic_requests
def readyz(request: HttpRequest) -> JsonResponse:
    answers = {name: _outcome(check()) for name, check in CHECKS.items()}
    ready = all(answer == "ok" for answer in answers.values())
    return JsonResponse({"ready": ready, "checks": answers}, status=200 if ready else 503)


def _outcome(check: HealthCheck) -> str:
    try:
        check.run()
    except HealthCheckException as error:
        return str(error)
    except Exception as error:
        logger.warning("check %r failed", check, exc_info=True)
        return f"failed ({type(error).__name__}); the log says more"
    return "ok"
