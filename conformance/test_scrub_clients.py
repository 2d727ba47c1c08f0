"""Stock clients before a bucket with `scrub = "enforce"`: what works as they come, what they need, and what they do about a size that is not theirs
(docs/scrub-clients.md)."""

from __future__ import annotations

import gzip
import io
import time

import pyarrow as pa
import pytest
from boto3.s3.transfer import TransferConfig
from pyarrow import fs, parquet

import planted
from clients import MIB, aws, boto, fresh, rclone
from watching import watched

pytestmark = [pytest.mark.gateway, pytest.mark.timeout(300)]

SCRUBBED = ("--ignore-size", "--ignore-checksum", "--s3-disable-checksum", "--s3-use-multipart-etag=false")
"""What rclone needs to write into such a bucket."""


@pytest.fixture
def bucket() -> str:
    return fresh("clients")


@pytest.fixture
def gateway(make_gateway, bucket, tmp_path, monkeypatch):
    """A gateway with one bucket under a policy that lets pictures pass, and a folder of its own for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    gateway = make_gateway(more=f'[buckets."{bucket}"]\nscrub = "enforce"\non_media = "pass"\n')
    boto(gateway.endpoint).create_bucket(Bucket=bucket)
    return gateway


@pytest.fixture
def watch(gateway, target, tmp_path):
    with watched(gateway, tmp_path / "temporary", *([target.store.data] if target.store else [])) as watch:
        yield watch


@pytest.fixture
def read(gateway, bucket):
    """The bytes of a key, as stored."""
    return lambda key: boto(gateway.endpoint).get_object(Bucket=bucket, Key=key)["Body"].read()


def test_what_is_planted_is_found_without_a_policy(make_gateway, tmp_path):
    """The search that the other tests rest on finds each of the values in each of the files."""
    files = {"chats": planted.jsonl(planted.chats()), "export": planted.export(), "shard": planted.shard()}
    out = io.BytesIO()
    parquet.write_table(planted.table(), out, compression="none", use_dictionary=False)
    seen = set()
    for body in [*files.values(), out.getvalue()]:
        found = planted.holds(body)
        assert len(found) >= 2
        seen.update(found)
    assert seen == set(planted.needles())
    with pytest.raises(AssertionError):
        planted.check_chats(files["chats"], planted.chats())
    gateway = make_gateway()
    (gateway.root / "leaked").write_bytes(files["export"])
    with pytest.raises(AssertionError, match="leaked"), watched(gateway):
        pass


def test_chat_logs_by_boto3(gateway, bucket, watch, read, tmp_path):
    """`put_object`, and `upload_file` whole and in parts whose ends cut values."""
    s3, sent = boto(gateway.endpoint), planted.chats()
    s3.put_object(Bucket=bucket, Key="put.jsonl", Body=planted.jsonl(sent))
    planted.check_chats(read("put.jsonl"), sent)
    many = planted.chats(30_000)
    file = tmp_path / "chats.jsonl"
    file.write_bytes(planted.jsonl(many))
    assert file.stat().st_size > 12 * MIB
    s3.upload_file(str(file), bucket, "parts.jsonl", Config=TransferConfig(multipart_threshold=MIB, multipart_chunksize=5 * MIB))
    planted.check_chats(read("parts.jsonl"), many)
    s3.put_object(Bucket=bucket, Key="chats.jsonl.gz", Body=gzip.compress(planted.jsonl(sent)))
    planted.check_chats(gzip.decompress(read("chats.jsonl.gz")), sent)


def test_parts_completed_by_another(gateway, bucket, watch, read):
    """As S3A's magic committer does it: parts are sent by one, and another completes much later, here after the gateway was killed. Until then nothing is there."""
    s3, sent = boto(gateway.endpoint), planted.chats(12_000)
    body = planted.jsonl(sent)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="part-0.jsonl")["UploadId"]
    pieces = [body[: 5 * MIB], body[5 * MIB :]]
    etags = [
        s3.upload_part(Bucket=bucket, Key="part-0.jsonl", UploadId=upload, PartNumber=number, Body=piece)["ETag"] for number, piece in enumerate(pieces, 1)
    ]
    watch.look()
    gateway.kill()
    gateway.start()
    other = boto(gateway.endpoint)
    assert "Contents" not in other.list_objects_v2(Bucket=bucket)
    parts = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]}
    other.complete_multipart_upload(Bucket=bucket, Key="part-0.jsonl", UploadId=upload, MultipartUpload=parts)
    planted.check_chats(read("part-0.jsonl"), sent)


