//! Any range of an object, in any cut, is its plaintext; with any bit changed it is an error, and what came before is plaintext.
#![no_main]

use std::sync::LazyLock;

use bytes::BytesMut;
use keys::Oid;
use keys::object::{ETag, Facts, ObjectKey, PartEntry, PartSealer, RangeOpener};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

/// Numbers and lengths of the parts: several chunks, one byte, an end on a chunk's end.
const PARTS: [(u16, u64); 3] = [(1, 40_000), (5, 1), (9, 16_384)];

struct Object {
    key: ObjectKey,
    facts: Facts,
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

static OBJECT: LazyLock<Object> = LazyLock::new(|| {
    let key = ObjectKey::new(Zeroizing::new([1; 32]), Oid([2; 16]));
    let length: u64 = PARTS.iter().map(|(_, length)| length).sum();
    let plaintext: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
    let (mut rest, mut sealed, mut parts) = (&plaintext[..], BytesMut::new(), Vec::new());
    for (number, length) in PARTS {
        let (part, behind) = rest.split_at(length as usize);
        let mut sealer = PartSealer::new(&key, number).expect("a part");
        sealer.update(part, &mut sealed).expect("sealing does not fail");
        parts.push(PartEntry { number, length, prefix: sealer.prefix(), md5: [3; 16], checksum: None });
        sealer.finish(&mut sealed).expect("sealing does not fail");
        rest = behind;
    }
    let facts = Facts {
        length,
        etag: ETag::Multipart([4; 16]),
        checksum: None,
        part_count: 3,
        first_number: 1,
        first_prefix: parts[0].prefix,
        parts,
    };
    Object { key, facts, plaintext, sealed: sealed.to_vec() }
});

fuzz_target!(|data: (u16, u16, u16, u16, u8)| {
    let (start, length, cut, place, flip) = data;
    let Object { key, facts, plaintext, sealed } = &*OBJECT;
    let start = usize::from(start).min(plaintext.len());
    let end = (start + usize::from(length)).min(plaintext.len());
    let mut opener = RangeOpener::new(key, facts, start as u64..end as u64).expect("a range of it");
    let source = opener.source();
    let mut source = sealed[source.start as usize..source.end as usize].to_vec();
    let places = source.len();
    let changed = places > 0 && flip != 0;
    if changed {
        source[usize::from(place) % places] ^= flip;
    }
    let mut out = BytesMut::new();
    let mut pieces = source.chunks(usize::from(cut) + 1);
    let opened = pieces.try_for_each(|piece| opener.update(piece, &mut out)).and_then(|()| opener.finish());
    assert_eq!(opened.is_err(), changed);
    assert!(plaintext[start..end].starts_with(&out));
    assert!(changed || out.len() == end - start);
});
