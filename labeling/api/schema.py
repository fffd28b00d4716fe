"""What the OpenAPI schema says of our keys. Imported where the addresses are made, so that it is known in time."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "labeling.accounts.keys.ApiKeyAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token <key>`, as `/api/v1/auth/token/` or a project's owner gives it.",
        }
