//! The policies that ship, each a TOML file.

use super::{Policy, read};

/// Name and text of every preset.
pub const PRESETS: &[(&str, &str)] = &[
    ("llm-training", include_str!("presets/llm-training.toml")),
    ("gdpr", include_str!("presets/gdpr.toml")),
    ("hipaa", include_str!("presets/hipaa.toml")),
    ("pci-dss", include_str!("presets/pci-dss.toml")),
    ("secrets-only", include_str!("presets/secrets-only.toml")),
];

/// The preset of a name.
pub(super) fn by_name(name: &str) -> Option<Policy> {
    let (name, toml) = PRESETS.iter().find(|(known, _)| *known == name)?;
    match read(name, toml) {
        Ok(policy) => Some(policy),
        // A test reads every file.
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::act::Strategy;
    use crate::builtin;

    #[test]
    fn every_preset_is_read_under_its_name() {
        for (name, _) in PRESETS {
            let policy = Policy::preset(name).unwrap();
            assert_eq!((policy.id.as_str(), policy.version), (*name, 1));
        }
        assert!(Policy::preset("GDPR").is_none());
    }

    #[test]
    fn the_default_is_the_preset_for_training_data() {
        let (preset, default) = (Policy::preset("llm-training").unwrap(), Policy::default());
        assert_eq!(format!("{preset:?}"), format!("{default:?}"));
    }

    /// A type that no detector finds would be a promise that is not kept.
    #[test]

    fn every_type_named_is_found_by_a_detector() {
        for (name, _) in PRESETS {
            Engine::new(builtin::detectors(), &Policy::preset(name).unwrap()).map(|_| ()).unwrap();
        }
    }

    /// 45 CFR 164.514(c): a code that is derived from information about the individual is not de-identified.
    #[test]
    fn hipaa_has_no_derived_codes() {
        let policy = Policy::preset("hipaa").unwrap();
        for kind in policy.types.keys().map(String::as_str).chain(["UK_NHS", "SECRET", "ANY_OTHER"]) {
            let strategy = policy.treatment(kind, Strategy::Label).strategy;
            assert!(matches!(strategy, Strategy::Label | Strategy::Generalize | Strategy::Drop), "{kind}: {strategy}");
            assert!(policy.looks_for(kind));
        }
    }

    /// PCI DSS 4.0.1, 3.3 (security codes are not stored) and 3.4.1 (at most the BIN and the last four digits are shown).
    #[test]
    fn pci_dss_keeps_the_last_four_and_no_code() {
        let policy = Policy::preset("pci-dss").unwrap();
        let card = policy.treatment("CREDIT_CARD", Strategy::Label);
        assert_eq!((card.strategy, card.keep_first, card.keep_last), (Strategy::Mask, 0, Some(4)));
        assert_eq!(policy.treatment("CREDIT_CARD_CVV", Strategy::Label).strategy, Strategy::Drop);
    }

    #[test]
    fn secrets_only_looks_for_secrets_only() {
        let policy = Policy::preset("secrets-only").unwrap();
        assert!(policy.looks_for("SECRET") && policy.looks_for("URL_CREDENTIALS"));
        assert!(!policy.looks_for("PERSON") && !policy.looks_for("CREDIT_CARD"));
    }

    /// Types of few values can be guessed under a known key.
    #[test]
    fn no_preset_hashes_what_can_be_guessed() {
        for (name, _) in PRESETS {
            let policy = Policy::preset(name).unwrap();
            for kind in ["PERSON", "DATE_OF_BIRTH", "AGE", "POSTCODE", "US_SSN", "PHONE_NUMBER", "NRP", "TITLE"] {
                let strategy = policy.treatment(kind, Strategy::Label).strategy;
                assert_ne!(strategy.strictness(), Strategy::Hash.strictness(), "{name}: {kind}");
            }
        }
    }
}
