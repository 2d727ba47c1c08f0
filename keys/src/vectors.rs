//! The committed vectors of the whole format, `testdata/dv1.json`: every version of this crate must open them.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use bytes::BytesMut;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cobblestone::{SALT, seal_with_salt};
use crate::header::Header;
use crate::hierarchy::{Kek, KekName, KekRecord, LocalKeyring, RootKey, WrappedKek};
use crate::object::trailer_with_salts;
use crate::object::{
    Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Facts, ObjectKey, PartEntry, PartSealer, RangeOpener, open_whole,
    padding_len,
};
use crate::{Oid, metadata};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/dv1.json");
const ROOT_KEY: [u8; 32] = [0xa0; 32];
const KEK: [u8; 32] = [0xb0; 32];
const BUCKET: &str = "vectors";

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// A salt for each use, so that no two messages of the file share one.
fn salt(of: &str) -> [u8; SALT] {
    sha256(of.as_bytes())[..SALT].try_into().unwrap()
}

fn plaintext(length: u64) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

fn kek_name() -> KekName {
    KekName {
        kek_id: Uuid::from_bytes([0xb1; 16]),
        bucket_uuid: Uuid::from_bytes([0xb2; 16]),
        bucket: BUCKET.into(),
        epoch: 1,
    }
}

struct Case {
    name: &'static str,
    key: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// Number and length.
    parts: &'static [(u16, u64)],
}

const CASES: [Case; 5] = [
    Case { name: "empty", key: "empty", headers: &[], parts: &[(1, 0)] },
    Case {
        name: "one byte",
        key: "folder/one byte \u{e9}\u{65e5}",
        headers: &[
            ("Content-Type", "text/plain"),
            ("x-amz-meta-Author_Name", "=?UTF-8?Q?caf=C3=A9?="),
            ("x-amz-meta-list", "a, b"),
            ("x-amz-meta-list", "c"),
            ("Content-Encoding", "aws-chunked"),
            ("Cache-Control", "no-cache"),
        ],
        parts: &[(1, 1)],
    },
    Case {
        name: "one whole chunk",
        key: "chunk",
        headers: &[("Expires", "Thu, 01 Dec 1994 16:00:00 GMT")],
        parts: &[(1, 16384)],
    },
    Case { name: "an upload of which only part 5 was completed", key: "part-5", headers: &[], parts: &[(5, 3)] },
    Case {
        name: "two parts, numbers 1 and 9",
        key: "parts",
        headers: &[("Content-Type", "application/octet-stream")],
        parts: &[(1, 5 << 20), (9, 20_000)],
    },
];

fn headers(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &[u8])> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// A checksum of that algorithm whose value begins with these bytes.
fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut value = [0; 32];
    value[..bytes.len()].copy_from_slice(bytes);
    Checksum { algorithm, kind: ChecksumKind::FullObject, value }
}

/// Facts, stored bytes and trailer. `ETag`, MD5s and the object's checksum are only values here, of nothing.
fn seal(case: &Case, object: &ObjectKey, plaintext: &[u8]) -> (Facts, BytesMut, Vec<u8>) {
    let name = case.name;
    let (mut rest, mut body, mut rows) = (plaintext, BytesMut::new(), Vec::new());
    for (number, length) in case.parts {
        let (part, behind) = rest.split_at(*length as usize);
        rest = behind;
        let mut sealer = PartSealer::with_salt(object, *number, &part_salt(name, *number)).unwrap();
        sealer.update(part, &mut body).unwrap();
        rows.push(PartEntry {
            number: *number,
            length: *length,
            prefix: sealer.prefix(),
            md5: sha256(part)[..16].try_into().unwrap(),
            checksum: Some(checksum(ChecksumAlgorithm::Sha256, &sha256(part))),
        });
        sealer.finish(&mut body).unwrap();
    }
    let length = plaintext.len() as u64;
    let multipart = case.parts.len() > 1 || case.parts[0].0 != 1;
    let etag: [u8; 16] = sha256(format!("etag {name}").as_bytes())[..16].try_into().unwrap();
    let facts = Facts {
        length,
        etag: if multipart { ETag::Multipart(etag) } else { ETag::Md5(etag) },
        checksum: (length > 0).then(|| checksum(ChecksumAlgorithm::Crc32c, &[0xcc; 4])),
        part_count: rows.len() as u16,
        first_number: rows[0].number,
        first_prefix: rows[0].prefix,
        parts: if rows.len() > 1 { rows } else { Vec::new() },
    };
    body.resize(body.len() + padding_len(&facts) as usize, 0);
    let summary_salt = salt(&format!("summary {name}"));
    let trailer = trailer_with_salts(object, &facts, &summary_salt, &salt(&format!("table {name}"))).unwrap();
    body.extend_from_slice(&trailer);
    (facts, body, trailer)
}

