"""A client of Crowdtune: predictions and heat maps, in step or awaited, with retries."""

from __future__ import annotations

from crowdtune_client.answers import Answer, Prediction, Score
from crowdtune_client.client import AsyncClient, Client
from crowdtune_client.errors import CrowdtuneError, Refused, Unreachable
from crowdtune_client.pictures import Picture, RemoteImage, StoredImage

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "CrowdtuneError",
    "Picture",
    "Prediction",
    "Refused",
    "RemoteImage",
    "Score",
    "StoredImage",
    "Unreachable",
]
