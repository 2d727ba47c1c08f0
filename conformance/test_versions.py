"""Versioning: versions, the null version, delete markers."""

from __future__ import annotations

import pytest

from clients import error_code, md5, noise

pytestmark = pytest.mark.needs("versioning")


def body(s3, bucket: str, **at) -> bytes:
    return s3.get_object(Bucket=bucket, Key="k", **at)["Body"].read()


def test_each_version_is_kept(s3, versioned):
    bodies = {s3.put_object(Bucket=versioned, Key="k", Body=noise(size, size))["VersionId"]: noise(size, size) for size in (10, 20_000, 0, 5)}
    assert len(bodies) == 4
    for version, data in bodies.items():
        assert body(s3, versioned, VersionId=version) == data
        head = s3.head_object(Bucket=versioned, Key="k", VersionId=version)
        assert (head["ContentLength"], head["ETag"], head["VersionId"]) == (len(data), f'"{md5(data)}"', version)
    rows = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [(row["VersionId"], row["Size"]) for row in rows] == [(version, len(data)) for version, data in reversed(bodies.items())]
    assert [row["IsLatest"] for row in rows] == [True, False, False, False]


def test_delete_marker(s3, versioned):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"one")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] is True
    assert error_code(lambda: body(s3, versioned)) == "NoSuchKey"
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    assert body(s3, versioned, VersionId=first) == b"one"
    listing = s3.list_object_versions(Bucket=versioned)
    assert [row["VersionId"] for row in listing["DeleteMarkers"]] == [marker["VersionId"]]
    assert [row["Size"] for row in listing["Versions"]] == [3]
    assert error_code(lambda: body(s3, versioned, VersionId=marker["VersionId"])) == "MethodNotAllowed"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert body(s3, versioned) == b"one"


def test_null_version_overwritten(s3, bucket):
    """`null` names another object after each overwrite: what was known of the old one must never answer for the new."""
    s3.put_object(Bucket=bucket, Key="k", Body=noise(30_000, "before versioning"))
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    named = s3.put_object(Bucket=bucket, Key="k", Body=b"named")["VersionId"]
    assert body(s3, bucket, VersionId="null") == noise(30_000, "before versioning")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    for size in (7, 70_000, 16_384):
        data = noise(size, size)
        s3.put_object(Bucket=bucket, Key="k", Body=data)
        assert body(s3, bucket, VersionId="null") == body(s3, bucket) == data
        head = s3.head_object(Bucket=bucket, Key="k", VersionId="null")
        assert (head["ContentLength"], head["ETag"]) == (size, f'"{md5(data)}"')
        rows = {row["VersionId"]: row["Size"] for row in s3.list_object_versions(Bucket=bucket)["Versions"]}
        assert rows == {"null": size, named: 5}
    assert body(s3, bucket, VersionId=named) == b"named"


def test_copy_of_a_version(s3, versioned):
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"a newer one")
    copied = s3.copy_object(Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "k", "VersionId": old})
    assert copied["CopySourceVersionId"] == old
    assert s3.get_object(Bucket=versioned, Key="copy")["Body"].read() == b"old"
    # The way back to an old version: copy it over the new one.
    s3.copy_object(Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": old})
    assert body(s3, versioned) == b"old"


def test_versions_in_pages(s3, versioned):
    for index in range(7):
        s3.put_object(Bucket=versioned, Key=f"k{index % 3}", Body=noise(index * 100, index))
    from test_list import pages

    rows = [row for page in pages(s3.list_object_versions, Bucket=versioned, MaxKeys=2) for row in page.get("Versions", [])]
    assert [(row["Key"], row["Size"]) for row in rows] == [("k0", 600), ("k0", 300), ("k0", 0), ("k1", 400), ("k1", 100), ("k2", 500), ("k2", 200)]


def test_delete_objects_by_version(s3, versioned):
    versions = [s3.put_object(Bucket=versioned, Key="k", Body=noise(size))["VersionId"] for size in (1, 2, 3)]
    answer = s3.delete_objects(Bucket=versioned, Delete={"Objects": [{"Key": "k", "VersionId": version} for version in versions[:2]] + [{"Key": "k"}]})
    assert len(answer["Deleted"]) == 3
    listing = s3.list_object_versions(Bucket=versioned)
    assert [row["VersionId"] for row in listing["Versions"]] == versions[2:]
    assert len(listing["DeleteMarkers"]) == 1


def test_no_such_version(s3, versioned):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    unknown = "00000000-0000-4000-8000-000000000000"
    assert error_code(lambda: body(s3, versioned, VersionId=unknown)) == "NoSuchVersion"


@pytest.mark.needs("tagging")
def test_tags(s3, versioned):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x", Tagging="set=train&lang=de")
    assert s3.get_object(Bucket=versioned, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=versioned, Key="k", Tagging={"TagSet": [{"Key": "set", "Value": "test"}]})
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == [{"Key": "set", "Value": "test"}]
    s3.copy_object(Bucket=versioned, Key="copy", CopySource={"Bucket": versioned, "Key": "k"})
    assert s3.get_object_tagging(Bucket=versioned, Key="copy")["TagSet"] == [{"Key": "set", "Value": "test"}]
    s3.delete_object_tagging(Bucket=versioned, Key="k")
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["TagSet"] == []
    assert body(s3, versioned) == b"x", "tags are not part of what was sealed"
