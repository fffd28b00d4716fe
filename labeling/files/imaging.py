"""From bytes that a stranger sent to pixels, under limits; the one decoder of training and serving.

Pure: Pillow and numpy, no Django. ``open_image`` refuses what cannot be trusted; ``decode_rgb`` turns every mode that
photographs come in (EXIF-rotated, CMYK, 16 bit, palette, transparent, animated) into upright RGB; ``to_input`` makes
the square that a network sees. Colour profiles are not applied: neither were they to the photographs that networks were
pretrained on, nor do Pillow, torchvision and Keras where they read one.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose
from PIL.TiffImagePlugin import TiffImageFile

from labeling.errors import CrowdtuneError
from labeling.text.words import gettext as _

MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 2**20
DISPLAY, THUMBNAIL = 1600, 320
ROWS = 64  # of wide numbers that are turned into bytes at once
_ORIENTATION, _SUBFILE, _REDUCED = 0x0112, 0x00FE, 1
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip
# HEIC, which phones write, is not among them: see docs/decisions/0007-heic-and-avif.md.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# For a page's chooser of files. Listed, and not image/*: so a Mac sends its HEIC photos as the first of them.
TYPES = ",".join(f"image/{name.lower()}" for name in FORMATS)
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "AVIF": "avif"}
Image.MAX_IMAGE_PIXELS = 2 * MAX_PIXELS  # our own check below is stricter and says more
# An AVIF's frame may be larger than the file says it is, and Pillow sets the decoder no bound below 268 megapixels. So
# such files do not add up; the decoder's own threads make up for the wait.
_ONE_AVIF = threading.Lock()


class ImageRefused(CrowdtuneError):
    """The bytes are not a picture that can be used; ``code`` and ``message`` say why."""


def open_image(data: bytes) -> Image.Image:
    """Decode fully, or refuse.

    Args:
        data: The file's bytes, at most MAX_BYTES.

    Returns:
        The loaded first frame, as stored (not yet EXIF-transposed); ``.format`` is one of FORMATS.

    Raises:
        ImageRefused: empty_file, too_large, svg, not_an_image, too_many_pixels or damaged.
    """
    picture = _identify(data)
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageRefused(
            "too_many_pixels",
            _("At most %(max_pixels)s megapixels are accepted; this image is %(width)s x %(height)s.")
            % {"max_pixels": f"{MAX_PIXELS / 1e6:.0f}", "width": width, "height": height},
        )
    return _load(picture)


def _identify(data: bytes) -> Image.Image:
    if not data:
        told = _("The file came with 0 bytes: it is empty, or could not be read where it was sent from.")
        raise ImageRefused("empty_file", told)
    if len(data) > MAX_BYTES:
        raise ImageRefused(
            "too_large",
            _("At most %(max_bytes)s MB are accepted per file; got %(size)s bytes.")
            % {"max_bytes": MAX_BYTES // 2**20, "size": len(data)},
        )
    _check_is_no_text(data[:1024].lstrip().lower())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _of_known_format(Image.open(io.BytesIO(data), formats=FORMATS))
    except Image.DecompressionBombError as error:
        # Pillow counts before it tells the size: "Image size (400000000 pixels) exceeds limit of …"
        counted = re.search(r"\d{9,}", str(error))
        told = (
            _("At most %(most)s megapixels are accepted; this image has %(got)s.")
            if counted
            else _("At most %(most)s megapixels are accepted.")
        )
        got = f"{int(counted[0]) / 1e6:.0f}" if counted else ""
        raise ImageRefused("too_many_pixels", told % {"most": f"{MAX_PIXELS / 1e6:.0f}", "got": got}) from error
    except UnidentifiedImageError as error:
        if data[4:8] == b"ftyp":  # the box that such files, and films, begin with: ISO/IEC 14496-12
            raise _of_boxes(data) from error
        raise ImageRefused(
            "not_an_image", _("Expected one of %(formats)s; this is none of them.") % {"formats": ", ".join(FORMATS)}
        ) from error
    except (OSError, SyntaxError, ValueError, RuntimeError) as error:  # it begins as one of FORMATS does
        raise _damaged(error) from error


def _of_boxes(data: bytes) -> ImageRefused:
    """Of a file that begins as an AVIF, a HEIC or a film does, and is no AVIF that can be opened."""
    brands = data[8 : min(int.from_bytes(data[:4]), 256)]
    if b"avif" in brands or b"avis" in brands:
        return _damaged(ValueError("no picture in this AVIF"))
    told = _(
        "Expected one of %(formats)s; this is HEIC or a film. Save it as JPEG, then send it again: on a Mac many at "
        "once, selected in the Finder, by Quick Actions, Convert Image."
    )
    return ImageRefused("not_an_image", told % {"formats": ", ".join(FORMATS)})


def _check_is_no_text(head: bytes) -> None:
    """Tell what often comes in a picture's place from a file that is damaged."""
    if head.startswith((b"<!doctype html", b"<html")):
        raise ImageRefused("not_an_image", _("This is a web page, and no picture. Send the picture that it shows."))
    if head.startswith(b"version https://git-lfs"):
        told = _("This only tells where Git LFS keeps the picture. Fetch the pictures (git lfs pull), then send them.")
        raise ImageRefused("not_an_image", told)
    if head.startswith(b"<!doctype svg") or b"<svg" in head:
        raise ImageRefused("svg", _("SVG drawings can carry scripts and have no pixels. Export it as PNG first."))


