//! A range over facts and stored bytes of the fuzzer's choice releases nothing: it does not hold the DEK.
//! First: start, end, size of the pieces, rows of the table; then facts and stored bytes.
#![no_main]

use bytes::BytesMut;
use keys::Oid;
use keys::object::{Facts, ObjectKey, ROW_LEN, RangeOpener};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|data: (u64, u64, u8, u8, &[u8])| {
    let (start, end, cut, rows, rest) = data;
    let (facts, sealed) = rest.split_at(rest.len().min(ROW_LEN * (1 + usize::from(rows))));
    let Ok(facts) = Facts::decode(facts) else { return };
    let key = ObjectKey::new(Zeroizing::new([1; 32]), Oid([2; 16]));
    let Ok(mut opener) = RangeOpener::new(&key, &facts, start..end) else { return };
    let source = opener.source();
    assert!(source.start <= source.end);
    let mut out = BytesMut::new();
    for piece in sealed.chunks(usize::from(cut) + 1) {
        if opener.update(piece, &mut out).is_err() {
            break;
        }
    }
    assert!(out.is_empty());
});
