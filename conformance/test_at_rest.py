"""Nothing readable in the backend, and no secret in a log."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clients import MIB, noise, put_in_parts
from servers import files_under, holding

MARKER = b"MARKER-of-a-private-conversation-4f1c9e-"


@pytest.mark.needs("files")
@pytest.mark.vault
@pytest.mark.parametrize("way", ["small", "large", "multipart", "copy", "part copy", "unfinished upload", "small part"])
def test_marker_is_found_nowhere(target, bucket, way):
    """Body, multipart and copy: not one file of the store, the sidecar or the gateway's folder holds the marker."""
    s3, needle = target.s3, MARKER + way.encode()
    small, large = needle * 3, noise(2 * MIB) + needle + noise(4 * MIB)
    match way:
        case "small":
            s3.put_object(Bucket=bucket, Key="k", Body=small)
        case "large":
            s3.put_object(Bucket=bucket, Key="k", Body=large)
        case "multipart":
            put_in_parts(s3, bucket, "k", [large, large, small])
        case "copy":
            s3.put_object(Bucket=bucket, Key="a", Body=large)
            s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "a"})
        case "part copy":
            s3.put_object(Bucket=bucket, Key="a", Body=large)
            upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
            s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, CopySource={"Bucket": bucket, "Key": "a"})
        case "unfinished upload":
            upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
            s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=large)
        case "small part":
            upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
            s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=small)
    assert len(list(files_under(*target.data_folders()))) > 3, "the folders looked into are the right ones"
    assert not holding(needle, *target.data_folders())


@pytest.mark.gateway
def test_no_secret_in_logs_or_metrics(target, bucket):
    """Requests, good and bad, at the most talkative level: keys and bodies stay out of what is written."""
    s3 = target.s3
    s3.put_object(Bucket=bucket, Key="k", Body=MARKER)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    from test_presigned import fetch

    assert fetch(url).body == MARKER
    target.raw("PUT", f"/{bucket}/k", body=MARKER, payload_hash="0" * 64)
    signature = url.split("Signature=")[1].split("&")[0]
    secrets = [target.endpoint.secret_key.encode(), MARKER, signature.encode()]
    if target.store is not None:
        secrets.append(target.store.endpoint.secret_key.encode())
    written = target.gateway.log.read_bytes() + "\n".join(target.gateway.metrics()).encode()
    for secret in secrets:
        assert secret not in written


@pytest.mark.gateway
def test_modes_of_the_folder_and_the_keyring(own_gateway):
    """The folder is 0700, and nothing in it but for its owner; the keyring is 0600."""
    assert stat.S_IMODE(own_gateway.data.stat().st_mode) == 0o700
    keyrings = [path for path in files_under(own_gateway.data) if "keyring" in path.name]
    assert keyrings
    for path in keyrings:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
