"""Scrubbing on the way in: what a bucket with a policy stores, and what its clients are told."""

from __future__ import annotations

import contextlib
import csv
import gzip
import http.client
import io
import itertools
import json
import os
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import parquet

from clients import MIB, aws, boto, error_code, fresh, md5, multipart_etag, noise, object_path, put_in_parts, raw, sign

pytestmark = pytest.mark.gateway

# Of no person: the mail is of a reserved domain, the number of a range that is never given out.
MAIL = "mary.johnson" + "@example.org"
SSN = "219-09-" + "9999"
PLANTED = [MAIL, SSN]


@pytest.fixture
def names() -> dict[str, str]:
    return {mode: fresh(mode) for mode in ("enforce", "detect", "passing", "blocking", "strict", "off")}


@pytest.fixture
def scrubbing(make_gateway, names, tmp_path):
    """A gateway with a bucket of each mode, and its client."""
    blocks = tmp_path / "blocks.toml"
    blocks.write_text('id = "no-numbers"\nversion = 7\n[types.US_SSN]\nstrategy = "block"\n')
    settings = {
        "enforce": 'scrub = "enforce"',
        "detect": 'scrub = "detect"',
        "passing": 'scrub = "enforce"\non_unknown = "pass"\non_media = "pass"',
        "strict": 'scrub = "enforce"\non_key_finding = "refuse"',
        "blocking": f'scrub = "enforce"\nscrub_policy = "{blocks}"',
    }
    gateway = make_gateway(more="".join(f'[buckets."{names[bucket]}"]\n{lines}\n' for bucket, lines in settings.items()))
    s3 = boto(gateway.endpoint)
    for bucket in names.values():
        s3.create_bucket(Bucket=bucket)
    return gateway, s3


def told(answer: dict) -> dict[str, str]:
    return {name: value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items() if name.startswith("x-data-vault-")}


