"""The maps before a trunk's pooling, by a network made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.learning.networks.layers import PooledMaps
from training.learning.networks.light import openvino
from training.learning.networks.light import operations as ops


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_maps_before_the_pooling_are_found_in_the_file_of_a_trunk(tmp_path: Path, channels_last: bool) -> None:
    images = ops.parameter([1, 8, 8, 3], np.uint8, name="images")
    maps = ops.convert(images, np.float32)
    if not channels_last:
        maps = ops.transpose(maps, [0, 3, 1, 2])
    pooled = ops.reduce_mean(maps, [1, 2] if channels_last else [2, 3], keep_dims=False)
    openvino.save_model(openvino.Model([pooled], [images]), str(tmp_path / "trunk.xml"), compress_to_fp16=False)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(PooledMaps(tmp_path / "trunk.xml", 8)(image), image.astype(np.float32))
