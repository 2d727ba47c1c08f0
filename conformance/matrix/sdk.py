"""boto3 as its users call it: managed transfers, presigned URLs, pages. Prints what it saw."""

from __future__ import annotations

import hashlib
import io
import os
import ssl
import urllib.request

import boto3
from botocore.config import Config

BUCKET, ENDPOINT = os.environ["BUCKET"], os.environ["S3_ENDPOINT"]
SECURE = ENDPOINT.startswith("https")
BODY = b"a row of bytes that repeats " * 636_641

s3 = boto3.client("s3", endpoint_url=ENDPOINT, config=Config(s3={"addressing_style": "path"}))
sent: list[dict[str, bytes | str]] = []
s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.append({name.lower(): request.headers[name] for name in request.headers}))


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> bytes:
    context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if SECURE else None
    with urllib.request.urlopen(urllib.request.Request(url, body, {"content-type": "text/x"} if body else {}, method=method), context=context) as answer:
        return answer.read()


for size in (0, 1, 5 << 20, len(BODY)):
    key = f"boto/{size}"
    s3.upload_fileobj(io.BytesIO(BODY[:size]), BUCKET, key, ExtraArgs={"Metadata": {"size": str(size)}, "ContentType": "text/x"})
    got = io.BytesIO()
    s3.download_fileobj(BUCKET, key, got)
    print("downloaded", size, hashlib.sha256(got.getvalue()).hexdigest())
    head = s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    print("head", head["ContentLength"], head["ETag"], head["Metadata"], head["ContentType"])
    print("checksum", head.get("ChecksumCRC32"), head.get("ChecksumType"))

# Over https this SDK sends its checksum behind a body in chunks, without a length: there the way through the gateway is another.
for headers in sent:
    chunked = headers.get("x-amz-trailer") == b"x-amz-checksum-crc32" and "content-length" not in headers
    assert chunked == SECURE, f"this boto3 has other habits: {headers}"
assert sent, "no object was put in one piece"

s3.copy({"Bucket": BUCKET, "Key": "boto/1"}, BUCKET, "boto/copy")
where = {"Bucket": BUCKET, "Key": "boto/presigned"}
fetch(s3.generate_presigned_url("put_object", where | {"ContentType": "text/x"}), "PUT", BODY[:100_000])
print("presigned", hashlib.sha256(fetch(s3.generate_presigned_url("get_object", where))).hexdigest())
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="boto/", PaginationConfig={"PageSize": 2})
rows = [(row["Key"], row["Size"], row["ETag"]) for page in pages for row in page.get("Contents", [])]
for row in rows:
    print("listed", *row)
gone = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key, *_ in rows]})
print("deleted", len(gone["Deleted"]), len(gone.get("Errors", [])))
