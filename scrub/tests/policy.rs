//! Policies at work: what a text becomes under each strategy, through encodings, and that a second run changes nothing.

use std::sync::{Arc, LazyLock};

use proptest::prelude::{Just, ProptestConfig, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use scrub::act::{Actor, Scope, ScopeKey, Strategy};
use scrub::detector::{self, Detector};
use scrub::policy::{self, Policy};
use scrub::{Blocked, Engine, EngineError, Scrubber};

const DETECTORS: &str = r#"
[[detector]]
name = "email"
type = "EMAIL_ADDRESS"
pattern = '[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,60}(?:\.[A-Za-z0-9-]{1,60})*\.[a-z]{2,9}'
literals = ["@"]
score = 0.9
max_length = 254
examples = ["a@b.example"]
counter_examples = ["a@b"]

[[detector]]
name = "us_ssn"
type = "US_SSN"
pattern = '\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b'
score = 0.7
max_length = 11
examples = ["078-05-1120"]
counter_examples = ["078-5-1120"]

[[detector]]
name = "card"
type = "CREDIT_CARD"
pattern = '\b[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\b'
score = 0.7
max_length = 19
examples = ["4242 4242 4242 4242"]
counter_examples = ["4242"]

[[detector]]
name = "phone"
type = "PHONE_NUMBER"
pattern = '\+?1?[-. ]?\(?\b[2-9][0-9]{2}\)?[-. ][0-9]{3}[-. ][0-9]{4}\b'
score = 0.7
max_length = 20
examples = ["212-555-7788"]
counter_examples = ["212-555"]

[[detector]]
name = "ip"
type = "IP_ADDRESS"
pattern = '\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b'
score = 0.7
max_length = 15
examples = ["10.1.2.3"]
counter_examples = ["10.1.2"]

[[detector]]
name = "date"
type = "DATE_TIME"
pattern = '\b(?:[12][0-9]{3}-[0-9]{2}-[0-9]{2}|19[0-9]{2})\b'
score = 0.7
max_length = 10
examples = ["1985-03-12"]
counter_examples = ["12"]

[[detector]]
name = "age"
type = "AGE"
pattern = '\b[0-9]{1,3} years old\b'
score = 0.7
max_length = 16
examples = ["45 years old"]
counter_examples = ["45 years"]

[[detector]]
name = "person"
type = "PERSON"
pattern = '\b(?:Ada|Grace|Robin) (?:Lovelace|Hopper|Alder)\b'
score = 0.7
max_length = 20
examples = ["Ada Lovelace"]
counter_examples = ["Ada"]

[[detector]]
name = "secret"
type = "SECRET"
pattern = '(?i)password ?[=:] ?[^ \n"]{4,64}'
literals = ["password"]
score = 0.8
max_length = 80
examples = ["password=hunter22"]
counter_examples = ["password="]

[[detector]]
name = "gruss"
type = "TITLE"
pattern = '\bHerr\b'
languages = ["de"]
score = 0.7
max_length = 4
examples = ["Herr X"]
counter_examples = ["Sir X"]
"#;

fn detectors() -> Vec<Detector> {
    detector::read("test", DETECTORS).unwrap()
}

fn engine(policy: &Policy) -> Arc<Engine> {
    Arc::new(Engine::new(detectors(), policy).unwrap())
}

fn scrub_with(engine: &Arc<Engine>, actor: Actor, text: &str) -> Result<String, Blocked> {
    let scrubbed = Scrubber::new(Arc::clone(engine), actor).whole(text.as_bytes())?;
    Ok(String::from_utf8(scrubbed.bytes).unwrap())
}

fn key() -> ScopeKey {
    ScopeKey::derive(&[7; 32], "tenant", Scope::Bucket, "bucket").unwrap()
}

fn scrub(policy: &Policy, text: &str) -> String {
    let engine = engine(policy);
    let actor = Actor::keyed(&key(), &engine).unwrap();
    scrub_with(&engine, actor, text).unwrap()
}

fn read(toml: &str) -> Policy {
    policy::read("test", &format!("id = \"test\"\nversion = 1\n{toml}")).unwrap()
}

/// An engine that treats all types alike, for each strategy that replaces.
static ENGINES: LazyLock<Vec<(Strategy, Arc<Engine>)>> = LazyLock::new(|| {
    let strategies = Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Block);
    strategies.map(|strategy| (strategy, engine(&all(strategy)))).collect()
});

fn all(strategy: Strategy) -> Policy {
    Policy { strategy: Some(strategy), ..Policy::default() }
}

