"""What a read costs the object store, what of an answer may be believed, and reads that a browser or a cache makes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from clients import MIB, boto, error_code, fresh, md5, noise, object_path, put_in_parts, raw
from servers import MIGRATING_BUCKETS, Gateway
from stored import Stored
from test_list import backend_calls
from test_presigned import presign


class Relay:
    """A TCP relay before the object store, which counts connections and the bytes that the store sends."""

    def __init__(self, port: int) -> None:
        self.store, self.connections, self.received = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            store = socket.create_connection(("127.0.0.1", self.store))
            threading.Thread(target=self._pump, args=(client, store, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(store, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(64 * 1024):
                if counted:
                    self.received += len(data)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        self.listener.close()


@pytest.fixture
def relayed(target, tmp_path: Path) -> Iterator[tuple[Gateway, Relay]]:
    """A gateway of its own whose way to the object store is counted."""
    if target.store is None:
        pytest.skip("backend local has no connections")
    relay = Relay(target.store.endpoint.port)
    gateway = Gateway(tmp_path / "gateway", replace(target.store.endpoint, port=relay.port), fresh("own-system"))
    try:
        gateway.start()
        yield gateway, relay
    finally:
        gateway.kill()
        relay.close()


def calls(gateway: Gateway, do) -> int:
    before = backend_calls(gateway.metrics())
    do()
    return int(backend_calls(gateway.metrics()) - before)


@pytest.mark.gateway
@pytest.mark.parametrize("size", [0, 1000, 3 * MIB])
def test_plaintext_from_before_costs_one_call(target, relayed, missing, size):
    """Two while it is unknown; no connection is lost over it; the answers are those of the store."""
    gateway, relay = relayed
    bucket, key, data = MIGRATING_BUCKETS[0], fresh("plain"), noise(size)
    if bucket not in {row["Name"] for row in target.behind.list_buckets()["Buckets"]}:
        target.behind.create_bucket(Bucket=bucket)
    path = object_path(bucket, key)

    def get(status: int = 200, method: str = "GET", query: str = "", **headers: str):
        answer = raw(gateway.endpoint, method, path, query=query, headers={name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status == status, answer
        return answer

    for life in range(2):
        target.behind.put_object(Bucket=bucket, Key=key, Body=data + bytes([life]), ContentType="text/x-plain", ChecksumAlgorithm="CRC32")
        etag = f'"{md5(data + bytes([life]))}"'
        # What was known is of no use in the second life: one call finds that out.
        assert calls(gateway, lambda: get(query="response-cache-control=no-store")) <= 2 + life
        connections = relay.connections
        assert calls(gateway, get) == 1
        assert calls(gateway, lambda: get(206, range="bytes=0-0")) == 1
        assert calls(gateway, lambda: get(method="HEAD")) == 1
        assert calls(gateway, lambda: get(304, if_none_match=etag)) == 1
        assert relay.connections == connections
        answer = get(query="response-cache-control=no-store", x_amz_checksum_mode="ENABLED")
        assert answer.body == data + bytes([life])
        assert (answer.headers["etag"], answer.headers["content-type"], answer.headers["cache-control"]) == (etag, "text/x-plain", "no-store")
        assert answer.headers["x-amz-checksum-crc32"] or "checksums" in missing
        get(412, if_match='"other"')
        assert get(if_match=etag).body == data + bytes([life])


@pytest.mark.gateway
def test_a_condition_that_fails_starts_no_transfer(target, relayed):
    """304 and 412 of a large object read its end at most, and keep the connection; known or not, whole or a range."""
    gateway, relay = relayed
    bucket, data = fresh("conditions"), noise(8 * MIB)
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    etag, future = f'"{md5(data)}"', format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    failing = [
        (status, headers | ranged)
        for status, headers in ((304, {"if-none-match": etag}), (412, {"if-match": '"other"'}), (304, {"if-modified-since": future}))
        for ranged in ({}, {"range": "bytes=0-"})
    ]
    for index in range(len(failing)):
        s3.put_object(Bucket=bucket, Key=f"k{index}", Body=data)
    for known in (True, False):
        if not known:
            gateway.stop()
            for file in gateway.data.glob("sidecar.db*"):
                file.unlink()
            gateway.start()
            s3.list_buckets()
        for index, (status, headers) in enumerate(failing):
            received, connections = relay.received, relay.connections
            answer = raw(gateway.endpoint, "GET", object_path(bucket, f"k{index}"), headers=headers)
            assert answer.status == status, (headers, answer)
            assert relay.received - received < 256 * 1024, (known, headers)
            assert relay.connections == connections
    assert calls(gateway, lambda: raw(gateway.endpoint, "GET", object_path(bucket, "k0"), headers={"if-match": etag})) == 1
    small = s3.put_object(Bucket=bucket, Key="small", Body=b"x")["ETag"]
    assert calls(gateway, lambda: raw(gateway.endpoint, "GET", object_path(bucket, "small"), headers={"if-unmodified-since": future})) == 1
    assert calls(gateway, lambda: raw(gateway.endpoint, "GET", object_path(bucket, "small"), headers={"if-none-match": small})) == 1


@pytest.mark.gateway
def test_headers_that_the_store_added(target, bucket):
    """A system header that the writer did not send is not passed, and no copy makes it one that is believed."""
    if target.store is None:
        pytest.skip("headers of `local` are in its index")
    path = object_path(bucket, "k")
    assert target.raw("PUT", path, body=b"body", headers={"cache-control": "no-cache"}).status == 200
    stored = Stored(target, bucket)
    added = {"ContentType": "text/html", "ContentDisposition": "inline", "ContentLanguage": "xx", "ContentEncoding": "identity"}
    stored.put("k", stored.read("k", 4), stored.headers("k") | added)
    assert target.raw("PUT", object_path(bucket, "copy"), headers={"x-amz-copy-source": path}).status == 200
    for key in ("k", "copy"):
        for method in ("GET", "HEAD"):
            answer = target.raw(method, object_path(bucket, key))
            assert answer.status == 200, answer
            assert answer.headers["content-type"] == "binary/octet-stream"
            assert answer.headers["cache-control"] == "no-cache"
            for name in ("content-disposition", "content-language", "content-encoding"):
                assert name not in answer.headers, (key, method, name)


@pytest.mark.gateway
@pytest.mark.parametrize("value", ["3", "1", "", "02", "2x"])
def test_an_unknown_list_type(target, bucket, value):
    answer = target.raw("GET", f"/{bucket}", query=f"list-type={value}")
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


@pytest.mark.gateway
def test_no_listing_in_place_of_a_configuration(target, bucket):
    """A store that does not know a sub-resource may answer as if it were not there: with the bucket's listing, or the stored bytes."""
    target.s3.put_object(Bucket=bucket, Key="k", Body=b"body", ContentType="text/plain")
    for query in (
        "abac", "accelerate", "acl", "analytics", "analytics&id=a", "cors", "encryption", "intelligent-tiering", "intelligent-tiering&id=a", "inventory",
        "inventory&id=a", "lifecycle", "location", "logging", "metadataConfiguration", "metadataTable", "metrics", "metrics&id=a", "notification",
        "object-lock", "ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "tagging", "versioning", "website",
    ):  # fmt: skip
        answer = target.raw("GET", f"/{bucket}", query=query)
        assert b"<ListBucketResult" not in answer.body, (query, answer)
    for query in ("acl", "legal-hold", "retention", "tagging"):
        answer = target.raw("GET", object_path(bucket, "k"), query=query)
        assert answer.body.startswith(b"<") or answer.status >= 400, (query, answer)
        assert "x-amz-meta-dv1" not in answer.headers


