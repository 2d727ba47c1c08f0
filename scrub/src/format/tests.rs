use std::fmt::Write as _;
use std::sync::LazyLock;

use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;

use super::*;
use crate::policy::{Policy, TypeRule};
use crate::{builtin, detector};

fn engine(strategy: crate::act::Strategy) -> Arc<Engine> {
    let toml = r#"
        [[detector]]
        name = "badge"
        type = "BADGE"
        pattern = 'EMP-[0-9]{6}'
        literals = ["EMP-"]
        score = 0.6
        max_length = 10
        examples = ["EMP-004711"]
        counter_examples = ["EMP-47"]
        [[detector]]
        name = "mail"
        type = "MAIL"
        pattern = '[a-z]+@[a-z]+\.com'
        literals = ["@"]
        score = 0.6
        max_length = 100
        examples = ["a@b.com"]
        counter_examples = ["a@b.org"]
        [[detector]]
        name = "number"
        type = "NUMBER"
        pattern = '4711[0-9]{4}'
        score = 0.6
        max_length = 8
        examples = ["47110815"]
        counter_examples = ["4712"]
        [[detector]]
        name = "pair"
        type = "PAIR"
        pattern = 'left[^a-z]{1,40}right'
        score = 0.6
        max_length = 60
        examples = ["left, right"]
        counter_examples = ["left and right"]
    "#;
    let rule = TypeRule { strategy: Some(strategy), ..TypeRule::default() };
    let types = ["BADGE", "MAIL", "NUMBER", "PAIR"].map(|name| (name.to_owned(), rule.clone())).into();
    Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy { types, ..Policy::default() }).unwrap())
}

fn job(engine: &Arc<Engine>) -> Job {
    Job {
        engine: Arc::clone(engine),
        actor: Some(Actor::default()),
        on_media: Rule::Refuse,
        on_unknown: Rule::Refuse,
        limits: Limits::default(),
    }
}

static LABELS: LazyLock<Job> = LazyLock::new(|| job(&engine(crate::act::Strategy::Label)));

fn run(job: &Job, mut text: &[u8]) -> Result<(Vec<u8>, Summary), FormatError> {
    let mut out = Vec::new();
    let summary = scrub(&mut text, &mut out, job)?;
    Ok((out, summary))
}

fn scrubbed(text: &str) -> String {
    String::from_utf8(run(&LABELS, text.as_bytes()).unwrap().0).unwrap()
}