def put(s3, bucket: str, body: bytes, key: str = "key", **more) -> tuple[dict[str, int], bytes]:
    """Puts an object; what was told to be found in it, and what is there then."""
    answer = s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
    got = s3.get_object(Bucket=bucket, Key=key)
    stored = got["Body"].read()
    assert got["ETag"] == answer["ETag"] == f'"{md5(stored)}"', "the ETag is that of what is stored"
    assert got["ContentLength"] == s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(stored)
    listed = {row["Key"]: (row["Size"], row["ETag"]) for row in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed[key] == (len(stored), answer["ETag"])
    found = told(answer)["x-data-vault-findings"]
    return {kind: int(count) for kind, count in (one.split("=") for one in found.split(",") if one)}, stored


def test_text_and_json_and_tables(scrubbing, names):
    _, s3 = scrubbing
    bucket = names["enforce"]
    found, stored = put(s3, bucket, f"Write to {MAIL}.\n".encode())
    assert (found, stored) == ({"EMAIL_ADDRESS": 1}, b"Write to <EMAIL_ADDRESS>.\n")
    rows = [{"id": 1, "mail": MAIL, "ssn": int(SSN.replace("-", "")), "note": 'says "hi"\n'}, {"id": 2, "mail": None, "ssn": None, "note": ""}]
    found, stored = put(s3, bucket, "".join(json.dumps(row) + "\n" for row in rows).encode())
    assert [json.loads(line) for line in stored.splitlines()] == [rows[0] | {"mail": "<EMAIL_ADDRESS>", "ssn": None}, rows[1]]
    assert (found["EMAIL_ADDRESS"], found["US_SSN"]) == (1, 1)
    out = io.StringIO()
    csv.writer(out).writerows([["id", "mail", "note"], ["1", MAIL, 'a, "b"'], ["2", "", f"of {SSN}"]])
    _, stored = put(s3, bucket, out.getvalue().encode())
    assert list(csv.reader(io.StringIO(stored.decode(), newline=""))) == [["id", "mail", "note"], ["1", "<EMAIL_ADDRESS>", 'a, "b"'], ["2", "", "of <US_SSN>"]]
    _, stored = put(s3, bucket, gzip.compress(f'{{"mail": "{MAIL}"}}'.encode()))
    assert json.loads(gzip.decompress(stored)) == {"mail": "<EMAIL_ADDRESS>"}
    _, stored = put(s3, bucket, b"")
    assert stored == b""


def test_archives(scrubbing, names):
    """Shards as WebDataset has them, and a ZIP, read back by Python."""
    _, s3 = scrubbing
    members = {"000.json": json.dumps({"mail": MAIL}).encode(), "000.txt": f"of {MAIL} ".encode() * 1000, "001.json": b"{}"}
    clean = {"000.json": json.dumps({"mail": "<EMAIL_ADDRESS>"}).encode(), "000.txt": b"of <EMAIL_ADDRESS> " * 1000, "001.json": b"{}"}
    shard = io.BytesIO()
    with tarfile.open(fileobj=shard, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.pax_headers = len(content), 1_700_000_000.5, {"comment": MAIL}
            tar.addfile(entry, io.BytesIO(content))
    _, stored = put(s3, names["enforce"], shard.getvalue())
    with tarfile.open(fileobj=io.BytesIO(stored)) as tar:
        assert {entry.name: tar.extractfile(entry).read() for entry in tar} == clean
        assert {entry.mtime for entry in tar} == {1_700_000_000.5}
    assert MAIL.encode() not in gzip.decompress(stored)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    found, stored = put(s3, names["enforce"], archive.getvalue())
    with zipfile.ZipFile(io.BytesIO(stored)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == clean
    assert found == {"EMAIL_ADDRESS": 1001}


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip"])
def test_parquet(scrubbing, names, codec):
    """A table as a data set has it, read back by pyarrow: its schema, its rows and the columns of nobody are as they were."""
    _, s3 = scrubbing
    rows = 5000
    number = int(SSN.replace("-", ""))
    table = pa.table(
        {
            "id": pa.array(range(rows), pa.int64()),
            "email": pa.array([MAIL if row % 3 else None for row in range(rows)], pa.string()),
            "ssn": pa.array([number] * rows, pa.int64()),
            "messages": pa.array([[{"role": "user", "content": f"write to {MAIL}, please"}, {"role": "bot", "content": None}]] * rows),
            "at": pa.array([1_700_000_000_000 + row for row in range(rows)], pa.timestamp("ms", tz="UTC")),
            "score": pa.array([row / 7 for row in range(rows)], pa.float32()),
        }
    ).replace_schema_metadata({"info": json.dumps({"by": MAIL})})
    out = io.BytesIO()
    parquet.write_table(table, out, compression=codec, row_group_size=2000, write_page_index=True)
    found, stored = put(s3, names["enforce"], out.getvalue())
    read = parquet.read_table(io.BytesIO(stored))
    assert read.schema.equals(table.schema)
    assert read.num_rows == rows
    for name in ("id", "score"):
        assert read[name].equals(table[name])
    assert read["email"].to_pylist() == ["<EMAIL_ADDRESS>" if row % 3 else None for row in range(rows)]
    assert set(read["ssn"].to_pylist()) == {None}
    assert read["messages"].to_pylist()[17] == [{"role": "user", "content": "write to <EMAIL_ADDRESS>, please"}, {"role": "bot", "content": None}]
    assert MAIL.encode() not in stored
    assert json.loads(read.schema.metadata[b"info"]) == {"by": "<EMAIL_ADDRESS>"}
    before, after = (parquet.ParquetFile(io.BytesIO(file)).metadata for file in (out.getvalue(), stored))
    assert [after.row_group(0).column(n).compression for n in range(7)] == [before.row_group(0).column(n).compression for n in range(7)]
    assert found["EMAIL_ADDRESS"] > rows
    cut = out.getvalue()[:-7]
    assert error_code(lambda: s3.put_object(Bucket=names["enforce"], Key="cut", Body=cut)) == "InvalidRequest"


def test_nothing_of_it_is_kept(scrubbing, names, target):
    """The values are neither in what the backend holds nor in what the gateway writes beside it."""
    gateway, s3 = scrubbing
    put(s3, names["enforce"], f"{MAIL} has the SSN {SSN}\n".encode() * 1000)
    folders = [gateway.root, *target.data_folders()]
    # A file may be gone by the time it is read: the store clears what it wrote in between.
    for path in (Path(folder, name) for root in folders for folder, _, files in os.walk(root) for name in files):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        assert not any(value.encode() in content for value in PLANTED), path


def test_detection_changes_nothing(scrubbing, names):
    _, s3 = scrubbing
    body = f"Write to {MAIL}.\n".encode()
    found, stored = put(s3, names["detect"], body, ChecksumAlgorithm="SHA256")
    assert (found, stored) == ({"EMAIL_ADDRESS": 1}, body)
    for broken in (gzip.compress(body)[:-9], b"%PDF-1.7" + body * 100_000, noise(300_000)):
        assert put(s3, names["detect"], broken) == ({}, broken)
    assert "x-data-vault-policy" not in told(s3.put_object(Bucket=names["off"], Key="key", Body=body))


def test_what_is_not_looked_into_is_refused(scrubbing, names):
    _, s3 = scrubbing
    pdf = b"%PDF-1.7\n" + bytes(range(256))
    cut = gzip.compress(b"text" * 1000)[:-9]
    for body in (pdf, b"\x7fELF" + bytes(100), cut):
        assert error_code(lambda body=body: s3.put_object(Bucket=names["enforce"], Key="refused", Body=body)) == "InvalidRequest"
        assert "Contents" not in s3.list_objects_v2(Bucket=names["enforce"], Prefix="refused")
    assert put(s3, names["passing"], pdf) == ({}, pdf)


def test_what_is_blocked_is_denied(scrubbing, names):
    _, s3 = scrubbing
    bucket = names["blocking"]
    with pytest.raises(s3.exceptions.ClientError) as denied:
        s3.put_object(Bucket=bucket, Key="key", Body=f"the SSN {SSN}")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"
    assert "US_SSN" in denied.value.response["Error"]["Message"]
    assert SSN not in str(denied.value.response)
    answer = s3.put_object(Bucket=bucket, Key="key", Body=b"nothing")
    assert told(answer) == {"x-data-vault-findings": "", "x-data-vault-policy": "no-numbers/7"}


def test_findings_in_keys_metadata_and_tags(scrubbing, names):
    """Refused where the policy says so, else counted; never changed."""
    _, s3 = scrubbing
    for more in ({"Key": f"of/{MAIL}/x"}, {"Key": "key", "Metadata": {"owner": MAIL}}, {"Key": "key", "Tagging": f"owner={MAIL}"}):
        assert error_code(lambda more=more: s3.put_object(Bucket=names["strict"], Body=b"x", **more)) == "InvalidRequest"
        assert error_code(lambda more=more: s3.create_multipart_upload(Bucket=names["strict"], **more)) == "InvalidRequest"
        s3.put_object(Bucket=names["enforce"], Body=b"x", **more)
        assert s3.get_object(Bucket=names["enforce"], Key=more["Key"])["Metadata"] == more.get("Metadata", {})
    s3.put_object(Bucket=names["strict"], Key="key", Body=b"x", Metadata={"a": "b"}, Tagging="c=d")


def test_large_bodies_stream(scrubbing, names):
    """Larger than what is kept in memory, with and without a length, several at a time."""
    _, s3 = scrubbing
    line = f'{{"mail": "{MAIL}", "text": "{"word " * 20}"}}\n'.encode()
    body = line * (20 * MIB // len(line))
    expected = line.replace(MAIL.encode(), b"<EMAIL_ADDRESS>") * (20 * MIB // len(line))
    with ThreadPoolExecutor(3) as pool:
        for found, stored in pool.map(lambda n: put(s3, names["enforce"], body, f"large-{n}"), range(3)):
            assert stored == expected
            assert found["EMAIL_ADDRESS"] == body.count(b"\n")
    assert s3.get_object(Bucket=names["enforce"], Key="large-1", Range="bytes=10000000-10000099")["Body"].read() == expected[10_000_000:10_000_100]


def test_copies_and_forms_are_scrubbed(scrubbing, names, tmp_path):
    gateway, s3 = scrubbing
    s3.put_object(Bucket=names["off"], Key="from", Body=f"Write to {MAIL}.", Metadata={"a": "b"})
    answer = s3.copy_object(Bucket=names["enforce"], Key="copy", CopySource={"Bucket": names["off"], "Key": "from"})
    assert told(answer)["x-data-vault-findings"] == "EMAIL_ADDRESS=1"
    got = s3.get_object(Bucket=names["enforce"], Key="copy")
    assert (got["Body"].read(), got["Metadata"]) == (b"Write to <EMAIL_ADDRESS>.", {"a": "b"})
    file = tmp_path / "file.txt"
    file.write_text(f"Write to {MAIL}.")
    aws(gateway.endpoint, "s3", "cp", str(file), f"s3://{names['enforce']}/cli", cwd=tmp_path)
    assert s3.get_object(Bucket=names["enforce"], Key="cli")["Body"].read() == b"Write to <EMAIL_ADDRESS>."


def test_checksums_of_the_client_are_verified(scrubbing, names):
    """Of what it sent; those shown are of what is stored."""
    gateway, s3 = scrubbing
    bucket, body = names["enforce"], f"Write to {MAIL}.".encode()
    wrong = raw(gateway.endpoint, "PUT", object_path(bucket, "wrong"), body=body, headers={"x-amz-checksum-crc32": "AAAAAA=="})
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="wrong")
    answer = s3.put_object(Bucket=bucket, Key="key", Body=body, ChecksumAlgorithm="SHA256")
    head = s3.head_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == answer["ChecksumSHA256"]
    s3.get_object(Bucket=bucket, Key="key", ChecksumMode="ENABLED")["Body"].read()


def test_what_takes_too_long_is_refused_unread(make_gateway):
    """A PUT whose scrub would outlast its client's patience; in parts it goes."""
    bucket = fresh("slow")
    gateway = make_gateway({"limits.scrub_put_time": "300ms"}, more=f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    with pytest.raises(s3.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="key", Body=b"word " * (2 * MIB))
    assert refused.value.response["Error"]["Code"] == "EntityTooLarge"
    assert "multipart" in refused.value.response["Error"]["Message"]
    put_in_parts(s3, bucket, "key", [b"word " * (2 * MIB)])
    s3.put_object(Bucket=bucket, Key="small", Body=b"word")


def test_slow_clients_hold_nobody_up(make_gateway):
    """As many as may be under way send half a body and wait: one more is told to come back, and others than bodies are served."""
    bucket = fresh("slow")
    gateway = make_gateway({"limits.scrub_bodies": "4"}, more=f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="there", Body=b"x")
    waiting = []
    for _ in range(4):
        path = object_path(bucket, "slow")
        connection = http.client.HTTPConnection("127.0.0.1", gateway.endpoint.port, timeout=60)
        connection.putrequest("PUT", path, skip_host=True, skip_accept_encoding=True)
        for name, value in sign(gateway.endpoint, "PUT", path).headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", "200000")
        connection.endheaders(b"half " * 20_000)
        waiting.append(connection)
    time.sleep(1)
    assert error_code(lambda: s3.put_object(Bucket=bucket, Key="key", Body=b"x")) == "SlowDown"
    assert s3.get_object(Bucket=bucket, Key="there")["Body"].read() == b"x"
    for connection in waiting:
        connection.send(b"half " * 20_000)
        assert connection.getresponse().status == 200
    s3.put_object(Bucket=bucket, Key="key", Body=b"x")


def test_uploads_in_parts(scrubbing, names, target):
    """A value over the end of a part, parts out of order, one sent twice; small and large ones."""
    _, s3 = scrubbing
    bucket = names["enforce"]
    filler = b"word " * (MIB + 100)
    whole = filler + MAIL.encode() + b" " + filler + MAIL.encode() + b" end"
    cut = len(filler) + 9
    parts = [whole[:cut], whole[cut : cut + 6 * MIB], whole[cut + 6 * MIB :]]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts", Metadata={"a": "b"}, ContentType="text/plain")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=2, Body=b"x" * 5 * MIB)
    etags = {}
    for number in (3, 1, 2):
        etags[number] = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=parts[number - 1])["ETag"]
    listed = s3.list_parts(Bucket=bucket, Key="parts", UploadId=upload)["Parts"]
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in listed] == [(n, len(parts[n - 1]), etags[n]) for n in (1, 2, 3)]
    assert [row["UploadId"] for row in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    chosen = {"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in (1, 2, 3)]}
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket), "nothing is there before all of it was seen"
    answer = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=chosen)
    expected = whole.replace(MAIL.encode(), b"<EMAIL_ADDRESS>")
    got = s3.get_object(Bucket=bucket, Key="parts")
    assert got["Body"].read() == expected
    assert (got["ETag"], got["Metadata"], got["ContentType"]) == (answer["ETag"], {"a": "b"}, "text/plain")
    assert told(answer)["x-data-vault-findings"] == "EMAIL_ADDRESS=2"
    again = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=chosen)
    assert again["ETag"] == answer["ETag"], "a Complete whose answer was lost is answered again"
    if target.store is not None:
        system = [name for name in (row["Name"] for row in target.behind.list_buckets()["Buckets"]) if name.startswith("own-system")]
        kept = [row["Key"] for name in system for row in target.behind.list_objects_v2(Bucket=name).get("Contents", [])]
        assert not [key for key in kept if key.startswith("stash/")], "parts do not outlive their upload"


def test_stock_uploads_in_parts(scrubbing, names, tmp_path):
    gateway, s3 = scrubbing
    line = f'{{"mail": "{MAIL}", "text": "{"word " * 20}"}}\n'
    (tmp_path / "chats.jsonl").write_text(line * (20 * MIB // len(line)))
    expected = line.replace(MAIL, "<EMAIL_ADDRESS>").encode() * (20 * MIB // len(line))
    s3.upload_file(str(tmp_path / "chats.jsonl"), names["enforce"], "boto3")
    aws(gateway.endpoint, "s3", "cp", "chats.jsonl", f"s3://{names['enforce']}/aws", cwd=tmp_path)
    for key in ("boto3", "aws"):
        assert s3.get_object(Bucket=names["enforce"], Key=key)["Body"].read() == expected


def test_a_repeated_complete_joins_the_first(scrubbing, names):
    _, s3 = scrubbing
    bucket, body = names["enforce"], f"{MAIL} and more words\n".encode() * (12 * MIB // 40)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    parts = [body[: 6 * MIB], body[6 * MIB :]]
    etags = [s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=n, Body=part)["ETag"] for n, part in enumerate(parts, 1)]
    chosen = {"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: s3.complete_multipart_upload(Bucket=bucket, Key="key", UploadId=upload, MultipartUpload=chosen), range(4)))
    assert len({answer["ETag"] for answer in answers}) == 1
    assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == body.replace(MAIL.encode(), b"<EMAIL_ADDRESS>")


def test_parts_that_are_refused_leave_nothing(scrubbing, names):
    _, s3 = scrubbing
    bucket = names["blocking"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="key")["UploadId"]
    etag = s3.upload_part(Bucket=bucket, Key="key", UploadId=upload, PartNumber=1, Body=f"the SSN {SSN}")["ETag"]
    complete = {"Bucket": bucket, "Key": "key", "UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
    assert error_code(lambda: s3.complete_multipart_upload(**complete)) == "AccessDenied"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.abort_multipart_upload(Bucket=bucket, Key="key", UploadId=upload)
    assert error_code(lambda: s3.complete_multipart_upload(**complete)) == "NoSuchUpload"


def test_parts_under_detection(scrubbing, names):
    """Stored as they came, with the ETag of parts, and looked into as a whole."""
    _, s3 = scrubbing
    text = b"word " * (MIB + 100) + MAIL.encode() + b" end"
    parts = [text[: 5 * MIB + 509], text[5 * MIB + 509 :]]
    answer = put_in_parts(s3, names["detect"], "parts", parts)
    assert answer["ETag"] == multipart_etag(parts)
    assert told(answer)["x-data-vault-findings"] == "EMAIL_ADDRESS=1"
    assert s3.get_object(Bucket=names["detect"], Key="parts")["Body"].read() == text
    copied = s3.create_multipart_upload(Bucket=names["enforce"], Key="copied")["UploadId"]
    source = {"Bucket": names["detect"], "Key": "parts"}
    etag = s3.upload_part_copy(Bucket=names["enforce"], Key="copied", UploadId=copied, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    chosen = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=names["enforce"], Key="copied", UploadId=copied, MultipartUpload=chosen)
    assert s3.get_object(Bucket=names["enforce"], Key="copied")["Body"].read() == text.replace(MAIL.encode(), b"<EMAIL_ADDRESS>")


def test_killed_in_the_middle(make_gateway):
    """`kill -9` while bodies and uploads in parts are scrubbed: what is there is scrubbed and whole, and what was acknowledged is there."""
    bucket = fresh("killed")
    gateway = make_gateway(more=f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    line = f'{{"mail": "{MAIL}", "text": "{"word " * 20}"}}\n'.encode()
    clean = line.replace(MAIL.encode(), b"<EMAIL_ADDRESS>")
    acknowledged: dict[str, int] = {}

    def write(worker: int) -> None:
        s3 = boto(gateway.endpoint)
        with contextlib.suppress(BotoCoreError, ClientError):
            for turn in itertools.count():
                key, lines = f"{worker}-{turn % 3}", 1000 * (1 + (worker + turn) % 40)
                acknowledged.pop(key, None)
                if worker % 2:
                    cut = max(len(line) * lines // 2, 5 * MIB) + 7
                    parts = [part for part in ((line * lines)[:cut], (line * lines)[cut:]) if part]
                    put_in_parts(s3, bucket, key, parts)
                else:
                    s3.put_object(Bucket=bucket, Key=key, Body=line * lines)
                acknowledged[key] = lines

    for pause in (0.4, 1.1, 2.3):
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(write, worker) for worker in range(4)]
            time.sleep(pause)
            gateway.kill()
            for one in done:
                one.result()
        gateway.start()
        s3 = boto(gateway.endpoint)
        found = {row["Key"]: s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read() for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
        for key, body in found.items():
            assert body == clean * (len(body) // len(clean)), f"{key} is whole, and scrubbed"
        assert {key: len(found[key]) // len(clean) for key in acknowledged} == acknowledged
    assert found


def test_memory_does_not_grow_with_the_body(make_gateway):
    bucket = fresh("large")
    gateway = make_gateway({"limits.scrub_put_time": "1h"}, more=f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    line = f'{{"mail": "{MAIL}", "text": "{"word " * 200}"}}\n'.encode()
    peaks = []
    for size in (16 * MIB, 160 * MIB):
        gateway.forget_peak_rss()
        s3.put_object(Bucket=bucket, Key="json", Body=line * (size // len(line)))
        s3.put_object(Bucket=bucket, Key="gzip", Body=gzip.compress(line * (size // len(line)), 1))
        peaks.append(gateway.peak_rss())
    assert peaks[1] < peaks[0] + 48 * MIB, peaks
