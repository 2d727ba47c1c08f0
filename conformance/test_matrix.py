"""Real clients, each in the words of its users (`matrix/`): the same program directly and through the gateway must see the same."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Authority
from clients import Target, boto, fresh
from servers import CACHE, REGION, Endpoint, Gateway, expected_failures

pytestmark = [pytest.mark.gateway, pytest.mark.long, pytest.mark.timeout(3000)]

HERE = Path(__file__).parent / "matrix"
BUILT = CACHE / "matrix"
PYTHON = str(CACHE / "matrix-venv/bin/python")
TABLES = ("s3fs_and_datasets", "pyarrow_dataset", "polars_scan", "deltalake_table", "duckdb_httpfs")


def jars(folder: Path) -> str:
    return ":".join(sorted(str(path) for path in folder.glob("*.jar")))


CLIENTS = {
    "boto3": [str(CACHE / "venv/bin/python"), str(HERE / "sdk.py")],
    "aws-cli": [str(HERE / "aws.sh"), str(CACHE / "venv/bin/aws")],
    "rclone": [str(HERE / "rclone.sh"), str(CACHE / "bin/rclone")],
    **{name: [PYTHON, str(HERE / "tables.py"), name] for name in TABLES},
    "go": [str(CACHE / "bin/matrix-go")],
    "js": ["node", str(BUILT / "js/main.mjs")],
    "java": ["java", "-cp", f"{BUILT}/java:{BUILT}/java/lib/*", "Main"],
    "spark-magic": [PYTHON, str(HERE / "spark.py"), "magic", f"{jars(BUILT / 'spark')}:{jars(BUILT / 'spark-cloud')}"],
    "spark-classic": [PYTHON, str(HERE / "spark.py"), "classic", jars(BUILT / "spark")],
}

OF_FEATURE = {"checksums": ("checksum ",), "complete_etag": ("uploaded ", "streamed "), "quoted_etag": ("copied ",)}
"""Lines of the programs that show a feature, by the name under which expected.toml says that a store lacks it."""

# What differs from run to run: names that a client makes up.
MADE_UP = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
]


@pytest.fixture(scope="module")
def ways(target: Target, scratch: Path) -> Iterator[dict[str, Endpoint]]:
    """The ways to the store: `direct` where it has one, `http` and `https` through a gateway each."""
    store = target.store.endpoint if target.store else None
    authority = Authority(scratch / fresh("authority"))
    gateway = Gateway(scratch / fresh("secure"), store, fresh("own-system") if store else None, authority=authority)
    gateway.start()
    try:
        yield ({"direct": store} if store else {}) | {"http": target.endpoint, "https": gateway.endpoint}
    finally:
        gateway.kill()


def environment(endpoint: Endpoint, bucket: str, home: Path) -> dict[str, str]:
    """What each client needs to find the endpoint, in the variables of its own SDK, and to trust it."""
    home.mkdir()
    made = {
        "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1", "S3_ENDPOINT": endpoint.url, "BUCKET": bucket,
        "AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    if endpoint.ca is not None:
        # boto3, aws-cli, Go, Terraform; Rust's object_store; Node.js; and every JVM.
        made |= dict.fromkeys(("AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(endpoint.ca))
        trusted = ["-keystore", str(home / "trusted.p12"), "-storepass", "changeit"]
        subprocess.run(
            ["keytool", "-importcert", "-noprompt", "-alias", "conformance", "-file", str(endpoint.ca), *trusted], capture_output=True, check=True
        )
        made["JAVA_TOOL_OPTIONS"] = f"-Djavax.net.ssl.trustStore={home}/trusted.p12 -Djavax.net.ssl.trustStorePassword=changeit"
    return made


def run(command: list[str], endpoint: Endpoint, home: Path) -> subprocess.CompletedProcess[str]:
    """In a bucket of its own, whose name is taken out of what the client printed."""
    bucket = fresh("matrix")
    boto(endpoint).create_bucket(Bucket=bucket)
    done = subprocess.run(command, env=environment(endpoint, bucket, home), capture_output=True, text=True, timeout=900, check=False)
    for pattern, name in [(re.compile(re.escape(bucket)), "BUCKET"), *MADE_UP]:
        done.stdout = pattern.sub(name, done.stdout)
    return done


def seen(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    assert done.stdout.strip()
    return done.stdout.splitlines()


@pytest.mark.parametrize("client", CLIENTS)
def test_same_directly_and_through_the_gateway(target, ways, missing, tmp_path, client):
    """Over http and over https. The embedded store has no other way in: there the client's own checks must do."""
    runs = {way: run(CLIENTS[client], endpoint, tmp_path / way) for way, endpoint in ways.items()}
    plain = seen(runs["http"])
    assert seen(runs["https"]) == plain
    if "direct" not in runs:
        return
    unseen = tuple(start for name, starts in OF_FEATURE.items() if name in missing for start in starts)
    plain = [line for line in plain if not line.startswith(unseen)]
    if reason := expected_failures()["direct"].get(target.backend, {}).get(client):
        assert runs["direct"].returncode != 0, f"it works without the gateway too, against what expected.toml says: {reason}"
        # As far as it got.
        directly = [line for line in runs["direct"].stdout.splitlines() if not line.startswith(unseen)]
        assert directly == plain[: len(directly)]
    else:
        assert [line for line in seen(runs["direct"]) if not line.startswith(unseen)] == plain


@pytest.mark.parametrize("way", ["http", "https"])
def test_terraform_state_and_its_lock(ways, tmp_path, way):
    """A second apply fails while the first holds the lock, and finds its state afterwards."""
    bucket, s3 = fresh("terraform"), boto(ways[way])
    s3.create_bucket(Bucket=bucket)
    env = environment(ways[way], bucket, tmp_path / "home")
    folder = tmp_path / "terraform"
    folder.mkdir()
    (folder / "main.tf").write_text((HERE / "terraform/main.tf").read_text())

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["terraform", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)

    def succeeds(*arguments: str) -> str:
        done = terraform(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    succeeds(
        "init", "-input=false", "-no-color", f"-backend-config=bucket={bucket}", f"-backend-config=region={REGION}",
        f'-backend-config=endpoints={{s3="{ways[way].url}"}}',
    )  # fmt: skip
    apply = ("apply", "-input=false", "-no-color", "-auto-approve", "-lock-timeout=0s")
    succeeds(*apply, "-var=turn=one")
    lock = {"Bucket": bucket, "Key": "terraform/state.tflock"}
    s3.put_object(**lock, Body=b'{"ID": "held", "Operation": "test", "Who": "somebody"}')
    refused = terraform(*apply, "-var=turn=two")
    assert refused.returncode != 0
    assert "Error acquiring the state lock" in refused.stderr
    assert succeeds("output", "-raw", "turn") == "one"
    s3.delete_object(**lock)
    succeeds(*apply, "-var=turn=two")
    assert succeeds("output", "-raw", "turn") == "two"
    assert "turn" in succeeds("state", "pull")
