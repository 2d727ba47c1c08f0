"""Every layout that a column can have, written by pyarrow as Parquet, as Arrow files and as Arrow streams, and read back by it: the schema is the same, what was planted is
gone, and every other value is what it was."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.ipc
import pytest
from pyarrow import parquet

from test_scrub_put import MAIL, put, scrubbing, names  # noqa: F401

pytestmark = pytest.mark.gateway

ROWS = 60
LABEL = "<EMAIL_ADDRESS>"
WORDS = [None if row % 7 == 3 else MAIL if row % 5 == 0 else f"word {row}" for row in range(ROWS)]
SAID = [None if word is None else f"say {word}, again" for word in WORDS]


def nested(of: pa.DataType) -> Iterator[tuple[str, pa.Array]]:
    """A text of this type in everything that holds others."""
    lists = [None if row % 11 == 5 else [] if row % 11 == 6 else [SAID[row], "nobody", None] for row in range(ROWS)]
    yield f"list of {of}", pa.array(lists, pa.list_(of))
    yield f"large list of {of}", pa.array(lists, pa.large_list(of))
    yield f"two of {of}", pa.array([None if row % 11 == 5 else [SAID[row], "two"] for row in range(ROWS)], pa.list_(of, 2))
    yield f"struct of {of}", pa.array([None if row % 11 == 5 else {"a": SAID[row], "b": row} for row in range(ROWS)], pa.struct([("a", of), ("b", pa.int32())]))
    yield f"map of {of}", pa.array([None if row % 11 == 5 else [(f"k{row}", SAID[row]), ("other", None)] for row in range(ROWS)], pa.map_(pa.string(), of))
    yield (
        f"list of list of struct of {of}",
        pa.array([[[{"a": SAID[row]}], [], None] if row % 3 else None for row in range(ROWS)], pa.list_(pa.list_(pa.struct([("a", of)])))),
    )


def shared() -> dict[str, pa.Array]:
    """Those that Parquet has too."""
    texts = [pa.string(), pa.large_string(), pa.binary()]
    columns = {str(of): pa.array([word if word is None or of != pa.binary() else word.encode() for word in SAID], of) for of in texts}
    columns |= dict(nested(pa.string()))
    columns["dictionary"] = pa.array(SAID).dictionary_encode()
    columns["list of dictionaries"] = pa.ListArray.from_arrays(pa.array(range(ROWS + 1), pa.int32()), pa.array(SAID).dictionary_encode())
    columns["fixed"] = pa.array([None if word is None else word[:24].ljust(24).encode() for word in WORDS], pa.binary(24))
    columns["keys"] = pa.array([[(f"{MAIL}", row), (f"k{row}", row)] for row in range(ROWS)], pa.map_(pa.string(), pa.int64()))
    # Of nobody.
    for of in (pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.int64(), pa.float32(), pa.float64()):
        columns[f"of {of}"] = pa.array([None if row % 9 == 4 else row for row in range(ROWS)], of)
    columns["halves"] = pa.array([None if row % 9 == 4 else row / 2 for row in range(ROWS)], pa.float16())
    columns["yes"] = pa.array([None if row % 9 == 4 else row % 2 == 0 for row in range(ROWS)])
    columns["sum"] = pa.array([decimal.Decimal(row) / 100 if row % 9 else None for row in range(ROWS)], pa.decimal128(12, 2))
    columns["all null"] = pa.array([None] * ROWS, pa.string())
    return columns


def of_arrow() -> dict[str, pa.Array]:
    """And those that it has not."""
    columns = {"text view": pa.array(SAID, pa.string_view())}
    columns["binary view"] = pa.array([word if word is None else word.encode() for word in SAID], pa.binary_view())
    columns |= {f"{name} as views": array for name, array in nested(pa.string_view())}
    lists = [None if row % 11 == 5 else [SAID[row], "nobody", None] for row in range(ROWS)]
    columns["list view"] = pa.array(lists, pa.list_view(pa.string()))
    columns["large list view"] = pa.array(lists, pa.large_list_view(pa.string()))
    columns["runs"] = pa.RunEndEncodedArray.from_arrays(pa.array([10, 15, 40, ROWS], pa.int32()), pa.array(["a word", f"say {MAIL}", None, "end"]))
    kinds, texts = pa.array([row % 2 for row in range(ROWS)], pa.int8()), pa.array(SAID)
    columns["sparse union"] = pa.UnionArray.from_sparse(kinds, [texts, pa.array(range(ROWS), pa.int32())], ["text", "number"])
    offsets = pa.array([row // 2 for row in range(ROWS)], pa.int32())
    columns["dense union"] = pa.UnionArray.from_dense(kinds, offsets, [texts.slice(0, ROWS // 2), pa.array(range(ROWS // 2), pa.int32())], ["text", "number"])
    columns["nothing"] = pa.nulls(ROWS)
    columns["days and more"] = pa.array([None if row % 9 == 4 else (row % 3, row, row * 1000) for row in range(ROWS)], pa.month_day_nano_interval())
    columns["for"] = pa.array([None if row % 9 == 4 else datetime.timedelta(seconds=row) for row in range(ROWS)], pa.duration("ms"))
    columns["large sum"] = pa.array([decimal.Decimal(row) / 100 for row in range(ROWS)], pa.decimal256(50, 2))
    return columns


def table(columns: dict[str, pa.Array], pieces: int) -> pa.Table:
    """In so many pieces, one of them empty and each cut out of what is larger."""
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    size = ROWS // pieces
    batches = [batch.slice(at, size) for at in range(0, ROWS, size)]
    return pa.Table.from_batches([batches[0], batch.slice(0, 0), *batches[1:]])


def as_parquet(value: pa.Table, **options) -> bytes:
    out = io.BytesIO()
    parquet.write_table(value, out, row_group_size=25, **options)
    return out.getvalue()


def as_arrow(value: pa.Table, new, **options) -> bytes:
    out = io.BytesIO()
    with new(out, value.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(value)
    return out.getvalue()


def expected(value):
    """What a value is afterwards."""
    if isinstance(value, str):
        return value.replace(MAIL, LABEL)
    if isinstance(value, bytes):
        return value.replace(MAIL.encode(), LABEL.encode())
    if isinstance(value, dict):
        return {expected(name): expected(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(expected, value)) if type(value) in (list, tuple) else value
    return value


def same(sent: pa.Table, got: pa.Table) -> None:
    assert got.schema.equals(sent.schema, check_metadata=True)
    assert got.num_rows == sent.num_rows
    for name in sent.column_names:
        before, after = sent[name].to_pylist(), got[name].to_pylist()
        if name == "fixed":
            # A label is as long as there is room.
            assert not any(value is not None and MAIL[:10].encode() in value for value in after)
            assert [value for value, old in zip(after, before, strict=True) if old is None or b"word" in old] == [old for old in before if old is None or b"word" in old]
            continue
        assert after == expected(before), name
    got.validate(full=True)


@pytest.mark.parametrize(
    "options",
    [{}, {"compression": "zstd", "data_page_version": "2.0"}, {"compression": "none", "use_dictionary": False}, {"compression": "gzip", "write_page_index": True, "data_page_size": 200}],
    ids=["plain", "zstd, pages v2", "no dictionary", "gzip, small pages"],
)
def test_parquet(scrubbing, names, options):  # noqa: F811
    _, s3 = scrubbing
    # Parquet writes no dictionary of a list, no half of a float.
    sent = parquet.read_table(io.BytesIO(as_parquet(table(shared(), 3))))
    _, stored = put(s3, names["enforce"], as_parquet(sent, **options), "a.parquet")
    assert MAIL.encode() not in stored
    same(sent, parquet.read_table(io.BytesIO(stored)))


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("form", ["file", "stream"])
def test_arrow(scrubbing, names, form, compression, pieces):  # noqa: F811
    _, s3 = scrubbing
    new, read = (pa.ipc.new_file, pa.ipc.open_file) if form == "file" else (pa.ipc.new_stream, pa.ipc.open_stream)
    sent = table(shared() | of_arrow(), pieces)
    _, stored = put(s3, names["enforce"], as_arrow(sent, new, compression=compression, unify_dictionaries=form == "file"), "a.arrow")
    assert MAIL.encode() not in stored
    same(sent, read(io.BytesIO(stored)).read_all())
