//! The PROXY header at the start of a connection: whatever arrives, and in whatever pieces, it is a header, none, or not yet one, and
//! what was decided stays decided. First byte: where the first piece ends.
#![no_main]

use gateway::server::proxy::parse;
use libfuzzer_sys::fuzz_target;

/// Signature, fixed part and the most that may follow.
const LONGEST: usize = 16 + 4096;

fuzz_target!(|input: &[u8]| {
    let Some((cut, bytes)) = input.split_first() else { return };
    let whole = parse(bytes);
    match &whole {
        Ok(Some((_, length))) => assert!((15..=bytes.len().min(LONGEST)).contains(length)),
        Ok(None) => assert!(bytes.len() < LONGEST),
        Err(_) => {}
    }
    let piece = &bytes[..usize::from(*cut).min(bytes.len())];
    match (parse(piece), whole) {
        (Ok(None), _) => {}
        (Ok(Some(early)), Ok(Some(late))) => assert_eq!(early, late),
        (Err(_), Err(_)) => {}
        (early, late) => panic!("{early:?} of the first piece, {late:?} of all"),
    }
});
