"""Data sets with planted values written by the clients of tables, as their users write them: `python scrubbed.py NAME`. Reads them back, and prints what it
saw as a line of JSON each: what is there now, to be looked at by test_scrub_lakes.py. Where: `S3_ENDPOINT`, `BUCKET` and the `AWS_*` of every SDK.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import planted
from tables import BUCKET, ENDPOINT, HOST, KEY, REGION, SECRET, TLS, object_store_options

OPTIONS = {"key": KEY, "secret": SECRET, "endpoint_url": ENDPOINT, "client_kwargs": {"region_name": REGION}}


def say(what: str, schema, table: pa.Table) -> None:
    """What is left of a table, next to what was sent: whether schema and untouched columns are the same, and every text in it."""
    sent = planted.table()
    got = table.sort_by("id")
    print(
        json.dumps(
            {
                "what": what,
                "rows": got.num_rows,
                "schema": str(schema),
                "untouched": [name for name in planted.UNTOUCHED if got[name].to_pylist() == sent[name].to_pylist()],
                "nulls": {name: got[name].null_count for name in ("email", "ssn")},
                "texts": sorted(set(planted.strings([got["email"].to_pylist(), got["messages"].slice(0, 50).to_pylist(), metadata(got)]))),
            },
            default=str,
        )
    )


def metadata(table: pa.Table) -> dict[str, str]:
    """What of the file's metadata is of its writer."""
    return {"info": (table.schema.metadata or {}).get(b"info", b"").decode()}


def datasets_and_pandas() -> None:
    """A data set of Hugging Face pushed as Parquet and JSONL through fsspec, loaded by `datasets` and pandas."""
    import fsspec
    import pandas as pd
    from datasets import Dataset, load_dataset

    dataset = Dataset(planted.table())
    for suffix, write in (("parquet", dataset.to_parquet), ("jsonl", dataset.to_json)):
        write(f"s3://{BUCKET}/hf/train.{suffix}", storage_options=OPTIONS)
    before = dataset.features
    for kind, suffix in (("parquet", "parquet"), ("json", "jsonl")):
        loaded = load_dataset(kind, data_files=f"s3://{BUCKET}/hf/train.{suffix}", storage_options=dict(OPTIONS), split="train")
        say(f"datasets {suffix}", loaded.features == before if suffix == "parquet" else None, loaded.data.table.combine_chunks())
        streamed = load_dataset(kind, data_files=f"s3://{BUCKET}/hf/train.{suffix}", storage_options=dict(OPTIONS), split="train", streaming=True)
        print(json.dumps({"what": f"streamed {suffix}", "texts": sorted(set(planted.strings([row for row, _ in zip(streamed, range(20), strict=False)])))}))
    frame = pd.read_parquet(f"s3://{BUCKET}/hf/train.parquet", storage_options=OPTIONS)
    say("pandas parquet", [str(kind) for kind in frame.dtypes], pa.Table.from_pandas(frame, preserve_index=False))
    frame.to_csv(f"s3://{BUCKET}/hf/again.csv", index=False, storage_options=OPTIONS)
    print(json.dumps({"what": "pandas csv", "rows": len(pd.read_csv(f"s3://{BUCKET}/hf/again.csv", storage_options=OPTIONS)), "texts": []}))
    fs = fsspec.filesystem("s3", **OPTIONS)
    try:
        dataset.save_to_disk(f"s3://{BUCKET}/hf/saved", storage_options=OPTIONS)
    except OSError as error:
        left = [name for name in fs.find(f"{BUCKET}/hf/saved") if name.endswith(".arrow")]
        print(json.dumps({"what": "saved", "refused": str(error), "left": left, "texts": []}))
    else:
        from datasets import load_from_disk

        say("saved", None, load_from_disk(f"s3://{BUCKET}/hf/saved", storage_options=OPTIONS).data.table.combine_chunks())


def polars() -> None:
    """Written by polars as Parquet, CSV and NDJSON."""
    import polars as pl

    options = object_store_options()
    frame = pl.from_arrow(planted.table())
    where = f"s3://{BUCKET}/polars/data"
    frame.lazy().sink_parquet(f"{where}.parquet", storage_options=options, metadata={"info": planted.table().schema.metadata[b"info"].decode()})
    frame.lazy().sink_ndjson(f"{where}.ndjson", storage_options=options)
    frame.drop("messages").lazy().sink_csv(f"{where}.csv", storage_options=options)
    read = pl.scan_parquet(f"{where}.parquet", storage_options=options).collect()
    say("polars parquet", read.schema == frame.schema, read.to_arrow())
    print(json.dumps({"what": "polars metadata", "texts": list(planted.strings(pl.read_parquet_metadata(f"{where}.parquet", storage_options=options)["info"]))}))
    say("polars ndjson", None, pl.scan_ndjson(f"{where}.ndjson", storage_options=options).collect().to_arrow())
    csv = pl.scan_csv(f"{where}.csv", storage_options=options).with_columns(messages=pl.lit("[]")).collect()
    say("polars csv", None, csv.to_arrow())


def duckdb() -> None:
    """Written by DuckDB over httpfs, and what pyarrow has written read by it."""
    import duckdb
    import duckdb_extension_httpfs  # noqa: F401
    from duckdb_extensions import import_extension
    from pyarrow import fs, parquet

    store = fs.S3FileSystem(access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=HOST, scheme="https" if TLS else "http")
    parquet.write_table(planted.table(), f"{BUCKET}/duck/arrow.parquet", filesystem=store)
    db = duckdb.connect()
    import_extension("httpfs")
    db.execute("LOAD httpfs")
    db.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', ENDPOINT '{HOST}', URL_STYLE 'path', USE_SSL {TLS})")
    sent = planted.table()
    db.register("sent", sent)
    db.execute(f"COPY sent TO 's3://{BUCKET}/duck/duck.parquet' (FORMAT parquet, ROW_GROUP_SIZE 1000, KV_METADATA {{info: '{planted.MAIL}'}})")
    db.execute(f"COPY (SELECT * EXCLUDE messages FROM sent) TO 's3://{BUCKET}/duck/duck.csv' (HEADER)")
    before = db.execute("DESCRIBE SELECT * FROM sent").fetchall()
    for name in ("arrow.parquet", "duck.parquet"):
        after = db.execute(f"DESCRIBE SELECT * FROM 's3://{BUCKET}/duck/{name}'").fetchall()
        say(f"duckdb {name}", after == before, db.execute(f"FROM 's3://{BUCKET}/duck/{name}'").to_arrow_table())
    say("duckdb csv", None, db.execute(f"SELECT *, '[]' AS messages FROM 's3://{BUCKET}/duck/duck.csv'").to_arrow_table())
    kept = db.execute(f"SELECT decode(value) FROM parquet_kv_metadata('s3://{BUCKET}/duck/duck.parquet') WHERE decode(key) = 'info'").fetchall()
    print(json.dumps({"what": "duckdb metadata", "texts": [value for (value,) in kept]}))


CLIENTS = (datasets_and_pandas, polars, duckdb)

if __name__ == "__main__":
    {client.__name__: client for client in CLIENTS}[sys.argv[1]]()
