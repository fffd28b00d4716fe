"""Tags and filters that every page shares: icons, form fields, shares and durations."""

from __future__ import annotations

import re
from decimal import Decimal
from math import floor
from typing import Any

from django import template
from django.conf import settings
from django.forms import BoundField
from django.template.defaultfilters import floatformat
from django.templatetags.static import static
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from labeling.accounts.keys import SCOPE_NAMES
from labeling.files.imaging import TYPES
from labeling.surveys import tongues
from labeling.surveys.translations import Worded

register = template.Library()


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """``{% icon "check" %}``: a drawing out of static/img/icons.svg, hidden from screen readers."""
    address = static("img/icons.svg")
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>', classes, address, name)


@register.simple_tag
def picture_types() -> str:
    """``accept="{% picture_types %}"``: the kinds of pictures that are read."""
    return TYPES


@register.simple_tag
def said(text: Any) -> SafeString:
    """``{% said question.prompt %}``: words of a survey, marked with their language where that is known."""
    return format_html("<span{}>{}</span>", lang(text), text) if isinstance(text, Worded) else conditional_escape(text)


@register.simple_tag
def lang(text: Any) -> SafeString:
    """``<div{% lang text %}>``: the attributes of what holds such words, and nothing else."""
    code = getattr(text, "language", "")
    return in_language(code) if code else SafeString("")


@register.simple_tag
def in_language(code: str) -> SafeString:
    """``lang`` and ``dir`` of a language."""
    return format_html(' lang="{}" dir="{}"', code, tongues.direction(code))


@register.filter
def direction(code: str) -> str:
    """``ar`` -> ``rtl``."""
    return tongues.direction(code)


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, help_text: str = "", label: str = "", focus: bool = False) -> dict[str, Any]:
    """``{% field form.name %}``: label, control, help and errors, tied together for screen readers.

    ``focus`` is for the first field of a page that is nothing but its form.
    """
    widget = bound.field.widget
    attributes: dict[str, str | bool] = {"autofocus": True} if focus else {}
    if label:  # the form's own placeholder would say the label once more, in other words
        attributes["placeholder"] = False
    described = [f"{bound.id_for_label}_help"] if (help_text or bound.help_text) else []
    if bound.errors:
        attributes["aria-invalid"] = "true"
        described.append(f"{bound.id_for_label}_error")
    if described:
        attributes["aria-describedby"] = " ".join(described)
    return {
        "field": bound,
        "label": label or bound.label,
        "control": bound.as_widget(attrs=attributes),
        "help_text": help_text or bound.help_text,
        "is_check": getattr(widget, "input_type", "") == "checkbox" and not hasattr(widget, "choices"),
        "is_group": widget.use_fieldset,
    }


@register.filter
def percent(value: Any, digits: int = 0) -> str:
    """0.934 -> ``93 %``; an unknown share is a dash."""
    return "–" if value is None or value == "" else f"{float(value) * 100:.{digits}f}\u202f%"


@register.filter
def exactly(share: float) -> str:
    """A share that somebody is held to, with a digit of what is asked for no more than it has: ``0.995`` -> ``99.5 %``,
    where rounding would ask for all. Down to a hundredth, so that who missed it is never told to have reached it.
    """
    return f"{floor(round(share * 10_000, 6)) / 100:.12g}\u202f%"


@register.filter
def money(amount: Decimal | int) -> str:
    """Two decimals, and more where a price has more: amounts that are rounded do not add up to their sum."""
    exponent: Any = Decimal(amount).normalize().as_tuple().exponent
    return floatformat(amount, max(2, -exponent))


@register.filter
def may(scopes: list[str]) -> str:
    """What a key may, as its form has asked: ``["predict"]`` -> ``Ask the classifier``."""
    return ", ".join(str(SCOPE_NAMES.get(scope, scope)) for scope in scopes)


@register.filter
def unbroken(text: str) -> str:
    """A sentence whose percentages stay on one line: ``66.0 %`` keeps its sign, ``-2.9`` its minus."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", str(text)).replace(" %", "\u202f%")


@register.filter
def lines(text: str) -> list[str]:
    """The first line of a text, and what follows it where something does."""
    return text.split("\n", 1)


@register.filter
def share(part: Any, whole: Any) -> float:
    """``part|share:whole`` in 0..1, 0 when there is no whole."""
    return min(float(part) / float(whole), 1.0) if whole else 0.0


@register.filter
def duration(seconds: Any) -> str:
    """Seconds as a person says them: ``3.4 s``, ``2 min``, ``1 h 20 min``."""
    if seconds is None or seconds == "":
        return "–"
    total = float(seconds)
    if 0 < total < 10:
        return _("%(seconds).1f s") % {"seconds": total}
    if total < 60:
        return _("%(seconds)d s") % {"seconds": round(total)}
    minutes = round(total / 60)
    if minutes < 60:
        return _("%(minutes)d min") % {"minutes": minutes}
    return _("%(hours)d h %(minutes)d min") % {"hours": minutes // 60, "minutes": minutes % 60}


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """``mapping|get:key`` where the key is a variable; None when it is absent."""
    return mapping.get(key) if hasattr(mapping, "get") else None


@register.simple_tag
def sends_mail() -> bool:
    """Whether a mail that we send arrives anywhere."""
    return not str(settings.EMAIL_BACKEND).endswith("dummy.EmailBackend")
