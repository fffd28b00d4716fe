"""Readers of labels that exist already. To add one: a file beside these and one entry here, or two. Pure."""

from __future__ import annotations

from labeling.importing.known import (
    coco,
    cvat,
    doccano,
    imagefolder,
    labelbox,
    labelme,
    labelstudio,
    openimages,
    parquet,
    supervisely,
    table,
    voc,
    yolo,
)  # fmt: skip
from labeling.importing.known.files import Files, Known, Passed, Reader, Refused, UnreadableError

READERS: dict[str, Reader] = {
    "coco": coco.read,
    "yolo": yolo.read,
    "voc": voc.read,
    "csv": table.read_csv,
    "jsonl": table.read_jsonl,
    "imagefolder": imagefolder.read,
    "parquet": parquet.read,
    "labelstudio": labelstudio.read,
    "cvat": cvat.read,
    "doccano": doccano.read,
    "labelbox": labelbox.read,
    "labelme": labelme.read,
    "supervisely": supervisely.read,
    "openimages": openimages.read,
}
# What people call those that are no format of an export.
READ_ALONE = {
    "labelstudio": "Label Studio (JSON, JSON-MIN)",
    "cvat": "CVAT for images 1.1 (XML)",
    "doccano": "doccano (JSON Lines)",
    "labelbox": "Labelbox (NDJSON)",
    "labelme": "LabelMe (JSON)",
    "supervisely": "Supervisely (zip)",
    "openimages": "Open Images (zip of CSV)",
}

__all__ = ["READERS", "READ_ALONE", "Files", "Known", "Passed", "Reader", "Refused", "UnreadableError"]
