//! The documents that clients send.
#![no_main]

use gateway::s3::address::Reserved;
use gateway::s3::xml::{read_complete, read_delete};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(parts) = read_complete(body) {
        assert!(parts.is_sorted_by(|one, next| one.number < next.number));
        assert!(parts.iter().all(|part| (1..=10_000).contains(&part.number)));
    }
    if let Ok(delete) = read_delete(body) {
        assert!((1..=1000).contains(&delete.objects.len()));
        assert!(delete.objects.iter().all(|object| !object.key.is_empty()));
    }
    let reserved = Reserved::new("vault-system", vec!["minio".to_owned()]);
    let _ = reserved.check_xml_targets(body);
});
