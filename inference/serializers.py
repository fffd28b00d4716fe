"""The shapes of this room's answers and requests, for the schema and for the answers themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from rest_framework import serializers

from inference.engine.engine import Answer
from inference.feedback.uncertainty import margin, uncertainty
from inference.intake.tensors import OUTPUTS


class ScoreSerializer(serializers.Serializer):
    category = serializers.CharField()
    probability = serializers.FloatField(min_value=0, max_value=1)


class PictureAnswerSerializer(serializers.Serializer):
    categories = ScoreSerializer(many=True, help_text="Most probable first, `top_k` of them.")
    uncertainty = serializers.FloatField(help_text="0 sure to 1 knows nothing: mean of entropy and 1 - margin.")
    margin = serializers.FloatField(help_text="Best minus second best probability.")


class PredictAnswerSerializer(serializers.Serializer):
    model_version = serializers.IntegerField()
    predictions = PictureAnswerSerializer(many=True)
    milliseconds = serializers.FloatField()


class PredictFilesSerializer(serializers.Serializer):
    image = serializers.ListField(child=serializers.FileField(), help_text="One or more image files.")
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=1000)


class PredictJsonSerializer(serializers.Serializer):
    images = serializers.ListField(
        child=serializers.JSONField(), help_text='Data URLs, `{"id": …}` of stored images, or `{"url": …}`.'
    )
    top_k = serializers.IntegerField(required=False, min_value=1, max_value=1000)


class ExplainSerializer(serializers.Serializer):
    image = serializers.FileField()
    category = serializers.CharField(
        required=False, help_text="The category to explain; by default the most probable one."
    )


class ExplainJsonSerializer(serializers.Serializer):
    image = serializers.JSONField(help_text='A data URL, `{"id": …}` of a stored image, or `{"url": …}`.')
    category = serializers.CharField(
        required=False, help_text="The category to explain; by default the most probable one."
    )


class ErrorDetailSerializer(serializers.Serializer):
    code = serializers.CharField()
    message = serializers.CharField()
    fields = serializers.DictField()  # type: ignore[assignment]


class ErrorSerializer(serializers.Serializer):
    error = ErrorDetailSerializer()


# The Open Inference Protocol's, for the schema alone: bodies are read and written by ``inference.intake.tensors``.
class V2LiveSerializer(serializers.Serializer):
    live = serializers.BooleanField()


class V2ReadySerializer(serializers.Serializer):
    ready = serializers.BooleanField()


class V2ServerSerializer(serializers.Serializer):
    name = serializers.CharField()
    version = serializers.CharField()
    extensions = serializers.ListField(child=serializers.CharField())


class V2TensorFormSerializer(serializers.Serializer):
    name = serializers.CharField()
    datatype = serializers.CharField(help_text="FP32 or BYTES.")
    shape = serializers.ListField(child=serializers.IntegerField(), help_text="-1: as many as there are.")


class V2ModelSerializer(serializers.Serializer):
    name = serializers.CharField()
    versions = serializers.ListField(child=serializers.CharField())
    platform = serializers.CharField()
    inputs = V2TensorFormSerializer(many=True)
    outputs = V2TensorFormSerializer(many=True)
    properties = serializers.DictField(child=serializers.CharField())


class V2ModelReadySerializer(serializers.Serializer):
    name = serializers.CharField()
    ready = serializers.BooleanField()


class V2TensorSerializer(V2TensorFormSerializer):
    parameters = serializers.DictField(required=False, help_text="`binary_data_size` where `data` follows as bytes.")
    data = serializers.JSONField(  # type: ignore[assignment]
        required=False, help_text="BYTES: image files in base64. FP32: pixels, 0 to 255."
    )


class V2OutputSerializer(serializers.Serializer):
    name = serializers.ChoiceField(choices=OUTPUTS)
    parameters = serializers.DictField(required=False, help_text="`binary_data`, or `classification`: how many.")


class V2InferSerializer(serializers.Serializer):
    id = serializers.CharField(required=False, help_text="Comes back with the answer.")
    parameters = serializers.DictField(required=False, help_text="`binary_data_output`: answer in bytes.")
    inputs = V2TensorSerializer(many=True, help_text="One: BYTES [n] or FP32 [n, h, w, 3].")
    outputs = V2OutputSerializer(many=True, required=False, help_text="Left out: all of them.")


class V2InferAnswerSerializer(serializers.Serializer):
    model_name = serializers.CharField()
    model_version = serializers.CharField()
    id = serializers.CharField(required=False)
    parameters = serializers.DictField(required=False)
    outputs = V2TensorSerializer(many=True)


def answer_json(answer: Answer, top_k: int) -> dict[str, Any]:
    """The body of ``predict/``. Written by hand: a serializer would cost more than the head."""
    margins = margin(answer.probabilities)
    unsure = uncertainty(answer.probabilities, margins).tolist()
    order = np.argsort(-answer.probabilities, axis=1, kind="stable")[:, :top_k]
    return {
        "model_version": answer.version.number,
        "predictions": [
            {
                "categories": [
                    {"category": answer.categories[index], "probability": round(row[index], 6)} for index in best
                ],
                "uncertainty": round(doubt, 6),
                "margin": round(lead, 6),
            }
            for row, best, doubt, lead in zip(
                answer.probabilities.tolist(), order.tolist(), unsure, margins.tolist(), strict=True
            )
        ],
        "milliseconds": round(answer.seconds * 1000, 2),
    }
