"""Scrubbing of web archives and of mail on the way in, written and read back by the libraries that others use."""

from __future__ import annotations

import base64
import gzip
import io
import json
import mailbox
from email import message_from_bytes, policy
from email.header import Header
from email.message import EmailMessage
from email.mime.text import MIMEText

import pytest
from warcio.archiveiterator import ArchiveIterator
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from test_scrub_put import MAIL, PLANTED, SSN, names, put, scrubbing  # noqa: F401

pytestmark = pytest.mark.gateway

RECORD = {"mail": MAIL, "ssn": int(SSN.replace("-", "")), "id": 1}
CLEAN = {"mail": "<EMAIL_ADDRESS>", "ssn": None, "id": 1}


def written(zipped: bool, version: str) -> bytes:
    """A crawl: what is asked for and answered, in every coding, and what is kept beside."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=zipped, warc_version=version)
    writer.write_record(writer.create_warcinfo_record("crawl.warc.gz", {"operator": MAIL, "software": "a crawler"}))
    body = json.dumps(RECORD).encode()
    packed = gzip.compress(body)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:20], body[20:])) + b"0\r\n\r\n"
    for payload, fields in (
        (body, [("Content-Length", str(len(body)))]),
        (packed, [("Content-Length", str(len(packed))), ("Content-Encoding", "gzip")]),
        (chunks, [("Transfer-Encoding", "chunked")]),
        (b"<html><p>nothing here</p></html>", []),
    ):
        head = StatusAndHeaders("200 OK", [*fields, ("Content-Type", "text/plain"), ("X-From", MAIL)], protocol="HTTP/1.1")
        uri = f"http://example.com/of/{MAIL}"
        writer.write_record(writer.create_warc_record(uri, "response", payload=io.BytesIO(payload), http_headers=head))
    ask = StatusAndHeaders(f"GET /of/{MAIL} HTTP/1.1", [("Host", "example.com")], is_http_request=True)
    writer.write_record(writer.create_warc_record("http://example.com/", "request", http_headers=ask))
    writer.write_record(
        writer.create_warc_record("urn:x", "resource", payload=io.BytesIO(f"id,mail\n1,{MAIL}\n".encode()), warc_content_type="text/csv")
    )
    writer.write_record(writer.create_revisit_record("http://example.com/", "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ", "http://example.com/", "2026-01-02T03:04:05Z"))
    return out.getvalue()


@pytest.mark.parametrize("version", ["WARC/1.0", "WARC/1.1"])
@pytest.mark.parametrize("zipped", [True, False])
def test_web_archives(scrubbing, names, zipped, version):  # noqa: F811
    _, s3 = scrubbing
    source = written(zipped, version)
    found, stored = put(s3, names["enforce"], source)
    assert found["EMAIL_ADDRESS"] >= 12
    plain = gzip.decompress(stored) if zipped else stored
    assert [value for value in PLANTED if value.encode() in plain or value.replace("-", "").encode() in plain] == []
    kinds, payloads, before = [], [], [record.rec_headers.get_header("WARC-Record-ID") for record in ArchiveIterator(io.BytesIO(source))]
    # It checks every digest, and that each record of a zipped file is a member.
    archive = ArchiveIterator(io.BytesIO(stored), check_digests="raise", verify_http=True)
    ids, offsets = [], []
    for record in archive:
        payloads.append(record.content_stream().read())
        ids.append(record.rec_headers.get_header("WARC-Record-ID"))
        kinds.append(record.rec_type)
        offsets.append(archive.get_record_offset())
        if record.rec_type == "response" and (length := record.http_headers.get_header("Content-Length")):
            assert int(length) == int(record.rec_headers.get_header("Content-Length")) - len(record.http_headers.to_bytes())
    assert ids == before
    assert kinds == ["warcinfo", "response", "response", "response", "response", "request", "resource", "revisit"]
    assert [json.loads(payload) for payload in payloads[1:4]] == [CLEAN] * 3
    assert (payloads[4], payloads[6]) == (b"<html><p>nothing here</p></html>", b"id,mail\n1,<EMAIL_ADDRESS>\n")
    # Each can be read alone.
    for offset, kind in zip(offsets, kinds, strict=True):
        assert next(iter(ArchiveIterator(io.BytesIO(stored[offset:])))).rec_type == kind


def test_web_archives_that_are_cut_or_hold_images(scrubbing, names):  # noqa: F811
    _, s3 = scrubbing
    source = written(False, "WARC/1.0")
    with pytest.raises(s3.exceptions.ClientError) as cut:
        s3.put_object(Bucket=names["enforce"], Key="cut", Body=source[: len(source) // 2])
    assert "warc" in str(cut.value)
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    head = StatusAndHeaders("200 OK", [("Content-Type", "image/png")], protocol="HTTP/1.1")
    writer.write_record(writer.create_warc_record("http://x.org/", "response", payload=io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(99)), http_headers=head))
    with pytest.raises(s3.exceptions.ClientError, match="PNG"):
        s3.put_object(Bucket=names["enforce"], Key="image", Body=out.getvalue())
    _, stored = put(s3, names["passing"], out.getvalue())
    (record,) = [record.raw_stream.read() for record in ArchiveIterator(io.BytesIO(stored), check_digests="raise")]
    assert record.endswith(b"\x89PNG\r\n\x1a\n" + bytes(99))


def message() -> EmailMessage:
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = f"A Sender <{MAIL}>"
    mail["To"] = f"{MAIL}, somebody@example.net"
    mail["Subject"] = f"Zo\u00eb wrote of {SSN} to {MAIL}, and of this and that and of much else besides"
    mail["Date"] = "Fri, 02 Jan 2026 03:04:05 +0000"
    mail.set_content(f"of {MAIL}\n" + "and it is 5 \u20ac " * 30 + f"{SSN}\n", cte="quoted-printable")
    mail.add_alternative(f"<html><p>caf\u00e9 {MAIL}</p></html>", subtype="html", cte="base64")
    mail.add_attachment(json.dumps(RECORD).encode(), maintype="application", subtype="octet-stream", filename=f"zo\u00eb {MAIL}")
    mail.add_attachment(gzip.compress(f"id,mail\n1,{MAIL}\n".encode()), maintype="application", subtype="gzip", filename="a.csv.gz")
    inner = EmailMessage(policy=policy.SMTP)
    inner["From"], inner["To"], inner["Subject"] = MAIL, MAIL, "forwarded"
    inner.set_content(f"inner {SSN}\n", cte="base64")
    mail.add_attachment(inner)
    return mail


def decoded(mail) -> str:
    """All that a reader is shown."""
    parts = [str(value) for part in mail.walk() for value in part.values()]
    parts += [str(part.get_filename()) for part in mail.walk()]
    for part in mail.walk():
        if not part.is_multipart():
            body = part.get_payload(decode=True)
            parts.append((gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode("utf-8"))
    return "\n".join(parts)


def shape(mail) -> list[tuple]:
    return [(part.get_content_type(), part["Content-Transfer-Encoding"], part.get_boundary()) for part in mail.walk()]


def test_mail(scrubbing, names):  # noqa: F811
    _, s3 = scrubbing
    source = message()
    assert all(value in decoded(source) for value in PLANTED)
    raw = source.as_bytes()
    found, stored = put(s3, names["enforce"], raw)
    assert found["EMAIL_ADDRESS"] >= 9 and found["US_SSN"] >= 4
    read = message_from_bytes(stored, policy=policy.default)
    assert [part.defects for part in read.walk() if part.defects] == []
    shown = decoded(read)
    assert [value for value in [*PLANTED, SSN.replace("-", "")] if value in shown or value.encode() in stored] == []
    assert base64.b64encode(MAIL.encode())[:-4] not in stored
    assert shape(read) == shape(message_from_bytes(raw, policy=policy.default))
    assert "Zo\u00eb wrote of <US_SSN> to <EMAIL_ADDRESS>" in read["Subject"]
    parts = list(read.walk())
    assert json.loads(parts[4].get_payload(decode=True)) == CLEAN
    assert parts[4].get_filename() == "zo\u00eb <EMAIL_ADDRESS>"
    assert gzip.decompress(parts[5].get_payload(decode=True)) == b"id,mail\n1,<EMAIL_ADDRESS>\n"
    assert parts[2].get_content().splitlines()[0] == "of <EMAIL_ADDRESS>" and "is 5 \u20ac" in parts[2].get_content()
    assert max(map(len, stored.splitlines())) <= 998
    # One in which nothing is found stays byte for byte.
    quiet = MIMEText("it is 5 \u20ac and more\n" * 30, _charset="utf-8")
    quiet["From"], quiet["To"], quiet["Subject"] = "nobody", "nobody", Header("it is 5 \u20ac", "utf-8").encode()
    found, stored = put(s3, names["enforce"], quiet.as_bytes())
    assert (found, stored) == ({}, quiet.as_bytes())


def test_mailboxes(scrubbing, names, tmp_path):  # noqa: F811
    _, s3 = scrubbing
    path = tmp_path / "box"
    box = mailbox.mbox(path)
    for index in range(5):
        one = mailbox.mboxMessage(message_from_bytes(message().as_bytes(policy=policy.default)))
        one.set_from(MAIL, True)
        one["X-Index"] = str(index)
        box.add(one)
    plain = mailbox.mboxMessage()
    plain["From"], plain["To"], plain["Subject"] = MAIL, "x", "y"
    plain.set_payload(f"From {MAIL} at 10:30\n\nof {MAIL}\nFrom here on\n")
    box.add(plain)
    box.close()
    _, stored = put(s3, names["enforce"], path.read_bytes())
    (tmp_path / "clean").write_bytes(stored)
    read = list(mailbox.mbox(tmp_path / "clean"))
    assert len(read) == 6
    assert [one["X-Index"] for one in read] == [*"01234", None]
    assert all(one.get_from().startswith("<EMAIL_ADDRESS> ") for one in read[:5])
    assert [value for one in read for value in PLANTED if value in decoded(message_from_bytes(one.as_bytes(), policy=policy.default))] == []
    assert MAIL.encode() not in stored
    assert read[5].get_payload() == ">From <EMAIL_ADDRESS> at 10:30\n\nof <EMAIL_ADDRESS>\n>From here on\n"
