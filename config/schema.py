"""The last touch on the OpenAPI schema: every operation says what it does in a line, and in what shape it refuses."""

from __future__ import annotations

import re
from typing import Any

from config import api_guide

ERROR: dict[str, Any] = {
    "type": "object",
    "description": "The one shape of every refusal.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields"],
            "properties": {
                "code": {"type": "string", "description": "A word for programs."},
                "message": {"type": "string", "description": "What was expected, what came, what to do."},
                "fields": {
                    "type": "object",
                    "additionalProperties": {},
                    "description": "Field -> what is wrong, a list; `image` -> the place, from 0, of what was refused.",
                },
            },
        }
    },
}


OF_PROTOCOL: dict[str, Any] = {
    "description": "Refused: 4xx with the reason, in the shape of the Open Inference Protocol.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
        }
    },
}


def document_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook, after the schema is made: a ``default`` response wherever none is told."""
    result.setdefault("components", {}).setdefault("schemas", {})["Refusal"] = ERROR
    refusal = {
        "description": "Refused: 4xx with the reason.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
    }
    for path, methods in result.get("paths", {}).items():
        for operation in methods.values():
            if path.startswith("/api/v1/"):
                operation["responses"].setdefault("default", refusal)
            elif path.startswith("/v2"):
                operation["responses"].setdefault("default", OF_PROTOCOL)
    return result


def summarize(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: the first sentence of an operation's description is what a list of operations shows."""
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            told = " ".join(operation.get("description", "").split())
            if told and "summary" not in operation:
                operation["summary"] = re.split(r"(?<=[.;])\s", told)[0].rstrip(".;")
    return result


def guide(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook: what a newcomer reads first, and bodies that work."""
    result["info"]["description"] = api_guide.description()
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            example = api_guide.EXAMPLES.get(operation["operationId"])
            if example is not None:
                operation["requestBody"]["content"]["application/json"]["example"] = example
    return result
