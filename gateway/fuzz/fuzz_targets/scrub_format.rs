//! Files of any format, and what is none.
#![no_main]

mod format;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| -> libfuzzer_sys::Corpus { format::check(data, |_| true) });
