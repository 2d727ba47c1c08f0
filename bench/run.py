"""The table of docs/benchmarks.md: the gateway against the object store itself and against nginx as a plain reverse proxy.

All three before the same MinIO, in one run, interleaved round by round, medians over the rounds. `bench` (the load generator
beside this file) sends the requests and reads the CPU time of the proxy's processes.

    make bench                                  # five rounds, about twenty minutes
    python bench/run.py --rounds 1 --quick      # a first look
    python bench/run.py --only "GET 1 KiB"      # some rows
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "conformance"))

from clients import GIB, KIB, MIB, boto, noise  # noqa: E402
from machine import machine  # noqa: E402
from servers import OPAQUE_BUCKET, Endpoint, Gateway, Minio, Server, free_port, http_status  # noqa: E402

TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"
BUCKET = "bench"
LISTED = "bench-list"


class Nginx(Server):
    """nginx as a plain reverse proxy, set so that it is a yardstick: no buffering of requests, connections kept, large buffers."""

    name = "nginx"

    def __init__(self, root: Path, behind: Endpoint) -> None:
        super().__init__(root)
        self.endpoint = Endpoint(free_port(), behind.access_key, behind.secret_key)
        self.config = root / "nginx.conf"
        self.config.write_text(
            f"""daemon off;
