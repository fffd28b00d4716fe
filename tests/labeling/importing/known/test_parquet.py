"""Parquet files of strangers."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labeling.importing.known import Known, Refused, UnreadableError, arrow
from tests.labeling.importing.conftest import read


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def test_parquet_of_hugging_face_gives_the_names_of_its_numbers():
    features = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}, "image": {"_type": "Image"}}
    picture = {"bytes": b"x" * 1000, "path": "a.png"}
    table = pa.table({"image": [picture, {"bytes": b"", "path": None}], "label": [1, 0]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    first, second = read("parquet", parquet(table), "train.parquet")
    assert (first, type(second)) == (Known("a.png", "dog"), Refused)


def test_parquet_whose_rows_share_a_long_text_holds_it_once(monkeypatch):
    """Written out for every row, a file of two kilobytes would take gigabytes."""
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 40, pa.int32()), pa.array(["a" * 100_000]))
    tags = pa.ListArray.from_arrays(pa.array(range(41), pa.int32()), long)
    names = [f"{number}.png" for number in range(40)]
    for column in (long, tags):
        found = read("parquet", parquet(pa.table({"image": names, "label": column})), "a.parquet")
        assert [known.image for known in found] == names
        assert len({id(known.answer if column is long else known.answer[0]) for known in found}) == 1
    monkeypatch.setattr(arrow, "MOST_ENTRY", 50_000)
    with pytest.raises(UnreadableError, match="Send it in several parts"):
        read("parquet", parquet(pa.table({"image": names, "label": long})), "a.parquet")


def test_parquet_is_read_in_one_go_however_many_rows_a_group_has(monkeypatch):
    """A text in every row made each batch as small as if it were in none but this one: a million rows took a minute."""
    calls: list[int] = []
    taken = arrow._rows

    def noted(found: Any, count: int, *known: Any) -> Any:
        calls.append(count)
        return taken(found, count, *known)

    monkeypatch.setattr(arrow, "_rows", noted)
    monkeypatch.setattr(arrow, "MOST_ENTRY", 2**20)
    table = pa.table({"image": [f"{number:064d}" for number in range(12_000)], "label": ["cat", None, "dog"] * 4000})
    assert [known.answer for known in read("parquet", parquet(table), "a.parquet")] == ["cat", "dog"] * 4000
    assert calls == [5000, 5000, 2000]


def test_parquet_with_pictures_as_bytes_is_known_by_its_names():
    columns = {"image": [b"x", b"y"], "file_name": ["a.png", "b.png"], "label": [["cat"], None]}
    assert read("parquet", parquet(pa.table(columns)), "a.parquet") == [Known("a.png", ["cat"])]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"PAR1", b"PAR1" * 40, parquet(pa.table({"x": [1]})),
        parquet(pa.table({"image": ["a.png"], "label": [{"x": "cat"}]})),
        parquet(pa.table({"image": [b"x"], "label": ["cat"]})),
    ],
)  # fmt: skip
def test_what_is_no_parquet_of_labels_is_said_so(data):
    with pytest.raises(UnreadableError, match=r"train\.parquet"):
        read("parquet", data, "train.parquet")