def _of_known_format(picture: Image.Image) -> Image.Image:
    """A JPEG with more behind it, a preview or what shows it brighter, as many phones write it, is a JPEG.

    Raises:
        ImageRefused: A TIFF that begins with a small one of its pictures, as NEF, ARW and DNG do.
    """
    if picture.format == "MPO":
        picture.format = "JPEG"
    if isinstance(picture, TiffImageFile) and picture.tag_v2.get(_SUBFILE) == _REDUCED:
        told = _("This is a camera's raw file (NEF, ARW, DNG). Save the picture as JPEG, then send it again.")
        raise ImageRefused("not_an_image", told)
    return picture


def _load(picture: Image.Image) -> Image.Image:
    """Pillow raises nearly anything on damaged bytes; each of them means the same to the sender."""
    try:
        with warnings.catch_warnings(), _ONE_AVIF if picture.format == "AVIF" else contextlib.nullcontext():
            warnings.simplefilter("ignore")
            picture.load()
    except Exception as error:
        raise _damaged(error) from error
    return picture


def _damaged(error: Exception) -> ImageRefused:
    return ImageRefused("damaged", _("The file is cut off or damaged: %(error)s.") % {"error": error})


def turned(box: list[float], data: bytes) -> list[float] | None:
    """A box ``[x, y, width, height]`` in the pixels as they are stored -> upright; None where these are no others."""
    header = _identify(data)
    x, y, width, height = box
    across, down = header.size
    left, top = (across - x - width), (down - y - height)  # from the other side
    at = {5: (y, x), 6: (top, x), 7: (top, left), 8: (y, left)}.get(_orientation(header))
    return at and [*at, height, width]


