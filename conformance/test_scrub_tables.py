"""Tables in binary formats on the way in: Avro and Arrow, written and read by stock libraries."""

from __future__ import annotations

import decimal
import io
import json
from datetime import date, datetime, timezone

import fastavro
import pyarrow as pa
import pytest
from pyarrow import feather, ipc

from clients import MIB, boto, error_code, fresh, noise, put_in_parts

pytestmark = pytest.mark.gateway

# Of no person: the mail is of a reserved domain, the number of a range that is never given out.
MAIL = "mary.johnson" + "@example.org"
SSN = "219-09-" + "9999"
NUMBER = int(SSN.replace("-", ""))
LABEL = "<EMAIL_ADDRESS>"
ROWS = 3000


@pytest.fixture
def put(make_gateway):
    """Puts a body into an enforced bucket: what was told to be found in it, and what is there then."""
    bucket = fresh("tables")
    gateway = make_gateway(more=f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)

    def put(body: bytes) -> tuple[dict[str, int], bytes]:
        answer = s3.put_object(Bucket=bucket, Key="key", Body=body)
        told = answer["ResponseMetadata"]["HTTPHeaders"]["x-data-vault-findings"]
        stored = s3.get_object(Bucket=bucket, Key="key")["Body"].read()
        return {kind: int(count) for kind, count in (one.split("=") for one in told.split(",") if one)}, stored

    put.s3, put.bucket, put.gateway = s3, bucket, gateway
    return put


AVRO = {
    "type": "record",
    "name": "Person",
    "namespace": "org.example",
    "doc": f"exported by {MAIL}",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "email", "type": ["null", "string"], "default": None},
        {"name": "ssn", "type": ["null", "long"]},
        {"name": "US_SSN", "type": "int"},
        {"name": "score", "type": "float"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["USER", "BOT"]}},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 16}},
        {
            "name": "messages",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "Message", "fields": [{"name": "role", "type": "Kind"}, {"name": "content", "type": ["null", "string", "bytes"]}]},
            },
        },
        {"name": "labels", "type": {"type": "map", "values": "string"}},
        {"name": "parent", "type": ["null", "Person"], "default": None},
    ],
}


def person(row: int, mail: str, ssn: int | None, labels: dict[str, str]) -> dict:
    return {
        "id": row,
        "email": mail if row % 3 else None,
        "ssn": ssn,
        "US_SSN": ssn or 0,
        "score": row / 8,
        "price": decimal.Decimal(row) / 100,
        "day": date(2020, 1, 1 + row % 28),
        "at": datetime.fromtimestamp(1_700_000_000 + row, timezone.utc),
        "kind": "USER" if row % 2 else "BOT",
        "hash": noise(16, row),
        "messages": [{"role": "USER", "content": f"write to {mail}, please"}, {"role": "BOT", "content": None}, {"role": "BOT", "content": mail.encode()}],
        "labels": labels,
        "parent": None,
    }


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_avro(put, codec):
    """Read back by fastavro: its schema, its rows and the fields of nobody are as they were."""
    rows = [person(row, MAIL, NUMBER, {MAIL: SSN, "other." + MAIL: "x", "colour": "red"}) for row in range(ROWS)]
    rows[7]["parent"] = person(8, MAIL, NUMBER, {})
    out = io.BytesIO()
    fastavro.writer(out, AVRO, rows, codec=codec, metadata={"owner": MAIL, "info": json.dumps({"by": MAIL, "n": 1})}, sync_interval=50_000)
    found, stored = put(out.getvalue())
    reader = fastavro.reader(io.BytesIO(stored))
    read = list(reader)
    clean = [person(row, LABEL, None, {LABEL: "<US_SSN>", LABEL + "_2": "x", "colour": "red"}) for row in range(ROWS)]
    clean[7]["parent"] = person(8, LABEL, None, {})
    assert read == clean
    before = fastavro.reader(io.BytesIO(out.getvalue()))
    assert reader.writer_schema == before.writer_schema | {"doc": f"exported by {LABEL}"}
    assert (reader.codec, reader.metadata["owner"], json.loads(reader.metadata["info"])) == (codec, LABEL, {"by": LABEL, "n": 1})
    assert MAIL.encode() not in stored
    assert found["EMAIL_ADDRESS"] > 4 * ROWS
    assert error_code(lambda: put(out.getvalue()[:-7])) == "InvalidRequest"


def test_clean_avro_stays(put):
    """To the last byte, and in parts too."""
    out = io.BytesIO()
    rows = [{"id": row, "word": f"word {row}"} for row in range(200_000)]
    fastavro.writer(out, {"type": "record", "name": "R", "fields": [{"name": "id", "type": "long"}, {"name": "word", "type": "string"}]}, rows, codec="deflate")
    found, stored = put(out.getvalue())
    assert (found, stored == out.getvalue()) == ({}, True)
    put_in_parts(put.s3, put.bucket, "parts", [out.getvalue()])
    assert put.s3.get_object(Bucket=put.bucket, Key="parts")["Body"].read() == out.getvalue()


