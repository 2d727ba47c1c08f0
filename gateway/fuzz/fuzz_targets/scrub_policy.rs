//! A policy in TOML: what is read makes an engine, or the engine says why not; every mistake has a line of the document.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scrub::{Engine, policy};

fuzz_target!(|toml: &str| {
    match policy::read("fuzz", toml) {
        Ok(policy) => drop(Engine::new(Vec::new(), &policy)),
        Err(errors) => {
            assert!(!errors.is_empty());
            assert!(errors.iter().all(|error| (1..=toml.lines().count() + 1).contains(&error.line)));
        }
    }
});
