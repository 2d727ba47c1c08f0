"""Real clients, each in the words of its users (`matrix/`): the same program directly and through the gateway must see the same."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from clients import boto, fresh
from servers import CACHE, REGION, Endpoint

pytestmark = [pytest.mark.gateway, pytest.mark.long, pytest.mark.timeout(900)]

HERE = Path(__file__).parent / "matrix"
BUILT = CACHE / "matrix"
PYTHON = str(CACHE / "matrix-venv/bin/python")
TABLES = ("s3fs_and_datasets", "pyarrow_dataset", "polars_scan", "deltalake_table", "duckdb_httpfs")


def jars(folder: Path) -> str:
    return ":".join(sorted(str(path) for path in folder.glob("*.jar")))


CLIENTS = {name: [PYTHON, str(HERE / "tables.py"), name] for name in TABLES} | {
    "go": [str(CACHE / "bin/matrix-go")],
    "js": ["node", str(BUILT / "js/main.mjs")],
    "java": ["java", "-cp", f"{BUILT}/java:{BUILT}/java/lib/*", "Main"],
    "spark-magic": [PYTHON, str(HERE / "spark.py"), "magic", jars(BUILT / "spark")],
    "spark-classic": [PYTHON, str(HERE / "spark.py"), "classic", jars(BUILT / "spark")],
}

# What differs from run to run: names that a client makes up, and sizes of files whose bytes hold times or such names.
MADE_UP = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
]


def environment(endpoint: Endpoint, bucket: str, home: Path) -> dict[str, str]:
    home.mkdir()
    return {
        "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(home), "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1",
        "S3_ENDPOINT": f"http://{endpoint.host}", "BUCKET": bucket,
        "AWS_ACCESS_KEY_ID": endpoint.access_key, "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip


def run(command: list[str], endpoint: Endpoint, home: Path) -> str:
    """In a bucket of its own. What the client printed."""
    bucket = fresh("matrix")
    boto(endpoint).create_bucket(Bucket=bucket)
    done = subprocess.run(command, env=environment(endpoint, bucket, home), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    assert done.stdout.strip()
    seen = done.stdout.replace(bucket, "BUCKET")
    for pattern, name in MADE_UP:
        seen = pattern.sub(name, seen)
    return seen


@pytest.mark.parametrize("client", CLIENTS)
def test_same_directly_and_through_the_gateway(target, tmp_path, client):
    through = run(CLIENTS[client], target.endpoint, tmp_path / "gateway")
    # The embedded store has no other way in: there the client's own checks must do.
    if target.store is not None:
        assert through == run(CLIENTS[client], target.store.endpoint, tmp_path / "direct")


def test_terraform_state_and_its_lock(target, tmp_path):
    """A second apply fails while the first holds the lock, and finds its state afterwards."""
    bucket = fresh("terraform")
    target.s3.create_bucket(Bucket=bucket)
    env = environment(target.endpoint, bucket, tmp_path / "home")
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
        f'-backend-config=endpoints={{s3="http://{target.endpoint.host}"}}',
    )  # fmt: skip
    apply = ("apply", "-input=false", "-no-color", "-auto-approve", "-lock-timeout=0s")
    succeeds(*apply, "-var=turn=one")
    lock = {"Bucket": bucket, "Key": "terraform/state.tflock"}
    target.s3.put_object(**lock, Body=b'{"ID": "held", "Operation": "test", "Who": "somebody"}')
    refused = terraform(*apply, "-var=turn=two")
    assert refused.returncode != 0
    assert "Error acquiring the state lock" in refused.stderr
    assert succeeds("output", "-raw", "turn") == "one"
    target.s3.delete_object(**lock)
    succeeds(*apply, "-var=turn=two")
    assert succeeds("output", "-raw", "turn") == "two"
    assert "turn" in succeeds("state", "pull")
