"""`data-vault scrub`: files, folders, pipes and lines of JSON."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import tarfile

import pyarrow
import pyarrow.parquet
import pytest

from servers import gateway_binary

pytestmark = pytest.mark.gateway

TEXT = "Mail john.smith@example.com, SSN 536-22-1234.\nNothing here.\n"


def scrub(*arguments, given: str | None = None) -> subprocess.CompletedProcess[str]:
    line = [str(gateway_binary()), "scrub", *map(str, arguments)]
    return subprocess.run(line, input=given, capture_output=True, text=True, errors="replace", timeout=60, check=False)


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


def test_what_cannot_be_looked_into(tmp_path):
    """A file that is refused is named with the reason; the others are done."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.pdf").write_bytes(b"%PDF-1.7\n")
    (source / "b.txt").write_text(TEXT)
    (source / "c.gz").write_bytes(gzip.compress(TEXT.encode())[:-6])
    with tarfile.open(source / "d.tar", "w") as tar:
        member = tarfile.TarInfo("elf")
        member.size = 6
        tar.addfile(member, io.BytesIO(b"\x7fELF\x02\x01"))
    (source / "e.txt").write_text(TEXT)
    done = scrub("--out", tmp_path / "out", source)
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert [line.split("/in/")[1].split(":")[0] for line in told] == ["a.pdf", "c.gz", "d.tar"]
    assert [word in line for word, line in zip(("PDF", "gzip", "ELF"), told, strict=True)] == [True] * 3, told
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.txt", "e.txt"]
    done = scrub("--out", tmp_path / "passed", "--on-media", "pass", "--on-unknown", "pass", source)
    assert done.returncode == 1, "what is broken is broken"
    assert (tmp_path / "passed" / "a.pdf").read_bytes() == b"%PDF-1.7\n"
    assert sorted(path.name for path in (tmp_path / "passed").iterdir()) == ["a.pdf", "b.txt", "d.tar", "e.txt"]
    # Where only the findings are wanted, it is told and no failure, unless that is asked for.
    for flags, status in ([], 0), (["--on-media", "refuse"], 1):
        done = scrub("--detect", *flags, source / "a.pdf", source / "b.txt")
        assert (done.returncode, "PDF" in done.stderr, "b.txt:1:6: EMAIL_ADDRESS" in done.stdout) == (status, True, True)
    # Nothing follows a part of a file on standard output.
    (source / "c.gz").write_bytes(gzip.compress(b"word word\n" * 60_000)[:-6])
    done = scrub(source / "c.gz", source / "b.txt")
    assert (done.returncode, "Mail" in done.stdout) == (1, False)
    done = scrub(source / "a.pdf", source / "b.txt")
    assert (done.returncode, "Mail" in done.stdout) == (1, True)


def test_files_keep_their_formats(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    record = {"mail": "john.smith@example.com", "ssn": 536221234, "n": 1}
    (source / "a.json").write_text(json.dumps(record))
    (source / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(record).encode() + b"\n"))
    (source / "a.csv").write_text('id,email,note\n1,john.smith@example.com,"a, b"\n')
    with tarfile.open(source / "a.tar", "w") as tar:
        tar.add(source / "a.json", "john.smith@example.com/a.json")
    table = pyarrow.table({"email": ["john.smith@example.com", "none"], "n": [1, 2]})
    pyarrow.parquet.write_table(table, source / "a.parquet")
    assert scrub("--out", tmp_path / "out", source).returncode == 0
    clean = {"mail": "<EMAIL_ADDRESS>", "ssn": None, "n": 1}
    assert json.loads((tmp_path / "out" / "a.json").read_text()) == clean
    assert json.loads(gzip.decompress((tmp_path / "out" / "a.jsonl.gz").read_bytes())) == clean
    rows = list(csv.reader(io.StringIO((tmp_path / "out" / "a.csv").read_text())))
    assert rows == [["id", "email", "note"], ["1", "<EMAIL_ADDRESS>", "a, b"]]
    with tarfile.open(tmp_path / "out" / "a.tar") as tar:
        assert tar.getnames() == ["<EMAIL_ADDRESS>/a.json"]
        assert json.load(tar.extractfile("<EMAIL_ADDRESS>/a.json")) == clean
    assert pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet").column("email").to_pylist()[0] == "<EMAIL_ADDRESS>"
    # On the way through a pipe too.
    piped = subprocess.run(
        [str(gateway_binary()), "scrub", "-"], input=(source / "a.jsonl.gz").read_bytes(), capture_output=True, timeout=60, check=True
    )
    assert json.loads(gzip.decompress(piped.stdout)) == clean


def test_places_are_those_of_texts(tmp_path):
    """In a file whose bytes are text a finding has a line; in others it is counted."""
    (tmp_path / "a.json").write_text('{"n": 1,\n "mail": "john.smith@example.com"}')
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    done = scrub("--detect", "--fail-on", "US_SSN", tmp_path / "a.json", tmp_path / "a.txt.gz")
    assert done.returncode == 3, "findings without a line count"
    lines = [line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines()]
    assert lines[0].startswith("a.json:2:11: EMAIL_ADDRESS ")
    assert lines[1:] == ["a.txt.gz: 1 of EMAIL_ADDRESS", "a.txt.gz: 1 of US_SSN"]
    report = json.loads(scrub("--report", "json", tmp_path / "a.json", tmp_path / "a.txt.gz").stdout)
    assert report["counts"] == {"EMAIL_ADDRESS": 2, "US_SSN": 1}
    assert [len(file["places"]) for file in report["files"]] == [1, 0]
    assert report["files"][1]["counts"] == {"EMAIL_ADDRESS": 1, "US_SSN": 1}
    sarif = json.loads(scrub("--report", "sarif", tmp_path / "a.txt.gz").stdout)
    assert [result["occurrenceCount"] for result in sarif["runs"][0]["results"]] == [1, 1]


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
    # What is in JSON, tables and markup keeps its form on both ways.
    for given in (
        '{"mail": "john.smith@example.com"}',
        "id,mail\n1,john.smith@example.com\n",
        '<?xml version="1.0"?>\n<m to="john.smith@example.com">john.smith@example.com</m>',
    ):
        made = scrub("--policy", policy, "--key-file", key, "-", given=given)
        assert "EMAIL_ADDRESS:t1_" in made.stdout and "john" not in made.stdout
        assert detokenize("--key-file", key, "--scope", "bucket", text=made.stdout).stdout == given
    foreign = detokenize("--key-file", key, "--name", "other", text=done.stdout)
    assert (foreign.returncode, foreign.stdout, "1 left" in foreign.stderr) == (3, done.stdout, True)
    bad = tmp_path / "bad"
    bad.write_text("no key")
    assert detokenize("--key-file", bad, text="").returncode == 2
    assert detokenize("--key-file", key, "--scope", "world", text="").returncode == 2
