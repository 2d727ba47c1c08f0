//! Values for the suite: plain ones, and `proptest` strategies for any.

use keys::Oid;
use keys::object::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Facts, PartEntry};
use proptest::prelude::*;

use crate::sidecar::{Intent, LineageEdge, Listed, ObjectAt, ObjectRecord, PartAttempt, UploadRecord};

pub(crate) fn at(key: &str, version_id: Option<&str>) -> ObjectAt {
    ObjectAt { bucket: "corpus".into(), key: key.into(), version_id: version_id.map(Into::into) }
}

pub(crate) fn facts(length: u64) -> Facts {
    Facts {
        length,
        etag: ETag::Md5([7; 16]),
        checksum: None,
        part_count: 1,
        first_number: 1,
        first_prefix: [3; 56],
        parts: Vec::new(),
    }
}

/// What is said of an object of several parts.
pub(super) fn multipart(parts: Vec<PartEntry>) -> Facts {
    Facts {
        length: parts.iter().map(|part| part.length).sum(),
        etag: ETag::Multipart([7; 16]),
        checksum: None,
        part_count: parts.len() as u16,
        first_number: parts[0].number,
        first_prefix: parts[0].prefix,
        parts,
    }
}

/// A record whose backend `ETag` is `etag`.
pub(crate) fn record(at: ObjectAt, etag: &str) -> ObjectRecord {
    ObjectRecord {
        at,
        backend_etag: etag.into(),
        oid: Oid([1; 16]),
        kek_id: uuid::Uuid::from_bytes([2; 16]),
        facts: facts(42),
        principal: Some("AKIAEXAMPLE".into()),
        client: Some([192, 0, 2, 1].into()),
        recorded_at_ms: 1_700_000_000_000,
        scrub: "off".into(),
    }
}

/// A record of an object of `parts` parts, each told apart by its MD5.
pub(crate) fn large_record(at: ObjectAt, parts: u16) -> ObjectRecord {
    let entry = |number: u16| {
        let [a, b] = number.to_be_bytes();
        PartEntry { number, md5: [a ^ b; 16], ..attempt(1, number, "", 0).entry }
    };
    ObjectRecord { facts: multipart((1..=parts).map(entry).collect()), ..record(at, "etag") }
}

/// One that no database can hold: longer than 2⁶³ − 1 bytes.
pub(super) fn bad_record(at: ObjectAt) -> ObjectRecord {
    ObjectRecord { facts: facts(u64::MAX), ..record(at, "bad") }
}

pub(crate) fn intent(key: &str, started_at_ms: i64) -> Intent {
    Intent {
        bucket: "corpus".into(),
        key: key.into(),
        oid: Oid([9; 16]),
        header: Some([7; 16]),
        principal: None,
        client: Some(std::net::Ipv6Addr::LOCALHOST.into()),
        operation: "PutObject".into(),
        request_id: "4442587FB7D0A2F9".into(),
        started_at_ms,
    }
}

pub(super) fn edge(target: ObjectAt, source: &str, at_ms: i64) -> LineageEdge {
    LineageEdge {
        source: at(source, Some("v7")),
        source_etag: "source-etag".into(),
        target,
        operation: "CopyObject".into(),
        at_ms,
    }
}

pub(super) fn upload(oid: u8, backend_upload_id: &str, started_at_ms: i64) -> UploadRecord {
    UploadRecord {
        bucket: "corpus".into(),
        key: "shard/0001".into(),
        backend_upload_id: backend_upload_id.into(),
        upload_id: format!("sealed-{backend_upload_id}"),
        oid: Oid([oid; 16]),
        headers: vec![("x-amz-meta-of".into(), backend_upload_id.into())],
        principal: Some("AKIAEXAMPLE".into()),
        started_at_ms,
    }
}

