"""What a person says of themself once, for all projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labeling.models import Profile


def change_profile(*, user: Any, languages: Sequence[str], about: str) -> Profile:
    """Set the languages that the person reads well, best first, and a word for the owners of projects."""
    values = {"languages": list(languages), "about": about}
    return Profile.objects.update_or_create(user_id=user.pk, defaults=values)[0]
