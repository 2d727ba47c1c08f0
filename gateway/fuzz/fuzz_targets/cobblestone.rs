//! Bytes of the fuzzer's choice do not open; bytes that were sealed open in any cut.
#![no_main]

use bytes::BytesMut;
use keys::cobblestone::{Decryptor, open, seal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (u16, &[u8], &[u8])| {
    let (cut, context, bytes) = data;
    let key = [3; 32];
    assert!(open(&key, context, bytes).is_err());
    let sealed = seal(&key, context, bytes).expect("sealing does not fail");
    let mut out = BytesMut::new();
    let mut decryptor = Decryptor::new(&key, context);
    for piece in sealed.chunks(usize::from(cut) + 1) {
        decryptor.update(piece, &mut out).expect("it was sealed");
    }
    decryptor.finish(&mut out).expect("it was sealed");
    assert_eq!(out, bytes);
});
