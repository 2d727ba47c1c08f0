"""What must not pass: reserved names, our header, requests that would mean something else to the backend; and bad signatures."""

from __future__ import annotations

import json
import socket
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from clients import MIB, boto, error_code, fresh, noise, object_path, raw


# What a name or a parameter that must not pass is answered with. An answer of the backend's admin API has none of these codes.
REFUSED = {"AccessDenied", "InvalidBucketName", "InvalidURI", "NoSuchBucket", "InvalidRequest", "InvalidArgument", "NotImplemented", "SignatureDoesNotMatch"}


@pytest.mark.vault
def test_admin_calls_as_s3_paths(target, bucket):
    """`DELETE /minio/admin/…` parses as DeleteObject. Signed again with the backend's root credential it would be obeyed."""
    target.s3.put_object(Bucket=bucket, Key="source", Body=b"x")
    reached = []
    for method, path, query in [
        ("GET", "/minio/admin/v3/info", ""),
        ("GET", "/minio/admin/v3/list-users", ""),
        ("GET", "/minio/admin/v3/datausageinfo", ""),
        ("DELETE", "/minio/admin/v3/remove-user", "accessKey=nobody"),
        ("PUT", "/minio/admin/v3/set-user-status", "accessKey=nobody&status=disabled"),
        ("GET", "/minio/metrics/v3", ""),
        ("GET", "/%6dinio/admin/v3/info", ""),
        ("GET", "/minio%2Fadmin/v3/info", ""),
        ("GET", "//minio/admin/v3/info", ""),
        ("GET", f"/{bucket}/../minio/admin/v3/info", ""),
        ("GET", "/./minio/admin/v3/info", ""),
        ("GET", "/minio", ""),
        ("PUT", "/minio", ""),
        ("GET", "/admin", ""),
        ("DELETE", "/admin/user", "uid=x"),
        ("PUT", "/admin/user", "uid=x"),
        ("GET", "/swift/v1", ""),
        ("PUT", "/swift", ""),
    ]:
        answer = target.raw(method, path, query=query)
        if answer.status < 400 or answer.code not in REFUSED:
            reached.append((method, path, answer))
    assert not reached
    for source in ("minio/admin/v3/info", "/minio/admin/v3/info", "%2Fminio%2Fadmin"):
        answer = target.raw("PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": source})
        assert 400 <= answer.status < 500, answer


@pytest.mark.gateway
def test_the_system_bucket_is_hidden(target, bucket):
    """It is not in ListBuckets, and nothing in it can be read, written, listed or copied from."""
    if target.store is None:
        pytest.skip("backend local has no second endpoint on which to see the system bucket")
    target.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    shown = {row["Name"] for row in target.s3.list_buckets()["Buckets"]}
    hidden = {row["Name"] for row in target.behind.list_buckets()["Buckets"]} - shown
    hidden = {name for name in hidden if not name.startswith("conf-own-system-")}
    assert bucket in shown
    assert len(hidden) == 1, hidden
    system = hidden.pop()
    key = target.behind.list_objects_v2(Bucket=system)["Contents"][0]["Key"]
    stored = target.behind.get_object(Bucket=system, Key=key)["Body"].read()
    for method, path, query in [
        ("GET", f"/{system}", "list-type=2"),
        ("HEAD", f"/{system}", ""),
        ("PUT", f"/{system}", ""),
        ("DELETE", f"/{system}", ""),
        ("GET", object_path(system, key), ""),
        ("PUT", object_path(system, key), ""),
        ("DELETE", object_path(system, key), ""),
        ("POST", f"/{system}", "delete="),
        ("POST", object_path(system, "up"), "uploads="),
        ("GET", f"/{system}", "versions="),
        ("GET", f"/{system}", "policy="),
    ]:
        answer = target.raw(method, path, query=query)
        assert 400 <= answer.status < 500, (method, path, answer)
    answer = target.raw("PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": object_path(system, key)})
    assert 400 <= answer.status < 500, answer
    assert target.behind.get_object(Bucket=system, Key=key)["Body"].read() == stored


