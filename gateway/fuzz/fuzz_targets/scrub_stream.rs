//! Any bytes through all built-in detectors: how the stream is cut changes nothing, findings are in order and apart, and what lies behind the
//! last stays. First two bytes: where the stream is cut, and how often the rest is repeated, so that it reaches over segments.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use scrub::act::{Actor, Strategy};
use scrub::policy::Policy;
use scrub::{Collected, Engine, Scrubber, builtin};

static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    let policy = Policy { strategy: Some(Strategy::Label), ..Policy::default() };
    Arc::new(Engine::new(builtin::detectors(), &policy).expect("the built-in detectors make an engine"))
});

fuzz_target!(|data: &[u8]| {
    let [cut, times, source @ ..] = data else { return };
    let source = source.repeat(1 + usize::from(*times) * 40_000 / 255 / source.len().max(1));
    let scrubber = || Scrubber::new(Arc::clone(&ENGINE), Actor::default());
    let whole = scrubber().whole(&source).expect("nothing is blocked");

    let mut cuts = Collected::default();
    let mut scrubber = scrubber();
    for piece in source.chunks(1 + usize::from(*cut) * 64) {
        scrubber.push(piece, &mut cuts).expect("nothing is blocked");
    }
    scrubber.finish(&mut cuts).expect("nothing is blocked");
    assert_eq!((&cuts.bytes, &cuts.findings), (&whole.bytes, &whole.findings));

    let mut at = 0;
    for finding in &whole.findings {
        let (start, end) = (finding.start as usize, finding.end as usize);
        assert!(at <= start && start < end && end <= source.len());
        at = end;
    }
    let rest = &source[at..];
    assert!(whole.bytes.ends_with(rest), "what lies behind the last finding stays");
});
