//! The committed vectors of the whole format, `testdata/dv1.json`: every version of this crate must open them.

use std::ops::Range;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use bytes::BytesMut;
use serde_json::{Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cobblestone::{SALT, seal_with_salt};
use crate::header::Header;
use crate::hierarchy::{Kek, KekName, KekRecord, LocalKeyring, RootKey, WrappedKek};
use crate::length::sealed_object_len;
use crate::object::trailer_with_salts;
use crate::object::{
    Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Facts, ObjectKey, PartEntry, PartSealer, RangeOpener, Suffix,
    open_suffix, open_whole, padding_len,
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

fn plaintext(range: Range<u64>) -> Vec<u8> {
    range.map(|i| (i % 251) as u8).collect()
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
    parts: Vec<(u16, u64)>,
    opaque: bool,
    checksum: (ChecksumAlgorithm, ChecksumKind),
}

fn case(name: &'static str, key: &'static str, parts: Vec<(u16, u64)>) -> Case {
    let checksum = (ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject);
    Case { name, key, headers: &[], parts, opaque: false, checksum }
}

fn cases() -> Vec<Case> {
    vec![
        case("empty", "empty", vec![(1, 0)]),
        Case {
            headers: &[
                ("Content-Type", "text/plain"),
                ("x-amz-meta-Author_Name", "=?UTF-8?Q?caf=C3=A9?="),
                ("x-amz-meta-list", "a, b"),
                ("x-amz-meta-list", "c"),
                ("Content-Encoding", "aws-chunked"),
                ("Cache-Control", "no-cache"),
            ],
            ..case("one byte", "folder/one byte \u{e9}\u{65e5}", vec![(1, 1)])
        },
        Case {
            headers: &[("Expires", "Thu, 01 Dec 1994 16:00:00 GMT")],
            ..case("one whole chunk", "chunk", vec![(1, 16384)])
        },
        case("an upload of which only part 5 was completed", "part-5", vec![(5, 3)]),
        Case {
            headers: &[("Content-Type", "application/octet-stream")],
            ..case("two parts, numbers 1 and 9", "parts", vec![(1, 5 << 20), (9, 20_000)])
        },
        Case {
            checksum: (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject),
            ..case("one part of more than 5 MiB", "large", vec![(1, (5 << 20) + 5)])
        },
        Case {
            opaque: true,
            checksum: (ChecksumAlgorithm::Sha1, ChecksumKind::FullObject),
            ..case("an opaque ETag", "opaque", vec![(1, 40)])
        },
        Case {
            opaque: true,
            checksum: (ChecksumAlgorithm::Sha256, ChecksumKind::Composite),
            ..case("equal parts, an empty last one, an opaque ETag", "equal", vec![(2, 5 << 20), (3, 5 << 20), (7, 0)])
        },
    ]
}

/// Objects too large to be made in a test: only their ends are kept. The TABLE has more than one chunk, and small and empty parts
/// stand behind a large one that makes room for their rows.
fn trailer_cases() -> Vec<Case> {
    let tiny = (2..=130u16).map(|number| (number, u64::from(number % 4)));
    vec![Case {
        checksum: (ChecksumAlgorithm::Crc32, ChecksumKind::Composite),
        ..case("a TABLE of two chunks", "table", std::iter::once((1, 66 * (5 << 20))).chain(tiny).collect())
    }]
}

struct Metadata {
    name: &'static str,
    mask: u8,
    headers: &'static [(&'static str, &'static [u8])],
}

/// Each is one rule of the canonical form.
const METADATA: [Metadata; 17] = [
    Metadata { name: "nothing", mask: 0, headers: &[] },
    Metadata { name: "nothing, under a mask", mask: 63, headers: &[] },
    Metadata {
        name: "what is not covered",
        mask: 63,
        headers: &[("ETag", b"x"), ("x-amz-storage-class", b"STANDARD"), ("x-amz-meta-dv1", b"x"), ("X-Amz-Meta-Dv1", b"")],
    },
    Metadata {
        name: "every system header",
        mask: 63,
        headers: &[
            ("Expires", b"Thu, 01 Dec 1994 16:00:00 GMT"),
            ("Content-Type", b"text/plain; charset=utf-8"),
            ("Content-Language", b"de, en"),
            ("Content-Encoding", b"gzip"),
            ("Content-Disposition", b"attachment; filename=\"a, b\""),
            ("Cache-Control", b"no-cache, max-age=0"),
        ],
    },
    Metadata {
        name: "of two system headers the mask covers one",
        mask: 0b01_0000,
        headers: &[("content-type", b"a/b"), ("expires", b"0")],
    },
    Metadata {
        name: "white space and commas",
        mask: 0,
        headers: &[("x-amz-meta-a", b" \t1 ,\t2,, 3\r\n"), ("x-amz-meta-b", b"\x0c1\xc2\xa0"), ("x-amz-meta-c", b" \t")],
    },
    Metadata { name: "a comma alone is not empty", mask: 0, headers: &[("x-amz-meta-a", b" , ")] },
    Metadata {
        name: "a repeated name keeps its order",
        mask: 0,
        headers: &[("x-amz-meta-b", b"2"), ("X-Amz-Meta-A", b"z"), ("x-amz-meta-b", b"1"), ("x-amz-meta-b", b"")],
    },
    Metadata {
        name: "names that fall together, by the name as it came",
        mask: 0,
        headers: &[("x-amz-meta-a_b", b"1"), ("x-amz-meta-A-B", b"2"), ("x-amz-meta-a_B", b"3"), ("x-amz-meta_c", b"4")],
    },
    Metadata {
        name: "UTF-8, ISO 8859-1, and UTF-8 taken for ISO 8859-1",
        mask: 0,
        headers: &[
            ("x-amz-meta-a", b"caf\xc3\xa9"),
            ("x-amz-meta-b", b"caf\xe9"),
            ("x-amz-meta-c", b"caf\xc3\x83\xc2\xa9"),
            ("x-amz-meta-d", b"\xe6\x97\xa5\xc3\x83\xc2\xa9"),
            ("x-amz-meta-e", b"\xc3\x83\xc2\x83\xc3\x82\xc2\xa9"),
        ],
    },
    Metadata {
        name: "encoded words",
        mask: 0,
        headers: &[
            ("x-amz-meta-a", b"=?UTF-8?B?Y2Fmw6kg5pel?="),
            ("x-amz-meta-b", b"=?utf-8?q?a_b=5f=2C_c?="),
            ("x-amz-meta-c", b"x =?UTF-8?Q?=E6=97?=\t =?UTF-8?b?pQ==?= y"),
            ("x-amz-meta-d", b"=?UTF-8?Q?=E9?="),
            ("x-amz-meta-e", b"=?UTF-8?Q??="),
            ("x-amz-meta-f", b"=?UTF-8?Q?a?= - =?UTF-8?Q?b?="),
        ],
    },
    Metadata {
        name: "what is no encoded word",
        mask: 0,
        headers: &[
            ("x-amz-meta-a", b"=?UTF-8?B?YQ?="),
            ("x-amz-meta-b", b"=?UTF-8?B?YR==?="),
            ("x-amz-meta-c", b"=?UTF-8?Q?=4?="),
            ("x-amz-meta-d", b"=?UTF-8?Q?a b?="),
            ("x-amz-meta-e", b"=?UTF-16?Q?a?="),
            ("x-amz-meta-f", b"=?UTF-8?X?a?="),
            ("x-amz-meta-g", b"==?UTF-8?Q?a?= =?UTF-8?Q?=zz?="),
            ("x-amz-meta-h", b"=?UTF-8?Q?=?UTF-8?Q?a?="),
        ],
    },
    Metadata {
        name: "words in words, to the fourth round",
        mask: 0,
        headers: &[
            ("x-amz-meta-a", b"=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fcaf=3F=3D=C3=A9?="),
            (
                "x-amz-meta-b",
                b"=?UTF-8?B?PT9VVEYtOD9CP1BUOVZWRVl0T0Q5Q1AxQlVPVlpXUlZsMFQwUTVRMUF4UWxWUFZscFhVbFpzTUZRd1VUVlJNVUY0WWtaS1VWWkVRWFpWUmtVNVVGUTRPVDg5Pz0=?=",
            ),
        ],
    },
    Metadata {
        name: "a word in a system header, within ASCII and beyond",
        mask: 0b00_0110,
        headers: &[
            ("content-disposition", b"=?UTF-8?Q?attachment?= =?UTF-8?Q?_a?=; =?UTF-8?Q?x=3D=C3=BC?="),
            ("content-encoding", b"=?UTF-8?Q?aws-chunked?="),
        ],
    },
    Metadata {
        name: "aws-chunked",
        mask: 4,
        headers: &[("Content-Encoding", b"AWS-Chunked, gzip"), ("content-encoding", b"aws-chunked")],
    },
    Metadata { name: "aws-chunked alone", mask: 4, headers: &[("Content-Encoding", b"aws-chunked,aws-chunked")] },
    Metadata { name: "aws-chunked elsewhere", mask: 0, headers: &[("x-amz-meta-content-encoding", b"aws-chunked")] },
];

fn headers(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &[u8])> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

/// A checksum whose value begins with these bytes.
fn checksum((algorithm, kind): (ChecksumAlgorithm, ChecksumKind), bytes: &[u8]) -> Checksum {
    let mut value = [0; 32];
    value[..bytes.len()].copy_from_slice(bytes);
    Checksum { algorithm, kind, value }
}

/// `ETag`, MD5s and the object's checksum are only values here, of nothing.
fn facts(case: &Case, rows: Vec<PartEntry>) -> Facts {
    let length = case.parts.iter().map(|(_, length)| length).sum();
    let multipart = case.parts.len() > 1 || case.parts[0].0 != 1;
    let etag: [u8; 16] = sha256(format!("etag {}", case.name).as_bytes())[..16].try_into().unwrap();
    Facts {
        length,
        etag: match (case.opaque, multipart) {
            (true, _) => ETag::Opaque(etag),
            (false, true) => ETag::Multipart(etag),
            (false, false) => ETag::Md5(etag),
        },
        checksum: (length > 0).then(|| checksum(case.checksum, &[0xcc; 32][..case.checksum.0.len()])),
        part_count: rows.len() as u16,
        first_number: rows[0].number,
        first_prefix: rows[0].prefix,
        parts: if rows.len() > 1 { rows } else { Vec::new() },
    }
}

fn seal_trailer(case: &Case, object: &ObjectKey, facts: &Facts) -> Vec<u8> {
    let [summary, table] = ["summary", "table"].map(|of| salt(&format!("{of} {}", case.name)));
    trailer_with_salts(object, facts, &summary, &table).unwrap()
}

/// Facts, stored bytes and trailer.
fn seal(case: &Case, object: &ObjectKey, plaintext: &[u8]) -> (Facts, BytesMut, Vec<u8>) {
    let (mut rest, mut body, mut rows) = (plaintext, BytesMut::new(), Vec::new());
    for (number, length) in &case.parts {
        let (part, behind) = rest.split_at(*length as usize);
        rest = behind;
        let mut sealer = PartSealer::with_salt(object, *number, &part_salt(case.name, *number)).unwrap();
        sealer.update(part, &mut body).unwrap();
        let sha256 = sha256(part);
        rows.push(PartEntry {
            number: *number,
            length: *length,
            prefix: sealer.prefix(),
            md5: sha256[..16].try_into().unwrap(),
            checksum: Some(checksum((ChecksumAlgorithm::Sha256, ChecksumKind::FullObject), &sha256)),
        });
        sealer.finish(&mut body).unwrap();
    }
    let facts = facts(case, rows);
    body.resize(body.len() + padding_len(&facts) as usize, 0);
    let trailer = seal_trailer(case, object, &facts);
    body.extend_from_slice(&trailer);
    (facts, body, trailer)
}

fn part_salt(name: &str, number: u16) -> [u8; SALT] {
    salt(&format!("part {number} {name}"))
}

fn object_key(case: &Case) -> ObjectKey {
    let dek = sha256(format!("dek {}", case.name).as_bytes());
    let oid = sha256(format!("oid {}", case.name).as_bytes())[..16].try_into().unwrap();
    ObjectKey::new(Zeroizing::new(dek), Oid(oid))
}

/// What is told of every case.
fn describe(case: &Case, object: &ObjectKey, facts: &Facts, trailer: &[u8]) -> Value {
    let name = case.name;
    let pairs: Vec<_> = case.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mask = metadata::mask(headers(&pairs));
    let digest = metadata::digest(headers(&pairs), mask);
    let kek = Kek::new(kek_name(), Zeroizing::new(KEK));
    let header = kek.wrap_with_salt(case.key, object, mask, digest, &salt(&format!("dek {name}"))).unwrap();
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
        "dek": hex::encode(object.expose()),
        "oid": object.oid().to_string(),
        "etag": facts.etag_string(),
        "plaintext_length": facts.length,
        "parts": parts,
        "sealed_length": sealed_object_len(facts.length),
        "trailer": hex::encode(trailer),
    })
}

