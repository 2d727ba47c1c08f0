//! One thing has one type, whoever finds it and whatever speaks of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use scrub::policy::{self, Policy};
use scrub::{Engine, builtin};

fn engine() -> Arc<Engine> {
    Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap())
}

#[test]
fn a_field_and_a_sentence_name_the_same_type() {
    let engine = engine();
    for (kind, texts) in [
        ("CREDIT_CARD_CVV", &["cvv: 123", "\"cvv\": \"123\"", "the CVV is 123", "card,cvv\nx,123\n"][..]),
        ("MEDICAL_RECORD_NUMBER", &["MRN: 00984512", "\"mrn\": \"00984512\"", "her medical record 00984512"]),
        (
            "INSURANCE_NUMBER",
            &["policy number: H1234567", "<memberId>H1234567</memberId>", "the insurance policy H1234567"],
        ),
        (
            "BANK_ACCOUNT",
            &["account_number=945456787654", "Kontonummer: 945456787654", "the bank account 945456787654"],
        ),
        ("ABA_ROUTING_NUMBER", &["\"routing_number\": \"111000025\"", "the routing number 111000025"]),
        ("BIC_CODE", &["\"bic\": \"DEUTDEFF\"", "the BIC is DEUTDEFF"]),
        (
            "US_DRIVER_LICENSE",
            &["Driver's License: A56319335", "\"driver_license\": \"A56319335\"", "driver license A56319335"],
        ),
        ("DRIVER_LICENSE", &["Führerschein: B072RRE2I55", "der Führerschein B072RRE2I55"]),
        ("US_SSN", &["\"ssn\": \"536-22-1234\"", "SSN 536-22-1234"]),
        ("BR_CPF", &["\"cpf\": \"111.444.777-35\"", "cpf: 111.444.777-35", "CPF 111.444.777-35"]),
    ] {
        for text in texts {
            let found = engine.detect(text.as_bytes());
            let mut kinds: Vec<_> = found.iter().map(|finding| engine.kinds().name(finding.kind)).collect();
            // The tagger takes the name of a document for a name now and then.
            kinds.retain(|kind| !["PERSON", "ORGANIZATION"].contains(kind));
            assert_eq!(kinds, [kind], "{text}");
        }
    }
}

/// What the documentation shows is a policy, and names types that there are.
#[test]
fn the_documented_policy_is_read() {
    let text = include_str!("../../docs/scrub-policy.md");
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (toml, _) = rest.split_once("```").unwrap();
    let policy = policy::read("scrub-policy.md", toml).unwrap();
    Engine::new(builtin::detectors(), &policy).map(|_| ()).unwrap();
}

/// Every word of the documentation in the form of a type is one.
#[test]
fn documentation_names_types_that_there_are() {
    let detectors = builtin::detectors();
    let kinds: BTreeSet<_> = detectors.iter().map(|detector| detector.kind.as_str()).collect();
    // Types of the policy that stands there as an example, and one of Presidio's.
    let shown = ["PROJECT_NAME", "EMPLOYEE_ID", "US_BANK_NUMBER"];
    for (name, text) in [
        ("scrub.md", include_str!("../../docs/scrub.md")),
        ("scrub-policy.md", include_str!("../../docs/scrub-policy.md")),
        ("scrub-types.md", include_str!("../../docs/scrub-types.md")),
    ] {
        // The tables of figures name the labels of other people's files too; `conformance/test_pii.py` holds them to the types.
        let text = text.split("<!-- pii:begin -->").next().unwrap_or_default();
        let quoted = text.split(['<', '>', '`', '"', '.', ':', ']', ' ', '\n']).filter(|word| {
            word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') && word.len() > 4
        });
        for word in quoted {
            assert!(kinds.contains(word) || shown.contains(&word), "{name}: {word}");
        }
    }
}
