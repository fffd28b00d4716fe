"""Template tags of the plots: ``{% chart plot %}``, ``{% meter 0.8 "Progress" %}``."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import mark_safe

from labeling.charts import Chart

register = template.Library()


@register.inclusion_tag("charts/chart.html")
def chart(plot: Chart, heading: str = "h3") -> dict[str, Any]:
    """The figure: heading (h2, h3 or none), legend, picture, note where it is empty, and the table of its numbers."""
    return {"plot": plot, "body": mark_safe(plot.body), "heading": heading}


@register.inclusion_tag("charts/meter.html")
def meter(share: float | None, name: str = "") -> dict[str, Any]:
    """A bar from 0 to 1, of what goes on; without a name for the eyes alone, beside the number that it shows."""
    value = min(max(share or 0.0, 0.0), 1.0)
    return {"percent": round(value * 100, 1), "name": name}
