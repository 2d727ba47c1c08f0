//! A KEK record is read to something that is written and read the same, or not at all.
#![no_main]

use keys::hierarchy::KekRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = KekRecord::from_json(data) {
        let json = record.to_json().expect("it was read");
        assert_eq!(KekRecord::from_json(&json).expect("it was written"), record);
    }
});
