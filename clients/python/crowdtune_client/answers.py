"""What the server answers, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    category: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """One picture's answer. ``scores`` begin with the most probable; ``uncertainty`` is 0 (sure) to 1."""

    scores: tuple[Score, ...]
    uncertainty: float
    margin: float

    @property
    def category(self) -> str:
        return self.scores[0].category

    @property
    def probability(self) -> float:
        return self.scores[0].probability


@dataclass(frozen=True)
class Answer:
    """One request's answer: all pictures were answered by the one version."""

    model_version: int
    predictions: tuple[Prediction, ...]
    milliseconds: float

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Answer:
        predictions = tuple(
            Prediction(
                tuple(Score(score["category"], score["probability"]) for score in item["categories"]),
                item["uncertainty"],
                item["margin"],
            )
            for item in body["predictions"]
        )
        return cls(body["model_version"], predictions, body["milliseconds"])
