use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

fn people() -> Json {
    json!({
        "type": "record", "name": "Person", "namespace": "a.b", "doc": "rows of EMP-004711",
        "fields": [
            {"name": "note", "type": ["null", "string"], "default": null},
            {"name": "id", "type": "long"},
            {"name": "ssn", "type": ["long", "null"], "owner": "EMP-004711"},
            {"name": "US_SSN", "type": "int", "default": 0},
            {"name": "dob", "type": {"type": "int", "logicalType": "date"}},
            {"name": "birth_date", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}]},
            {"name": "social_security_number", "type": "double"},
            {"name": "phone_number", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 0}},
            {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
            {"name": "raw", "type": {"type": "fixed", "name": "Ten", "size": 10}},
            {"name": "data", "type": "bytes"},
            {"name": "tags", "type": {"type": "array", "items": ["string", "null"]}},
            {"name": "map", "type": {"type": "map", "values": "string"}},
            {"name": "boss", "type": ["null", "Person"]},
            {"name": "at", "type": {"type": "long", "logicalType": "time-micros"}},
            {"name": "alias", "type": "string", "default": "EMP-004711", "aliases": ["EMP-004712"]}
        ]
    })
}

/// A row in which everything is somebody's, or nothing.
fn person(is_clean: bool) -> Json {
    let of = |clean: Json, other: Json| if is_clean { clean } else { other };
    json!({
        "note": [1, of(json!("a note"), json!("by EMP-004711."))], "id": 7,
        "ssn": [0, of(json!(1), json!(219_099_999))], "US_SSN": of(json!(1), json!(219_099_999)),
        "dob": of(json!(0), json!(7013)), "birth_date": of(json!([0, null]), json!([1, 7013 * 86_400_000_i64])),
        "social_security_number": of(json!(0.5), json!(219_099_999.0)),
        "phone_number": "\u{1}\u{2}", "kind": 1, "raw": of(json!("0123456789"), json!("EMP-004711")),
        "data": of(json!("\u{0}\u{1}"), json!("is EMP-004711")),
        "tags": of(json!([[0, "x"], [1, null]]), json!([[0, "x"], [1, null], [0, "EMP-004711"], [0, "EMP-004712"]])),
        "map": of(json!({"k": "v"}), json!({"EMP-004711": "EMP-004711", "EMP-004712": "x", "k": "v"})),
        "boss": [0, null], "at": 219_099_999, "alias": "x",
    })
}

#[test]
fn what_is_found_is_replaced_in_every_type_and_codec() {
    let schema = people();
    let (clean, other) = (person(true), person(false));
    let mut above = clean.clone();
    above["boss"] = json!([1, other]);
    let records = [clean.clone(), other.clone(), clean.clone(), above, clean];
    for codec in CODECS {
        for parts in [None, Some(1), Some(3)] {
            let source = file(&schema, codec, &records, 2, parts);
            let (out, summary) = run(&LABELS, &source).unwrap();
            let (said, rows) = read(&out);
            let mut expected = records.clone();
            let edited = json!({
                "note": [1, "by <BADGE>."], "id": 7, "ssn": [1, null], "US_SSN": 0, "dob": 0, "birth_date": [0, null],
                "social_security_number": 0.0, "phone_number": "\u{1}\u{2}", "kind": 1, "raw": "\0".repeat(10),
                "data": "is <BADGE>", "tags": [[0, "x"], [1, null], [0, "<BADGE>"], [0, "<BADGE>"]],
                "map": {"<BADGE>": "<BADGE>", "<BADGE>_2": "x", "k": "v"}, "boss": [0, null], "at": 219_099_999, "alias": "x",
            });
            expected[1] = edited.clone();
            expected[3]["boss"][1] = edited;
            assert_eq!(rows, expected, "{codec}");
            let mut text = schema.to_string().replace("rows of EMP-004711", "rows of <BADGE>");
            for name in ["owner", "default"] {
                text = text.replace(&format!("\"{name}\":\"EMP-004711\""), &format!("\"{name}\":\"<BADGE>\""));
            }
            assert_eq!(said["avro.schema"], text);
            // The alias.
            assert_eq!((summary.unfit, summary.format), (1, Some(crate::format::Format::Avro)));
            assert!(summary.findings["BADGE"] > 10 && summary.findings["US_SSN"] == 6, "{summary:?}");
            // The last block holds nothing but a date, which stays; where parts told their length they do no more.
            let block = &source[source.len() - 40..];
            assert!(parts.is_some() || out.ends_with(block));
            assert!(codec != "null" || memchr::memmem::find(&out, b"EMP-004711").is_none());
            // What stands there for a date is one.
            let (again, summary) = run(&LABELS, &out).unwrap();
            assert!(again == out && summary.findings.keys().all(|kind| kind != "US_SSN"), "{summary:?}");
        }
    }
}

