"""Pictures under a prefix of an S3-compatible bucket that the platform's settings name.

Credentials and endpoint are those of the process (the usual AWS_ variables), never of a request, so a request may only
say *which* of the buckets in ``IMPORT_BUCKETS`` is read. Keys come in the bucket's own order, and an import that was
killed goes on after the last key that was written down, whatever was added to the bucket meanwhile.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (UTF-8 binary order, StartAfter).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError
from django.core.files.storage import storages

from labeling.errors import CrowdtuneError
from labeling.files.imaging import MAX_BYTES
from labeling.importing.s3 import client_config
from labeling.resilience import outages
from labeling.text.words import gettext as _

SETTING = "IMPORT_BUCKETS"


class Place(NamedTuple):
    bucket: str
    prefix: str


class Object(NamedTuple):
    key: str
    size: int


def allowed(address: str, buckets: Sequence[str]) -> Place:
    """``s3://bucket/prefix`` as a place that may be read.

    Args:
        address: What the caller typed.
        buckets: The setting: names of buckets, each with a prefix behind it where only that may be read.

    Raises:
        CrowdtuneError: invalid, or bucket_not_allowed with the setting that would allow it.
    """
    try:
        parts = urlsplit(address.strip())
    except ValueError:  # half a bracket
        parts = urlsplit("")
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise CrowdtuneError(
            "invalid",
            _("Expected s3://bucket/prefix, got %(address)s.") % {"address": f"{address!r:.200}"},
            field="s3",
        )
    place = Place(parts.netloc, parts.path.removeprefix("/"))
    for entry in buckets:
        bucket, _slash, prefix = entry.removeprefix("s3://").partition("/")
        if bucket == place.bucket and place.prefix.startswith(prefix):
            return place
    known = (
        _("it names %(buckets)s") % {"buckets": ", ".join(buckets)}
        if buckets
        else _("it is empty, so none may be read")
    )
    raise CrowdtuneError(
        "bucket_not_allowed",
        _("The setting %(setting)s does not allow %(address)s: %(known)s. Whoever runs this platform can add it there.")
        % {"setting": SETTING, "address": f"{address!r:.200}", "known": known},
        403,
        field="s3",
    )


def objects(place: Place, *, after: str = "") -> Iterator[Object]:
    """Everything under the prefix but folders, after a key, in the bucket's order.

    Raises:
        CrowdtuneError: bucket_unreadable.
    """
    pages = client(place.bucket).get_paginator("list_objects_v2")
    start = {"StartAfter": after} if after else {}
    try:
        for page in pages.paginate(Bucket=place.bucket, Prefix=place.prefix, **start):
            for row in page.get("Contents", ()):
                if not row["Key"].endswith("/"):
                    yield Object(row["Key"], int(row["Size"]))
    except (BotoCoreError, ClientError) as error:
        raise CrowdtuneError(
            "bucket_unreadable",
            _(
                "The bucket %(bucket)s cannot be listed: %(reason)s. Its address and credentials are "
                "those of the platform (AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION)."
            )
            % {"bucket": place.bucket, "reason": reason(error)},
        ) from error


def read(place: Place, found: Object) -> bytes:
    """One object's bytes.

    Raises:
        CrowdtuneError: too_large, missing or fetch_failed.
    """
    if found.size > MAX_BYTES:
        raise _too_large(found.size)
    try:
        try:
            data = _whole(place, found)
        except IncompleteReadError:
            data = _whole(place, found)
    except (BotoCoreError, ClientError, OSError) as error:
        if outages.store_is_away(error):  # that is not this object's fault
            raise
        code = "missing" if reason(error) == "NoSuchKey" else "fetch_failed"
        raise CrowdtuneError(code, _("The object cannot be read: %(reason)s.") % {"reason": reason(error)}) from error
    if len(data) > MAX_BYTES:  # it has grown since it was listed
        raise _too_large(len(data))
    return data


def _whole(place: Place, found: Object) -> bytes:
    """The bytes, as many as are taken and one more.

    Raises:
        IncompleteReadError: The download broke off.
    """
    body = client(place.bucket).get_object(Bucket=place.bucket, Key=found.key)["Body"]
    data: bytes = body.read(MAX_BYTES + 1)
    body.read(1)  # only where nothing follows does the library look whether all came that was announced
    return data


def _too_large(size: int) -> CrowdtuneError:
    return CrowdtuneError(
        "too_large",
        _("At most %(max_bytes)s MB are accepted per file; this has %(size)s bytes.")
        % {"max_bytes": MAX_BYTES // 2**20, "size": size},
    )


def name_of(place: Place, key: str) -> str:
    """The key below the prefix's last folder: what a person calls the file."""
    folder = place.prefix.rpartition("/")[0]
    return PurePosixPath(key).relative_to(folder).as_posix() if folder and key.startswith(f"{folder}/") else key


def client(bucket: str) -> Any:
    """boto3's client, made as the platform's own storage makes it: one for each thread."""
    return _stored(bucket).connection.meta.client


@lru_cache(maxsize=8)
def _stored(bucket: str) -> Any:
    options = {"bucket_name": bucket, "client_config": client_config()}
    return storages.create_storage({"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options})


def reason(error: Exception) -> str:
    """The service's own code, without addresses or keys."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "refused"))
    return type(error).__name__
