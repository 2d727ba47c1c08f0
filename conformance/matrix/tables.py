"""Clients of tables and files, each as its users write it: `python tables.py NAME`. Prints what it saw, which must be the same whatever is
between it and the store. Where: `S3_ENDPOINT`, `BUCKET` and the `AWS_*` of every SDK.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

ENDPOINT, BUCKET = os.environ["S3_ENDPOINT"], os.environ["BUCKET"]
KEY, SECRET, REGION = (os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"))
HOST = ENDPOINT.partition("://")[2]
TLS = ENDPOINT.startswith("https")
ROWS = 50_000


def say(**seen) -> None:
    print(json.dumps(seen, sort_keys=True, default=str))


def columns() -> dict[str, list]:
    return {
        "id": list(range(ROWS)),
        "text": [f"row {index} " + "lorem ipsum " * (index % 7) for index in range(ROWS)],
        "score": [index / 3 for index in range(ROWS)],
        "shard": [index % 4 for index in range(ROWS)],
    }


def digest(values) -> str:
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]


def s3fs_and_datasets() -> None:
    """JSONL and Parquet written by s3fs and `datasets`, loaded whole and streamed."""
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import load_dataset

    options = {"key": KEY, "secret": SECRET, "endpoint_url": ENDPOINT, "client_kwargs": {"region_name": REGION}}
    fs = fsspec.filesystem("s3", **options)
    data = columns()
    with fs.open(f"{BUCKET}/hf/train.jsonl", "w") as file:
        for index in range(0, ROWS, 10):
            file.write(json.dumps({"id": index, "text": data["text"][index]}) + "\n")
    with fs.open(f"{BUCKET}/hf/train.parquet", "wb", block_size=5 << 20) as file:
        pq.write_table(pa.table(data), file, row_group_size=5_000)
    say(ls=[(entry["name"].removeprefix(BUCKET), entry["size"]) for entry in fs.ls(f"{BUCKET}/hf", detail=True, refresh=True)])
    say(tail=fs.cat_file(f"{BUCKET}/hf/train.jsonl", start=-20).decode(), info=fs.info(f"{BUCKET}/hf/train.jsonl")["size"])
    for kind, name in (("json", "train.jsonl"), ("parquet", "train.parquet")):
        where = {"data_files": f"s3://{BUCKET}/hf/{name}", "storage_options": dict(options), "split": "train"}
        whole = load_dataset(kind, **where)
        streamed = load_dataset(kind, streaming=True, **where)
        some = [row["text"] for row, _ in zip(streamed.skip(1000), range(500), strict=False)]
        say(kind=kind, rows=len(whole), text=digest(whole["text"][:]), streamed=digest(some))
    whole.save_to_disk(f"s3://{BUCKET}/hf/saved", storage_options=options)
    from datasets import load_from_disk

    say(saved=digest(load_from_disk(f"s3://{BUCKET}/hf/saved", storage_options=options)["id"][:]))
    fs.copy(f"{BUCKET}/hf/train.jsonl", f"{BUCKET}/hf/copy.jsonl")
    fs.mv(f"{BUCKET}/hf/copy.jsonl", f"{BUCKET}/hf/moved.jsonl")
    say(left=sorted(name.removeprefix(BUCKET) for name in fs.glob(f"{BUCKET}/hf/*.jsonl")))
    fs.rm(f"{BUCKET}/hf", recursive=True)
    say(gone=fs.exists(f"{BUCKET}/hf/train.jsonl"))


def pyarrow_dataset() -> None:
    """Parquet in partitions, written and read with a filter, by the C++ SDK."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    from pyarrow import fs

    store = fs.S3FileSystem(
        access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=HOST, scheme="https" if TLS else "http",
        tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE", ""),
    )
    ds.write_dataset(pa.table(columns()), f"{BUCKET}/arrow", format="parquet", filesystem=store, partitioning=["shard"])
    found = store.get_file_info(fs.FileSelector(f"{BUCKET}/arrow", recursive=True))
    say(files=sorted((info.path.removeprefix(BUCKET), info.size) for info in found if info.is_file))
    table = ds.dataset(f"{BUCKET}/arrow", filesystem=store, partitioning=["shard"])
    some = table.to_table(filter=(pc.field("shard") == 2) & (pc.field("id") > 100), columns=["id", "score"]).sort_by("id")
    say(rows=some.num_rows, ids=digest(some["id"].to_pylist()))
    with store.open_output_stream(f"{BUCKET}/arrow.bin") as stream:
        for index in range(12):
            stream.write(bytes([index]) * (1 << 20))
    with store.open_input_file(f"{BUCKET}/arrow.bin") as file:
        say(size=file.size(), bytes=[file.read_at(3, at).hex() for at in (0, (1 << 20) - 1, (12 << 20) - 3)])
    store.copy_file(f"{BUCKET}/arrow.bin", f"{BUCKET}/copy.bin")
    store.move(f"{BUCKET}/copy.bin", f"{BUCKET}/moved.bin")
    say(types=[store.get_file_info(f"{BUCKET}/{name}").type.name for name in ("arrow.bin", "copy.bin", "moved.bin", "arrow")])
    store.delete_dir(f"{BUCKET}/arrow")
    say(left=[info.path.removeprefix(BUCKET) for info in store.get_file_info(fs.FileSelector(BUCKET, recursive=True))])


