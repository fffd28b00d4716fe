"""The one place that knows what Keras trains on, and what follows from it: precision, compilation, and who shares it.

On a GPU: ``mixed_bfloat16`` (matrix units in bfloat16, weights and loss in float32; no loss scaling is needed, unlike
float16), XLA (``jit_compile``), and, where JAX sees several, ``keras.distribution.DataParallel``: each batch is split
among them. On a CPU all of it stays off: measured on an EPYC with AVX512-BF16, bfloat16 cost 8 % more than float32
(depthwise convolutions), and XLA neither gained nor lost.

Several trainers beside each other, one a GPU, are the operator's choice (TRAINERS): each process then sees its own GPU
only (CUDA_VISIBLE_DEVICES), and nothing here is shared. All of this runs in the tests on CPU devices (JAX shows four of
them by XLA_FLAGS=--xla_force_host_platform_device_count=4); it has not been run on a GPU yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from training.learning.networks.heavy import keras  # the trainer's process only
from training.learning.networks.network import settle


@dataclass(frozen=True)
class Devices:
    """``names`` share each batch, none = the backend's own choice; ``policy`` is Keras' name of the precision."""

    names: tuple[str, ...] = ()
    policy: str = "float32"
    jit: bool | str = "auto"

    @property
    def is_plain(self) -> bool:
        return not self.names and self.policy == "float32"


def here() -> Devices:
    """What this process has."""
    gpus = _listed("gpu")
    shares = keras.backend.backend() == "jax"  # the backend whose distribution Keras completes
    if gpus:
        jit: bool | str = "auto" if keras.backend.backend() == "torch" else True
        return Devices(tuple(gpus) if shares and len(gpus) > 1 else (), "mixed_bfloat16", jit)
    cpus = _listed("cpu") if shares else []
    return Devices(tuple(cpus) if len(cpus) > 1 else ())


def _listed(kind: str) -> list[str]:
    try:
        return list(keras.distribution.list_devices(kind))
    except (RuntimeError, NotImplementedError):  # JAX raises where it has none of the kind; torch may list none at all
        return []


@contextmanager
def training_on(devices: Devices) -> Iterator[None]:
    """Models that are built inside train on the devices, in their precision; afterwards all is as before."""
    settle()
    policy, shared = keras.config.dtype_policy(), keras.distribution.distribution()
    try:
        keras.config.set_dtype_policy(devices.policy)
        if devices.names:
            keras.distribution.set_distribution(keras.distribution.DataParallel(devices=list(devices.names)))
        yield
    finally:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(shared)


def ways() -> int:
    """Into how many parts a batch is split now: its length must be a multiple."""
    shared: Any = keras.distribution.distribution()
    return 1 if shared is None else int(shared.device_mesh.devices.size)
