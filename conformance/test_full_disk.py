"""A full disk under backend `local`, under the sidecar, or under both: refused with 507, nothing half-written, and a delete makes
room."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from clients import KIB, MIB, boto, noise, put_in_parts
from servers import Gateway

pytestmark = pytest.mark.gateway

SIZE = 40 * MIB
BUCKET = "conf-full"
PARTS = [noise(5 * MIB, 1), b"end"]
OBJECTS = {"small": noise(100, 2), "medium": noise(300 * KIB, 3), "large": noise(3 * MIB, 4), "multipart": b"".join(PARTS)}


class Disk:
    """A tmpfs in a mount namespace of its own, which a process holds: root's, or any user's where user namespaces are allowed."""

    def __init__(self, at: Path) -> None:
        at.mkdir(parents=True)
        self.at, self.user = at, os.geteuid() != 0
        script = f'mount -t tmpfs -o size={SIZE},mode=700 tmpfs "{at}" && echo mounted && exec sleep 600'
        self.holder = subprocess.Popen(
            ["unshare", "--mount", *(["--map-root-user"] if self.user else []), "sh", "-c", script],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no tmpfs can be mounted here: {self.holder.communicate()[1].strip()}")
        self.seen = Path(f"/proc/{self.holder.pid}/root{at}")
        """The mounted folder, as this process can reach it."""

    def entering(self, command: list[str]) -> list[str]:
        user = ["--user", "--preserve-credentials"] if self.user else []
        return ["nsenter", "--target", str(self.holder.pid), "--mount", *user, "--", *command]

    def fill(self) -> None:
        """Takes every free byte."""
        with (self.seen / "filler").open("ab", buffering=0) as filler:
            for size in (MIB, 4 * KIB, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
        assert os.statvfs(self.seen).f_bavail == 0

    def empty(self) -> None:
        (self.seen / "filler").unlink()

    def remount_read_only(self) -> None:
        subprocess.run(self.entering(["mount", "-o", "remount,ro", str(self.at)]), check=True)

    def gone(self) -> None:
        self.holder.kill()
        self.holder.communicate()


class OnDisk(Gateway):
    """A gateway over backend `local` that sees the disk."""

    def __init__(self, root: Path, disk: Disk, overrides: dict[str, str]) -> None:
        super().__init__(root, None, overrides=overrides)
        self.disk = disk

    def command(self) -> list[str]:
        return self.disk.entering(super().command())


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Callable[[str], OnDisk]]:
    """Makes a started gateway, filled with OBJECTS. What is on the small disk: `all` of its data, the `objects` but not the
    sidecar, or the `sidecar` alone."""
    made: list[OnDisk | Disk] = []

    def make(what: str) -> OnDisk:
        root = tmp_path / "gateway"
        disk = Disk(root / ("sidecar" if what == "sidecar" else "data"))
        made.append(disk)
        (root / "sidecar").mkdir(exist_ok=True)
        gateway = OnDisk(root, disk, {} if what == "all" else {"sidecar.url": f"sqlite://{root}/sidecar/sidecar.db"})
        made.append(gateway)
        gateway.start()
        s3 = boto(gateway.endpoint)
        s3.create_bucket(Bucket=BUCKET)
        for key, data in OBJECTS.items():
            if key == "multipart":
                put_in_parts(s3, BUCKET, key, PARTS)
            else:
                s3.put_object(Bucket=BUCKET, Key=key, Body=data)
        return gateway

    yield make
    for one in reversed(made):
        one.kill() if isinstance(one, Gateway) else one.gone()
    shutil.rmtree(tmp_path, ignore_errors=True)


def check(s3, wanted: dict[str, bytes]) -> None:
    """LIST, HEAD, GET and a range of exactly these objects."""
    rows = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert {row["Key"]: row["Size"] for row in rows} == {key: len(data) for key, data in wanted.items()}
    for key, data in wanted.items():
        assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(data)
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == data
        assert s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=-50")["Body"].read() == data[-50:]


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response
    assert (error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]) == (507, "InsufficientStorage"), error
    assert "full" in error["Error"]["Message"]


def begin_upload(s3) -> dict:
    """An upload with one part, to be completed."""
    at = {"Bucket": BUCKET, "Key": "unfinished"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    etag = s3.upload_part(**at, PartNumber=1, Body=PARTS[0])["ETag"]
    return at | {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}


def refuses_every_write(s3, upload: dict) -> None:
    part = {name: upload[name] for name in ("Bucket", "Key", "UploadId")}
    for size in (1, 200 * KIB, 2 * MIB, 9 * MIB):
        refused(lambda size=size: s3.put_object(Bucket=BUCKET, Key="new", Body=noise(size)))
        refused(lambda size=size: s3.put_object(Bucket=BUCKET, Key="small", Body=noise(size)))
    for size in (1, 5 * MIB):
        refused(lambda size=size: s3.upload_part(**part, PartNumber=2, Body=noise(size)))
    refused(lambda: s3.complete_multipart_upload(**upload))
    refused(lambda: s3.copy_object(Bucket=BUCKET, Key="copy", CopySource={"Bucket": BUCKET, "Key": "large"}))
    refused(lambda: s3.upload_part_copy(**part, PartNumber=2, CopySource={"Bucket": BUCKET, "Key": "large"}))
    refused(lambda: s3.create_multipart_upload(Bucket=BUCKET, Key="never"))


@pytest.mark.parametrize("what", ["all", "objects"])
def test_full(on_disk, what):
    gateway = on_disk(what)
    s3, wanted = boto(gateway.endpoint), dict(OBJECTS)
    upload = begin_upload(s3)
    gateway.disk.fill()
    refuses_every_write(s3, upload)
    check(s3, wanted)

    # Not a byte is free, and a delete is what makes some.
    for key in ("small", "large"):
        s3.delete_object(Bucket=BUCKET, Key=key)
        del wanted[key]
        check(s3, wanted)
    wait_for_room(gateway.disk, MIB)
    wanted["new"] = noise(MIB, 5)
    s3.put_object(Bucket=BUCKET, Key="new", Body=wanted["new"])
    s3.complete_multipart_upload(**upload)
    wanted["unfinished"] = PARTS[0]
    check(s3, wanted)

    # It starts on a full disk too, after a clean end and after a crash.
    for key, end in (("new", gateway.stop), ("unfinished", gateway.kill)):
        gateway.disk.empty()
        s3.put_object(Bucket=BUCKET, Key="small", Body=OBJECTS["small"])
        wanted["small"] = OBJECTS["small"]
        gateway.disk.fill()
        end()
        gateway.disk.fill()
        gateway.start()
        check(s3, wanted)
        deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key}]})
        assert "Errors" not in deleted, deleted
        del wanted[key]
        check(s3, wanted)


def wait_for_room(disk: Disk, size: int) -> None:
    """An unlink follows its answer."""
    deadline = time.monotonic() + 5
    while (free := os.statvfs(disk.seen)).f_bavail * free.f_frsize < size:
        assert time.monotonic() < deadline, "a deleted object's bytes are still there"
        time.sleep(0.01)


def test_full_under_the_sidecar_alone(on_disk):
    gateway = on_disk("sidecar")
    s3, wanted = boto(gateway.endpoint), dict(OBJECTS)
    upload = begin_upload(s3)
    gateway.disk.fill()
    refuses_every_write(s3, upload)
    check(s3, wanted)
    s3.delete_object(Bucket=BUCKET, Key="large")
    del wanted["large"]
    check(s3, wanted)
    gateway.kill()
    gateway.disk.empty()
    gateway.start()
    s3.complete_multipart_upload(**upload)
    wanted |= {"unfinished": PARTS[0], "new": noise(MIB, 5)}
    s3.put_object(Bucket=BUCKET, Key="new", Body=wanted["new"])
    check(s3, wanted)
    gateway.disk.fill()
    check(s3, wanted)
    gateway.disk.empty()
    s3.delete_object(Bucket=BUCKET, Key="new")
    s3.put_object(Bucket=BUCKET, Key="again", Body=b"again")
