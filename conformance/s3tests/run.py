#!/usr/bin/env python3
"""Runs ceph/s3-tests directly and through the gateway, over http and over https, and prints what differs.

    conformance/peers.sh s3tests
    ~/.cache/llm-data-vault/s3tests-venv/bin/python conformance/s3tests/run.py TREE --backend minio --tls also --docs

TREE is a checked-out https://github.com/ceph/s3-tests. A test that passes directly and fails through the gateway is run again
alone on both sides; only then is it a regression. Ends with 1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import plugin

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from certificates import Authority  # noqa: E402
from servers import REPOSITORY, Endpoint, Server  # noqa: E402
from stores import LOCAL, STORES, GatewayOfUsers, Users, environment  # noqa: E402

FILES = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")

LEFT_OUT = {
    "lifecycle_expiration": "waits for a store whose days last seconds",
    "lifecycle_transition": "waits for a store whose days last seconds",
}
"""Marks that are not run, with the reason."""

CRASHES = {"rgw": {"test_upload_part_copy_percent_encoded_key": "RGW 16 does not answer it and stalls"}}
"""Tests that are not run against a backend, with the reason."""

DIRECT, GATEWAY, SECURE, DETECTING = "direct", "gateway", "gateway over TLS", "gateway that detects"
"""The sides."""

OTHER_OVER_TLS = {
    "test_object_create_bad_contentlength_empty": "over https boto3 sends the body in chunks, and `Transfer-Encoding` overrides a Content-Length, "
    "whatever it is (RFC 9112, 6.3); MinIO under TLS fails it too",
}
"""Tests whose clients send another request over https than over http, with what makes the difference. Not counted as regressions of TLS."""

ALONE = re.compile(r"::test_(list_buckets|buckets_|bucket_list_all|account_usage|bucket_create_exists_nonowner|bucket_notexist)")
"""Tests that look at all buckets of an account: not beside others."""


class Outcome(StrEnum):
    PASSED = "passed"
    SKIPPED = "skipped"
    # Passed, but its buckets could not be removed.
    UNCLEAN = "passed, clean-up failed"
    FAILED = "failed"


@dataclass
class Result:
    """What became of one test on one side."""

    outcome: Outcome = Outcome.FAILED
    text: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.outcome in (Outcome.PASSED, Outcome.UNCLEAN)


Results = dict[str, Result]


@dataclass
class Side:
    """One way to the store: directly, or through the gateway."""

    name: str
    endpoint: Endpoint
    users: Users
    folder: Path
    tree: Path
    jobs: int
    limit: int
    left_out: list[str]
    results: Results = field(default_factory=dict)
    runs: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def stem(self) -> str:
        """Of the names of its files."""
        return self.name.replace(" ", "-")

    def log(self) -> Path:
        """What the run of pytest printed that goes on or went last."""
        return self.folder / f"{self.stem}-{self.runs}.log"

    def configuration(self) -> Path:
        secure = self.endpoint.ca is not None
        sections = [f"[DEFAULT]\nhost = 127.0.0.1\nport = {self.endpoint.port}\nis_secure = {secure}\nssl_verify = {secure}"]
        named = {"s3 main": self.users.main, "s3 alt": self.users.alt, "s3 tenant": self.users.tenant}
        named |= {"iam": self.users.iam, "iam root": self.users.iam, "iam alt root": self.users.iam}
        for name, user in named.items():
            lines = [f"[{name}]", f"access_key = {user.access_key}", f"secret_key = {user.secret_key}"]
            lines += [f"user_id = {user.user_id}", f"display_name = {user.display_name}", f"email = {user.email}"]
            if name == "s3 tenant":
                lines.append(f"tenant = {user.tenant}")
            if name == "s3 main":
                lines.append(f"api_name = {self.users.api_name}")
            sections.append("\n".join(lines))
        path = self.folder / f"{self.stem}.conf"
        path.write_text("\n\n".join(sections) + "\n")
        return path

    def collect(self, chosen: str | None) -> list[str]:
        """Every test that is to run."""
        arguments = ["--collect-only", "-q", *FILES, "-m", " and ".join(f"not {mark}" for mark in LEFT_OUT)]
        if chosen:
            arguments += ["-k", chosen]
        output = self._pytest(arguments, self.folder / "collected.jsonl", 300)
        tests = [line for line in output.splitlines() if "::" in line and not line.startswith("ERROR")]
        return [test for test in tests if not any(name in test for name in self.left_out)]

    def run(self, tests: list[str], jobs: int | None = None) -> Results:
        """Runs the tests, by default in parallel but for those that look at other tests' buckets."""
        alone = [test for test in tests if ALONE.search(test)] if jobs is None else []
        together = [test for test in tests if test not in set(alone)]
        results: Results = {}
        for part, workers in ((together, self.jobs if jobs is None else jobs), (alone, 0)):
            if part:
                results |= self._run(part, workers)
        return results

    def _run(self, tests: list[str], jobs: int) -> Results:
        self.runs += 1
        lines = self.folder / f"{self.stem}-{self.runs}.jsonl"
        listed = self.folder / f"{self.stem}-{self.runs}.tests"
        listed.write_text("\n".join(tests) + "\n")
        arguments = [f"@{listed}", "-q", "--tb=short", "--timeout", str(self.limit), "--timeout-method=signal"]
        if jobs > 1:
            arguments += ["-n", str(jobs), "--dist", "worksteal"]
        self._pytest(arguments, lines, 60 + self.limit * len(tests))
        results = {test: Result(text="no outcome: the worker ended") for test in tests}
        phases: dict[str, list[dict]] = {}
        for line in lines.read_text().splitlines() if lines.exists() else []:
            entry = json.loads(line)
            phases.setdefault(entry["test"], []).append(entry)
        for test, entries in phases.items():
            results[test] = judge(entries)
        return results

    def _pytest(self, arguments: list[str], lines: Path, within: float) -> str:
        made = {
            "S3TEST_CONF": str(self.configuration()),
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            plugin.RESULTS: str(lines),
        }
        if self.endpoint.ca is not None:
            # One for what the configuration reaches, one for `requests` where a test leaves `verify` out, one for bare sockets.
            made |= dict.fromkeys((plugin.AUTHORITY, "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(self.endpoint.ca))
        log = self.log()
        command = [sys.executable, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider", *arguments]
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, cwd=self.tree, env=environment() | made, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                self.process.wait(within)
            finally:
                self.stop()
        return log.read_text(errors="replace")

    def stop(self) -> None:
        """Ends the pytest that runs, if one does; its workers end with it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()


def judge(entries: list[dict]) -> Result:
    """One outcome from the phases of a test."""
    seconds = sum(entry["seconds"] for entry in entries)
    bad = [entry for entry in entries if entry["outcome"] != "passed"]
    if not bad:
        called = any(entry["phase"] == "call" for entry in entries)
        return Result(Outcome.PASSED, "", seconds) if called else Result(Outcome.FAILED, "did not finish", seconds)
    first = bad[0]
    if first["outcome"] == "skipped":
        return Result(Outcome.SKIPPED, first["text"], seconds)
    outcome = Outcome.UNCLEAN if first["phase"] == "teardown" else Outcome.FAILED
    return Result(outcome, first["text"], seconds)


@dataclass
class Comparison:
    """What differs between the two sides. Each test once."""

    regressions: list[str] = field(default_factory=list)
    gains: list[str] = field(default_factory=list)
    flakes: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Of `OTHER_OVER_TLS`."""


def differs(direct: Result, gateway: Result) -> bool:
    return direct.outcome != gateway.outcome


def compare(direct: Side, *gateways: Side) -> list[Comparison]:
    """Runs what differs once more, alone on the sides that differ, and sorts it, for each gateway. A clean-up that fails on one side only
    differs too."""
    first = dict(direct.results)
    differing = [[test for test in first if differs(first[test], gateway.results[test])] for gateway in gateways]
    again = sorted({test for tests in differing for test in tests}, key=list(first).index)
    if again:
        say(f"{len(again)} differ; running them again, alone")
        direct.results |= direct.run(again, 0)
    return [sort(first, direct.results, gateway, tests) for gateway, tests in zip(gateways, differing, strict=True)]


def sort(first: Results, second: Results, gateway: Side, differing: list[str]) -> Comparison:
    """Runs the tests again and sorts them. `first` and `second`: what the direct side saw."""
    compared = Comparison()
    again = gateway.run(differing, 0) if differing else {}
    order = list(Outcome)
    for test in differing:
        runs = ((first[test], gateway.results[test]), (second[test], again[test]))
        worse = [order.index(through.outcome) > order.index(straight.outcome) for straight, through in runs]
        if not differs(*runs[1]) or worse[0] != worse[1]:
            compared.flakes.append(test)
        elif worse[1] and gateway.name == SECURE and name(test) in OTHER_OVER_TLS:
            compared.others.append(test)
        elif worse[1]:
            compared.regressions.append(test)
        else:
            compared.gains.append(test)
    gateway.results |= again
    return compared


def summary(test: str, result: Result) -> str:
    """The last line of a failure that says something."""
    lines = [line[1:].strip() for line in result.text.splitlines() if line.startswith("E ")]
    text = lines[0] if lines else (result.text.strip().splitlines() or [result.outcome])[-1]
    text = re.sub(r"t[0-9a-f]{16}-", "…-", text)
    return text.replace("|", "\\|").replace("`", "'")[:160]


def name(test: str) -> str:
    return test.split("::")[-1]


def listed(tests: Iterable[str]) -> str:
    return ", ".join(f"`{name(test)}`" for test in sorted(tests))


def table(total: int, sides: list[Side], compared: list[Comparison], brief: bool = False) -> str:
    """The block of a backend in docs/conformance.md. The first side is what the others are compared with. `brief`: gains are counted only."""
    lines = [f"{total} tests, on {time.strftime('%Y-%m-%d')} with the gateway of `{revision()}`.\n"]
    lines += ["| | passed | skipped | failed |", "|---|---|---|---|"]
    for side in sides:
        found = list(side.results.values())
        counts = [sum(r.passed for r in found), sum(r.outcome == Outcome.SKIPPED for r in found)]
        lines.append(f"| {side.name} | {counts[0]} | {counts[1]} | {len(found) - sum(counts)} |")
    first, *others = sides
    straight = "directly" if first.name == DIRECT else f"through the {first.name}"
    told: set[str] = set()
    for side, differing in zip(others, compared, strict=True):
        lines.append(f"\nPass {straight} and fail through the {side.name}: **{len(differing.regressions)}**")
        if differing.regressions:
            lines += ["", f"| Test | Through the {side.name} |", "|---|---|"]
            lines += [f"| `{name(t)}` | {summary(t, side.results[t])} |" for t in sorted(differing.regressions)]
        for test in differing.others:
            lines.append(f"\nOf another request, and not counted: `{name(test)}`: {OTHER_OVER_TLS[name(test)]}.")
        gains = set(differing.gains)
        lines.append(f"\nFail {straight} and pass through the {side.name}: {len(gains)}")
        if told and told - gains:
            lines[-1] += f"; not of those above: {listed(told - gains)}"
        if new := sorted(gains - told) if not brief else []:
            lines += ["", f"| Test | {straight.capitalize()} |", "|---|---|"]
            lines += [f"| `{name(t)}` | {summary(t, first.results[t])} |" for t in new]
        if differing.flakes:
            lines.append(f"\nFlakes (another outcome when run again, alone): {listed(differing.flakes)}")
        told |= gains
    return "\n".join(lines)


def revision() -> str:
    """The commit of the source tree."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "an unknown commit"


def write_docs(backend: str, block: str) -> None:
    """Replaces the backend's block in docs/conformance.md."""
    path = REPOSITORY / "docs" / "conformance.md"
    begin, end = f"<!-- s3tests {backend} -->", f"<!-- /s3tests {backend} -->"
    text = path.read_text()
    if begin not in text or end not in text:
        raise SystemExit(f"{path} has no block {begin}")
    before, _, rest = text.partition(begin)
    path.write_text(f"{before}{begin}\n{block}\n{end}{rest.partition(end)[2]}")


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a checked-out ceph/s3-tests")
    parser.add_argument("--backend", choices=["local", *STORES], default="minio")
    parser.add_argument("--tls", choices=["also", "only"], help="run through a gateway under TLS, besides that over http or instead of it")
    parser.add_argument("-k", dest="chosen", help="only tests that pytest's -k chooses")
    parser.add_argument("--jobs", type=int, default=4, help="tests at a time on each of two sides (4)")
    # Long, since a limit that is reached while an object is finalised ends the worker, and with it the tests that it had.
    parser.add_argument("--limit", type=int, default=300, help="seconds a test may take (300)")
    parser.add_argument("--out", type=Path, help="folder for logs and results; default a temporary one, which is kept")
    parser.add_argument("--detect", action="store_true", help="every bucket of the gateway has `scrub = \"detect\"`; `local` is compared with itself without it")
    parser.add_argument("--docs", action="store_true", help="write the table to docs/conformance.md")
    return parser.parse_args()


def main() -> int:
    chosen = arguments()
    if not (chosen.tree / FILES[0]).exists():
        raise SystemExit(f"{chosen.tree} is not a checked-out ceph/s3-tests")
    out = (chosen.out or Path(tempfile.mkdtemp(prefix="s3tests-"))).resolve()
    out.mkdir(parents=True, exist_ok=True)
    say(f"logs in {out}")
    servers: list[Server] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(chosen, out, servers)
    finally:
        for server in reversed(servers):
            server.kill()


def run(chosen: argparse.Namespace, out: Path, servers: list[Server]) -> int:
    def start(server: Server) -> Server:
        servers.append(server)
        server.start()
        return server

    def side(name: str, endpoint: Endpoint, users: Users) -> Side:
        left_out = list(CRASHES.get(chosen.backend, ()))
        return Side(name, endpoint, users, out, chosen.tree.resolve(), chosen.jobs, chosen.limit, left_out)

    def behind() -> tuple[Endpoint | None, Users]:
        """A store for each side: no bucket of the one is in the other's listings."""
        if chosen.backend not in STORES:
            return None, LOCAL
        store = start(STORES[chosen.backend](out / f"store-{len(servers)}"))
        return store.endpoint, store.users

    sides: list[Side] = []
    vaults: list[GatewayOfUsers] = []
    if chosen.backend in STORES:
        sides.append(side(DIRECT, *behind()))
    plan = []
    if chosen.detect and not sides:
        plan.append((GATEWAY, False, False))
    if chosen.tls != "only":
        plan.append((DETECTING if plan else GATEWAY, False, chosen.detect))
    if chosen.tls is not None:
        plan.append((SECURE, True, chosen.detect))
    for name, secure, detects in plan:
        endpoint, users = behind()
        vault = GatewayOfUsers(out / name.replace(" ", "-"), endpoint, users, Authority(out / "authority") if secure else None)
        if detects:
            vault.overrides["buckets.default.scrub"] = "detect"
        vaults.append(vault)
        start(vault)
        sides.append(side(name, vault.endpoint, users))

    tests = sides[-1].collect(chosen.chosen)
    if not tests:
        raise SystemExit(f"no tests were collected:\n{sides[-1].log().read_text()[-2000:]}")

    def first_run(each: Side) -> None:
        each.results = each.run(tests)
        say(f"{each.name}: {sum(result.passed for result in each.results.values())} pass")

    say(f"{len(tests)} tests, {chosen.jobs} at a time on each side")
    pool = ThreadPoolExecutor(2)
    try:
        list(pool.map(first_run, sides))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for each in sides:
            each.stop()
        pool.shutdown()
    compared = compare(*sides)

    block = table(len(tests), sides, compared, brief=chosen.detect)
    print(block)
    record = {
        "compared": {each.name: vars(found) for each, found in zip(sides[1:], compared, strict=True)},
        "sides": {each.name: {test: [r.outcome, r.seconds, r.text] for test, r in each.results.items()} for each in sides},
    }
    (out / "results.json").write_text(json.dumps(record, indent=1))
    if chosen.docs:
        write_docs(f"{chosen.backend}{' detect' if chosen.detect else ''}", block)
    if panics := [line for vault in vaults for line in vault.panics()]:
        print("\nThe gateway panicked:\n" + "\n".join(panics))
    return 1 if panics or any(found.regressions for found in compared) else 0


if __name__ == "__main__":
    os.chdir(HERE)
    sys.exit(main())
