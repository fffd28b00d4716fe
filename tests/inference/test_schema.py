"""Whatever a caller sends to any address of the API, nothing breaks on our side, and no answer is one that the schema
does not tell of.

schemathesis makes the requests out of the schema, good ones and bad ones; a fixed seed, few examples an operation. Its
pytest plugin does not know this pytest yet, so its strategies are run by hypothesis here.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from config.wsgi import application
from labeling.accounts.keys import create_key

EXAMPLES = 3
CONFORMANCE = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]


# Threads of the connection pool draw from `random`, too, and hypothesis takes it for the strategies' doing.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_no_request_breaks_the_api_or_is_answered_as_no_schema_says(
    project: Any, champion: Any, add_images: Any, owner: Any
) -> None:
    add_images(range(2))
    headers = {"Authorization": f"Token {create_key(user=owner)[1]}"}
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
    broken: list[str] = []
    count = 0

    def try_out(operation: Any) -> None:
        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def run(case: Any) -> None:
            nonlocal count
            count += 1
            if "slug" in (case.path_parameters or {}) and case.method != "DELETE":
                case.path_parameters["slug"] = project.slug
            response = case.call(headers=headers)
            if response.status_code >= 500 and response.status_code != 503:
                broken.append(f"{case.method} {case.path}: {response.status_code} {response.text[:300]}")
            try:
                case.validate_response(response, checks=CONFORMANCE)
            except FailureGroup as failures:
                broken.append(f"{case.method} {case.path}: {response.status_code} {failures.exceptions}")

        run()

    for result in schema.get_all_operations():
        try_out(result.ok())
    assert not broken, "\n".join(broken)
    assert count > 100
