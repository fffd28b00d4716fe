"""Bodies of the Open Inference Protocol, hand-made and broken."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.intake import tensors
from inference.intake.tensors import BadTensor


def header(**more) -> bytes:
    return json.dumps({"inputs": [{"name": "images", "datatype": "BYTES", "shape": [1], **more}]}).encode()


def test_image_files_in_json_are_base64_with_or_without_the_head_of_a_data_url() -> None:
    text = base64.b64encode(b"a file").decode()
    for data in (text, "data:image/png;base64," + text):
        assert tensors.read(header(data=[data]), None).pictures == [b"a file"]


def test_image_files_in_json_may_be_nested_as_their_shape_says() -> None:
    one, two = (base64.b64encode(file).decode() for file in (b"one", b"two"))
    assert tensors.read(header(shape=[2, 1], data=[[one], [two]]), None).pictures == [b"one", b"two"]
    assert tensors.read(header(shape=[1, 1, 2], data=[[[one, two]]]), None).pictures == [b"one", b"two"]
    assert tensors.read(header(shape=[2, 1], data=[one, two]), None).pictures == [b"one", b"two"]
    assert tensors.read(header(shape=[-1], data=[one, two]), None).pictures == [b"one", b"two"]
    with pytest.raises(BadTensor, match="as many as the shape says"):
        tensors.read(header(shape=[2, 1], data=[[one], two]), None)


@pytest.mark.parametrize(
    ("shape", "told"),
    [([300, 200, 3], r"\[n, h, w, 3\]"), ([65, 1, 1, 3], "65"), ([1, 5000, 1, 3], "4096")],
)
def test_a_shape_that_cannot_be_is_refused_for_what_is_wrong_with_it(shape: list[int], told: str) -> None:
    blob = np.zeros(shape, "<f4").tobytes()
    head = header(datatype="FP32", shape=shape, parameters={"binary_data_size": len(blob)})
    with pytest.raises(BadTensor, match=told):
        tensors.read(head + blob, len(head))


def test_half_a_number_is_told_as_such() -> None:
    head = header(datatype="FP32", shape=[1, 1, 1, 3], parameters={"binary_data_size": 11})
    with pytest.raises(BadTensor, match="multiple of 4"):
        tensors.read(head + bytes(11), len(head))


def test_a_shape_of_a_million_numbers_is_refused_before_they_are_multiplied() -> None:
    with pytest.raises(BadTensor, match="shape"):
        tensors.read(header(shape=[999_999_999] * 1_000_000, data=["aa"]), None)


def test_binary_files_follow_the_header_each_behind_its_length() -> None:
    blob = struct.pack("<I", 3) + b"one" + struct.pack("<I", 5) + b"two22"
    head = header(shape=[2], parameters={"binary_data_size": len(blob)})
    assert tensors.read(head + blob, len(head)).pictures == [b"one", b"two22"]


def test_pixels_come_as_numbers_or_as_little_endian_floats() -> None:
    pixels = np.arange(24, dtype=np.float32).reshape(1, 2, 4, 3)
    plain = json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2, 4, 3], "data": pixels.ravel().tolist()}]}
    ).encode()
    np.testing.assert_array_equal(tensors.read(plain, None).pictures[0], pixels[0])
    head = header(datatype="FP32", shape=[1, 2, 4, 3], parameters={"binary_data_size": 96})
    np.testing.assert_array_equal(tensors.read(head + pixels.tobytes(), len(head)).pictures[0], pixels[0])


def body_of(pixels: NDArray[np.float32]) -> bytes:
    tensor = {"name": "x", "shape": [1, 2, 2, 3], "datatype": "FP32", "data": pixels.tolist()}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize("scale", [lambda x: x / 127.5 - 1, lambda x: (x - 118) / 58])
def test_pixels_that_were_scaled_are_no_black_image(scale: Callable[[Any], Any]) -> None:
    pixels = np.arange(12, dtype=np.float32) * 23
    tensors.read(body_of(pixels), None)
    tensors.read(body_of(pixels - 5), None)  # a resize may go a little beyond
    with pytest.raises(BadTensor, match="Send them as they were"):
        tensors.read(body_of(scale(pixels)), None)


def test_pixels_from_0_to_1_are_answered_with_a_warning() -> None:
    pixels = np.arange(12, dtype=np.float32) * 23
    for values, warned in ((pixels, False), (pixels / 255, True)):
        asked = tensors.read(body_of(values), None)
        body, _ = tensors.write(asked, model="m", version="1", probabilities=np.ones((1, 1)), categories=["a"])
        assert ("divided by 255" in json.loads(body).get("parameters", {}).get("warning", "")) is warned


def test_the_answer_has_the_outputs_that_were_asked_for_as_they_were_asked_for() -> None:
    asked = tensors.InferRequest("7", [], {"labels": tensors.Output(False), "probabilities": tensors.Output(True)})
    said = np.array([[0.25, 0.75]])
    body, length = tensors.write(asked, model="m", version="3", probabilities=said, categories=["cat", "dög"])
    assert length is not None
    head = json.loads(body[:length])
    assert head["id"] == "7"
    assert head["outputs"][0] == {"name": "labels", "datatype": "BYTES", "shape": [1], "data": ["dög"]}
    assert head["outputs"][1]["parameters"] == {"binary_data_size": 8}
    np.testing.assert_array_equal(np.frombuffer(body[length:], "<f4"), [0.25, 0.75])


def test_the_best_classes_are_told_as_many_as_are_asked_for_and_there_are() -> None:
    wanted = b', "outputs": [{"name": "probabilities", "parameters": {"classification": 5}}]}'
    body = header(data=["YQ=="])[:-1] + wanted
    answer, _ = tensors.write(
        tensors.read(body, None), model="m", version="3", probabilities=np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]),
        categories=["cat", "dög", "a:b"],
    )  # fmt: skip
    assert json.loads(answer)["outputs"] == [
        {
            "name": "probabilities", "datatype": "BYTES", "shape": [2, 3],
            "data": ["0.500000:1:dög", "0.250000:0:cat", "0.250000:2:a:b", "1.000000:2:a:b", "0.000000:0:cat",
                     "0.000000:1:dög"],
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"", None), (b"[]", None), (b"{}", None), (b'{"inputs": []}', None), (b'{"inputs": [1]}', None),
        (header(), None), (header(data=[1]), None), (header(data=["%"]), None), (header(shape=[0]), None),
        (header(shape=[-1]), None), (header(shape=[-1], data=[]), None), (header(shape=[-1, 1], data=["YQ=="]), None),
        (header(shape="x"), None), (header(shape=[65]), None), (header(datatype="INT8"), None),
        (header(datatype="FP32", shape=[1, 2, 2, 3], data=[1]), None),
        (header(datatype="FP32", shape=[1, 2, 2, 3], data=["a"] * 12), None),
        (header(datatype="FP32", shape=[1, 9999, 9999, 3], data=[]), None),
        (header(parameters={"binary_data_size": 99}), 5), (header(parameters={"binary_data_size": 99}), 10**9),
        (header(parameters={"binary_data_size": -1}), None), (b"[" * 100_000, None),
        (b'{"inputs": [{"shape": [1], "datatype": "BYTES", "data": [""]}], "outputs": [{"name": "x"}]}', None),
    ],
)  # fmt: skip
def test_a_body_that_is_not_the_protocols_is_refused_with_a_reason(body: bytes, length: int | None) -> None:
    with pytest.raises(BadTensor, match=r"\w+"):
        tensors.read(body, length)


@pytest.mark.parametrize(
    ("name", "count"), [("labels", "2"), ("probabilities", "-1"), ("probabilities", '"2"'), ("probabilities", "true")]
)
def test_classes_that_cannot_be_told_are_refused(name: str, count: str) -> None:
    wanted = f', "outputs": [{{"name": "{name}", "parameters": {{"classification": {count}}}}}]}}'
    with pytest.raises(BadTensor, match="classification"):
        tensors.read(header(data=["YQ=="])[:-1] + wanted.encode(), None)


@given(st.binary(max_size=300), st.one_of(st.none(), st.integers(0, 400)))
def test_no_bytes_whatever_cause_another_error(body: bytes, length: int | None) -> None:
    try:
        tensors.read(body, length)
    except BadTensor as error:
        assert str(error)  # noqa: PT017 - any other error must fail the test


@pytest.mark.parametrize("more", ['"id": "\\ud800"', '"id": "\\u0000"', '"id": "a", "parameters": {"x": 1e400}'])
def test_a_header_that_no_answer_could_repeat_is_refused(more: str) -> None:
    body = header(data=["YQ=="])[:-1] + f", {more}}}".encode()
    with pytest.raises(BadTensor, match=r"not JSON.*[^.]\.$"):
        tensors.read(body, None)