def test_a_table_by_pyarrow(gateway, bucket, watch, tmp_path):
    """Written in parts by the C++ SDK and read back by it, larger than what is kept in memory: schema, rows and the columns of nobody are as they were."""
    store = fs.S3FileSystem(
        access_key=gateway.endpoint.access_key, secret_key=gateway.endpoint.secret_key, region=gateway.endpoint.region,
        endpoint_override=gateway.endpoint.host, scheme="http",
    )  # fmt: skip
    small = planted.table()
    filler = pa.array([f"{row:09} " * 12 for row in range(90_000)])
    large = pa.concat_tables([small] * 30).append_column("filler", filler).replace_schema_metadata(small.schema.metadata)
    for name, table, options in (("small", small, {}), ("large", large, {"compression": "none", "use_dictionary": False, "row_group_size": 20_000})):
        parquet.write_table(table, f"{bucket}/{name}.parquet", filesystem=store, **options)
        got = parquet.read_table(f"{bucket}/{name}.parquet", filesystem=store)
        assert got.schema.equals(table.schema)
        assert got.num_rows == table.num_rows
        for column in (column for column in table.column_names if column in (*planted.UNTOUCHED, "filler")):
            assert got[column].equals(table[column]), column
        assert got["email"].null_count == table["email"].null_count
        assert got["ssn"].null_count == table.num_rows
        planted.clean(got["messages"].slice(0, 100).to_pylist())
        planted.clean(got["email"].unique().to_pylist())
        planted.clean({key.decode(): value.decode() for key, value in got.schema.metadata.items()})
    assert watch.unnamed, "the large file was seen while it waited in a file without a name"


def test_an_export_by_aws_cli(gateway, bucket, watch, read, tmp_path):
    """`cp` works as it comes, `sync` too; but it compares sizes, and sends again what was changed, whatever the options."""
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "people.csv").write_bytes(planted.export())
    (exports / "nobody.csv").write_bytes(b"id;amount\r\n1;2\r\n")
    (tmp_path / "down").mkdir()
    aws(gateway.endpoint, "s3", "cp", "people.csv", f"s3://{bucket}/cp.csv", cwd=exports)
    planted.check_export(read("cp.csv"))
    aws(gateway.endpoint, "s3", "cp", f"s3://{bucket}/cp.csv", "cp.csv", cwd=tmp_path / "down")
    assert (tmp_path / "down/cp.csv").read_bytes() == read("cp.csv")

    def sync(*arguments: str) -> list[str]:
        lines = aws(gateway.endpoint, "s3", "sync", "--no-progress", *arguments, cwd=tmp_path).splitlines()
        return sorted(line.split()[1] for line in lines)

    up = ("exports", f"s3://{bucket}/exports")
    assert sync(*up) == ["exports/nobody.csv", "exports/people.csv"]
    planted.check_export(read("exports/people.csv"))
    time.sleep(1.1)  # Times of objects are in seconds.
    for options in ((), ("--size-only",), ("--exact-timestamps",)):
        assert sync(*up, *options) == ["exports/people.csv"], "what was changed is sent again, what was not is not"
    assert read("exports/nobody.csv") == b"id;amount\r\n1;2\r\n"
    assert sync(f"s3://{bucket}/exports", "exports") == [f"s3://{bucket}/exports/people.csv"], "the other way it overwrites the original"
    planted.check_export((exports / "people.csv").read_bytes())
    assert sync(*up) == [], "once both are the same, nothing is sent"


