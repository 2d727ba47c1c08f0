"""Policies that security officers set over REST: what holds then, who may, what is refused, and what becomes of it when something is lost."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import sqlite3
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import pytest

from clients import MIB, boto, error_code, fresh
from servers import Gateway, http_status

pytestmark = pytest.mark.gateway

MAIL = "mary.johnson" + "@example.org"
TEXT = f"Write to {MAIL}.\n".encode()
CLEAN = b"Write to <EMAIL_ADDRESS>.\n"
MASKED = f"Write to {re.sub(r'[a-z]', '*', MAIL)}.\n".encode()
RIGHTS = {"alice": ["policies"], "bob": ["kept"], "carol": ["kept", "policies"], "dave": None}
TOKENS = {name: name[0] * 40 for name in RIGHTS}
OFFICERS = "".join(
    f'[[admin.officers]]\nname = "{name}"\ntoken = "{TOKENS[name]}"\n' + (f"may = {json.dumps(rights)}\n" if rights else "") for name, rights in RIGHTS.items()
)
OWN = 'id = "own"\nversion = {}\n[types.EMAIL_ADDRESS]\nstrategy = "mask"\n'


class Rest:
    """The REST of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def ask(self, method: str, path: str, body: str | bytes | None = None, officer: str | None = "alice", **headers: str):
        """Status, headers and body, decoded where it is JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if officer is not None:
            sent["Authorization"] = f"Bearer {TOKENS.get(officer, officer)}"
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(f"http://127.0.0.1:{self.gateway.admin}/v1/{path}", data=data, headers=sent, method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if answer.headers["Content-Type"] == "application/json" else text

    def set(self, bucket: str, setting: str | None, prefix: str = "", **more: str) -> int:
        """Sets it, or takes it back; over whatever is there, unless a condition is given. The status."""
        if not {"If_Match", "If_None_Match"} & set(more):
            more["If_Match"] = "*"
        method = "DELETE" if setting is None else "PUT"
        return self.ask(method, path(bucket, prefix), setting, **more)[0]

    def holds(self, bucket: str, prefix: str = "") -> dict:
        status, _, shown = self.ask("GET", path(bucket, prefix))
        assert status == 200, shown
        return shown

    def etag(self, bucket: str, prefix: str = "") -> str:
        return self.ask("GET", path(bucket, prefix))[1]["ETag"]


def path(bucket: str, prefix: str = "") -> str:
    return f"buckets/{quote(bucket, safe='')}/scrub" + (f"?prefix={quote(prefix, safe='')}" if prefix else "")


class System:
    """The changes of policies in the system bucket, as one who owns the storage reaches them; of the embedded store while its gateway is stopped."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def _key(self, number: int) -> str:
        return f"policies/{number:016}"

    @contextlib.contextmanager
    def _index(self):
        with contextlib.closing(sqlite3.connect(self.gateway.data / "objects" / "index.db")) as db, db:
            yield db

    def _blob(self, number: int):
        with self._index() as db:
            blob = db.execute(
                "SELECT hex(blob) FROM extents JOIN versions ON owner = seq WHERE CAST(key AS TEXT) = ? AND latest = 1", (self._key(number),)
            ).fetchone()[0]
        found = [file for file in (self.gateway.data / "objects" / "blobs").rglob("*") if file.is_file() and blob.lower() in str(file.relative_to(self.gateway.data)).replace("/", "")]
        assert len(found) == 1, found
        return found[0]

    def read(self, number: int) -> bytes:
        if self.gateway.behind is not None:
            return boto(self.gateway.behind).get_object(Bucket=self.gateway.system_bucket, Key=self._key(number))["Body"].read()
        return self._blob(number).read_bytes()

    def write(self, number: int, data: bytes) -> None:
        if self.gateway.behind is not None:
            boto(self.gateway.behind).put_object(Bucket=self.gateway.system_bucket, Key=self._key(number), Body=data)
        else:
            assert len(data) == len(self.read(number)), "the embedded store knows the length"
            self._blob(number).write_bytes(data)

    def remove(self, number: int) -> None:
        if self.gateway.behind is not None:
            boto(self.gateway.behind).delete_object(Bucket=self.gateway.system_bucket, Key=self._key(number))
            return
        with self._index() as db:
            assert db.execute("DELETE FROM versions WHERE CAST(key AS TEXT) = ?", (self._key(number),)).rowcount == 1