pub(super) fn attempt(oid: u8, number: u16, etag: &str, at_ms: i64) -> PartAttempt {
    PartAttempt {
        oid: Oid([oid; 16]),
        number,
        backend_etag: etag.into(),
        stash: (number == 10_000).then(|| format!("stash/{etag}")),
        entry: PartEntry { number, length: 5 << 20, prefix: [4; 56], md5: [5; 16], checksum: None },
        copied_from: None,
        at_ms,
    }
}

pub(super) fn listed<'a>(key: &'a str, version_id: Option<&'a str>, backend_etag: &'a str) -> Listed<'a> {
    Listed { key, version_id, backend_etag }
}

pub(super) fn any_record() -> impl Strategy<Value = ObjectRecord> {
    let name = ("[a-z0-9.-]{3,63}", any::<String>(), proptest::option::of("[A-Za-z0-9._-]{1,40}"));
    let writer = (proptest::option::of(any::<String>()), any::<Option<std::net::IpAddr>>());
    let rest = (any::<[u8; 16]>(), any::<[u8; 16]>(), writer, any::<i64>(), "[a-z]{1,8}");
    (name, "[0-9a-f]{32}(-[0-9]{1,5})?", any_facts(), rest).prop_map(
        |((bucket, key, version_id), backend_etag, facts, (oid, kek_id, (principal, client), at, scrub))| {
            ObjectRecord {
                at: ObjectAt { bucket, key, version_id },
                backend_etag,
                oid: Oid(oid),
                kek_id: uuid::Uuid::from_bytes(kek_id),
                facts,
                principal,
                client,
                recorded_at_ms: at,
                scrub,
            }
        },
    )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let single = (0..1_u64 << 52, any::<bool>(), 1..=10_000_u16, any::<[u8; 56]>()).prop_map(
        |(length, md5, first_number, first_prefix)| Facts {
            length,
            etag: match (md5, first_number % 3) {
                (true, 0) => ETag::Received { md5: [0; 16], parts: first_number },
                (true, _) => ETag::Md5([0; 16]),
                (false, _) => ETag::Opaque([0; 16]),
            },
            first_number,
            first_prefix,
            ..facts(0)
        },
    );
    let several = proptest::collection::btree_map(1..=10_000_u16, any_entry(), 2..20)
        .prop_map(|parts| multipart(parts.into_iter().map(|(number, entry)| PartEntry { number, ..entry }).collect()));
    // The part table is not always read.
    let without_parts = several.clone().prop_map(|facts| Facts { parts: Vec::new(), ..facts });
    (prop_oneof![single, several, without_parts], any::<[u8; 16]>(), any_checksum()).prop_map(
        |(facts, value, checksum)| Facts {
            etag: match facts.etag {
                ETag::Md5(_) => ETag::Md5(value),
                ETag::Multipart(_) => ETag::Multipart(value),
                ETag::Opaque(_) => ETag::Opaque(value),
                ETag::Received { parts, .. } => ETag::Received { md5: value, parts },
            },
            checksum,
            ..facts
        },
    )
}

fn any_entry() -> impl Strategy<Value = PartEntry> + Clone {
    (0..1_u64 << 40, any::<[u8; 56]>(), any::<[u8; 16]>(), any_checksum())
        .prop_map(|(length, prefix, md5, checksum)| PartEntry { number: 1, length, prefix, md5, checksum })
}

fn any_checksum() -> impl Strategy<Value = Option<Checksum>> + Clone {
    let algorithm = prop_oneof![
        Just(ChecksumAlgorithm::Crc32),
        Just(ChecksumAlgorithm::Crc32c),
        Just(ChecksumAlgorithm::Crc64Nvme),
        Just(ChecksumAlgorithm::Sha1),
        Just(ChecksumAlgorithm::Sha256),
    ];
    let kind = prop_oneof![Just(ChecksumKind::FullObject), Just(ChecksumKind::Composite)];
    proptest::option::of((algorithm, kind, any::<[u8; 32]>()).prop_map(|(algorithm, kind, mut value)| {
        value[algorithm.len()..].fill(0);
        Checksum { algorithm, kind, value }
    }))
}
