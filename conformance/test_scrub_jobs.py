"""`data-vault scan` and `data-vault scrub s3://…`: what is there already, sealed or not, looked into and scrubbed."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from clients import MIB, boto, error_code, fresh, md5, noise
from servers import Endpoint, Gateway, free_port, gateway_binary, holding

pytestmark = pytest.mark.gateway

# Of no person: the mail is of a reserved domain, the number of a range that is never given out.
# Other values than those of `test_scrub_put.py`, which looks for its own in the store that both may use: here they lie there as they are.
MAIL = "mary.johnson" + "@example.net"
SSN = "219-09-" + "9998"
ROW = f'{{"mail": "{MAIL}", "ssn": "{SSN}"}}\n'.encode()
CLEAN = b"Nothing about anybody.\n"


class Vault:
    """A gateway of a test's own, its bucket, and the jobs that work on it: beside the gateway where the storage is remote, in its place where it is embedded."""

    def __init__(self, gateway: Gateway, bucket: str) -> None:
        self.gateway, self.bucket, self.s3 = gateway, bucket, boto(gateway.endpoint)
        self.s3.create_bucket(Bucket=bucket)

    def job(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        with Stopped(self.gateway):
            return self.gateway.run(*arguments, timeout=timeout)

    def report(self, *arguments: str, status: int = 0) -> dict:
        done = self.job(*arguments, "--report", "json")
        assert done.returncode == status, done.stdout + done.stderr
        assert MAIL not in done.stdout + done.stderr and SSN not in done.stdout + done.stderr
        return json.loads(done.stdout)

    def put(self, key: str, body: bytes, **more) -> dict:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str, bucket: str | None = None, **more) -> bytes:
        return self.s3.get_object(Bucket=bucket or self.bucket, Key=key, **more)["Body"].read()