#[test]
fn every_logical_type_has_a_printed_form() {
    let of = |name: &str, of: Json| json!({"name": name, "type": {"type": "record", "name": name, "fields": [{"name": "dob", "type": of}]}});
    let schema = json!({"type": "record", "name": "R", "fields": [
        of("a", json!({"type": "int", "logicalType": "time-millis"})), of("b", json!({"type": "long", "logicalType": "time-micros"})),
        of("c", json!({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"})),
        of("d", json!(["null", {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}])),
        of("e", json!({"type": "string", "logicalType": "uuid"})), {"name": "id", "type": "U"}]});
    let uuid = "0123456789abcdef";
    let duration = "\u{1}\0\0\0\u{17}\0\0\0\u{4}\0\0\0";
    let record = json!({"a": {"dob": 45_296_789}, "b": {"dob": 45_296_789_000_i64}, "c": {"dob": uuid}, "d": {"dob": [1, duration]},
        "e": {"dob": "01234567-89ab-cdef-0123-456789abcdef"}, "id": uuid});
    let (out, summary) = run(&LABELS, &file(&schema, "null", &[record], 9, None)).unwrap();
    let nothing = json!({"a": {"dob": 0}, "b": {"dob": 0}, "c": {"dob": "\0".repeat(16)}, "d": {"dob": [0, null]},
        "e": {"dob": "<DATE_OF_BIRTH>"}, "id": uuid});
    assert_eq!(read(&out).1, [nothing], "{summary:?}");
    assert_eq!(summary.findings["DATE_OF_BIRTH"], 5);
}

#[test]
fn fields_side_by_side_are_positions() {
    let schema = json!({"type": "record", "name": "R", "fields": [
        {"name": "start_lat", "type": ["null", "double"]}, {"name": "start_lng", "type": "double"}, {"name": "end_lat", "type": "double"},
        {"name": "in", "type": {"type": "record", "name": "P", "fields": [{"name": "a_lat", "type": "double"}, {"name": "a_long", "type": "string"}]}}]});
    let record = |start: (Json, f64), lat: f64, long: &str| json!({"start_lat": start.0, "start_lng": start.1, "end_lat": 48.8584, "in": {"a_lat": lat, "a_long": long}});
    let source = file(&schema, "null", &[record((json!([1, 48.8584]), 2.2945), 48.5, "-2.5")], 9, None);
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(read(&out).1, [record((json!([0, null]), 0.0), 0.0, "<GPS_COORDINATES>")], "{summary:?}");
    assert_eq!(summary.findings["GPS_COORDINATES"], 4);
}

#[test]
fn strategies_that_fit_keep_the_type() {
    let schema = json!({"type": "record", "name": "R", "fields": [
        {"name": "dob", "type": {"type": "int", "logicalType": "date"}}, {"name": "raw", "type": {"type": "fixed", "name": "F", "size": 10}},
        {"name": "x", "type": {"type": "fixed", "name": "G", "size": 10}}]});
    let source = file(&schema, "null", &[json!({"dob": 7013, "raw": "EMP-004711", "x": "0123456789"})], 9, None);
    let (out, _) = run(&job(Strategy::Mask), &source).unwrap();
    assert_eq!(read(&out).1, [json!({"dob": 0, "raw": "***-**4711", "x": "0123456789"})]);
    assert!(matches!(run(&job(Strategy::Block), &source), Err(FormatError::Blocked(_))));
    let observer = Job { actor: None, ..LABELS.clone() };
    let (out, summary) = run(&observer, &source).unwrap();
    assert_eq!((out.len(), summary.findings["BADGE"]), (0, 1));
}

#[test]
fn what_is_said_about_the_file_is_scrubbed() {
    let schema = "\"string\"";
    let more = [
        ("owner", "EMP-004711"),
        ("EMP-004711", "x"),
        ("EMP-004712", "y"),
        ("info", "{\"by\":\"EMP-004711\",\"ssn\":219099999}"),
    ];
    let mut source = head(schema, "null", &more);
    put_block(&mut source, "null", 1, b"\x02x");
    let (out, summary) = run(&LABELS, &source).unwrap();
    let (said, rows) = read(&out);
    assert_eq!(rows, ["x"]);
    assert_eq!(said["owner"], "<BADGE>");
    assert_eq!((&*said["<BADGE>"], &*said["<BADGE>_2"]), ("x", "y"));
    assert_eq!(said["info"], "{\"by\":\"<BADGE>\",\"ssn\":null}");
    assert_eq!(summary.findings["BADGE"], 4);
    let clean = head(schema, "null", &[("owner", "nobody")]);
    assert_eq!(run(&LABELS, &clean).unwrap().0, clean);
}

/// Old writers left a part of zlib's checksum in each block.
#[test]
fn what_is_behind_the_data_of_a_block_goes() {
    let packed = Codec::Deflate.pack(b"\x02x".to_vec()).unwrap();
    let with = |more: &[u8]| {
        let mut source = head("\"string\"", "deflate", &[]);
        put_long(&mut source, 1);
        put_counted(&mut source, &[&packed, more].concat());
        source.extend_from_slice(&MARKER);
        source
    };
    assert!(run(&LABELS, &with(b"abc")).unwrap().0 == with(b""));
    // That checksum itself says nothing new.
    let sum = [0, 0x7E, 0, 0x7B];
    assert!(run(&LABELS, &with(&sum[..3])).unwrap().0 == with(&sum[..3]));
    assert!(matches!(run(&LABELS, &with(b"EMP-004711")), Err(FormatError::Broken { .. })));
}

/// In frames of Zstandard that are to be skipped, and in the marker.
#[test]
fn what_no_value_is_in_goes() {
    let packed = Codec::of(Some(b"zstandard")).unwrap().pack(b"\x02x".to_vec()).unwrap();
    for stored in
        [[&b"\x50\x2A\x4D\x18\x0A\0\0\0EMP-004711"[..], &packed], [&packed, b"\x5F\x2A\x4D\x18\x0A\0\0\0EMP-004711"]]
    {
        let mut source = head("\"string\"", "zstandard", &[]);
        put_long(&mut source, 1);
        put_counted(&mut source, &stored.concat());
        source.extend_from_slice(&MARKER);
        let (out, _) = run(&LABELS, &source).unwrap();
        assert_eq!(read(&out).1, ["x"]);
        assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    }
    let mut source = head("\"string\"", "null", &[]);
    put_block(&mut source, "null", 1, b"\x02x");
    let mark = |file: &[u8], marker: &[u8]| {
        let mut file = file.to_vec();
        for at in memchr::memmem::find_iter(&source, &MARKER) {
            file[at..at + SYNC].copy_from_slice(marker);
        }
        file
    };
    let (out, summary) = run(&LABELS, &mark(&source, b"by EMP-004711 or")).unwrap();
    assert!(out == mark(&source, INSTEAD));
    assert_eq!(summary.findings["BADGE"], 1);
}

#[test]
fn keys_of_the_header_stay_unique() {
    for keys in [["EMP-004711", "<BADGE>"], ["<BADGE>", "EMP-004711"]] {
        let (out, _) = run(&LABELS, &head("\"string\"", "null", &keys.map(|key| (key, "x")))).unwrap();
        assert_eq!(read(&out).0.len(), 4, "{keys:?}");
    }
    let (out, _) =
        run(&job(Strategy::Mask), &head("\"string\"", "null", &[("EMP-004711", "x"), ("***-**4711", "y")])).unwrap();
    assert_eq!(read(&out).0.len(), 4);
}

/// Of protocol buffers and the like.
#[test]
fn binary_values_are_looked_into() {
    let of = |schema: &str, parts: &[&[u8]]| {
        let mut source = head(schema, "null", &[]);
        put_block(&mut source, "null", 1, &parts.concat());
        source
    };
    let (value, other) = (&b"\x0A\x0AEMP-0047112\x01\0\x03"[..], &b"\x89\0\x01\xFE\x07EMP-\xFF"[..]);
    let counted = |bytes: &[u8]| {
        let mut out = Vec::new();
        put_counted(&mut out, bytes);
        out
    };
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"bytes"},{"name":"b","type":["null","bytes"]},{"name":"c","type":"bytes"}]}"#;
    let source = of(schema, &[&counted(value), &[2], &counted(value), &counted(other)]);
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert!(out == of(schema, &[&counted(&vec![0; value.len()]), &[0], &counted(other)]));
    assert_eq!((summary.findings["BADGE"], summary.passed), (2, [("binary values", 3)].into()));
}

