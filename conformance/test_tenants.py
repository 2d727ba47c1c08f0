"""`tenants = true`: a name `tenant:bucket` reaches nothing that `bucket` must not, and without it there are no such names.

The stores here know no tenants, so what the gateway lets go on ends there. That a store with tenants (Ceph RGW) answers rightly is
shown by ceph/s3-tests, see docs/conformance.md."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from clients import Answer, boto, object_path, raw, sign
from servers import Endpoint

pytestmark = pytest.mark.gateway

FORMS = [":{}", "testx:{}", "%3A{}", "testx%3a{}"]
"""Ways to write a bucket of a tenant in a path."""


def ask(endpoint: Endpoint, method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    """A request signed for the canonical form of its path, which encodes the colon, and sent as it is."""
    canonical = path.replace(":", "%3A").replace("%3a", "%3A")
    return raw(endpoint, method, path, query, sign(endpoint, method, canonical, query, headers).headers, body, signed=False)


@pytest.fixture
def tenanted(target, make_gateway):
    if target.store is None:
        pytest.skip("the embedded store has no tenants, and refuses the setting")
    return make_gateway({"backend.tenants": "true"})


def test_no_tenant_hides_a_reserved_name(tenanted, bucket):
    endpoint = tenanted.endpoint
    boto(endpoint).put_object(Bucket=bucket, Key="k", Body=b"x")
    for name in (tenanted.system_bucket, "minio", "Admin", "swift"):
        for form in FORMS:
            written = form.format(name)
            for method, path, query in [
                ("GET", f"/{written}", "list-type=2"),
                ("HEAD", f"/{written}", ""),
                ("PUT", f"/{written}", ""),
                ("DELETE", f"/{written}", ""),
                ("GET", f"/{written}/keks", ""),
                ("PUT", f"/{written}/keks/a", ""),
                ("DELETE", f"/{written}/admin/v3/remove-user", ""),
                ("POST", f"/{written}", "delete="),
                ("OPTIONS", f"/{written}/keks/a", ""),
            ]:
                answer = ask(endpoint, method, path, query)
                assert answer.status == 403, (method, path, answer)
                assert method == "HEAD" or answer.code == "AccessDenied", (method, path, answer)
            copied = ask(endpoint, "PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": f"{written}/keks"})
            assert (copied.status, copied.code) == (403, "AccessDenied"), copied
            plain = unquote(form).format(name)
            document = f"<BucketLoggingStatus><LoggingEnabled><TargetBucket>{plain}</TargetBucket><TargetPrefix/></LoggingEnabled></BucketLoggingStatus>"
            logged = ask(endpoint, "PUT", f"/{bucket}", "logging=", body=document.encode())
            assert (logged.status, logged.code) == (403, "AccessDenied"), logged


def test_the_empty_tenant_is_the_bucket_itself(target, tenanted, bucket):
    """`:bucket` and `bucket` are one, and so are their keys: the store is asked for `:bucket`, which RGW knows and MinIO and Garage do not."""
    boto(tenanted.endpoint).put_object(Bucket=bucket, Key="k", Body=b"x")
    for form in FORMS:
        answer = ask(tenanted.endpoint, "GET", f"/{form.format(bucket)}/k")
        if target.backend == "rgw" and answer.status == 200:
            assert answer.body == b"x"
            continue
        assert 400 <= answer.status < 500 and answer.code not in ("SignatureDoesNotMatch", "InternalError"), answer


def test_no_such_names_without_the_setting(target, bucket):
    for form in FORMS:
        answer = ask(target.endpoint, "GET", f"/{form.format(bucket)}/k")
        assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer
        copied = ask(target.endpoint, "PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": f"{form.format(bucket)}/k"})
        assert (copied.status, copied.code) == (400, "InvalidBucketName"), copied
