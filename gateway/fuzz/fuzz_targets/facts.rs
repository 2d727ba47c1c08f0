//! Facts and rows decode to something that encodes to the same, or not at all.
#![no_main]

use keys::object::{Facts, PartEntry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(facts) = Facts::decode(data) {
        assert_eq!(facts.encode(), data);
        let _ = facts.etag_string();
    }
    if let Ok(row) = data.try_into()
        && let Ok(entry) = PartEntry::decode(row)
    {
        assert_eq!(entry.encode(), *row);
    }
});
