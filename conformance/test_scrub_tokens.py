"""Short tokens: a vault has what they stand for, sealed, before any object has them; it opens them for one who is named, and survives the loss of the sidecar."""

from __future__ import annotations

import queue
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from clients import MIB, boto, fresh, put_in_parts
from servers import Gateway, holding
from test_scrub_jobs import Stopped
from test_scrub_policy import body
from test_scrub_sweep import kept, lose_sidecar

pytestmark = pytest.mark.gateway

SHORT = re.compile(rb"<EMAIL_ADDRESS:v1_[a-z2-7]{8}>")
ENFORCE = 'scrub = "enforce"\nscrub_policy = "POLICY"\ntokens = "vault"\n'


def mail() -> str:
    """An address that nothing else has: the store is searched for it."""
    return f"{fresh('anna')}" + "@example.org"


@pytest.fixture
def made(make_gateway, tmp_path):
    """Makes a gateway with a key, a policy that tokenizes, and buckets with these settings; gives it, a client and the buckets."""
    policy, key = tmp_path / "policy.toml", tmp_path / "scrub.key"
    policy.write_text('id = "short"\nversion = 1\nscope = "bucket"\n[defaults]\nstrategy = "tokenize"\n')
    key.write_text(random.randbytes(32).hex())

    def make(*settings: str, **limits: int) -> tuple[Gateway, object, list[str]]:
        buckets = [fresh("tokens") for _ in settings]
        sections = "".join(f'[buckets."{bucket}"]\n{of}' for bucket, of in zip(buckets, settings, strict=True))
        overrides = {f"limits.{name}": str(value) for name, value in limits.items()}
        # A rebuild finds all buckets of a store, those of other tests' keyrings too.
        gateway = make_gateway(overrides, alone=True, more=f'[keys]\nscrub_key = "{key}"\n' + sections.replace("POLICY", str(policy)))
        s3 = boto(gateway.endpoint)
        for bucket in buckets:
            s3.create_bucket(Bucket=bucket)
        return gateway, s3, buckets

    return make


def put(s3, bucket: str, key: str, text: str) -> bytes:
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return body(s3, bucket, key)


def detokenize(gateway: Gateway, bucket: str, text: bytes, *more: str, status: int = 0) -> bytes:
    """What `data-vault detokenize` makes of a text; its log names who asked and never a value."""
    source, out = gateway.root / "with-tokens", gateway.root / "opened"
    source.write_bytes(text)
    out.unlink(missing_ok=True)
    with Stopped(gateway):
        done = gateway.run("detokenize", str(source), "--vault", bucket, "--by", "alice", "--out", str(out), *more)
    assert done.returncode == status, done.stdout + done.stderr
    opened = out.read_bytes()
    out.unlink()
    for token in set(SHORT.findall(text)) - set(SHORT.findall(opened)):
        assert any(token.decode() in line and "alice" in line for line in done.stderr.splitlines())
    assert b"@example.org" not in done.stderr.encode()
    return opened