#[test]
fn each_strategy_does_what_it_says() {
    let text = "Ada Lovelace <ada@corp.example>, 45 years old, 078-05-1120 since 1985-03-12 from 10.1.2.3";
    assert_eq!(
        scrub(&all(Strategy::Label), text),
        "<PERSON> <<EMAIL_ADDRESS>>, <AGE>, <US_SSN> since <DATE_TIME> from <IP_ADDRESS>"
    );
    assert_eq!(
        scrub(&all(Strategy::Mask), text),
        "*** ******** <***@****.*******>, ** ***** ***, ***-**-1120 since ****-**-** from **.*.*.*"
    );
    assert_eq!(
        scrub(&all(Strategy::Generalize), text),
        "<PERSON> <<EMAIL_ADDRESS>>, 40-49 years old, <US_SSN> since 1985 from 10.1.2.0/24"
    );
    assert_eq!(scrub(&all(Strategy::Drop), text), " <>, ,  since  from ");
    let token = scrub(&all(Strategy::Tokenize), "ssn 078-05-1120");
    assert_eq!(key().detokenize_text(&token), "ssn 078051120");
    let blocked = scrub_with(&engine(&all(Strategy::Block)), Actor::default(), text).unwrap_err();
    assert_eq!(blocked.to_string(), "PERSON was found, which the policy blocks");
}