class Stopped:
    """The gateway, stopped for as long as a job works in its place."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def __enter__(self) -> None:
        if self.gateway.behind is None:
            assert self.gateway.stop() == 0

    def __exit__(self, *_: object) -> None:
        if self.gateway.behind is None:
            self.gateway.start()


@pytest.fixture
def vault(make_gateway) -> Vault:
    """A bucket that no policy has looked at yet."""
    return Vault(make_gateway(), fresh("there"))


@pytest.fixture
def migrating(target, make_gateway) -> Vault:
    """A bucket with plaintext from before."""
    if target.store is None:
        pytest.skip("backend local has no endpoint for plaintext from before")
    bucket = fresh("before")
    return Vault(make_gateway(more=f'[buckets."{bucket}"]\nstate = "migrating"\n'), bucket)


def fill(vault: Vault, count: int = 12) -> None:
    """Every third object holds a mail and a number, in text or compressed."""
    for number in range(count):
        body = ROW * (number + 1) if number % 3 == 0 else CLEAN
        vault.put(f"corpus/{number:03}.jsonl", gzip.compress(body) if number % 2 else body)
    vault.put("elsewhere/text", MAIL.encode())


def planted(count: int = 12) -> int:
    return sum(number + 1 for number in range(0, count, 3))


def test_scan_finds_what_is_there(vault):
    fill(vault)
    vault.put(f"corpus/of {MAIL}", CLEAN, Metadata={"author": MAIL}, Tagging=f"ssn={SSN}")
    vault.put("corpus/image", b"\x89PNG\r\n\x1a\n" + noise(300))
    vault.put("corpus/large", ROW + CLEAN * 20_000)
    before = {key: vault.get(key) for key in ("corpus/000.jsonl", "corpus/large")}
    place = f"s3://{vault.bucket}/corpus/"
    done = vault.job("scan", place, "--report", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["listed"] == report["treated"]["objects"] == 15
    assert report["types"]["EMAIL_ADDRESS"]["findings"] == report["types"]["US_SSN"]["findings"] == planted() + 1
    assert report["types"]["EMAIL_ADDRESS"]["objects"] == 5
    assert report["names"]["EMAIL_ADDRESS"]["objects"] == 1 and report["names"]["US_SSN"]["findings"] == 1
    assert report["objects"][0]["key"] == "corpus/009.jsonl" and report["objects"][0]["total"] == 20
    assert sum(report["passed"].values()) == 1
    assert [problem["key"] for problem in report["problems"]] == ["corpus/image"]
    assert report["plain"] == 0
    # Nothing was changed, and no value is in the report. (The name of an object is its name.)
    assert {key: vault.get(key) for key in before} == before
    assert SSN not in done.stdout
    assert MAIL not in done.stdout.replace(f"corpus/of {MAIL}", "")

    table = vault.job("scan", place, "--preset", "secrets-only")
    assert table.returncode == 0 and "0 findings in 0 of 15 objects" in table.stdout, table.stdout
    page = vault.gateway.root / "report.html"
    assert vault.job("scan", place, "--report", "html", "--report-to", str(page), "--fail-on", "US_SSN").returncode == 3
    assert "<td>EMAIL_ADDRESS" in page.read_text()
    assert vault.job("scan", f"s3://{vault.bucket}/corpus/001", "--fail-on", "any").returncode == 0
    assert vault.job("scan", place, "--fail-on", "NO_SUCH_TYPE").returncode == 2
    missing = vault.job("scan", "s3://no-such-bucket-here")
    assert missing.returncode == 2 and "NoSuchBucket" in missing.stderr
    system = vault.gateway.system_bucket or "data-vault-system"
    assert vault.job("scan", f"s3://{system}").returncode == 1, "the gateway's own"


def test_scan_of_versions(vault):
    vault.s3.put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})
    vault.put("a", ROW)
    vault.put("a", CLEAN)
    vault.put("gone", ROW)
    vault.s3.delete_object(Bucket=vault.bucket, Key="gone")
    assert vault.report("scan", f"s3://{vault.bucket}")["treated"]["findings"] == 0
    report = vault.report("scan", f"s3://{vault.bucket}", "--all-versions")
    assert (report["listed"], report["treated"]["with_findings"]) == (3, 2)
    assert all(found["version"] for found in report["objects"])


def test_scan_of_plaintext(target, vault, migrating):
    """An existing bucket can be looked at before the gateway has sealed anything, and whatever the state of the bucket."""
    for gateway in (vault, migrating):
        target.behind.put_object(Bucket=gateway.bucket, Key="plain", Body=ROW * 3, Metadata={"author": MAIL})
        target.behind.put_object(Bucket=gateway.bucket, Key="plain large", Body=ROW + CLEAN * 20_000)
        gateway.put("sealed", ROW)
        report = gateway.report("scan", f"s3://{gateway.bucket}")
        assert (report["listed"], report["plain"]) == (3, 2)
        assert report["types"]["US_SSN"]["findings"] == 5
        assert report["names"]["EMAIL_ADDRESS"]["objects"] == 1
    # Still refused to clients, where the bucket is not migrating.
    assert error_code(lambda: vault.get("plain")) == "InvalidObjectState"


def test_sampling_is_the_same_on_every_run(vault):
    for number in range(60):
        vault.put(f"{number:03}", ROW)
    place = f"s3://{vault.bucket}"
    keys = [[found["key"] for found in vault.report("scan", place, "--sample", "25%")["objects"]] for _ in range(2)]
    assert keys[0] == keys[1] and 4 <= len(keys[0]) <= 30
    more = {found["key"] for found in vault.report("scan", place, "--sample", "60%")["objects"]}
    assert set(keys[0]) < more < {f"{number:03}" for number in range(60)}
    counted = [[found["key"] for found in vault.report("scan", place, "--sample-objects", "7")["objects"]] for _ in range(2)]
    assert counted[0] == counted[1] and len(counted[0]) == 7
    report = vault.report("scan", place, "--sample-objects", "7")
    assert (report["listed"], report["treated"]["objects"]) == (60, 7)
    assert len(vault.report("scan", place, "--sample-objects", "1000")["objects"]) == 60


def start(gateway: Gateway, *arguments: str, config: str | None = None) -> subprocess.Popen:
    command = [str(gateway_binary()), *arguments, "--config", config or str(gateway.config)]
    return subprocess.Popen(command, cwd=gateway.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_after(gateway: Gateway, state, lines: int, *arguments: str) -> None:
    """Starts a job and kills it when it has noted so much."""
    job = start(gateway, *arguments, "--resume", str(state))
    deadline = time.monotonic() + 60
    while not state.exists() or state.read_bytes().count(b"\n") < lines:
        assert job.poll() is None, f"it ended before: {job.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    job.kill()
    job.communicate()


def test_a_scan_that_is_killed_goes_on(vault, tmp_path):
    fill(vault, 40)
    for number in range(40):
        vault.put(f"slow/{number}", ROW * 2000)
    place, state = f"s3://{vault.bucket}", tmp_path / "state"
    whole = vault.report("scan", place, "--jobs", "2")
    with Stopped(vault.gateway):
        for lines in (10, 35, 55):
            kill_after(vault.gateway, state, lines, "scan", place, "--jobs", "2", "--report", "json")
    before = state.read_bytes()
    with state.open("ab") as file:
        file.write(b'{"object":{"key":"corpus/0')  # As a crash of the machine would leave it.
    assert vault.report("scan", place, "--jobs", "2", "--resume", str(state)) == whole
    assert state.read_bytes().startswith(before)
    assert MAIL.encode() not in state.read_bytes() and SSN.encode() not in state.read_bytes()
    # It is done: the same report once more, and nothing is read.
    size = state.stat().st_size
    assert vault.report("scan", place, "--resume", str(state)) == whole
    assert state.stat().st_size == size
    other = vault.job("scan", place, "--preset", "gdpr", "--resume", str(state))
    assert other.returncode == 2 and "is of another job" in other.stderr


def test_pages(vault, tmp_path):
    """More keys than are on a page of a listing; killed on the second."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: vault.put(f"{number:05}", ROW if number % 5 else CLEAN), range(1150)))
    place, state = f"s3://{vault.bucket}", tmp_path / "state"
    whole = vault.report("scan", place, "--top", "3")
    assert whole["listed"] == whole["treated"]["objects"] == 1150
    assert whole["types"]["US_SSN"]["findings"] == 920 and whole["more_objects"] == 917
    with Stopped(vault.gateway):
        kill_after(vault.gateway, state, 1010, "scan", place, "--top", "3")
    assert vault.report("scan", place, "--top", "3", "--resume", str(state)) == whole


