"""Starts and stops the servers of a run: MinIO, Garage and the gateway, each on free loopback ports over a throw-away folder.

Every process is known by its id and is ended by it. A server whose `start` returned answers requests.
"""

from __future__ import annotations

import fcntl
import functools
import http.client
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from certificates import Authority

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llm-data-vault"
REPOSITORY = Path(__file__).resolve().parent.parent
REGION = "us-east-1"


def gateway_binary() -> Path:
    """The binary under test: `DATA_VAULT_BIN`, else the one that `cargo build` made."""
    named = os.environ.get("DATA_VAULT_BIN")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    return Path(named) if named else target / "debug" / "data-vault"


@functools.cache
def own_ports() -> tuple[IO[bytes], Iterator[int]]:
    """Ports that of all that run tests on this machine this process alone takes, until it ends, and the locked file that says so. They are below the range from
    which the system takes ports for outgoing connections."""
    marks = Path(tempfile.gettempdir()) / f"data-vault-ports-{os.getuid()}"
    marks.mkdir(exist_ok=True)
    for first in range(15000, 32000, 500):
        mark = (marks / str(first)).open("wb")
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            mark.close()
            continue
        return mark, itertools.cycle(range(first, first + 500))
    raise RuntimeError(f"every range of ports is taken, by {marks}")


def free_port() -> int:
    """A loopback port nobody listens on."""
    _, ports = own_ports()
    while True:
        port = next(ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def connect(port: int, ca: Path | None = None, timeout: float = 60.0, **options) -> http.client.HTTPConnection:
    """A connection to a loopback port, under TLS where a CA is given."""
    if ca is None:
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, **options)
    context = ssl.create_default_context(cafile=str(ca))
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context, **options)


def http_status(port: int, path: str, timeout: float = 2.0, ca: Path | None = None) -> int | None:
    """The status of a plain GET, or None where nobody answers."""
    connection = connect(port, ca, timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Server:
    """One child process with a folder of its own."""

    name = "server"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.root.mkdir(parents=True, exist_ok=True)
        self.log = root / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def ready(self) -> bool:
        raise NotImplementedError

    def start(self, within: float = 30.0) -> None:
        assert self.process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.root,
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + within
        while not self.ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at start with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.name} was not ready within {within} s:\n{self.log_tail()}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} does not run"
        return self.process.pid

    def stop(self, within: float = 20.0) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        assert self.process is not None, f"{self.name} does not run"
        self.process.terminate()
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not end within {within} s of SIGTERM") from None
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def log_tail(self, lines: int = 40) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def peak_rss(self) -> int:
        """Peak resident memory in bytes (`VmHWM`)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError("no VmHWM in /proc/PID/status")

    def forget_peak_rss(self) -> None:
        """Begins a new measurement of `peak_rss` (proc(5), `clear_refs`)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@dataclass(frozen=True)
class Endpoint:
    """Where an S3 service listens and as whom to talk to it."""

    port: int
    access_key: str
    secret_key: str = field(repr=False)
    region: str = REGION
    ca: Path | None = None
    """Who has issued its certificate; None: there is no TLS."""

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://{self.host}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


