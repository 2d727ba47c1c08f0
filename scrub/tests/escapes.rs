//! Values near escapes, whatever the distance: in them, across them, and known by a word beyond them.

use std::sync::{Arc, LazyLock};

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use proptest::sample::{Index, select};
use scrub::policy::Policy;
use scrub::{Engine, builtin};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap()));

/// Escapes within values and before and behind them, and what each of them is once they are undone.
const VALUES: &[(&str, &str)] = &[
    (r"john.doe\u0040example.com", "EMAIL_ADDRESS"),
    ("john.doe%40example.com", "EMAIL_ADDRESS"),
    (r"\njohn.doe@example.com", "EMAIL_ADDRESS"),
    (r"SSN:\n078-05-1120", "US_SSN"),
    (r"SSN\u003a 078-05-1120", "US_SSN"),
    ("SSN&nbsp;078&#45;05&#45;1120", "US_SSN"),
    (r"https:\/\/example.com\/a", "URL"),
    ("IBAN&colon; DE89 3704 0044 0532 0130 00", "IBAN_CODE"),
    (r#"{\"password\": \"hunter22x\"}"#, "SECRET"),
    ("4242 4242 4242 4242", "CREDIT_CARD"),
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
        let mut planted: Vec<(u64, u64, &str)> = Vec::new();
        for ((value, kind), gap) in parts {
            text.push_str(&filler.repeat(gap / filler.len()));
            text.push_str(" ; ");
            planted.push((text.len() as u64, text.len() as u64 + value.len() as u64, kind));
            text.push_str(value);
            text.push_str(" ; ");
        }
        let found = ENGINE.detect(text.as_bytes());
        for (start, end, kind) in planted {
            let is = found.iter().any(|one| one.start < end && one.end > start && ENGINE.kinds().name(one.kind) == kind);
            prop_assert!(is, "{kind} {} in {text}", &text[start as usize..end as usize]);
        }
    }
}