worker_processes {os.cpu_count()};
pid {root}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  client_max_body_size 0;
  keepalive_requests 100000000;
  upstream store {{ server {behind.host}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen {self.endpoint.host};
    location / {{
      proxy_pass http://store;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_request_buffering off;
      proxy_buffer_size 128k;
      proxy_buffers 8 128k;
      proxy_busy_buffers_size 256k;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
"""
        )

    def command(self) -> list[str]:
        program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise SystemExit("nginx is missing: conformance/peers.sh bench")
        return [program, "-p", str(self.root), "-c", str(self.config), "-e", "stderr"]

    def ready(self) -> bool:
        return http_status(self.endpoint.port, "/minio/health/live") == 200

    def pids(self) -> list[int]:
        """The master and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    title: str
    operation: str
    size: int
    connections: int
    keys: int
    requests: int | None = None
    """How many; None: for a fixed time."""
    signed: bool = False
    bucket: str = BUCKET
    """Bucket at the gateway; the others always use BUCKET or LISTED."""
    large: bool = False
    """CPU is counted a GiB, else 1,000 requests."""

    def arguments(self, seconds: float) -> list[str]:
        out = ["--operation", self.operation, "--size", str(self.size), "--connections", str(self.connections), "--keys", str(self.keys)]
        out += ["--requests", str(self.requests)] if self.requests else ["--seconds", f"{seconds:g}"]
        return out + (["--signed-payload"] if self.signed else [])


ROWS = [
    Row("PUT 1 KiB", "put", KIB, 16, 512),
    Row("GET 1 KiB", "get", KIB, 16, 512),
    Row("PUT 1 KiB, opaque ETag", "put", KIB, 16, 512, bucket=OPAQUE_BUCKET),
    Row("PUT 1 KiB, signed payload", "put", KIB, 16, 512, signed=True),
    Row("PUT 64 KiB", "put", 64 * KIB, 16, 128),
    Row("GET 64 KiB", "get", 64 * KIB, 16, 128),
    Row("PUT 64 KiB, opaque ETag", "put", 64 * KIB, 16, 128, bucket=OPAQUE_BUCKET),
    Row("PUT 64 KiB, signed payload", "put", 64 * KIB, 16, 128, signed=True),
    Row("PUT 64 MiB", "put", 64 * MIB, 4, 4, requests=16, large=True),
    Row("GET 64 MiB", "get", 64 * MIB, 4, 4, requests=16, large=True),
    Row("PUT 64 MiB, opaque ETag", "put", 64 * MIB, 4, 4, requests=16, bucket=OPAQUE_BUCKET, large=True),
    Row("PUT 64 MiB, signed payload", "put", 64 * MIB, 4, 4, requests=16, signed=True, large=True),
    Row("PUT 1 GiB", "put", GIB, 1, 1, requests=1, large=True),
    Row("GET 1 GiB", "get", GIB, 1, 1, requests=1, large=True),
    Row("PUT 1 GiB, opaque ETag", "put", GIB, 1, 1, requests=1, bucket=OPAQUE_BUCKET, large=True),
    Row("LIST 1,000 keys", "list", 0, 4, 1),
]


class Bench:
    """The servers of a run and what was measured."""

    def __init__(self, root: Path, options: argparse.Namespace) -> None:
        self.options = options
        os.environ["DATA_VAULT_BIN"] = str(TARGET / "data-vault")
        self.minio = Minio(root / "minio")
        self.nginx = Nginx(root / "nginx", self.minio.endpoint)
        self.gateway = Gateway(root / "gateway", self.minio.endpoint)
        self.ways = {
            "direct": (self.minio.endpoint, lambda: [], "direct-"),
            "nginx": (self.nginx.endpoint, self.nginx.pids, "nginx-"),
            "gateway": (self.gateway.endpoint, lambda: [self.gateway.pid], ""),
        }
        self.results: dict[tuple[str, str], list[dict]] = {}

    def start(self) -> None:
        for server in (self.minio, self.nginx, self.gateway):
            server.start()

    def stop(self) -> None:
        # nginx must be asked: killed, it would leave its workers behind.
        for server in (self.gateway, self.nginx, self.minio):
            if server.process is not None:
                server.stop()

    def prepare(self) -> None:
        """Buckets, and for LIST the keys."""
        for endpoint, _, prefix in self.ways.values():
            s3 = boto(endpoint)
            for bucket in {BUCKET, OPAQUE_BUCKET, LISTED}:
                s3.create_bucket(Bucket=prefix + bucket)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda index: s3.put_object(Bucket=prefix + LISTED, Key=f"k{index:06}", Body=noise(index % 100)), range(1000)))

    def command(self, way: str, row: Row) -> list[str]:
        endpoint, pids, prefix = self.ways[way]
        bucket = LISTED if row.operation == "list" else row.bucket
        return [
            str(TARGET / "bench"), "--endpoint", endpoint.host, "--access-key", endpoint.access_key, "--secret-key", endpoint.secret_key,
            "--bucket", prefix + bucket, *row.arguments(self.options.seconds), *(f"--pid={pid}" for pid in pids()),
        ]  # fmt: skip

    def fill(self, row: Row) -> None:
        """Writes what a GET reads, all keys of it."""
        if row.operation == "get":
            put = Row(row.title, "put", row.size, min(row.connections, 4), row.keys, requests=row.keys)
            for way in self.ways:
                subprocess.run(self.command(way, put), check=True, capture_output=True)

    def sweep(self) -> None:
        """MinIO keeps what was overwritten and removes some forty objects a second: by the rows of 1 GiB the disk would be full of it."""
        for kept in (self.minio.data / ".minio.sys/tmp/.trash").glob("*"):
            shutil.rmtree(kept, ignore_errors=True)

    def measure(self, row: Row) -> None:
        self.sweep()
        self.fill(row)
        for round_ in range(self.options.rounds):
            # Each round begins with another way, so that a drift of the machine falls on all.
            names = list(self.ways)
            for way in names[round_ % 3 :] + names[: round_ % 3]:
                if way != "direct":
                    for pid in self.ways[way][1]():
                        Path(f"/proc/{pid}/clear_refs").write_text("5")
                done = subprocess.run(self.command(way, row), check=False, capture_output=True, text=True)
                if done.returncode != 0:
                    raise SystemExit(f"{way}, {row.title}: {done.stderr}")
                result = json.loads(done.stdout)
                if result["errors"]:
                    raise SystemExit(f"{way}, {row.title}: {result['errors']} errors, the last one {result['last_error']}")
                self.results.setdefault((row.title, way), []).append(result)
        print(row.title, "|", "; ".join(self.line(row, way) for way in self.ways), flush=True)

    def median(self, row: Row, way: str, value) -> float:
        return statistics.median(value(result) for result in self.results[row.title, way])

    def cpu(self, row: Row, way: str) -> float:
        """CPU seconds of the proxy a GiB or 1,000 requests."""
        unit = (lambda r: r["bytes"] / GIB) if row.large else (lambda r: r["requests"] / 1000)
        return self.median(row, way, lambda r: r["cpu_seconds"] / unit(r))

    def rate(self, row: Row, way: str) -> float:
        return self.median(row, way, lambda r: (r["bytes"] / MIB if row.large else r["requests"]) / r["seconds"])

    def line(self, row: Row, way: str) -> str:
        cpu = "" if way == "direct" else f", CPU {self.cpu(row, way):.4f}"
        return f"{way} {self.rate(row, way):.0f}{' MiB/s' if row.large else '/s'}{cpu}"

    def table(self, rows: list[Row], large: bool) -> list[str]:
        unit = "MiB/s" if large else "requests/s"
        out = [
            f"| | {unit} direct | nginx | gateway | p50 / p99 ms direct | nginx | gateway | CPU s nginx | gateway | × | peak RSS MiB nginx | gateway |",
            "|---|" + "--:|" * 11,
        ]
        for row in (row for row in rows if row.large == large):
            rates = [f"{self.rate(row, way):,.0f}" for way in self.ways]
            times = [
                f"{self.median(row, way, lambda r: r['p50_us']) / 1000:.1f} / {self.median(row, way, lambda r: r['p99_us']) / 1000:.1f}" for way in self.ways
            ]
            nginx, gateway = self.cpu(row, "nginx"), self.cpu(row, "gateway")
            memory = [f"{max(r['peak_rss_bytes'] for r in self.results[row.title, way]) / MIB:.0f}" for way in ("nginx", "gateway")]
            ratio = f"{gateway / nginx:.1f}" if nginx else "–"
            out.append(f"| {' | '.join([row.title, *rates, *times, f'{nginx:.3f}', f'{gateway:.3f}', ratio, *memory])} |")
        return out

    def report(self, rows: list[Row]) -> str:
        nginx = subprocess.run([self.nginx.command()[0], "-v"], capture_output=True, text=True, check=False).stderr.strip().removeprefix("nginx version: ")
        version = subprocess.run([str(TARGET / "data-vault"), "--version"], capture_output=True, text=True, check=True).stdout.strip()
        commands = [f"{row.title:<28} bench --endpoint HOST:PORT --bucket BUCKET {' '.join(row.arguments(self.options.seconds))} --pid PID" for row in rows]
        return "\n".join(
            [
                "# Benchmarks",
                "",
                "The tables are written by `bench/run.py`; do not edit them. The gateway, the object store itself and nginx as a plain reverse proxy before the same",
                f"MinIO, one run, interleaved, medians of {self.options.rounds}. Client, proxy and MinIO share the machine's {os.cpu_count()} cores, so requests/s say",
                "less than CPU seconds, which are those of the proxy's processes alone: `/proc/PID/stat`, before and after.",
                "`×` is the gateway's CPU over nginx's. Bodies are sent as `UNSIGNED-PAYLOAD`, except in the rows that say signed.",
                "LIST asks for one page again and again, which the gateway answers from `limits.list_cache`; what a page costs that it has not",
                "seen is measured with `DATA_VAULT__LIMITS__LIST_CACHE=0 python bench/run.py --only \"LIST 1,000 keys\"`.",
                "nginx: `proxy_request_buffering off`, `proxy_buffer_size 128k`, kept connections (the whole file: `bench/run.py`).",
                "",
                f"{datetime.now(UTC):%Y-%m-%d}, {machine()}, {version}, {nginx}.",
                "",
                "## Small objects: CPU seconds per 1,000 requests",
                "",
                *self.table(rows, large=False),
                "",
                "## Large objects: CPU seconds per GiB",
                "",
                *self.table(rows, large=True),
                "",
                "## Commands",
                "",
                "`python bench/run.py --only TITLE` makes one row; it runs, against each of the three:",
                "",
                "```",
                *commands,
                "```",
                "",
            ]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each timed measurement")
    parser.add_argument("--quick", action="store_true", help="a second each, no row of 1 GiB; prints the table and writes no file")
    parser.add_argument("--only", action="append", help="a row's title; prints the table and writes no file")
    options = parser.parse_args()
    if options.quick:
        options.seconds = 1.0
    rows = [row for row in ROWS if not (options.quick and row.size == GIB) and (not options.only or row.title in options.only)]
    if not rows:
        raise SystemExit(f"no such row; there are: {', '.join(row.title for row in ROWS)}")
    root = Path(tempfile.mkdtemp(prefix="vault-bench-"))
    bench = Bench(root, options)
    try:
        bench.start()
        bench.prepare()
        for row in rows:
            bench.measure(row)
        report = bench.report(rows)
    finally:
        bench.stop()
        shutil.rmtree(root, ignore_errors=True)
    if options.quick or options.only:
        print(report)
    else:
        page = ROOT / "docs" / "benchmarks.md"
        # What people wrote below the tables stays.
        _, heading, remarks = page.read_text().partition("## What stands in the way")
        page.write_text(f"{report}\n{heading}{remarks}" if heading else report)
        print("docs/benchmarks.md is written")


if __name__ == "__main__":
    main()
