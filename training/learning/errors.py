"""What learning refuses, and how it says so.

CrowdtuneError
└── LearningError
    ├── WeightsMissing     no file of pretrained weights where one is needed; says which file and folder
    ├── TooLittleData      a class with too few images, one class, nothing to validate on
    ├── TrainingDiverged   a loss or a gradient that is no number
    ├── Cancelled          the progress callback said stop
    ├── ArtifactDamaged    a hash, a shape or a format that is not what the manifest says
    └── NotFaithful        the exported network does not answer like Keras
"""

from __future__ import annotations

from labeling.errors import NO_ROOM, CrowdtuneError
from labeling.text.words import gettext as _


class LearningError(CrowdtuneError):
    """Expected, received, what to do; ``code`` names the case."""

    code = "learning_failed"
    status = 409

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(code or type(self).code, message, type(self).status)


class WeightsMissing(LearningError):
    code = "weights_missing"


class TooLittleData(LearningError):
    code = "too_little_data"


class TrainingDiverged(LearningError):
    code = "training_diverged"


class Cancelled(LearningError):
    code = "cancelled"


class ArtifactDamaged(LearningError):
    code = "artifact_damaged"


class NotFaithful(LearningError):
    code = "not_faithful"


def not_written(told: str, error: OSError, **names: object) -> LearningError:
    """A file could not be written: ``told`` of that, with its ``error`` and ``advice``: room, or the right to write."""
    advice, code = _("Let this process write there, then try again."), "not_written"
    if error.errno in NO_ROOM:
        advice, code = _("Free some disk, then try again."), "disk_full"
    return LearningError(told % {**names, "error": error.strerror or error, "advice": advice}, code)


# What says so: Python, OpenVINO, TensorFlow, JAX and PyTorch, the last three also of a GPU's memory.
NO_MEMORY = ("MemoryError", "bad_alloc", "ResourceExhaustedError", "RESOURCE_EXHAUSTED", "out of memory")


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was no memory for what was asked, whichever library says so."""
    said = f"{type(error).__name__}: {error}"
    return any(word in said for word in NO_MEMORY)
