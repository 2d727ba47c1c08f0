//! The detectors that are built in, as data: a file a family.

use crate::detector::{self, Detector};

/// Name and text of every file.
const FILES: &[(&str, &str)] = &[
    ("payment.toml", include_str!("payment.toml")),
    ("bank.toml", include_str!("bank.toml")),
    ("us.toml", include_str!("us.toml")),
    ("medical.toml", include_str!("medical.toml")),
    ("national_eu.toml", include_str!("national_eu.toml")),
    ("national_world.toml", include_str!("national_world.toml")),
    ("names.toml", include_str!("names.toml")),
    ("contact.toml", include_str!("contact.toml")),
    ("field.toml", include_str!("field.toml")),
    ("network.toml", include_str!("network.toml")),
    ("nrp.toml", include_str!("nrp.toml")),
    ("place.toml", include_str!("place.toml")),
    ("time.toml", include_str!("time.toml")),
    ("wallet.toml", include_str!("wallet.toml")),
    ("secrets.toml", include_str!("secrets.toml")),
    ("secrets_cloud.toml", include_str!("secrets_cloud.toml")),
    ("secrets_infrastructure.toml", include_str!("secrets_infrastructure.toml")),
    ("secrets_code.toml", include_str!("secrets_code.toml")),
    ("secrets_payment.toml", include_str!("secrets_payment.toml")),
    ("secrets_messaging.toml", include_str!("secrets_messaging.toml")),
    ("secrets_observability.toml", include_str!("secrets_observability.toml")),
    ("secrets_services.toml", include_str!("secrets_services.toml")),
    ("secrets_models.toml", include_str!("secrets_models.toml")),
];

/// Every built-in detector.
///
/// # Panics
/// Never: a test reads every file.
pub fn detectors() -> Vec<Detector> {
    let mut all = Vec::new();
    for (name, toml) in FILES {
        match detector::read(name, toml) {
            Ok(detectors) => all.extend(detectors),
            Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::policy::Policy;
    use crate::template;
    use crate::{Collected, Engine, Scrubber};

    /// Each detector alone finds something in each of its examples and nothing in any of its counter-examples.
    #[test]
    fn every_example_holds() {
        let mut wrong = Vec::new();
        for detector in detectors() {
            let (name, examples, counter_examples) =
                (detector.name.clone(), detector.examples.clone(), detector.counter_examples.clone());
            let engine = Arc::new(Engine::new(vec![detector], &Policy::default()).unwrap());
            wrong.extend(
                examples
                    .iter()
                    .filter(|text| engine.detect(text.as_bytes()).is_empty())
                    .map(|text| format!("{name} misses {text:?}")),
            );
            wrong.extend(
                counter_examples
                    .iter()
                    .filter(|text| !engine.detect(text.as_bytes()).is_empty())
                    .map(|text| format!("{name} takes {text:?}")),
            );
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// What a detector finds alone is found too where all detectors are at work, by it or by another.
    #[test]
    fn every_example_holds_among_all() {
        let engine = Arc::new(Engine::new(detectors(), &Policy::default()).unwrap());
        let missed: Vec<_> = detectors()
            .into_iter()
            .flat_map(|detector| detector.examples.into_iter().map(move |text| (detector.name.clone(), text)))
            .filter(|(_, text)| engine.detect(text.as_bytes()).is_empty())
            .collect();
        assert!(missed.is_empty(), "{missed:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Findings are in order, do not overlap and lie on characters, and do not depend on how the text was cut.
        #[test]
        fn any_text_has_sound_findings(
            text in "([0-9A-Za-z\u{e9}\u{4e2d} ./(+)<\n-]{0,40}|ssn 123-45-6789 |cvv: 123|DE89370400440532013000|4111 1111 1111 1111|\u{8eab}\u{4efd}\u{8bc1}11010519491231002X){0,8}",
            cut in any::<prop::sample::Index>(),
        ) {
            static ENGINE: LazyLock<Arc<Engine>> =
                LazyLock::new(|| Arc::new(Engine::new(detectors(), &Policy::default()).unwrap()));
            let whole = ENGINE.detect(text.as_bytes());
            let mut end = 0;
            for finding in &whole {
                prop_assert!(finding.start >= end && finding.end > finding.start);
                prop_assert!(text.is_char_boundary(finding.start as usize) && text.is_char_boundary(finding.end as usize));
                end = finding.end;
            }
            let mut parts = Collected::default();
            let mut scrubber = Scrubber::observer(Arc::clone(&ENGINE));
            let (head, tail) = text.as_bytes().split_at(cut.index(text.len() + 1));
            scrubber.push(head, &mut parts).unwrap();
            scrubber.push(tail, &mut parts).unwrap();
            scrubber.finish(&mut parts).unwrap();
            prop_assert_eq!(parts.findings, whole);
        }
    }

    /// Secrets drawn anew are found to their last character in whatever stands around them, by all detectors together.
    #[test]
    fn secrets_are_found_wherever_they_stand() {
        let engine = Arc::new(Engine::new(detectors(), &Policy::default()).unwrap());
        let (mut misses, mut tried) = (Vec::new(), 0);
        for (_, toml) in FILES.iter().filter(|(name, _)| name.starts_with("secrets_")) {
            let file: toml::Table = toml::from_str(toml).unwrap();
            for detector in file["detector"].as_array().unwrap() {
                for example in detector["examples"].as_array().unwrap() {
                    for seed in 0..12 {
                        // The text behind it changes what is drawn.
                        let filled = template::fill(&format!("{} {seed}", example.as_str().unwrap()));
                        let example = filled.rsplit_once(' ').unwrap().0;
                        for (before, after) in WRAPPINGS {
                            tried += 1;
                            let text = format!("{before}{example}{after}");
                            let secret = before.len() + end_of_secret(example);
                            let covered = engine
                                .detect(text.as_bytes())
                                .iter()
                                .any(|finding| finding.start < secret as u64 && finding.end >= secret as u64);
                            if !covered {
                                misses.push(format!("{}: {text:?}", detector["name"].as_str().unwrap()));
                            }
                        }
                    }
                }
            }
        }
        assert!(misses.len() * 10_000 <= tried, "{} of {tried}: {}", misses.len(), misses.join("\n"));
    }

    const WRAPPINGS: &[(&str, &str)] = &[
        ("", ""),
        ("We use ", ", please keep it."),
        ("", "."),
        ("{\"note\": \"", "\"}"),
        ("1,", ",2\n"),
        ("2026-01-02T03:04:05Z INFO request=1 ", " status=200"),
        ("<td>", "</td>"),
        ("(", ")"),
        ("`", "`"),
        ("x\n\t", "\n"),
    ];

    /// Where the last long run of characters of a token ends.
    fn end_of_secret(text: &str) -> usize {
        let mut words =
            text.split(|character: char| !character.is_ascii_alphanumeric() && !"+/=_.-~:%$".contains(character));
        let word = words.rfind(|word| word.len() >= 8).unwrap();
        word.as_ptr() as usize - text.as_ptr() as usize + word.len()
    }

    #[test]
    fn all_of_them_make_an_engine() {
        Engine::new(detectors(), &Policy::default()).unwrap();
    }
}
