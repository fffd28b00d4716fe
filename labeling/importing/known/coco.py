"""COCO: boxes of each image; images without annotations were looked at and hold nothing.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from labeling.importing.known.files import Files, Known, UnreadableError
from labeling.words import gettext as _


def read(files: Files) -> Iterator[Known]:
    for name in files.names(".json"):
        try:
            document = json.loads(files.text(name))
            names = {row["id"]: row["name"] for row in document["categories"]}
            boxes: dict[Any, list[dict[str, Any]]] = {row["id"]: [] for row in document["images"]}
            for row in document["annotations"]:
                if not row.get("iscrowd"):
                    boxes[row["image_id"]].append({"category": names[row["category_id"]], "box": row["bbox"]})
            found = [(row["file_name"], boxes[row["id"]]) for row in document["images"]]
        except (json.JSONDecodeError, RecursionError, KeyError, TypeError) as error:
            raise UnreadableError(
                _("%(name)s is not COCO: %(kind)s at %(error)s.")
                % {"name": name, "kind": type(error).__name__, "error": error}
            ) from error
        question = document.get("info", {}).get("question", "") if isinstance(document.get("info"), dict) else ""
        yield from (Known(image, answer, str(question)) for image, answer in found)
