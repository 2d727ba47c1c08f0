//! The headers that `decrypt` is given, in any of their forms.
#![no_main]

use gateway::cli::decrypt::headers::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Ok(headers) = parse(text) {
        assert!(headers.iter().all(|(name, _)| !name.contains('\n')) || text.trim_ascii_start().starts_with(b"{"));
    }
});