PREFLIGHT = {"origin": "https://app.example", "access-control-request-method": "PUT", "access-control-request-headers": "content-type,x-amz-meta-a"}


@pytest.mark.gateway
def test_preflight(target, bucket):
    """A browser signs no preflight; it is answered as the store does. One for a presigned URL carries that URL's signature."""
    url = presign(boto(target.endpoint, signature_version="s3v4"), "put_object", bucket, "k")
    for path, query in ((f"/{bucket}", ""), (object_path(bucket, "k"), ""), (object_path(bucket, "k"), url.partition("?")[2]), (object_path(bucket, "k"), "uploadId=x&partNumber=1")):
        answer = target.raw("OPTIONS", path, query=query, headers=PREFLIGHT, signed=False)
        if target.store is None:  # It holds no CORS configuration, and like S3 without one refuses every origin.
            assert (answer.status, answer.code) == (403, "AccessForbidden"), answer
            continue
        direct = raw(target.store.endpoint, "OPTIONS", path, headers=PREFLIGHT, signed=False)
        assert answer.status == direct.status, (answer, direct)
        ours, theirs = (
            {name.lower(): value for name, value in one.headers.items() if name.lower().startswith("access-control-")} for one in (answer, direct)
        )
        assert ours == theirs
        if target.backend == "minio":
            assert ours["access-control-allow-origin"] in ("*", PREFLIGHT["origin"])


