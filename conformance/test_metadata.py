"""Odd metadata and headers: written to every backend, read back the same, and the object still opens."""

from __future__ import annotations

import pytest

from clients import object_path, put_in_parts, raw

ODD = {
    "ascii": {"x-amz-meta-lang": "en"},
    "upper": {"x-amz-meta-MixedCase": "Value"},
    "spaces inside": {"x-amz-meta-note": "a  b   c"},
    "spaces around": {"x-amz-meta-note": "  padded  "},
    "empty": {"x-amz-meta-empty": ""},
    "utf-8": {"x-amz-meta-author": "Žofie Müller 日本"},
    "encoded word b": {"x-amz-meta-title": "=?UTF-8?B?xb1vZmll?="},
    "encoded word q": {"x-amz-meta-title": "=?UTF-8?Q?=C5=BDofie_M=C3=BCller?="},
    "broken encoded word": {"x-amz-meta-title": "=?UTF-8?B?***?= =?nope?="},
    "several encoded words": {"x-amz-meta-title": "=?UTF-8?Q?one?= =?UTF-8?Q?_two?="},
    "commas": {"x-amz-meta-list": "a, b,c ,d"},
    "quotes": {"x-amz-meta-q": "\"quoted\" \\ back 'single'"},
    "long": {"x-amz-meta-long": "x" * 1500},
    "many": {f"x-amz-meta-n{index}": str(index) for index in range(40)},
    "punctuation in the name": {"x-amz-meta-a.b_c-d": "1"},
    "standard headers": {
        "content-type": "text/plain; charset=utf-8",
        "content-encoding": "gzip",
        "content-disposition": 'attachment; filename="ü.txt"; filename*=UTF-8\'\'%C3%BC.txt',
        "content-language": "de, en",
        "cache-control": "max-age=60, private",
        "expires": "Thu, 01 Dec 2044 16:00:00 GMT",
    },
    "aws-chunked beside gzip": {"content-encoding": "gzip, aws-chunked", "x-amz-meta-a": "1"},
    "no content type": {},
}


def told(headers) -> dict[str, str]:
    """The headers of an answer that describe the object."""
    names = {"content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"}
    return {name.lower(): value for name, value in headers.items() if name.lower() in names or name.lower().startswith("x-amz-meta-")}


@pytest.mark.parametrize("name", ODD)
def test_odd_metadata(endpoint, s3, bucket, name):
    """GET and HEAD say the same; the sealed digest over it still holds after a copy, and so the body opens."""
    path = object_path(bucket, "k")
    put = raw(endpoint, "PUT", path, headers=ODD[name], body=b"body")
    assert put.status == 200, put
    got, head = raw(endpoint, "GET", path), raw(endpoint, "HEAD", path)
    assert (got.status, got.body) == (200, b"body"), got
    assert told(got.headers) == told(head.headers)
    assert "x-amz-meta-dv1" not in told(got.headers)
    for header, value in ODD[name].items():
        if "=?" in value or not value.isascii() or "aws-chunked" in value:
            continue  # A store may decode, encode or fold these; that it opens is what is asked for.
        assert told(got.headers)[header.lower()] == value.strip(), header
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    copied = raw(endpoint, "GET", object_path(bucket, "copy"))
    assert (copied.status, copied.body) == (200, b"body"), copied
    assert told(copied.headers) == told(got.headers)


def test_metadata_through_boto(s3, bucket):
    """Names come back in lower case, values as they were."""
    metadata = {"lang": "de", "licence": "CC-BY 4.0", "rows": "1000000", "empty": ""}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == metadata
    put_in_parts(s3, bucket, "m", [b"x"], Metadata=metadata)
    assert s3.head_object(Bucket=bucket, Key="m")["Metadata"] == metadata


def test_duplicate_headers(endpoint, s3, bucket):
    """The same metadata name twice is one value joined by a comma."""
    import http.client

    from clients import sign

    path = object_path(bucket, "k")
    signed = sign(endpoint, "PUT", path, headers={"x-amz-meta-twice": "one,two"}).headers
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=30)
    connection.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
    for name, value in signed.items():
        for one in value.split(",") if name == "x-amz-meta-twice" else [value]:
            connection.putheader(name, one)
    connection.putheader("content-length", "4")
    connection.endheaders(b"body")
    assert connection.getresponse().status == 200
    connection.close()
    answer = raw(endpoint, "GET", path)
    assert (answer.status, answer.body) == (200, b"body"), answer
    assert answer.headers["x-amz-meta-twice"].replace(" ", "") == "one,two"


@pytest.mark.parametrize(
    "key",
    ["a", "a/b/c", "with space", "a+b", "100%", "%41", "ünï/çødé", "q?x=1&y=2", "semi;colon", "hash#tag", "a//b", "trailing/", ("k" * 200 + "/") * 4 + "end", "~!*'()@:$,="],
)
def test_odd_keys(s3, bucket, key):
    """Keys that need care in paths, signatures and XML."""
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [(row["Key"], row["Size"]) for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [(key, len(key.encode()))]
    s3.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