@pytest.fixture
def made(make_gateway):
    """A gateway, a client, its REST and a new bucket that the configuration does not name."""

    def make(more: str = "", overrides: dict[str, str] | None = None):
        gateway = make_gateway(overrides, more=OFFICERS + more)
        s3, bucket = boto(gateway.endpoint), fresh("rest")
        s3.create_bucket(Bucket=bucket)
        return gateway, s3, Rest(gateway), bucket

    return make


def body(s3, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def lose_sidecar(gateway: Gateway) -> None:
    for file in gateway.sidecar_files():
        file.unlink()


def refuses_to_start(gateway: Gateway) -> str:
    """What its log says of it."""
    before = len(gateway.log.read_text())
    with pytest.raises(RuntimeError, match="ended at start with 1"):
        gateway.start()
    gateway.process = None
    return gateway.log.read_text()[before:]


def test_what_is_set_holds_for_the_next_put(made):
    gateway, s3, rest, bucket = made()
    s3.put_object(Bucket=bucket, Key="before", Body=TEXT)
    assert body(s3, bucket, "before") == TEXT
    status, headers, shown = rest.ask("PUT", path(bucket), 'scrub = "enforce"\non_media = "pass"\n')
    assert (status, shown["policy"], shown["managed_by"]) == (200, "llm-training/1", "rest"), shown
    assert (shown["settings"]["scrub"], shown["settings"]["on_media"], shown["settings"]["on_unknown"]) == ("enforce", "pass", "refuse")
    assert shown["set"]["setting"] == {"scrub": "enforce", "on_media": "pass"} and shown["set"]["by"] == "alice"
    answer = s3.put_object(Bucket=bucket, Key="after", Body=TEXT)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-data-vault-policy"] == "llm-training/1"
    assert body(s3, bucket, "after") == CLEAN
    # Nothing outlives its policy: what was there before is not read, by no way.
    for read in (
        lambda: s3.get_object(Bucket=bucket, Key="before"),
        lambda: s3.get_object(Bucket=bucket, Key="before", Range="bytes=0-3"),
        lambda: s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "before"}),
    ):
        assert error_code(read) == "AccessDenied"
    # The same again is no change; as JSON too.
    status, again, _ = rest.ask("PUT", path(bucket), '{"scrub": "enforce", "on_media": "pass"}', If_Match="*", Content_Type="application/json")
    assert (status, again["ETag"]) == (200, headers["ETag"])
    assert [item["bucket"] for item in rest.ask("GET", "buckets")[2]["items"] if item["set"]] == [bucket]
    # Back to what the configuration says.
    assert rest.set(bucket, None) == 200
    shown = rest.holds(bucket)
    assert (shown["settings"]["scrub"], shown["set"], shown["policy"]) == ("off", None, None)
    s3.put_object(Bucket=bucket, Key="off", Body=TEXT)
    assert body(s3, bucket, "off") == body(s3, bucket, "before") == TEXT
    figures = gateway.metrics()
    assert figures['data_vault_scrub_policy_changes_total{kind="setting"}'] == figures["data_vault_scrub_policy_change_number"] == 2
    lines = [line for line in gateway.log.read_text().splitlines() if "scrub policy of a bucket was changed" in line]
    assert len(lines) == 2 and all("alice" in line for line in lines)


def test_prefixes(made):
    _, s3, rest, bucket = made()
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "gdpr"') == 200
    assert rest.set(bucket, 'scrub = "off"', "raw/") == 200
    assert rest.set(bucket, 'scrub = "enforce"', "raw/safe & sound/") == 200
    for key, stored in [("a", CLEAN), ("raw/a", TEXT), ("raw/safe & sound/a", CLEAN)]:
        s3.put_object(Bucket=bucket, Key=key, Body=TEXT)
        assert body(s3, bucket, key) == stored
    shown = rest.holds(bucket)
    assert {prefix: of["policy"] for prefix, of in shown["prefixes"].items()} == {"raw/": None, "raw/safe & sound/": "gdpr/1"}
    assert rest.holds(bucket, "raw/")["set"]["setting"] == {"scrub": "off"}
    assert rest.holds(bucket, "raw/deeper/")["set"] is None
    assert rest.set(bucket, None, "raw/") == 200
    s3.put_object(Bucket=bucket, Key="raw/b", Body=TEXT)
    assert body(s3, bucket, "raw/b") == CLEAN
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="raw/a")) == "AccessDenied"


