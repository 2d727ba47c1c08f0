use super::seal::{padding, part_context};
use super::*;
use crate::Oid;
use crate::cobblestone::{CHUNK, sealed_len};
use crate::length::sealed_object_len;
use bytes::BytesMut;
use proptest::prelude::*;
use std::ops::Range;
use zeroize::Zeroizing;

fn key() -> ObjectKey {
    ObjectKey::new(Zeroizing::new([0x11; 32]), Oid([0x22; 16]))
}

fn pattern(range: Range<u64>) -> Vec<u8> {
    range.map(|i| (i % 251) as u8).collect()
}

fn seal_part(key: &ObjectKey, number: u16, plaintext: &[u8]) -> (Prefix, BytesMut) {
    let mut out = BytesMut::new();
    let mut sealer = PartSealer::new(key, number).unwrap();
    sealer.update(plaintext, &mut out).unwrap();
    let prefix = sealer.prefix();
    sealer.finish(&mut out).unwrap();
    (prefix, out)
}

/// Parts of these numbers and lengths, sealed; the object's plaintext is [`pattern`].
fn seal_body(key: &ObjectKey, parts: &[(u16, u64)]) -> (Facts, Vec<u8>) {
    let mut body = Vec::new();
    let mut rows = Vec::new();
    let mut length = 0;
    for (number, part) in parts {
        let (prefix, sealed) = seal_part(key, *number, &pattern(length..length + part));
        assert_eq!(sealed.len() as u64, sealed_len(*part));
        body.extend_from_slice(&sealed);
        rows.push(PartEntry { number: *number, length: *part, prefix, md5: [0x33; 16], checksum: None });
        length += part;
    }
    let facts = Facts {
        length,
        etag: if rows.len() == 1 { ETag::Md5([0x44; 16]) } else { ETag::Multipart([0x44; 16]) },
        checksum: None,
        part_count: rows.len() as u16,
        first_number: rows[0].number,
        first_prefix: rows[0].prefix,
        parts: if rows.len() == 1 { Vec::new() } else { rows },
    };
    (facts, body)
}

fn finish(key: &ObjectKey, facts: &Facts, mut body: Vec<u8>) -> Vec<u8> {
    body.resize(body.len() + padding_len(facts) as usize, 0);
    body.extend_from_slice(&trailer(key, facts).unwrap());
    body
}

fn seal_object(key: &ObjectKey, parts: &[(u16, u64)]) -> (Facts, Vec<u8>) {
    let (facts, body) = seal_body(key, parts);
    let object = finish(key, &facts, body);
    assert_eq!(object.len() as u64, sealed_object_len(facts.length));
    (facts, object)
}

fn open_range(key: &ObjectKey, facts: &Facts, body: &[u8], range: Range<u64>, cut: usize) -> Result<BytesMut, Error> {
    let mut opener = RangeOpener::new(key, facts, range)?;
    let source = opener.source();
    let mut out = BytesMut::new();
    for piece in body[source.start as usize..source.end as usize].chunks(cut) {
        opener.update(piece, &mut out)?;
    }
    opener.finish()?;
    Ok(out)
}

/// Two parts of 2.5 MiB, the least that has room for a table.
const TWO: [(u16, u64); 2] = [(1, 5 << 19), (2, 5 << 19)];

#[test]
fn objects_of_one_part_open_whole() {
    for length in [0, 1, 16383, 16384, 16385, 32768, 100_000] {
        let (facts, object) = seal_object(&key(), &[(1, length)]);
        let (opened, plaintext) = open_whole(&key(), &object).unwrap();
        assert_eq!(opened, facts);
        assert_eq!(plaintext, pattern(0..length));
    }
    // An upload of which only part 5 was completed.
    let (facts, object) = seal_object(&key(), &[(5, 10)]);
    assert_eq!(facts.first_number, 5);
    assert_eq!(open_whole(&key(), &object).unwrap().1, pattern(0..10));
}

