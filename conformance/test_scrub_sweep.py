"""What is kept beside objects goes with them, and not before: scrub records, originals, quarantine."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from clients import MIB, boto, error_code, fresh, put_in_parts
from test_scrub_policy import CLEAN, MAIL, OFFICERS, TEXT, ask, body

pytestmark = pytest.mark.gateway

# Ages that a test can wait for; the gateway itself sweeps no more while one runs.
QUICK = {"limits.sweep_every": "7d", "limits.sweep_grace": "1ms"}


@pytest.fixture
def made(make_gateway):
    """Makes a gateway with a bucket of these settings; gives it, a client and the bucket."""

    def make(settings: str, more: str = "", **limits: str):
        bucket = fresh("sweep")
        overrides = QUICK | {f"limits.{name}": value for name, value in limits.items()}
        gateway = make_gateway(overrides, more=f'{OFFICERS}[buckets."{bucket}"]\n{settings}\n{more.replace("BUCKET", bucket)}')
        s3 = boto(gateway.endpoint)
        s3.create_bucket(Bucket=bucket)
        return gateway, s3, bucket

    return make


def kept(gateway, kind: str, bucket: str) -> list[str]:
    """The keys that the system bucket has of a kind, the gateway being stopped."""
    prefix = f"{kind}/{bucket}/"
    if gateway.behind is not None:
        behind = boto(gateway.behind)
        return [row["Key"] for page in behind.get_paginator("list_objects_v2").paginate(Bucket=gateway.system_bucket, Prefix=prefix) for row in page.get("Contents", [])]
    with contextlib.closing(sqlite3.connect(gateway.data / "objects" / "index.db")) as db:
        rows = db.execute("SELECT CAST(key AS TEXT) FROM versions WHERE latest = 1 AND marker = 0").fetchall()
    return sorted(key for (key,) in rows if key.startswith(prefix))


def lose_sidecar(gateway) -> None:
    for path in gateway.sidecar_files():
        path.unlink()


def sweep(gateway, *arguments: str) -> str:
    """`data-vault sidecar sweep`, beside no gateway; what it says."""
    given = [word for name, value in gateway.overrides.items() for word in ("--set", f"{name}={value}")]
    done = gateway.run("sidecar", "sweep", *given, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("sidecar", ["kept", "lost", "rebuilt"])
def test_records_go_with_their_objects(made, sidecar):
    """Overwritten, deleted, copied; whatever the sidecar knows, no living object is refused to its readers after."""
    gateway, s3, bucket = made('scrub = "dual"', '[buckets."BUCKET".prefixes."raw/"]\nscrub = "off"\n')
    for key in ("stays", "overwritten", "deleted", "a/b ü?&+", "source"):
        s3.put_object(Bucket=bucket, Key=key, Body=TEXT)
    put_in_parts(s3, bucket, "parts", [TEXT * (5 * MIB // len(TEXT) + 1), TEXT])
    s3.put_object(Bucket=bucket, Key="overwritten", Body=TEXT * 2)
    s3.delete_object(Bucket=bucket, Key="deleted")
    # Longer names that begin as the one that is gone.
    s3.put_object(Bucket=bucket, Key="deleted too?", Body=TEXT)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "source"})
    s3.copy_object(Bucket=bucket, Key="raw/copy", CopySource={"Bucket": bucket, "Key": "source"})
    gateway.stop()
    assert len(kept(gateway, "scrubbed", bucket)) == 9
    assert len(kept(gateway, "original", bucket)) == 18
    if sidecar != "kept":
        lose_sidecar(gateway)
    if sidecar == "rebuilt":
        # 3: in a store that is shared, objects of other gateways cannot be opened.
        assert gateway.run("sidecar", "rebuild").returncode in (0, 3)
    assert sweep(gateway) == "4 removed, 0 left since it cannot be decided whether they are needed"
    assert len(kept(gateway, "scrubbed", bucket)) == 7
    assert len(kept(gateway, "original", bucket)) == 14
    assert sweep(gateway).startswith("0 removed"), "nothing is left to do"
    gateway.start()
    s3 = boto(gateway.endpoint)
    for key in ("stays", "overwritten", "a/b ü?&+", "source", "deleted too?", "copy", "parts", "raw/copy"):
        assert body(s3, bucket, key).replace(CLEAN, b"") == b""
    assert ask(gateway, f"originals/{bucket}/stays") == (200, TEXT)
    assert ask(gateway, f"originals/{bucket}/overwritten") == (200, TEXT * 2)


def test_what_is_young_stays(made):
    gateway, s3, bucket = made('scrub = "dual"', sweep_grace="1h")
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    s3.delete_object(Bucket=bucket, Key="k")
    gateway.stop()
    assert sweep(gateway).startswith("0 removed")
    assert (len(kept(gateway, "scrubbed", bucket)), len(kept(gateway, "original", bucket))) == (1, 2)


@pytest.mark.parametrize("sidecar", ["kept", "lost"])
def test_versions_keep_theirs(made, sidecar):
    gateway, s3, bucket = made('scrub = "dual"')
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [s3.put_object(Bucket=bucket, Key="k", Body=TEXT * n)["VersionId"] for n in (1, 2, 3)]
    s3.delete_object(Bucket=bucket, Key="k")

    def swept() -> str:
        nonlocal s3
        gateway.stop()
        if sidecar == "lost":
            lose_sidecar(gateway)
        told = sweep(gateway)
        gateway.start()
        s3 = boto(gateway.endpoint)
        return told

    assert swept().startswith("0 removed")
    for n, version in enumerate(versions, 1):
        assert body(s3, bucket, "k", VersionId=version) == CLEAN * n
        assert ask(gateway, f"originals/{bucket}/k?versionId={version}") == (200, TEXT * n)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=versions[1])
    assert swept().startswith("2 removed")
    assert body(s3, bucket, "k", VersionId=versions[0]) == CLEAN
    assert ask(gateway, f"originals/{bucket}/k?versionId={versions[2]}") == (200, TEXT * 3)
    for version in (versions[0], versions[2]):
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    assert swept().startswith("4 removed")
    gateway.stop()
    assert kept(gateway, "scrubbed", bucket) == kept(gateway, "original", bucket) == []


def test_a_bucket_that_is_gone(made):
    gateway, s3, bucket = made('scrub = "dual"')
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    gateway.stop()
    assert sweep(gateway).startswith("2 removed")
    assert kept(gateway, "scrubbed", bucket) == kept(gateway, "original", bucket) == []


def test_killed_between_record_and_object(made):
    """`kill -9` in the middle of writes leaves records without objects; those go, and what was acknowledged keeps its own."""
    gateway, s3, bucket = made('scrub = "dual"')
    done: list[str] = []

    def write(n: int) -> None:
        s3 = boto(gateway.endpoint)
        for turn in range(1000):
            key = f"{n}-{turn}"
            with contextlib.suppress(BotoCoreError, ClientError):
                s3.put_object(Bucket=bucket, Key=key, Body=TEXT * 20_000)
                done.append(key)
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        writers = [pool.submit(write, n) for n in range(8)]
        time.sleep(3)
        gateway.kill()
        for writer in writers:
            writer.result()
    assert done
    # The next start settles what was cut off; only then is it known that it will not come.
    gateway.start()
    s3 = boto(gateway.endpoint)
    time.sleep(2)
    gateway.stop()
    sweep(gateway)
    records = len(kept(gateway, "scrubbed", bucket))
    gateway.start()
    there = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket, MaxKeys=1000)["Contents"]]
    assert set(done) <= set(there)
    for key in there:
        assert body(s3, bucket, key) == CLEAN * 20_000
    with contextlib.closing(sqlite3.connect(f"file:{gateway.data}/sidecar.db?mode=ro", uri=True)) as db:
        ((under_way,),) = db.execute("SELECT (SELECT count(*) FROM intents) + (SELECT count(*) FROM uploads)").fetchall()
    assert len(there) <= records <= len(there) + under_way


def test_quarantine_and_originals_expire(made):
    gateway, s3, bucket = made('scrub = "dual"\non_media = "quarantine"', quarantine_age="4s", original_age="4s")
    with pytest.raises(ClientError, match="quarantine as"):
        s3.put_object(Bucket=bucket, Key="media", Body=b"%PDF-1.7 " + TEXT)
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    gateway.stop()
    assert sweep(gateway).startswith("0 removed"), "they are younger"
    time.sleep(4)
    assert sweep(gateway).startswith("2 removed")
    gateway.start()
    ((item),) = json.loads(ask(gateway, f"quarantine/{bucket}")[1])["items"]
    assert [(action["by"], action["what"]) for action in item["actions"]] == [("data-vault", "expired")]
    assert ask(gateway, f"quarantine/{bucket}/{item['id']}/content")[0] == 404
    assert ask(gateway, f"originals/{bucket}/k")[0] == 404
    assert body(boto(gateway.endpoint), bucket, "k") == CLEAN
    gateway.stop()
    time.sleep(4)
    assert sweep(gateway).startswith("1 removed")
    assert kept(gateway, "quarantine", bucket) == []
    assert sweep(gateway).startswith("0 removed")


def rename(gateway, old: str, new: str) -> None:
    """Renames an object of the system bucket, the gateway being stopped."""
    if gateway.behind is not None:
        behind = boto(gateway.behind)
        content = behind.get_object(Bucket=gateway.system_bucket, Key=old)["Body"].read()
        behind.put_object(Bucket=gateway.system_bucket, Key=new, Body=content)
        behind.delete_object(Bucket=gateway.system_bucket, Key=old)
        return
    with contextlib.closing(sqlite3.connect(gateway.data / "objects" / "index.db")) as db, db:
        assert db.execute("UPDATE versions SET key = ? WHERE key = ?", (new.encode(), old.encode())).rowcount == 1


def test_what_cannot_be_decided_stays(made):
    """Without the bucket's key neither a record nor an object can be opened. Nothing is taken for gone therefore."""
    gateway, s3, bucket = made('scrub = "enforce"')
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    s3.put_object(Bucket=bucket, Key="gone", Body=TEXT)
    s3.delete_object(Bucket=bucket, Key="gone")
    gateway.stop()
    lose_sidecar(gateway)
    (key,) = kept(gateway, "keks", bucket)
    rename(gateway, key, "away")
    assert sweep(gateway).startswith("0 removed, 2 left")
    rename(gateway, "away", key)
    assert sweep(gateway).startswith("1 removed, 0 left")
    gateway.start()
    assert body(boto(gateway.endpoint), bucket, "k") == CLEAN


def test_the_gateway_sweeps_by_itself(made):
    gateway, s3, bucket = made('scrub = "dual"', sweep_every="1s")
    s3.put_object(Bucket=bucket, Key="k", Body=TEXT)
    s3.put_object(Bucket=bucket, Key="stays", Body=TEXT)
    s3.delete_object(Bucket=bucket, Key="k")
    swept = {"scrub_record": 0.0, "original": 0.0}
    until = time.monotonic() + 30
    while time.monotonic() < until and set(swept.values()) != {1.0}:
        time.sleep(0.5)
        figures = gateway.metrics()
        swept = {kind: figures.get(f'data_vault_swept_total{{kind="{kind}"}}', 0.0) for kind in swept}
    assert set(swept.values()) == {1.0}, swept
    assert body(s3, bucket, "stays") == CLEAN
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="k")) == "NoSuchKey"
    for path in (path for path in gateway.root.rglob("*") if path.is_file()):
        assert MAIL.encode() not in path.read_bytes(), path
