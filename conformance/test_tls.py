"""TLS, HTTP/2 and proxies: what stands between a client and the gateway changes nothing of what S3 says."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from cryptography import x509

from certificates import Authority, Pair
from clients import MIB, Answer, Target, aws, boto, fresh, noise, object_path, raw, sign
from servers import Endpoint, Gateway, Minio, connect, http_status

pytestmark = pytest.mark.gateway

LOGGED = {"log.level": "info,gateway::service=debug"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@dataclass
class Secure:
    """A gateway that serves TLS."""

    gateway: Gateway
    endpoint: Endpoint
    pair: Pair

    def serial(self) -> int:
        """Of the certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(("127.0.0.1", self.endpoint.port), ca_certs=str(self.endpoint.ca))
        return x509.load_pem_x509_certificate(pem.encode()).serial_number


def tls_keys(section: str, pair: Pair) -> dict[str, str]:
    return {f"{section}.tls_cert": str(pair.cert), f"{section}.tls_key": str(pair.key)}


@pytest.fixture
def make_secure(make_gateway: Callable[..., Gateway], authority: Authority) -> Callable[..., Secure]:
    def make(overrides: dict[str, str] | None = None) -> Secure:
        pair = authority.issue("vault")
        gateway = make_gateway(tls_keys("server", pair) | (overrides or {}))
        return Secure(gateway, replace(gateway.endpoint, ca=authority.file), pair)

    return make


@pytest.fixture
def secure(make_secure: Callable[..., Secure]) -> Secure:
    return make_secure()


def clients_in(gateway: Gateway) -> list[str]:
    """The client addresses in the log, one for each request answered."""
    lines = [line for line in gateway.log.read_text().splitlines() if " answered " in line]
    return [word.removeprefix("client=") for line in lines for word in line.split() if word.startswith("client=")]


def until(holds: Callable[[], bool], within: float) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to be within {within} s"
        time.sleep(0.05)


# --- S3 clients over https ---------------------------------------------------------------------------------------------------


