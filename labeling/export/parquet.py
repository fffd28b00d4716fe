"""Parquet in the layout of Hugging Face datasets: one row per image, a column group per question, judgments as a list.

With the option ``images`` the pictures are in the file, as the Image feature has them (``{bytes, path}``). Written in
row groups, so memory stays flat. A posterior is a list of structs and no map: their reader refuses a file with a map.
The metadata ``crowdtune`` tells which column holds which question's answer.
Source: https://huggingface.co/docs/datasets/about_arrow , https://parquet.apache.org/
"""

from __future__ import annotations

import json
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from labeling.export.rows import Format, Header, Question, Row, Rows, text

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 500
GROUP_WITH_IMAGES = 32
_PARTS = ("confidence", "posterior", "judgments", "final")
_OF_IMAGES = ("image", "name", "image_id", "width", "height", "sha256", "judgments")


def columns_of(header: Header) -> dict[str, str]:
    """Question -> the column of its answer: its key, unless that or a column beside it has the name already."""
    taken = {*_OF_IMAGES, *(question.key for question in header.questions)}
    found: dict[str, str] = {}
    for question in header.questions:
        column = question.key
        while column in _OF_IMAGES or column in found.values() or taken & {f"{column}_{part}" for part in _PARTS}:
            column = f"{column}_answer"
        found[question.key] = column
        taken |= {column, *(f"{column}_{part}" for part in _PARTS)}
    return found


def schema(header: Header) -> pa.Schema:
    """Columns: image, name, size, hash; per question its answer, confidence, posterior and more; judgments."""
    # It takes 40 MB and a twentieth of the start: web processes, which write no file, must not import it.
    import pyarrow as pa

    posterior = pa.list_(pa.struct([("category", pa.string()), ("probability", pa.float64())]))
    said = pa.struct(
        [("worker", pa.string()), ("answers", pa.string()), ("seconds", pa.float64()), ("survey_version", pa.int32()),
         ("created_at", pa.string()), ("stage", pa.string())]
    )  # fmt: skip
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    fields = [pa.field("image", picture)] if header.with_images else []
    fields += [
        pa.field("name", pa.string()), pa.field("image_id", pa.int64()), pa.field("width", pa.int32()),
        pa.field("height", pa.int32()), pa.field("sha256", pa.string()),
    ]  # fmt: skip
    columns = columns_of(header)
    for column in columns.values():
        fields += [
            pa.field(column, pa.string()), pa.field(f"{column}_confidence", pa.float64()),
            pa.field(f"{column}_posterior", posterior), pa.field(f"{column}_judgments", pa.int32()),
            pa.field(f"{column}_final", pa.bool_()),
        ]  # fmt: skip
    fields.append(pa.field("judgments", pa.list_(said)))
    features = {"image": {"_type": "Image"}} if header.with_images else {}
    told = [{**_about(question), "column": columns[question.key]} for question in header.questions]
    about = {"project": header.project, "questions": told}
    metadata = {"huggingface": json.dumps({"info": {"features": features}}), "crowdtune": json.dumps(about)}
    return pa.schema(fields, metadata=metadata)


def _about(question: Question) -> dict[str, Any]:
    return {
        "key": question.key, "kind": question.kind, "prompt": question.prompt, "choices": list(question.choices),
    }  # fmt: skip


def _record(header: Header, columns: dict[str, str], row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": row.name, "image_id": row.image_id, "width": row.width, "height": row.height, "sha256": row.sha256,
    }  # fmt: skip
    if header.with_images:
        record["image"] = {"bytes": row.read(), "path": row.name}
    for key, column in columns.items():
        label = row.labels.get(key)
        if label is not None:
            record[column] = text(label.answer)
            record[f"{column}_confidence"] = label.confidence
            record[f"{column}_posterior"] = [
                {"category": category, "probability": share} for category, share in label.posterior.items()
            ]
            record[f"{column}_judgments"] = label.judgments
            record[f"{column}_final"] = label.final
    record["judgments"] = [
        {"worker": said.worker, "answers": json.dumps(dict(said.answers), ensure_ascii=False), "seconds": said.seconds,
         "survey_version": said.survey_version, "created_at": said.created_at, "stage": said.stage}
        for said in row.judgments
    ]  # fmt: skip
    return record


def write(header: Header, rows: Rows, out: IO[bytes]) -> None:
    import pyarrow as pa  # as in schema
    import pyarrow.parquet as pq

    fields, columns = schema(header), columns_of(header)
    size = GROUP_WITH_IMAGES if header.with_images else GROUP
    found = rows()
    with pq.ParquetWriter(out, fields, compression="zstd") as writer:
        while group := [_record(header, columns, row) for row in islice(found, size)]:
            writer.write_table(pa.Table.from_pylist(group, schema=fields))


PARQUET = Format("Parquet (Hugging Face)", "parquet", write)