def test_one_value_has_one_token(made, tmp_path):
    gateway, s3, (bucket, other) = made(ENFORCE, ENFORCE)
    value = mail()
    first = put(s3, bucket, "a", f"Write to {value}.\n")
    token = SHORT.search(first)[0]
    assert first == b"Write to " + token + b".\n"
    assert put(s3, bucket, "b", f'{{"to": "{value.upper()}", "cc": "{value}"}}\n') == b'{"to": "%s", "cc": "%s"}\n' % (token, token)
    elsewhere = put(s3, other, "a", f"Write to {value}.\n")
    assert SHORT.search(elsewhere)[0] != token
    assert detokenize(gateway, bucket, first) == f"Write to {value}.\n".encode()
    assert detokenize(gateway, other, elsewhere) == f"Write to {value}.\n".encode()
    assert detokenize(gateway, other, first, status=3) == first, "of another vault"

    # The sidecar is made again: what stood for what, and by which token a value is known.
    gateway.stop()
    lose_sidecar(gateway)
    done = gateway.run("sidecar", "rebuild")
    assert done.returncode == 0, done.stderr
    gateway.start()
    s3 = boto(gateway.endpoint)
    assert put(s3, bucket, "c", f"{value}\n") == token + b"\n"
    assert detokenize(gateway, bucket, token) == value.encode()
    # Without a rebuild too.
    gateway.stop()
    lose_sidecar(gateway)
    gateway.start()
    s3 = boto(gateway.endpoint)
    assert put(s3, bucket, "d", f"{value}\n") == token + b"\n"
    assert detokenize(gateway, bucket, token) == value.encode()
    gateway.stop()
    assert len(kept(gateway, "tokens", bucket)) == 1, "only the first object had anything to add"

    # At rest it is nowhere.
    assert not holding(value.encode(), tmp_path)
    assert holding(token, tmp_path) and holding(bucket.encode(), tmp_path)