fn build_case(case: &Case) -> Value {
    let object = object_key(case);
    let plaintext = plaintext(0..case.parts.iter().map(|(_, length)| length).sum());
    let (facts, sealed, trailer) = seal(case, &object, &plaintext);
    let mut value = describe(case, &object, &facts, &trailer);
    value["plaintext_sha256"] = json!(hex::encode(sha256(&plaintext)));
    value["sealed_sha256"] = json!(hex::encode(sha256(&sealed)));
    // What is too long to commit follows from DEK, oid, salts and plaintext.
    value["sealed"] = json!((sealed.len() < 100_000).then(|| hex::encode(&sealed)));
    value
}

fn build_trailer_case(case: &Case) -> Value {
    let object = object_key(case);
    let row = |(number, length): &(u16, u64)| {
        let value = sha256(format!("row {number} {}", case.name).as_bytes());
        let kind = (ChecksumAlgorithm::Crc32, ChecksumKind::FullObject);
        PartEntry {
            number: *number,
            length: *length,
            prefix: PartSealer::with_salt(&object, *number, &part_salt(case.name, *number)).unwrap().prefix(),
            md5: value[..16].try_into().unwrap(),
            checksum: (*number != 3).then(|| checksum(kind, &value[..4])),
        }
    };
    let facts = facts(case, case.parts.iter().map(row).collect());
    describe(case, &object, &facts, &seal_trailer(case, &object, &facts))
}