def table(mail: str, ssn: int | None, rows: int = ROWS) -> pa.Table:
    number = ssn or 0
    content = [f"write to {mail}, please", f"{mail} is an address that is longer than a view holds", "short"]
    strings = [mail if row % 3 else None for row in range(rows)]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "email": pa.array(strings, pa.string()),
            "large_email": pa.array(strings, pa.large_string()),
            "view_email": pa.array(strings, pa.string_view()),
            "note": pa.array([content[row % 3] for row in range(rows)], pa.string_view()),
            "ssn": pa.array([ssn] * rows, pa.int64()),
            "blob": pa.array([f"blob of {mail}".encode()] * rows, pa.binary()),
            "blob_view": pa.array([f"blob of {mail}".encode()] * rows, pa.binary_view()),
            "image": pa.array([b"\x89PNG\r\n\x1a\n" + noise(20, row) for row in range(rows)], pa.large_binary()),
            "category": pa.DictionaryArray.from_arrays(pa.array([row % 3 for row in range(rows)], pa.int8()), [mail, "red", f"of {mail}"]),
            "messages": pa.array([[{"role": "user", "content": content[row % 3]}, {"role": "bot", "content": None}] for row in range(rows)]),
            "labels": pa.array([[(mail, mail), ("colour", "red")]] * rows, pa.map_(pa.string(), pa.string())),
            "pair": pa.array([[content[2], mail]] * rows, pa.list_(pa.string(), 2)),
            "number": pa.array([{"social_security_number": number if ssn else None}] * rows, pa.struct([("social_security_number", pa.uint32())])),
            "choice": pa.UnionArray.from_sparse(pa.array([row % 2 for row in range(rows)], pa.int8()), [pa.array([mail] * rows), pa.array([row / 2 for row in range(rows)])], ["text", "float"]),
            "either": pa.UnionArray.from_dense(pa.array([0] * rows, pa.int8()), pa.array(range(rows), pa.int32()), [pa.array([mail] * rows), pa.array([1])]),
            "large_list": pa.array([[mail, "x"]] * rows, pa.large_list(pa.string())),
            "list_view": pa.array([[mail, "x"]] * rows, pa.list_view(pa.string())),
            "runs": pa.RunEndEncodedArray.from_arrays(pa.array([rows // 3, rows], pa.int32()), pa.array([mail, "red"])),
            "at": pa.array([1_700_000_000_000 + row for row in range(rows)], pa.timestamp("ms", tz="UTC")),
            "day": pa.array(range(rows), pa.date32()),
            "seconds": pa.array(range(rows), pa.timestamp("s")),
            "took": pa.array(range(rows), pa.duration("us")),
            "since": pa.array([(1, 2, row) for row in range(rows)], pa.month_day_nano_interval()),
            "wide_price": pa.array([decimal.Decimal(row) / 100 for row in range(rows)], pa.decimal256(50, 2)),
            "time": pa.array(range(rows), pa.time64("us")),
            "score": pa.array([row / 8 for row in range(rows)], pa.float16()),
            "price": pa.array([decimal.Decimal(row) / 100 for row in range(rows)], pa.decimal128(9, 2)),
            "flag": pa.array([row % 2 == 0 for row in range(rows)]),
            "nothing": pa.nulls(rows),
        }
    ).replace_schema_metadata({"info": json.dumps({"by": mail})})


def written(data: pa.Table, kind: str, codec: str | None) -> bytes:
    out = io.BytesIO()
    if kind == "feather":
        feather.write_feather(data, out, compression=codec or "uncompressed", chunksize=1000)
    else:
        new = ipc.new_stream if kind == "stream" else ipc.new_file
        with new(out, data.schema, options=ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True)) as writer:
            writer.write_table(data, max_chunksize=1000)
    return out.getvalue()


def read(body: bytes, kind: str) -> pa.Table:
    if kind == "stream":
        return ipc.open_stream(body).read_all()
    return ipc.open_file(body).read_all()


@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["stream", "file", "feather"])
def test_arrow(put, kind, codec):
    """Read back by pyarrow: its schema, its rows and the columns of nobody are as they were."""
    source = table(MAIL, NUMBER)
    body = written(source, kind, codec)
    found, stored = put(body)
    got = read(stored, kind)
    got.validate(full=True)
    want = table(LABEL, None)
    assert got.schema.equals(want.schema, check_metadata=True)
    for name in source.column_names:
        assert got[name].to_pylist() == want[name].to_pylist(), name
    if codec is None:
        assert MAIL.encode() not in stored
    assert (found["EMAIL_ADDRESS"], found["US_SSN"]) > (5 * ROWS, ROWS)
    assert error_code(lambda: put(body[:-3])) == "InvalidRequest"


