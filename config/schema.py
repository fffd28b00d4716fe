"""The last touch on the OpenAPI schema: every operation says in what shape it refuses."""

from __future__ import annotations

from typing import Any

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


def document_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's hook, after the schema is made: a ``default`` response wherever none is told."""
    result.setdefault("components", {}).setdefault("schemas", {})["Refusal"] = ERROR
    refusal = {
        "description": "Refused: 4xx with the reason.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
    }
    for path, methods in result.get("paths", {}).items():
        if path.startswith("/api/v1/"):
            for operation in methods.values():
                operation["responses"].setdefault("default", refusal)
    return result
