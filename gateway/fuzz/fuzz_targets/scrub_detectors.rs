//! Definitions of detectors in TOML: what is read makes an engine that reads a text, or the engine says why not; every mistake has a line of the
//! document.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use scrub::policy::Policy;
use scrub::{Engine, detector};

/// Some of what detectors look for.
const TEXT: &[u8] = b"badge 123456, EMP-004711 and john@example.com; 078-05-1120 \xc3\xa9 \xff sk_abcdef";

fuzz_target!(|toml: &str| {
    match detector::read("fuzz", toml) {
        Ok(detectors) => {
            if let Ok(engine) = Engine::new(detectors, &Policy::default()) {
                Arc::new(engine).detect(TEXT);
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| (1..=toml.lines().count() + 1).contains(&error.line)));
        }
    }
});
