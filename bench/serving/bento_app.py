"""BentoML, as its documentation serves an image model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType

from bench.serving.model import answer, decode, load


@bentoml.service(workers=2, traffic={"timeout": 60})
class Service:
    def __init__(self) -> None:
        self.model = load()

    @bentoml.api
    def predict(self, image: Annotated[Path, ContentType("image/*")]) -> dict[str, float]:
        return answer(self.model(decode(image.read_bytes())[None])[0])
