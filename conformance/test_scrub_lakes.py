"""Tables by the clients that people make data sets with, in a bucket with `scrub = "enforce"`: written, read back by each, and nothing of what was planted
is left anywhere (docs/scrub-clients.md). The programs are `matrix/scrubbed.py` and `matrix/spark_scrubbed.py`."""

from __future__ import annotations

import json

import pytest

import planted
from test_matrix import BUILT, HERE, PYTHON, jars, run, seen
from watching import watched

pytestmark = [pytest.mark.gateway, pytest.mark.long, pytest.mark.timeout(900)]

ROWS = {"spark": 120_000}
UNTOUCHED = {"spark": ["id", "at", "score", "noise", "country"]}


@pytest.fixture
def written(make_gateway, target, tmp_path, monkeypatch):
    """Runs a program, while all that the gateway and its store keep is searched. What it saw, by what it names each thing."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    gateway = make_gateway({"buckets.default.scrub": "enforce"})

    def written(*command: str) -> dict[str, dict]:
        with watched(gateway, tmp_path / "temporary", *([target.store.data] if target.store else [])):
            said = seen(run([PYTHON, *command], gateway.endpoint, tmp_path / "home"))
        found = {one["what"]: one for one in map(json.loads, said)}
        for one in found.values():
            planted.clean(one["texts"])
        return found

    return written


def same(one: dict, schema: str = "True") -> None:
    """Schema, rows and untouched columns are as they were sent; numbers are gone where they were found."""
    kind = one["what"].partition(" ")[0]
    rows = ROWS.get(kind, planted.ROWS)
    assert (one["schema"], one["rows"], one["untouched"]) == (schema, rows, UNTOUCHED.get(kind, list(planted.UNTOUCHED)))
    # Spark writes a column of a literal as one that cannot be null: a number in it becomes zero.
    assert one["nulls"] == {"email": rows // 3, "ssn": 0 if kind == "spark" else rows}
    assert {"<EMAIL_ADDRESS>", "<US_SSN>", "<PHONE_NUMBER>", 'call "me"\n'} <= set(one["texts"]), "texts around the values are there"


def test_datasets_and_pandas(written):
    """Parquet and JSONL pushed through fsspec. `save_to_disk` writes Arrow, which is refused until it can be looked into, and then scrubbed."""
    found = written(str(HERE / "scrubbed.py"), "datasets_and_pandas")
    same(found["datasets parquet"])
    same(found["pandas parquet"], "['int64', 'str', 'float64', 'object', 'float64', 'str']")
    lines = found["datasets jsonl"]
    assert lines["untouched"] == ["id", "kind"], "`to_json` itself writes floats in ten digits"
    same(lines | {"untouched": list(planted.UNTOUCHED)}, "None")
    assert found["pandas csv"]["rows"] == planted.ROWS
    for streamed in ("streamed parquet", "streamed jsonl"):
        assert "my mail is <EMAIL_ADDRESS>" in found[streamed]["texts"]
    if "refused" in (saved := found["saved"]):
        assert "cannot be looked into" in saved["refused"]
        assert saved["left"] == []
    else:
        same(saved, "None")


@pytest.mark.parametrize("client", ["polars", "duckdb"])
def test_columns(written, client):
    """Parquet, lines of JSON and CSV. In CSV a number becomes a label: its column is one of text then."""
    found = written(str(HERE / "scrubbed.py"), client)
    for one in found.values():
        if one["what"].endswith("csv"):
            assert one["untouched"] == list(planted.UNTOUCHED)
            assert one["nulls"] == {"email": planted.ROWS // 3, "ssn": 0}
        elif one["what"].endswith("metadata"):
            assert "<EMAIL_ADDRESS>" in one["texts"]
        else:
            same(one, "None" if one["what"].endswith("ndjson") else "True")
    assert len(found) == 4


@pytest.mark.parametrize("committer", ["v1", "v2", "directory", "magic"])
def test_spark(written, committer):
    """Each committer of S3A. That of `magic` uploads in parts, keeps the ids in files of JSON, and completes when the job is done."""
    cloud = [] if committer.startswith("v") else [jars(BUILT / "spark-cloud")]
    found = written(str(HERE / "spark_scrubbed.py"), committer, ":".join([jars(BUILT / "spark"), *cloud]))[f"spark {committer}"]
    same(found)
    assert "0" in found["texts"]
    assert found["committer"] == ("file" if committer.startswith("v") else committer), "no other committer took over"
    assert found["left"] == ["_SUCCESS", "country=France", "country=Germany"]
