"""The keyring is the root of everything: where objects are sealed already, no other one is taken and none is made."""

from __future__ import annotations

import json
import shutil

import pytest

from clients import boto, fresh
from servers import Gateway
from test_data_dir import refuses_to_start
from test_sidecar import lose_sidecar

pytestmark = pytest.mark.gateway


def sealed(make_gateway) -> tuple[Gateway, str]:
    """A stopped gateway with one object."""
    gateway, bucket = make_gateway(), fresh("keyring")
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    return gateway, bucket


@pytest.mark.parametrize("sidecar", ["kept", "lost"])
def test_missing(make_gateway, tmp_path, sidecar):
    gateway, bucket = sealed(make_gateway)
    lose_sidecar(gateway) if sidecar == "lost" else gateway.stop()
    keyring = gateway.data / "keyring.json"
    root_key = json.loads(keyring.read_text())["active"]
    shutil.move(keyring, tmp_path / "kept")
    refuses_to_start(gateway, str(keyring), root_key, "backup")
    assert gateway.run("sidecar", "rebuild").returncode == 1
    assert not keyring.exists()
    shutil.move(tmp_path / "kept", keyring)
    gateway.start()
    assert boto(gateway.endpoint).get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"


def test_of_another_vault(make_gateway):
    other = make_gateway()
    gateway, bucket = sealed(make_gateway)
    gateway.stop()
    keyring = gateway.data / "keyring.json"
    own = keyring.read_bytes()
    keyring.write_bytes((other.data / "keyring.json").read_bytes())
    refuses_to_start(gateway, str(keyring), json.loads(own)["active"], "does not open")
    keyring.write_bytes(own)
    gateway.start()
    assert boto(gateway.endpoint).get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"


def test_of_a_store_with_nothing_sealed(make_gateway):
    """Nothing is lost with it, so a new one is made."""
    gateway, bucket = make_gateway(), fresh("keyring")
    gateway.stop()
    keyring = gateway.data / "keyring.json"
    before = keyring.read_bytes()
    keyring.unlink()
    gateway.start()
    assert keyring.read_bytes() != before
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"