def object_store_options() -> dict[str, str]:
    return {
        "aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "aws_region": REGION, "aws_endpoint_url": ENDPOINT,
        "aws_allow_http": "true", "aws_virtual_hosted_style_request": "false",
    }  # fmt: skip


def polars_scan() -> None:
    """Parquet, CSV and NDJSON by Rust's object_store."""
    import polars as pl

    options = object_store_options()
    frame = pl.DataFrame(columns())
    for name, write, scan in (("parquet", "sink_parquet", pl.scan_parquet), ("csv", "sink_csv", pl.scan_csv), ("ndjson", "sink_ndjson", pl.scan_ndjson)):
        target = f"s3://{BUCKET}/polars/data.{name}"
        getattr(frame.lazy(), write)(target, storage_options=options)
        rows = scan(target, storage_options=options).filter(pl.col("id") % 7 == 3).select("id", "text").collect().sort("id")
        say(format=name, rows=rows.height, text=digest(rows["text"].to_list()))
    several = pl.scan_parquet(f"s3://{BUCKET}/polars/*.parquet", storage_options=options).select(pl.len()).collect().item()
    say(globbed=several)


def deltalake_table() -> None:
    """Commits are conditional PUTs: `If-None-Match: *`."""
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    options = object_store_options() | {"aws_conditional_put": "etag"}
    where = f"s3://{BUCKET}/delta"
    table = pa.table(columns())
    write_deltalake(where, table.slice(0, 20_000), storage_options=options)
    write_deltalake(where, table.slice(20_000, 20_000), mode="append", storage_options=options)
    delta = DeltaTable(where, storage_options=options)
    delta.delete("id % 2 = 1")
    delta.optimize.compact()
    delta = DeltaTable(where, storage_options=options)
    say(version=delta.version(), history=[entry["operation"] for entry in delta.history()])
    rows = sorted(delta.to_pyarrow_table()["id"].to_pylist())
    say(rows=len(rows), ids=digest(rows), before=DeltaTable(where, version=0, storage_options=options).to_pyarrow_table().num_rows)
    say(vacuumed=len(delta.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)) > 0)
    stale = DeltaTable(where, version=0, storage_options=options)
    say(latest=DeltaTable(where, storage_options=options).version() > stale.version())


def duckdb_httpfs() -> None:
    """COPY to and from Parquet and CSV, partitions, globs."""
    import duckdb
    import duckdb_extension_httpfs  # noqa: F401

    db = duckdb.connect()
    from duckdb_extensions import import_extension

    import_extension("httpfs")
    db.execute("LOAD httpfs")
    db.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', ENDPOINT '{HOST}', "
        f"URL_STYLE 'path', USE_SSL {'true' if TLS else 'false'})"
    )
    if os.environ.get("AWS_CA_BUNDLE"):
        db.execute(f"SET ca_cert_file = '{os.environ['AWS_CA_BUNDLE']}'")
    db.execute(f"CREATE TABLE t AS SELECT i AS id, i % 4 AS shard, repeat('x', (i % 9)::INT) || i AS text FROM range({ROWS}) r(i)")
    db.execute(f"COPY t TO 's3://{BUCKET}/duck/one.parquet' (FORMAT parquet, ROW_GROUP_SIZE 10000)")
    db.execute(f"COPY t TO 's3://{BUCKET}/duck/one.csv' (HEADER)")
    db.execute(f"COPY t TO 's3://{BUCKET}/duck/parts' (FORMAT parquet, PARTITION_BY (shard))")
    for source in ("one.parquet", "one.csv", "parts/**/*.parquet"):
        say(source=source, seen=db.execute(f"SELECT count(*), sum(id), sum(length(text)) FROM 's3://{BUCKET}/duck/{source}' WHERE id % 3 = 1").fetchall())
    say(files=[name.removeprefix(f"s3://{BUCKET}") for (name,) in db.execute(f"SELECT file FROM glob('s3://{BUCKET}/duck/*') ORDER BY 1").fetchall()])


CLIENTS = (s3fs_and_datasets, pyarrow_dataset, polars_scan, deltalake_table, duckdb_httpfs)

if __name__ == "__main__":
    {client.__name__: client for client in CLIENTS}[sys.argv[1]]()
