"""docs/benchmarks-scrub-put.md: what a scrub costs a PUT, by format, and what the GETs of others notice of it.

    make bench-scrub-put                              # five rounds over MinIO, some minutes
    python bench/scrub_put.py --rounds 1 --quick      # a first look: small bodies, prints and writes no file

The same bytes go to a bucket with `scrub = "enforce"` and to one with `off`, in turn. MB/s a core is bytes sent over CPU seconds (`/proc/PID/stat`) of the
gateway alone. A bystander reads objects of 1 KiB, one after the other over one connection, while twice as many clients as there are processors send bodies to
be scrubbed, and while nobody does, in turn.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import multiprocessing
import os
import shutil
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "conformance"))

import corpora  # noqa: E402
import pyarrow as pa  # noqa: E402
from clients import KIB, MIB, boto, noise, object_path, sign  # noqa: E402
from machine import machine  # noqa: E402
from pyarrow import parquet  # noqa: E402
from servers import Endpoint, Gateway, Minio, connect  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"
BUCKETS = {"off": "bench-off", "enforce": "bench-enforce"}
MB = 1_000_000
TICKS = os.sysconf("SC_CLK_TCK")


def text(size: int) -> bytes:
    """Half prose, half support tickets with a finding a line."""
    out = io.BytesIO()
    for name in ("prose", "personal data"):
        corpora.write(name, size // 2, out)
    return out.getvalue()


def rows(size: int) -> list[dict]:
    """Records of some 250 bytes, with a ticket each."""
    made = []
    for number, (ticket, record) in enumerate(zip(corpora.personal(), corpora.records(), strict=False)):
        made.append({"n": number, **json.loads(record), "ticket": ticket.strip()})
        size -= len(record) + len(ticket)
        if size <= 0:
            return made
    return made


def jsonl(size: int) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows(size)).encode()


def table(size: int) -> bytes:
    out = io.StringIO(newline="")
    made = rows(size)
    writer = csv.DictWriter(out, list(made[0]))
    writer.writeheader()
    writer.writerows(made)
    return out.getvalue().encode()


def columns(size: int) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows(size)), out, compression="snappy", row_group_size=20_000)
    return out.getvalue()


FORMATS = {
    "text": text,
    "JSONL": jsonl,
    "CSV": table,
    "Parquet, Snappy": columns,
    "JSONL in gzip": lambda size: gzip.compress(jsonl(size), 6),
}


def cpu(pid: int) -> float:
    """CPU seconds of a process so far, user and system (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def get_all(endpoint: Endpoint, keys: list[str], seconds: float) -> list[float]:
    """Milliseconds of GETs, one after the other, for some time; signing is left out."""
    connection, took, until = connect(endpoint.port), [], time.monotonic() + seconds
    while time.monotonic() < until:
        path = object_path(BUCKETS["off"], keys[len(took) % len(keys)])
        headers = sign(endpoint, "GET", path).headers
        start = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - start) * 1000)
        if answer.status != 200 or len(body) != KIB:
            raise SystemExit(f"a GET was answered {answer.status}")
    connection.close()
    return took


def put_on(endpoint: Endpoint, client: int, body: bytes, stop, sent) -> None:
    """Sends one body again and again."""
    s3 = boto(endpoint)
    while not stop.is_set():
        s3.put_object(Bucket=BUCKETS["enforce"], Key=f"busy-{client}", Body=body)
        with sent.get_lock():
            sent.value += len(body)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


