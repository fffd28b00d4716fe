"""Export formats. To add one: a file beside these and one entry here. Pure: rows in, a file out, in constant memory."""

from __future__ import annotations

from labeling.export.coco import COCO
from labeling.export.imagefolder import IMAGEFOLDER
from labeling.export.jsonl import JSONL
from labeling.export.parquet import PARQUET
from labeling.export.rows import ExportRefusedError, FilesOf, Format, Header, Label, Question, Row, Rows, Said
from labeling.export.table import CSV
from labeling.export.voc import VOC
from labeling.export.yolo import YOLO

FORMATS: dict[str, Format] = {
    "coco": COCO,
    "yolo": YOLO,
    "voc": VOC,
    "csv": CSV,
    "jsonl": JSONL,
    "imagefolder": IMAGEFOLDER,
    "parquet": PARQUET,
}

__all__ = ["FORMATS", "ExportRefusedError", "FilesOf", "Format", "Header", "Label", "Question", "Row", "Rows", "Said"]
