use arrow_array::builder::{FixedSizeListBuilder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, Date32Array, Decimal128Array, DictionaryArray, DurationSecondArray,
    FixedSizeBinaryArray, Float16Array, Float64Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    IntervalYearMonthArray, LargeStringArray, NullArray, StringArray, StringViewArray, StructArray,
    Time32MillisecondArray, Time64NanosecondArray, TimestampMillisecondArray, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema as Columns};
use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

/// Columns that may not be null, by name.
fn batch(columns: Vec<(&str, ArrayRef, bool)>) -> RecordBatch {
    let fields = columns.iter().map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable));
    let schema = Columns::new(fields.collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array, _)| array).collect()).unwrap()
}

/// Columns of texts in every form, and lists of them.
pub fn various(texts: &[Option<String>], numbers: &[Option<i64>]) -> RecordBatch {
    let (mut list, mut pairs) =
        (ListBuilder::new(StringBuilder::new()), FixedSizeListBuilder::new(StringBuilder::new(), 2));
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for (row, text) in texts.iter().enumerate() {
        for text in &texts[..row % 4] {
            list.values().append_option(text.as_ref());
        }
        list.append(row % 5 > 0);
        pairs.values().append_option(text.as_ref());
        pairs.values().append_value("x");
        pairs.append(true);
        if let Some(text) = text {
            map.keys().append_value(format!("key {row}"));
            map.values().append_value(text);
        }
        map.append(row % 3 > 0).unwrap();
    }
    let inner = StringArray::from(texts.to_vec());
    let fields = vec![
        Arc::new(Field::new("inner", DataType::Utf8, true)),
        Arc::new(Field::new("number", DataType::Int64, true)),
    ];
    let structure = StructArray::new(
        fields.into(),
        vec![Arc::new(inner.clone()), Arc::new(Int64Array::from(numbers.to_vec()))],
        None,
    );
    let bytes: Vec<_> = texts.iter().map(|text| text.as_ref().map(String::as_bytes)).collect();
    batch(vec![
        ("text", Arc::new(inner), true),
        ("number", Arc::new(Int64Array::from(numbers.to_vec())), true),
        ("large", Arc::new(LargeStringArray::from(texts.to_vec())), true),
        ("view", Arc::new(StringViewArray::from_iter(texts)), true),
        ("bytes", Arc::new(BinaryArray::from(bytes.clone())), true),
        ("bytes_view", Arc::new(BinaryViewArray::from_iter(bytes)), true),
        ("list", Arc::new(list.finish()), true),
        ("pairs", Arc::new(pairs.finish()), true),
        ("map", Arc::new(map.finish()), true),
        ("structure", Arc::new(structure), true),
        ("nothing", Arc::new(NullArray::new(texts.len())), true),
        ("ratio", Arc::new(Float64Array::from(vec![0.5; texts.len()])), false),
    ])
}

fn replaced(texts: &[Option<String>]) -> Vec<Option<String>> {
    texts.iter().map(|text| text.as_ref().map(|text| text.replace("EMP-004711", "<BADGE>"))).collect()
}

