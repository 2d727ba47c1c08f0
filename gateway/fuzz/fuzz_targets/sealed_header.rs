//! A header decodes to something that encodes to the same, or not at all.
#![no_main]

use keys::header::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(header) = Header::decode(data) {
        assert_eq!(header.encode().as_bytes(), data.trim_ascii());
    }
});
