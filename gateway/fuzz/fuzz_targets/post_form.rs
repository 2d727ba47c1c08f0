//! The signature of a POST form: what was not signed is refused. Lines: policy, credential, date, signature; or policy, access key,
//! signature of version 2.
#![no_main]

use std::time::{Duration, UNIX_EPOCH};

use gateway::s3::sigv4::{Form, Secrets, SigV2Mode, Verifier};
use libfuzzer_sys::fuzz_target;

/// Of the published example, "Browser-Based Upload using HTTP POST".
const SIGNATURE: &str = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e";

struct Example;

impl Secrets for Example {
    fn secret(&self, access_key: &str) -> Option<&str> {
        (access_key == "AKIAIOSFODNN7EXAMPLE").then_some("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    }
}

fuzz_target!(|text: &str| {
    let lines: Vec<_> = text.lines().collect();
    let (policy, form) = match lines[..] {
        [policy, access_key, signature] => (policy, Form::V2 { access_key, signature }),
        [policy, credential, date, signature] => {
            (policy, Form::V4 { algorithm: "AWS4-HMAC-SHA256", credential, date, signature })
        }
        _ => return,
    };
    let verifier =
        Verifier { sigv2: SigV2Mode::All, ..Verifier::new(&Example, UNIX_EPOCH + Duration::from_secs(1_369_353_600)) };
    if verifier.verify_form(policy, form).is_ok() {
        assert!(matches!(form, Form::V4 { signature: SIGNATURE, .. }), "a signature that nobody made");
    }
});