#[test]
fn objects_of_several_parts_open_whole_and_by_suffix() {
    for parts in [
        vec![(1, 5 << 20), (5, 1)],
        vec![(1, 5 << 20), (5, 5 << 20), (9, 0)],
        vec![(1, 3), (10_000, 5 << 20)],
        vec![(2, (5 << 20) + 1), (3, 6 << 20), (4, 16384)],
    ] {
        let (facts, object) = seal_object(&key(), &parts);
        let (opened, plaintext) = open_whole(&key(), &object).unwrap();
        assert_eq!(opened, facts);
        assert_eq!(plaintext, pattern(0..facts.length));

        let total = object.len() as u64;
        let last = |count: u64| &object[object.len() - count as usize..];
        assert_eq!(open_suffix(&key(), last(100), total, false).unwrap(), Suffix::NeedMore(216));
        let without_table = Facts { parts: Vec::new(), ..facts.clone() };
        assert_eq!(open_suffix(&key(), last(216), total, false).unwrap(), Suffix::Facts(without_table.clone()));
        let needed = table_len(facts.part_count) + TRAILER_LEN;
        assert_eq!(open_suffix(&key(), last(216), total, true).unwrap(), Suffix::NeedMore(needed));
        assert_eq!(open_suffix(&key(), last(needed - 1), total, true).unwrap(), Suffix::NeedMore(needed));
        assert_eq!(open_suffix(&key(), last(needed), total, true).unwrap(), Suffix::Facts(facts));
        assert!(matches!(RangeOpener::new(&key(), &without_table, 0..1), Err(Error::Invalid(_))));
    }
}

#[test]
fn there_is_room_for_every_legal_upload() {
    // The least that S3 allows: every part but the last 5 MiB.
    for count in [1u16, 2, 3, 4, 127, 128, 129, 9_998, 9_999, 10_000] {
        for (part, last) in [(5 << 20, 0), (5 << 20, 1), (5 << 20, 16384), ((5 << 20) + 16383, 5 << 20), (5 << 30, 1)] {
            let parts: Vec<_> = (1..=count)
                .map(|number| PartEntry {
                    number,
                    length: if number == count { last } else { part },
                    prefix: [0; 56],
                    md5: [0; 16],
                    checksum: None,
                })
                .collect();
            let facts = Facts {
                length: parts.iter().map(|part| part.length).sum(),
                etag: ETag::Multipart([0; 16]),
                checksum: None,
                part_count: count,
                first_number: 1,
                first_prefix: [0; 56],
                parts: if count == 1 { Vec::new() } else { parts },
            };
            assert!(padding(&facts).is_ok(), "{count} parts of {part}, the last {last}");
        }
    }
    let (facts, _) = seal_body(&key(), &[(1, 10), (2, 10)]);
    assert!(matches!(trailer(&key(), &facts), Err(Error::Inconsistent(_))));
}