@pytest.mark.gateway
def test_origin_is_answered(target, bucket):
    """What the store says to the origin of a read passes."""
    if target.backend != "minio":
        pytest.skip("MinIO answers every origin")
    target.s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    answer = target.raw("GET", object_path(bucket, "k"), headers={"origin": PREFLIGHT["origin"]})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PREFLIGHT["origin"])


# --- the same requests, through the gateway and to the store ------------------------------------------------------------------


def forms(when: datetime) -> list[str]:
    """One moment in the three forms of RFC 9110 5.6.7."""
    when = when.astimezone(UTC)
    return [format_datetime(when, usegmt=True), when.strftime("%A, %d-%b-%y %H:%M:%S GMT"), when.strftime("%a %b %e %H:%M:%S %Y")]


def questions(etag: str, modified: datetime) -> list[tuple[str, str, dict[str, str]]]:
    """Query and headers of reads on which every S3 agrees."""
    other, bare = '"00000000000000000000000000000000"', etag.strip('"')
    before, after = modified - timedelta(days=400), modified + timedelta(seconds=1)
    asked: list[tuple[str, str, dict[str, str]]] = [("", "plain", {})]
    for name in ("if-match", "if-none-match"):
        for value in (etag, bare, other, "*"):
            if (name, value) != ("if-none-match", "*"):
                asked.append(("", f"{name} {value}", {name: value}))
    for when in (before, modified, after):
        for text in forms(when)[:1]:
            for name in ("if-modified-since", "if-unmodified-since"):
                asked.append(("", f"{name} {text}", {name: text}))
    for text in ("yesterday", ""):
        asked.append(("", f"bad date {text}", {"if-modified-since": text}))
        asked.append(("", f"bad date {text}", {"if-unmodified-since": text}))
    for match, unmodified in ((etag, before), (other, after)):
        asked.append(("", "match and date", {"if-match": match, "if-unmodified-since": forms(unmodified)[0]}))
    # A tag that differs under a date that does not: MinIO says 304, RFC 9110 13.1.3 (and the gateway) that the date is not looked at.
    for match, since in ((etag, before), (other, before)):
        asked.append(("", "none-match and date", {"if-none-match": match, "if-modified-since": forms(since)[0]}))
    for spec in ("bytes=0-0", "bytes=-1", "bytes=5-", "bytes=0-99999999999", "bytes=99999999999-"):
        asked.append(("", spec, {"range": spec}))
        asked.append(("", f"{spec} match", {"range": spec, "if-match": etag}))
        asked.append(("", f"{spec} none-match", {"range": spec, "if-none-match": etag}))
    for number in ("1", "2", "3", "10000"):
        asked.append((f"partNumber={number}", f"part {number}", {}))
    for parameter, value in (
        ("content-type", "text/x-other"), ("content-language", "de"), ("expires", "Thu, 01 Jan 1970 00:00:10 GMT"), ("cache-control", "no-store"),
        ("content-disposition", "attachment; filename=%22a.txt%22"), ("content-encoding", "x-own"),
    ):  # fmt: skip
        asked.append((f"response-{parameter}={value.replace(' ', '%20').replace(';', '%3B').replace('/', '%2F').replace(',', '%2C')}", parameter, {}))
    return asked


