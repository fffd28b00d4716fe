"""Which projects a person can read: those in one of the person's languages come before those that state none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import BigIntegerField, Case, ExpressionWrapper, F, Q, QuerySet, Value, When
from django.utils.dates import MONTHS_3
from django.utils.text import capfirst

from labeling.models import Profile, Project

# Above every id, so that one number orders by fit and then by age: a cursor needs a number of its own for each row.
STEP = 10**12
MOST = 50
LANGUAGES = [
    ("ar", "العربية"),
    ("bn", "বাংলা"),
    ("de", "Deutsch"),
    ("en", "English"),
    ("es", "Español"),
    ("fr", "Français"),
    ("hi", "हिन्दी"),
    ("id", "Bahasa Indonesia"),
    ("ja", "日本語"),
    ("mr", "मराठी"),
    ("pt", "Português"),
    ("ru", "Русский"),
    ("sw", "Kiswahili"),
    ("ta", "தமிழ்"),
    ("te", "తెలుగు"),
    ("tr", "Türkçe"),
    ("ur", "اردو"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
]


def of_user(user: Any) -> list[str]:
    """The languages of a person's profile, best first; none of who is not signed in."""
    if user.pk is None:
        return []
    found = Profile.objects.filter(user_id=user.pk).values_list("languages", flat=True).first()
    return [str(code) for code in found or []][:MOST]


def readable(projects: QuerySet[Project], codes: Iterable[str]) -> QuerySet[Project]:
    """Only projects in one of these languages, and those that state none."""
    return projects.filter(_states(codes) | Q(languages=[]))


def ranked(projects: QuerySet[Project], codes: Iterable[str]) -> QuerySet[Project]:
    """In this order: those in a language that is read, those that state none, the others; the newer first in each."""
    codes = list(codes)
    fits = [When(_states(codes), then=Value(2 * STEP))] if codes else []
    fit = Case(*fits, When(languages=[], then=Value(STEP)), default=Value(0), output_field=BigIntegerField())
    rank = ExpressionWrapper(fit + F("id"), output_field=BigIntegerField())
    return projects.annotate(language_rank=rank).order_by("-language_rank")


def _states(codes: Iterable[str]) -> Q:
    found = Q(pk__in=[])
    for code in codes:
        found |= Q(languages__contains=[code])
    return found


def months() -> list[str]:
    """The short names of the months in the reader's language, as plots take them."""
    return [capfirst(str(MONTHS_3[number])) for number in range(1, 13)]
