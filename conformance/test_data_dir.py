"""A data directory that is shared, read-only, incomplete or damaged: refused with a clear message, and no object vanishes
unseen."""

from __future__ import annotations

import http.client
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ResponseStreamingError

from clients import KIB, MIB, boto, noise, put_in_parts
from servers import Gateway, files_under, free_port
from stored import sealed_length
from test_full_disk import BUCKET, OBJECTS, check, on_disk  # noqa: F401

pytestmark = pytest.mark.gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """One over backend `local`, with OBJECTS in it."""
    made = Gateway(tmp_path / "gateway", None)
    made.start()
    s3 = boto(made.endpoint)
    s3.create_bucket(Bucket=BUCKET)
    for key, data in OBJECTS.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    yield made
    made.kill()
    shutil.rmtree(tmp_path, ignore_errors=True)


def refuses_to_start(gateway: Gateway, *named: str) -> None:
    ports = ("--listen", f"127.0.0.1:{free_port()}", "--admin-listen", f"127.0.0.1:{free_port()}")
    done = gateway.run("serve", *ports, timeout=20)
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    for text in named:
        assert text in last, last


def blobs(gateway: Gateway) -> set[Path]:
    return set(files_under(gateway.data / "objects" / "blobs"))


def index_files(gateway: Gateway) -> list[Path]:
    return list((gateway.data / "objects").glob("index.db*"))


def test_modes(gateway):
    """Nothing is for others, and what an earlier release made is corrected."""
    gateway.stop()
    for name in ("index.db", "lock"):
        (gateway.data / "objects" / name).chmod(0o644)
    gateway.start()
    boto(gateway.endpoint).put_object(Bucket=BUCKET, Key="k", Body=b"data")
    files = list(files_under(gateway.data))
    assert {"index.db", "index.db-wal", "index.db-shm", "lock"} <= {path.name for path in files}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_two_processes(gateway):
    refuses_to_start(gateway, str(gateway.data), "in use by another process")
    check(boto(gateway.endpoint), OBJECTS)


def test_read_only(on_disk):  # noqa: F811
    gateway = on_disk("all")
    assert gateway.stop() == 0
    gateway.disk.remount_read_only()
    with pytest.raises(RuntimeError, match=r"ended at start with 1(.|\n)*data directory(.|\n)*Read-only file system"):
        gateway.start()


def test_a_blob_is_gone(gateway):
    """500 without a path in it; the rest is served."""
    s3 = boto(gateway.endpoint)
    for key in ("small", "large"):
        (gone,) = [path for path in blobs(gateway) if path.stat().st_size == sealed_length(len(OBJECTS[key]))]
        gone.unlink()
        with pytest.raises(ClientError) as raised:
            s3.get_object(Bucket=BUCKET, Key=key)
        error = raised.value.response
        assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (500, "InternalError")
        assert gone.name not in str(error)
        assert "/blobs" not in str(error)
    assert {row["Key"]: row["Size"] for row in s3.list_objects_v2(Bucket=BUCKET)["Contents"]} == {k: len(v) for k, v in OBJECTS.items()}
    for key in ("medium", "multipart"):
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == OBJECTS[key]
    # It can be deleted, and written anew.
    s3.put_object(Bucket=BUCKET, Key="small", Body=OBJECTS["small"])
    s3.delete_object(Bucket=BUCKET, Key="large")
    check(s3, {key: data for key, data in OBJECTS.items() if key != "large"})


def test_a_blob_of_several_is_gone(gateway):
    """The transfer breaks off: a wrong length, never wrong bytes."""
    s3 = boto(gateway.endpoint)
    before = blobs(gateway)
    put_in_parts(s3, BUCKET, "parts", [noise(5 * MIB, 1), noise(6 * MIB, 2), b"end"])
    max(blobs(gateway) - before, key=lambda path: path.stat().st_size).unlink()
    with pytest.raises((ResponseStreamingError, http.client.IncompleteRead, ClientError)):
        s3.get_object(Bucket=BUCKET, Key="parts")["Body"].read()
    assert s3.get_object(Bucket=BUCKET, Key="parts", Range="bytes=0-99")["Body"].read() == noise(5 * MIB, 1)[:100]


@pytest.mark.parametrize("how", ["deleted", "emptied", "garbage"])
def test_a_lost_index(gateway, tmp_path, how):
    """Refused, and no blob is swept. Put back, it serves again."""
    gateway.stop()
    kept = blobs(gateway)
    (index,) = index_files(gateway)
    shutil.copy2(index, tmp_path / "index.db")
    if how == "deleted":
        index.unlink()
    else:
        index.write_bytes(b"" if how == "emptied" else os.urandom(64 * KIB))
    refuses_to_start(gateway, str(index), "damaged" if how == "garbage" else "missing or empty", "backup")
    assert blobs(gateway) == kept
    for path in index_files(gateway):
        path.unlink()
    shutil.copy2(tmp_path / "index.db", index)
    gateway.start()
    check(boto(gateway.endpoint), OBJECTS)


def test_an_index_that_forgot_its_blobs(gateway):
    """An index whose b-trees contradict each other does not decide what is swept."""
    gateway.stop()
    kept = blobs(gateway)
    forget_index_entries(gateway.data / "objects" / "index.db")
    gateway.start()
    deadline = time.monotonic() + 10
    while "no blob is removed" not in gateway.log.read_text():
        assert time.monotonic() < deadline, gateway.log_tail()
        time.sleep(0.05)
    assert blobs(gateway) == kept
    check(boto(gateway.endpoint), OBJECTS)


def forget_index_entries(path: Path) -> None:
    """Leaves the rows of `extents` and takes them out of its index by blob: written while the schema did not name that index."""
    entry = "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = 'extents_by_blob'"
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT * FROM extents").fetchall()
        schema = db.execute(entry).fetchone()
        assert rows and schema
        db.execute("DELETE FROM extents")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'extents_by_blob'")
    db.close()
    with sqlite3.connect(path) as db:
        db.executemany("INSERT INTO extents VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", schema)
    db.close()