fn owned(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn what_is_found_is_replaced_in_every_way() {
    let clean = owned(&["a note", "longer than a view holds in itself", "x"]);
    let other = owned(&["EMP-004711", "by EMP-004711, longer than a view holds", "x"]);
    let numbers = [Some(1), None, Some(3)];
    let batches = [various(&clean, &numbers), various(&other, &numbers), various(&clean, &numbers)];
    let expected = [various(&clean, &numbers), various(&replaced(&other), &numbers), various(&clean, &numbers)];
    for way in ways() {
        let source = write(&batches, way);
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert_eq!(read(&out, way), expected, "{way:?}");
        assert_eq!(summary.format, Some(crate::format::Format::Arrow { file: way.file }));
        assert!(summary.findings["BADGE"] > 15 && summary.unfit == 0, "{summary:?}");
        assert!(way.codec.is_some() || memchr::memmem::find(&out, b"EMP-").is_none());
        // What is clean stays as it is, to the last byte.
        let (again, summary) = run(&LABELS, &out).unwrap();
        assert!(again == out && summary.findings.is_empty(), "{way:?} {summary:?}");
        let source = write(&batches[..1], way);
        assert!(run(&LABELS, &source).unwrap().0 == source, "{way:?}");
        let observer = Job { actor: None, ..LABELS.clone() };
        let (out, summary) = run(&observer, &write(&batches, way)).unwrap();
        assert!(out.is_empty() && summary.findings["BADGE"] > 15);
    }
}

#[test]
fn every_type_has_a_printed_form() {
    use arrow_array::types::{ArrowPrimitiveType, Float16Type, IntervalMonthDayNano};
    type Half = <Float16Type as ArrowPrimitiveType>::Native;
    let extension = |name: &str| HashMap::from([("ARROW:extension:name".to_owned(), name.to_owned())]);
    let columns = |first: bool| -> Vec<ArrayRef> {
        let of = |value: i64| if first { Some(value) } else { None };
        let of32 = |value: i32| if first { Some(value) } else { None };
        let uuid = FixedSizeBinaryArray::try_from_sparse_iter_with_size([first.then_some([0x1B; 16])].into_iter(), 16);
        vec![
            Arc::new(Time32MillisecondArray::from(vec![of32(45_296_789)])),
            Arc::new(Time64NanosecondArray::from(vec![of(45_296_789_000_000)])),
            Arc::new(DurationSecondArray::from(vec![of(45_296)])),
            Arc::new(IntervalYearMonthArray::from(vec![of32(45)])),
            Arc::new(IntervalMonthDayNanoArray::from(vec![first.then_some(IntervalMonthDayNano::new(1, 23, 4))])),
            Arc::new(Float16Array::from_iter([first.then_some(Half::from_bits(0x521B))])),
            Arc::new(uuid.unwrap()),
            Arc::new(StringArray::from(vec![Some(if first {
                "{\"a\": \"EMP-004711\"}"
            } else {
                "{\"a\": \"<BADGE>\"}"
            })])),
        ]
    };
    let table = |first: bool, clean: bool| {
        let named = |array: &ArrayRef, index: usize| {
            let name = if clean { "at".to_owned() } else { "dob".to_owned() };
            let field = Field::new(name, array.data_type().clone(), true);
            match index {
                6 => field.with_metadata(extension("arrow.uuid")),
                7 => field.with_metadata(extension("arrow.json")),
                _ => field,
            }
        };
        let columns = columns(first);
        let fields: Vec<_> = columns.iter().enumerate().map(|(index, array)| named(array, index)).collect();
        RecordBatch::try_new(Arc::new(Columns::new(fields)), columns).unwrap()
    };
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(&[table(true, false)], way)).unwrap();
        assert_eq!(read(&out, way), [table(false, false)], "{way:?} {summary:?}");
        assert_eq!((summary.findings["DATE_OF_BIRTH"], summary.findings["BADGE"]), (7, 1));
        let (out, summary) = run(&LABELS, &write(&[table(true, true)], way)).unwrap();
        assert_eq!(read(&out, way)[0].columns()[..7], table(true, true).columns()[..7], "{way:?} {summary:?}");
    }
}

#[test]
fn columns_side_by_side_are_positions() {
    let table = |lat: Option<f64>, lng: Option<f64>| {
        let array = |value: Option<f64>| Arc::new(Float64Array::from(vec![value, Some(7.0)])) as ArrayRef;
        let halves = |prefix: &str| {
            let field = |name: &str| Arc::new(Field::new(format!("{prefix}{name}"), DataType::Float64, true));
            vec![field("lat"), field("lng")]
        };
        let place = StructArray::new(halves("home_").into(), vec![array(lat), array(lng)], None);
        batch(vec![
            ("pickupLat", array(lat), true),
            ("pickupLng", array(lng), true),
            ("other_lat", array(Some(48.8584)), true),
            ("place", Arc::new(place), true),
        ])
    };
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(&[table(Some(48.8584), Some(2.5))], way)).unwrap();
        assert_eq!(read(&out, way), [table(None, None)], "{way:?} {summary:?}");
        assert_eq!(summary.findings["GPS_COORDINATES"], 4);
    }
}