/// Attributes that others pass over, and the names of any.
#[test]
fn nothing_in_a_schema_is_unseen() {
    for said in [
        r#""logicalType":"EMP-004711""#,
        r#""order":"EMP-004711""#,
        r#""precision":"EMP-004711""#,
        r#""EMP-004711":1"#,
        r#""more":[{"EMP-004711":true}]"#,
        r#""default":{"EMP-004711":null}"#,
        r#""aliases":["EMP-004711"]"#,
    ] {
        let source = head(&format!("{{\"type\":\"long\",{said}}}"), "null", &[]);
        assert_eq!(run(&LABELS, &source).unwrap().1.unfit, 1, "{said}");
    }
}

/// What is wider than its type needs, or than it may be.
#[test]
fn what_is_odd_is_looked_into() {
    let schema = json!({"type": "record", "name": "R", "fields": [
        {"name": "ssn", "type": {"type": "fixed", "name": "F", "size": 20, "logicalType": "decimal", "precision": 40}},
        {"name": "phone_number", "type": "int"},
        {"name": "a", "type": {"type": "fixed", "name": "G", "size": 10, "logicalType": "uuid"}},
        {"name": "b", "type": {"type": "fixed", "name": "H", "size": 12}},
        {"name": "social_security_number", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4_000_000_000_u32}}]});
    let data = |number: u32, phone: i64, texts: [&[u8]; 2]| {
        let mut data = [0; 16].to_vec();
        data.extend_from_slice(&number.to_be_bytes());
        put_long(&mut data, phone);
        data.extend_from_slice(&texts.concat());
        put_counted(&mut data, &number.to_be_bytes());
        let mut file = head(&schema.to_string(), "null", &[]);
        put_block(&mut file, "null", 1, &data);
        file
    };
    let (out, summary) = run(&LABELS, &data(219_099_999, 4_155_552_671, [b"EMP-004711", b"EMP-004711\0\0"])).unwrap();
    assert!(out == data(0, 0, [&[0; 10], b"<BADGE>\0\0\0\0\0"]), "{summary:?}");
}

