"""What can be asked about: a path, bytes, an open file, an image that the project has stored, or one on the web.

A text that begins with http:// or https:// is an address on the web, and no path.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from crowdtune_client.errors import CrowdtuneError


@dataclass(frozen=True)
class StoredImage:
    """An image of the project; answered from its features, so quickest."""

    id: int


@dataclass(frozen=True)
class RemoteImage:
    """An image at a public address, fetched by the server."""

    url: str


Picture = str | Path | bytes | BinaryIO | StoredImage | RemoteImage


def meant(picture: Picture) -> Picture:
    """The same, and an address that is written as a text as what it is."""
    if isinstance(picture, str) and picture.lower().startswith(("http://", "https://")):
        return RemoteImage(picture)
    return picture


def as_list(pictures: Picture | Sequence[Picture]) -> Sequence[Picture]:
    if isinstance(pictures, (str, Path, bytes, StoredImage, RemoteImage)):
        return [meant(pictures)]
    if hasattr(pictures, "read"):  # an open file is a sequence of its lines, too
        return [cast("BinaryIO", pictures)]
    several = [meant(picture) for picture in pictures]
    if not several:
        raise CrowdtuneError("Expected a picture, or several; got none.")
    return several


def payload(pictures: Sequence[Picture], top_k: int) -> dict[str, Any]:
    """Keyword arguments of httpx: multipart where every picture is a file, JSON where one of them is not."""
    if not any(isinstance(picture, (StoredImage, RemoteImage)) for picture in pictures):
        files = [("image", (name(picture), read(picture))) for picture in pictures]
        return {"files": files, "data": {"top_k": str(top_k)}}
    return {"json": {"images": [_item(picture) for picture in pictures], "top_k": top_k}}


def one(picture: Picture, category: str | None) -> dict[str, Any]:
    """The same for a heat map of one picture."""
    more = {"category": category} if category else {}
    picture = meant(picture)
    if isinstance(picture, (StoredImage, RemoteImage)):
        return {"json": {"image": _item(picture), **more}}
    return {"files": [("image", (name(picture), read(picture)))], "data": more}


def name(picture: Picture) -> str:
    """As the request may hold it: a file's name can be bytes that are no text."""
    own = Path(picture).name if isinstance(picture, (str, Path)) else "image"
    return own.encode(errors="replace").decode()


def read(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, (str, Path)):
        return Path(picture).read_bytes()
    data = picture.read() if hasattr(picture, "read") else None
    if isinstance(data, bytes):
        return data
    raise TypeError(f"Expected a path, bytes or a file opened with 'rb'; got {type(picture).__name__}.")


def _item(picture: Picture) -> Any:
    if isinstance(picture, StoredImage):
        return {"id": picture.id}
    if isinstance(picture, RemoteImage):
        return {"url": picture.url}
    return "data:application/octet-stream;base64," + base64.b64encode(read(picture)).decode()
