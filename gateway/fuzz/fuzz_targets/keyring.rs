//! Any bytes are a keyring or are refused.
#![no_main]

use keys::hierarchy::{LocalKeyring, RootKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(keyring) = LocalKeyring::parse("keyring.json".as_ref(), data) {
        assert!(std::str::from_utf8(data).is_ok());
        let _ = keyring.id();
    }
});