IN_PLACE = ("--in-place", "--preset", "llm-training")


def test_in_place(target, vault):
    fill(vault)
    carried = {"Metadata": {"a": "b"}, "ContentType": "text/x-note", "CacheControl": "no-store", "Tagging": "team=red&kind=raw"}
    vault.put("corpus/kept", ROW, **carried, ChecksumAlgorithm="CRC32")
    large = (ROW + CLEAN * 10) * 30_000
    vault.put("corpus/large", large)
    untouched = {key: vault.s3.head_object(Bucket=vault.bucket, Key=key)["LastModified"] for key in ("corpus/001.jsonl", "elsewhere/text")}
    place = f"s3://{vault.bucket}/corpus/"
    needs = vault.job("scrub", place, "--in-place")
    assert needs.returncode == 2 and "--preset" in needs.stderr
    tried = vault.report("scrub", place, *IN_PLACE, "--dry-run")
    assert tried["outcomes"] == {"would-be-scrubbed": 6, "clean": 8}
    assert vault.get("corpus/kept") == ROW

    report = vault.report("scrub", place, *IN_PLACE)
    assert report["outcomes"] == {"scrubbed": 6, "clean": 8}
    assert report["types"]["US_SSN"]["findings"] == planted() + 1 + 30_000
    assert vault.get("corpus/kept") == b'{"mail": "<EMAIL_ADDRESS>", "ssn": "<US_SSN>"}\n'
    head = vault.s3.get_object(Bucket=vault.bucket, Key="corpus/kept", ChecksumMode="ENABLED")
    stored = head["Body"].read()
    assert head["ETag"] == f'"{md5(stored)}"' and head["ContentLength"] == len(stored)
    assert (head["Metadata"], head["ContentType"], head["CacheControl"]) == ({"a": "b"}, "text/x-note", "no-store")
    assert "ChecksumCRC32" in head
    tags = vault.s3.get_object_tagging(Bucket=vault.bucket, Key="corpus/kept")["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("kind", "raw"), ("team", "red")]
    assert vault.get("corpus/large") == large.replace(MAIL.encode(), b"<EMAIL_ADDRESS>").replace(SSN.encode(), b"<US_SSN>")
    assert gzip.decompress(vault.get("corpus/003.jsonl")) == b'{"mail": "<EMAIL_ADDRESS>", "ssn": "<US_SSN>"}\n' * 4
    # Others are as they were: not written, and not looked into.
    assert {key: vault.s3.head_object(Bucket=vault.bucket, Key=key)["LastModified"] for key in untouched} == untouched
    assert vault.get("elsewhere/text") == MAIL.encode()
    assert vault.report("scan", place)["treated"]["findings"] == 0
    # Again: what this policy has seen is not looked into again; for another it is.
    assert vault.report("scrub", place, *IN_PLACE)["outcomes"] == {"scrubbed-before": 14}
    assert vault.report("scrub", place, "--in-place", "--preset", "gdpr")["outcomes"] == {"clean": 14}
    listed = {row["Key"]: (row["Size"], row["ETag"]) for row in vault.s3.list_objects_v2(Bucket=vault.bucket)["Contents"]}
    assert listed["corpus/kept"] == (len(stored), head["ETag"])
    folders = [vault.gateway.root] if target.store is None else [vault.gateway.root, target.store.data / vault.bucket]
    assert not holding(SSN.encode(), *folders)


def test_in_place_seals_plaintext(target, migrating, vault):
    target.behind.put_object(Bucket=migrating.bucket, Key="with", Body=ROW, Metadata={"a": "b"}, ContentType="text/plain")
    target.behind.put_object(Bucket=migrating.bucket, Key="without", Body=CLEAN * 100)
    assert target.backend != "minio" or holding(SSN.encode(), target.store.data / migrating.bucket), "it is found where it is"
    report = migrating.report("scrub", f"s3://{migrating.bucket}", *IN_PLACE)
    assert report["outcomes"] == {"scrubbed": 1, "sealed": 1} and report["plain"] == 2
    got = migrating.s3.get_object(Bucket=migrating.bucket, Key="with")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b'{"mail": "<EMAIL_ADDRESS>", "ssn": "<US_SSN>"}\n', {"a": "b"}, "text/plain")
    assert migrating.get("without") == CLEAN * 100
    for key in ("with", "without"):
        assert "dv1" in target.behind.head_object(Bucket=migrating.bucket, Key=key)["Metadata"]
    folder = target.store.data / migrating.bucket
    assert not holding(SSN.encode(), folder), "gone from the files of the store"
    assert not holding(CLEAN * 10, folder)
    # Plaintext where none may be is nobody's to be sealed: it would be trusted from then on.
    target.behind.put_object(Bucket=vault.bucket, Key="slipped in", Body=ROW)
    report = vault.report("scrub", f"s3://{vault.bucket}", *IN_PLACE, status=4)
    assert report["outcomes"] == {"failed": 1} and "migrating" in report["problems"][0]["why"]
    assert target.behind.get_object(Bucket=vault.bucket, Key="slipped in")["Body"].read() == ROW
    target.behind.delete_object(Bucket=vault.bucket, Key="slipped in")


