"""Small filters of the owner's pages."""

from __future__ import annotations

import re
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from labeling.accounts import people
from labeling.collecting import workflow
from labeling.models import Image

LOOKED_AT = 320  # pixels of the longer side

register = template.Library()
register.filter("stage", workflow.say_stage)


@register.filter
def per(value: float | None, count: float | None) -> float | None:
    """``total|per:count``; None where there is nothing to divide by."""
    return None if value is None or not count else float(value) / float(count)


@register.simple_tag
def enlarged(image: Image) -> SafeString:
    """``<img{% enlarged image %}>``: a small picture several times its size, about 320 pixels, but not higher than is
    usual where it stands, since its width alone is told."""
    times = LOOKED_AT // max(image.width, image.height, 1)
    if times < 2:
        return SafeString("")
    told = ' style="inline-size: min({0} * {1}px, var(--tall) * {1} / {2})"'
    return format_html(told, times, image.width, image.height)


@register.filter
def called(user: Any) -> str:
    """A person's name, or that of the imported worker for whom the account stands."""
    return people.name_of(user)


@register.filter
def in_middle(name: str, most: int) -> str:
    """A name of at most so many letters, without some of its middle: a folder's images differ at their end."""
    end = most * 2 // 3
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


@register.filter
def initials(username: str) -> str:
    """What fits into an avatar: ``worker12`` -> w12, ``asha`` -> as, ``a.person`` -> ap."""
    if match := re.fullmatch(r"(\D).*?(\d{1,2})", username):
        return match[1] + match[2]
    first, *more = re.findall(r"[^.+_@-]+", username.partition("@")[0]) or [username]
    return first[0] + more[0][0] if more else first[:2]