def test_shards_by_rclone(gateway, bucket, watch, read, tmp_path):
    """As it comes it takes what was changed for damage and deletes it. With the options it copies, and `check` reports what was changed."""
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(2):
        (shards / f"{number:06}.tar").write_bytes(planted.shard(seed=number))
    (shards / "chats.jsonl").write_bytes(planted.jsonl(planted.chats()))
    (shards / "README.md").write_text("Two shards.\n")

    def run(command: str, *arguments: str, succeeds: bool = True) -> str:
        return rclone(gateway.endpoint, command, "shards", f"vault:{bucket}/{command}", "--s3-no-check-bucket", *arguments, cwd=tmp_path, succeeds=succeeds)

    def listed() -> list[str]:
        return [row["Key"] for row in boto(gateway.endpoint).list_objects_v2(Bucket=bucket)["Contents"]]

    said = run("copy", succeeds=False)
    assert "chats.jsonl: corrupted on transfer: sizes differ" in said
    assert "000000.tar: corrupted on transfer: md5 hashes differ" in said, "members of a tar are padded: its size may be the same"
    assert listed() == ["copy/README.md"], "what differs is deleted again"
    said = run("copy", "--ignore-size", succeeds=False)
    assert all(f"{name}: corrupted on transfer: md5 hashes differ" in said for name in ("000000.tar", "000001.tar", "chats.jsonl"))
    assert listed() == ["copy/README.md"]

    for command in ("copy", "sync"):
        assert run(command, *SCRUBBED, "-v").count("Copied (") == 4 - (command == "copy")
        for number in range(2):
            planted.check_shard(read(f"{command}/{number:06}.tar"))
        planted.check_chats(read(f"{command}/chats.jsonl"), planted.chats())
        assert "There was nothing to transfer" in run(command, *SCRUBBED, "-v"), "times are compared where sizes are not"
    said = rclone(gateway.endpoint, "check", "shards", f"vault:{bucket}/sync", cwd=tmp_path, succeeds=False)
    assert "3 differences found" in said
    assert "1 matching files" in said
    rclone(gateway.endpoint, "copy", f"vault:{bucket}/sync", "down", cwd=tmp_path)
    assert (tmp_path / "down/000001.tar").read_bytes() == read("sync/000001.tar")


def test_large_shards_by_rclone(gateway, bucket, watch, read, tmp_path):
    """In parts: rclone compares the ETag with one that it computes, and keeps the MD5 of what it sent in the metadata, by which a later download fails."""
    samples = 2000
    (tmp_path / "large.tar").write_bytes(planted.shard(samples))
    options = ["--s3-no-check-bucket", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", "--ignore-times", "--ignore-size", "--ignore-checksum"]
    where = f"vault:{bucket}/large.tar"
    said = rclone(gateway.endpoint, "copyto", "large.tar", where, *options, cwd=tmp_path, succeeds=False)
    assert "multipart upload corrupted: Etag differ" in said
    options.append("--s3-use-multipart-etag=false")
    rclone(gateway.endpoint, "copyto", "large.tar", where, *options, cwd=tmp_path)
    planted.check_shard(read("large.tar"), samples)
    said = rclone(gateway.endpoint, "copyto", where, "down.tar", cwd=tmp_path, succeeds=False)
    assert "corrupted on transfer: md5 hashes differ" in said
    rclone(gateway.endpoint, "copyto", "large.tar", where, *options, "--s3-disable-checksum", cwd=tmp_path)
    rclone(gateway.endpoint, "copyto", where, "down.tar", cwd=tmp_path)
    planted.check_shard((tmp_path / "down.tar").read_bytes(), samples)