@pytest.mark.vault
def test_our_header_from_a_client(target, bucket):
    """A client that could write `x-amz-meta-dv1` could have the gateway open what it did not seal."""
    target.s3.put_object(Bucket=bucket, Key="good", Body=b"body")
    path, ours = object_path(bucket, "k"), {"x-amz-meta-dv1": "AAAA"}
    for method, query, headers in [
        ("PUT", "", ours),
        ("PUT", "", {"X-Amz-Meta-DV1": "AAAA"}),
        ("PUT", "x-amz-meta-dv1=AAAA", {}),
        ("POST", "uploads=", ours),
        ("PUT", "", ours | {"x-amz-copy-source": object_path(bucket, "good"), "x-amz-metadata-directive": "REPLACE"}),
    ]:
        answer = target.raw(method, path, query=query, headers=headers, body=b"" if "x-amz-copy-source" in headers else b"body")
        assert answer.status >= 400, (method, query, answer)
        assert answer.code in REFUSED, (method, query, answer)
    url = boto(target.endpoint, signature_version="s3v4").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "Metadata": {"dv1": "AAAA"}})
    from test_presigned import fetch

    answer = fetch(url, "PUT", b"body", {} if "x-amz-meta-dv1=" in url else ours)
    assert answer.status >= 400, answer
    assert answer.code in REFUSED, answer
    assert [row["Key"] for row in target.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["good"]


@pytest.mark.vault
def test_requests_that_would_change_what_a_write_means(target, bucket):
    """Unknown query parameters on an object write, vendor headers and extensions."""
    path = object_path(bucket, "k")
    for query, headers in [
        ("unknown=1", {}),
        ("append", {}),
        ("append=&position=0", {}),
        ("", {"x-minio-force-create": "true"}),
        ("", {"x-minio-source-mtime": "2001-01-01T00:00:00Z"}),
        ("", {"x-rgw-something": "1"}),
        ("", {"x-amz-meta-snowball-auto-extract": "true"}),
    ]:
        answer = target.raw("PUT", path, query=query, headers=headers, body=b"body")
        assert 400 <= answer.status < 600, (query, headers, answer)
        assert target.raw("HEAD", path).status == 404, (query, headers)


def test_request_id(target, bucket):
    """Every answer carries `x-amz-request-id`, and no two the same; an error says it in its body too."""
    one, two = target.raw("GET", f"/{bucket}", query="list-type=2"), target.raw("GET", object_path(bucket, "missing"))
    ids = [answer.headers["x-amz-request-id"] for answer in (one, two)]
    assert all(ids)
    assert ids[0] != ids[1]
    assert f"<RequestId>{ids[1]}</RequestId>".encode() in two.body


def test_signatures_that_do_not_hold(target, bucket):
    """Wrong secret, unknown key, altered request, old clock: the code of S3, and nothing stored."""
    from dataclasses import replace

    endpoint, path = target.endpoint, object_path(bucket, "k")
    wrong_secret = replace(endpoint, secret_key="not the secret")
    unknown_key = replace(endpoint, access_key="AKIANOBODY0000000000")
    cases = [
        ("SignatureDoesNotMatch", raw(wrong_secret, "PUT", path, body=b"x")),
        ("InvalidAccessKeyId", raw(unknown_key, "PUT", path, body=b"x")),
        ("RequestTimeTooSkewed", target.raw("PUT", path, body=b"x", skew=timedelta(minutes=-16))),
        ("RequestTimeTooSkewed", target.raw("PUT", path, body=b"x", skew=timedelta(minutes=16))),
        ("AccessDenied", target.raw("PUT", path, body=b"x", signed=False)),
    ]
    for code, answer in cases:
        assert (answer.status, answer.code) == (403, code), answer
    assert target.raw("HEAD", path).status == 404
    inside = target.raw("PUT", path, body=b"x", skew=timedelta(minutes=-14))
    assert inside.status == 200, inside


@pytest.mark.vault
def test_every_amz_header_must_be_signed(target, bucket):
    """S3 refuses an `x-amz-*` header that the signature does not cover; MinIO stores it."""
    answer = target.raw("PUT", object_path(bucket, "k"), body=b"x", headers={"x-amz-meta-a": "1"}, unsigned_headers=("x-amz-meta-a",))
    assert (answer.status, answer.code) == (403, "AccessDenied"), answer
    assert target.raw("HEAD", object_path(bucket, "k")).status == 404


@pytest.mark.vault
def test_nobody_without_a_signature(target, bucket):
    """`anonymous = "refuse"` is the default, whatever the backend's policy says."""
    from json import dumps

    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}],
    }
    if target.store is not None and target.backend == "minio":
        target.behind.put_bucket_policy(Bucket=bucket, Policy=dumps(policy))
    target.s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = target.raw("GET", object_path(bucket, "k"), signed=False)
    assert (answer.status, answer.code) == (403, "AccessDenied"), answer


