"""What the tests of the client and of its command share."""

from __future__ import annotations

from pathlib import Path

import pytest

from labeling.accounts.keys import create_key
from tests.inference.serving import picture


@pytest.fixture
def token(owner) -> str:
    return create_key(user=owner, scopes=("predict",))[1]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(picture(4))
    return path
