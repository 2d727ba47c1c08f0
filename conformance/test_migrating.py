"""A bucket in state `migrating` holds plaintext from before beside sealed objects."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import MIB, Target, md5, noise
from servers import MIGRATING_BUCKETS
from stored import Stored, sealed_length
from test_list import pages
from test_tamper import refused

pytestmark = pytest.mark.gateway

SOME = sorted({*range(0, 40_000, 397), *range(30), *(sealed_length(plain) for plain in (0, 1, 15, 16, 100, 16_383, 16_384, 20_000)), 40_000})


@pytest.fixture(autouse=True)
def a_store_to_write_into(target):
    if target.store is None:
        pytest.skip("backend local has no endpoint for plaintext from before")


def make(target, name: str) -> None:
    if name not in {row["Name"] for row in target.s3.list_buckets()["Buckets"]}:
        target.s3.create_bucket(Bucket=name)


def write_behind(target: Target, bucket: str, source: bytes, sizes: Sequence[int]) -> None:
    """Plaintext of these sizes, past the gateway. MinIO unpacks an archive, which spares a request an object."""
    if target.backend != "minio":
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda size: target.behind.put_object(Bucket=bucket, Key=f"{size:05}", Body=source[:size]), sizes))
        return
    for first in range(0, len(sizes), 4_000):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for size in sizes[first : first + 4_000]:
                entry = tarfile.TarInfo(f"{size:05}")
                entry.size = size
                tar.addfile(entry, io.BytesIO(source))
        target.behind.put_object(Bucket=bucket, Key="archive", Body=archive.getvalue(), Metadata={"Snowball-Auto-Extract": "true"})


@pytest.mark.parametrize("sizes", [pytest.param(SOME, id="some sizes"), pytest.param(range(40_001), id="every size", marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_sizes_in_a_listing(target, sizes):
    """Plaintext of each size, where `g` would take nearly every one for the size of a sealed object; sealed ones between."""
    bucket, s3 = MIGRATING_BUCKETS[0], target.s3
    make(target, bucket)
    for page in pages(s3.list_objects_v2, Bucket=bucket):  # What this test left under its other sizes.
        if page.get("Contents"):
            s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": row["Key"]} for row in page["Contents"]]})
    source = noise(40_000)
    write_behind(target, bucket, source, sizes)
    with ThreadPoolExecutor(8) as pool:
        sealed = list(sizes)[:: max(len(sizes) // 50, 1)]
        list(pool.map(lambda size: s3.put_object(Bucket=bucket, Key=f"{size:05}-sealed", Body=source[:size]), sealed))
    rows = [row for page in pages(s3.list_objects_v2, Bucket=bucket) for row in page["Contents"]]
    assert {row["Key"]: row["Size"] for row in rows} == {f"{size:05}": size for size in sizes} | {f"{size:05}-sealed": size for size in sealed}
    wrong = [row["Key"] for row in rows if row["ETag"] != f'"{md5(source[: row["Size"]])}"']
    assert not wrong
    for size in list(sizes)[:: max(len(sizes) // 40, 1)]:
        got = s3.get_object(Bucket=bucket, Key=f"{size:05}")
        assert (got["Body"].read(), got["ContentLength"]) == (source[:size], size)
        assert s3.head_object(Bucket=bucket, Key=f"{size:05}")["ContentLength"] == size


def test_copy_seals(target):
    """A copy of plaintext from before is sealed, and opens."""
    bucket = MIGRATING_BUCKETS[1]
    make(target, bucket)
    target.behind.put_object(Bucket=bucket, Key="plain", Body=noise(MIB), Metadata={"a": "b"}, ContentType="text/plain")
    target.s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "plain"})
    stored = target.behind.get_object(Bucket=bucket, Key="copy")
    assert stored["ContentLength"] == sealed_length(MIB)
    assert noise(MIB)[:64] not in stored["Body"].read()
    got = target.s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (noise(MIB), {"a": "b"}, "text/plain")


def test_a_stripped_header_is_no_downgrade(target):
    """Also in a migrating bucket: the FOOTER and the sidecar say that it was sealed."""
    bucket = MIGRATING_BUCKETS[1]
    make(target, bucket)
    for size in (0, 10, 40_000, 2 * MIB):
        data = noise(size, size)
        target.s3.put_object(Bucket=bucket, Key="stripped", Body=data)
        stored = Stored(target, bucket)
        stored.put("stripped", stored.read("stripped", size), {})
        refused(target, bucket, "stripped", data or b"\0", ranges=bool(size))