def test_who_may(made):
    _, _, rest, bucket = made()
    calls = [("GET", "policies"), ("PUT", "policies/own"), ("GET", "buckets"), ("GET", path(bucket)), ("PUT", path(bucket)), ("DELETE", path(bucket)), ("GET", path(bucket) + "?history")]
    for officer in (None, "nobody", "bob", "dave"):
        for method, call in calls:
            assert rest.ask(method, call, 'scrub = "off"', officer=officer)[0] == 403, (officer, method, call)
    assert "may not" in rest.ask("GET", "policies", officer="bob")[2]["message"]
    for officer, status in [("alice", 403), ("bob", 200), ("carol", 200), ("dave", 200)]:
        assert rest.ask("GET", f"quarantine/{bucket}", officer=officer)[0] == status, officer
    assert rest.ask("GET", "policies", officer="carol")[0] == 200
    assert rest.holds(bucket)["set"] is None


@pytest.mark.parametrize(
    ("sent", "of", "said"),
    [
        ('scrub = "enforce"\non_medium = "pass"\n', "text/plain", "body:2:1: unknown field `on_medium`"),
        ('scrub = "on"\n', "text/plain", "body:1:9: unknown variant `on`"),
        ('scrub = "enforce\n', "text/plain", "body:1:"),
        ('state = "migrating"\n', "text/plain", "unknown field `state`"),
        ('{"scrub": "enforce",\n"prefixes": {}}', "application/json", "line 2"),
        ("[]", "application/json", "body:"),
        (b"scrub = '\xff'", "text/plain", "UTF-8"),
        ('scrub_policy = "/etc/hostname"\n', "text/plain", "neither built in"),
        ('scrub_policy = "own"\n', "text/plain", "neither built in (llm-training, gdpr"),
        ('scrub_policy = "gdpr/7"\n', "text/plain", "neither built in"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(made, sent, of, said):
    _, _, rest, bucket = made()
    status, _, told = rest.ask("PUT", path(bucket), sent, Content_Type=of)
    assert status == 400 and said in told["message"], told
    assert rest.holds(bucket)["set"] is None


def test_what_cannot_be_named_and_what_is_too_much(made):
    gateway, _, rest, bucket = made()
    assert rest.ask("PUT", path(bucket), "#" * (17 << 10))[0] == 413
    assert rest.ask("PUT", path(bucket, "p" * 1025), "")[0] == 400
    assert rest.ask("PUT", path("default"), 'scrub = "off"')[0] == 400
    assert rest.ask("PUT", path("a/b"), 'scrub = "off"')[0] == 400
    assert rest.ask("PUT", path(gateway.system_bucket or "data-vault-system"), 'scrub = "off"')[0] >= 400
    assert rest.ask("POST", path(bucket), 'scrub = "off"')[0] == 404
    assert rest.ask("PUT", "policies/own", "#" * (257 << 10))[0] == 413
    status, _, told = rest.ask("PUT", "policies/own", 'id = "own"\nversion = 0\n[types.email]\n[[deny]]\ntype = "X"\npattern = "("\n')
    assert status == 400 and "body, line 2: version" in told["message"] and "body, line 4: pattern" in told["message"], told
    assert rest.ask("PUT", "policies/own", 'id = "own"\nversion = 1\n[types.NO_SUCH_TYPE]\nenabled = true\n')[0] == 400
    assert rest.ask("PUT", "policies/other", OWN.format(1))[0] == 400
    assert rest.ask("PUT", "policies/..%2Fown", OWN.format(1))[0] == 400
    assert rest.ask("PUT", "policies/gdpr", 'id = "gdpr"\nversion = 2\n')[0] == 409
    assert [item for item in rest.ask("GET", "policies")[2]["items"] if item["origin"] == "stored"] == []
    assert rest.gateway.metrics()["data_vault_scrub_policy_change_number"] == 0


def test_the_configuration_keeps_what_it_names(made, tmp_path):
    policy = tmp_path / "file.toml"
    policy.write_text('id = "of-file"\nversion = 4\n')
    _, s3, rest, _ = made(
        f'[buckets."held"]\nscrub = "enforce"\nscrub_policy = "{policy}"\n[buckets."given"]\nscrub = "enforce"\nscrub_managed_by = "rest"\n'
        '[buckets."closed"]\nscrub_managed_by = "configuration"\n'
    )
    for bucket in ("held", "closed"):
        for setting in ('scrub = "off"', None):
            for prefix in ("", "raw/"):
                assert rest.set(bucket, setting, prefix) == 409
        assert rest.holds(bucket)["managed_by"] == "configuration"
    assert rest.holds("held")["policy"] == "of-file/4"
    assert rest.holds("given")["policy"] == "llm-training/1"
    assert rest.set("given", 'scrub_policy = "gdpr"') == 200
    assert rest.holds("given")["policy"] == "gdpr/1"
    # A file of the configuration is shown, and its version is taken.
    assert rest.ask("GET", "policies/of-file")[2] == policy.read_bytes()
    assert rest.ask("PUT", "policies/of-file", 'id = "of-file"\nversion = 4\n')[0] == 409
    assert rest.ask("PUT", "policies/of-file", 'id = "of-file"\nversion = 5\n')[0] == 201


def test_what_was_set_does_not_hold_once_the_configuration_names_the_bucket(made):
    gateway, s3, rest, bucket = made()
    assert rest.set(bucket, 'scrub = "off"') == 200
    gateway.restart_with(gateway.more + f'[buckets."{bucket}"]\nscrub = "enforce"\n')
    s3 = boto(gateway.endpoint)
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    assert body(s3, bucket, "key") == CLEAN
    assert "does not hold, since the configuration says" in gateway.log.read_text()
    shown = rest.holds(bucket)
    assert (shown["managed_by"], shown["settings"]["scrub"], shown["set"]["setting"]["scrub"]) == ("configuration", "enforce", "off")


def test_two_officers_do_not_undo_each_other(made):
    _, _, rest, bucket = made()
    seen = rest.etag(bucket)
    assert rest.set(bucket, 'scrub = "enforce"', If_Match=seen) == 200
    assert rest.set(bucket, 'scrub = "off"', If_Match=seen, officer="carol") == 412
    assert rest.ask("PUT", path(bucket), 'scrub = "off"', officer="carol")[0] == 428
    assert rest.ask("DELETE", path(bucket), officer="carol")[0] == 428
    assert rest.set(bucket, 'scrub = "off"', If_None_Match="*", officer="carol") == 412
    assert rest.set(bucket, 'scrub = "dual"', If_Match=rest.etag(bucket), officer="carol") == 200
    assert rest.set(bucket, 'scrub = "off"', "raw/", If_None_Match="*") == 200
    assert (rest.holds(bucket)["settings"]["scrub"], rest.holds(bucket)["set"]["by"]) == ("dual", "carol")
    # Of many that saw the same, one comes through.
    seen = rest.etag(bucket)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: rest.set(bucket, f"max_bad_records = {number}", If_Match=seen), range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert rest.holds(bucket)["settings"]["max_bad_records"] == statuses.index(200)
    # Those of different buckets all do.
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda number: rest.ask("PUT", path(f"bucket-{number}"), 'scrub = "detect"')[0], range(8))) == {200}
    assert all(rest.holds(f"bucket-{number}")["settings"]["scrub"] == "detect" for number in range(8))


def test_stored_policies(made):
    _, s3, rest, bucket = made()
    status, _, told = rest.ask("PUT", "policies/own", OWN.format(1))
    assert (status, told["id"], told["version"], told["by"]) == (201, "own", 1, "alice"), told
    assert rest.ask("PUT", "policies/own", OWN.format(1), officer="carol")[0] == 200
    assert rest.ask("PUT", "policies/own", OWN.format(1) + "# another\n")[0] == 409
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own"') == 200
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    assert body(s3, bucket, "key") == MASKED
    # A newer version holds only where it is named, and what the older one has seen is then not read.
    assert rest.ask("PUT", "policies/own", OWN.format(2))[0] == 201
    assert rest.holds(bucket)["policy"] == "own/1"
    assert body(s3, bucket, "key") == MASKED
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own"') == 200
    assert rest.holds(bucket)["set"]["setting"]["scrub_policy"] == "own/2"
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="key")) == "AccessDenied"
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own/1"') == 200
    assert body(s3, bucket, "key") == MASKED
    for at, found, text in [("own", "own/2", OWN.format(2)), ("own/1", "own/1", OWN.format(1))]:
        status, headers, got = rest.ask("GET", f"policies/{at}")
        assert (status, headers["x-data-vault-policy"], got.decode()) == (200, found, text)
    assert b'id = "gdpr"' in rest.ask("GET", "policies/gdpr/1")[2]
    for missing in ("own/3", "own/x", "other", "gdpr/2"):
        assert rest.ask("GET", f"policies/{missing}")[0] == 404
    items = {(item["id"], item["version"]): item["origin"] for item in rest.ask("GET", "policies")[2]["items"]}
    assert items[("own", 1)] == items[("own", 2)] == "stored" and items[("hipaa", 1)] == "built in"