fn part_salt(name: &str, number: u16) -> [u8; SALT] {
    salt(&format!("part {number} {name}"))
}

fn build_case(case: &Case) -> Value {
    let name = case.name;
    let dek = sha256(format!("dek {name}").as_bytes());
    let oid = sha256(format!("oid {name}").as_bytes())[..16].try_into().unwrap();
    let object = ObjectKey::new(Zeroizing::new(dek), Oid(oid));
    let plaintext = plaintext(case.parts.iter().map(|(_, length)| length).sum());
    let (facts, sealed, trailer) = seal(case, &object, &plaintext);
    let pairs: Vec<_> = case.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mask = metadata::mask(headers(&pairs));
    let digest = metadata::digest(headers(&pairs), mask);
    let kek = Kek::new(kek_name(), Zeroizing::new(KEK));
    let header = kek.wrap_with_salt(case.key, &object, mask, digest, &salt(&format!("dek {name}"))).unwrap();
    let parts: Vec<_> = case
        .parts
        .iter()
        .map(|(number, length)| json!({ "number": number, "length": length, "salt": hex::encode(part_salt(name, *number)) }))
        .collect();
    json!({
        "name": name,
        "bucket": BUCKET,
        "key": case.key,
        "headers": case.headers,
        "mask": mask,
        "metadata_digest": hex::encode(digest),
        "x-amz-meta-dv1": header.encode(),
        "dek": hex::encode(dek),
        "oid": hex::encode(oid),
        "etag": facts.etag_string(),
        "plaintext_length": facts.length,
        "plaintext_sha256": hex::encode(sha256(&plaintext)),
        "parts": parts,
        "sealed_length": sealed.len(),
        "sealed_sha256": hex::encode(sha256(&sealed)),
        "trailer": hex::encode(&trailer),
        // The multipart object is too long to commit; its body follows from DEK, oid, salts and plaintext.
        "sealed": (sealed.len() < 100_000).then(|| hex::encode(&sealed)),
    })
}

fn build() -> Value {
    let name = kek_name();
    let wrapped = seal_with_salt(&ROOT_KEY, &name.context().unwrap(), &KEK, &salt("kek")).unwrap();
    let record = KekRecord::new(name, WrappedKek { root_key_id: "root-1".into(), wrapped }, 1_700_000_000_000);
    let record: Value = serde_json::from_slice(&record.to_json().unwrap()).unwrap();
    json!({
        "comment": "Format dv1 of LLM Data Vault, see docs/format.md. Byte i of every plaintext is i mod 251. Salts are fixed here; in use they are random. Hexadecimal, except where docs/format.md says base64.",
        "keyring": { "version": 1, "active": "root-1", "keys": [{ "id": "root-1", "key": base64::engine::general_purpose::STANDARD.encode(ROOT_KEY), "created_at_ms": 1_700_000_000_000_i64 }] },
        "kek_record": record,
        "kek": hex::encode(KEK),
        "objects": CASES.iter().map(build_case).collect::<Vec<_>>(),
    })
}

