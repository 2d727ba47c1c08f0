"""Conditions of writes, on plaintext ETags: single PUT, Complete, copy. The same against the store itself (`--direct`)."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from clients import MIB, noise


def refused(status: int, code: str, call, **arguments) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)


def put(s3, at: dict, body: bytes, **conditions) -> str:
    return s3.put_object(**at, Body=body, **conditions)["ETag"]


def complete(s3, at: dict, body: bytes, **conditions) -> str:
    upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    part = {"PartNumber": 1, "ETag": s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"]}
    try:
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]}, **conditions)["ETag"]
    except ClientError:
        # Garage ends the uploads of a key that are older than its newest object.
        with contextlib.suppress(s3.exceptions.NoSuchUpload):
            s3.abort_multipart_upload(**upload)
        raise


@pytest.mark.parametrize("write", [put, complete])
@pytest.mark.parametrize("size", [10, 9 * MIB], ids=["in memory", "streamed"])
def test_conditions_on_etags(s3, bucket, write, size):
    at = {"Bucket": bucket, "Key": "k"}

    def again(**conditions):
        return write(s3, at, noise(size), **conditions)

    # On nothing.
    refused(404, "NoSuchKey", again, IfMatch="*")
    refused(404, "NoSuchKey", again, IfMatch='"0123"')
    etag = again(IfNoneMatch='"0123"')
    # On something.
    refused(412, "PreconditionFailed", again, IfNoneMatch="*")
    refused(412, "PreconditionFailed", again, IfNoneMatch=etag)
    refused(412, "PreconditionFailed", again, IfNoneMatch=etag.strip('"'))
    refused(412, "PreconditionFailed", again, IfMatch='"0123"')
    assert s3.get_object(**at)["Body"].read() == noise(size)
    other = write(s3, at, noise(size, 2), IfNoneMatch='"0123"')
    assert other != etag
    refused(412, "PreconditionFailed", again, IfMatch=etag)
    assert again(IfMatch=other) == etag
    assert again(IfMatch="*") == etag
    assert s3.get_object(**at)["Body"].read() == noise(size)


@pytest.mark.parametrize("write", [put, complete])
def test_one_of_a_hundred_creators_wins(s3, bucket, write):
    """And what is there is what the winner wrote, whose ETag it was given."""

    def create(index: int) -> str | None:
        try:
            return write(s3, {"Bucket": bucket, "Key": "k"}, noise(100, index), IfNoneMatch="*")
        except ClientError as error:
            # A conflict: S3 says so of creators that were at it together; NoSuchUpload: Garage has ended the upload of a loser. Not by
            # the status: a Complete that waits long for its turn is answered within a 200.
            assert error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "OperationAborted", "NoSuchUpload"), error
            return None

    with ThreadPoolExecutor(100) as pool:
        won = [etag for etag in pool.map(create, range(100)) if etag]
    assert len(won) == 1
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] == won[0]


def test_attributes_of_a_multipart_object(s3, bucket):
    """Every part is shown, with or without a checksum, and the one part of a small upload too."""
    for parts in ([noise(5 * MIB), noise(5 * MIB, 2), b"end"], [b"only"]):
        at = {"Bucket": bucket, "Key": f"k{len(parts)}"}
        upload = at | {"UploadId": s3.create_multipart_upload(**at)["UploadId"]}
        done = [
            {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
            for number, part in enumerate(parts, 1)
        ]
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": done})
        shown = s3.get_object_attributes(**at, ObjectAttributes=["ObjectParts", "ObjectSize"])
        assert shown["ObjectSize"] == sum(map(len, parts))
        assert shown["ObjectParts"]["TotalPartsCount"] == len(parts)
        rows = [(row["PartNumber"], row["Size"]) for row in shown["ObjectParts"]["Parts"]]
        assert rows == [(number, len(part)) for number, part in enumerate(parts, 1)]
        page = s3.get_object_attributes(**at, ObjectAttributes=["ObjectParts"], MaxParts=1)["ObjectParts"]
        assert page["IsTruncated"] == (len(parts) > 1)
        assert len(page["Parts"]) == 1


@pytest.mark.gateway
@pytest.mark.parametrize("many", [False, True], ids=["DeleteObject", "DeleteObjects"])
def test_conditions_of_a_deletion(s3, bucket, many):
    """On ETag, size and time of the plaintext. What is gone already is no error."""
    at = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**at, Body=noise(1000))["ETag"]
    when = s3.head_object(**at)["LastModified"]
    s3.put_object(Bucket=bucket, Key="bystander", Body=b"")

    def delete(**conditions) -> str | None:
        """The code of what it failed with."""
        if not many:
            try:
                s3.delete_object(**at, **conditions)
                return None
            except ClientError as error:
                return error.response["Error"]["Code"]
        names = {"IfMatch": "ETag", "IfMatchSize": "Size", "IfMatchLastModifiedTime": "LastModifiedTime"}
        target = {"Key": "k"} | {names[name]: value for name, value in conditions.items()}
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [target, {"Key": "never there"}]})
        assert "never there" in [deleted["Key"] for deleted in answer["Deleted"]]
        return answer["Errors"][0]["Code"] if answer.get("Errors") else None

    for conditions in (
        {"IfMatch": '"0123"'},
        {"IfMatchSize": 1056},
        {"IfMatchLastModifiedTime": when - timedelta(days=1)},
        {"IfMatch": etag, "IfMatchSize": 999},
    ):
        assert delete(**conditions) == "PreconditionFailed", conditions
        assert s3.get_object(**at)["Body"].read() == noise(1000)
    assert delete(IfMatch=etag, IfMatchSize=1000, IfMatchLastModifiedTime=when) is None
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["bystander"]
    assert delete(IfMatch=etag) is None
    s3.put_object(**at, Body=b"")
    assert delete(IfMatch="*") is None