fn build_metadata(case: &Metadata) -> Value {
    let pairs = || case.headers.iter().copied();
    json!({
        "name": case.name,
        "headers": pairs().map(|(name, value)| json!([name, hex::encode(value)])).collect::<Vec<_>>(),
        "mask": case.mask,
        "canonical": metadata::canonical(pairs(), case.mask).into_iter().collect::<Vec<_>>(),
        "metadata_digest": hex::encode(metadata::digest(pairs(), case.mask)),
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
        "objects": cases().iter().map(build_case).collect::<Vec<_>>(),
        "trailers": trailer_cases().iter().map(build_trailer_case).collect::<Vec<_>>(),
        "metadata": METADATA.iter().map(build_metadata).collect::<Vec<_>>(),
    })
}

fn committed() -> Value {
    serde_json::from_slice(&std::fs::read(PATH).unwrap()).unwrap()
}

/// The KEK of the file, from its record and keyring.
async fn open_kek(file: &Value) -> Kek {
    let keyring = LocalKeyring::parse(PATH.as_ref(), file["keyring"].to_string().as_bytes()).unwrap();
    let record = KekRecord::from_json(file["kek_record"].to_string().as_bytes()).unwrap();
    let key = keyring.unwrap(&[record.to_unwrap()]).await.remove(0).unwrap();
    assert_eq!(hex::encode(*key), file["kek"].as_str().unwrap());
    Kek::new(record.name, key)
}