fn committed() -> Value {
    serde_json::from_slice(&std::fs::read(PATH).unwrap()).unwrap()
}

#[tokio::test]
async fn the_committed_vectors_open() {
    let file = committed();
    let keyring = LocalKeyring::parse(PATH.as_ref(), file["keyring"].to_string().as_bytes()).unwrap();
    let record = KekRecord::from_json(file["kek_record"].to_string().as_bytes()).unwrap();
    let key = keyring.unwrap(&[record.to_unwrap()]).await.remove(0).unwrap();
    assert_eq!(hex::encode(*key), file["kek"].as_str().unwrap());
    let kek = Kek::new(record.name, key);
    let objects = file["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 5);
    for case in objects {
        let text = |field: &str| case[field].as_str().unwrap();
        let bytes = |field: &str| hex::decode(text(field)).unwrap();
        let header = Header::decode(text("x-amz-meta-dv1").as_bytes()).unwrap();
        let pairs: Vec<(String, String)> = serde_json::from_value(case["headers"].clone()).unwrap();
        let digest = metadata::digest(headers(&pairs), header.mask);
        assert_eq!(hex::encode(digest), text("metadata_digest"));
        let object = kek.unwrap(text("key"), &header, digest).unwrap();
        assert_eq!(object.expose().as_slice(), bytes("dek"));
        assert_eq!(hex::encode(object.oid().0), text("oid"));
        let sealed = match case["sealed"].as_str() {
            Some(sealed) => hex::decode(sealed).unwrap(),
            // Sealed again from the committed salts; the hash says whether it is the same object.
            None => reseal(&object, case),
        };
        assert_eq!(sealed.len() as u64, case["sealed_length"].as_u64().unwrap());
        assert_eq!(hex::encode(sha256(&sealed)), text("sealed_sha256"));
        let (facts, opened) = open_whole(&object, &sealed).unwrap();
        assert_eq!(facts.etag_string(), text("etag"));
        assert_eq!(opened.len() as u64, case["plaintext_length"].as_u64().unwrap());
        assert_eq!(hex::encode(sha256(&opened)), text("plaintext_sha256"));
        assert_eq!(opened, plaintext(facts.length));
        let middle = facts.length / 3..facts.length / 2;
        let mut range = RangeOpener::new(&object, &facts, middle.clone()).unwrap();
        let source = range.source();
        let mut out = BytesMut::new();
        range.update(&sealed[source.start as usize..source.end as usize], &mut out).unwrap();
        range.finish().unwrap();
        assert_eq!(out, plaintext(facts.length)[middle.start as usize..middle.end as usize]);
    }
}

fn reseal(object: &ObjectKey, case: &Value) -> Vec<u8> {
    let plaintext = plaintext(case["plaintext_length"].as_u64().unwrap());
    let mut rest = plaintext.as_slice();
    let mut out = BytesMut::new();
    for part in case["parts"].as_array().unwrap() {
        let number = part["number"].as_u64().unwrap() as u16;
        let salt = hex::decode(part["salt"].as_str().unwrap()).unwrap().try_into().unwrap();
        let (bytes, behind) = rest.split_at(part["length"].as_u64().unwrap() as usize);
        rest = behind;
        let mut sealer = PartSealer::with_salt(object, number, &salt).unwrap();
        sealer.update(bytes, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
    }
    let trailer = hex::decode(case["trailer"].as_str().unwrap()).unwrap();
    out.resize(case["sealed_length"].as_u64().unwrap() as usize - trailer.len(), 0);
    out.extend_from_slice(&trailer);
    out.to_vec()
}

/// What is sealed today is what was sealed then: a reader of then opens it.
#[test]
fn this_program_writes_the_committed_vectors() {
    assert_eq!(build(), committed());
}

#[test]
#[ignore = "writes the file; run it once for a new version of the format, never to make the tests above pass"]
fn write() {
    std::fs::write(PATH, serde_json::to_string_pretty(&build()).unwrap() + "\n").unwrap();
}
