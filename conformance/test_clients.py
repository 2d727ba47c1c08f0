"""The command-line clients that people use, as they come: aws-cli and rclone."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients import KIB, MIB, aws, noise, rclone

FILES = {
    "empty": 0, "one": 1, "chunk-1": 16 * KIB - 1, "chunk": 16 * KIB, "chunk+1": 16 * KIB + 1,
    "part-1": 5 * MIB - 1, "part": 5 * MIB, "part+1": 5 * MIB + 1, "deep/er/large": 64 * MIB, "with space/ünï.txt": 1234,
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A folder with FILES."""
    root = tmp_path_factory.mktemp("tree")
    for name, size in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(size, name))
    return root


def same(one: Path, other: Path) -> None:
    names = [{str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} for root in (one, other)]
    assert names[0] == names[1]
    for name in names[0]:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.timeout(300)
def test_aws_cli(endpoint, s3, bucket, tree, tmp_path):
    """cp, ls, sync up, sync down; a second sync transfers nothing."""
    aws(endpoint, "s3", "cp", "deep/er/large", f"s3://{bucket}/one/large", cwd=tree)
    aws(endpoint, "s3", "cp", f"s3://{bucket}/one/large", str(tmp_path / "large"), cwd=tree)
    assert (tmp_path / "large").read_bytes() == (tree / "deep/er/large").read_bytes()
    aws(endpoint, "s3", "cp", f"s3://{bucket}/one/large", f"s3://{bucket}/one/copy", cwd=tree)
    assert s3.get_object(Bucket=bucket, Key="one/copy")["Body"].read() == noise(64 * MIB, "deep/er/large")
    first = aws(endpoint, "s3", "sync", "--no-progress", ".", f"s3://{bucket}/tree", cwd=tree)
    assert first.count("upload:") == len(FILES)
    assert aws(endpoint, "s3", "sync", "--no-progress", ".", f"s3://{bucket}/tree", cwd=tree) == ""
    listed = {tuple(reversed(line.split(None, 3)[2:])) for line in aws(endpoint, "s3", "ls", "--recursive", f"s3://{bucket}/tree/", cwd=tree).splitlines()}
    assert listed == {(f"tree/{name}", str(size)) for name, size in FILES.items()}
    aws(endpoint, "s3", "sync", "--no-progress", f"s3://{bucket}/tree", str(tmp_path / "down"), cwd=tree)
    same(tree, tmp_path / "down")
    aws(endpoint, "s3", "rm", "--recursive", f"s3://{bucket}/", cwd=tree)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.timeout(300)
def test_rclone(endpoint, bucket, tree, tmp_path):
    """copy, check by download, a second sync that transfers nothing, and back."""
    options = ("--s3-chunk-size", "5Mi", "--s3-upload-cutoff", "8Mi", "--s3-no-check-bucket", "-v")
    rclone(endpoint, "copy", ".", f"vault:{bucket}/tree", *options, cwd=tree)
    assert "0 differences found" in rclone(endpoint, "check", "--download", ".", f"vault:{bucket}/tree", cwd=tree)
    assert "0 differences found" in rclone(endpoint, "check", ".", f"vault:{bucket}/tree", cwd=tree), "by size and MD5"
    again = rclone(endpoint, "sync", ".", f"vault:{bucket}/tree", *options, cwd=tree)
    assert "Copied" not in again, again
    assert "There was nothing to transfer" in again, again
    rclone(endpoint, "sync", f"vault:{bucket}/tree", str(tmp_path / "down"), cwd=tree)
    same(tree, tmp_path / "down")
    (tree / "one").write_bytes(b"2")
    try:
        assert rclone(endpoint, "sync", ".", f"vault:{bucket}/tree", *options, cwd=tree).count("Copied") == 1
    finally:
        (tree / "one").write_bytes(noise(1, "one"))
    rclone(endpoint, "copy", f"vault:{bucket}/tree/deep", f"vault:{bucket}/other", "--s3-no-check-bucket", cwd=tree)
    assert rclone(endpoint, "lsf", "-R", "--files-only", "--format", "sp", f"vault:{bucket}/other", cwd=tree).strip() == f"{64 * MIB};er/large"
