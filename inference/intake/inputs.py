"""From a request to pictures: multipart files, data URLs, ids of stored images, or addresses on the web.

The order of the request is the order of the answer. Stored images are read with one query and answered from their
features; everything else is bytes.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import BadPicture, Busy
from labeling.collecting import lookups
from labeling.errors import CrowdtuneError
from labeling.files.imaging import MAX_BYTES
from labeling.files.remote import DEADLINE, FetchRefused, fetch
from labeling.models import Image, Project
from labeling.resilience import outside
from labeling.text.slips import slips
from labeling.text.words import gettext as _

Spend = Callable[[int], Mapping[str, str]]
MAX_IMAGES = 64
MAX_TOP_K = 1000
KNOWN = ("images", "image", "top_k", "category")  # of a body, whether it asks for answers or for a heat map
PATIENCE = 60.0  # seconds that all addresses of a request have together: somebody's slow server holds a thread of ours
FETCHING = outside.half()  # requests that wait for servers of pictures
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,", re.ASCII)


@dataclass(frozen=True)
class Inputs:
    """``pictures[i]`` is bytes, pixels uint8 ``[size, size, 3]``, or a stored Image row.

    ``limits`` are the headers that tell what is left of the key's images.
    """

    pictures: tuple[bytes | NDArray[np.uint8] | Image, ...]
    top_k: int
    limits: Mapping[str, str] = field(default_factory=dict)

    @property
    def unknown(self) -> list[int]:
        """Positions of the pictures that came with the request."""
        return [index for index, picture in enumerate(self.pictures) if not isinstance(picture, Image)]


def _free(_images: int) -> Mapping[str, str]:
    """Nobody counts."""
    return {}


def from_files(files: Sequence[Any], top_k: Any, spend: Spend = _free) -> Inputs:
    """Uploaded files of a multipart request, under the name ``image``."""
    _check_files([file.size or 0 for file in files])
    return _counted(tuple(file.read() for file in files), _top_k(top_k), spend)


def from_bytes(files: Sequence[bytes], top_k: Any, spend: Spend = _free) -> Inputs:
    """The same, where the files are in memory already."""
    _check_files([len(file) for file in files])
    return _counted(tuple(files), _top_k(top_k), spend)


def _counted(pictures: tuple[bytes, ...], top_k: int, spend: Spend) -> Inputs:
    return Inputs(pictures, top_k, spend(len(pictures)))


def from_json(project: Project, body: Any, spend: Spend = _free) -> Inputs:
    """``{"images": ["data:…", {"id": 7}, {"url": "https://…"}], "top_k": 5}``.

    Args:
        spend: Called with the number of images before any address is fetched, and after all else was found in order:
            who may not ask any more makes us ask nobody.

    Raises:
        BadPicture: Names the first item that cannot be used.
    """
    if isinstance(body, Mapping):
        refuse_slips(body)
    items = body.get("images") if isinstance(body, Mapping) else None
    if isinstance(items, str | Mapping):
        items = [items]
    if not isinstance(items, list):
        items = []
    _check_count(len(items), _('Send `{"images": […]}`: data URLs, `{"id": …}` or `{"url": …}`.'))
    stored = _stored(project, items)
    given = [_picture(item, index, stored) for index, item in enumerate(items)]
    top_k = _top_k(body.get("top_k"))
    limits = spend(len(given))
    return Inputs(_with_fetched(given), top_k, limits)


def refuse_slips(names: Iterable[str]) -> None:
    """Whoever wrote `topk` would get another number of categories than was asked for.

    Raises:
        CrowdtuneError: invalid, by the first such name.
    """
    for name, told in slips(names, KNOWN).items():
        raise CrowdtuneError("invalid", f"{name}: {told[0]}", fields={name: told})


def _check_files(sizes: Sequence[int]) -> None:
    _check_count(len(sizes), _("Send one or more files in the multipart field `image`."))
    for index, size in enumerate(sizes):
        _check_size(size, index)


def _check_count(count: int, hint: str) -> None:
    if count == 0:
        raise BadPicture("no_image", _("The request has no image. %(hint)s") % {"hint": hint}, 0)
    if count > MAX_IMAGES:
        raise BadPicture(
            "too_many_images",
            _("At most %(max_images)s images per request; got %(count)s. Use a batch job for more.")
            % {"max_images": MAX_IMAGES, "count": count},
            MAX_IMAGES,
        )


def _check_size(size: int, index: int) -> None:
    if size > MAX_BYTES:
        message = _("Image %(index)s has %(size)s bytes; at most %(max_bytes)s MB are accepted.") % {
            "index": index + 1,
            "size": size,
            "max_bytes": MAX_BYTES // 2**20,
        }
        raise BadPicture("too_large", message, index, 413)


def _top_k(value: Any) -> int:
    if value in (None, ""):
        return 5
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else 0
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_TOP_K:
        message = _("`top_k` must be a whole number from 1 to %(max_top_k)s.") % {"max_top_k": MAX_TOP_K}
        raise CrowdtuneError("bad_top_k", message, field="top_k")
    return number


def _stored(project: Project, items: list[Any]) -> dict[int, Image]:
    asked = (_id(item.get("id")) for item in items if isinstance(item, Mapping))
    ids = [pk for pk in asked if pk is not None]
    return lookups.images(project_id=project.pk, ids=ids) if ids else {}


def _id(value: Any) -> int | None:
    """The id, where the value can be one, also as text: attributes of a page, say, are texts."""
    if isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def _picture(item: Any, index: int, stored: Mapping[int, Image]) -> bytes | Image | str:
    """What an item holds; of an address the text, for it is fetched last."""
    if isinstance(item, str):
        return _decoded(item, index)
    if isinstance(item, Mapping) and "id" in item:
        pk = _id(item["id"])
        if pk is None or pk not in stored:
            message = _("Image %(index)s: this project has no image with the id %(id)s.") % {
                "index": index + 1,
                "id": repr(item["id"]),
            }
            raise BadPicture("no_such_image", message, index, 404)
        return stored[pk]
    if isinstance(item, Mapping) and isinstance(item.get("url"), str):
        return str(item["url"])
    raise BadPicture(
        "bad_image",
        _('Image %(index)s: expected a data URL, {"id": …} or {"url": …}; got %(name)s.')
        % {"index": index + 1, "name": type(item).__name__},
        index,
    )


def _with_fetched(given: Sequence[bytes | Image | str]) -> tuple[bytes | Image, ...]:
    """What was given, with the bytes in the place of each address.

    Raises:
        BadPicture: Names the first that cannot be fetched.
        Busy: As many requests wait for other servers as may.
    """
    has_address = any(isinstance(one, str) for one in given)
    if has_address and not FETCHING.take():
        raise Busy
    try:
        end = time.monotonic() + PATIENCE
        return tuple(_fetched(one, at, end) if isinstance(one, str) else one for at, one in enumerate(given))
    finally:
        if has_address:
            FETCHING.leave()


def _fetched(url: str, index: int, end: float) -> bytes:
    try:
        return fetch(url, seconds=min(DEADLINE, end - time.monotonic()))
    except FetchRefused as error:
        message = _("Image %(index)s: %(message)s") % {"index": index + 1, "message": error.message}
        raise BadPicture(error.code, message, index, error.status) from error


def _decoded(text: str, index: int) -> bytes:
    match = _DATA_URL.match(text)
    if match is None:
        message = _(
            'Image %(index)s: a text must be a data URL, `data:image/jpeg;base64,…`; an address is `{"url": "https://…"}`.'
        ) % {"index": index + 1}
        raise BadPicture("bad_data_url", message, index)
    _check_size((len(text) - match.end()) * 3 // 4, index)
    try:
        return base64.b64decode(text[match.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadPicture(
            "bad_data_url",
            _("Image %(index)s: the base64 is damaged: %(error)s.") % {"index": index + 1, "error": error},
            index,
        ) from error