def versions(vault: Vault, key: str) -> list[bytes]:
    rows = vault.s3.list_object_versions(Bucket=vault.bucket, Prefix=key).get("Versions", [])
    return [vault.get(key, VersionId=row["VersionId"]) for row in rows]


SCRUBBED = b'{"mail": "<EMAIL_ADDRESS>", "ssn": "<US_SSN>"}\n'


def test_in_place_with_versions(vault):
    vault.s3.put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (ROW * 2, CLEAN, ROW):
        vault.put("a", body)
    vault.put("b", ROW)
    vault.put("b", CLEAN)
    vault.put("deleted", ROW)
    vault.s3.delete_object(Bucket=vault.bucket, Key="deleted")
    place = f"s3://{vault.bucket}"
    # Without being told to, the job deletes nothing, and says what is left.
    report = vault.report("scrub", place, *IN_PLACE, status=4)
    assert report["outcomes"] == {"scrubbed": 1, "clean": 2, "old-version-stays": 4}
    assert versions(vault, "a") == [SCRUBBED, ROW, CLEAN, ROW * 2]
    report = vault.report("scrub", place, *IN_PLACE, "--destroy-versions")
    assert report["outcomes"] == {"scrubbed-before": 3, "destroyed": 4}
    assert versions(vault, "a") == [SCRUBBED, CLEAN]
    assert versions(vault, "b") == [CLEAN] and versions(vault, "deleted") == []
    # All at once.
    vault.put("c", ROW)
    vault.put("c", ROW * 2)
    report = vault.report("scrub", f"{place}/c", *IN_PLACE, "--destroy-versions")
    assert report["outcomes"] == {"scrubbed": 1, "destroyed": 2}
    assert versions(vault, "c") == [SCRUBBED * 2]


