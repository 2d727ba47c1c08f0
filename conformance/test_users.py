"""Several users of one store, each through the gateway as itself: what the store lets a user do and see it lets do and see behind the gateway."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from botocore import UNSIGNED

from clients import MIB, Target, boto, error_code, fresh, noise
from servers import Endpoint, Server
from stores import STORES, GatewayOfUsers, MinioWithUsers, User

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(300)]

DENIED = ("AccessDenied", "403")
"""The second where an answer has no document."""


@dataclass
class Shared:
    """A store of users behind a gateway that maps each client credential to the same one of the store."""

    store: Server
    gateway: GatewayOfUsers

    @property
    def users(self):
        return self.gateway.users

    def through(self, user: User, **config):
        return boto(self._as(self.gateway.endpoint, user), **config)

    def directly(self, user: User):
        return boto(self._as(self.store.endpoint, user))

    @staticmethod
    def _as(endpoint: Endpoint, user: User) -> Endpoint:
        return replace(endpoint, access_key=user.access_key, secret_key=user.secret_key)


@pytest.fixture(scope="module")
def shared(target: Target, scratch: Path) -> Iterator[Shared]:
    if target.store is None:
        pytest.skip("the embedded store knows no users")
    # Ceph RGW takes long to start and has its users already.
    own = None if hasattr(target.store, "users") else STORES[target.backend](scratch / fresh("users-store"))
    store = own or target.store
    try:
        if own is not None:
            own.start()
        gateway = GatewayOfUsers(scratch / fresh("users"), store.endpoint, store.users, system_bucket=fresh("users-system"))
        try:
            gateway.start()
            yield Shared(store, gateway)
        finally:
            gateway.kill()
    finally:
        if own is not None:
            own.kill()


@pytest.fixture
def main(shared: Shared):
    return shared.through(shared.users.main)


@pytest.fixture
def alt(shared: Shared):
    return shared.through(shared.users.alt)


@pytest.fixture
def mine(main) -> str:
    """A bucket of *main* with an object `k`."""
    name = fresh("mine")
    main.create_bucket(Bucket=name)
    main.put_object(Bucket=name, Key="k", Body=b"of main")
    return name


def policy(bucket: str, user: User, *actions: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{user.user_id}"]}, "Action": list(actions), "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def test_each_sees_the_buckets_that_the_store_shows_it(shared, main, alt, mine, target):
    other = fresh("other")
    alt.create_bucket(Bucket=other)
    seen = {}
    for user, through in ((shared.users.main, main), (shared.users.alt, alt)):
        seen[user] = {row["Name"] for row in through.list_buckets()["Buckets"]}
        assert seen[user] == {row["Name"] for row in shared.directly(user).list_buckets()["Buckets"]} - {shared.gateway.system_bucket}
    assert mine in seen[shared.users.main]
    assert other in seen[shared.users.alt]
    if target.backend != "minio":  # Its users share one name space.
        assert not seen[shared.users.main] & seen[shared.users.alt]


@pytest.mark.needs("owners")
def test_a_private_bucket_is_its_owners(target, main, alt, mine):
    """What the gateway knows already, it tells nobody whom the store would not tell."""
    # A bucket's name at Garage is known to the key that made it.
    denied = ("NoSuchBucket", "404") if target.backend == "garage" else DENIED
    main.get_object(Bucket=mine, Key="k")
    main.head_object(Bucket=mine, Key="k")
    main.list_objects_v2(Bucket=mine)
    upload = {"Bucket": mine, "Key": "m"}
    upload["UploadId"] = main.create_multipart_upload(**upload)["UploadId"]
    part = main.upload_part(**upload, PartNumber=1, Body=b"part")
    own = fresh("own")
    alt.create_bucket(Bucket=own)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for call in (
        lambda: alt.get_object(Bucket=mine, Key="k"),
        lambda: alt.get_object(Bucket=mine, Key="k", Range="bytes=0-1"),
        lambda: alt.head_object(Bucket=mine, Key="k"),
        lambda: alt.list_objects_v2(Bucket=mine),
        lambda: alt.put_object(Bucket=mine, Key="k", Body=b"of alt"),
        lambda: alt.put_object(Bucket=mine, Key="new", Body=noise(9 * MIB)),
        lambda: alt.delete_object(Bucket=mine, Key="k"),
        lambda: alt.copy_object(Bucket=own, Key="k", CopySource={"Bucket": mine, "Key": "k"}),
        lambda: alt.upload_part(**upload, PartNumber=2, Body=b"of alt"),
        lambda: alt.list_parts(**upload),
        lambda: alt.complete_multipart_upload(**upload, MultipartUpload=parts),
        lambda: alt.abort_multipart_upload(**upload),
        lambda: alt.create_multipart_upload(Bucket=mine, Key="n"),
        lambda: alt.delete_bucket(Bucket=mine),
    ):
        assert error_code(call) in denied
    assert main.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
    assert [row["PartNumber"] for row in main.list_parts(**upload)["Parts"]] == [1]
    main.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert [row["Key"] for row in main.list_objects_v2(Bucket=mine)["Contents"]] == ["k", "m"]
    assert "Contents" not in alt.list_objects_v2(Bucket=own)


@pytest.mark.needs("access_lists")
def test_an_access_list_lets_another_read(shared, main, alt, mine):
    main.put_object(Bucket=mine, Key="private", Body=b"private")
    main.put_object_acl(Bucket=mine, Key="k", GrantRead=f"id={shared.users.alt.user_id}", GrantFullControl=f"id={shared.users.main.user_id}")
    assert alt.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
    assert alt.head_object(Bucket=mine, Key="k")["ContentLength"] == len(b"of main")
    assert error_code(lambda: alt.get_object(Bucket=mine, Key="private")) in DENIED
    assert error_code(lambda: alt.put_object(Bucket=mine, Key="k", Body=b"of alt")) in DENIED
    assert error_code(lambda: alt.list_objects_v2(Bucket=mine)) in DENIED
    main.put_bucket_acl(Bucket=mine, GrantRead=f"id={shared.users.alt.user_id}", GrantFullControl=f"id={shared.users.main.user_id}")
    assert [(row["Key"], row["Size"]) for row in alt.list_objects_v2(Bucket=mine)["Contents"]] == [("k", 7), ("private", 7)]
    main.put_object_acl(Bucket=mine, Key="k", ACL="private")
    assert error_code(lambda: alt.get_object(Bucket=mine, Key="k")) in DENIED


@pytest.mark.needs("access_lists")
def test_a_bucket_policy_lets_another_write(shared, main, alt, mine):
    assert error_code(lambda: alt.put_object(Bucket=mine, Key="a", Body=b"x")) in DENIED
    main.put_bucket_policy(Bucket=mine, Policy=policy(mine, shared.users.alt, "s3:PutObject", "s3:GetObject"))
    alt.put_object(Bucket=mine, Key="a", Body=b"of alt", ACL="bucket-owner-full-control")
    alt.upload_fileobj(io.BytesIO(noise(12 * MIB)), mine, "large", ExtraArgs={"ACL": "bucket-owner-full-control"})
    assert alt.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
    assert main.get_object(Bucket=mine, Key="a")["Body"].read() == b"of alt"
    assert main.get_object(Bucket=mine, Key="large")["Body"].read() == noise(12 * MIB)
    assert error_code(lambda: alt.delete_object(Bucket=mine, Key="k")) in DENIED
    main.delete_bucket_policy(Bucket=mine)
    assert error_code(lambda: alt.put_object(Bucket=mine, Key="b", Body=b"x")) in DENIED


@pytest.mark.needs("access_lists")
def test_a_bucket_policy_demands_that_a_copy_keeps_the_metadata(shared, main, alt, mine):
    """Of its source, and its sealed header with them. Nobody who reads the copy sees a difference."""
    source = fresh("source")
    main.create_bucket(Bucket=source)
    main.put_bucket_policy(Bucket=source, Policy=policy(source, shared.users.alt, "s3:GetObject", "s3:GetObjectTagging"))
    document = json.loads(policy(mine, shared.users.alt, "s3:PutObject"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"s3:x-amz-metadata-directive": "COPY"}}
    main.put_bucket_policy(Bucket=mine, Policy=json.dumps(document))
    open_bucket = fresh("open")
    alt.create_bucket(Bucket=open_bucket)
    objects = {"empty": b"", "small": b"small", "tagged": b"tagged", "large": noise(3 * MIB)}
    said = {"Metadata": {"who": "me"}, "ContentType": "text/plain", "CacheControl": "no-store"}
    seen = {}
    for key, data in objects.items():
        tags = {"Tagging": "a=b"} if key == "tagged" else {}
        main.put_object(Bucket=source, Key=key, Body=data, **said, **tags)
        copy = {"Bucket": mine, "Key": key, "CopySource": {"Bucket": source, "Key": key}}
        assert error_code(lambda copy=copy: alt.copy_object(**copy)) in DENIED
        assert error_code(lambda copy=copy: alt.copy_object(**copy, MetadataDirective="REPLACE", Metadata={"who": "alt"})) in DENIED
        alt.copy_object(**copy, MetadataDirective="COPY", ACL="bucket-owner-full-control")
        seen[key] = main.head_object(Bucket=source, Key=key)
    # Another key, or the other bucket, has no part in what was allowed here.
    behind = shared.directly(shared.users.alt)
    behind.copy_object(Bucket=open_bucket, Key="moved", CopySource={"Bucket": mine, "Key": "small"}, MetadataDirective="COPY")
    assert error_code(lambda: alt.get_object(Bucket=open_bucket, Key="moved")) in ("InternalError", "500")
    behind.delete_object(Bucket=open_bucket, Key="moved")

    def check() -> None:
        for key, data in objects.items():
            got = alt.get_object(Bucket=mine, Key=key)
            assert got["Body"].read() == data, key
            head = alt.head_object(Bucket=mine, Key=key)
            for name in ("ContentLength", "ETag", "Metadata", "ContentType", "CacheControl"):
                assert got[name] == head[name] == seen[key][name], (key, name)
        for key in ("small", "large"):
            assert alt.get_object(Bucket=mine, Key=key, Range="bytes=1-3")["Body"].read() == objects[key][1:4]
        rows = {row["Key"]: (row["Size"], row["ETag"]) for row in main.list_objects_v2(Bucket=mine)["Contents"]}
        for key, data in objects.items():
            assert rows[key] == (len(data), seen[key]["ETag"])

    check()
    assert alt.get_object(Bucket=mine, Key="tagged")["TagCount"] == 1
    for key, data in objects.items():
        alt.copy_object(Bucket=open_bucket, Key=key, CopySource={"Bucket": mine, "Key": key})
        assert alt.get_object(Bucket=open_bucket, Key=key)["Body"].read() == data
    shared.gateway.stop()
    for file in shared.gateway.sidecar_files():
        file.unlink()
    rebuilt = shared.gateway.run("sidecar", "rebuild", timeout=120)
    assert f"skipped {mine}/" not in rebuilt.stderr, rebuilt.stderr
    shared.gateway.start()
    check()
    small = {"Bucket": mine, "Key": "small"}
    main.copy_object(**small, CopySource=small, MetadataDirective="REPLACE", Metadata={"who": "main"})
    got = main.get_object(**small)
    assert (got["Body"].read(), got["Metadata"]) == (b"small", {"who": "main"})


@pytest.mark.needs("access_lists")
def test_nobody_in_particular(shared, main, mine):
    """`anonymous = "backend"`: the store decides about those who do not sign."""
    anonymous = shared.through(shared.users.main, signature_version=UNSIGNED)
    assert error_code(lambda: anonymous.get_object(Bucket=mine, Key="k")) in DENIED
    main.put_object_acl(Bucket=mine, Key="k", ACL="public-read")
    assert anonymous.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
    assert error_code(lambda: anonymous.put_object(Bucket=mine, Key="k", Body=b"x")) in DENIED


def test_a_credential_that_is_not_mapped_is_refused(shared, mine):
    """A user of the store whom the gateway does not know gets nowhere through it, nor does one with another's secret."""
    users = shared.users
    stranger = User(shared.store.endpoint.access_key, shared.store.endpoint.secret_key)
    if stranger.access_key not in {user.access_key for user in (users.main, users.alt, users.tenant, users.iam)}:
        assert error_code(lambda: shared.through(stranger).get_object(Bucket=mine, Key="k")) == "InvalidAccessKeyId"
    nobody = User("AKIANOBODY0000000001", "nobody")
    assert error_code(lambda: shared.through(nobody).get_object(Bucket=mine, Key="k")) == "InvalidAccessKeyId"
    crossed = User(users.main.access_key, users.alt.secret_key)
    assert error_code(lambda: shared.through(crossed).get_object(Bucket=mine, Key="k")) == "SignatureDoesNotMatch"


def test_the_policy_of_a_user_of_minio(shared, main, alt, mine):
    if not isinstance(shared.store, MinioWithUsers):
        pytest.skip("MinIO gives its users policies; the others know owners")
    shared.store.allow(shared.users.alt, "readonly")
    try:
        assert alt.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
        assert error_code(lambda: alt.put_object(Bucket=mine, Key="k", Body=b"of alt")) in DENIED
        assert error_code(lambda: alt.delete_object(Bucket=mine, Key="k")) in DENIED
        assert error_code(lambda: alt.copy_object(Bucket=mine, Key="c", CopySource={"Bucket": mine, "Key": "k"})) in DENIED
        assert error_code(lambda: alt.create_multipart_upload(Bucket=mine, Key="m")) in DENIED
        assert main.get_object(Bucket=mine, Key="k")["Body"].read() == b"of main"
    finally:
        shared.store.allow(shared.users.alt, "consoleAdmin")
    alt.put_object(Bucket=mine, Key="k", Body=b"of alt")