#[test]
fn what_does_not_fit_becomes_null_or_nothing() {
    let number = 219_099_999;
    let columns = |first: bool| -> Vec<(&str, ArrayRef, bool)> {
        let of = |value: i64, other: Option<i64>| if first { Some(value) } else { other };
        let birthday = 7013;
        vec![
            ("ssn", Arc::new(Int64Array::from(vec![of(number, None), Some(1)])), true),
            (
                "US_SSN",
                Arc::new(UInt32Array::from(vec![
                    of(number, Some(0)).map(|number| u32::try_from(number).unwrap()),
                    Some(1),
                ])),
                false,
            ),
            (
                "dob",
                Arc::new(Date32Array::from(vec![
                    of(birthday, Some(0)).map(|day| i32::try_from(day).unwrap()),
                    Some(0),
                ])),
                false,
            ),
            (
                "birth_date",
                Arc::new(TimestampMillisecondArray::from(vec![of(birthday * 86_400_000, None), None])),
                true,
            ),
            (
                "social_security_number",
                Arc::new(Float64Array::from(vec![first.then_some(219_099_999.0), Some(0.5)])),
                true,
            ),
            (
                "phone_number",
                Arc::new(
                    Decimal128Array::from(vec![of(2_125_551_234, Some(0)).map(i128::from), Some(0)])
                        .with_precision_and_scale(12, 0)
                        .unwrap(),
                ),
                false,
            ),
            (
                "raw",
                Arc::new(
                    FixedSizeBinaryArray::try_from_iter(
                        [if first { b"EMP-004711" } else { b"\0\0\0\0\0\0\0\0\0\0" }, b"0123456789"].into_iter(),
                    )
                    .unwrap(),
                ),
                false,
            ),
        ]
    };
    let source = batch(columns(true));
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(std::slice::from_ref(&source), way)).unwrap();
        assert_eq!(read(&out, way), [batch(columns(false))], "{summary:?}");
    }
    let (out, _) = run(&job(Strategy::Mask), &write(&[source], ways().next().unwrap())).unwrap();
    let out = read(&out, ways().next().unwrap());
    assert_eq!(out[0].column(6).as_any().downcast_ref::<FixedSizeBinaryArray>().unwrap().value(0), b"***-**4711");
}

#[test]
fn dictionaries_and_keys_stay_unique() {
    let mut entries = StringDictionaryBuilder::<Int32Type>::new();
    for text in ["EMP-004711", "red", "EMP-004712", "EMP-004711"] {
        entries.append(text).unwrap();
    }
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for keys in [&["EMP-004711", "EMP-004712"][..], &["EMP-004713"], &[], &["k"]] {
        for key in keys {
            map.keys().append_value(key);
            map.values().append_value("v");
        }
        map.append(true).unwrap();
    }
    let source = batch(vec![("who", Arc::new(entries.finish()), true), ("map", Arc::new(map.finish()), false)]);
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(std::slice::from_ref(&source), way)).unwrap();
        let out = read(&out, way);
        let who = out[0].column(0).as_any().downcast_ref::<DictionaryArray<Int32Type>>().unwrap();
        let who: Vec<_> = who.downcast_dict::<StringArray>().unwrap().into_iter().flatten().collect();
        assert_eq!(who, ["<BADGE>", "red", "<BADGE>_2", "<BADGE>"]);
        let map = out[0].column(1).as_any().downcast_ref::<arrow_array::MapArray>().unwrap();
        let keys = map.keys().as_any().downcast_ref::<StringArray>().unwrap();
        assert_eq!(keys.iter().flatten().collect::<Vec<_>>(), ["<BADGE>", "<BADGE>_2", "<BADGE>", "k"]);
        assert_eq!(summary.findings["BADGE"], 5);
    }
}

