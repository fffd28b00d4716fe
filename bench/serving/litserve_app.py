"""LitServe, with its batching for Keras and without for OpenVINO (each measured better so).

It reads the annotation of ``decode_request`` when it starts, so annotations are no strings here.
"""

import os
from typing import Any

import litserve
import numpy as np
from fastapi import Request

from bench.serving.model import answer, decode, load


class Api(litserve.LitAPI):
    def setup(self, device: Any) -> None:
        self.model = load()

    def decode_request(self, request: Request) -> np.ndarray:
        return decode(request["image"].file.read())

    def predict(self, x: np.ndarray) -> np.ndarray:
        """One picture ``[h, w, 3]``, or with batching the stack that LitServe made of some."""
        return self.model(x) if x.ndim == 4 else self.model(x[None])[0]

    def encode_response(self, output: Any) -> dict[str, float]:
        return answer(output)


if __name__ == "__main__":
    keras = os.environ.get("BENCH_ENGINE") == "keras"
    batching = {"max_batch_size": 8, "batch_timeout": 0.01} if keras else {}
    server = litserve.LitServer(Api(**batching), accelerator="cpu", workers_per_device=1 if keras else 2, timeout=60)
    server.run(port=int(os.environ["BENCH_PORT"]), host="127.0.0.1", generate_client_file=False, log_level="error")