@pytest.mark.gateway
def test_an_anonymous_body_is_not_asked_for_before_the_store_wants_it(target, bucket, make_gateway):
    """`Expect: 100-continue`: who may not write is told so before the body, who may is told to go on (RFC 9110, 10.1.1)."""
    if target.store is None:
        pytest.skip("the embedded store knows no anonymous access")
    gateway = make_gateway({"identity.anonymous": "backend"})
    boto(gateway.endpoint).put_object(Bucket=bucket, Key="signed", Body=b"x")
    body = noise(300_000)
    head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()

    def first_word(connection) -> bytes:
        connection.sendall(head)
        return connection.recv(4096)

    with socket.create_connection(("127.0.0.1", gateway.endpoint.port), timeout=10) as connection:
        answer = first_word(connection)
        assert answer.startswith(b"HTTP/1.1 403 ") and b"connection: close" in answer.lower(), answer
    if target.backend != "minio":
        return
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}
    target.behind.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with socket.create_connection(("127.0.0.1", gateway.endpoint.port), timeout=10) as connection:
        assert first_word(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert boto(gateway.endpoint).get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_an_early_refusal_is_not_lost(target, s3, bucket):
    """A store that refuses by the headers alone closes the connection under the body: the client must have its answer, not ours about the connection."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    wrong = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32, "SSECustomerKeyMD5": "A" * 22 + "=="}
    body = noise(5 * MIB)
    for _ in range(10):
        for call in (
            lambda: s3.put_object(Bucket=bucket, Key="k", Body=body, **wrong),
            lambda: s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=body, **wrong),
        ):
            # Ceph RGW does not look at the digest of a key.
            try:
                call()
            except ClientError as refused:
                assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 400, refused
            else:
                assert target.backend == "rgw"


def test_buckets(s3):
    """Create, list, head, delete; what is not empty stays."""
    name = fresh("buckets")
    s3.create_bucket(Bucket=name)
    assert name in {row["Name"] for row in s3.list_buckets()["Buckets"]}
    s3.head_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    assert error_code(lambda: s3.delete_bucket(Bucket=name)) == "BucketNotEmpty"
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert error_code(lambda: s3.head_bucket(Bucket=name)) == "404"
    assert error_code(lambda: s3.put_object(Bucket=name, Key="k", Body=b"x")) == "NoSuchBucket"


def test_a_bucket_deleted_and_made_again(s3):
    """The second life has keys of its own."""
    name = fresh("again")
    for life in range(3):
        s3.create_bucket(Bucket=name)
        data = noise(20_000, life)
        s3.put_object(Bucket=name, Key="k", Body=data)
        assert s3.get_object(Bucket=name, Key="k")["Body"].read() == data
        s3.delete_object(Bucket=name, Key="k")
        s3.delete_bucket(Bucket=name)


def test_forwarded_operations(s3, bucket):
    """Operations that the gateway only passes on."""
    assert s3.get_bucket_location(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.needs("versioning")
def test_versioning_state(s3, versioned):
    assert s3.get_bucket_versioning(Bucket=versioned)["Status"] == "Enabled"


def test_a_body_of_wrong_kind(target, bucket):
    """A body where none belongs is not obeyed, and the connection goes on working."""
    answer = target.raw("GET", f"/{bucket}", query="list-type=2", body=noise(MIB))
    assert answer.status < 500, answer
    assert target.raw("GET", f"/{bucket}", query="list-type=2").status == 200
