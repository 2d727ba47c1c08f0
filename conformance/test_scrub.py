"""`data-vault scrub`: files, folders, pipes and lines of JSON."""

from __future__ import annotations

import gzip
import json
import subprocess

import pytest

from servers import gateway_binary

pytestmark = pytest.mark.gateway

TEXT = "Mail john.smith@example.com, SSN 536-22-1234.\nNothing here.\n"


def scrub(*arguments, given: str | None = None) -> subprocess.CompletedProcess[str]:
    line = [str(gateway_binary()), "scrub", *map(str, arguments)]
    return subprocess.run(line, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_a_pipe():
    done = scrub("-", given=TEXT)
    assert (done.returncode, done.stdout) == (0, "Mail <EMAIL_ADDRESS>, SSN <US_SSN>.\nNothing here.\n"), done.stderr


def test_a_folder(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text(TEXT)
    (tmp_path / "in" / "deep" / "b.txt").write_text("fine\n")
    assert scrub("--out", tmp_path / "out", tmp_path / "in").returncode == 0
    assert (tmp_path / "out" / "a.txt").read_text().startswith("Mail <EMAIL_ADDRESS>")
    assert (tmp_path / "out" / "deep" / "b.txt").read_text() == "fine\n"
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 2, "nothing unfinished is left"


def test_a_folder_that_is_there(tmp_path):
    (tmp_path / "out").mkdir()
    for folder in ("in", "more"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(TEXT)
    assert scrub("--out", tmp_path / "out", tmp_path / "in" / "a.txt").returncode == 0
    assert (tmp_path / "out" / "a.txt").read_text().startswith("Mail <EMAIL_ADDRESS>")
    # Of two files of one name neither takes the place of the other.
    (tmp_path / "out" / "a.txt").unlink()
    done = scrub("--out", tmp_path / "out", tmp_path / "in", tmp_path / "more")
    assert done.returncode == 2 and "would be written to" in done.stderr, done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_places_and_status(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text(f"first\n{TEXT}")
    done = scrub("--detect", "--fail-on", "US_SSN", file)
    assert done.returncode == 3
    assert done.stdout.splitlines()[0].startswith(f"{file}:2:6: EMAIL_ADDRESS ")
    assert "536" not in done.stdout and "john" not in done.stdout, "findings are places, not values"
    assert scrub("--detect", "--fail-on", "IBAN_CODE", file).returncode == 0
    unknown = scrub("--detect", "--fail-on", "US_SNN", file)
    assert (unknown.returncode, "--list" in unknown.stderr) == (2, True)


@pytest.mark.parametrize("form", ["json", "html", "sarif"])
def test_reports(tmp_path, form):
    file = tmp_path / "a.txt"
    file.write_text(TEXT)
    done = scrub("--report", form, file)
    assert done.returncode == 0 and "EMAIL_ADDRESS" in done.stdout and "john" not in done.stdout
    if form == "json":
        assert json.loads(done.stdout)["counts"] == {"EMAIL_ADDRESS": 1, "US_SSN": 1}
    if form == "sarif":
        assert len(json.loads(done.stdout)["runs"][0]["results"]) == 2


def test_lines_of_json(tmp_path):
    """The contract for evaluators: offsets in code points."""
    file = tmp_path / "a.jsonl"
    text = "\u00e9\U0001f600 john.smith@example.com"
    file.write_text(json.dumps({"id": 7, "text": text}) + "\n" + json.dumps({"id": "x", "text": "fine", "more": [1]}) + "\n")
    found = [json.loads(line) for line in scrub("--detect", "--jsonl", file).stdout.splitlines()]
    assert [(f["id"], text[f["start"] : f["end"]], f["type"]) for f in found] == [(7, "john.smith@example.com", "EMAIL_ADDRESS")]
    records = [json.loads(line) for line in scrub("--jsonl", file).stdout.splitlines()]
    assert records == [{"id": 7, "text": "\u00e9\U0001f600 <EMAIL_ADDRESS>"}, {"id": "x", "text": "fine", "more": [1]}]
    done = scrub("--jsonl", "--out", tmp_path / "out.jsonl", file, file)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == records + records
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "out.jsonl"]


def test_what_is_no_text_is_refused(tmp_path):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    done = scrub("--out", tmp_path / "b", file)
    assert (done.returncode, "gzip" in done.stderr, (tmp_path / "b").exists()) == (1, True, False)
    assert scrub("--detect", file).returncode == 0


def test_a_policy_with_mistakes(tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text('id = "a"\nversion = 1\n[types.US_SSN]\nstrategy = "lable"\n')
    done = scrub("--policy", policy, "-", given=TEXT)
    assert done.returncode == 2 and "line 4" in done.stderr, done.stderr
    blocks = tmp_path / "blocks.toml"
    blocks.write_text('id = "a"\nversion = 1\n[types.US_SSN]\nstrategy = "block"\n')
    done = scrub("--policy", blocks, "--out", tmp_path / "out", "-", given=TEXT)
    assert (done.returncode, "US_SSN" in done.stderr, (tmp_path / "out").exists()) == (1, True, False)
    assert "536" not in done.stderr


def test_the_list_names_every_detector():
    listed = scrub("--list")
    assert listed.returncode == 0 and "US_SSN (us_ssn, US)" in listed.stdout
    assert listed.stdout.count("\n  finds: ") == listed.stdout.count("\n  leaves: ") > 300


def test_tokens_are_turned_back(tmp_path):
    """Whatever the cut: the token lies across the end of the first block that is read."""
    key, policy = tmp_path / "key", tmp_path / "policy.toml"
    key.write_text("42" * 32)
    policy.write_text('id = "a"\nversion = 1\nscope = "bucket"\n[defaults]\nstrategy = "tokenize"\n')
    given = "x " * 131_060 + "Mail john.smith@example.com now.\n"
    done = scrub("--policy", policy, "--key-file", key, "-", given=given)
    assert done.returncode == 0 and "<EMAIL_ADDRESS:t1_" in done.stdout, done.stderr

    def detokenize(*arguments, text: str) -> subprocess.CompletedProcess[str]:
        line = [str(gateway_binary()), "detokenize", *map(str, arguments), "-"]
        return subprocess.run(line, input=text, capture_output=True, text=True, timeout=60, check=False)

    opened = detokenize("--key-file", key, "--scope", "bucket", text=done.stdout)
    assert (opened.returncode, opened.stdout) == (0, given), opened.stderr
    foreign = detokenize("--key-file", key, "--name", "other", text=done.stdout)
    assert (foreign.returncode, foreign.stdout, "1 left" in foreign.stderr) == (3, done.stdout, True)
    bad = tmp_path / "bad"
    bad.write_text("no key")
    assert detokenize("--key-file", bad, text="").returncode == 2
    assert detokenize("--key-file", key, "--scope", "world", text="").returncode == 2