def test_history(made):
    _, _, rest, bucket = made()
    rest.set("another", 'scrub = "detect"')
    rest.set(bucket, 'scrub = "detect"')
    rest.ask("PUT", "policies/own", OWN.format(1))
    rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own"', "raw/", officer="carol")
    rest.set(bucket, None)
    status, _, page = rest.ask("GET", path(bucket) + "?history")
    assert (status, page["next"]) == (200, None)
    assert [(item["number"], item["by"], item["prefix"], item["before"], item["after"]) for item in page["items"]] == [
        (5, "alice", "", {"scrub": "detect"}, None),
        (4, "carol", "raw/", None, {"scrub": "enforce", "scrub_policy": "own/1"}),
        (2, "alice", "", None, {"scrub": "detect"}),
    ]
    assert all(item["at"].startswith("20") for item in page["items"])
    assert [item["number"] for item in rest.ask("GET", path(bucket) + "?history&before=4")[2]["items"]] == [4, 2]
    for before in ("1", "3", "6", "x"):
        assert rest.ask("GET", f"{path(bucket)}?history&before={before}")[0] == 400
    for number in range(120):
        rest.set("another", f"max_bad_records = {number}")
    page = rest.ask("GET", path("another") + "?history")[2]
    rest_of_it = rest.ask("GET", f"{path('another')}?history&before={page['next']}")[2]
    assert (len(page["items"]), len(rest_of_it["items"]), rest_of_it["next"]) == (100, 21, None)


