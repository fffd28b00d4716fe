"""Parquet: ours, or a table of Hugging Face's with a picture's name and a label. Pictures in it are passed over.

Ours says in its metadata which column answers which question. In another a name stands in ``name``, ``file_name`` or
``image`` (text, or the ``path`` of the Image feature), and the answer in ``label``, ``answer`` or ``category``; a
number of the ClassLabel feature is its name. Source: https://huggingface.co/docs/datasets/about_arrow
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.importing.known.files import MOST_ENTRY, Files, Found, Known, Refused, UnreadableError
from labeling.words import clause
from labeling.words import gettext as _

NAMES = ("name", "file_name", "image")
LABELS = ("label", "answer", "category")
SHA256 = "sha256"
BATCH = 500  # rows
MOST_VALUES = 20_000_000  # of a column in a group of rows: many equal ones take a few bytes


def read(files: Files) -> Found:
    try:
        table = pq.ParquetFile(files.stream)
        names = _names(table.schema_arrow)
        columns = _columns(table.schema_arrow, files.name)
        picked = ["image.path" if name == "image" and _is_picture(table.schema_arrow) else name for name in names]
        picked += [column for column, _key, _classes in columns] + [SHA256] * (SHA256 in table.schema_arrow.names)
        for batch in table.iter_batches(_rows_at_once(table.metadata, picked, files.name), columns=picked):
            yield from _rows(batch.to_pylist(), names, columns, files.name)
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s is no Parquet: %(error)s.")
        raise UnreadableError(told % {"name": files.name, "error": clause(error)}) from error


def _rows_at_once(metadata: pq.FileMetaData, picked: list[str], file: str) -> int:
    """So many that a batch fits into memory, were every value as long as all that its column holds: a text that stands
    in every row is in the file once.

    Raises:
        UnreadableError: What is read of a group of rows is larger than an entry of an archive may be.
    """
    most = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        read = [one for one in columns if any(f"{one.path_in_schema}.".startswith(f"{name}.") for name in picked)]
        size = sum(column.total_uncompressed_size for column in read)
        if size > MOST_ENTRY or any(column.num_values > MOST_VALUES for column in read):
            told = _("%(name)s is larger than %(most)s MB.") % {"name": file, "most": MOST_ENTRY // 2**20}
            raise UnreadableError(told)
        most = max(most, size)
    return max(1, min(BATCH, MOST_ENTRY // most))


def _names(schema: pa.Schema) -> list[str]:
    return [name for name in NAMES if name in schema.names]


def _is_picture(schema: pa.Schema) -> bool:
    return pa.types.is_struct(schema.field("image").type)


def _columns(schema: pa.Schema, file: str) -> list[tuple[str, str, list[str]]]:
    """(column, question, names of its numbers) of each answer.

    Raises:
        UnreadableError: There is no picture's name or no answer.
    """
    metadata = schema.metadata or {}
    ours = json.loads(metadata.get(b"crowdtune", b"{}")).get("questions", [])
    columns = [(str(row.get("column", row["key"])), str(row["key"]), list[str]()) for row in ours]
    if not columns:
        features = (json.loads(metadata.get(b"huggingface", b"{}")).get("info") or {}).get("features") or {}
        label = next((name for name in LABELS if name in schema.names), None)
        columns = [(label, "", list((features.get(label) or {}).get("names") or []))] if label else []
    if not columns or not _names(schema):
        told = _("%(name)s needs the columns image and answer; it has %(columns)s.")
        raise UnreadableError(told % {"name": file, "columns": ", ".join(schema.names)})
    return columns


def _rows(
    rows: list[dict[str, Any]], names: list[str], columns: list[tuple[str, str, list[str]]], file: str
) -> Iterator[Known | Refused]:
    for row in rows:
        called = [value.get("path") if isinstance(value := row.get(name), dict) else value for name in names]
        image = next((value for value in called if isinstance(value, str) and value), None)
        if image is None:
            yield Refused(file, _("A row names no picture."))
            continue
        for column, key, classes in columns:
            answer = row.get(column)
            if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(classes):
                answer = classes[answer]
            if answer is not None:
                sha256 = row.get(SHA256)
                yield Known(image, answer, key, sha256=sha256 if isinstance(sha256, str) else "")
