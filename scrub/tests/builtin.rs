//! All built-in detectors together, under every strategy: a second run changes nothing, and no value survives.
//!
//! Without the tagger of names: whether a word is one is told by what stands beside it, and a label is something else than the value was. And
//! each value out of the reach of the words beside another: what replaces a value has another length, so a word reaches further or less far.

use std::sync::{Arc, LazyLock};

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use scrub::act::{Actor, Scope, ScopeKey, Strategy};
use scrub::detector::Find;
use scrub::policy::Policy;
use scrub::{Collected, Engine, Scrubber, builtin};

/// An engine that treats all types alike, for each strategy that replaces.
static ENGINES: LazyLock<Vec<(Strategy, Arc<Engine>)>> = LazyLock::new(|| {
    let strategies = Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Block);
    let detectors = || {
        builtin::detectors()
            .into_iter()
            .filter(|detector| !matches!(&detector.find, Find::Code(code) if code == "names"))
    };
    let engine =
        |strategy| Engine::new(detectors().collect(), &Policy { strategy: Some(strategy), ..Policy::default() });
    strategies.map(|strategy| (strategy, Arc::new(engine(strategy).unwrap()))).collect()
});

/// Examples and counter-examples of every detector.
static PIECES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let all =
        builtin::detectors().into_iter().flat_map(|detector| [detector.examples, detector.counter_examples].concat());
    all.filter(|text| text.len() < 400).collect()
});

/// Longer than the reach of a word.
const GAP: &str = "\n\nThen nothing that matters to anybody went on for quite a while, as it does.\n\n";

fn scrub(engine: &Arc<Engine>, text: &[u8]) -> Collected {
    let key = ScopeKey::derive(&[7; 32], "tenant", Scope::Bucket, "bucket").unwrap();
    Scrubber::new(Arc::clone(engine), Actor::keyed(&key, engine).unwrap()).whole(text).unwrap()
}

fn texts() -> impl proptest::strategy::Strategy<Value = String> {
    let piece = prop_oneof![
        6 => proptest::sample::select(PIECES.as_slice()),
        2 => "[A-Za-z0-9 ,.:/@-]{0,16}",
        1 => "[\u{e9}\u{4e2d}\u{ff10}-\u{ff19}\u{2010}]{1,6}",
    ];
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.join(GAP))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_second_run_changes_nothing(text in texts()) {
        for (strategy, engine) in &*ENGINES {
            let once = scrub(engine, text.as_bytes()).bytes;
            let twice = scrub(engine, &once).bytes;
            prop_assert_eq!(String::from_utf8(twice).unwrap(), String::from_utf8(once).unwrap(), "{} of {}", strategy, text);
        }
    }

    /// What was found does not stand in the result, but where the same characters also stand in a place where they are nothing.
    #[test]
    fn no_value_survives_a_strategy_that_keeps_nothing(text in texts()) {
        let keep_nothing = [Strategy::Label, Strategy::Hash, Strategy::Tokenize, Strategy::Drop];
        for (strategy, engine) in ENGINES.iter().filter(|(strategy, _)| keep_nothing.contains(strategy)) {
            let out = scrub(engine, text.as_bytes());
            let scrubbed = String::from_utf8(out.bytes).unwrap();
            for finding in &out.findings {
                let value = &text[finding.start as usize..finding.end as usize];
                let before = text.matches(value).count();
                prop_assert!(value.len() < 8 || scrubbed.matches(value).count() < before, "{}: {} in {}", strategy, value, scrubbed);
            }
        }
    }
}