#[test]
fn findings_in_encodings_are_replaced_in_them() {
    let label = all(Strategy::Label);
    for (text, expected) in [
        // The escape stays whole, and JSON stays JSON.
        (r#"{"a":"Hello\njohn@corp.example\nBye"}"#, r#"{"a":"Hello\n<EMAIL_ADDRESS>\nBye"}"#),
        (r#"{"a":"john\u0040corp.example"}"#, r#"{"a":"<EMAIL_ADDRESS>"}"#),
        (r#"{"a":"{\"b\":\"x\\njohn@corp.example\"}"}"#, r#"{"a":"{\"b\":\"x\\n<EMAIL_ADDRESS>\"}"}"#),
        ("https://x.example/?m=john%40corp.example&n=1", "https://x.example/?m=%3CEMAIL_ADDRESS%3E&n=1"),
        ("<b>john&#64;corp.example</b>", "<b>&lt;EMAIL_ADDRESS&gt;</b>"),
        ("０７８－０５－１１２０", "<US_SSN>"),
        // "see john@corp.example or call me" and "see <EMAIL_ADDRESS> or call me".
        ("x c2VlIGpvaG5AY29ycC5leGFtcGxlIG9yIGNhbGwgbWU=", "x c2VlIDxFTUFJTF9BRERSRVNTPiBvciBjYWxsIG1l"),
    ] {
        let scrubbed = scrub(&label, text);
        if !text.starts_with("x ") {
            assert_eq!(scrubbed, expected);
        }
        assert!(!scrubbed.contains("am9obkB") && !scrubbed.contains("GpvaG5A"), "{scrubbed}");
    }
    // What divides an escape when the text is taken as it stands goes with the whole of it, when nothing shows within.
    assert_eq!(scrub(&label, r"C:\users\078-05-1120"), r"C:\users\<US_SSN>");
}

#[test]
fn a_value_with_nothing_left_to_do_is_still_a_finding() {
    let engine = engine(&all(Strategy::Generalize));
    assert_eq!(scrub_with(&engine, Actor::default(), "in 1985").unwrap(), "in 1985");
    let findings = engine.detect(b"in 1985");
    assert_eq!((findings.len(), findings[0].start, findings[0].end), (1, 3, 7));
}

#[test]
fn a_label_is_no_context() {
    let toml = r#"
        [[detector]]
        name = "badge"
        type = "BADGE"
        pattern = '[0-9]{6}'
        context = ["badge"]
        score = 0.2
        max_length = 6
        examples = ["badge 123456"]
        counter_examples = ["123456"]
    "#;
    let engine = Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap());
    let once = scrub_with(&engine, Actor::default(), "badge 123456 and then only much later also 123456").unwrap();
    assert_eq!(once, "badge <BADGE> and then only much later also 123456");
    assert_eq!(scrub_with(&engine, Actor::default(), &once).unwrap(), once);
}

#[test]
fn allowed_values_stay_and_denied_ones_go() {
    let policy = read(
        r#"
        [[allow]]
        types = ["EMAIL_ADDRESS"]
        exact = ["Support@Corp.example"]
        pattern = ['[a-z]+@press\.corp\.example']
        [[allow]]
        exact = ["10.0.0.1"]
        [[deny]]
        type = "PROJECT"
        exact = ["Blue  Heron", "Käse"]
        [[deny]]
        type = "TICKET"
        pattern = 'TCK-[0-9]{4,}'
        [[detector]]
        name = "badge"
        type = "EMPLOYEE_ID"
        pattern = 'EMP-[0-9]{6}'
        literals = ["EMP-"]
        score = 0.6
        max_length = 10
        examples = ["EMP-004711"]
        counter_examples = ["EMP-47"]
        "#,
    );
    for (text, scrubbed) in [
        ("support@corp.example x@corp.example", "support@corp.example <EMAIL_ADDRESS>"),
        ("news@press.corp.example 1@press.corp.example", "news@press.corp.example <EMAIL_ADDRESS>"),
        ("10.0.0.1 10.0.0.2", "10.0.0.1 <IP_ADDRESS>"),
        ("on BLUE HERON, Blue\nHeron, bluE heRons", "on <PROJECT>, <PROJECT>, bluE heRons"),
        ("KÄSE Käsekuchen", "<PROJECT> Käsekuchen"),
        ("TCK-12345 EMP-004711", "<TICKET> <EMPLOYEE_ID>"),
    ] {
        assert_eq!(scrub(&policy, text), scrubbed);
    }
}

#[test]
fn types_thresholds_and_languages_choose() {
    let policy = read("[types.PERSON]\nenabled = false\n[types.AGE]\nthreshold = 0.71\n");
    let text = "Ada Lovelace, 45 years old, Herr 078-05-1120";
    assert_eq!(scrub(&policy, text), "Ada Lovelace, 45 years old, <TITLE> <US_SSN>");
    let policy = read(
        "languages = [\"en\"]\n[defaults]\nenabled = false\n[types.PERSON]\nenabled = true\n[types.TITLE]\nenabled = true\n",
    );
    assert_eq!(scrub(&policy, text), "<PERSON>, 45 years old, Herr 078-05-1120");
}

#[test]
fn a_policy_extends_a_preset() {
    let policy = policy::read(
        "test",
        "id = \"mine\"\nversion = 2\nextends = \"pci-dss\"\n[types.CREDIT_CARD]\nkeep_first = 6\n[types.PERSON]\nenabled = false\n",
    )
    .unwrap();
    let card = policy.treatment("CREDIT_CARD", Strategy::Label);
    assert_eq!((card.strategy, card.keep_first, card.keep_last), (Strategy::Mask, 6, Some(4)));
    assert!(!policy.looks_for("PERSON") && policy.looks_for("SECRET") && !policy.looks_for("US_SSN"));
    assert_eq!((policy.id.as_str(), policy.version), ("mine", 2));
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let toml = r#"id = "my policy"
version = 0
extends = "gpdr"
threshold = 1.5
languages = ["EN"]
regions = ["Germany"]
scope = "world"

[defaults]
strategy = "erase"

[types.email]
threshold = -1.0

[types.CREDIT_CARD]
strategy = "mask"
keep_last = 12

[types.US_SSN]
keep_last = 4

[[allow]]
types = ["URL"]

[[allow]]
pattern = '('

[[deny]]
type = "X"
exact = [""]
max_length = 0

[[deny]]
type = "X"
pattern = ['a*', '[']

[[detector]]
name = "B"
type = "X"
score = 2.0
max_length = 10
"#;
    let errors = policy::read("p.toml", toml).unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 10, 12, 13, 17, 20, 22, 25, 30, 31, 33, 33, 37, 37, 38, 40], "{errors:#?}");
    assert_eq!(errors[3].to_string(), "p.toml, line 4: a threshold is from 0 to 1, not 1.5");
    assert_eq!(errors[13].to_string(), "p.toml, line 25: pattern \"(\": unclosed group");
    let unknown = policy::read("p.toml", "id = \"a\"\nversion = 1\nthreshhold = 0.5\n").unwrap_err();
    assert_eq!(unknown[0].line, 3);
    assert!(unknown[0].problem.contains("threshhold"), "{}", unknown[0]);
    let unfinished = policy::read("p.toml", "id = \"a\"\nversion = \n").unwrap_err();
    assert_eq!(unfinished[0].line, 2);
}

#[test]
fn a_type_that_no_detector_finds_is_refused() {
    for policy in
        [read("[types.US_SNN]\nenabled = false\n"), read("[[allow]]\ntypes = [\"US_SNN\"]\nexact = [\"a\"]\n")]
    {
        let error = Engine::new(detectors(), &policy).map(|_| ()).unwrap_err();
        assert_eq!(error, EngineError::UnknownType("US_SNN".to_owned()));
    }
}

