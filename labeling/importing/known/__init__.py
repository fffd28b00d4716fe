"""Readers of labels that exist already. To add one: a file beside these and one entry here. Pure."""

from __future__ import annotations

from labeling.importing.known import (
    coco,
    cvat,
    doccano,
    imagefolder,
    labelme,
    labelstudio,
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
    "labelme": labelme.read,
    "supervisely": supervisely.read,
}

__all__ = ["READERS", "Files", "Known", "Passed", "Reader", "Refused", "UnreadableError"]
