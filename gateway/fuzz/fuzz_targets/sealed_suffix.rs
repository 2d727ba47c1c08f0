//! The end of an object: without the DEK nothing opens; with it, facts of the fuzzer's choice are sealed and opened again.
#![no_main]

use keys::Oid;
use keys::length::sealed_object_len;
use keys::object::{Facts, ObjectKey, Suffix, has_footer_magic, open_suffix, trailer};
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|data: &[u8]| {
    let key = ObjectKey::new(Zeroizing::new([1; 32]), Oid([2; 16]));
    let opened = open_suffix(&key, data, data.len() as u64, true);
    assert!(!matches!(opened, Ok(Suffix::Facts(_))));
    let Ok(facts) = Facts::decode(data) else { return };
    let Ok(sealed) = trailer(&key, &facts) else { return };
    assert!(has_footer_magic(&sealed));
    let total = sealed_object_len(facts.length);
    match open_suffix(&key, &sealed, total, true) {
        Ok(Suffix::Facts(opened)) => assert_eq!(opened, facts),
        other => panic!("{other:?}"),
    }
});
