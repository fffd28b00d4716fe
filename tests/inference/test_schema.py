"""Whatever a caller sends to any address of the API, nothing breaks on our side.

schemathesis makes the requests out of the schema, good ones and bad ones; a fixed seed, few examples an operation.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error

from config.wsgi import application
from labeling.keys import create_key

EXAMPLES = 6


@pytest.fixture
def api_schema(project: Any, champion: Any, add_images: Any) -> Any:
    add_images(range(2))
    return schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)


schema = schemathesis.pytest.from_fixture("api_schema")


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_request_breaks_the_api(case: Any) -> None:
    key = create_key(user=User.objects.get(username="owner"))[1]
    if "slug" in case.path_parameters:
        case.path_parameters["slug"] = "colours"
    response = case.call(headers={"Authorization": f"Token {key}"})
    case.validate_response(response, checks=[not_a_server_error])