def test_a_lock_is_named(make_gateway):
    gateway = make_gateway()
    vault = Vault.__new__(Vault)
    vault.gateway, vault.bucket, vault.s3 = gateway, fresh("locked"), boto(gateway.endpoint)
    vault.s3.create_bucket(Bucket=vault.bucket, ObjectLockEnabledForBucket=True)
    vault.put("held", ROW, ObjectLockLegalHoldStatus="ON")
    report = vault.report("scrub", f"s3://{vault.bucket}", *IN_PLACE, "--destroy-versions", status=4)
    assert report["outcomes"] == {"scrubbed": 1, "locked": 1}
    assert report["problems"][0]["outcome"] == "locked" and "legal hold" in report["problems"][0]["why"]
    assert versions(vault, "held") == [SCRUBBED, ROW]
    assert vault.s3.get_object_legal_hold(Bucket=vault.bucket, Key="held")["LegalHold"]["Status"] == "ON", "carried over"
    for row in vault.s3.list_object_versions(Bucket=vault.bucket)["Versions"]:
        vault.s3.put_object_legal_hold(Bucket=vault.bucket, Key="held", VersionId=row["VersionId"], LegalHold={"Status": "OFF"})


def test_to_another_bucket(vault):
    fill(vault)
    vault.put("corpus/kept", ROW, Metadata={"a": "b"}, ContentType="text/x-note", Tagging="team=red")
    other = fresh("other")
    vault.s3.create_bucket(Bucket=other)
    place = f"s3://{vault.bucket}/corpus/"
    assert vault.job("scrub", place, "--to", f"s3://{vault.bucket}/corpus/x/", "--preset", "llm-training").returncode == 2
    nowhere = vault.job("scrub", place, "--to", "s3://no-such-bucket-here", "--preset", "llm-training")
    assert nowhere.returncode == 2 and "no such bucket" in nowhere.stderr
    vault.s3.put_object(Bucket=other, Key="clean/001.jsonl", Body=b"somebody's")
    arguments = ("scrub", place, "--to", f"s3://{other}/clean/", "--preset", "llm-training")
    report = vault.report(*arguments, status=4)
    assert report["outcomes"] == {"scrubbed": 5, "copied": 7, "name-taken": 1}
    assert vault.get("clean/001.jsonl", other) == b"somebody's"
    assert vault.get("clean/kept", other) == SCRUBBED and vault.get("corpus/kept") == ROW
    head = vault.s3.get_object(Bucket=other, Key="clean/kept")
    assert (head["Metadata"], head["ContentType"], head["ETag"]) == ({"a": "b"}, "text/x-note", f'"{md5(SCRUBBED)}"')
    assert vault.s3.get_object_tagging(Bucket=other, Key="clean/kept")["TagSet"] == [{"Key": "team", "Value": "red"}]
    assert vault.report(*arguments, "--overwrite")["outcomes"] == {"scrubbed": 5, "copied": 8}
    assert vault.report("scan", f"s3://{other}")["treated"]["findings"] == 0
    assert {row["Key"] for row in vault.s3.list_objects_v2(Bucket=other)["Contents"]} == {
        f"clean/{name}" for name in [*(f"{number:03}.jsonl" for number in range(12)), "kept"]
    }


@pytest.mark.parametrize("how", ["in place", "to another bucket", "in place with versions"])
def test_a_scrub_that_is_killed_goes_on(vault, tmp_path, how):
    """Killed again and again: nothing is lost, nothing is done twice, and the report is that of one that was not killed."""
    other = fresh("other")
    vault.s3.create_bucket(Bucket=other)
    if how == "in place with versions":
        vault.s3.put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})
    count = 40
    for number in range(count):
        vault.put(f"{number:03}", ROW * (1 + 50 * number) if number % 2 else CLEAN)
    place, state = f"s3://{vault.bucket}", tmp_path / "state"
    if how == "to another bucket":
        arguments, expected = ("scrub", place, "--to", f"s3://{other}", "--preset", "llm-training"), {"scrubbed": 20, "copied": 20}
    elif how == "in place":
        arguments, expected = ("scrub", place, *IN_PLACE), {"scrubbed": 20, "clean": 20}
    else:
        arguments, expected = ("scrub", place, *IN_PLACE, "--destroy-versions"), {"scrubbed": 20, "clean": 20, "destroyed": 20}
    with Stopped(vault.gateway):
        for lines in (8, 15, 22, 29, 36, 43):
            kill_after(vault.gateway, state, lines, *arguments, "--jobs", "2")
    report = vault.report(*arguments, "--resume", str(state))
    assert report["outcomes"] == expected, report
    assert (report["listed"], report["treated"]["objects"]) == (count, count)
    assert report["types"]["US_SSN"]["findings"] == sum(1 + 50 * number for number in range(1, count, 2))
    bucket = other if how == "to another bucket" else vault.bucket
    for number in range(count):
        assert vault.get(f"{number:03}", bucket) == (SCRUBBED * (1 + 50 * number) if number % 2 else CLEAN)
    rows = vault.s3.list_object_versions(Bucket=bucket)["Versions"]
    assert len(rows) == count, "one version of each"
    assert SSN.encode() not in state.read_bytes()