#[test]
fn every_flipped_bit_of_a_small_object_is_found() {
    for length in [0, 1, 40] {
        let (_, mut object) = seal_object(&key(), &[(1, length)]);
        for bit in 0..object.len() * 8 {
            object[bit / 8] ^= 1 << (bit % 8);
            assert!(open_whole(&key(), &object).is_err(), "bit {bit}");
            object[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_flipped_bit_in_any_region_of_a_large_object_is_found() {
    let (facts, mut object) = seal_object(&key(), &[(1, 5 << 20), (2, 5 << 20), (3, 99)]);
    let part = sealed_len(5 << 20) as usize;
    let end = object.len();
    assert!(padding_len(&facts) > 0);
    let table = end - 216 - table_len(3) as usize;
    let places = [
        0,
        30,
        56,
        16455,
        16456,
        part - 1,
        part,
        part + 60,
        2 * part,
        2 * part + 170,
        table - 1,
        table,
        table + 60,
        end - 217,
        end - 216,
        end - 150,
        end - 16,
        end - 1,
    ];
    for at in places {
        object[at] ^= 0x80;
        assert!(open_whole(&key(), &object).is_err(), "byte {at}");
        object[at] ^= 0x80;
    }
    assert!(open_whole(&key(), &object).is_ok());
}

#[test]
fn truncation_at_and_off_a_chunk_boundary_is_found() {
    let (facts, object) = seal_object(&key(), &[(1, 40_000)]);
    for length in (0..400).chain([16456, 32856, 32857]).chain(40_000..object.len()) {
        assert!(open_whole(&key(), &object[..length]).is_err(), "{length}");
    }
    // A range whose source breaks off, and one that goes on too long.
    let mut opener = RangeOpener::new(&key(), &facts, 0..40_000).unwrap();
    let mut out = BytesMut::new();
    opener.update(&object[..56 + 2 * 16400], &mut out).unwrap();
    assert_eq!(out.len(), 32768);
    assert!(matches!(opener.finish(), Err(Error::Truncated)));
    let mut opener = RangeOpener::new(&key(), &facts, 0..1).unwrap();
    assert!(matches!(opener.update(&object[..16457], &mut out), Err(Error::TrailingData)));
    assert!(opener.finish().is_err());
}

#[test]
fn bytes_added_anywhere_are_found() {
    let (_, object) = seal_object(&key(), &[(1, 40_000)]);
    for at in [0, 56, 16456, object.len() - 216, object.len() - 16, object.len()] {
        let mut longer = object.clone();
        longer.insert(at, 0);
        assert!(open_whole(&key(), &longer).is_err(), "{at}");
    }
    // Zeros where padding stands: the end still opens, so the length must tell.
    let mut longer = object;
    let at = longer.len() - 216;
    longer.splice(at..at, [0; 16]);
    assert!(matches!(open_whole(&key(), &longer), Err(Error::WrongLength { .. })));
}

#[test]
fn two_objects_swapped_are_found() {
    let (_, object) = seal_object(&key(), &[(1, 10)]);
    let other_dek = ObjectKey::new(Zeroizing::new([0x12; 32]), key().oid());
    let other_oid = ObjectKey::new(Zeroizing::new([0x11; 32]), Oid([0x23; 16]));
    for other in [other_dek, other_oid] {
        assert!(matches!(open_whole(&other, &object), Err(Error::NotAuthentic(_))));
        // The body of another object under the trailer of this one.
        let (_, mut mixed) = seal_object(&other, &[(1, 10)]);
        let trailer = object.len() - 216;
        mixed[trailer..].copy_from_slice(&object[trailer..]);
        assert!(matches!(open_whole(&key(), &mixed), Err(Error::NotAuthentic(_))));
    }
}

#[test]
fn parts_reordered_are_found() {
    let (facts, object) = seal_object(&key(), &TWO);
    let part = sealed_len(5 << 19) as usize;
    let mut swapped = object.clone();
    swapped[..part].copy_from_slice(&object[part..2 * part]);
    swapped[part..2 * part].copy_from_slice(&object[..part]);
    assert!(matches!(open_whole(&key(), &swapped), Err(Error::NotAuthentic(_))));
    // A range that meets no prefix finds it all the same.
    for range in [20_000..30_000, (5 << 19) + 20_000..(5 << 19) + 30_000] {
        assert!(open_range(&key(), &facts, &object, range.clone(), 999).is_ok());
        assert!(matches!(open_range(&key(), &facts, &swapped, range, 999), Err(Error::NotAuthentic(_))));
    }
}

#[test]
fn chunks_reordered_are_found() {
    let (facts, mut object) = seal_object(&key(), &[(1, 40_000)]);
    let (first, second) = object[56..56 + 2 * 16400].split_at_mut(16400);
    first.swap_with_slice(second);
    for range in [0..10, 16384..16385, 0..40_000] {
        assert!(matches!(open_range(&key(), &facts, &object, range, 999), Err(Error::NotAuthentic(_))));
    }
}

#[test]
fn a_part_of_an_older_upload_is_found() {
    let (facts, object) = seal_object(&key(), &TWO);
    // The same number, length and plaintext under the same DEK: another attempt.
    let (_, older) = seal_part(&key(), 2, &pattern(5 << 19..5 << 20));
    let part = older.len();
    let mut replaced = object.clone();
    replaced[part..2 * part].copy_from_slice(&older);
    assert!(matches!(open_whole(&key(), &replaced), Err(Error::NotAuthentic(_))));
    let inside = (5 << 19) + 20_000..(5 << 19) + 20_001;
    assert!(matches!(open_range(&key(), &facts, &replaced, inside, 999), Err(Error::NotAuthentic(_))));
}

#[test]
fn a_part_under_another_number_is_found() {
    let (mut facts, _) = seal_object(&key(), &TWO);
    facts.parts[1].number = 3;
    let object_key = key();
    let range = 5 << 19..5 << 20;
    let opener = RangeOpener::new(&object_key, &facts, range);
    assert!(matches!(opener.err(), Some(Error::NotAuthentic(_))));
}

#[test]
fn the_table_of_another_completion_is_found() {
    // Two completions of one upload, with two attempts at part 2: each trailer is authentic, a mixture is not.
    let (facts, object) = seal_object(&key(), &TWO);
    let mut other = facts.clone();
    let (prefix, _) = seal_part(&key(), 2, &pattern(5 << 19..5 << 20));
    other.parts[1].prefix = prefix;
    let other = trailer(&key(), &other).unwrap();
    let table = table_len(2) as usize;
    let mut mixed = object.clone();
    let at = object.len() - other.len();
    mixed[at..at + table].copy_from_slice(&other[..table]);
    assert!(matches!(open_whole(&key(), &mixed), Err(Error::NotAuthentic("part table"))));
}

#[test]
fn a_missing_or_foreign_footer_is_told_apart() {
    let (_, object) = seal_object(&key(), &[(1, 100)]);
    assert!(has_footer_magic(&object));
    assert!(!has_footer_magic(&object[..object.len() - 1]));
    assert!(!has_footer_magic(b"short"));
    let with = |at: usize, value: u8| {
        let mut object = object.clone();
        let at = object.len() - 16 + at;
        object[at] = value;
        open_whole(&key(), &object).unwrap_err()
    };
    assert!(matches!(with(0, b'x'), Error::NoFooter));
    assert!(matches!(with(8, 2), Error::UnknownVersion(2)));
    assert!(matches!(with(9, 2), Error::UnknownSuite(2)));
    assert!(matches!(with(15, 1), Error::NoFooter));
}

#[test]
fn a_range_reads_the_covering_chunks_and_no_more() {
    let (facts, _) = seal_body(&key(), &[(1, 40_000), (2, 32_768), (3, 0), (4, 5)]);
    let one = sealed_len(40_000);
    let two = one + sealed_len(32_768);
    let end = two + sealed_len(0) + sealed_len(5);
    let source = |range| RangeOpener::new(&key(), &facts, range).unwrap().source();
    assert_eq!(source(0..1), 0..56 + 16400);
    assert_eq!(source(16383..16385), 0..56 + 2 * 16400);
    assert_eq!(source(16384..16385), 56 + 16400..56 + 2 * 16400);
    assert_eq!(source(39_999..40_000), 56 + 2 * 16400..one);
    assert_eq!(source(39_999..40_001), 56 + 2 * 16400..one + 56 + 16400);
    assert_eq!(source(40_000..40_001), one..one + 56 + 16400);
    // The end of part 2 with its empty last chunk, which lies next to it.
    assert_eq!(source(72_767..72_768), one + 56 + 16400..two);
    assert_eq!(source(72_768..72_773), two + sealed_len(0)..end);
    assert_eq!(source(0..72_773), 0..end);
    assert_eq!(source(7..7), 0..0);
    assert!(matches!(RangeOpener::new(&key(), &facts, 5..72_774), Err(Error::Invalid(_))));
    #[expect(clippy::reversed_empty_ranges, reason = "the case under test")]
    let reversed = RangeOpener::new(&key(), &facts, 6..5);
    assert!(matches!(reversed, Err(Error::Invalid(_))));
    // An empty object is read, so that it is authenticated.
    let (empty, _) = seal_body(&key(), &[(1, 0)]);
    assert_eq!(RangeOpener::new(&key(), &empty, 0..0).unwrap().source(), 0..72);
}

#[test]
fn facts_and_rows_are_read_as_written_and_nothing_else_is() {
    let value = |length: usize| {
        let mut value = [0; 32];
        value[..length].fill(9);
        value
    };
    let (mut facts, _) = seal_body(&key(), &[(1, 3), (7, 0)]);
    facts.checksum =
        Some(Checksum { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite, value: value(32) });
    facts.parts[0].checksum =
        Some(Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value: value(8) });
    let bytes = facts.encode();
    assert_eq!(bytes.len(), 3 * ROW_LEN);
    assert_eq!(Facts::decode(&bytes).unwrap(), facts);
    for length in 0..bytes.len() {
        assert_eq!(Facts::decode(&bytes[..length]).is_ok(), length == ROW_LEN, "{length}");
    }
    // Whatever byte is set to whatever: refused, or read as exactly that.
    for at in 0..bytes.len() {
        for other in [0, 1, 4, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = other;
            if let Ok(read) = Facts::decode(&changed) {
                assert_eq!(read.encode(), changed, "byte {at}");
            }
        }
    }
    let row = facts.parts[0].encode();
    assert_eq!(PartEntry::decode(&row).unwrap(), facts.parts[0]);
    let mut numbers = facts.clone();
    numbers.parts[1].number = 1;
    assert!(matches!(Facts::decode(&numbers.encode()), Err(Error::Inconsistent(_))));
    numbers = facts.clone();
    numbers.length += 1;
    assert!(matches!(Facts::decode(&numbers.encode()), Err(Error::Inconsistent(_))));
}

#[test]
fn no_trailer_is_written_that_would_not_be_read() {
    let (facts, _) = seal_body(&key(), &TWO);
    let checksum =
        |byte: u8| Checksum { algorithm: ChecksumAlgorithm::Crc32, kind: ChecksumKind::FullObject, value: [byte; 32] };
    let mut changed = facts.clone();
    changed.checksum = Some(checksum(0));
    assert!(trailer(&key(), &changed).is_ok());
    changed.checksum = Some(checksum(1));
    assert!(matches!(trailer(&key(), &changed), Err(Error::Inconsistent(_))));
    changed = facts.clone();
    changed.parts[1].checksum = Some(checksum(1));
    assert!(matches!(trailer(&key(), &changed), Err(Error::Inconsistent(_))));
    changed = facts;
    changed.parts[1].number = 10_001;
    assert!(matches!(trailer(&key(), &changed), Err(Error::Inconsistent(_))));
}

#[test]
fn contexts_are_as_specified() {
    assert_eq!(part_context(Oid([0xaa; 16]), 0x0102)[..], [b"dv1/part".as_slice(), &[0xaa; 16], &[1, 2]].concat());
    assert_eq!(suffix::summary_context(Oid([0xaa; 16]))[..], [b"dv1/summary".as_slice(), &[0xaa; 16]].concat());
    assert!(matches!(PartSealer::new(&key(), 0), Err(Error::Invalid(_))));
    assert!(matches!(PartSealer::new(&key(), 10_001), Err(Error::Invalid(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Parts far smaller than S3 allows, so that many borders are crossed: ranges need no room for a table.
    #[test]
    fn any_range_in_any_cut_is_that_slice(
        lengths in proptest::collection::vec(
            prop_oneof![0..3u64, Just(CHUNK), Just(2 * CHUNK), CHUNK - 2..CHUNK + 2, 0..50_000u64], 1..6),
        one in any::<proptest::sample::Index>(),
        other in any::<proptest::sample::Index>(),
        cut in prop_oneof![1..100usize, 16_000..17_000usize, 1..200_000usize],
    ) {
        let parts: Vec<_> = (1..).step_by(3).zip(lengths).collect();
        let (facts, body) = seal_body(&key(), &parts);
        let places = facts.length as usize + 1;
        let (one, other) = (one.index(places) as u64, other.index(places) as u64);
        let range = one.min(other)..one.max(other);
        let opened = open_range(&key(), &facts, &body, range.clone(), cut).unwrap();
        prop_assert_eq!(&opened[..], &pattern(range)[..]);
        let opened = open_range(&key(), &facts, &body, 0..facts.length, cut).unwrap();
        prop_assert_eq!(&opened[..], &pattern(0..facts.length)[..]);
        prop_assert_eq!(RangeOpener::new(&key(), &facts, 0..facts.length).unwrap().source(), 0..body.len() as u64);
    }

    #[test]
    fn no_suffix_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), total in any::<u64>(), table in any::<bool>()) {
        prop_assert!(!matches!(open_suffix(&key(), &bytes, total, table), Ok(Suffix::Facts(_))));
        let _ = Facts::decode(&bytes);
    }
}