def test_boto3_sends_checksum_trailers_without_a_length(secure: Secure) -> None:
    s3, sent = boto(secure.endpoint), []
    s3.meta.events.register("before-send.s3.*", lambda request, **_: sent.append(dict(request.headers)))
    bucket = fresh("tls")
    s3.create_bucket(Bucket=bucket)
    for key, body in (("a", noise(3 * MIB)), ("small", b"x"), ("none", b"")):
        sent.clear()
        put = s3.put_object(Bucket=bucket, Key=key, Body=body)
        headers = {name.lower(): value for name, value in sent[0].items()}
        assert headers["x-amz-trailer"] == b"x-amz-checksum-crc32", "this boto3 has other habits: the test shows nothing"
        assert "content-length" not in headers and headers["expect"] == b"100-continue"
        got = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == body
        assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
        assert got["ContentLength"] == len(body)
    assert s3.get_object(Bucket=bucket, Key="a", Range="bytes=1000000-1000009")["Body"].read() == noise(3 * MIB)[1000000:1000010]
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="bad", Body=b"x", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert refused.value.response["Error"]["Code"] == "BadDigest"
    assert sorted(row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["a", "none", "small"]


def test_boto3_multipart_and_the_location_it_is_told(secure: Secure) -> None:
    s3 = boto(secure.endpoint)
    bucket = fresh("tls")
    s3.create_bucket(Bucket=bucket)
    parts = [noise(5 * MIB, 1), noise(1 * MIB, 2)]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32")["UploadId"]
    done = []
    for number, part in enumerate(parts, 1):
        answer = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
        done.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": done})
    assert answer["Location"] == f"{secure.endpoint.url}/{bucket}/k"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(parts)
    s3.upload_fileobj(io.BytesIO(noise(20 * MIB, 3)), bucket, "managed")
    whole = io.BytesIO()
    s3.download_fileobj(bucket, "managed", whole)
    assert whole.getvalue() == noise(20 * MIB, 3)


def test_aws_cli(secure: Secure, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "large").write_bytes(noise(17 * MIB))
    (folder / "sub" / "small").write_bytes(b"small")
    bucket = fresh("tls")
    aws(secure.endpoint, "s3", "mb", f"s3://{bucket}", cwd=tmp_path)
    aws(secure.endpoint, "s3", "sync", "files", f"s3://{bucket}/x", cwd=tmp_path)
    aws(secure.endpoint, "s3", "sync", f"s3://{bucket}/x", "back", cwd=tmp_path)
    assert (tmp_path / "back" / "large").read_bytes() == noise(17 * MIB)
    assert (tmp_path / "back" / "sub" / "small").read_bytes() == b"small"
    assert "upload" not in aws(secure.endpoint, "s3", "sync", "files", f"s3://{bucket}/x", cwd=tmp_path)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"])
def test_both_versions_and_no_older_one(secure: Secure, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(secure.endpoint.ca))
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", secure.endpoint.port)) as bare, context.wrap_socket(bare, server_hostname="localhost") as tls:
        assert tls.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    old = ssl.create_default_context(cafile=str(secure.endpoint.ca))
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", secure.endpoint.port)) as bare, pytest.raises(ssl.SSLError):
        old.wrap_socket(bare, server_hostname="localhost")


# --- HTTP/2 ------------------------------------------------------------------------------------------------------------------


def curl(endpoint: Endpoint, *arguments: str, stdin: bytes = b"") -> str:
    """Runs curl with its own signature and gives what it writes out."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", "--cacert", str(endpoint.ca), "--http2",
         "--aws-sigv4", f"aws:amz:{endpoint.region}:s3", "--user", f"{endpoint.access_key}:{endpoint.secret_key}",
         "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *arguments],
        input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stderr.decode()}\n{done.stdout.decode(errors='replace')}"
    return done.stdout.decode()


def test_curl_over_http_2(secure: Secure, tmp_path: Path) -> None:
    s3 = boto(secure.endpoint)
    bucket = fresh("tls")
    s3.create_bucket(Bucket=bucket)
    said = ["--output", "answer", "--write-out", "%{http_version} %{http_code}"]
    said[1] = str(tmp_path / "answer")
    body = noise(9 * MIB)
    (tmp_path / "body").write_bytes(body)
    at = f"{secure.endpoint.url}/{bucket}"
    assert curl(secure.endpoint, *said, "--upload-file", str(tmp_path / "body"), f"{at}/file") == "2 200"
    # From a pipe: HTTP/2 needs no length.
    assert curl(secure.endpoint, *said, "--upload-file", "-", f"{at}/piped", stdin=body) == "2 200"
    assert curl(secure.endpoint, *said, "--upload-file", "-", f"{at}/none", stdin=b"") == "2 200"
    for key, wants in (("file", body), ("piped", body), ("none", b"")):
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == wants
        (tmp_path / "answer").write_bytes(b"")
        assert curl(secure.endpoint, *said, f"{at}/{key}") == "2 200"
        assert (tmp_path / "answer").read_bytes() == wants
    assert curl(secure.endpoint, *said, "--range", "16380-16389", f"{at}/file") == "2 206"
    assert (tmp_path / "answer").read_bytes() == body[16380:16390]
    assert curl(secure.endpoint, *said, "--head", f"{at}/file") == "2 200"
    missing = subprocess.run(
        ["curl", "-s", "--cacert", str(secure.endpoint.ca), "--http2", "-w", "%{http_version} %{http_code}", f"{at}/file"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "<Code>AccessDenied</Code>" in missing.stdout and missing.stdout.endswith("2 403")


def test_many_streams_of_one_connection(secure: Secure, tmp_path: Path) -> None:
    s3 = boto(secure.endpoint)
    bucket = fresh("tls")
    s3.create_bucket(Bucket=bucket)
    bodies = {f"k{number}": noise(number * 100_000 + 7, number) for number in range(24)}
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    before = secure.gateway.metrics().get("data_vault_requests_total{operation=\"GetObject\",status=\"200\",fault=\"none\"}", 0)
    arguments = [word for key in bodies for word in ("--output", str(tmp_path / key), f"{secure.endpoint.url}/{bucket}/{key}")]
    versions = curl(secure.endpoint, "--parallel", "--parallel-max", "24", "--write-out", "%{http_version} %{num_connects}\n", *arguments)
    lines = versions.split("\n")[:-1]
    assert [line.split()[0] for line in lines] == ["2"] * len(bodies)
    assert sum(int(line.split()[1]) for line in lines) == 1, "they did not share a connection"
    for key, body in bodies.items():
        assert (tmp_path / key).read_bytes() == body, key
    after = secure.gateway.metrics()["data_vault_requests_total{operation=\"GetObject\",status=\"200\",fault=\"none\"}"]
    assert after - before == len(bodies)


def test_http_2_can_be_turned_off(make_secure: Callable[..., Secure], tmp_path: Path) -> None:
    secure = make_secure({"server.http2_max_streams": "0"})
    said = curl(secure.endpoint, "--output", str(tmp_path / "answer"), "--write-out", "%{http_version} %{http_code}", secure.endpoint.url + "/")
    assert said == "1.1 200"


# --- certificates ------------------------------------------------------------------------------------------------------------


def test_a_new_certificate_is_seen_by_new_connections_while_an_old_download_goes_on(secure: Secure, authority: Authority) -> None:
    s3 = boto(secure.endpoint)
    bucket, body = fresh("tls"), noise(64 * MIB)
    s3.create_bucket(Bucket=bucket)
    s3.upload_fileobj(io.BytesIO(body), bucket, "large")
    connection = connect(secure.endpoint.port, secure.endpoint.ca)
    connection.request("GET", object_path(bucket, "large"), headers=sign(secure.endpoint, "GET", object_path(bucket, "large")).headers)
    download = connection.getresponse()
    got = bytearray(download.read(MIB))
    assert secure.serial() == secure.pair.serial

    # By SIGHUP.
    second = authority.issue("second")
    secure.pair.replace(second)
    os.kill(secure.gateway.pid, signal.SIGHUP)
    until(lambda: secure.serial() == second.serial, 3)

    # One that is broken changes nothing, and is counted.
    secure.pair.cert.write_text("nonsense")
    os.kill(secure.gateway.pid, signal.SIGHUP)
    until(lambda: secure.gateway.metrics().get('data_vault_tls_reloads_total{outcome="failed"}') == 1, 3)
    assert secure.serial() == second.serial
    assert "the new certificate cannot be used, the old one stays" in secure.gateway.log_tail()

    # By the file alone.
    third = authority.issue("third")
    secure.pair.replace(third)
    until(lambda: secure.serial() == third.serial, 15)
    assert secure.gateway.metrics()['data_vault_tls_reloads_total{outcome="ok"}'] >= 2
    while piece := download.read(MIB):
        got += piece
    assert got == body
    connection.close()


def test_a_client_certificate_is_required(make_secure: Callable[..., Secure], authority: Authority, tmp_path: Path) -> None:
    secure = make_secure({"server.tls_client_auth": "required", "server.tls_client_ca": str(authority.file)})

    def client(pair: Pair | None):
        return boto3.client(
            "s3", endpoint_url=secure.endpoint.url, aws_access_key_id=secure.endpoint.access_key,
            aws_secret_access_key=secure.endpoint.secret_key, region_name=secure.endpoint.region, verify=str(secure.endpoint.ca),
            config=Config(retries={"total_max_attempts": 1}, client_cert=(str(pair.cert), str(pair.key)) if pair else None),
        )  # fmt: skip

    assert client(authority.issue("client")).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    for stranger in (None, Authority(tmp_path / "stranger").issue("client")):
        with pytest.raises((ConnectionError, HTTPClientError)):
            client(stranger).list_buckets()
    until(lambda: secure.gateway.metrics().get('data_vault_connections_refused_total{reason="tls"}', 0) >= 2, 3)


def test_a_key_that_cannot_be_used_stops_the_start(own_gateway: Gateway, authority: Authority) -> None:
    pair = authority.issue("vault")
    own_gateway.stop()
    own_gateway.overrides = tls_keys("server", pair)

    def refusal() -> str:
        with pytest.raises(RuntimeError, match="ended at start with 1") as ended:
            own_gateway.start()
        own_gateway.process = None
        return str(ended.value)

    pair.key.chmod(0o644)
    assert "may be read by everybody (mode 0644). Run `chmod 600` on it" in refusal()
    pair.key.chmod(0o600)
    pair.key.unlink()
    assert f"`server.tls_key`: {pair.key} cannot be read" in refusal()
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(authority.issue("other").key.read_bytes())
    assert "belongs to another key" in refusal()


def test_the_admin_listener_under_tls(own_gateway: Gateway, authority: Authority) -> None:
    own_gateway.stop()
    own_gateway.overrides = tls_keys("admin", authority.issue("admin"))
    own_gateway.ready = lambda: http_status(own_gateway.admin, "/readyz", ca=authority.file) == 200
    own_gateway.start()
    assert http_status(own_gateway.admin, "/metrics", ca=authority.file) == 200
    assert http_status(own_gateway.admin, "/healthz") is None, "it answers without TLS"
    assert boto(own_gateway.endpoint).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_handshake_that_does_not_come_is_cut_off(make_secure: Callable[..., Secure]) -> None:
    secure = make_secure({"server.handshake_timeout": "500ms"})
    for begin in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", secure.endpoint.port), timeout=5) as connection:
            connection.sendall(begin)
            while connection.recv(1024):
                pass
    until(lambda: secure.gateway.metrics().get('data_vault_connections_refused_total{reason="timeout"}') == 2, 3)


# --- proxies -----------------------------------------------------------------------------------------------------------------


def v1(source: str) -> bytes:
    return f"PROXY TCP4 {source} 198.51.100.1 4711 443\r\n".encode()


def v2(source: str) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4711, 443)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


def behind_proxy(endpoint: Endpoint, header: bytes, origin: str = "127.0.0.1") -> bytes:
    """A signed ListBuckets behind a PROXY header, from that loopback address."""
    signed = sign(endpoint, "GET", "/").headers | {"connection": "close"}
    request = "GET / HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in signed.items()) + "\r\n"
    got = bytearray()
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=10, source_address=(origin, 0)) as bare:
        bare.sendall(header)
        connection = bare
        if endpoint.ca:
            connection = ssl.create_default_context(cafile=str(endpoint.ca)).wrap_socket(bare, server_hostname="localhost")
        connection.sendall(request.encode())
        try:
            while data := connection.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        if connection is not bare:
            connection.close()
    return bytes(got)


@pytest.mark.parametrize("header", [v1, v2])
@pytest.mark.parametrize("under_tls", [False, True], ids=["plain", "tls"])
def test_the_proxy_protocol_from_an_allowed_and_from_a_foreign_address(
    make_gateway: Callable[..., Gateway], authority: Authority, header: Callable[[str], bytes], under_tls: bool
) -> None:
    tls = tls_keys("server", authority.issue("vault")) if under_tls else {}
    gateway = make_gateway(LOGGED | tls | {"server.proxy_protocol": "true", "server.trusted_proxies": '["127.0.0.2"]'})
    endpoint = replace(gateway.endpoint, ca=authority.file if under_tls else None)
    assert behind_proxy(endpoint, header("192.0.2.77"), "127.0.0.2").startswith(b"HTTP/1.1 200 ")
    until(lambda: clients_in(gateway) == ["192.0.2.77"], 3)
    # Without the header an allowed address has nothing to say; a foreign one needs none, and has none believed.
    if under_tls:
        for said, origin in ((b"", "127.0.0.2"), (header("192.0.2.78"), "127.0.0.1")):
            with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
                behind_proxy(endpoint, said, origin)
    else:
        assert behind_proxy(endpoint, b"", "127.0.0.2") == b""
        assert b"<Code>BadRequest</Code>" in behind_proxy(endpoint, header("192.0.2.78"))
    assert behind_proxy(endpoint, b"").startswith(b"HTTP/1.1 200 ")
    until(lambda: clients_in(gateway) == ["192.0.2.77", "127.0.0.1"], 3)


def complete(endpoint: Endpoint, bucket: str, headers: dict[str, str]) -> Answer:
    """A Complete with these headers, which no client signs."""
    s3 = boto(endpoint)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"part")["ETag"]
    body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    return raw(
        endpoint, "POST", object_path(bucket, "k"), f"uploadId={upload}", headers, body.encode(), unsigned_headers=tuple(headers)
    )  # fmt: skip


FORWARDED = {"x-forwarded-for": "203.0.113.9, 192.0.2.9", "x-forwarded-proto": "https"}


def test_forwarding_headers_of_a_stranger_are_ignored(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(LOGGED | {"server.trusted_proxies": '["10.0.0.0/8"]'})
    bucket = fresh("tls")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    answer = complete(gateway.endpoint, bucket, FORWARDED)
    assert answer.status == 200 and f"<Location>http://{gateway.endpoint.host}/{bucket}/k</Location>".encode() in answer.body
    until(lambda: len(clients_in(gateway)) == 4, 3)
    assert set(clients_in(gateway)) == {"127.0.0.1"}


def test_forwarding_headers_of_a_trusted_proxy_count(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(LOGGED | {"server.trusted_proxies": '["127.0.0.0/8", "::1"]'})
    bucket = fresh("tls")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    answer = complete(gateway.endpoint, bucket, FORWARDED)
    assert answer.status == 200 and f"<Location>https://{gateway.endpoint.host}/{bucket}/k</Location>".encode() in answer.body
    until(lambda: clients_in(gateway) == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "192.0.2.9"], 3)


def test_the_header_that_proxies_write_is_chosen(make_gateway: Callable[..., Gateway]) -> None:
    """`Forwarded` is read where it is configured, and then X-Forwarded-For is only what a client wrote."""
    gateway = make_gateway(LOGGED | {"server.trusted_proxies": '["127.0.0.0/8"]', "server.forwarded_headers": "forwarded"})
    bucket = fresh("tls")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    answer = complete(gateway.endpoint, bucket, FORWARDED | {"forwarded": 'for=203.0.113.7;proto=http, for="[2001:db8::9]:4711";proto=https'})
    assert answer.status == 200 and f"<Location>https://{gateway.endpoint.host}/{bucket}/k</Location>".encode() in answer.body
    until(lambda: clients_in(gateway) == ["127.0.0.1", "127.0.0.1", "127.0.0.1", "2001:db8::9"], 3)


@pytest.mark.parametrize("proxies", ["127.0.0.0/8", "10.0.0.0/8"])
def test_who_wrote_from_where_is_recorded(make_gateway: Callable[..., Gateway], proxies: str) -> None:
    gateway = make_gateway({"server.trusted_proxies": f'["{proxies}"]'})
    bucket = fresh("tls")
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    answer = raw(gateway.endpoint, "PUT", object_path(bucket, "k"), headers=FORWARDED, body=b"x", unsigned_headers=tuple(FORWARDED))
    assert answer.status == 200
    with closing(sqlite3.connect(f"file:{gateway.data}/sidecar.db?mode=ro", uri=True)) as sidecar:
        look = "SELECT principal, client FROM objects WHERE bucket = ? AND key = 'k'"
        until(lambda: sidecar.execute(look, (bucket,)).fetchone() is not None, 5)
        address = "192.0.2.9" if proxies.startswith("127") else "127.0.0.1"
        assert sidecar.execute(look, (bucket,)).fetchone() == (gateway.endpoint.access_key, address)


@pytest.mark.parametrize("told", ["true", "false"])
def test_a_policy_of_the_store_on_the_address_of_the_client(target: Target, make_gateway: Callable[..., Gateway], told: str) -> None:
    """MinIO believes the first X-Forwarded-For that it is sent. Through the gateway that is the client's address and nothing that
    a client wrote; or, where the store is told nothing, the gateway's own is all that it knows."""
    if target.backend != "minio":
        pytest.skip("only MinIO of these has policies on addresses")
    gateways = {
        proxies: make_gateway({"identity.anonymous": "backend", "backend.forward_client": told, "server.trusted_proxies": f'["{proxies}"]'})
        for proxies in ("127.0.0.0/8", "10.0.0.0/8")
    }
    bucket = fresh("tls")
    target.behind.create_bucket(Bucket=bucket)
    allowed = {
        "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}},
    }  # fmt: skip
    target.behind.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    path = object_path(bucket, "k")
    target.behind.put_object(Bucket=bucket, Key="k", Body=b"body")
    smuggled = {"x-forwarded-for": "192.0.2.9"}
    assert raw(target.store.endpoint, "GET", path, signed=False).status == 403
    assert raw(target.store.endpoint, "GET", path, headers=smuggled, signed=False).status == 200, "the policy is of no use to this test"
    for proxies, gateway in gateways.items():
        boto(gateway.endpoint).put_object(Bucket=bucket, Key="k", Body=b"body")

        def get(gateway=gateway, **headers: str) -> int:
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            return raw(gateway.endpoint, "GET", path, headers=headers, signed=False).status

        trusted = proxies.startswith("127") and told == "true"
        assert get() == 403
        assert get(x_forwarded_for="192.0.2.9") == (200 if trusted else 403)
        assert get(x_forwarded_for="192.0.2.9, 203.0.113.5") == 403
        assert get(x_forwarded_for="203.0.113.5, 192.0.2.9") == (200 if trusted else 403)
        for name in ("x_real_ip", "forwarded", "x_forwarded_host", "x_minio_source_ip"):
            assert get(**{name: "for=192.0.2.9" if name == "forwarded" else "192.0.2.9"}) != 200, name


def test_a_proxy_header_with_tlvs(make_gateway: Callable[..., Gateway]) -> None:
    """They are stepped over; a checksum among them must be right."""
    gateway = make_gateway(LOGGED | {"server.proxy_protocol": "true", "server.trusted_proxies": '["127.0.0.1"]'})
    addresses = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4711, 443)

    def header(checksum: int) -> bytes:
        tlvs = b"\x04\0\x02\xff\xff" + b"\x03\0\x04" + struct.pack("!I", checksum) + b"\x01\0\x02h2"
        rest = addresses + tlvs
        return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(rest)) + rest

    right = crc32c(header(0))
    assert behind_proxy(gateway.endpoint, header(right)).startswith(b"HTTP/1.1 200 ")
    until(lambda: clients_in(gateway) == ["192.0.2.1"], 3)
    try:
        assert behind_proxy(gateway.endpoint, header(right ^ 1)) == b""
    except (ConnectionResetError, BrokenPipeError):
        pass  # The gateway closed it before the request was written.
    assert clients_in(gateway) == ["192.0.2.1"]