def test_nothing_is_lost_with_the_sidecar(made):
    gateway, s3, rest, bucket = made()
    rest.ask("PUT", "policies/own", OWN.format(1))
    rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own"')
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    seen = rest.holds(bucket), rest.etag(bucket), rest.ask("GET", path(bucket) + "?history")[2]
    for lose in (lambda: None, lambda: lose_sidecar(gateway), lambda: (lose_sidecar(gateway), gateway.run("sidecar", "rebuild"))):
        gateway.stop()
        lose()
        gateway.start()
        s3 = boto(gateway.endpoint)
        assert (rest.holds(bucket), rest.etag(bucket), rest.ask("GET", path(bucket) + "?history")[2]) == seen
        assert body(s3, bucket, "key") == MASKED
        s3.put_object(Bucket=bucket, Key="again", Body=TEXT)
        assert body(s3, bucket, "again") == MASKED
    # A crash right behind the answer loses nothing either, and a job goes by what is set.
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "gdpr"') == 200
    gateway.kill()
    done = gateway.run("scrub", f"s3://{bucket}", "--in-place", "--report", "json", "--gateway-stopped")
    assert done.returncode == 0 and json.loads(done.stdout)["policy"] == "gdpr/1", done.stderr
    gateway.start()
    assert rest.holds(bucket)["policy"] == "gdpr/1"
    assert body(boto(gateway.endpoint), bucket, "key") == MASKED


