//! No secret stands in the repository: its tracked files are searched with the engine's own detectors.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use scrub::detector::Find;
use scrub::policy::Policy;
use scrub::{Engine, builtin};

/// What is meant to be there: where, the start of what is found, and why.
const MEANT: &[(&str, &str, &str)] = &[
    ("", "AKIAIOSFODNN7EXAMPLE", "the access key of Amazon's documents"),
    ("", "QUtJQUlPU0ZPRE5ON0VYQU1QTEUv", "the same access key in base64"),
    ("", "AKIACONFORMANCE00001", "the made-up access key of the conformance suite"),
    ("", "AKIANOBODY000000", "access keys that nobody has"),
    (
        "gateway/",
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        "a signature of Amazon's documents",
    ),
    ("gateway/src/server/testdata/", "-----BEGIN PRIVATE KEY-----", "keys of test certificates"),
    (
        "gateway/fuzz/seeds/scrub_parquet/",
        "EAAYAAgABgAHAAwAEAAUABAAAAAAAAEF",
        "an Arrow schema in base64, which has the form of an access token of Facebook",
    ),
    ("scrub/src/validate/secrets.rs", "eyJ0eXAiOiJKV1QiLA0K", "the example of RFC 7519"),
];

#[test]
fn no_secret_stands_in_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let Ok(listed) = Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]).output() else { return };
    if !listed.status.success() {
        // A source archive, not a checkout.
        return;
    }
    // Those that know a secret by its form; not those that go by a name near it, which made-up passwords in tests have too.
    let mut detectors = builtin::detectors();
    detectors.retain(|detector| detector.kind == "SECRET" && known_by_its_form(&detector.find));
    assert!(detectors.len() > 100);
    let engine = Arc::new(Engine::new(detectors, &Policy::default()).unwrap());
    let mut found = Vec::new();
    for name in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
        // Deleted, but not yet committed.
        let Ok(text) = std::fs::read(root.join(name)) else { continue };
        for finding in engine.detect(&text) {
            let value = String::from_utf8_lossy(&text[finding.start as usize..finding.end as usize]).into_owned();
            if !MEANT.iter().any(|(place, meant, _)| name.starts_with(place) && value.starts_with(meant)) {
                let line = text[..finding.start as usize].split(|byte| *byte == b'\n').count();
                found.push(format!("{name}, line {line}: {} bytes", value.len()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn known_by_its_form(find: &Find) -> bool {
    match find {
        Find::Pattern { pattern, .. } => !pattern.contains("(?<value>"),
        Find::Code(code) => code == scrub::block::CODE,
        Find::Shapes(_) => false,
    }
}
