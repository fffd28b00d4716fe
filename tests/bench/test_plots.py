"""The picture of a bench stands alone: well-formed SVG that needs no style sheet."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.plots import page
from labeling.charts import Series, line

SVG = "{http://www.w3.org/2000/svg}"


def test_charts_side_by_side_are_one_svg_with_the_legend_once():
    series = [Series("a < b", [(1, 0.5), (2, 0.7)]), Series("c", [(1, 0.2), (2, 0.3)])]
    charts = [line(series, title=title) for title in ("left", "right & more")]

    root = ElementTree.fromstring(page([charts]))

    assert root.tag == f"{SVG}svg"
    words = [text.text for text in root.findall(f"{SVG}text")]
    assert words == ["left", "right & more", "a < b", "c"]
    assert len(root.findall(f".//{SVG}polyline")) == 4
    style = root.findtext(f"{SVG}style") or ""
    for drawn in root.iter(f"{SVG}polyline"):
        assert all(f".{name} " in style for name in drawn.attrib["class"].split() if "stroke" in name)
