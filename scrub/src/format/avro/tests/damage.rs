use super::*;
use crate::format::table::tests::random;

fn broken(file: &[u8]) {
    let done = run(&LABELS, file);
    assert!(matches!(done, Err(FormatError::Broken { format: "Avro", .. })), "{done:?}");
}

fn limited(file: &[u8]) {
    let done = run(&LABELS, file);
    assert!(matches!(done, Err(FormatError::Limit(_))), "{done:?}");
}

/// A file of one block.
fn block(schema: &str, count: i64, data: &[u8]) -> Vec<u8> {
    let mut out = head(schema, "null", &[]);
    put_block(&mut out, "null", count, data);
    out
}

fn longs(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        put_long(&mut out, *number);
    }
    out
}

#[test]
fn what_lies_is_refused() {
    let (array, map) = (r#"{"type":"array","items":"string"}"#, r#"{"type":"map","values":"string"}"#);
    for (schema, count, data) in [
        ("\"string\"", 1, longs(&[-1])),
        ("\"string\"", 1, longs(&[5])),
        ("\"string\"", 1, longs(&[i64::MAX])),
        ("\"string\"", 1, vec![2, b'x', 2, b'y']),
        ("\"string\"", 3, vec![2, b'x', 2, b'y']),
        ("\"string\"", -1, vec![]),
        ("\"long\"", 1, vec![0xFF; 11]),
        ("[\"null\",\"long\"]", 1, longs(&[2])),
        ("[\"null\",\"long\"]", 1, longs(&[-1])),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, 1, longs(&[1])),
        (r#"{"type":"fixed","name":"F","size":9}"#, 1, vec![0; 8]),
        (array, 1, longs(&[1])),
        (array, 1, longs(&[i64::MAX, 0])),
        (array, 1, longs(&[i64::MIN, 0])),
        (array, 1, longs(&[-1, 100, 0, 0])),
        (array, 1, longs(&[-1, -1, 0, 0])),
        // Lengths of parts that are others.
        (array, 1, longs(&[-1, 2, 0, 0])),
        (array, 1, longs(&[-1, 0, 0, 0])),
        (map, 1, longs(&[-1, 1, 0, 0, 0])),
        (map, 1, longs(&[1, 0])),
    ] {
        broken(&block(schema, count, &data));
    }
    for schema in [
        "",
        "{}",
        "1",
        "\"Nobody\"",
        "{\"type\":\"record\"}",
        "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{}]}",
        "{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
        "{\"type\":\"enum\",\"name\":\"F\"}",
        "{\"type\":\"array\"}",
        // Defined twice.
        r#"[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]"#,
    ] {
        broken(&block(schema, 0, &[]));
    }
    assert!(run(&LABELS, &block(array, 1, &longs(&[-1, 1, 0, 0]))).is_ok());
    let good = block("\"string\"", 1, &[2, b'x']);
    let mut other = good.clone();
    *other.last_mut().unwrap() = b'!';
    broken(&other);
    broken(&[&good[..], b"EMP-004711"].concat());
    broken(&head("\"string\"", "null", &[("avro.schema", "\"bytes\"")]));
    let unknown = run(&LABELS, &head("\"string\"", "lz5", &[]));
    assert!(matches!(unknown, Err(FormatError::Unknown { rule: Rule::Quarantine, .. })), "{unknown:?}");
    let mut snappy = head("\"string\"", "snappy", &[]);
    put_block(&mut snappy, "snappy", 1, &[2, b'x']);
    let at = snappy.len() - SYNC - 1;
    snappy[at] ^= 1;
    broken(&snappy);
}

#[test]
fn what_is_endless_is_bounded() {
    // Few bytes that stand for any number of values.
    limited(&block("\"null\"", i64::MAX, &[]));
    limited(&block(r#"{"type":"array","items":"null"}"#, 1, &longs(&[i64::MAX, 0])));
    limited(&block(r#"{"type":"fixed","name":"F","size":0}"#, i64::MAX, &[]));
    // A record that is its own field, and a list without an end.
    limited(&block(r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#, 1, &[]));
    let list = r#"{"type":"record","name":"R","fields":[{"name":"r","type":["null","R"]}]}"#;
    limited(&block(list, 1, &longs(&vec![1; 100_000])));
    // Types that are each two of the next one.
    let mut types = vec![r#"{"type":"record","name":"R0","fields":[{"name":"a","type":"long"}]}"#.to_owned()];
    for n in 1..40 {
        let before = n - 1;
        types.push(format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"a","type":"R{before}"}},{{"name":"b","type":"R{before}"}}]}}"#));
    }
    limited(&block(&format!("[{}]", types.join(",")), 0, &[]));
    limited(&block(&format!("{}\"long\"{}", "[".repeat(1000), "]".repeat(1000)), 0, &[]));
    let deep: String =
        (0..1000).map(|_| r#"{"type":"array","items":"#).collect::<String>() + "\"long\"" + &"}".repeat(1000);
    limited(&block(&deep, 0, &[]));
    // A name that each type in it would have again.
    let name = "n".repeat(5000);
    limited(&block(&format!(r#"{{"type":"record","name":"R","namespace":"{name}","fields":[]}}"#), 0, &[]));
    // A header, a block and a bomb that are too large.
    let mut long_header = MAGIC.to_vec();
    put_long(&mut long_header, 1);
    put_long(&mut long_header, 1 << 40);
    limited(&long_header);
    let mut many = MAGIC.to_vec();
    put_long(&mut many, i64::MIN);
    put_long(&mut many, 0);
    limited(&many);
    let mut large = head("\"string\"", "null", &[]);
    put_long(&mut large, 1);
    put_long(&mut large, 1 << 40);
    limited(&large);
    for codec in &CODECS[1..] {
        let mut data = longs(&[24 << 20]);
        data.resize(data.len() + (24 << 20), 0);
        let mut block = Vec::new();
        put_block(&mut block, codec, 1, &data);
        let bomb = [head("\"bytes\"", codec, &[]), block.repeat(3)].concat();
        // Snappy makes a twentieth of it, which is in proportion.
        if *codec == "snappy" {
            let strict = Job { limits: Limits { chunk: 1 << 20, ..Limits::default() }, ..LABELS.clone() };
            assert!(matches!(run(&strict, &bomb), Err(FormatError::Limit(_))));
        } else {
            let strict = Job { limits: Limits { expansion: 100, ..Limits::default() }, ..LABELS.clone() };
            assert!(matches!(run(&strict, &bomb), Err(FormatError::Limit(_))), "{codec}");
        }
    }
}

#[test]
fn no_damage_makes_a_panic() {
    let schema = json!({"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["null", "string"]}, {"name": "ssn", "type": ["null", "long"]}, {"name": "m", "type": {"type": "map", "values": "bytes"}},
        {"name": "l", "type": {"type": "array", "items": ["null", "R", "double"]}}, {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}}]});
    let leaf = json!({"a": [1, "EMP-004711"], "ssn": [1, 219_099_999], "m": {"EMP-004711": "x", "k": "EMP-004712"}, "l": [], "e": 1, "f": "abc"});
    let mut record = leaf.clone();
    record["l"] = json!([[1, leaf], [0, null], [2, 0.5]]);
    let mut state = 4711;
    for codec in CODECS {
        let source = file(&schema, codec, &[record.clone(), leaf.clone(), record.clone()], 2, Some(1));
        assert!(run(&LABELS, &source).unwrap().1.findings["BADGE"] > 5);
        let first = head(&schema.to_string(), codec, &[]).len();
        for cut in 5..source.len() {
            // Between blocks nothing says that there are more.
            let is_end = cut == first || source[..cut].ends_with(&MARKER);
            assert!(is_end || run(&LABELS, &source[..cut]).is_err(), "{cut}");
        }
        for _ in 0..1500 {
            let mut file = source.clone();
            for _ in 0..=random(&mut state) % 3 {
                let at = random(&mut state) % file.len();
                file[at] ^= 1 << (random(&mut state) % 8);
            }
            let _ = run(&LABELS, &file);
        }
    }
}