const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(3).map(|unit| u32::from_be_bytes([0, unit[0], unit[1], unit[2]]));
    units.flat_map(|bits| [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift & 63) as usize]))).collect()
}

fn unbase64(text: &str) -> Vec<u8> {
    let digits: Vec<_> =
        text.bytes().map(|byte| DIGITS.iter().position(|digit| *digit == byte).unwrap() as u32).collect();
    let units = digits.chunks_exact(4).map(|unit| unit.iter().fold(0, |bits, digit| bits << 6 | digit));
    units.flat_map(|bits: u32| bits.to_be_bytes().into_iter().skip(1)).collect()
}

#[test]
fn values_in_encodings_are_found_in_every_segment() {
    let engine = engine(&all(Strategy::Label));
    // The filling moves each address to other places in its segment and its unit.
    let values: Vec<_> = (0..3000).map(|index| format!("user{index}@corp{}.example", index * 7919 % 1000)).collect();
    let with_filling = |(index, value): (usize, &String)| {
        format!("{} {value}\n\"{}\" ", "word ".repeat(index % 11), "é".repeat(index % 5))
    };
    let plain = values.iter().enumerate().map(with_filling).collect::<Vec<_>>().concat();
    let plain = format!("{plain}{}", ["", "..", "."][plain.len() % 3]);
    let json = plain.replace('"', "\\\"").replace('\n', "\\n");
    let unicode: String = json.replace('@', "\\u0040");
    for shift in 0..4 {
        let before = "=".repeat(shift);
        for text in [&json, &unicode] {
            let scrubbed = scrub_with(&engine, Actor::default(), &format!("{before}{text}")).unwrap();
            assert_eq!(scrubbed.matches("<EMAIL_ADDRESS>\\n\\\"").count(), values.len());
            assert!(!scrubbed.contains("corp"));
        }
        let scrubbed = scrub_with(&engine, Actor::default(), &format!("{before}{}", base64(plain.as_bytes()))).unwrap();
        let decoded = String::from_utf8(unbase64(&scrubbed[shift..])).unwrap();
        assert!(!decoded.contains("corp"), "{shift}");
        let labels = decoded.matches("<EMAIL_ADDRESS>").count();
        assert_eq!(labels, values.len());
        let words = |text: &str| text.split_whitespace().filter(|word| *word == "word").count();
        assert_eq!(words(&decoded), words(&plain));
    }
}

fn texts() -> impl proptest::strategy::Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z]{1,8}",
        Just("Ada Lovelace".to_owned()),
        Just("GRACE Grace Hopper".to_owned()),
        "[a-z]{1,8}@[a-z]{1,8}\\.example",
        "[0-9]{3}-[0-9]{2}-[0-9]{4}",
        "4[0-9]{3} [0-9]{4} [0-9]{4} [0-9]{4}",
        "[0-9]{16}",
        "[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}",
        "[1-9]{1,3}\\.[0-9]\\.[0-9]{1,3}\\.[0-9]{1,3}",
        "19[0-9]{2}-0[1-9]-1[0-9]",
        "[0-9]{1,3} years old",
        "password=[a-z0-9]{4,12}",
        Just("<PERSON>".to_owned()),
        Just("john%40corp.example".to_owned()),
        Just("a\\njohn@corp.example".to_owned()),
        Just("&lt;john&#64;corp.example&gt;".to_owned()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_second_run_changes_nothing(text in texts()) {
        for (strategy, engine) in &*ENGINES {
            let actor = Actor::keyed(&key(), engine).unwrap();
            let once = scrub_with(engine, actor.clone(), &text).unwrap();
            let twice = scrub_with(engine, actor, &once).unwrap();
            prop_assert_eq!(twice, once, "{} of {}", strategy, text);
        }
    }

    #[test]
    fn no_value_survives_a_strategy_that_keeps_nothing(text in texts()) {
        let keep_nothing = [Strategy::Label, Strategy::Hash, Strategy::Tokenize, Strategy::Drop];
        for (_, engine) in ENGINES.iter().filter(|(strategy, _)| keep_nothing.contains(strategy)) {
            let scrubbed = scrub_with(engine, Actor::keyed(&key(), engine).unwrap(), &text).unwrap();
            for finding in engine.detect(text.as_bytes()) {
                let value = &text[finding.start as usize..finding.end as usize];
                prop_assert!(value.len() < 8 || !scrubbed.contains(value), "{} in {}", value, scrubbed);
            }
        }
    }
}
