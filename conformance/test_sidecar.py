"""The sidecar is never the only copy: lost, rebuilt, or out of date, no object is lost and none is answered for wrongly."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import pytest

from clients import MIB, boto, fresh, md5, multipart_etag, noise, put_in_parts
from servers import files_under
from stored import sealed_length
from test_list import backend_calls

pytestmark = pytest.mark.gateway

PARTS = [noise(5 * MIB, 1), noise(6 * MIB, 2), b"end"]
OBJECTS = {f"k{size:07}": noise(size, size) for size in (0, 1, 16_384, 70_000, 2 * MIB)}


def fill(gateway, bucket: str) -> None:
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    for key, data in OBJECTS.items():
        s3.put_object(Bucket=bucket, Key=key, Body=data, Metadata={"size": str(len(data))})
    put_in_parts(s3, bucket, "m", PARTS)


def check(gateway, bucket: str) -> None:
    """GET, HEAD, LIST and a range of every object."""
    s3 = boto(gateway.endpoint)
    wanted = {key: (len(data), f'"{md5(data)}"') for key, data in OBJECTS.items()} | {"m": (sum(map(len, PARTS)), multipart_etag(PARTS))}
    rows = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert {row["Key"]: (row["Size"], row["ETag"]) for row in rows} == wanted
    for key, (size, etag) in wanted.items():
        head = s3.head_object(Bucket=bucket, Key=key)
        assert (head["ContentLength"], head["ETag"]) == (size, etag)
        data = OBJECTS.get(key, b"".join(PARTS))
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data
        if size:
            assert s3.get_object(Bucket=bucket, Key=key, Range="bytes=-1000")["Body"].read() == data[-1000:]
    assert s3.get_object(Bucket=bucket, Key="m", PartNumber=2)["Body"].read() == PARTS[1]


def lose_sidecar(gateway) -> None:
    gateway.stop()
    files = gateway.sidecar_files()
    assert files
    for path in files:
        path.unlink()


def calls_of_a_listing(gateway, bucket: str) -> float | None:
    """How many requests one LIST costs at a remote backend; None over `local`, which is called in the process."""
    if gateway.behind is None:
        return None
    before = backend_calls(gateway.metrics())
    boto(gateway.endpoint).list_objects_v2(Bucket=bucket)
    return backend_calls(gateway.metrics()) - before


def edges(gateway, bucket: str, key: str) -> list[tuple[str, str]]:
    """Lineage into one object: source key and operation, oldest first."""
    query = "SELECT source_key, operation FROM lineage WHERE target_bucket = ? AND target_key = ? ORDER BY at_ms"
    with contextlib.closing(sqlite3.connect(f"file:{gateway.data}/sidecar.db?mode=ro", uri=True)) as db:
        return db.execute(query, (bucket, key)).fetchall()


def test_lineage_of_copies(own_gateway):
    """A copy has an edge from its source, a multipart object one from each source of the parts that it was completed with."""
    bucket, s3 = fresh("lineage"), boto(own_gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    for key in ("a", "b", "never used"):
        s3.put_object(Bucket=bucket, Key=key, Body=noise(6 * MIB, key))
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a"})
    at = {"Bucket": bucket, "Key": "parts"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]

    def copied(number: int, source: str) -> dict:
        answer = s3.upload_part_copy(**at, PartNumber=number, CopySource={"Bucket": bucket, "Key": source})
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    copied(2, "never used")
    done = [copied(1, "a"), copied(2, "a"), copied(3, "b")]
    done.append({"PartNumber": 4, "ETag": s3.upload_part(**at, PartNumber=4, Body=b"sent")["ETag"]})
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": done})
    assert edges(own_gateway, bucket, "copy") == [("a", "CopyObject")]
    assert edges(own_gateway, bucket, "parts") == [("a", "UploadPartCopy"), ("b", "UploadPartCopy")]
    assert edges(own_gateway, bucket, "a") == []


def test_deleted(own_gateway):
    """Everything is read as before, and what is missing heals: a second LIST asks a remote backend once."""
    bucket = fresh("sidecar")
    fill(own_gateway, bucket)
    lose_sidecar(own_gateway)
    own_gateway.start()
    check(own_gateway, bucket)
    assert calls_of_a_listing(own_gateway, bucket) in (None, 1)


def test_rebuilt(make_gateway):
    """After `sidecar rebuild` the first LIST already costs one backend call."""
    own_gateway, bucket = make_gateway(alone=True), fresh("sidecar")
    fill(own_gateway, bucket)
    lose_sidecar(own_gateway)
    done = own_gateway.run("sidecar", "rebuild", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    own_gateway.start()
    s3 = boto(own_gateway.endpoint)
    s3.head_object(Bucket=bucket, Key="m")  # Loads the bucket's key.
    assert calls_of_a_listing(own_gateway, bucket) in (None, 1)
    check(own_gateway, bucket)


def test_rebuilt_but_for_what_cannot_be_opened(make_gateway):
    """Status 3 and the name of each on standard error; the others are recorded."""
    own_gateway, bucket = make_gateway(alone=True), fresh("sidecar")
    fill(own_gateway, bucket)
    altered = ("k0016384", "k0070000")
    for key in altered:
        alter_summary(own_gateway, bucket, key)
    lose_sidecar(own_gateway)
    done = own_gateway.run("sidecar", "rebuild", timeout=120)
    assert done.returncode == 3, done.stdout + done.stderr
    skipped = [line for line in done.stderr.splitlines() if "data-vault: skipped" in line]
    assert sorted(line.split(": ")[1] for line in skipped) == [f"skipped {bucket}/{key}" for key in altered]
    assert "2 objects" in done.stderr.splitlines()[-1]
    own_gateway.start()
    s3 = boto(own_gateway.endpoint)
    for key, data in OBJECTS.items():
        if key not in altered:
            assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == data


def alter_summary(gateway, bucket: str, key: str) -> None:
    """Flips a bit near the end of the stored object."""
    if gateway.behind is None:
        wanted = sealed_length(len(OBJECTS[key]))
        (blob,) = [path for path in files_under(gateway.data / "objects" / "blobs") if path.stat().st_size == wanted]
        blob.write_bytes(flipped(blob.read_bytes()))
        return
    behind = boto(gateway.behind)
    stored = behind.get_object(Bucket=bucket, Key=key)
    body = flipped(stored["Body"].read())
    # Some stores fill in a type, and then it is the stored one; Garage does not.
    kept = {name: stored[name] for name in ("Metadata", "ContentType") if name in stored}
    behind.put_object(Bucket=bucket, Key=key, Body=body, **kept)


def flipped(sealed: bytes) -> bytes:
    return sealed[:-100] + bytes([sealed[-100] ^ 1]) + sealed[-99:]


def test_taken_from_an_old_backup(own_gateway, tmp_path):
    """Records of objects that were overwritten since do not answer."""
    bucket = fresh("sidecar")
    s3 = boto(own_gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    for key in (*OBJECTS, "m"):
        s3.put_object(Bucket=bucket, Key=key, Body=noise(12_345, key))
    s3.put_object(Bucket=bucket, Key="deleted", Body=b"x")
    own_gateway.stop()
    for path in own_gateway.sidecar_files():
        shutil.copy2(path, tmp_path / path.name)
    own_gateway.start()
    s3.delete_object(Bucket=bucket, Key="deleted")
    for key, data in OBJECTS.items():
        s3.put_object(Bucket=bucket, Key=key, Body=data)
    put_in_parts(s3, bucket, "m", PARTS)
    lose_sidecar(own_gateway)
    for path in tmp_path.glob("sidecar.db*"):
        shutil.copy2(path, own_gateway.data / path.name)
    own_gateway.start()
    check(own_gateway, bucket)


def test_restart(own_gateway):
    """A stop and a start lose nothing; an upload under way goes on."""
    bucket = fresh("sidecar")
    fill(own_gateway, bucket)
    s3 = boto(own_gateway.endpoint)
    at = {"Bucket": bucket, "Key": "late"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    first = s3.upload_part(**at, PartNumber=1, Body=PARTS[0])["ETag"]
    assert own_gateway.stop() == 0
    own_gateway.start()
    last = s3.upload_part(**at, PartNumber=2, Body=b"end")["ETag"]
    s3.complete_multipart_upload(**at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": last}]})
    assert s3.get_object(Bucket=bucket, Key="late")["Body"].read() == PARTS[0] + b"end"
    s3.delete_object(Bucket=bucket, Key="late")
    check(own_gateway, bucket)