def decode_rgb(data: bytes, *, shortest: int | None = None) -> Image.Image:
    """Bytes -> upright RGB of the first frame.

    Args:
        data: An image file.
        shortest: The caller's wanted shorter side in pixels. A JPEG is then decoded at a reduced scale (its DCT gives
            1/2, 1/4, 1/8 for free), but never below twice this side, so that the resize after it stays faithful.
    """
    picture = _identify(data)
    if picture.size[0] * picture.size[1] > MAX_PIXELS:
        return open_image(data)  # raises
    if shortest is not None and picture.format == "JPEG":
        scale = max(1, min(picture.size) // (2 * shortest))
        picture.draft(None, (max(1, picture.size[0] // scale), max(1, picture.size[1] // scale)))
    return _rgb(_upright(_load(picture)))


def _orientation(picture: Image.Image) -> int:
    """What EXIF says of it, 1 (as stored) where that cannot be read: a camera's odd note costs nobody the picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow raises nearly anything on damaged EXIF
        return 1
    return value if isinstance(value, int) else 1


def _upright(picture: Image.Image) -> Image.Image:
    """As ``ImageOps.exif_transpose``, which also writes EXIF anew and breaks on much that other programs wrote."""
    turn = _TURNS.get(_orientation(picture))
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(picture)), "L").convert("RGB")
    if picture.has_transparency_data or picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"}:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """16-bit greys [h, w] keep their scale (65535 -> 255), floats theirs: 1, 255 or 65535, which they stay below.

    Wider numbers, and negative ones, are stretched over their own range. What is no number is black. Some rows at a
    time: as floats, a small file's fifty megapixels would take more than a gigabyte.
    """
    bands = [values[top : top + ROWS] for top in range(0, len(values), ROWS)]
    spans = [(numbers.min(), numbers.max()) for numbers in map(_numbers, bands)]
    low, high = float(min(span[0] for span in spans)), float(max(span[1] for span in spans))
    tops = (1, 255, 65535) if values.dtype.kind == "f" else (65535,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    grey = np.empty(values.shape, np.uint8)
    for number, numbers in enumerate(map(_numbers, bands)):
        shares = numbers * (255.0 / top) if top else (numbers - low) / max(high - low, 1e-12) * 255
        grey[number * ROWS : (number + 1) * ROWS] = np.rint(shares)
    return grey


def _numbers(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True)
class Prepared:
    """An upload made ready: natural size after EXIF transposition, and two upright JPEGs without metadata."""

    extension: str
    width: int
    height: int
    display: bytes
    thumbnail: bytes


def prepare(data: bytes) -> Prepared:
    """Decode an upload once, for all that people and networks will ever see of it.

    Raises:
        ImageRefused: See ``open_image``.
    """
    header = _identify(data)
    extension = EXTENSIONS[header.format or ""]
    width, height = header.size
    if _orientation(header) in {5, 6, 7, 8}:
        width, height = height, width
    display = decode_rgb(data, shortest=DISPLAY // 2)
    longest = _longest_shown(*display.size)
    display.thumbnail((longest, longest), Resampling.LANCZOS, reducing_gap=3.0)
    return Prepared(
        extension, width, height, shrink(display, longest, quality=88), shrink(display, THUMBNAIL, quality=80)
    )


def _longest_shown(width: int, height: int) -> int:
    """The longer side of what people see: more of a strip, as of a receipt or a line of writing, than of a photograph,
    or its shorter side would have too few pixels to read it by."""
    longer, shorter = max(width, height), min(width, height)
    return DISPLAY * min(max(longer, 2 * shorter), 8 * shorter) // (2 * shorter)


def to_input(image: Image.Image, size: int) -> np.ndarray:
    """The whole picture as uint8 ``[size, size, 3]``, resized bilinearly with an antialiasing reduction."""
    resized = image.resize((size, size), Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(resized, dtype=np.uint8)


def pixels(data: bytes, size: int) -> np.ndarray:
    """Bytes -> what a network sees. Training and serving both call this and nothing else.

    What changes its answer raises training.learning.networks.keys.FORMAT, or stored features would be of two kinds.
    """
    return to_input(decode_rgb(data, shortest=size), size)


def shrink(image: Image.Image, longest: int, *, quality: int) -> bytes:
    """JPEG bytes of the image with its longer side at most ``longest`` pixels; no metadata."""
    copy = image.copy()
    copy.thumbnail((longest, longest), Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=quality, optimize=False, progressive=False)
    return buffer.getvalue()
