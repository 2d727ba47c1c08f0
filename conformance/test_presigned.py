"""Presigned URLs, SigV4 and SigV2, used as a browser or curl uses them: nothing but the URL."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from clients import Answer, boto, noise


def fetch(url: str, method: str = "GET", body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body=body, headers=headers or {})
    answer = connection.getresponse()
    read = Answer(answer.status, answer.headers, answer.read())
    connection.close()
    return read


@pytest.fixture(params=["s3v4", "stock"])
def signer(request, endpoint):
    """A client that presigns with SigV4, and one as it comes, which presigns with SigV2 in us-east-1."""
    return boto(endpoint) if request.param == "stock" else boto(endpoint, signature_version="s3v4")


def test_which_signature_stock_boto3_makes(endpoint, bucket):
    """The reason why SigV2 must be understood. When this fails, boto3 has moved on."""
    url = boto(endpoint).generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    assert "AWSAccessKeyId=" in url
    assert "X-Amz-Signature=" not in url


def presign(client, operation: str, bucket: str, key: str = "k", expires: int = 300, **more) -> str:
    return client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key} | more, ExpiresIn=expires)


@pytest.mark.parametrize("key", ["k", "with space/ünï+%"])
def test_get_put_head_delete(signer, s3, bucket, key):
    data = noise(100_000)
    put = fetch(presign(signer, "put_object", bucket, key), "PUT", data)
    assert put.status == 200, put
    assert fetch(presign(signer, "get_object", bucket, key)).body == data
    head = fetch(presign(signer, "head_object", bucket, key), "HEAD")
    assert (head.status, head.headers["content-length"]) == (200, "100000")
    part = fetch(presign(signer, "get_object", bucket, key), headers={"Range": "bytes=16000-17000"})
    assert (part.status, part.body) == (206, data[16000:17001])
    assert fetch(presign(signer, "delete_object", bucket, key), "DELETE").status == 204
    assert fetch(presign(signer, "get_object", bucket, key)).code == "NoSuchKey"


def test_headers_that_are_signed(signer, s3, bucket):
    """boto3 repeats them in the query of a SigV2 URL; they must be sent as signed."""
    url = presign(signer, "put_object", bucket, ContentType="text/x", ContentMD5="hBotaJrYa9FhFEdFPCLG/A==")
    headers = {"Content-Type": "text/x", "Content-MD5": "hBotaJrYa9FhFEdFPCLG/A=="}
    assert fetch(url, "PUT", b"body", headers | {"Content-Type": "text/y"}).code == "SignatureDoesNotMatch"
    assert fetch(url, "PUT", b"body", headers).status == 200
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "text/x"


def test_response_overrides(signer, s3, bucket):
    """`response-*` replaces the headers of this answer, and of no other."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentType="text/plain")
    url = presign(
        signer, "get_object", bucket,
        ResponseContentDisposition='attachment; filename="a b.txt"', ResponseContentType="application/x-corpus", ResponseCacheControl="no-store",
    )  # fmt: skip
    answer = fetch(url)
    assert (answer.status, answer.body) == (200, b"body"), answer
    assert answer.headers["content-disposition"] == 'attachment; filename="a b.txt"'
    assert answer.headers["content-type"] == "application/x-corpus"
    assert answer.headers["cache-control"] == "no-store"
    assert s3.get_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"


def test_metadata_in_the_url(endpoint, s3, bucket):
    """SigV4 hoists `x-amz-meta-*` into the query or asks for them as headers; either way they are stored."""
    client = boto(endpoint, signature_version="s3v4")
    url = presign(client, "put_object", bucket, Metadata={"lang": "de"}, ContentType="text/plain")
    headers = {"Content-Type": "text/plain"} | ({} if "x-amz-meta-lang=" in url.lower().replace("signedheaders", "") else {"x-amz-meta-lang": "de"})
    answer = fetch(url, "PUT", b"body", headers)
    assert answer.status == 200, answer
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"lang": "de"}


def test_multipart_by_url(signer, s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    url = presign(signer, "upload_part", bucket, UploadId=upload, PartNumber=1)
    put = fetch(url, "PUT", b"part")
    assert put.status == 200, put
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": put.headers["etag"]}]})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"part"


def test_urls_that_do_not_hold(signer, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    url = presign(signer, "get_object", bucket)
    assert fetch(url).status == 200
    signature = url.split("Signature=")[1].split("&")[0]
    altered = signature[:-4] + ("0000" if signature[-4:] != "0000" else "1111")
    for wrong in (url.replace(signature, altered), url.replace("/k?", "/other?")):
        answer = fetch(wrong)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), answer
    assert fetch(url, "PUT", b"other").status == 403
    assert fetch(url, "DELETE").status == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"
    soon = presign(signer, "get_object", bucket, expires=1)
    time.sleep(2.1)
    answer = fetch(soon)
    assert (answer.status, answer.code) == (403, "AccessDenied"), answer


def test_at_most_seven_days(endpoint, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    client = boto(endpoint, signature_version="s3v4")
    assert fetch(presign(client, "get_object", bucket, expires=604_800)).status == 200
    answer = fetch(presign(client, "get_object", bucket, expires=604_801))
    assert (answer.status, answer.code) in ((400, "AuthorizationQueryParametersError"), (403, "AccessDenied")), answer


@pytest.mark.vault
def test_sigv2_in_a_header_is_off(endpoint, bucket):
    """`sigv2 = "presigned"` is the default: the header form, which signs no body, is refused."""
    from botocore.exceptions import ClientError

    old = boto(endpoint, signature_version="s3")
    with pytest.raises(ClientError) as refused:
        old.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