@pytest.mark.parametrize("harm", ["a flipped bit", "an older one in its place", "the last one gone", "all gone", "a policy that is used gone"])
def test_what_cannot_be_read_is_not_taken_for_off(made, harm):
    gateway, s3, rest, bucket = made()
    system = System(gateway)
    assert rest.ask("PUT", "policies/own", OWN.format(1))[0] == 201
    for setting in ('scrub = "detect"', 'scrub = "enforce"\nscrub_policy = "own"'):
        assert rest.set(bucket, setting) == 200
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    gateway.stop()
    before = [system.read(number) for number in (1, 2, 3)]
    kept, last = before[1:]
    if harm == "a flipped bit":
        system.write(3, last[:60] + bytes([last[60] ^ 1]) + last[61:])
    elif harm == "an older one in its place":
        system.write(3, kept[: len(last)].ljust(len(last), b"\0") if gateway.behind is None else kept)
    else:
        for number in {"the last one gone": [3], "all gone": [3, 2, 1], "a policy that is used gone": [1]}[harm]:
            system.remove(number)
    said = refuses_to_start(gateway)
    assert "cannot read the scrub policies" in said, said
    assert f"policies/{1 if 'used' in harm else 3:016}" in said, said
    # A job does not go by something else either.
    done = gateway.run("scan", f"s3://{bucket}")
    assert done.returncode == 1 and "cannot read the scrub policies" in done.stderr, done.stderr
    if harm == "the last one gone":
        # Only the sidecar knew of it.
        lose_sidecar(gateway)
        gateway.start()
        assert rest.holds(bucket)["settings"]["scrub"] == "detect"
    elif gateway.behind is not None or harm == "a flipped bit":
        if gateway.behind is not None:
            for number, data in enumerate(before, 1):
                system.write(number, data)
        else:
            system.write(3, before[2])
        gateway.start()
        assert body(boto(gateway.endpoint), bucket, "key") == MASKED


def test_history_that_is_lost_keeps_nobody_from_working(made):
    gateway, s3, rest, bucket = made()
    for setting in ('scrub = "off"', 'scrub = "detect"', 'scrub = "enforce"'):
        assert rest.set(bucket, setting) == 200
    gateway.stop()
    System(gateway).remove(2)
    gateway.start()
    s3 = boto(gateway.endpoint)
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    assert body(s3, bucket, "key") == CLEAN
    status, _, told = rest.ask("GET", path(bucket) + "?history")
    assert status == 500 and "policies/0000000000000002" in told["message"], told
    assert "are missing in the system bucket" in gateway.log.read_text()
    assert rest.set(bucket, 'scrub = "dual"') == 200


def test_a_request_goes_by_the_policy_that_it_began_with(made):
    gateway, s3, rest, bucket = made()
    in_flight = []
    for key, before, during in [("begun off", "off", "enforce"), ("begun enforced", "enforce", "off")]:
        assert rest.set(bucket, f'scrub = "{before}"') == 200
        url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
        connection.putrequest("PUT", f"{url.path}?{url.query}")
        connection.putheader("Content-Length", str(len(TEXT)))
        connection.endheaders()
        connection.send(TEXT[:12])
        wait_for(lambda: gateway.metrics()["data_vault_requests_in_flight"] == 1)
        assert rest.set(bucket, f'scrub = "{during}"') == 200
        connection.send(TEXT[12:])
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
        in_flight.append(key)
    assert body(s3, bucket, "begun off") == TEXT and body(s3, bucket, "begun enforced") == CLEAN
    # What was stored as it came is not read under a policy that has not seen it.
    assert rest.set(bucket, 'scrub = "enforce"') == 200
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="begun off")) == "AccessDenied"
    assert body(s3, bucket, "begun enforced") == CLEAN


