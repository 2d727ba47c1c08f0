"""What a policy holds for and what becomes of what it has not seen, of what it changes, and of what cannot be scrubbed."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import threading
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from clients import MIB, boto, fresh, md5, multipart_etag, noise, put_in_parts
from servers import gateway_binary
from test_scrub_jobs import Gate, over

pytestmark = pytest.mark.gateway

MAIL = "mary.johnson" + "@example.org"
SSN = "219-09-" + "9999"
TEXT = f"Write to {MAIL}.\n".encode()
CLEAN = b"Write to <EMAIL_ADDRESS>.\n"
TOKENS = {"alice": "a" * 40, "bob": "b" * 40}
OFFICERS = "".join(f'[[admin.officers]]\nname = "{name}"\ntoken = "{token}"\n' for name, token in TOKENS.items())


@pytest.fixture
def made(make_gateway):
    """Makes a gateway with a bucket of these settings; gives it, a client and the bucket."""

    def make(settings: str, more: str = ""):
        bucket = fresh("policy")
        gateway = make_gateway(more=f'{OFFICERS}[buckets."{bucket}"]\n{settings}\n{more.replace("BUCKET", bucket)}')
        s3 = boto(gateway.endpoint)
        s3.create_bucket(Bucket=bucket)
        return gateway, s3, bucket

    return make


def body(s3, bucket: str, key: str, **more) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def ask(gateway, path: str, officer: str | None = "alice", method: str = "GET") -> tuple[int, bytes]:
    """Asks as a security officer."""
    headers = {"Authorization": f"Bearer {TOKENS.get(officer, officer)}"} if officer else {}
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.admin}/v1/{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_prefixes(made):
    """The longest prefix holds, for PUT, copy and multipart upload alike."""
    _, s3, bucket = made('scrub = "enforce"', '[buckets."BUCKET".prefixes."raw/"]\nscrub = "off"\n[buckets."BUCKET".prefixes."raw/safe/"]\nscrub = "enforce"\n')
    for key, stored in [("a", CLEAN), ("raw/a", TEXT), ("raw/safe/a", CLEAN)]:
        s3.put_object(Bucket=bucket, Key=key, Body=TEXT)
        assert body(s3, bucket, key) == stored
    for source, target, stored in [("raw/a", "b", CLEAN), ("raw/a", "raw/b", TEXT), ("a", "raw/c", CLEAN)]:
        s3.copy_object(Bucket=bucket, Key=target, CopySource={"Bucket": bucket, "Key": source})
        assert body(s3, bucket, target) == stored
    parts = [TEXT * (5 * MIB // len(TEXT) + 1), TEXT]
    for prefix, stored in [("", CLEAN), ("raw/", TEXT)]:
        put_in_parts(s3, bucket, f"{prefix}parts", parts)
        assert body(s3, bucket, f"{prefix}parts") == stored * (len(b"".join(parts)) // len(TEXT))


def test_what_no_policy_has_seen_is_not_read(make_gateway, tmp_path):
    """Objects of before, and those that another version of the policy has seen: no way of reading gives them. Writing is not held up."""
    bucket = fresh("unscrubbed")
    policy = tmp_path / "policy.toml"
    gateway = make_gateway()
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="before", Body=TEXT)

    def under(version: int, more: str = "") -> None:
        policy.write_text(f'id = "own"\nversion = {version}\n')
        gateway.restart_with(f'[buckets."{bucket}"]\nscrub = "enforce"\nscrub_policy = "{policy}"\n{more}')

    under(1)
    s3 = boto(gateway.endpoint)
    s3.put_object(Bucket=bucket, Key="after", Body=TEXT)
    assert body(s3, bucket, "after") == CLEAN
    reads = [
        lambda key: s3.get_object(Bucket=bucket, Key=key),
        lambda key: s3.get_object(Bucket=bucket, Key=key, Range="bytes=0-3"),
        lambda key: s3.head_object(Bucket=bucket, Key=key),
        lambda key: s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key}),
    ]
    for read in reads:
        with pytest.raises(ClientError) as refused:
            read("before")
        assert refused.value.response["Error"]["Code"] in ("AccessDenied", "403")
        read("after")
    # To write over it, with a condition on it too, and to list it is not to read it.
    etag = next(row["ETag"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"] if row["Key"] == "before")
    s3.put_object(Bucket=bucket, Key="before", Body=TEXT, IfMatch=etag)
    assert body(s3, bucket, "before") == CLEAN
    # What was seen is known after a restart, under the same version only.
    under(1)
    s3 = boto(gateway.endpoint)
    assert body(s3, bucket, "before") == CLEAN
    under(2)
    s3 = boto(gateway.endpoint)
    with pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="before")
    under(2, 'on_unscrubbed = "serve"\n')
    assert body(boto(gateway.endpoint), bucket, "before") == CLEAN


@pytest.mark.parametrize("read", ["whole", "range", "head"])
def test_what_is_read_is_scrubbed_first(make_gateway, read):
    bucket = fresh("onread")
    gateway = make_gateway()
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="before", Body=TEXT, ContentType="text/x-mine", Metadata={"by": "me"}, Tagging="a=b")
    s3.put_object(Bucket=bucket, Key="media", Body=b"%PDF-1.7 " + TEXT)
    gateway.restart_with(f'[buckets."{bucket}"]\nscrub = "enforce"\non_unscrubbed = "scrub_on_read"\n')
    s3 = boto(gateway.endpoint)
    if read == "range":
        assert s3.get_object(Bucket=bucket, Key="before", Range="bytes=9-13")["Body"].read() == CLEAN[9:14]
    elif read == "head":
        assert s3.head_object(Bucket=bucket, Key="before")["ContentLength"] == len(CLEAN)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: body(s3, bucket, "before"), range(8))) == {CLEAN}
    got = s3.get_object(Bucket=bucket, Key="before")
    assert (got["ContentType"], got["Metadata"], got["ETag"]) == ("text/x-mine", {"by": "me"}, f'"{md5(CLEAN)}"')
    assert s3.get_object_tagging(Bucket=bucket, Key="before")["TagSet"] == [{"Key": "a", "Value": "b"}]
    listed = {row["Key"]: row["Size"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed["before"] == len(CLEAN)
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="media")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert "PDF" in str(refused.value)


def test_what_is_there_is_not_put_aside_by_its_readers(make_gateway):
    """A rule says `quarantine`, which is for what is written. Who reads what is there and cannot be scrubbed makes no copy of it with each read."""
    bucket = fresh("onread")
    gateway = make_gateway()
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="media", Body=b"%PDF-1.7 " + TEXT)
    gateway.restart_with(f'{OFFICERS}[buckets."{bucket}"]\nscrub = "enforce"\non_media = "quarantine"\non_unscrubbed = "scrub_on_read"\n')
    s3 = boto(gateway.endpoint)
    for _ in range(3):
        with pytest.raises(ClientError) as refused:
            s3.get_object(Bucket=bucket, Key="media")
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
        assert "quarantine" not in str(refused.value)
    assert json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"] == []


def test_who_may_not_write_fills_no_quarantine(make_gateway):
    """Unsigned requests go on to the store, which lets nobody write to the bucket without a signature: nothing of theirs is kept for an officer to release."""
    bucket = fresh("unsigned")
    gateway = make_gateway({"identity.anonymous": "backend"}, more=f'{OFFICERS}[buckets."{bucket}"]\nscrub = "enforce"\non_media = "quarantine"\n')
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    for size in (1, 200_000):
        request = urllib.request.Request(f"{gateway.endpoint.url}/{bucket}/media", data=b"%PDF-1.7 " + TEXT * size, method="PUT")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        answer = refused.value.read()
        assert refused.value.code == 403 and b"quarantine" not in answer, answer
    assert json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"] == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_original_is_kept_for_officers(made):
    gateway, s3, bucket = made('scrub = "dual"')
    large = TEXT * (9 * MIB // len(TEXT))
    s3.put_object(Bucket=bucket, Key="small ü/1", Body=TEXT)
    s3.put_object(Bucket=bucket, Key="large", Body=large)
    put_in_parts(s3, bucket, "parts", [large[: 5 * MIB], large[5 * MIB :]])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "small ü/1"})
    for key, original in [("small ü/1", TEXT), ("large", large), ("parts", large), ("copy", CLEAN)]:
        assert body(s3, bucket, key).replace(CLEAN, b"") == b""
        assert ask(gateway, f"originals/{bucket}/{quote(key)}") == (200, original)
    assert ask(gateway, f"originals/{bucket}/large", None)[0] == 403
    assert ask(gateway, f"originals/{bucket}/large", "eve")[0] == 403
    assert ask(gateway, f"originals/{bucket}/none")[0] == 404
    # No S3 name reaches it.
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy", "large", "parts", "small ü/1"]
    for path in (path for path in gateway.root.rglob("*") if path.is_file()):
        assert MAIL.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("size", [1, 200_000])
def test_quarantine(made, tmp_path, size):
    blocks = tmp_path / "blocks.toml"
    blocks.write_text('id = "no-mail"\nversion = 3\n[types.EMAIL_ADDRESS]\nstrategy = "block"\n')
    gateway, s3, bucket = made(f'scrub = "enforce"\nscrub_policy = "{blocks}"\non_media = "quarantine"\non_unknown = "quarantine"\non_block = "quarantine"')
    s3.put_object(Bucket=bucket, Key="good", Body=b"nothing")
    bodies = {"media": b"%PDF-1.7 " + noise(1000) + TEXT * size, "cut": gzip.compress(noise(1000) + b"x" * size)[:-4], "blocked": b"of " + TEXT * size}
    for key, content in bodies.items():
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata={"by": "me"})
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
        assert "quarantine as " in str(refused.value)
        # What did not come whole is not put aside.
        with pytest.raises(ClientError):
            s3.put_object(Bucket=bucket, Key=key, Body=content, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    with pytest.raises(ClientError) as refused:
        put_in_parts(s3, bucket, "parts", [bodies["media"] + noise(5 * MIB), b"rest"])
    assert "quarantine as " in str(refused.value)
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["good"]

    status, listing = ask(gateway, f"quarantine/{bucket}")
    items = {item["key"]: item for item in json.loads(listing)["items"]}
    assert (status, len(json.loads(listing)["items"]), sorted(items)) == (200, 4, ["blocked", "cut", "media", "parts"])
    assert "EMAIL_ADDRESS" in items["blocked"]["why"]
    assert "PDF" in items["media"]["why"]
    assert items["cut"]["policy"] == "no-mail/3"
    for key, content in bodies.items():
        assert ask(gateway, f"quarantine/{bucket}/{items[key]['id']}/content") == (200, content)
    assert ask(gateway, f"quarantine/{bucket}/{items['parts']['id']}/content")[1].endswith(b"rest")
    blocked = f"quarantine/{bucket}/{items['blocked']['id']}"
    assert json.loads(ask(gateway, f"{blocked}/findings")[1])["findings"] == {"EMAIL_ADDRESS": size}
    for officer in (None, "eve"):
        assert ask(gateway, blocked, officer)[0] == 403
        assert ask(gateway, blocked, officer, "DELETE")[0] == 403
    status, left = ask(gateway, blocked, "bob", "DELETE")
    assert status == 200
    assert [(action["by"], action["what"]) for action in json.loads(left)["actions"]] == [("alice", "read"), ("bob", "destroyed")]
    assert ask(gateway, f"{blocked}/content")[0] == 404
    assert ask(gateway, blocked)[0] == 200, "that it was there is still told"
    assert ask(gateway, f"quarantine/{bucket}/{'0' * 32}")[0] == 404
    for path in (path for path in gateway.root.rglob("*") if path.is_file()):
        assert MAIL.encode() not in path.read_bytes(), path


def test_release(made):
    """What was put aside is stored where it was to be, with what it was to have: as it came, or scrubbed as far as that goes."""
    gateway, s3, bucket = made('scrub = "enforce"\non_media = "quarantine"')
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", TEXT)
        file.writestr("b.pdf", b"%PDF-1.7 " + TEXT)

    def put_aside(key: str) -> str:
        with pytest.raises(ClientError) as refused:
            s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue(), ContentType="application/x-mine", Metadata={"by": "me"}, Tagging="a=b")
        return f"quarantine/{bucket}/{re.search('quarantine as ([0-9a-f]{32})', str(refused.value))[1]}"

    for key, query, members in [("as it came", "", [TEXT, b"%PDF-1.7 " + TEXT]), ("scrubbed", "?scrub=true", [CLEAN, b"%PDF-1.7 " + TEXT])]:
        item = put_aside(key)
        assert ask(gateway, f"{item}/release", "eve", "POST")[0] == 403
        status, told = ask(gateway, f"{item}/release{query}", "bob", "POST")
        assert status == 200, told
        action = json.loads(told)["actions"][-1]
        assert (action["by"], action["what"]) == ("bob", "released scrubbed" if query else "released")
        assert json.loads(told)["actions"][-2]["what"] == "release begun", "should it be cut off, that is still told"
        got = s3.get_object(Bucket=bucket, Key=key)
        assert (got["ContentType"], got["Metadata"]) == ("application/x-mine", {"by": "me"})
        with zipfile.ZipFile(io.BytesIO(got["Body"].read())) as file:
            assert [file.read(name) for name in ("a.txt", "b.pdf")] == members
        assert s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [{"Key": "a", "Value": "b"}]
        assert ask(gateway, f"{item}/content")[0] == 404, "it is no longer put aside"
    # What was written meanwhile stays, unless that is said.
    item = put_aside("taken")
    s3.put_object(Bucket=bucket, Key="taken", Body=b"newer")
    assert ask(gateway, f"{item}/release", method="POST")[0] == 412
    assert body(s3, bucket, "taken") == b"newer"
    assert ask(gateway, f"{item}/release?overwrite=true", method="POST")[0] == 200
    assert body(s3, bucket, "taken") == archive.getvalue()


def test_an_upload_in_quarantine(made, target):
    """It is released with what the upload was created with; the upload has ended with it, and who asks again gets the same answer."""
    gateway, s3, bucket = made('scrub = "enforce"\non_media = "quarantine"')
    parts = [b"%PDF-1.7 " + noise(5 * MIB), b"the rest"]
    created = {"ContentType": "application/pdf", "CacheControl": "no-store", "Metadata": {"by": "me"}, "Tagging": "a=b&c=d", "StorageClass": "STANDARD"}
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", **created)["UploadId"]
    etags = [s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=part)["ETag"] for number, part in enumerate(parts, 1)]
    complete = {"Bucket": bucket, "Key": "parts", "UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}}

    def answer() -> str:
        with pytest.raises(ClientError) as refused:
            s3.complete_multipart_upload(**complete)
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
        return re.search("quarantine as ([0-9a-f]{32})", str(refused.value))[1]

    with ThreadPoolExecutor(3) as pool:
        (item,) = set(pool.map(lambda _: answer(), range(3)))
    assert answer() == item
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert [row["id"] for row in json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"]] == [item], "once"
    if target.store is not None:
        kept = [row["Key"] for row in target.behind.list_objects_v2(Bucket=gateway.system_bucket).get("Contents", [])]
        assert not [key for key in kept if key.startswith("stash/")], "parts do not outlive their upload"
    with pytest.raises(ClientError) as refused:
        s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"more")
    assert refused.value.response["Error"]["Code"] == "NoSuchUpload"
    assert ask(gateway, f"quarantine/{bucket}/{item}/release", method="POST")[0] == 200
    got = s3.get_object(Bucket=bucket, Key="parts")
    assert got["Body"].read() == b"".join(parts)
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("application/pdf", "no-store", {"by": "me"})
    assert s3.get_object_tagging(Bucket=bucket, Key="parts")["TagSet"] == [{"Key": "a", "Value": "b"}, {"Key": "c", "Value": "d"}]
    assert answer() == item, "whatever became of it"


def test_killed_between_quarantine_and_the_end_of_an_upload(made, target):
    """`kill -9` once all of an upload is in quarantine, and before it has ended: nothing is lost, and a repeated Complete finds what is there."""
    if target.store is None:
        pytest.skip("the wire to the embedded store cannot be held")
    gateway, s3, bucket = made('scrub = "enforce"\non_media = "quarantine"')
    parts = [b"%PDF-1.7 " + noise(5 * MIB), b"the rest"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Metadata={"by": "me"})["UploadId"]
    etags = [s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=part)["ETag"] for number, part in enumerate(parts, 1)]
    complete = {"Bucket": bucket, "Key": "parts", "UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}}

    killed = threading.Event()

    def kill() -> None:
        gateway.kill()
        killed.set()
        raise ConnectionError("and nothing of it comes through")

    gate = Gate(gateway.behind, f"DELETE /{bucket}/parts?".encode(), kill)
    gateway.stop()
    direct = gateway.config.read_text()
    gateway.config.write_text(Path(over(gateway, gate.port)).read_text())
    gateway.start()
    with pytest.raises((BotoCoreError, ClientError)):
        boto(gateway.endpoint).complete_multipart_upload(**complete)
    # The client sees the end of the process before the gate has taken note of it.
    assert gate.fired and killed.wait(30)
    gate.close()
    gateway.config.write_text(direct)
    gateway.start()
    s3 = boto(gateway.endpoint)
    (item,) = json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"]
    assert [row["UploadId"] for row in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    for _ in range(2):
        with pytest.raises(ClientError, match=f"quarantine as {item['id']}"):
            s3.complete_multipart_upload(**complete)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert [row["id"] for row in json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"]] == [item["id"]], "not twice"
    assert ask(gateway, f"quarantine/{bucket}/{item['id']}/content") == (200, b"".join(parts))


def test_tokens_are_opened_with_the_key(made, tmp_path):
    policy, key = tmp_path / "policy.toml", tmp_path / "scrub.key"
    policy.write_text('id = "tokens"\nversion = 1\nscope = "bucket"\n[types.US_SSN]\nstrategy = "tokenize"\n[types.NATIONAL_ID]\nenabled = false\n')
    key.write_text(os.urandom(32).hex())
    gateway, s3, bucket = made(f'scrub = "enforce"\nscrub_policy = "{policy}"', f'[keys]\nscrub_key = "{key}"\n')
    stored = []
    for name in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=name, Body=json.dumps({"note": f"of SSN {SSN} it is"}).encode())
        stored.append(body(s3, bucket, name))
    assert stored[0] == stored[1], "the same in all of the bucket"
    assert SSN.encode() not in stored[0]
    file = tmp_path / "stored.json"
    file.write_bytes(stored[0])
    opened = subprocess.run(
        [str(gateway_binary()), "detokenize", str(file), "--key-file", str(key), "--scope", "bucket", "--name", bucket],
        capture_output=True, check=True,
    )
    assert json.loads(opened.stdout)["note"].replace("-", "") == f"of SSN {SSN} it is".replace("-", "")
    assert key.read_text().encode() not in b"".join(path.read_bytes() for path in gateway.root.rglob("*") if path.is_file())


def test_the_etag_of_what_was_sent(made):
    _, s3, bucket = made('scrub = "enforce"\netag_of = "received"')
    answer = s3.put_object(Bucket=bucket, Key="one", Body=TEXT)
    assert answer["ETag"] == f'"{md5(TEXT)}"'
    parts = [TEXT * (5 * MIB // len(TEXT) + 1), TEXT]
    put_in_parts(s3, bucket, "parts", parts)
    etags = {"one": f'"{md5(TEXT)}"', "parts": multipart_etag(parts)}
    listed = {row["Key"]: row["ETag"].strip('"') for row in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    for key, etag in etags.items():
        assert listed[key] == etag.strip('"')
        got = s3.get_object(Bucket=bucket, Key=key, IfMatch=etag)
        assert got["ETag"].strip('"') == s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"') == etag.strip('"')
        assert MAIL.encode() not in got["Body"].read()


@pytest.mark.parametrize("key", ["t/_delta_log/00000000000000000000.json", "t/.hoodie/hoodie.properties", "t/metadata/v1.metadata.json"])
def test_logs_of_tables_are_refused(made, key):
    _, s3, bucket = made('scrub = "enforce"')
    for write in (lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"{}"), lambda: s3.create_multipart_upload(Bucket=bucket, Key=key)):
        with pytest.raises(ClientError) as refused:
            write()
        assert refused.value.response["Error"]["Code"] == "InvalidRequest"
        assert "table" in str(refused.value)


def test_figures(made):
    gateway, s3, bucket = made('scrub = "enforce"')
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="media", Body=b"%PDF-1.7 ")
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin}/metrics") as answer:
        figures = answer.read().decode()
    assert f'data_vault_scrub_findings_total{{bucket="{bucket}",type="EMAIL_ADDRESS"}} 1\n' in figures
    assert f'data_vault_scrub_bodies_total{{bucket="{bucket}",outcome="taken"}} 1\n' in figures
    assert f'data_vault_scrub_bodies_total{{bucket="{bucket}",outcome="refused"}} 1\n' in figures
    assert f"data_vault_scrub_read_bytes_total {len(TEXT) + len(b'%PDF-1.7 ')}\n" in figures
    assert "data_vault_scrub_memory_bytes 0\n" in figures