SHOWN = ("content-length", "content-range", "content-type", "content-language", "content-disposition", "content-encoding", "cache-control", "expires", "accept-ranges", "x-amz-mp-parts-count")


@pytest.mark.gateway
@pytest.mark.parametrize("kind", ["small", "large", "parts"])
def test_reads_are_answered_as_the_store_does(target, bucket, kind):
    """Conditions, ranges, parts and overrides: status, code, body and headers."""
    if target.backend != "minio":
        pytest.skip("compared with MinIO")
    parts = {"small": [noise(1000)], "large": [noise(2 * MIB)], "parts": [noise(5 * MIB), noise(10_000)]}[kind]
    answers = []
    for client, endpoint, name in ((target.s3, target.endpoint, bucket), (target.behind, target.store.endpoint, fresh("direct"))):
        if endpoint is target.store.endpoint:
            client.create_bucket(Bucket=name)
        if kind == "parts":
            put_in_parts(client, name, "k", parts, ContentType="text/plain")
        else:
            client.put_object(Bucket=name, Key="k", Body=parts[0], ContentType="text/plain")
        head = client.head_object(Bucket=name, Key="k")
        answers.append(
            {
                (method, index): (what, raw(endpoint, method, object_path(name, "k"), query=query, headers=headers))
                for index, (query, what, headers) in enumerate(questions(head["ETag"], head["LastModified"]))
                for method in ("GET", "HEAD")
            }
        )
    ours, theirs = answers
    wrong = []
    for asked, (what, answer) in ours.items():
        direct = theirs[asked][1]
        same_headers = answer.status >= 300 or all(answer.headers[name] == direct.headers[name] for name in SHOWN)
        if (answer.status, answer.code) != (direct.status, direct.code) or (answer.status < 300 and answer.body != direct.body) or not same_headers:
            differing = {name: (answer.headers[name], direct.headers[name]) for name in SHOWN if answer.headers[name] != direct.headers[name]}
            wrong.append((asked[0], what, answer.status, answer.code, direct.status, direct.code, differing if answer.status < 300 else ""))
    assert not wrong, "\n".join(map(str, wrong))


def test_conditions_in_every_form(endpoint, s3, bucket):
    """Lists, weak tags and all three forms of a date (RFC 9110 8.8.3, 13.1, 5.6.7); a Range goes only with an If-Range that holds."""
    data = noise(50_000)
    etag = s3.put_object(Bucket=bucket, Key="k", Body=data)["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]

    def get(**headers: str):
        return raw(endpoint, "GET", object_path(bucket, "k"), headers={name.replace("_", "-"): value for name, value in headers.items()}).status

    for text in forms(modified):
        assert get(if_modified_since=text) == 304, text
        assert get(if_unmodified_since=text) == 200, text
    for text in forms(modified - timedelta(days=400)):
        assert get(if_modified_since=text) == 200, text
        assert get(if_unmodified_since=text) == 412, text
    assert get(if_none_match=f'"a", {etag}') == 304
    assert get(if_none_match=f"W/{etag}") == 304
    assert get(if_match=f'"a", {etag}') == 200
    assert get(range="bytes=0-9", if_range=etag) == 206
    assert get(range="bytes=0-9", if_range='"other"') == 200
    assert get(range="bytes=0-9", if_range=forms(modified)[0]) == 206
    assert get(range="bytes=0-9", if_range=forms(modified - timedelta(days=400))[0]) == 200
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"')) == "PreconditionFailed"