/// The object key of a case, from its headers.
fn open_header(kek: &Kek, case: &Value) -> ObjectKey {
    let text = |field: &str| case[field].as_str().unwrap();
    let mut pairs: Vec<(String, String)> = serde_json::from_value(case["headers"].clone()).unwrap();
    pairs.push(("X-Amz-Meta-DV1".into(), text("x-amz-meta-dv1").into()));
    let header = Header::find(headers(&pairs)).unwrap().unwrap();
    let digest = metadata::digest(headers(&pairs), header.mask);
    assert_eq!(hex::encode(digest), text("metadata_digest"));
    let object = kek.unwrap(text("key"), &header, digest).unwrap();
    assert_eq!(hex::encode(object.expose()), text("dek"));
    assert_eq!(object.oid().to_string(), text("oid"));
    object
}

#[tokio::test]
async fn the_committed_vectors_open() {
    let file = committed();
    let kek = open_kek(&file).await;
    let objects = file["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 8);
    for case in objects {
        let text = |field: &str| case[field].as_str().unwrap();
        let object = open_header(&kek, case);
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
        assert_eq!(opened, plaintext(0..facts.length));
        let middle = facts.length / 3..facts.length / 2;
        let mut range = RangeOpener::new(&object, &facts, middle.clone()).unwrap();
        let source = range.source();
        let mut out = BytesMut::new();
        range.update(&sealed[source.start as usize..source.end as usize], &mut out).unwrap();
        range.finish().unwrap();
        assert_eq!(out, plaintext(middle));
    }
}

#[tokio::test]
async fn the_committed_trailers_open() {
    let file = committed();
    let kek = open_kek(&file).await;
    let trailers = file["trailers"].as_array().unwrap();
    assert_eq!(trailers.len(), 1);
    for case in trailers {
        let object = open_header(&kek, case);
        let trailer = hex::decode(case["trailer"].as_str().unwrap()).unwrap();
        let Suffix::Facts(facts) =
            open_suffix(&object, &trailer, case["sealed_length"].as_u64().unwrap(), true).unwrap()
        else {
            panic!("the trailer is too short");
        };
        assert_eq!(facts.etag_string(), case["etag"].as_str().unwrap());
        assert_eq!(facts.length, case["plaintext_length"].as_u64().unwrap());
        assert!(padding_len(&facts) > 0 && facts.parts.len() > 128);
        // All parts but the large first one.
        let mut body = BytesMut::new();
        let mut begin = facts.parts[0].length;
        for (row, part) in facts.parts.iter().zip(case["parts"].as_array().unwrap()) {
            assert_eq!((json!(row.number), json!(row.length)), (part["number"].clone(), part["length"].clone()));
            let salt = hex::decode(part["salt"].as_str().unwrap()).unwrap().try_into().unwrap();
            let mut sealer = PartSealer::with_salt(&object, row.number, &salt).unwrap();
            assert_eq!(sealer.prefix(), row.prefix);
            if row.number > 1 {
                sealer.update(&plaintext(begin..begin + row.length), &mut body).unwrap();
                sealer.finish(&mut body).unwrap();
                begin += row.length;
            }
        }
        let range = facts.parts[0].length..facts.length;
        let mut opener = RangeOpener::new(&object, &facts, range.clone()).unwrap();
        // The range begins with the first byte of part 2 (2 bytes long), so nothing of part 1 is read.
        assert_eq!(opener.source().end - opener.source().start, body.len() as u64);
        let mut out = BytesMut::new();
        opener.update(&body, &mut out).unwrap();
        opener.finish().unwrap();
        assert_eq!(out, plaintext(range));
    }
}

fn reseal(object: &ObjectKey, case: &Value) -> Vec<u8> {
    let plaintext = plaintext(0..case["plaintext_length"].as_u64().unwrap());
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
    assert!(build() == committed(), "what is sealed is not what was committed");
}

#[test]
#[ignore = "writes the file; run it once for a new version of the format, never to make the tests above pass"]
fn write() {
    std::fs::write(PATH, serde_json::to_string_pretty(&build()).unwrap() + "\n").unwrap();
}
