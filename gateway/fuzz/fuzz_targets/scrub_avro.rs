//! Files of Avro.
#![no_main]

mod format;

use libfuzzer_sys::fuzz_target;
use scrub::format::Format;

fuzz_target!(|data: &[u8]| -> libfuzzer_sys::Corpus { format::check(data, |format| matches!(format, Format::Avro)) });
