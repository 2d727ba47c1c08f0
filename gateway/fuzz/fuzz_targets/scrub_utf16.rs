//! UTF-16 through the scrubber and back: without findings every byte stays, in any cut. First byte: where the stream is cut.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use scrub::act::Actor;
use scrub::charset::TextScrubber;
use scrub::policy::Policy;
use scrub::{Engine, Finding, Sink};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(Vec::new(), &Policy::default()).expect("no detectors make an engine")));

struct Out(Vec<u8>);

impl Sink for Out {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finding(&mut self, _: Finding) {
        panic!("there is no detector");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, source)) = data.split_first() else { return };
    let (first, second) = source.split_at(usize::from(*cut).min(source.len()));
    let mut out = Out(Vec::new());
    let mut scrubber = TextScrubber::new(Arc::clone(&ENGINE), Actor::default());
    scrubber.push(first, &mut out).expect("nothing is blocked");
    scrubber.push(second, &mut out).expect("nothing is blocked");
    scrubber.finish(&mut out).expect("nothing is blocked");
    assert_eq!(out.0, source);
});