class Gate:
    """A wire to the store that holds back the first request that begins with given bytes, or is one of those, until it is let go."""

    def __init__(self, behind: Endpoint, held: bytes | Callable[[bytes], bool], meanwhile: Callable[[], None]) -> None:
        self.behind, self.meanwhile = behind, meanwhile
        self.held = held if callable(held) else lambda data: data.startswith(held)
        self.port, self.fired = free_port(), False
        self.lock, self.open = threading.Lock(), []
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.behind.port))
            self.open += [client, server]
            threading.Thread(target=self.carry, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.carry, args=(server, client, False), daemon=True).start()

    def carry(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        try:
            while data := source.recv(65536):
                with self.lock:
                    fires = watched and not self.fired and self.held(data)
                    self.fired |= fires
                if fires:
                    self.meanwhile()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """No new connection, and none of those that are there."""
        for one in [self.listener, *self.open]:
            # A thread that waits in it wakes up by this alone.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def over(gateway: Gateway, port: int) -> str:
    """The configuration of a gateway, with another way to its store."""
    config = gateway.root / f"over-{port}.toml"
    config.write_text(re.sub(r'endpoint = "[^"]*"', f'endpoint = "http://127.0.0.1:{port}"', gateway.config.read_text(), count=1))
    return str(config)


# A change of the metadata alone keeps the store's ETag: only the look before the write sees it.
@pytest.mark.parametrize(("live", "moment"), [("content", "while it is read"), ("content", "before it is written"), ("metadata", "while it is read")])
def test_a_write_in_between_is_not_undone(target, vault, live, moment):
    """A client writes through the gateway while the job has read the object and not yet written it. Whatever it changed stays."""
    if target.store is None:
        pytest.skip("the embedded store belongs to one process: nobody writes beside a job")
    vault.put("key", ROW * 100, Metadata={"turn": "old"})

    def write() -> None:
        if live == "content":
            vault.put("key", ROW * 7, Metadata={"turn": "new"})
        else:
            source = {"Bucket": vault.bucket, "Key": "key"}
            vault.s3.copy_object(**source, CopySource=source, MetadataDirective="REPLACE", Metadata={"turn": "new"})

    # The last that is done before the object itself is written is to keep its record.
    written = f"PUT /{vault.gateway.system_bucket}/scrubbed/{vault.bucket}/" if moment == "while it is read" else f"PUT /{vault.bucket}/key"
    gate = Gate(vault.gateway.behind, written.encode(), write)
    job = start(vault.gateway, "scrub", f"s3://{vault.bucket}", *IN_PLACE, "--report", "json", config=over(vault.gateway, gate.port))
    out, log = job.communicate(timeout=120)
    gate.close()
    assert gate.fired and job.returncode == 0, log
    got = vault.s3.get_object(Bucket=vault.bucket, Key="key")
    assert got["Metadata"] == {"turn": "new"}
    assert got["Body"].read() == SCRUBBED * (7 if live == "content" else 100), "what the client wrote, scrubbed"
    assert json.loads(out)["outcomes"] == {"scrubbed": 1}


def test_what_is_gone_before_it_was_read_back_takes_nothing_with_it(target, vault):
    """A client deletes the version that the job has just written. The one that it was made from is not destroyed for one that nobody has seen."""
    if target.store is None:
        pytest.skip("the embedded store belongs to one process: nobody writes beside a job")
    vault.s3.put_bucket_versioning(Bucket=vault.bucket, VersioningConfiguration={"Status": "Enabled"})
    old = vault.put("key", ROW)["VersionId"]

    def delete() -> None:
        (new,) = {row["VersionId"] for row in vault.s3.list_object_versions(Bucket=vault.bucket)["Versions"]} - {old}
        vault.s3.delete_object(Bucket=vault.bucket, Key="key", VersionId=new)

    read_back = f"GET /{vault.bucket}/key?".encode()
    gate = Gate(vault.gateway.behind, lambda data: data.startswith(read_back) and b"versionId" in data.split(b"\r\n")[0] and old.encode() not in data, delete)
    job = start(vault.gateway, "scrub", f"s3://{vault.bucket}", *IN_PLACE, "--destroy-versions", "--report", "json", config=over(vault.gateway, gate.port))
    out, log = job.communicate(timeout=120)
    gate.close()
    assert gate.fired and job.returncode == 0, log
    # It was still there, and was scrubbed once more.
    assert versions(vault, "key") == [SCRUBBED]
    assert json.loads(out)["outcomes"] == {"scrubbed": 1, "destroyed": 1}


def test_what_is_refused_is_left_and_told(vault, tmp_path):
    policy = tmp_path / "blocks.toml"
    policy.write_text('id = "no-numbers"\nversion = 7\n[types.US_SSN]\nstrategy = "block"\n')
    vault.put("blocked", ROW)
    vault.put("image", b"\x89PNG\r\n\x1a\n" + noise(300))
    vault.put("cut", gzip.compress(ROW * 1000)[:-30])
    vault.put("fine", MAIL.encode())
    report = vault.report("scrub", f"s3://{vault.bucket}", "--in-place", "--policy", str(policy), status=4)
    assert report["outcomes"] == {"scrubbed": 1, "refused": 3}
    why = {problem["key"]: problem["why"] for problem in report["problems"]}
    assert "US_SSN" in why["blocked"] and "PNG" in why["image"] and "broken" in why["cut"]
    assert vault.get("blocked") == ROW and vault.get("fine") == b"<EMAIL_ADDRESS>"
    assert report["policy"] == "no-numbers/7"


def test_a_job_says_what_is_in_its_way(target, vault):
    vault.put("key", ROW)
    if target.store is None:
        beside = vault.gateway.run("scan", f"s3://{vault.bucket}")
        assert beside.returncode == 1 and "stop the gateway" in beside.stderr, beside.stderr
        return
    # Beside a gateway that runs, with one writer in the sidecar at a time.
    for _ in range(3):
        vault.put("more", CLEAN)
        assert vault.gateway.run("scan", f"s3://{vault.bucket}").returncode == 0
    job = start(vault.gateway, "scan", f"s3://{vault.bucket}", config=over(vault.gateway, free_port()))
    _, log = job.communicate(timeout=120)
    assert job.returncode == 1 and "the backend cannot be reached" in log


def test_a_store_that_goes_away_ends_a_job_that_then_goes_on(target, vault, tmp_path):
    if target.store is None:
        pytest.skip("the embedded store does not go away")
    fill(vault)
    place, state = f"s3://{vault.bucket}", tmp_path / "state"
    whole = vault.report("scan", place)

    def gone() -> None:
        gate.close()
        raise OSError("the store is gone")

    gate = Gate(vault.gateway.behind, f"GET /{vault.bucket}/corpus/006".encode(), gone)
    job = start(vault.gateway, "scan", place, "--jobs", "1", "--resume", str(state), config=over(vault.gateway, gate.port))
    _, log = job.communicate(timeout=120)
    assert job.returncode == 1 and f"--resume {state}" in log, log
    assert vault.report("scan", place, "--jobs", "1", "--resume", str(state)) == whole


def test_memory_does_not_grow_with_an_object(vault, tmp_path):
    vault.put("large", (ROW + CLEAN * 50) * 25_000)
    assert vault.s3.head_object(Bucket=vault.bucket, Key="large")["ContentLength"] > 25 * MIB
    with Stopped(vault.gateway):
        job = start(vault.gateway, "scrub", f"s3://{vault.bucket}", *IN_PLACE)
        peak = 0
        while job.poll() is None:
            try:
                status = (tmp_path.__class__(f"/proc/{job.pid}/status")).read_text()
            except OSError:
                break
            if found := re.search(r"VmHWM:\s+(\d+)", status):
                peak = max(peak, int(found[1]) * 1024)
            time.sleep(0.05)
        assert job.wait(timeout=120) == 0, job.communicate()
    assert 0 < peak < 200 * MIB, f"{peak / MIB:.0f} MiB"
