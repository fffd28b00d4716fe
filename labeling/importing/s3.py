"""How the library of S3 is to speak to a store, wherever we do: to the platform's own and to those images come from."""

from __future__ import annotations

from typing import Any

from botocore.config import Config

# Of a request, so that an import of thousands comes through a store that refuses one of ten for a moment.
TRIES = 4
TRIES_OF_WEB = 2  # where a person waits, and a thread that others need


def client_config(tries: int | None = None) -> Any:
    """By itself the library waits five minutes for a store that hangs, and signs addresses in the way of 2006 where the
    region is us-east-1 (so at most stores that are not Amazon's), which new buckets refuse.

    Sources: https://github.com/boto/boto3/issues/2680, botocore.config.Config
    """
    return Config(
        signature_version="s3v4",
        connect_timeout=5,
        read_timeout=20,
        retries={"total_max_attempts": tries or TRIES, "mode": "standard"},
    )