/// Found in the last of many, so that all before it are written anew.
#[test]
fn large_blocks_are_written_anew() {
    let schema = json!({"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}, {"name": "b", "type": "long"}]}});
    let rows: Vec<_> = (0..40_000).map(|row| json!({"a": format!("row {row}"), "b": row})).collect();
    let mut records = vec![json!(rows), json!([{"a": "EMP-004711", "b": 1}])];
    let source = file(&schema, "snappy", &records, 2, Some(100));
    let (out, summary) = run(&LABELS, &source).unwrap();
    records[1][0]["a"] = "<BADGE>".into();
    assert!(read(&out).1 == records);
    assert_eq!(summary.findings["BADGE"], 1);
}

fn words() -> impl proptest::strategy::Strategy<Value = String> {
    prop_oneof![6 => "[a-z ]{0,12}", 2 => Just("EMP-004711".to_owned()), 1 => "[\"\\\\\n\u{e9}\u{1f600}\u{0}]{1,5}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is found is replaced, and all else stays: to the last byte where nothing is found.
    #[test]
    fn nested_data_stays(rows in proptest::collection::vec((proptest::collection::vec((words(), proptest::option::of(any::<i64>())), 0..5), any::<bool>()), 0..60),
        in_block in 1_usize..20, parts in proptest::option::of(1_usize..4), codec in 0_usize..6, clean in any::<bool>()) {
        let schema = json!({"type": "record", "name": "Node", "fields": [
            {"name": "items", "type": {"type": "array", "items": {"type": "map", "values": ["null", "long"]}}},
            {"name": "flag", "type": "boolean"}, {"name": "next", "type": ["null", "Node"]}]});
        let mut records = Vec::new();
        for (items, flag) in &rows {
            let items: Vec<_> = items.iter().map(|(key, number)| {
                let key = if clean { key.replace("EMP-", "EMP ") } else { key.clone() };
                json!({key: number.map_or(json!([0, null]), |number| json!([1, number]))})
            }).collect();
            let inner = records.last().cloned().filter(|_| *flag && records.len() % 5 > 0);
            records.push(json!({"items": items, "flag": flag, "next": inner.map_or(json!([0, null]), |inner: Json| json!([1, inner]))}));
        }
        let source = file(&schema, CODECS[codec], &records, in_block, parts);
        let (out, summary) = run(&LABELS, &source).unwrap();
        if clean {
            prop_assert!(summary.findings.is_empty(), "{:?}", summary);
            prop_assert!(out == source);
        }
        let expected = serde_json::to_string(&records).unwrap().replace("EMP-004711", "<BADGE>");
        let expected: Vec<Json> = serde_json::from_str(&expected).unwrap();
        prop_assert_eq!(read(&out).1, expected);
    }
}
