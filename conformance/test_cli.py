"""The program itself: configuration errors, and `decrypt`, which opens a stored object without a gateway."""

from __future__ import annotations

import json
import subprocess
import tomllib

import pytest

from clients import MIB, boto, fresh, noise, put_in_parts
from servers import REPOSITORY, files_under, gateway_binary
from stored import Stored

pytestmark = pytest.mark.gateway


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(gateway_binary()), *arguments], capture_output=True, text=True, timeout=30, check=False)


def test_version():
    version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert program("--version").stdout.strip() == f"data-vault {version}"


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ('data_dir = "d"\n[server]\nlisten = "nowhere"\n', 3, "listen"),
        ('data_dir = "d"\n[server]\nlissten = "127.0.0.1:1"\n', 3, "lissten"),
        ('data_dir = "d"\n\n[backend]\nkind = "ftp"\n', 4, "local"),
        ("data_dir = 7\n", 1, "data_dir"),
        ('data_dir = "d"\n[buckets.default]\netag = "sha1"\n', 3, "opaque"),
        ("data_dir = \n", 1, ""),
    ],
)
def test_configuration_errors(tmp_path, text, line, named):
    """The file, the line and what is allowed; status 2."""
    file = tmp_path / "vault.toml"
    file.write_text(text)
    done = program("check-config", "--config", str(file))
    assert done.returncode == 2, done
    assert f"{file}:{line}" in done.stderr or f"line {line}" in done.stderr, done.stderr
    assert str(file) in done.stderr
    assert named in done.stderr


def test_check_config(own_gateway):
    """A good configuration is told back, without its secrets."""
    done = own_gateway.run("check-config")
    assert done.returncode == 0, done.stderr
    assert own_gateway.endpoint.host in done.stdout
    assert own_gateway.endpoint.secret_key not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["empty", "small", "multipart"])
def test_decrypt(target, make_gateway, tmp_path, kind):
    """Object, headers, KEK record and keyring in hand: the plaintext, and nothing once a bit is flipped."""
    if target.store is None:
        pytest.skip("the headers and KEK records of `local` are in its index")
    gateway, bucket = make_gateway(), fresh("decrypt")
    s3 = boto(gateway.endpoint)
    s3.create_bucket(Bucket=bucket)
    parts = {"empty": [b""], "small": [noise(50_000)], "multipart": [noise(5 * MIB, 1), noise(6 * MIB, 2), b"end"]}[kind]
    if kind == "multipart":
        put_in_parts(s3, bucket, "dir/k", parts, Metadata={"lang": "de"})
    else:
        s3.put_object(Bucket=bucket, Key="dir/k", Body=parts[0], Metadata={"lang": "de"})
    stored, plain = Stored(target, bucket), b"".join(parts)
    head = target.behind.head_object(Bucket=bucket, Key="dir/k")
    head.pop("ResponseMetadata")
    (tmp_path / "object").write_bytes(stored.read("dir/k", len(plain)))
    (tmp_path / "headers").write_text(json.dumps(head, default=str))
    keks = target.behind.list_objects_v2(Bucket=gateway.system_bucket)["Contents"]
    keyring = next(path for path in files_under(gateway.data) if "keyring" in path.name)

    def decrypt(*more: str) -> list[subprocess.CompletedProcess[str]]:
        """With each record of the system bucket: one bucket was opened, so there are few."""
        runs = []
        for row in keks:
            (tmp_path / "kek").write_bytes(target.behind.get_object(Bucket=gateway.system_bucket, Key=row["Key"])["Body"].read())
            runs.append(
                program(
                    "decrypt", "--object", str(tmp_path / "object"), "--headers", str(tmp_path / "headers"), "--bucket", bucket, "--key", "dir/k",
                    "--keyring", str(keyring), "--kek", str(tmp_path / "kek"), "--out", str(tmp_path / "out"), *more,
                )  # fmt: skip
            )
            if runs[-1].returncode == 0:
                break
        return runs

    runs = decrypt()
    assert runs[-1].returncode == 0, runs
    assert (tmp_path / "out").read_bytes() == plain
    (tmp_path / "out").unlink()
    sealed = (tmp_path / "object").read_bytes()
    (tmp_path / "object").write_bytes(sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:])
    assert all(run.returncode != 0 for run in decrypt())
    assert not (tmp_path / "out").exists()
    (tmp_path / "object").write_bytes(sealed)
    head["Metadata"]["lang"] = "fr"
    (tmp_path / "headers").write_text(json.dumps(head, default=str))
    assert all(run.returncode != 0 for run in decrypt())
    runs = decrypt("--accept-metadata")
    assert runs[-1].returncode == 0, runs
    assert (tmp_path / "out").read_bytes() == plain
