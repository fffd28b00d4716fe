"""The Open Inference Protocol's bodies: JSON, and the binary extension that Triton's clients speak. Pure.

A binary body is the JSON header followed by the tensors' bytes, in the order of the inputs that say
``binary_data_size``; the HTTP header ``Inference-Header-Content-Length`` tells where the JSON ends. FP32 is little
endian, BYTES is each element's length (4 bytes, little endian) and its bytes.

An output may be asked for as its best classes (``"classification": k``): then it is BYTES ``[n, k]`` of
``probability:index:category``, best first.

Source: https://github.com/kserve/open-inference-protocol and Triton's "Binary Tensor Data Extension" and
"Classification Extension".
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeling.text import bodies
from labeling.text.words import clause

MOST_PICTURES = 64
MOST_SIDE = 4096
MOST_AXES = 8
SCALED = 3  # no further out are pixels that were made -1 to 1 or standardised: as ours they are one black image
DARK = "All pixels lie between 0 and 1, where 255 is white: were they divided by 255? Send them as they were."
OUTPUTS = ("probabilities", "labels")


class BadTensor(ValueError):
    """The body is not what the protocol says; the message says what was expected."""


@dataclass(frozen=True)
class Output:
    """How an output is asked for; ``classes`` of them as text, 0 = the tensor itself."""

    binary: bool
    classes: int = 0


@dataclass(frozen=True)
class InferRequest:
    """``pictures`` are encoded images (bytes) or uint8 arrays ``[h, w, 3]``."""

    id: str
    pictures: list[bytes | NDArray[np.uint8]]
    outputs: dict[str, Output] = field(default_factory=dict)


def read(body: bytes, header_length: int | None) -> InferRequest:
    """Parse an infer request.

    Raises:
        BadTensor: Anything that is not as the protocol says.
    """
    if header_length is not None and not 0 <= header_length <= len(body):
        raise BadTensor("Inference-Header-Content-Length does not fit the body.")
    header = _json(body if header_length is None else body[:header_length])
    blob = b"" if header_length is None else body[header_length:]
    inputs = header.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], Mapping):
        raise BadTensor("Expected exactly one input: FP32 [n, h, w, 3] of pixels 0..255, or BYTES [n] of image files.")
    request_id = header.get("id", "")
    return InferRequest(request_id if isinstance(request_id, str) else "", _pictures(inputs[0], blob), _outputs(header))


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        header = bodies.loads(data)
    except ValueError as error:
        raise BadTensor(f"The header is not JSON: {clause(error)}.") from error
    if not isinstance(header, Mapping):
        raise BadTensor("The header must be a JSON object.")
    return header


def _outputs(header: Mapping[str, Any]) -> dict[str, Output]:
    parameters = header.get("parameters")
    default = Output(isinstance(parameters, Mapping) and bool(parameters.get("binary_data_output")))
    wanted = header.get("outputs")
    if wanted is None:
        return dict.fromkeys(OUTPUTS, default)
    if not isinstance(wanted, list):
        raise BadTensor("`outputs` must be a list.")
    result: dict[str, Output] = {}
    for output in wanted:
        name = output.get("name") if isinstance(output, Mapping) else None
        if name not in OUTPUTS:
            raise BadTensor(f"The outputs are {' and '.join(OUTPUTS)}; got {name!r}.")
        own = output.get("parameters")
        result[name] = _output(name, own, default) if isinstance(own, Mapping) else default
    return result or dict.fromkeys(OUTPUTS, default)


def _output(name: str, own: Mapping[str, Any], default: Output) -> Output:
    classes = own.get("classification", 0)
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 0:
        raise BadTensor("`classification` must be a whole number: how many classes are wanted.")
    if classes and name != "probabilities":
        raise BadTensor("`classification` can be asked of probabilities only.")
    return Output(bool(own.get("binary_data", default.binary)), classes)


def _pictures(tensor: Mapping[str, Any], blob: bytes) -> list[bytes | NDArray[np.uint8]]:
    shape = _shape(tensor.get("shape"), tensor.get("data"))
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, Mapping) else None
    if size is not None:
        if not isinstance(size, int) or not 0 <= size <= len(blob):
            raise BadTensor("binary_data_size does not fit the body.")
        blob = blob[:size]
    if tensor.get("datatype") == "BYTES":
        return list(_bytes_binary(blob, shape) if size is not None else _bytes_json(tensor.get("data"), shape))
    if tensor.get("datatype") == "FP32":
        if size is not None and size % 4:
            raise BadTensor(f"binary_data_size of FP32 is a multiple of 4, the bytes of a number; got {size}.")
        flat = np.frombuffer(blob, "<f4") if size is not None else _floats(tensor.get("data"))
        return list(_pixels(flat, shape))
    raise BadTensor(f"The datatype is FP32 or BYTES; got {tensor.get('datatype')!r}.")


def _shape(value: Any, data: Any) -> list[int]:
    if value == [-1] and isinstance(data, list):  # KServe's own example of an image in JSON: as many as there are
        value = [len(data)]
    if not isinstance(value, list) or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value):
        raise BadTensor("`shape` must be a list of positive whole numbers.")
    if not 1 <= len(value) <= MOST_AXES or max(value) >= 2**31:  # their product is taken
        raise BadTensor("`shape` is [n] for BYTES and [n, h, w, 3] for FP32.")
    return value


def _few(count: int) -> None:
    if count > MOST_PICTURES:
        raise BadTensor(f"At most {MOST_PICTURES} images a request; got {count}.")


def _pixels(flat: NDArray[np.float32], shape: list[int]) -> NDArray[np.uint8]:
    if len(shape) != 4 or shape[3] != 3 or flat.size != math.prod(shape):
        raise BadTensor(f"FP32 must be [n, h, w, 3] with as many numbers as that; got {shape} and {flat.size} numbers.")
    _few(shape[0])
    if max(shape[1:3]) > MOST_SIDE:
        raise BadTensor(f"A side has at most {MOST_SIDE} pixels; got {shape}.")
    if not np.isfinite(flat).all():
        raise BadTensor("Pixels must be finite numbers from 0 to 255.")
    if flat.min() < 0 and np.abs(flat).max() <= SCALED:
        raise BadTensor(
            "Pixels are 0 to 255; some of these are below 0, as if they were scaled. Send them as they were."
        )
    return np.clip(np.rint(flat), 0, 255).astype(np.uint8).reshape(shape)


def _floats(data: Any) -> NDArray[np.float32]:
    try:
        return np.asarray(data, dtype=np.float32).ravel()
    except (ValueError, TypeError, OverflowError) as error:
        raise BadTensor("`data` must be numbers.") from error


def _bytes_binary(blob: bytes, shape: list[int]) -> list[bytes]:
    _few(math.prod(shape))
    items, at = [], 0
    while at < len(blob):
        if at + 4 > len(blob):
            raise BadTensor("A BYTES tensor ends inside a length.")
        (length,) = struct.unpack_from("<I", blob, at)
        items.append(blob[at + 4 : at + 4 + length])
        at += 4 + length
    if at != len(blob) or len(items) != math.prod(shape):
        raise BadTensor(f"Expected {math.prod(shape)} elements of BYTES.")
    return items


def _bytes_json(data: Any, shape: list[int]) -> list[bytes]:
    """In JSON an image file is base64 text, or a data URL. Lists may be nested as the shape says, or flat."""
    _few(math.prod(shape))
    for _axis in shape[1:]:
        if isinstance(data, list) and all(isinstance(item, list) for item in data):
            data = list(itertools.chain.from_iterable(data))
    if not isinstance(data, list) or len(data) != math.prod(shape) or not all(isinstance(item, str) for item in data):
        raise BadTensor("BYTES in JSON must be a list of base64 texts, as many as the shape says.")
    try:
        return [base64.b64decode(item.rpartition("base64,")[2], validate=True) for item in data]
    except (binascii.Error, ValueError) as error:
        raise BadTensor(f"The base64 is damaged: {error}.") from error


def write(
    request: InferRequest, *, model: str, version: str, probabilities: NDArray[np.floating], categories: Sequence[str]
) -> tuple[bytes, int | None]:
    """The body of an answer of ``probabilities`` [n, classes], and the length of its JSON part where tensors follow."""
    outputs: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    for name, wanted in request.outputs.items():
        if name == "labels":
            texts = [categories[index] for index in probabilities.argmax(axis=1)]
            output, blob, plain = _texts(texts, [len(texts)])
        elif wanted.classes:
            texts = _best(probabilities, categories, wanted.classes)
            output, blob, plain = _texts(texts, [len(probabilities), min(wanted.classes, len(categories))])
        else:
            output = {"datatype": "FP32", "shape": list(probabilities.shape)}
            blob = np.ascontiguousarray(probabilities, "<f4").tobytes()
            plain = np.asarray(probabilities, np.float32).ravel().tolist()
        if wanted.binary:
            output["parameters"] = {"binary_data_size": len(blob)}
            blobs.append(blob)
        else:
            output["data"] = plain
        outputs.append({"name": name, **output})
    header: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": outputs}
    if request.pictures and all(not isinstance(one, bytes) and one.max() <= 1 for one in request.pictures):
        header["parameters"] = {"warning": DARK}
    if request.id:
        header["id"] = request.id
    text = json.dumps(header, ensure_ascii=False).encode()
    return (text + b"".join(blobs), len(text)) if blobs else (text, None)


def _texts(texts: list[str], shape: list[int]) -> tuple[dict[str, Any], bytes, list[Any]]:
    encoded = [text.encode() for text in texts]
    blob = b"".join(struct.pack("<I", len(item)) + item for item in encoded)
    return {"datatype": "BYTES", "shape": shape}, blob, texts


def _best(probabilities: NDArray[np.floating], categories: Sequence[str], count: int) -> list[str]:
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    return [
        f"{row[index]:.6f}:{index}:{categories[index]}"
        for row, places in zip(probabilities, best, strict=True)
        for index in places
    ]
