//! The views of a source: every character has a place in the source, places are in order, and what stands there can be replaced.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scrub::view::Views;

fuzz_target!(|source: &[u8]| {
    let views = Views::of(source);
    for view in views.iter() {
        let mut end = 0;
        for (at, character) in view.text().char_indices() {
            let range = at..at + character.len_utf8();
            let place = view.source(range.clone());
            assert!(place.start < place.end && place.end <= source.len() && place.end >= end);
            end = place.end;
            let whole = view.whole(range.clone());
            assert!(whole.start <= range.start && whole.end >= range.end);
            let within = view.within(range.clone());
            assert!(within.is_empty() || within == range);
        }
        if !view.text().is_empty() {
            view.encode(0..view.text().len(), "<PERSON>");
        }
    }
});