class Minio(Server):
    """MinIO over one folder."""

    name = "minio"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.data = root / "data"
        self.data.mkdir(exist_ok=True)
        self.console = free_port()
        self.endpoint = Endpoint(free_port(), "minioroot", "minio-root-secret")

    def command(self) -> list[str]:
        return [
            str(CACHE / "bin" / "minio"), "server", str(self.data), "--quiet",
            "--address", self.endpoint.host, "--console-address", f"127.0.0.1:{self.console}",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {
            "MINIO_ROOT_USER": self.endpoint.access_key,
            "MINIO_ROOT_PASSWORD": self.endpoint.secret_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }

    def ready(self) -> bool:
        return http_status(self.endpoint.port, "/minio/health/cluster") == 200


class Garage(Server):
    """One Garage node with one key that may create buckets."""

    name = "garage"

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.data = root / "data"
        self.rpc, self.admin = free_port(), free_port()
        self.endpoint = Endpoint(free_port(), f"GK{'0' * 23}1", "1" * 64)
        self.config = root / "garage.toml"
        self.config.write_text(
            f"""
metadata_dir = "{root}/meta"
data_dir = "{self.data}"
db_engine = "lmdb"
compression_level = "none"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{self.rpc}"
rpc_public_addr = "127.0.0.1:{self.rpc}"
rpc_secret = "{"42" * 32}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "{self.endpoint.host}"
[admin]
api_bind_addr = "127.0.0.1:{self.admin}"
"""
        )

    def command(self) -> list[str]:
        return [str(CACHE / "bin" / "garage"), "-c", str(self.config), "server"]

    def environment(self) -> dict[str, str]:
        return {"RUST_LOG": "garage=warn"}

    def ready(self) -> bool:
        # 503 until the layout is applied, which needs a node that runs.
        return http_status(self.admin, "/health") in (200, 503) and self._cli("status") is not None

    def start(self, within: float = 30.0) -> None:
        first = not (self.root / "meta").exists()
        super().start(within)
        if first:
            node = self._cli("node", "id", "-q") or ""
            for step in (
                ("layout", "assign", "-z", "here", "-c", "10G", node.split("@")[0].strip()),
                ("layout", "apply", "--version", "1"),
                ("key", "import", "--yes", "-n", "conformance", self.endpoint.access_key, self.endpoint.secret_key),
                ("key", "allow", "--create-bucket", self.endpoint.access_key),
            ):
                if self._cli(*step) is None:
                    raise RuntimeError(f"garage {' '.join(step)} failed:\n{self.log_tail()}")
        deadline = time.monotonic() + within
        while http_status(self.admin, "/health") != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"garage is not healthy:\n{self.log_tail()}")
            time.sleep(0.05)

    def _cli(self, *arguments: str) -> str | None:
        done = subprocess.run(
            [str(CACHE / "bin" / "garage"), "-c", str(self.config), *arguments],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            with self.log.open("a") as log:
                log.write(f"garage {' '.join(arguments)}: {done.stderr}\n")
            return None
        return done.stdout


MIGRATING_BUCKETS = ("conf-migrating", "conf-migrating-2")
OPAQUE_BUCKET = "conf-opaque"


class Gateway(Server):
    """`data-vault serve` over a configuration of our making; `behind` is the endpoint of its backend, None for `local`. With an `authority` it
    serves TLS, with a certificate of that authority. `more`: sections of its own, as TOML."""

    name = "gateway"

    def __init__(
        self,
        root: Path,
        behind: Endpoint | None,
        system_bucket: str | None = None,
        overrides: dict[str, str] | None = None,
        authority: Authority | None = None,
        more: str = "",
    ) -> None:
        super().__init__(root)
        self.more = more
        self.behind = behind
        self.overrides = overrides or {}
        self.system_bucket = system_bucket
        self.data = root / "data"
        self.admin = free_port()
        self.endpoint = Endpoint(free_port(), "AKIACONFORMANCE00001", "conformance/secret+key/0000000000000001")
        if authority is not None:
            pair = authority.issue(f"gateway-{self.endpoint.port}")
            self.endpoint = replace(self.endpoint, ca=authority.file)
            self.overrides |= {"server.tls_cert": str(pair.cert), "server.tls_key": str(pair.key)}
        self.config = root / "data-vault.toml"
        self.config.write_text(self._configuration())

    def _configuration(self) -> str:
        if self.behind is None:
            backend = 'kind = "local"'
        else:
            backend = (
                f'kind = "s3"\nendpoint = "{self.behind.url}"\nregion = "{self.behind.region}"\n'
                f'access_key = "{self.behind.access_key}"\nsecret_key = "{self.behind.secret_key}"'
            )
            if self.system_bucket:
                backend += f'\nsystem_bucket = "{self.system_bucket}"'
        buckets = "".join(f'[buckets."{name}"]\nstate = "migrating"\n' for name in MIGRATING_BUCKETS)
        return f"""data_dir = "{self.data}"
[server]
listen = "{self.endpoint.host}"
[admin]
listen = "127.0.0.1:{self.admin}"
[backend]
{backend}
[sidecar]
url = "sqlite://{self.data}/sidecar.db"
[[credentials]]
access_key = "{self.endpoint.access_key}"
secret_key = "{self.endpoint.secret_key}"
[buckets.default]
state = "sealed"
etag = "md5"
scrub = "off"
{buckets}[buckets."{OPAQUE_BUCKET}"]
etag = "opaque"
{self.more}"""

    def restart_with(self, more: str) -> None:
        """Ends it, and starts it with other sections of its own."""
        self.stop()
        self.more = more
        self.config.write_text(self._configuration())
        self.start()

    def command(self) -> list[str]:
        return [str(gateway_binary()), "serve", "--config", str(self.config)]

    def environment(self) -> dict[str, str]:
        """`overrides` as `DATA_VAULT__SECTION__KEY`, from `section.key`."""
        return {f"DATA_VAULT__{name.replace('.', '__').upper()}": value for name, value in self.overrides.items()}

    def ready(self) -> bool:
        return http_status(self.admin, "/readyz") == 200

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Another subcommand of the binary with the same configuration."""
        return subprocess.run(
            [str(gateway_binary()), *arguments, "--config", str(self.config)],
            cwd=self.root, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def sidecar_files(self) -> list[Path]:
        return sorted(self.data.glob("sidecar.db*"))

    def replica(self, root: Path) -> Gateway:
        """A second gateway of the same vault: the same root key and configuration, a sidecar and ports of its own."""
        other = Gateway(root, self.behind, self.system_bucket, self.overrides)
        shutil.copytree(self.data, other.data, ignore=shutil.ignore_patterns("sidecar.db*"))
        return other

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by name with labels as written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples


def files_under(*roots: Path) -> Iterable[Path]:
    """Every regular file below the folders. What a store takes away meanwhile is passed over."""
    for root in roots:
        for folder, _, names in os.walk(root):
            yield from (path for path in (Path(folder) / name for name in names) if path.is_file())


def holding(needle: bytes, *roots: Path) -> list[Path]:
    """The files that contain the bytes, over block boundaries too."""
    found = []
    for path in files_under(*roots):
        try:
            with path.open("rb") as file:
                tail = b""
                while block := file.read(4 << 20):
                    if needle in tail + block:
                        found.append(path)
                        break
                    tail = block[-len(needle) :]
        except FileNotFoundError:
            continue  # A store moves its files about.
    return found


def expected_failures() -> dict:
    """`expected.toml`: what a backend lacks, and which test is skipped for it, each with the reason."""
    return tomllib.loads((Path(__file__).parent / "expected.toml").read_text())
