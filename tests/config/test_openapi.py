"""The schema is complete, is the one that docs/ shows, and says how every call refuses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft4Validator

from config import api_guide
from config.api_guide import EXAMPLES
from config.errors import CODES
from labeling.errors import CrowdtuneError
from tests import ROOT

SNAPSHOT = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return yaml.safe_load(yaml.safe_dump(_plain(made)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def test_the_schema_is_valid_openapi(schema: dict[str, Any]) -> None:
    validate_schema(schema)


def test_what_is_taken_where_a_body_is_silent_could_have_been_sent(schema: dict[str, Any]) -> None:
    """A strict validator refuses the whole document for one default that its own schema does not allow."""
    parts = {
        f"{name}.{key}": part
        for name, component in schema["components"]["schemas"].items()
        for key, part in component.get("properties", {}).items()
        if part.get("default") is not None and "type" in part
    }
    assert len(parts) > 10
    validators = {name: Draft4Validator({**part, "components": schema["components"]}) for name, part in parts.items()}
    assert [name for name, part in parts.items() if not validators[name].is_valid(part["default"])] == []


def test_a_list_of_calls_says_what_each_does(schema: dict[str, Any]) -> None:
    calls = [call for methods in schema["paths"].values() for call in methods.values() if "description" in call]
    assert all(call["description"].replace("\n", " ").startswith(call["summary"]) for call in calls)
    assert schema["paths"]["/api/v1/projects/{slug}/training-runs/"]["post"]["summary"] == "Train now"


def test_an_example_stands_at_each_call_that_it_is_for_and_is_what_that_takes(schema: dict[str, Any]) -> None:
    calls = {call["operationId"]: call for methods in schema["paths"].values() for call in methods.values()}
    assert set(EXAMPLES) <= set(calls)
    for name, example in EXAMPLES.items():
        body = calls[name]["requestBody"]["content"]["application/json"]
        assert body["example"] == example
        Draft4Validator({**body["schema"], "components": schema["components"]}).validate(example)


def test_every_code_of_a_refusal_is_explained(schema: dict[str, Any]) -> None:
    refusals = {"CrowdtuneError", "AuthenticationFailed", *(one.__name__ for one in _below(CrowdtuneError))}
    used = set(CODES.values())
    files = [file for room in ("labeling", "training", "inference", "config") for file in (ROOT / room).rglob("*.py")]
    for file in files:
        if "learning" not in file.parts:  # what stops a run there is told in its `failure`, by words
            used |= set(_codes(ast.parse(file.read_text()), refusals))
    explained = {code for codes in api_guide.CODES.values() for code in codes}
    assert (used - explained, "bad_token" in used, "survey_changed" in used) == (set(), True, True)
    assert all(f"`{code}`" in schema["info"]["description"] for code in explained)


def _below(kind: type) -> list[type]:
    return [one for child in kind.__subclasses__() for one in (child, *_below(child))]


def _codes(tree: ast.AST, refusals: set[str]) -> Iterator[str]:
    """What stands where the code of a refusal does."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in refusals:
            first = call.args[1:2] if call.func.id == "AuthenticationFailed" else call.args[:1]
            given = [*first, *(word.value for word in call.keywords if word.arg == "code")]
            texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            yield from (text for text in texts if re.fullmatch("[a-z]+(_[a-z]+)*", text))


def test_the_snapshot_is_the_schema(schema: dict[str, Any]) -> None:
    """When this fails on purpose: ``python manage.py spectacular --file docs/openapi.yaml`` and look at the diff."""
    assert yaml.safe_load(SNAPSHOT.read_text()) == schema


def test_no_part_of_the_schema_has_a_name_made_up_for_it(schema: dict[str, Any]) -> None:
    """Two lists of the same words collide and get a name with a hash: give them one in ENUM_NAME_OVERRIDES."""
    assert [name for name in schema["components"]["schemas"] if re.search(r"[0-9a-f]{3}Enum$", name)] == []


def test_every_operation_says_how_it_refuses(schema: dict[str, Any]) -> None:
    silent = [
        f"{method} {path}"
        for path, methods in schema["paths"].items()
        if path.startswith(("/api/v1/", "/v2"))
        for method, operation in methods.items()
        if not any(code == "default" or code.startswith("4") for code in operation["responses"])
    ]
    assert silent == []


def test_every_operation_has_a_name_and_a_place(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for methods in schema["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_address_of_the_api_is_in_the_schema(schema: dict[str, Any]) -> None:
    addresses = [re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{address}") for address in _addresses(get_resolver(), "")]
    calls = {address for address in addresses if address.startswith(("/api/v1/", "/v2"))}
    assert calls
    assert calls - set(schema["paths"]) == set()


def _addresses(resolver: URLResolver, prefix: str) -> list[str]:
    found = []
    for pattern in resolver.url_patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            found.append(address)
        else:
            found += _addresses(pattern, address)
    return found


def test_lists_are_described_as_the_pages_that_they_are(schema: dict[str, Any]) -> None:
    paths = schema["paths"]
    for name in ("images", "tasks", "judgments", "labels", "jobs", "workers", "audit", "rules", "webhooks", "appeals"):
        listed = paths[f"/api/v1/projects/{{slug}}/{name}/"]["get"]
        answer = listed["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["$ref"].startswith("#/components/schemas/Paginated"), name
        assert {"cursor", "page_size"} <= {row["name"] for row in listed["parameters"]}, name


def test_what_may_be_nobody_or_nothing_is_described_so(schema: dict[str, Any]) -> None:
    """A client made from the schema breaks on a null that it was not told of."""
    shapes = schema["components"]["schemas"]
    for name, field in (("Category", "parent"), ("Audit", "user"), ("Run", "requested_by")):
        assert shapes[name]["properties"][field].get("nullable"), f"{name}.{field}"


def test_what_is_made_is_answered_by_201(schema: dict[str, Any]) -> None:
    for made in ("", "{slug}/copy/"):
        responses = schema["paths"][f"/api/v1/projects/{made}"]["post"]["responses"]
        assert [code for code in responses if code[0] == "2"] == ["201"]
    assert "id" in schema["components"]["schemas"]["Question"]["properties"]


def test_a_time_of_day_is_not_described_as_one_with_an_offset(schema: dict[str, Any]) -> None:
    assert "format" not in schema["components"]["schemas"]["Policy"]["properties"]["daily_at"]


def test_every_address_tells_by_options_what_it_takes() -> None:
    found = [(path, callback) for path, _regex, _method, callback in EndpointEnumerator().get_api_endpoints()]
    silent = {path for path, callback in found if "OPTIONS" not in callback.cls(**callback.initkwargs).allowed_methods}
    assert (len(found) > 50, silent) == (True, {"/api/docs/"})
