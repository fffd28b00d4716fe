"""Reads Parquet: ours, or a table of Hugging Face's with a picture's name and a label. Pictures in it are passed over.

Ours says in its metadata which column answers which question. In another a name stands in ``name``, ``file_name`` or
``image`` (text, or the ``path`` of the Image feature), and the answer in ``label``, ``answer`` or ``category``; a
number of the ClassLabel feature is its name. Source: https://huggingface.co/docs/datasets/about_arrow
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labeling.importing.known.files import MOST_ENTRY, Files, Found, Known, Refused, UnreadableError
from labeling.text.words import clause
from labeling.text.words import gettext as _

NAMES = ("name", "file_name", "image")
LABELS = ("label", "answer", "category")
SHA256 = "sha256"
BATCH = 5000  # rows
MOST_VALUES = 20_000_000  # of a column in a group of rows: many equal ones take a few bytes


def read(files: Files) -> Found:
    try:
        table = pq.ParquetFile(files.stream)
        names = _names(table.schema_arrow)
        columns = _columns(table.schema_arrow, files.name)
        picked = ["image.path" if name == "image" and _is_picture(table.schema_arrow) else name for name in names]
        picked += [column for column, _key, _classes in columns] + _texts_of(table.schema_arrow, (SHA256,))
        _check_size(table.metadata, picked, files.name)
        table = pq.ParquetFile(files.stream, metadata=table.metadata, read_dictionary=_shared(table, picked))
        for number in range(table.num_row_groups):
            for batch in table.read_row_group(number, columns=picked).to_batches(max_chunksize=BATCH):
                found = {name: _values(batch.column(name)) for name in batch.schema.names}
                yield from _rows(found, batch.num_rows, names, columns, files.name)
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = _("%(name)s is no Parquet: %(error)s.")
        raise UnreadableError(told % {"name": files.name, "error": clause(error)}) from error


def _check_size(metadata: pq.FileMetaData, picked: list[str], file: str) -> None:
    """
    Raises:
        UnreadableError: What is read of a group of rows is larger than an entry of an archive may be.
    """
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        read = [one for one in columns if _is_of(one.path_in_schema, picked)]
        size = sum(column.total_uncompressed_size for column in read)
        if size > MOST_ENTRY or any(column.num_values > MOST_VALUES for column in read):
            told = _("%(name)s is larger than %(most)s MB. Send it in several parts.") % {
                "name": file,
                "most": MOST_ENTRY // 2**20,
            }
            raise UnreadableError(told)


def _shared(table: pq.ParquetFile, picked: list[str]) -> list[str]:
    """Where texts stand in the picked columns, as the file calls that: what of them is equal is read once."""
    columns = [table.schema.column(number) for number in range(len(table.schema))]
    return [one.path for one in columns if _is_of(one.path, picked) and one.physical_type == "BYTE_ARRAY"]


def _is_plain(kind: pa.DataType) -> bool:
    """Whether it is text, a number or a list of these."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return numbers or pa.types.is_null(kind) or _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_of(path: str, picked: list[str]) -> bool:
    return any(f"{path}.".startswith(f"{name}.") for name in picked)


def _values(array: Any) -> list[Any]:
    """What Python calls them. Equal texts are one object: one that stands in every row is in the file once, and would
    take gigabytes, were it written out for each.
    """
    if pa.types.is_struct(array.type):
        return _values(pc.struct_field(array, [0]))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        entries = iter(_values(array.flatten()))
        lengths = pc.list_value_length(array).to_pylist()
        return [None if length is None else list(itertools.islice(entries, length)) for length in lengths]
    if not pa.types.is_dictionary(array.type):
        return array.to_pylist()
    places = array.indices.to_pylist()
    used = sorted(set(places) - {None})
    known = {None: None, **dict(zip(used, array.dictionary.take(pa.array(used, pa.int64())).to_pylist(), strict=True))}
    return [known[place] for place in places]


def _names(schema: pa.Schema) -> list[str]:
    texts = _texts_of(schema, NAMES)
    return [*texts, "image"] if _is_picture(schema) else texts


def _texts_of(schema: pa.Schema, names: Iterable[str]) -> list[str]:
    return [name for name in names if name in schema.names and _is_text(schema.field(name).type)]


def _is_picture(schema: pa.Schema) -> bool:
    kind = schema.field("image").type if "image" in schema.names else pa.null()
    return pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 and _is_text(kind.field("path").type)


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
    if not columns or not _names(schema) or not all(_is_plain(schema.field(name).type) for name, _, _ in columns):
        told = _("%(name)s needs the columns image and answer; it has %(columns)s.")
        raise UnreadableError(told % {"name": file, "columns": ", ".join(schema.names)})
    return columns


def _rows(
    found: dict[str, list[Any]], count: int, names: list[str], columns: list[tuple[str, str, list[str]]], file: str
) -> Iterator[Known | Refused]:
    """
    Args:
        found: Column -> its value in each of so many rows.
    """
    for row in range(count):
        called = (found[name][row] for name in names)
        image = next((value for value in called if isinstance(value, str) and value), None)
        if image is None:
            yield Refused(file, _("A row names no picture."))
            continue
        sha256 = found[SHA256][row] if SHA256 in found else ""
        for column, key, classes in columns:
            answer = found[column][row]
            if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(classes):
                answer = classes[answer]
            if answer is not None:
                yield Known(image, answer, key, sha256=sha256 if isinstance(sha256, str) else "")