#[test]
fn what_is_said_about_the_table_is_scrubbed() {
    let said = |value: &str| HashMap::from([("owner".to_owned(), value.to_owned())]);
    let table = |value: &str| {
        let field = Field::new("a", DataType::Int32, false).with_metadata(said(value));
        let schema =
            Columns::new_with_metadata(vec![field, Field::new("EMP-004713", DataType::Int32, true)], said(value));
        let column = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
        RecordBatch::try_new(Arc::new(schema), vec![column(), column()]).unwrap()
    };
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(&[table("of EMP-004711"), table("of EMP-004711")], way)).unwrap();
        assert_eq!(read(&out, way), [table("of <BADGE>"), table("of <BADGE>")]);
        assert_eq!((summary.findings["BADGE"], summary.unfit), (3, 1));
        assert!(memchr::memmem::find(&out, b"EMP-004711").is_none());
    }
}

/// Keys are texts like others; a zone stays, as a name does.
#[test]
fn keys_and_zones_are_looked_into() {
    let table = |key: &str, zone: &str| {
        let times = TimestampMillisecondArray::from(vec![1]).with_timezone(zone);
        let field = Field::new("a", times.data_type().clone(), false)
            .with_metadata(HashMap::from([(key.to_owned(), "x".to_owned())]));
        RecordBatch::try_new(Arc::new(Columns::new(vec![field])), vec![Arc::new(times)]).unwrap()
    };
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(&[table("EMP-004711", "EMP-004712")], way)).unwrap();
        assert_eq!(read(&out, way), [table("<BADGE>", "EMP-004712")]);
        assert_eq!((summary.findings["BADGE"], summary.unfit), (2, 1));
    }
}

/// Under null, before and behind the texts of a column, between buffers, and in texts that no view leads to.
#[test]
fn what_no_value_is_in_goes() {
    let text = "EMP-004711 is longer than a view holds";
    let all = StringViewArray::from_iter_values([text, "another one that is as long"]);
    let views = all.slice(1, 1);
    let strings = StringArray::from(vec![text, "x", text]).slice(1, 1);
    let hidden = Int64Array::new(vec![219_099_999].into(), Some(vec![false].into()));
    let source = batch(vec![
        ("view", Arc::new(views), true),
        ("text", Arc::new(strings), true),
        ("ssn", Arc::new(hidden), true),
    ]);
    for way in ways() {
        let before = write(std::slice::from_ref(&source), way);
        let (out, _) = run(&LABELS, &before).unwrap();
        assert_eq!(read(&out, way), std::slice::from_ref(&source));
        if way.codec.is_none() {
            assert!(memchr::memmem::find(&before, b"EMP-").is_some());
            assert!(memchr::memmem::find(&out, b"EMP-").is_none());
            assert!(memchr::memmem::find(&out, &219_099_999_i64.to_le_bytes()).is_none());
        }
        let rest = read(&out, way)[0].column(0).to_data();
        assert!(rest.buffers()[1..].iter().all(|buffer| memchr::memmem::find(buffer, b"EMP-").is_none()));
    }
}

/// A column that was all in views gets a buffer.
#[test]
fn views_that_grow_get_a_buffer() {
    let texts = |text: &str| {
        batch(vec![
            ("a", Arc::new(StringViewArray::from_iter_values(["x", text, text])), true),
            ("b", Arc::new(Int32Array::from(vec![1, 2, 3])), true),
        ])
    };
    let badge = "1 EMP-004711";
    let engine = job(Strategy::Label);
    for way in ways() {
        let (out, _) = run(&engine, &write(&[texts(badge)], way)).unwrap();
        assert_eq!(read(&out, way), [texts("1 <BADGE>")]);
        let (out, _) = run(&engine, &write(&[texts("219-09-9999")], way)).unwrap();
        assert_eq!(read(&out, way).len(), 1);
    }
    let named = |text: &str| {
        batch(vec![
            ("date_of_birth", Arc::new(StringViewArray::from_iter_values(["x", text])), true),
            ("b", Arc::new(Int32Array::from(vec![1, 2])), true),
        ])
    };
    for way in ways() {
        let (out, summary) = run(&engine, &write(&[named("1989-03-15")], way)).unwrap();
        assert_eq!(read(&out, way), [named("<DATE_OF_BIRTH>")], "{summary:?}");
    }
}