def test_uploads_in_parts_over_a_change(made):
    _, s3, rest, bucket = made()
    part = TEXT * (5 * MIB // len(TEXT) + 1)

    def begin(key: str) -> tuple[dict, list]:
        upload = {"Bucket": bucket, "Key": key, "UploadId": s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]}
        parts = [{"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=data)["ETag"]} for number, data in ((1, part), (2, TEXT))]
        return upload, parts

    def complete(upload: dict, parts: list):
        return s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    begun_off = begin("begun off")
    assert rest.set(bucket, 'scrub = "enforce"') == 200
    # Its first part is at its place already, unseen.
    assert error_code(lambda: complete(*begun_off)) == "InvalidPart"
    enforced = begin("enforced")
    complete(*begin("all enforced"))
    assert MAIL.encode() not in body(s3, bucket, "all enforced")
    assert rest.set(bucket, 'scrub = "detect"') == 200
    complete(*enforced)
    assert body(s3, bucket, "enforced") == part + TEXT
    assert rest.set(bucket, 'scrub = "enforce"') == 200
    assert error_code(lambda: s3.get_object(Bucket=bucket, Key="enforced")) == "AccessDenied"
    assert MAIL.encode() not in body(s3, bucket, "all enforced")


def wait_for(holds, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.05)


QUICK = {"limits.policies_every": "200ms", "limits.policies_age": "1s"}


@pytest.fixture
def beside(target, made, tmp_path):
    """A gateway with a bucket, and a second one over the same store and system bucket with a sidecar of its own."""
    if target.store is None:
        pytest.skip("the embedded store belongs to one process")
    gateway, s3, rest, bucket = made(overrides=QUICK)
    other = Gateway(tmp_path / "other", gateway.behind, gateway.system_bucket, QUICK, more=OFFICERS)
    shutil.copytree(gateway.data, other.data, ignore=shutil.ignore_patterns("sidecar.db*"))
    other.start()
    yield rest, s3, Rest(other), boto(other.endpoint), bucket
    other.kill()


def test_another_process_sees_it(beside):
    rest, s3, other, s3_there, bucket = beside
    assert rest.ask("PUT", "policies/own", OWN.format(1))[0] == 201
    assert rest.set(bucket, 'scrub = "enforce"\nscrub_policy = "own"') == 200
    wait_for(lambda: other.holds(bucket)["policy"] == "own/1")
    s3_there.put_object(Bucket=bucket, Key="key", Body=TEXT)
    assert body(s3, bucket, "key") == MASKED
    # One that changes something knows the newest, and each of many changes is there in the end.
    assert other.set(bucket, 'scrub = "detect"', If_Match=rest.etag(bucket)) == 200
    assert rest.set(bucket, 'scrub = "off"', If_Match='"1"') == 412
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda number: (rest, other)[number % 2].ask("PUT", path(f"bucket-{number}"), 'scrub = "enforce"')[0], range(16)))
    assert set(statuses) <= {200, 409} and statuses.count(200) >= 8, statuses
    for number, status in enumerate(statuses):
        for side in (rest, other):
            wait_for(lambda: (side.holds(f"bucket-{number}")["set"] is not None) == (status == 200))


def test_nothing_is_served_once_it_is_not_known_what_holds(beside):
    rest, s3, other, s3_there, bucket = beside
    assert rest.set(bucket, 'scrub = "enforce"') == 200
    s3.put_object(Bucket=bucket, Key="key", Body=TEXT)
    system = System(rest.gateway)
    system.write(2, b"not sealed by anybody " * 20)
    for side, client in ((rest, s3), (other, s3_there)):
        wait_for(lambda: http_status(side.gateway.admin, "/readyz") == 503)
        for call in (lambda: client.get_object(Bucket=bucket, Key="key"), lambda: client.put_object(Bucket=bucket, Key="new", Body=TEXT)):
            assert error_code(call) == "ServiceUnavailable"
        assert side.set(bucket, 'scrub = "off"') >= 500
    system.remove(2)
    for side, client in ((rest, s3), (other, s3_there)):
        wait_for(lambda: http_status(side.gateway.admin, "/readyz") == 200)
        assert body(client, bucket, "key") == CLEAN
