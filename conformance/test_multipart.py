"""Multipart uploads: order, retries, what Complete takes and refuses, listings, copies of ranges."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import KIB, MIB, boto, crc32, error_code, fresh, md5, multipart_etag, noise, object_path, put_in_parts

PART = 5 * MIB


class Upload:
    """One multipart upload and the ETags of its parts."""

    def __init__(self, s3, bucket: str, key: str = "k", **create) -> None:
        self.s3, self.at = s3, {"Bucket": bucket, "Key": key}
        self.at["UploadId"] = s3.create_multipart_upload(**self.at, **create)["UploadId"]
        self.etags: dict[int, str] = {}

    def put(self, number: int, data: bytes) -> str:
        self.etags[number] = self.s3.upload_part(**self.at, PartNumber=number, Body=data)["ETag"]
        return self.etags[number]

    def complete(self, *numbers: int, etags: dict[int, str] | None = None, **more) -> dict:
        etags = self.etags | (etags or {})
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in numbers or sorted(self.etags)]
        return self.s3.complete_multipart_upload(**self.at, MultipartUpload={"Parts": parts}, **more)

    def object(self) -> bytes:
        return self.s3.get_object(Bucket=self.at["Bucket"], Key=self.at["Key"])["Body"].read()

    def exists(self) -> bool:
        return "Contents" in self.s3.list_objects_v2(Bucket=self.at["Bucket"], Prefix=self.at["Key"])


@pytest.mark.parametrize("last", [0, 1, 100 * KIB, PART - 1, PART, PART + 1])
def test_last_part_of_any_size(s3, bucket, last):
    parts = [noise(PART, 1), noise(last, 2)]
    done = put_in_parts(s3, bucket, "k", parts)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(parts)
    assert (head["ContentLength"], head["ETag"], done["ETag"]) == (PART + last, multipart_etag(parts), multipart_etag(parts))
    row = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert (row["Size"], row["ETag"]) == (PART + last, multipart_etag(parts))


@pytest.mark.parametrize("size", [0, 1, 16 * KIB, PART])
def test_one_part(s3, bucket, size):
    data = noise(size, 3)
    put_in_parts(s3, bucket, "k", [data])
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["ETag"]) == (data, multipart_etag([data]))


def test_parallel_parts_out_of_order(endpoint, s3, bucket):
    parts = {number: noise(PART + number * 1000, number) for number in range(1, 8)} | {8: noise(77, 8)}
    upload = Upload(s3, bucket)
    order = list(parts)
    random.Random(3).shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: upload.put(number, parts[number]), order))
    upload.complete()
    assert upload.object() == b"".join(parts[number] for number in sorted(parts))


@pytest.mark.parametrize("numbers", [(1, 5, 9), (2, 3), (7,), (9_999, 10_000), (1, 10_000)])
def test_part_numbers_with_gaps(s3, bucket, numbers):
    upload = Upload(s3, bucket)
    parts = {number: noise(PART, number) for number in numbers}
    for number in reversed(numbers):
        upload.put(number, parts[number])
    assert upload.complete()["ETag"] == multipart_etag([parts[number] for number in numbers])
    assert upload.object() == b"".join(parts[number] for number in numbers)


def test_a_part_again_with_other_bytes(s3, bucket):
    """The part uploaded last counts, and Complete with the ETag of the earlier one is InvalidPart."""
    upload = Upload(s3, bucket)
    old = upload.put(1, noise(PART, "old"))
    tail = upload.put(2, b"old tail")
    new = upload.put(1, noise(PART + 5, "new"))
    upload.put(2, b"a new tail")
    assert error_code(lambda: upload.complete(1, 2, etags={1: old})) == "InvalidPart"
    assert error_code(lambda: upload.complete(1, 2, etags={2: tail})) == "InvalidPart"
    assert not upload.exists()
    upload.complete(1, 2, etags={1: new})
    assert upload.object() == noise(PART + 5, "new") + b"a new tail"


@pytest.mark.parametrize("size", [PART, 300 * KIB])
def test_hedged_retries_of_one_part(endpoint, s3, bucket, size):
    """Two tries at one part run at the same time, with other bytes. Complete with the ETag of one gives that one's bytes, or
    InvalidPart, never a mixture and never an object that cannot be read."""
    for attempt in range(6):
        upload = Upload(s3, bucket, f"k{attempt}")
        first = noise(PART, 1)
        upload.put(1, first)
        tries = {noise(size, (attempt, side).__repr__()): boto(endpoint) for side in range(2)}
        with ThreadPoolExecutor(2) as pool:
            etags = list(pool.map(lambda pair: pair[1].upload_part(**upload.at, PartNumber=2, Body=pair[0])["ETag"], tries.items()))
        upload.etags[2] = ""
        for data, etag in zip(tries, etags, strict=True):
            assert etag == f'"{md5(data)}"'
            try:
                upload.complete(1, 2, etags={2: etag})
            except s3.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InvalidPart"
                assert not upload.exists()
                continue
            assert upload.object() == first + data
            break
        else:
            pytest.fail("Complete took neither of the two tries")


def test_complete_lists_fewer_parts(s3, bucket):
    upload = Upload(s3, bucket)
    parts = {number: noise(PART, number) for number in range(1, 5)}
    for number, part in parts.items():
        upload.put(number, part)
    upload.complete(2, 3)
    assert upload.object() == parts[2] + parts[3]


def test_a_small_part_that_is_not_last(s3, bucket):
    upload = Upload(s3, bucket)
    upload.put(1, noise(100 * KIB))
    upload.put(2, noise(PART))
    assert error_code(lambda: upload.complete(1, 2)) == "EntityTooSmall"
    assert not upload.exists()
    upload.put(1, noise(PART, "large"))
    upload.complete()
    assert upload.object() == noise(PART, "large") + noise(PART)


def test_a_small_part_that_is_last_in_the_list(s3, bucket):
    """Small part 2 was followed by part 3; Complete lists 1 and 2 only, so 2 is the last."""
    upload = Upload(s3, bucket)
    for number, size in ((1, PART), (2, 10 * KIB), (3, PART)):
        upload.put(number, noise(size, number))
    upload.complete(1, 2)
    assert upload.object() == noise(PART, 1) + noise(10 * KIB, 2)


def test_what_complete_refuses(s3, bucket):
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART, 1))
    upload.put(2, noise(PART, 2))
    assert error_code(lambda: upload.complete(2, 1)) == "InvalidPartOrder"
    assert error_code(lambda: upload.complete(1, 3, etags={3: upload.etags[1]})) == "InvalidPart"
    assert error_code(lambda: s3.complete_multipart_upload(**upload.at, MultipartUpload={"Parts": []})) in ("MalformedXML", "InvalidRequest")
    assert not upload.exists()
    upload.complete()
    assert upload.object() == noise(PART, 1) + noise(PART, 2)


@pytest.mark.vault
def test_complete_again(s3, bucket):
    """The answer to Complete was lost and the client asks again: 200 and the same ETag."""
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART, 1))
    upload.put(2, b"tail")
    first = upload.complete()
    assert upload.complete()["ETag"] == first["ETag"]
    assert upload.object() == noise(PART, 1) + b"tail"


@pytest.mark.vault
def test_complete_again_after_an_overwrite(s3, bucket):
    """A late repetition of Complete gets the answer of the first, and must not undo what was written since."""
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART, 1))
    first = upload.complete()
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    assert upload.complete()["ETag"] == first["ETag"]
    assert upload.object() == b"newer"
    s3.delete_object(Bucket=bucket, Key="k")
    assert upload.complete()["ETag"] == first["ETag"]
    assert error_code(upload.object) == "NoSuchKey"
    # The token is of this key alone.
    other = upload.at | {"Key": "other"}
    parts = {"Parts": [{"PartNumber": 1, "ETag": upload.etags[1]}]}
    assert error_code(lambda: s3.complete_multipart_upload(**other, MultipartUpload=parts)) == "NoSuchUpload"


@pytest.mark.gateway
def test_complete_again_after_a_restart(own_gateway):
    """The answer is kept beside the record, with the version that was made and what a policy said."""
    bucket, s3 = fresh("again"), boto(own_gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART, 1))
    upload.put(2, b"tail")
    first = upload.complete()
    s3.put_object(Bucket=bucket, Key="k", Body=b"newer")
    own_gateway.kill()
    own_gateway.start()
    again = upload.complete()
    assert {name: again[name] for name in ("ETag", "VersionId", "Location", "Bucket", "Key")} == {
        name: first[name] for name in ("ETag", "VersionId", "Location", "Bucket", "Key")
    }
    assert upload.object() == b"newer"
    # A day is over.
    own_gateway.stop()
    with contextlib.closing(sqlite3.connect(own_gateway.data / "sidecar.db")) as db, db:
        assert db.execute("UPDATE completions SET at_ms = at_ms - 86400001").rowcount == 1
    own_gateway.start()
    assert error_code(upload.complete) == "NoSuchUpload"


def test_abort(target, s3, bucket):
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART))
    upload.put(2, b"small")
    s3.abort_multipart_upload(**upload.at)
    assert error_code(lambda: upload.put(3, b"late")) == "NoSuchUpload"
    assert error_code(upload.complete) == "NoSuchUpload"
    assert error_code(lambda: s3.list_parts(**upload.at)) == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, Prefix="k")
    assert not upload.exists()
    if target.store is not None:
        assert "Uploads" not in target.behind.list_multipart_uploads(Bucket=bucket, Prefix="k")


def test_uploads_that_are_not(s3, bucket):
    upload = Upload(s3, bucket)
    upload.put(1, b"x")
    other = upload.at | {"Key": "other"}
    assert error_code(lambda: s3.upload_part(**other, PartNumber=1, Body=b"x")) == "NoSuchUpload"
    assert error_code(lambda: s3.complete_multipart_upload(**other, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": upload.etags[1]}]})) == "NoSuchUpload"
    known = upload.at["UploadId"]
    unknown = upload.at | {"UploadId": known[:-8] + ("B" if known[-8] == "A" else "A") + known[-7:]}
    assert error_code(lambda: s3.upload_part(**unknown, PartNumber=1, Body=b"x")) == "NoSuchUpload"
    for number in (0, 10_001, -1):
        assert error_code(lambda: s3.upload_part(**upload.at, PartNumber=number, Body=b"x")) in ("InvalidArgument", "InvalidPart"), number
    assert error_code(lambda: s3.create_multipart_upload(Bucket="no-such-bucket-here", Key="k")) == "NoSuchBucket"


def test_list_parts(s3, bucket):
    """Plaintext sizes and ETags, in order, in pages."""
    upload = Upload(s3, bucket)
    sizes = {1: PART, 3: PART + 1, 4: 10, 7: PART}
    for number, size in sizes.items():
        upload.put(number, noise(size, number))
    rows, marker = [], 0
    while True:
        page = s3.list_parts(**upload.at, MaxParts=3, PartNumberMarker=marker)
        rows += page["Parts"]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert [(row["PartNumber"], row["Size"], row["ETag"]) for row in rows] == [
        (number, size, upload.etags[number]) for number, size in sizes.items()
    ]
    assert page["Key"] == "k"
    assert page["UploadId"] == upload.at["UploadId"]


def test_list_multipart_uploads(s3, bucket):
    """An upload under way is listed under the id that the client knows, until it ends."""
    mine, other = Upload(s3, bucket, "dir/a"), Upload(s3, bucket, "dir/b")
    for upload in (mine, other):
        rows = s3.list_multipart_uploads(Bucket=bucket, Prefix=upload.at["Key"])["Uploads"]
        assert [(row["Key"], row["UploadId"]) for row in rows] == [(upload.at["Key"], upload.at["UploadId"])]
    mine.put(1, b"x")
    mine.complete()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/a")
    row = s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/b")["Uploads"][0]
    s3.abort_multipart_upload(Bucket=bucket, Key="dir/b", UploadId=row["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket, Prefix="dir/b")


@pytest.mark.parametrize("kind", ["single", "multipart"])
def test_upload_part_copy(s3, bucket, kind):
    """Whole objects and ranges, across chunk and part boundaries, become parts."""
    parts = [noise(6 * MIB, 1), noise(7 * MIB + 3, 2)]
    source = b"".join(parts)
    if kind == "single":
        s3.put_object(Bucket=bucket, Key="source", Body=source)
    else:
        put_in_parts(s3, bucket, "source", parts)
    upload = Upload(s3, bucket, "target")
    ranges = [None, (0, PART - 1), (16_383, 16_383 + PART), (5 * MIB, 13 * MIB + 2), (9, 99)]
    wanted = []
    for number, span in enumerate(ranges, 1):
        spec = {"CopySourceRange": f"bytes={span[0]}-{span[1]}"} if span else {}
        wanted.append(source[span[0] : span[1] + 1] if span else source)
        answer = s3.upload_part_copy(**upload.at, PartNumber=number, CopySource={"Bucket": bucket, "Key": "source"}, **spec)
        upload.etags[number] = answer["CopyPartResult"]["ETag"]
        assert upload.etags[number] == f'"{md5(wanted[-1])}"'
    assert upload.complete()["ETag"] == multipart_etag(wanted)
    assert upload.object() == b"".join(wanted)
    beyond = {"CopySourceRange": f"bytes=0-{len(source)}"}
    fresh = Upload(s3, bucket, "beyond")
    code = error_code(lambda: s3.upload_part_copy(**fresh.at, PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"}, **beyond))
    assert code in ("InvalidRange", "InvalidArgument")


def test_part_number_of_get_and_head(s3, bucket):
    parts = [noise(PART, 1), noise(PART + 9, 2), noise(33, 3)]
    put_in_parts(s3, bucket, "k", parts)
    at = 0
    for number, part in enumerate(parts, 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        head = s3.head_object(Bucket=bucket, Key="k", PartNumber=number)
        assert got["Body"].read() == part
        for answer in (got, head):
            assert (answer["ContentLength"], answer["PartsCount"]) == (len(part), 3)
        assert got["ContentRange"] == f"bytes {at}-{at + len(part) - 1}/{sum(map(len, parts))}"
        at += len(part)
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="k", PartNumber=4)) in ("InvalidPartNumber", "InvalidPart")


@pytest.mark.needs("checksums")
@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_checksum_of_a_part(target, s3, bucket, kind):
    """With its number, GET and HEAD give the checksum of that part alone."""
    parts = [noise(PART, 1), noise(PART + 9, 2), noise(33, 3)]
    upload, sums = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType=kind), {}
    for number, part in enumerate(parts, 1):
        sums[number] = crc32(part)
        upload.etags[number] = s3.upload_part(**upload.at, PartNumber=number, Body=part, ChecksumCRC32=sums[number])["ETag"]
    listed = [{"PartNumber": number, "ETag": upload.etags[number], "ChecksumCRC32": value} for number, value in sums.items()]
    s3.complete_multipart_upload(**upload.at, MultipartUpload={"Parts": listed})
    for number, value in sums.items():
        for read in (s3.get_object, s3.head_object):
            asked = read(Bucket=bucket, Key="k", PartNumber=number, ChecksumMode="ENABLED")
            # MinIO leaves the type out.
            assert (asked["ChecksumCRC32"], asked.get("ChecksumType", kind)) == (value, kind)
        # boto3 asks by itself.
        answer = target.raw("GET", object_path(bucket, "k"), query=f"partNumber={number}")
        assert (answer.status, answer.headers["x-amz-checksum-crc32"]) == (206, None)
    whole = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert whole["ChecksumCRC32"] not in sums.values() and whole["ChecksumCRC32"].endswith("-3") == (kind == "COMPOSITE")


def test_part_number_of_an_object_in_one_piece(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    assert s3.get_object(Bucket=bucket, Key="k", PartNumber=1)["Body"].read() == b"body"
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="k", PartNumber=2)) in ("InvalidPartNumber", "InvalidPart")


def test_headers_and_metadata_of_an_upload(s3, bucket):
    """What CreateMultipartUpload was told, the object says."""
    put_in_parts(s3, bucket, "k", [b"x"], ContentType="text/x-corpus", Metadata={"lang": "de"}, CacheControl="no-store")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("text/x-corpus", {"lang": "de"}, "no-store")


def test_a_part_with_a_wrong_checksum(s3, bucket):
    """Refused, and the upload goes on as if it had not been sent."""
    upload = Upload(s3, bucket)
    upload.put(1, noise(PART, "good"))
    bad = {"Body": noise(PART, "bad"), "ChecksumCRC32": crc32(b"other")}
    assert error_code(lambda: s3.upload_part(**upload.at, PartNumber=1, **bad)) in ("BadDigest", "XAmzContentChecksumMismatch")
    assert error_code(lambda: s3.upload_part(**upload.at, PartNumber=2, **bad)) in ("BadDigest", "XAmzContentChecksumMismatch")
    assert [row["PartNumber"] for row in s3.list_parts(**upload.at)["Parts"]] == [1]
    upload.complete()
    assert upload.object() == noise(PART, "good")


def test_conditional_complete(s3, bucket):
    """If-None-Match: * on Complete: a key that was made meanwhile is not overwritten."""
    upload = Upload(s3, bucket)
    upload.put(1, b"multipart")
    s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    assert error_code(lambda: upload.complete(IfNoneMatch="*")) == "PreconditionFailed"
    assert upload.object() == b"first"
    s3.delete_object(Bucket=bucket, Key="k")
    fresh = Upload(s3, bucket)
    fresh.put(1, b"multipart")
    fresh.complete(IfNoneMatch="*")
    assert fresh.object() == b"multipart"