fn words() -> impl proptest::strategy::Strategy<Value = String> {
    prop_oneof![6 => "[a-z ]{0,20}", 2 => Just("EMP-004711".to_owned()), 1 => Just("a longer text with EMP-004711".to_owned()), 1 => "[\"\\\\\n\u{e9}\u{1f600}\u{0}]{1,5}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// What is found is replaced, and all else stays: to the last byte where nothing is found.
    #[test]
    fn nested_data_stays(rows in proptest::collection::vec((proptest::option::of(words()), proptest::option::of(any::<i64>())), 0..2500), cut in any::<proptest::sample::Index>(), way in 0_usize..12, clean in any::<bool>()) {
        let way = ways().nth(way).unwrap();
        let (texts, numbers): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let texts: Vec<_> = texts.into_iter().map(|text| text.map(|text| if clean { text.replace("EMP-", "EMP ") } else { text })).collect();
        let cut = cut.index(texts.len() + 1);
        let tables = |texts: &[Option<String>]| [various(&texts[..cut], &numbers[..cut]), various(&texts[cut..], &numbers[cut..])];
        let source = write(&tables(&texts), way);
        let (out, summary) = run(&LABELS, &source).unwrap();
        if clean {
            prop_assert!(summary.findings.is_empty(), "{:?}", summary);
            prop_assert!(out == source);
        }
        prop_assert_eq!(read(&out, way), tables(&replaced(&texts)));
    }
}

/// Under the name of the second one only it is what it is.
#[test]
fn a_dictionary_of_two_columns_is_looked_into_by_both_names() {
    let of = || {
        Arc::new(DictionaryArray::new(Int32Array::from(vec![0, 1]), Arc::new(Int64Array::from(vec![219_099_999, 7]))))
    };
    let table = batch(vec![("a", of(), true), ("ssn", of(), true)]);
    let source = write(&[table], As { file: false, codec: None, round: 8 });
    let (mut rest, mut shared) = (&source[..], Vec::new());
    while let Ok(Next::Message(mut message)) = Message::read(&mut rest, &Work::new(&LABELS)) {
        let (flat, header) = (&mut message.flat, message.header);
        // Both say the first, of which there is one batch more.
        let id = match message.kind {
            SCHEMA => {
                let second = flat.tables(header, 1).unwrap()[1];
                flat.slot(flat.follow(flat.slot(second, 4).unwrap()).unwrap(), 0)
            }
            DICTIONARY => flat.slot(header, 0),
            _ => None,
        };
        if let Some(at) = id {
            flat.set_long(at, 0).unwrap();
        }
        let (body, others) = rest.split_at(usize::try_from(message.body).unwrap());
        rest = others;
        shared.extend_from_slice(&super::message::CONTINUES);
        shared.extend_from_slice(&u32::try_from(message.flat.bytes.len()).unwrap().to_le_bytes());
        shared.extend_from_slice(&message.flat.bytes);
        shared.extend_from_slice(body);
    }
    let (out, summary) = run(&LABELS, &shared).unwrap();
    assert_eq!(summary.findings["US_SSN"], 2, "{summary:?}");
    assert!(memchr::memmem::find(&out, &219_099_999_i64.to_le_bytes()).is_none());
}

#[test]
fn binary_values_are_looked_into() {
    let (value, other) = (&b"\x0A\x0AEMP-0047112\x01\0\x03"[..], &b"\x89\0\x01\xFE\x07EMP-\xFF"[..]);
    let columns = |first: Option<&'static [u8]>, rest: &'static [u8]| -> RecordBatch {
        batch(vec![
            ("a", Arc::new(BinaryArray::from(vec![first, Some(other)])), true),
            ("b", Arc::new(BinaryViewArray::from(vec![first, Some(other)])), true),
            ("c", Arc::new(BinaryArray::from(vec![rest, other])), false),
            ("d", Arc::new(BinaryViewArray::from(vec![rest, other])), false),
        ])
    };
    for way in ways() {
        let (out, summary) = run(&LABELS, &write(&[columns(Some(value), value)], way)).unwrap();
        assert_eq!(read(&out, way), [columns(None, &[0; 16])], "{way:?} {summary:?}");
        assert_eq!((summary.findings["BADGE"], summary.passed), (4, [("binary values", 8)].into()));
    }
}
