"""Reads and writes of one key at the same time, and two gateways over one store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients import KIB, MIB, boto, fresh, md5, noise, read_range

BODIES = [noise(size, size) for size in (3 * MIB, 40_000, 2 * MIB + 5, 300 * KIB)]


def overwriting(endpoint, bucket: str, key: str) -> tuple[threading.Thread, threading.Event]:
    """A thread that writes BODIES round and round until told to stop."""
    stop = threading.Event()

    def write() -> None:
        client, index = boto(endpoint), 0
        while not stop.is_set():
            index += 1
            client.put_object(Bucket=bucket, Key=key, Body=BODIES[index % len(BODIES)])

    thread = threading.Thread(target=write)
    thread.start()
    return thread, stop


@pytest.mark.parametrize(("spec", "first", "end"), [("bytes=1000-30000", 1000, 30_001), ("bytes=-20000", -20_000, None), ("bytes=100-", 100, None)])
def test_overwrite_between_suffix_read_and_range(endpoint, s3, bucket, spec, first, end):
    """Each answer is wholly one version: bytes, Content-Range and ETag belong together."""
    s3.put_object(Bucket=bucket, Key="k", Body=BODIES[0])
    slices = {f'"{md5(body)}"': (len(body), body[first:end]) for body in BODIES}
    writer, stop = overwriting(endpoint, bucket, "k")

    def read(_: int) -> int:
        answer = read_range(endpoint, bucket, "k", spec)
        if answer.status == 503:
            return 0
        assert answer.status == 206, answer
        size, wanted = slices[answer.headers["etag"]]
        assert answer.headers["content-range"].endswith(f"/{size}")
        assert answer.body == wanted
        return 1

    try:
        with ThreadPoolExecutor(4) as pool:
            good = sum(pool.map(read, range(200)))
    finally:
        stop.set()
        writer.join()
    assert good > 100, f"{good} of 200 reads succeeded"


def test_whole_reads_and_heads_while_overwriting(endpoint, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=BODIES[0])
    known = {f'"{md5(body)}"': body for body in BODIES}
    writer, stop = overwriting(endpoint, bucket, "k")
    try:
        for _ in range(60):
            got = s3.get_object(Bucket=bucket, Key="k")
            assert got["Body"].read() == known[got["ETag"]]
            head = s3.head_object(Bucket=bucket, Key="k")
            assert head["ContentLength"] == len(known[head["ETag"]])
            row = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
            assert row["Size"] in [len(body) for body in BODIES]
            # The version listed may be gone before its plaintext ETag could be read; then it is not another one's.
            assert row["ETag"] not in known or row["Size"] == len(known[row["ETag"]])
    finally:
        stop.set()
        writer.join()


def test_concurrent_writers_of_one_key(endpoint, s3, bucket):
    """The last writer wins, whoever it is; what is there is one of the bodies, and LIST and HEAD agree with it."""
    clients = [boto(endpoint) for _ in range(8)]
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda pair: pair[1].put_object(Bucket=bucket, Key="k", Body=BODIES[pair[0] % 4]), enumerate(clients)))
        got = s3.get_object(Bucket=bucket, Key="k")["Body"].read()
        assert got in BODIES
        row = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
        assert (row["Size"], row["ETag"]) == (len(got), f'"{md5(got)}"')


def test_put_if_none_match_is_won_once(endpoint, bucket):
    """Of eight writers that ask for a new key exactly one gets it."""
    clients = [boto(endpoint) for _ in range(8)]

    def put(pair) -> int:
        try:
            pair[1].put_object(Bucket=bucket, Key="k", Body=b"%d" % pair[0], IfNoneMatch="*")
        except pair[1].exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"), error
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, enumerate(clients))) == 1


@pytest.mark.gateway
def test_two_replicas_open_one_new_bucket(target, tmp_path: Path):
    """Both make a KEK for it at the same time; what either seals, both open, list and copy."""
    if target.store is None:
        pytest.skip("backend local is inside one process")
    replica = target.gateway.replica(tmp_path / "replica")
    replica.start()
    try:
        here, there = target.s3, boto(replica.endpoint)
        for _ in range(10):
            bucket = fresh("replicas")
            here.create_bucket(Bucket=bucket)
            barrier = threading.Barrier(2)

            def put(pair, bucket=bucket, barrier=barrier) -> None:
                name, client = pair
                barrier.wait()
                client.put_object(Bucket=bucket, Key=name, Body=noise(50_000, name))

            with ThreadPoolExecutor(2) as pool:
                list(pool.map(put, [("here", here), ("there", there)]))
            for client in (here, there):
                rows = client.list_objects_v2(Bucket=bucket)["Contents"]
                assert [(row["Key"], row["Size"], row["ETag"]) for row in rows] == [
                    (name, 50_000, f'"{md5(noise(50_000, name))}"') for name in ("here", "there")
                ]
                for name in ("here", "there"):
                    assert client.get_object(Bucket=bucket, Key=name)["Body"].read() == noise(50_000, name)
            there.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "here"})
            assert here.get_object(Bucket=bucket, Key="copy")["Body"].read() == noise(50_000, "here")
            here.put_object(Bucket=bucket, Key="there", Body=b"replaced")
            assert there.head_object(Bucket=bucket, Key="there")["ContentLength"] == 8, "a record of before must not answer"
            assert there.list_objects_v2(Bucket=bucket, Prefix="there")["Contents"][0]["Size"] == 8
    finally:
        replica.kill()


@pytest.mark.gateway
def test_parts_through_two_replicas(target, tmp_path: Path):
    """An upload begun here, its parts sent through both, completed there: the sealed UploadId carries what is needed.

    The replicas share the store but not the sidecar, so a part is known to its own gateway only; Complete must either make the
    whole object or refuse with InvalidPart. It must never make another one.
    """
    if target.store is None:
        pytest.skip("backend local is inside one process")
    replica = target.gateway.replica(tmp_path / "replica")
    replica.start()
    try:
        here, there = target.s3, boto(replica.endpoint)
        bucket = fresh("replica-parts")
        here.create_bucket(Bucket=bucket)
        at = {"Bucket": bucket, "Key": "k"}
        at["UploadId"] = here.create_multipart_upload(**at)["UploadId"]
        parts = [noise(5 * MIB, 1), noise(6 * MIB, 2)]
        done = [
            {"PartNumber": number, "ETag": client.upload_part(**at, PartNumber=number, Body=part)["ETag"]}
            for number, part, client in ((1, parts[0], here), (2, parts[1], there))
        ]
        try:
            there.complete_multipart_upload(**at, MultipartUpload={"Parts": done})
        except there.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidPart", error
            assert "Contents" not in here.list_objects_v2(Bucket=bucket)
        else:
            for client in (here, there):
                assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(parts)
    finally:
        replica.kill()
