"""From a database, mail or storage address in the environment to Django's setting of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from config.env import EnvError


def postgres(url: str, *, pool_size: int) -> dict[str, Any]:
    """``postgresql://user:password@host:port/name?option=value`` -> one entry of DATABASES.

    A Unix socket is given as ``?host=/its/folder``, as libpq does. Connections are pooled per process and looked at
    before use (``config.pooled``), so that a restart of the database costs no failed request.
    """
    try:
        parts = urlsplit(url)
        port = str(parts.port or "")
    except ValueError as error:  # the address holds a password, so it is not shown
        raise EnvError(
            "DATABASE_URL must be postgresql://user:password@host:port/name with a number for the port; what is special"
            " in the password must be percent-encoded (%23 for #, %2F for /, %40 for @)."
        ) from error
    if parts.scheme not in {"postgres", "postgresql"}:
        raise EnvError(f"DATABASE_URL must start with postgresql://, got {parts.scheme or 'no scheme'!r}.")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", unquote(parts.hostname or ""))
    # Only what is prepared by hand is cached as a plan (claims and answers), and planning it would cost more than
    # running it; compiling a query that takes a millisecond is never worth it.
    options.setdefault("options", "-c plan_cache_mode=force_generic_plan -c jit=off")
    # Without a number here nothing is ever prepared, not even what asks for it; this one says: only what asks for it.
    options.setdefault("prepare_threshold", 1_000_000_000)
    options["pool"] = {"min_size": 0, "max_size": pool_size, "timeout": 10}
    return {
        "ENGINE": "config.pooled",
        "NAME": unquote(parts.path.lstrip("/")) or "crowdtune",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "OPTIONS": options,
    }


def of_driver(parameters: dict[str, Any]) -> dict[str, Any]:
    """Of the parameters of a connection of Django's, those that psycopg itself takes."""
    ours = {"cursor_factory", "context", "prepare_threshold", "pool"}
    return {name: value for name, value in parameters.items() if name not in ours}


def mail(url: str) -> dict[str, Any]:
    """``smtp://user:password@host:port`` (STARTTLS where there is a password) or ``smtps://…`` -> settings of Django.

    Unset: no mail leaves, and none is written to the log either, where a link that resets a password has no place.
    """
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EnvError("EMAIL_URL must be smtp://user:password@host:port with a number for the port.") from error
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise EnvError("EMAIL_URL must be smtp://user:password@host:port or smtps://…, or unset.")
    tls = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or (465 if tls else 587 if parts.password else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": tls,
        "EMAIL_USE_TLS": bool(parts.password) and not tls,
        "EMAIL_TIMEOUT": 10,
    }


def storage(url: str) -> dict[str, Any]:
    """``s3://bucket[/prefix]`` (credentials and endpoint by the usual AWS_ variables), or files under MEDIA_ROOT."""
    if not url:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"file_permissions_mode": 0o640, "allow_overwrite": True},
        }
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise EnvError(f"STORAGE_URL must be s3://bucket, or unset for files under DATA_DIR; got {url!r}.")
    from labeling.importing.s3 import client_config  # here: most installs keep their files in a folder

    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": parts.netloc,
            "location": parts.path.strip("/"),
            "file_overwrite": True,
            "querystring_auth": True,
            "default_acl": None,
            "client_config": client_config(),
            "max_memory_size": 2**23,  # a larger file, as an archive, is read from a temporary one; unset, from memory
        },
    }
