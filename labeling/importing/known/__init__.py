"""Readers of labels that exist already. To add one: a file beside these and one entry here. Pure."""

from __future__ import annotations

from labeling.importing.known import coco, cvat, doccano, imagefolder, labelstudio, parquet, table, voc, yolo
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
}

__all__ = ["READERS", "Files", "Known", "Passed", "Reader", "Refused", "UnreadableError"]