@pytest.mark.parametrize("kind", ["stream", "file", "feather"])
@pytest.mark.parametrize("codec", [None, "lz4", "zstd"])
def test_clean_arrow_stays(put, kind, codec):
    """To the last byte; a batch of nobody beside one of somebody too."""
    # No slice of more rows: behind the texts of one pyarrow writes the start of the next row's.
    data = table("nobody", None, 1000)
    body = written(data, kind, codec)
    found, stored = put(body)
    assert (found, stored == body) == ({}, True)
    batches = [pa.record_batch({"text": ["a word"] * 1000, "id": list(range(1000))}), pa.record_batch({"text": [MAIL] * 10, "id": list(range(10))})]
    mixed = pa.Table.from_batches([batches[0], batches[1], batches[0]])
    _, stored = put(written(mixed, kind, codec))
    got = read(stored, kind)
    assert got["id"].equals(mixed["id"])
    assert got["text"].to_pylist() == ["a word"] * 1000 + [LABEL] * 10 + ["a word"] * 1000


@pytest.mark.parametrize("version", [ipc.MetadataVersion.V4, ipc.MetadataVersion.V5])
def test_old_arrow(put, version):
    """A file as it was before messages began with a mark."""
    fresher = ["choice", "either", "view_email", "note", "blob_view", "list_view", "runs"]
    data, want = (table(*of, 100).drop_columns(fresher) for of in ((MAIL, NUMBER), (LABEL, None)))
    out = io.BytesIO()
    with ipc.new_file(out, data.schema, options=ipc.IpcWriteOptions(use_legacy_format=True, metadata_version=version)) as writer:
        writer.write_table(data)
    got = read(put(out.getvalue())[1], "file")
    got.validate(full=True)
    assert got.to_pylist() == want.to_pylist()


def test_what_is_hidden_in_arrow_is_gone(put):
    """Values under null, texts that no view leads to any more, and what pyarrow writes of the rows that were cut off."""
    masked = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(NUMBER.to_bytes(8, "little") * 2)])
    text = f"write to {MAIL}, please".encode()
    views = pa.array([text.decode(), "x" * 20], pa.string_view()).slice(1)
    cut = pa.array(["x", f"{SSN} and more"]).slice(0, 1)
    data = pa.table({"ssn": masked.slice(1), "view": views, "cut": cut})
    assert SSN.encode() in written(data, "stream", None)
    _, stored = put(written(data, "stream", None))
    assert MAIL.encode() not in stored
    assert NUMBER.to_bytes(8, "little") not in stored
    assert SSN.encode() not in stored
    assert read(stored, "stream").to_pylist() == [{"ssn": None, "view": "x" * 20, "cut": "x"}]


def test_dictionaries_stay_unique(put):
    """pandas refuses categories that are there twice."""
    mails = [f"user{n}" + "@example.org" for n in range(50)]
    data = pa.table({"who": pa.array(mails * 2).dictionary_encode()})
    _, stored = put(written(data, "feather", "lz4"))
    got = read(stored, "feather")["who"].combine_chunks()
    assert len(set(got.dictionary.to_pylist())) == 50
    assert all(entry.startswith(LABEL) for entry in got.dictionary.to_pylist())
    assert got.indices.equals(data["who"].combine_chunks().indices)


def test_large_arrow_streams(put):
    """A cache as `datasets` writes it, larger than what is kept in memory."""
    text = f"{MAIL} " + "word " * 200
    batch = pa.record_batch({"text": [text] * 1000, "input_ids": [list(range(100))] * 1000})
    out = io.BytesIO()
    with ipc.new_stream(out, batch.schema) as writer:
        for _ in range(20):
            writer.write_batch(batch)
    assert len(out.getvalue()) > 20 * MIB
    _, stored = put(out.getvalue())
    got = read(stored, "stream")
    assert got["text"].unique().to_pylist() == [text.replace(MAIL, LABEL)]
    assert got["input_ids"].equals(pa.Table.from_batches([batch] * 20)["input_ids"])


def test_what_is_not_read_is_refused(put):
    """The first Feather, codecs of others, and two files that are one behind the other."""
    v1 = io.BytesIO()
    feather.write_feather(pa.table({"a": [1]}), v1, version=1)
    stream = written(pa.table({"a": [1]}), "stream", None)
    avro = io.BytesIO()
    fastavro.writer(avro, "string", ["x"])
    for body in (v1.getvalue(), stream + stream, avro.getvalue().replace(b"\x08null", b"\x08lz77")):
        assert error_code(lambda body=body: put(body)) == "InvalidRequest"
