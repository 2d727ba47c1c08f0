//! Values near escapes, whatever the distance: in them, across them, and known by a word beyond them.

use std::sync::{Arc, LazyLock};

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::sample::{Index, select};
use scrub::policy::Policy;
use scrub::{Engine, builtin};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap()));

/// Escapes within values and before and behind them. What each is taken for may depend on its neighbours.
const VALUES: &[&str] = &[
    r"john.doe\u0040example.com",
    "john.doe%40example.com",
    r"\njohn.doe@example.com",
    r"SSN:\n078-05-1120",
    r"SSN\u003a 078-05-1120",
    "SSN&nbsp;078&#45;05&#45;1120",
    r"https:\/\/example.com\/a",
    "IBAN&colon; DE89 3704 0044 0532 0130 00",
    r#"{\"password\": \"hunter22x\"}"#,
    "4242 4242 4242 4242",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn values_are_found_at_any_distance_from_escapes(
        parts in proptest::collection::vec((select(VALUES), 0_usize..1800), 1..6),
        spaced in any::<Index>(),
    ) {
        let filler = ["lorem ipsum dolor ", "xyxyxyxyxy", "a\n"][spaced.index(3)];
        let mut text = String::new();
        let mut planted = Vec::new();
        for (value, gap) in parts {
            text.push_str(&filler.repeat(gap / filler.len()));
            text.push_str(" ; ");
            planted.push((text.len() as u64, text.len() as u64 + value.len() as u64));
            text.push_str(value);
            text.push_str(" ; ");
        }
        let found = ENGINE.detect(text.as_bytes());
        for (start, end) in planted {
            let is = found.iter().any(|one| one.start < end && one.end > start);
            prop_assert!(is, "{} in {text}", &text[start as usize..end as usize]);
        }
    }
}
