"""Keras, the heavy library: imported here and nowhere else, because of the company that it brings along.

Keras and TensorFlow import scikit-learn, pandas and JAX where they find them, for adapters that nobody here calls. With
all three installed that is two fifths of what a process pays before it can begin, and each run that needs Keras, each
export and each download begins with a process. What Keras computes with it imports by that name, whatever is hidden.
"""

from __future__ import annotations

import os
import sys

_beside = {"jax", "pandas", "sklearn"} - {os.environ.get("KERAS_BACKEND", "jax")} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_beside))  # type: ignore[arg-type]  # None: cannot be imported
try:
    import keras
finally:
    for _name in _beside:
        del sys.modules[_name]

__all__ = ["keras"]