#[test]
fn json_stays_json() {
    for (text, expected) in [
        (r#"{"a": "is EMP-004711.", "n": 47110815, "m": 1}"#, r#"{"a": "is <BADGE>.", "n": null, "m": 1}"#),
        (r#"{"a@b.com": 1, "c@d.com": 2, "x": {"e@f.com": 3}}"#, r#"{"<MAIL>": 1, "<MAIL>_2": 2, "x": {"<MAIL>": 3}}"#),
        ("[147110815, 1.47110815e3, -47110815]", "[null, null, null]"),
        (r#"["left", "right", "left"]"#, r#"["<PAIR>", "<PAIR>", "left"]"#),
        (r#"{"x":"a\u0040b.com\\n\"EMP-004711"}"#, r#"{"x":"<MAIL>\\n\"<BADGE>"}"#),
        (
            "{\"a\":\"EMP-004711\"}\n{\"a\": EMP-004711}\n{\"a\":47110815}\n",
            "{\"a\":\"<BADGE>\"}\n{\"a\": <BADGE>}\n{\"a\":null}\n",
        ),
    ] {
        assert_eq!(scrubbed(text), expected);
    }
    let (_, summary) = run(&LABELS, b"{\"a\":1}\n{\"a\": EMP-004711}\n").unwrap();
    assert_eq!((summary.format, summary.bad_records, summary.findings["BADGE"]), (Some(Format::Json), 1, 1));
}

#[test]
fn strategies_fit_where_they_stand() {
    let mask = job(&engine(crate::act::Strategy::Mask));
    for (text, expected) in [
        (r#"{"n": 47110815, "s": "47110815"}"#, r#"{"n": null, "s": "****0815"}"#),
        ("a,b\nEMP-004711,\"left, \"\"right\"\n", "a,b\n***-**4711,\"****, \"\"*ight\"\n"),
    ] {
        let (out, _) = run(&mask, text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
    let drop = job(&engine(crate::act::Strategy::Drop));
    assert_eq!(run(&drop, br#"{"n": 47110815, "s": "x 47110815"}"#).unwrap().0, br#"{"n": null, "s": "x "}"#);
    let block = job(&engine(crate::act::Strategy::Block));
    assert!(matches!(run(&block, br#"{"n": 47110815}"#), Err(FormatError::Blocked(_))));
}

#[test]
fn tables_keep_their_columns() {
    assert_eq!(
        scrubbed("a@b.com,c@d.com\nEMP-004711,\"x, EMP-004711\"\n"),
        "<MAIL>,<MAIL>_2\n<BADGE>,\"x, <BADGE>\"\n"
    );
    assert_eq!(scrubbed("id,x\nleft,right\n"), "id,x\n<PAIR>,<PAIR>\n");
}

#[test]
fn markup_stays_markup() {
    assert_eq!(
        scrubbed("<?xml version=\"1.0\"?>\n<p m=\"a@b.com\">EMP-004711 &amp; left<b/>right</p>"),
        "<?xml version=\"1.0\"?>\n<p m=\"&lt;MAIL&gt;\">&lt;BADGE&gt; &amp; left<b/>right</p>"
    );
    assert_eq!(
        scrubbed("<html><script>x = \"a@b.com\"</script>a@b.com"),
        "<html><script>x = \"<MAIL>\"</script>&lt;MAIL&gt;"
    );
    let (out, summary) = run(&LABELS, b"<a><EMP-004711/></a>").unwrap();
    assert_eq!((out, summary.unfit), (b"<a><EMP-004711/></a>".to_vec(), 1));
}

#[test]
fn compression_is_undone_and_done_again() {
    let text = b"{\"a\": \"EMP-004711\"}\n".repeat(5000);
    let expected = b"{\"a\": \"<BADGE>\"}\n".repeat(5000);
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz, Codec::Lz4, Codec::Snappy] {
        let packed = compressed::pack(codec, &text);
        let twice = compressed::pack(Codec::Gzip, &packed);
        let several = [compressed::pack(codec, &text), compressed::pack(codec, &text)].concat();
        for (source, layers, expected) in [
            (packed, vec![codec], expected.clone()),
            (twice, vec![Codec::Gzip, codec], expected.clone()),
            (several, vec![codec], expected.repeat(2)),
        ] {
            let (mut out, summary) = run(&LABELS, &source).unwrap();
            for codec in layers {
                assert_eq!(sniff(&out, false), Format::Compressed(codec));
                out = compressed::unpack(codec, &out);
            }
            assert!(out == expected, "{codec:?}");
            assert_eq!(summary.format, Some(Format::Json));
        }
    }
}

#[test]
fn what_is_broken_or_not_known_is_told() {
    let packed = compressed::pack(Codec::Gzip, b"some text");
    let cut = run(&LABELS, &packed[..packed.len() - 4]);
    assert!(matches!(cut, Err(FormatError::Broken { format: "gzip", .. })), "{cut:?}");
    let behind = run(&LABELS, &[&packed[..], b"behind"].concat());
    assert!(matches!(behind, Err(FormatError::Broken { .. })), "{behind:?}");
    assert!(matches!(run(&LABELS, b"%PDF-1.7"), Err(FormatError::Unknown { what: "PDF", nested: false, .. })));
    let inner = compressed::pack(Codec::Zstd, b"\x7FELF\x02\x01");
    assert!(matches!(run(&LABELS, &inner), Err(FormatError::Unknown { what: "ELF", nested: true, .. })));
    let passing = Job { on_unknown: Rule::Pass, ..LABELS.clone() };
    let (out, summary) = run(&passing, b"\x7FELF\x02\x01").unwrap();
    assert_eq!((&out[..], summary.passed), (&b"\x7FELF\x02\x01"[..], [("ELF", 1)].into()));
    let strict = Job { limits: Limits { bad_records: 0, ..Limits::default() }, ..LABELS.clone() };
    assert!(matches!(run(&strict, b"{}\n{x\n"), Err(FormatError::Limit(_))));
}

#[test]
fn bombs_are_bounded() {
    let bomb = compressed::pack(Codec::Gzip, &vec![b' '; 200 << 20]);
    assert!(matches!(run(&LABELS, &bomb), Err(FormatError::Limit(_))));
    let deep = (0..9).fold(b"text".to_vec(), |inner, _| compressed::pack(Codec::Zstd, &inner));
    assert!(matches!(run(&LABELS, &deep), Err(FormatError::Limit(_))));
}

fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => Just("EMP-004711".to_owned()),
        2 => Just("a@b.com".to_owned()),
        2 => Just("47110815".to_owned()),
        1 => Just("left".to_owned()),
        1 => Just("right".to_owned()),
        2 => "[ \"'\\\\\n,;<>&\t\u{e9}\u{1f600}\u{0}]{1,3}",
        4 => "[a-z0-9 ]{1,6}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        4 => words().prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::from(47_110_815)),
        1 => Just(serde_json::Value::Null),
        1 => any::<bool>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(words(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether two values have the same shape: numbers may have become null.
fn same_shape(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Null, Number, Object, String};
    match (a, b) {
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b)),
        // Changed names sort elsewhere.
        (Object(a), Object(b)) => a.len() == b.len(),
        (String(_), String(_)) | (Number(_), Null) => true,
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_json_is_json(values in proptest::collection::vec(values(), 1..4), pretty in any::<bool>(), ascii in any::<bool>()) {
        let text = |value: &serde_json::Value| {
            let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap();
            if !ascii {
                return text;
            }
            let mut out = String::new();
            for character in text.chars() {
                match character {
                    '\0'..='\x7F' => out.push(character),
                    _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write!(out, "\\u{unit:04x}").unwrap()),
                }
            }
            out
        };
        let text = values.iter().map(text).collect::<Vec<_>>().join("\n");
        let mut source = text.as_bytes();
        let mut out = Vec::new();
        let mut summary = Summary::default();
        super::text(Format::Json, &mut source, &mut out, &LABELS, &mut summary).unwrap();
        let read = serde_json::Deserializer::from_slice(&out).into_iter().collect::<Result<Vec<serde_json::Value>, _>>();
        let read = read.unwrap_or_else(|error| panic!("{error}: {text} became {}", String::from_utf8_lossy(&out)));
        prop_assert_eq!(read.len(), values.len());
        prop_assert!(values.iter().zip(&read).all(|(a, b)| same_shape(a, b)), "{} became {}", text, String::from_utf8_lossy(&out));
        prop_assert_eq!(summary.bad_records, 0);
        let out = String::from_utf8(out).unwrap();
        for value in ["EMP-004711", "a@b.com", "47110815"] {
            prop_assert!(!out.contains(value), "{} in {}", value, out);
        }
    }

    #[test]
    fn what_was_a_table_is_one(rows in proptest::collection::vec(proptest::collection::vec(words(), 3), 1..6), tabs in any::<bool>(), all in any::<bool>()) {
        let delimiter = if tabs { b'\t' } else { b',' };
        let style = if all { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let mut writer = ::csv::WriterBuilder::new().delimiter(delimiter).quote_style(style).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = writer.into_inner().unwrap();
        let mut out = Vec::new();
        super::text(Format::Csv(delimiter), &mut &text[..], &mut out, &LABELS, &mut Summary::default()).unwrap();
        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(&out[..]);
        let read: Vec<_> = reader.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), rows.len());
        prop_assert!(read.iter().all(|row| row.len() == 3));
    }

    /// Any bytes: nothing is lost where nothing is found, and the result does not depend on the format that is assumed but where findings are.
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in words()) {
        for source in [&bytes[..], text.as_bytes()] {
            for format in [Format::Json, Format::Csv(b','), Format::Markup { html: true }, Format::Markup { html: false }] {
                let mut out = Vec::new();
                let mut summary = Summary::default();
                super::text(format, &mut &source[..], &mut out, &LABELS, &mut summary).unwrap();
                if summary.findings.is_empty() {
                    prop_assert_eq!(&out[..], source);
                }
            }
            let _ = run(&LABELS, source);
        }
    }
}

#[test]
fn with_all_detectors_json_stays_json() {
    let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
    let text = r#"{"name": "Mary Johnson", "ssn": 219099999, "address": {"street": "12 Main Street", "city": "Springfield", "zip": "62704"}, "tags": ["John Smith", "Paris"]}"#;
    let (out, summary) = run(&job(&engine), text.as_bytes()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["name"], "<PERSON>");
    assert_eq!(value["ssn"], serde_json::Value::Null);
    assert_eq!(value["tags"].as_array().unwrap().len(), 2);
    assert!(summary.findings["PERSON"] >= 2, "{summary:?}");
}