def crc32c(data: bytes) -> int:
    """CRC-32C, a bit at a time."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


# --- files and signals -------------------------------------------------------------------------------------------------------


def test_sighup_without_tls_does_nothing(own_gateway: Gateway) -> None:
    os.kill(own_gateway.pid, signal.SIGHUP)
    until(lambda: "SIGHUP does nothing here" in own_gateway.log.read_text(), 5)
    assert boto(own_gateway.endpoint).list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert own_gateway.process is not None and own_gateway.process.poll() is None


def test_check_config_opens_the_files_it_names(own_gateway: Gateway, authority: Authority, tmp_path: Path) -> None:
    good, other, late = authority.issue("good"), authority.issue("other"), authority.issue("late", days=-1)
    shut = authority.issue("shut")
    shut.key.chmod(0o644)

    def check(**tls: object) -> subprocess.CompletedProcess[str]:
        flags = [flag for name, value in tls.items() for flag in ("--set", f"{name.replace('__', '.')}={value}")]
        return own_gateway.run("check-config", *flags)

    assert check(server__tls_cert=good.cert, server__tls_key=good.key).returncode == 0
    for section in ("server", "admin"):
        for cert, key, says in (
            (late.cert, late.key, [f"{section}.tls_cert", "late.pem", "expired on "]),
            (good.cert, other.key, [f"{section}.tls_cert", "belongs to another key"]),
            (good.cert, tmp_path / "gone.key", [f"{section}.tls_key", "gone.key", "cannot be read"]),
            (shut.cert, shut.key, [f"{section}.tls_key", "shut.key", "chmod 600"]),
        ):
            done = check(**{f"{section}__tls_cert": cert, f"{section}__tls_key": key})
            assert done.returncode == 2 and all(text in done.stderr for text in says), (done.returncode, done.stderr)
    (tmp_path / "empty.pem").touch()
    for file, says in ((tmp_path / "none.pem", "none.pem"), (tmp_path / "empty.pem", "holds no certificate")):
        remote = {"backend__kind": "s3", "backend__endpoint": "https://127.0.0.1:1", "backend__access_key": "a", "backend__secret_key": "b"}
        done = check(**remote, backend__ca_file=file)
        assert done.returncode == 2 and "ca_file" in done.stderr and says in done.stderr, (done.returncode, done.stderr)


# --- the backend -------------------------------------------------------------------------------------------------------------


class SecureMinio(Minio):
    """MinIO under TLS."""

    def __init__(self, root: Path, authority: Authority) -> None:
        super().__init__(root)
        pair = authority.issue("minio")
        self.certs = root / "certs"
        self.certs.mkdir()
        (self.certs / "public.crt").write_bytes(pair.cert.read_bytes())
        (self.certs / "private.key").write_bytes(pair.key.read_bytes())
        self.endpoint = replace(self.endpoint, ca=authority.file)

    def command(self) -> list[str]:
        return [*super().command(), "--certs-dir", str(self.certs)]

    def ready(self) -> bool:
        return http_status(self.endpoint.port, "/minio/health/cluster", ca=self.endpoint.ca) == 200


def test_a_backend_under_tls_with_a_ca_file(target: Target, authority: Authority, tmp_path: Path) -> None:
    if target.backend != "minio":
        pytest.skip("the test brings a MinIO of its own: once is enough")
    store = SecureMinio(tmp_path / "store", authority)
    gateway = Gateway(tmp_path / "gateway", store.endpoint, overrides={"backend.ca_file": str(authority.file)})
    stranger = Gateway(
        tmp_path / "stranger", store.endpoint, overrides={"backend.ca_file": str(Authority(tmp_path / "other").file), "backend.retries": "0"}
    )
    try:
        store.start()
        gateway.start()
        s3, body = boto(gateway.endpoint), noise(12 * MIB)
        s3.create_bucket(Bucket="tls-bucket")
        s3.upload_fileobj(io.BytesIO(body), "tls-bucket", "k")
        assert s3.get_object(Bucket="tls-bucket", Key="k")["Body"].read() == body
        assert s3.get_object(Bucket="tls-bucket", Key="k", Range="bytes=5-9")["Body"].read() == body[5:10]
        assert boto(store.endpoint).get_object(Bucket="tls-bucket", Key="k")["Body"].read() != body
        with pytest.raises(RuntimeError, match="ended at start with 1") as ended:
            stranger.start()
        assert "certificate" in str(ended.value)
    finally:
        for server in (gateway, stranger, store):
            server.kill()