def test_whichever_way_it_is_written(made, tmp_path):
    """An upload in parts, a copy, a form's PUT over another object, a job and a read that scrubs: all give the token that a PUT gives."""
    gateway, s3, (bucket, raw) = made(ENFORCE + 'on_unscrubbed = "scrub_on_read"\n', 'scrub = "off"\n')
    value = mail()
    text = f"Write to {value}.\n"
    stored = put(s3, bucket, "put", text)
    assert SHORT.search(stored)
    put_in_parts(s3, bucket, "parts", [text.encode() * (5 * MIB // len(text) + 1), text.encode()])
    assert set(SHORT.findall(body(s3, bucket, "parts"))) == {SHORT.search(stored)[0]}
    assert value.encode() not in body(s3, bucket, "parts")
    s3.put_object(Bucket=raw, Key="raw", Body=text.encode())
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": raw, "Key": "raw"})
    assert body(s3, bucket, "copy") == stored
    with Stopped(gateway):
        done = gateway.run("scrub", f"s3://{raw}/", "--to", f"s3://{bucket}/job/")
    assert done.returncode == 0, done.stdout + done.stderr
    s3 = boto(gateway.endpoint)
    assert body(s3, bucket, "job/raw") == stored

    # What was there before the policy was.
    gateway.stop()
    configured = gateway.config.read_text()
    gateway.config.write_text(configured.replace('scrub = "enforce"', 'scrub = "off"'))
    gateway.start()
    boto(gateway.endpoint).put_object(Bucket=bucket, Key="read", Body=text.encode())
    gateway.stop()
    gateway.config.write_text(configured)
    gateway.start()
    assert body(boto(gateway.endpoint), bucket, "read") == stored


def test_many_at_once(made):
    """Writers of the same values, in any order: each value has one token, each token one value."""
    gateway, s3, (bucket,) = made(ENFORCE)
    values = [mail() for _ in range(200)]

    def write(number: int) -> dict[str, bytes]:
        mine = random.Random(number).sample(values, len(values))
        lines = put(boto(gateway.endpoint), bucket, f"k{number}", "\n".join(mine)).split(b"\n")
        return dict(zip(mine, lines, strict=True))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(16)))
    assert all(each == found[0] for each in found)
    assert len(set(found[0].values())) == len(values)
    assert all(SHORT.fullmatch(token) for token in found[0].values())
    text = b"\n".join(found[0][value] for value in values)
    assert detokenize(gateway, bucket, text) == "\n".join(values).encode()


@pytest.mark.parametrize("seed", range(3))
def test_killed(made, seed):
    """`kill -9` while objects are written: what was acknowledged is there and can be opened, after the sidecar is made again too."""
    gateway, s3, (bucket,) = made(ENFORCE)
    dice = random.Random(seed)
    written: dict[str, list[str]] = {}
    acknowledged: queue.Queue[str] = queue.Queue()

    def write(writer: int) -> None:
        client = boto(gateway.endpoint)
        for number in range(1000):
            key, values = f"{writer}-{number}", [mail() for _ in range(20)]
            written[key] = values
            try:
                client.put_object(Bucket=bucket, Key=key, Body="\n".join(values).encode())
            except (BotoCoreError, ClientError):
                return
            acknowledged.put(key)

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for writer in writers:
        writer.start()
    # By what was written and not by the clock: a slow machine has written nothing in a second.
    kept = {acknowledged.get(timeout=60) for _ in range(dice.randrange(1, 40))}
    time.sleep(dice.random() / 20)
    gateway.kill()
    for writer in writers:
        writer.join()
    while not acknowledged.empty():
        kept.add(acknowledged.get())

    def check() -> list[str]:
        client = boto(gateway.endpoint)
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        texts = [body(client, bucket, key) for key in keys]
        assert all(len(SHORT.findall(text)) == 20 for text in texts)
        opened = detokenize(gateway, bucket, b"\n".join(texts))
        assert opened == "\n".join("\n".join(written[key]) for key in keys).encode()
        return keys

    gateway.start()
    there = check()
    assert kept <= set(there)
    gateway.stop()
    lose_sidecar(gateway)
    assert gateway.run("sidecar", "rebuild").returncode == 0
    gateway.start()
    assert check() == there


def test_the_limit(made):
    gateway, s3, (bucket,) = made(ENFORCE, scrub_tokens=10)
    values = [mail() for _ in range(11)]
    with pytest.raises(ClientError) as refused:
        put(s3, bucket, "a", "\n".join(values))
    error = refused.value.response["Error"]
    assert (error["Code"], refused.value.response["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidRequest", 400)
    assert "more than 10 values" in error["Message"]
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    # Only what the vault has not yet counts.
    assert len(set(SHORT.findall(put(s3, bucket, "a", "\n".join(values[:10]))))) == 10
    assert len(set(SHORT.findall(put(s3, bucket, "a", "\n".join(values))))) == 11


def test_destroyed(made):
    """A vault that is destroyed opens nothing, made again or not; its objects stay, and new values get tokens that are opened."""
    gateway, s3, (bucket, other) = made(ENFORCE, ENFORCE)
    values = [mail(), mail()]
    tokens = [put(s3, bucket, "a", values[0]), put(s3, other, "a", values[0])]
    with Stopped(gateway):
        command = ("destroy-tokens", "--vault", bucket, "--by", "alice")
        assert gateway.run(*command).returncode == 2
        done = gateway.run(*command, "--gateway-stopped")
        assert done.returncode == 0, done.stderr
    assert kept_while_stopped(gateway, "tokens", bucket) == kept_while_stopped(gateway, "keks", f"{bucket}~tokens") == []
    assert detokenize(gateway, bucket, tokens[0], status=3) == tokens[0]
    assert detokenize(gateway, other, tokens[1]) == values[0].encode()
    gateway.stop()
    gateway.start()
    s3 = boto(gateway.endpoint)
    assert body(s3, bucket, "a") == tokens[0]
    assert detokenize(gateway, bucket, put(s3, bucket, "b", values[1])) == values[1].encode()
    assert detokenize(gateway, bucket, tokens[0], status=3) == tokens[0]


def kept_while_stopped(gateway: Gateway, kind: str, bucket: str) -> list[str]:
    with Stopped(gateway):
        return kept(gateway, kind, bucket)


def test_only_who_is_named_opens_tokens(made, tmp_path: Path):
    gateway, _, (bucket,) = made(ENFORCE)
    source = tmp_path / "text"
    source.write_text("<EMAIL_ADDRESS:v1_aaaaaaaa>")
    with Stopped(gateway):
        assert gateway.run("detokenize", str(source), "--vault", bucket).returncode == 2
        done = gateway.run("detokenize", str(source), "--vault", bucket, "--by", "alice")
    assert (done.returncode, done.stdout) == (3, source.read_text()), "of no vault"