class Bench:
    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        os.environ["DATA_VAULT_BIN"] = str(TARGET / "data-vault")
        self.options = options
        self.minio = Minio(root / "minio")
        more = f'[buckets."{BUCKETS["enforce"]}"]\nscrub = "enforce"\n'
        # A PUT takes as long as it takes here.
        self.gateway = Gateway(root / "gateway", self.minio.endpoint, overrides={"limits.scrub_put_time": "1h"}, more=more)

    def start(self) -> None:
        self.minio.start()
        self.gateway.start()
        self.s3 = boto(self.gateway.endpoint)
        for bucket in BUCKETS.values():
            self.s3.create_bucket(Bucket=bucket)

    def stop(self) -> None:
        for server in (self.gateway, self.minio):
            if server.process is not None:
                server.stop()

    def put(self, mode: str, body: bytes) -> tuple[float, float]:
        """CPU seconds of the gateway, and seconds that the client waited."""
        before, start = cpu(self.gateway.pid), time.perf_counter()
        self.s3.put_object(Bucket=BUCKETS[mode], Key="body", Body=body)
        took = time.perf_counter() - start
        return max(cpu(self.gateway.pid) - before, 1 / TICKS), took

    def formats(self) -> list[list[str]]:
        out = []
        for name, make in FORMATS.items():
            body = make(self.options.size * MB)
            seen: dict[str, list[tuple[float, float]]] = {mode: [] for mode in BUCKETS}
            # One `off` of this length is over before the clock of /proc ticks: many are measured as one.
            turns = {"off": 16, "enforce": 1}
            for _ in range(self.options.rounds):
                for mode in BUCKETS:
                    each = [self.put(mode, body) for _ in range(turns[mode])]
                    seen[mode].append(tuple(sum(one[n] for one in each) / len(each) for n in (0, 1)))
            core = {mode: statistics.median(len(body) / MB / used for used, _ in seen[mode]) for mode in BUCKETS}
            wait = {mode: statistics.median(took for _, took in seen[mode]) for mode in BUCKETS}
            findings = self.s3.put_object(Bucket=BUCKETS["enforce"], Key="body", Body=body)["ResponseMetadata"]["HTTPHeaders"]["x-data-vault-findings"]
            count = sum(int(one.partition("=")[2]) for one in findings.split(","))
            out.append(
                [name, f"{len(body) / MB:.1f}", f"{count:,}", f"{core['off']:,.0f}", f"{core['enforce']:.1f}", f"{wait['off']:.2f}", f"{wait['enforce']:.2f}"]
            )
            print(out[-1], flush=True)
        return out

    def bystander(self) -> list[list[str]]:
        keys = [f"small-{number}" for number in range(64)]
        for key in keys:
            self.s3.put_object(Bucket=BUCKETS["off"], Key=key, Body=noise(KIB, key))
        get_all(self.gateway.endpoint, keys, 1)
        body = jsonl(4 * MB)
        taken: dict[str, list[list[float]]] = {"idle": [], "while scrubbing": []}
        rates, spawn = [], multiprocessing.get_context("spawn")
        for _ in range(self.options.rounds):
            taken["idle"].append(get_all(self.gateway.endpoint, keys, self.options.seconds))
            stop, sent = spawn.Event(), spawn.Value("q", 0)
            senders = [
                spawn.Process(target=put_on, args=(self.gateway.endpoint, client, body, stop, sent)) for client in range(2 * (os.cpu_count() or 1))
            ]
            for sender in senders:
                sender.start()
            while not sent.value:  # All are at work once the first body is through.
                time.sleep(0.05)
            before, start = sent.value, time.monotonic()
            taken["while scrubbing"].append(get_all(self.gateway.endpoint, keys, self.options.seconds))
            rates.append((sent.value - before) / MB / (time.monotonic() - start))
            stop.set()
            for sender in senders:
                sender.join()
                if sender.exitcode:
                    raise SystemExit("a PUT failed")
        out = []
        for name, rounds in taken.items():
            figures = [f"{statistics.median(percentile(one, share) for one in rounds):.2f}" for share in (0.5, 0.99)]
            count = statistics.median(len(one) for one in rounds) / self.options.seconds
            out.append([name, *figures, f"{count:,.0f}", f"{statistics.median(rates):.1f}" if name != "idle" else "0"])
        return out


def markdown(head: list[str], lines: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|", *("| " + " | ".join(line) + " |" for line in lines)]


def report(bench: Bench) -> str:
    return "\n".join(
        [
            "# Benchmarks of scrubbing on the way in",
            "",
            f"Written by `bench/scrub_put.py` (`make bench-scrub-put`); do not edit. The gateway before MinIO, policy `llm-training`, medians of {bench.options.rounds} rounds.",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {machine()}.",
            "",
            "## A PUT by format",
            "",
            "The same bytes into a bucket with `off` and one with `enforce`, in turn. *MB/s a core*: bytes sent over CPU seconds of the gateway. *Seconds*: what the client waits.",
            "In Parquet and gzip the engine reads more than is sent.",
            "",
            *markdown(["format", "MB", "findings", "MB/s a core, off", "MB/s a core, enforce", "seconds, off", "seconds, enforce"], bench.formats()),
            "",
            "## A bystander",
            "",
            f"One client reads objects of 1 KiB over one connection, for {bench.options.seconds:g} s a round: while nobody else asks, and while {2 * (os.cpu_count() or 1)} clients send",
            "JSONL of 4 MB each to be scrubbed, one after the other. Clients, gateway and MinIO share the machine.",
            "",
            *markdown(["", "p50, ms", "p99, ms", "GETs/s", "MB/s scrubbed"], bench.bystander()),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=16, help="MB of text in a body")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each timed measurement")
    parser.add_argument("--quick", action="store_true", help="small bodies; prints and writes no file")
    options = parser.parse_args()
    if options.quick:
        options.size, options.seconds = 2, 2.0
    root = Path(tempfile.mkdtemp(prefix="vault-bench-"))
    bench = Bench(root, options)
    try:
        bench.start()
        page = report(bench)
    finally:
        bench.stop()
        shutil.rmtree(root, ignore_errors=True)
    if options.quick:
        print(page)
    else:
        (ROOT / "docs" / "benchmarks-scrub-put.md").write_text(page)
        print("docs/benchmarks-scrub-put.md is written")


if __name__ == "__main__":
    main()
