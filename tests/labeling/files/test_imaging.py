"""What pictures in unusual modes and of unusual shapes become, against what they were made of."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from crowdtune_client.cli import SUFFIXES as OF_THE_CLIENT
from PIL import Image as Picture
from PIL import PngImagePlugin

from labeling.files.imaging import EXTENSIONS, ImageRefused, decode_rgb, pixels, prepare
from labeling.importing.known.imagefolder import SUFFIXES

GREYS = np.arange(240, dtype=np.uint8).reshape(12, 20)


def saved(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Picture.fromarray(values).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "AVIF"])
def test_a_picture_that_is_cut_off_in_its_head_is_not_called_none_of_ours(kind: str) -> None:
    whole = io.BytesIO()
    Picture.fromarray(GREYS).save(whole, kind)
    with pytest.raises(ImageRefused) as refused:
        prepare(whole.getvalue()[:24])
    assert refused.value.code == "damaged"


def test_each_format_is_known_by_its_suffix_where_labels_are_read_and_in_the_client() -> None:
    assert {f".{extension}" for extension in EXTENSIONS.values()} <= set(SUFFIXES) & OF_THE_CLIENT


def avif(picture: Picture.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=95, subsampling="4:4:4", speed=10, **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_once_as_a_jpeg_is(orientation: int) -> None:
    """It tells its rotation in the container, and EXIF may tell it once more."""
    drawn = np.zeros((60, 100, 3), np.uint8)
    drawn[:20, :30] = 255
    exif, file = Picture.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Picture.fromarray(drawn).save(file, "JPEG", quality=95, exif=exif)
    data = avif(Picture.fromarray(drawn), exif=exif)
    ready, other = prepare(data), prepare(file.getvalue())
    assert (ready.extension, ready.width, ready.height) == ("avif", other.width, other.height)
    apart = np.asarray(decode_rgb(data)).astype(int) - np.asarray(decode_rgb(file.getvalue()))
    assert np.abs(apart).mean() < 4
    assert Picture.open(io.BytesIO(ready.display)).size == (ready.width, ready.height)


def test_of_an_avif_the_first_frame_is_seen_greys_stay_and_what_is_transparent_is_white() -> None:
    grey = Picture.fromarray(GREYS)
    for data in (avif(grey), avif(grey, save_all=True, append_images=[Picture.new("L", grey.size)])):
        assert np.abs(np.asarray(decode_rgb(data)).astype(int) - GREYS[:, :, None]).max() < 8
    assert np.asarray(decode_rgb(avif(Picture.new("RGBA", (16, 16), (9, 9, 9, 0))))).min() > 250


def test_an_avif_that_is_damaged_anywhere_is_refused_and_one_that_is_too_large_not_decoded() -> None:
    whole = avif(Picture.fromarray(GREYS))
    size = whole.index(b"ispe") + 8
    for broken in (whole[:-20], whole.replace(b"\0av01", b"\0av02"), whole.replace(b"av1C", b"av2C")):
        with pytest.raises(ImageRefused) as refused:
            prepare(broken)
        assert refused.value.code == "damaged"
    with pytest.raises(ImageRefused, match="8000 x 8000"):
        prepare(whole[:size] + (8000).to_bytes(4) * 2 + whole[size + 8 :])


def test_of_notes_that_unpack_to_very_much_it_is_said_that_they_do() -> None:
    notes, file = PngImagePlugin.PngInfo(), io.BytesIO()
    notes.add_text("Comment", "a" * 2**21, zip=True)
    Picture.fromarray(GREYS).save(file, "PNG", pnginfo=notes)
    with pytest.raises(ImageRefused, match="too large"):
        prepare(file.getvalue())


@pytest.mark.parametrize(("kind", "top"), [("f4", 1), ("f4", 255), ("f4", 65535), ("u2", 65535), ("i4", 65535)])
def test_greys_of_more_than_eight_bits_keep_their_scale(kind: str, top: int) -> None:
    values = np.rint(GREYS * (top / 255)) if top > 1 else GREYS / 255
    decoded = np.asarray(decode_rgb(saved(values.astype(kind))))
    assert (decoded == GREYS[:, :, None]).all()


def test_of_greys_that_are_no_numbers_the_others_keep_their_scale() -> None:
    values = (GREYS / 255).astype("f4")
    values[0, :3] = np.nan, np.inf, -np.inf
    decoded = np.asarray(decode_rgb(saved(values)))[:, :, 0]
    assert decoded[0, :3].tolist() == [0, 0, 0]
    assert (decoded[1:] == GREYS[1:]).all()


def test_greys_below_zero_are_stretched_over_their_own_range() -> None:
    decoded = np.asarray(decode_rgb(saved(GREYS.astype("f4") * 10 - 1000)))[:, :, 0]
    assert (decoded.min(), decoded.max()) == (0, 255)


def test_wide_greys_are_not_all_floats_at_once() -> None:
    greys = np.random.default_rng(7).integers(0, 65536, (1500, 1000)).astype(np.uint16)
    data = saved(greys)
    tracemalloc.start()
    try:
        found = np.asarray(decode_rgb(data))[:, :, 0]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found == np.rint(greys * (255 / 65535))).all()
    assert peak < greys.size * 8  # as floats, once


def test_a_jpeg_with_another_behind_it_is_a_jpeg() -> None:
    """As phones write it, with a preview or what shows it brighter."""
    pixels = np.zeros((1800, 2400, 3), np.uint8)
    pixels[:, 1200:] = 255
    exif = Picture.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    first = Picture.fromarray(pixels)
    first.save(file, "MPO", save_all=True, append_images=[Picture.new("RGB", (600, 450))], exif=exif)
    assert Picture.open(file).format == "MPO"
    ready = prepare(file.getvalue())
    assert (ready.extension, ready.width, ready.height) == ("jpg", 1800, 2400)
    shown = np.asarray(decode_rgb(file.getvalue(), shortest=300))
    assert (shown[10].mean(), shown[-10].mean()) == (0, 255)


def test_a_cameras_raw_file_is_not_taken_for_its_small_preview() -> None:
    file = io.BytesIO()
    Picture.new("RGB", (16, 12)).save(file, "TIFF", tiffinfo={254: 1})
    with pytest.raises(ImageRefused, match="raw file"):
        prepare(file.getvalue())


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_of_a_phones_own_format_it_is_said_what_it_is_and_what_to_do(brand: bytes) -> None:
    with pytest.raises(ImageRefused, match=r"this is HEIC .* Save it as JPEG"):
        decode_rgb(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic")


@pytest.mark.parametrize(
    ("size", "shown"),
    [((4000, 3000), (1600, 1200)), ((1000, 5000), (800, 4000)), ((8000, 100), (6400, 80)), ((100, 900), (100, 900))],
)
def test_of_a_strip_people_see_enough_to_read_it_by(size: tuple[int, int], shown: tuple[int, int]) -> None:
    file = io.BytesIO()
    Picture.new("RGB", size).save(file, "JPEG")
    ready = prepare(file.getvalue())
    assert (ready.width, ready.height) == size
    assert Picture.open(io.BytesIO(ready.display)).size == shown


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\n<!DOCTYPE html><html><body><svg/></body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    ],
)
def test_what_came_in_the_place_of_a_picture_is_called_by_its_name(data: bytes, told: str) -> None:
    with pytest.raises(ImageRefused, match=told):
        decode_rgb(data)


def test_what_a_network_sees_of_a_picture_stays_as_it_was_or_the_trunks_format_is_raised() -> None:
    down, right = np.mgrid[:300, :400]
    drawn = np.stack([right % 256, down % 256, (down * right) % 256, (down + right) % 256], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Picture.fromarray(drawn).save(file, "PNG")
    assert hashlib.sha256(pixels(file.getvalue(), 96).tobytes()).hexdigest()[:16] == "5a7ffca14567bbef"
