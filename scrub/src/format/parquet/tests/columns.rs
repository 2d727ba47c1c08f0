use super::*;

#[test]
fn a_column_is_written_anew_as_it_was() {
    let schema = "message m { optional binary note (STRING); required int64 id; }";
    let count = 5000_usize;
    let notes: Vec<_> = (0..count)
        .filter(|row| row % 3 != 0)
        .map(|row| {
            ByteArray::from(&*if row % 700 == 1 { format!("by EMP-00{row:04}.") } else { format!("note {row}") })
        })
        .collect();
    let levels: Vec<_> = (0..count).map(|row| i16::from(row % 3 != 0)).collect();
    let ids: Vec<_> = (0..5000).collect();
    for codec in codecs() {
        for (version, dictionary) in [
            (WriterVersion::PARQUET_1_0, true),
            (WriterVersion::PARQUET_1_0, false),
            (WriterVersion::PARQUET_2_0, true),
            (WriterVersion::PARQUET_2_0, false),
        ] {
            let properties = WriterProperties::builder()
                .set_compression(codec)
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                .set_bloom_filter_enabled(true)
                .set_created_by("another writer version 7".to_owned());
            let source = file(schema, properties, |group| {
                column::<ByteArrayType>(group, &notes, &levels, &[]);
                column::<Int64Type>(group, &ids, &[], &[]);
            });
            let (out, summary) = run(&LABELS, &source).unwrap();
            let (before, after) = (rows(&source), rows(&out));
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                match before.find("EMP-") {
                    Some(at) => assert_eq!(*after, before.replace(&before[at..at + 10], "<BADGE>")),
                    None => assert_eq!(after, before),
                }
            }
            assert_eq!(summary.findings["BADGE"], 6);
            let (source_meta, meta) = (reader(&source), reader(&out));
            let (source_meta, meta) = (source_meta.metadata(), meta.metadata());
            assert_eq!(source_meta.file_metadata().schema(), meta.file_metadata().schema());
            assert_eq!(meta.file_metadata().created_by(), Some("another writer version 7"));
            assert_eq!(meta.row_group(0).column(0).compression_codec(), codec.into());
            assert_eq!(stored(&source, 1), stored(&out, 1));
            let kinds = |file: &[u8]| -> Vec<_> {
                pages(file, 0).iter().map(|page| (page.page_type(), page.encoding())).collect()
            };
            assert_eq!(kinds(&source), kinds(&out));
            for column in 0..2 {
                let (source, out) = (source_meta.row_group(0).column(column), meta.row_group(0).column(column));
                assert_eq!(source.bloom_filter_length().is_some(), out.bloom_filter_length().is_some());
                assert_eq!(source.statistics().is_some(), out.statistics().is_some());
            }
            // The Bloom filter and the statistics know nothing of what is gone.
            let filter = parquet::bloom_filter::Sbbf::read_from_column_chunk(
                meta.row_group(0).column(0),
                &Bytes::copy_from_slice(&out),
            );
            let filter = filter.unwrap().unwrap();
            assert!(filter.check(&ByteArray::from("note 1001")) && !filter.check(&ByteArray::from("by EMP-000001.")));
            assert!(memchr::memmem::find(&out, b"EMP-").is_none());
        }
    }
}

#[test]
fn what_does_not_fit_becomes_null_or_nothing() {
    let schema = "message m {
        optional int64 ssn; required int64 US_SSN;
        required int32 dob (DATE); optional int64 birth_date (TIMESTAMP(MILLIS, true)); optional int96 date_of_birth;
        optional double social_security_number; required fixed_len_byte_array(5) phone_number (DECIMAL(10, 0));
        required group address { repeated int64 ssn; }
    }";
    let write = |group: &mut Group<'_>| {
        column::<Int64Type>(group, &[219_099_999, 1], &[1, 1], &[]);
        column::<Int64Type>(group, &[219_099_999, 1], &[], &[]);
        column::<Int32Type>(group, &[7013, 7014], &[], &[]);
        column::<Int64Type>(group, &[7013 * 86_400_000], &[0, 1], &[]);
        column::<Int96Type>(group, &[Int96::from(vec![0, 0, 2_447_601])], &[1, 0], &[]);
        column::<DoubleType>(group, &[219_099_999.0], &[1, 0], &[]);
        let phone = 2_125_551_234_i64.to_be_bytes()[3..].to_vec();
        column::<FixedLenByteArrayType>(group, &[phone.clone().into(), vec![0; 5].into()], &[], &[]);
        column::<Int64Type>(group, &[219_099_999, 1], &[1, 1], &[0, 0]);
    };
    let source = file(schema, WriterProperties::builder(), write);
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(reader(&source).metadata().file_metadata().schema(), reader(&out).metadata().file_metadata().schema());
    let out = rows(&out);
    assert_eq!(
        out[0],
        "{ssn: null, US_SSN: 0, dob: 1970-01-01, birth_date: null, date_of_birth: null, \
         social_security_number: null, phone_number: 0., address: {ssn: [0]}}",
        "{summary:?}"
    );
    assert!(out[1].starts_with("{ssn: 1, US_SSN: 1, "), "{}", out[1]);
}

#[test]
fn every_type_has_a_printed_form() {
    let schema = "message m {
        optional group a { optional int32 dob (TIME(MILLIS, true)); } optional group b { required int64 dob (TIME(MICROS, true)); }
        optional group c { required int64 dob (TIME(NANOS, true)); } optional group d { optional int64 dob (TIME_MICROS); }
        optional group e { required fixed_len_byte_array(2) dob (FLOAT16); } optional group f { optional fixed_len_byte_array(16) dob (UUID); }
        optional group g { required fixed_len_byte_array(12) dob (INTERVAL); } optional fixed_len_byte_array(12) raw;
        optional group x { optional int32 at (TIME(MILLIS, true)); } optional group y { optional fixed_len_byte_array(16) id (UUID); }
    }";
    let interval = [14_u32, 3, 4005].map(u32::to_le_bytes).concat();
    let fixed = |group: &mut Group<'_>, value: &[u8], levels: &'static [i16]| {
        column::<FixedLenByteArrayType>(group, &[value.to_vec().into()], levels, &[]);
    };
    let source = file(schema, WriterProperties::builder(), |group| {
        column::<Int32Type>(group, &[45_296_789], &[2], &[]);
        column::<Int64Type>(group, &[45_296_789_000], &[1], &[]);
        column::<Int64Type>(group, &[45_296_789_000_000], &[1], &[]);
        // No time of day.
        column::<Int64Type>(group, &[219_099_999_000_000], &[2], &[]);
        fixed(group, &0x521B_u16.to_le_bytes(), &[1]);
        fixed(group, &[0x1B; 16], &[2]);
        fixed(group, &interval, &[1]);
        fixed(group, b"EMP-004711\0\0", &[1]);
        column::<Int32Type>(group, &[45_296_789], &[2], &[]);
        fixed(group, &[0x1B; 16], &[2]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(reader(&source).metadata().file_metadata().schema(), reader(&out).metadata().file_metadata().schema());
    assert_eq!((summary.findings["DATE_OF_BIRTH"], summary.findings["BADGE"]), (7, 1), "{summary:?}");
    // The reader of rows has no intervals.
    let others = schema.replace("optional group g { required fixed_len_byte_array(12) dob (INTERVAL); }", "");
    let cells = |file: &[u8]| {
        let rows = reader(file);
        let mut rows = rows.get_row_iter(Some(parse_message_type(&others).unwrap())).unwrap();
        let row = rows.next().unwrap().unwrap();
        row.get_column_iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>()
    };
    let (before, after) = (cells(&source), cells(&out));
    for (index, edited) in [(0, "{dob: null}"), (3, "{dob: null}"), (5, "{dob: null}")] {
        assert_eq!(after[index], edited);
    }
    for index in [1, 2, 4, 6] {
        assert_ne!(after[index], before[index], "{}", after[index]);
    }
    assert!(pages(&out, 6).iter().any(|page| page.buffer().ends_with(&[0; 12])));
    for column in [8, 9] {
        assert_eq!(stored(&source, column), stored(&out, column));
    }
    let raw = pages(&out, 7).iter().map(|page| page.buffer().to_vec()).collect::<Vec<_>>().concat();
    assert!(memchr::memmem::find(&raw, b"<BADGE>\0\0\0\0\0").is_some());
    let (again, summary) = run(&LABELS, &out).unwrap();
    // What stands in the place of a value that may not be null is a time, a number and an interval too.
    assert!(again == out || summary.findings.keys().eq(["DATE_OF_BIRTH"]), "{summary:?}");
}

#[test]
fn columns_side_by_side_are_positions() {
    let schema = "message m {
        optional double pickup_lat; optional double pickup_lng; required float end_lat; required binary end_lon (STRING);
        optional double y; optional double x;
        optional group track (LIST) { repeated group list { required group element { required double lat; required double lon; } } }
        optional group odd { optional double start_lat; } optional double start_lon;
    }";
    let source = file(schema, WriterProperties::builder(), |group| {
        column::<DoubleType>(group, &[48.8584, 7.0, 90.5, -2.5], &[1, 1, 1, 1], &[]);
        column::<DoubleType>(group, &[2.2945, 7.0, -179.25], &[1, 1, 1, 0], &[]);
        column::<FloatType>(group, &[-33.8568, 1.0, 2.0, 3.0], &[], &[]);
        column::<ByteArrayType>(group, &texts(&["151.2153", "no", "-0.5", ""]), &[], &[]);
        column::<DoubleType>(group, &[48.8584; 4], &[1; 4], &[]);
        column::<DoubleType>(group, &[2.2945; 4], &[1; 4], &[]);
        column::<DoubleType>(group, &[48.8584, 48.5], &[2, 2, 1, 1, 0], &[0, 1, 0, 0, 0]);
        column::<DoubleType>(group, &[2.2945, 2.5], &[2, 2, 1, 1, 0], &[0, 1, 0, 0, 0]);
        column::<DoubleType>(group, &[48.8584; 4], &[2; 4], &[]);
        column::<DoubleType>(group, &[2.2945; 4], &[1; 4], &[]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(summary.findings["GPS_COORDINATES"], 11, "{summary:?}");
    let rows = rows(&out);
    for (row, expected) in rows.iter().zip([
        "pickup_lat: null, pickup_lng: null, end_lat: 0E0, end_lon: \"<GPS_COORDINATES>\", y: 48.8584, x: 2.2945, \
         track: [{lat: 0E0, lon: 0E0}, {lat: 0E0, lon: 0E0}], odd: {start_lat: 48.8584}, start_lon: 2.2945}",
        "pickup_lat: 7.0, pickup_lng: 7.0, end_lat: 1.0, end_lon: \"no\",",
        "pickup_lat: 90.5, pickup_lng: null, end_lat: 2.0, end_lon: \"<GPS_COORDINATES>\",",
        "pickup_lat: null, pickup_lng: null, end_lat: 3.0, end_lon: \"\",",
    ]) {
        assert!(row.contains(expected), "{row}");
    }
    // What is made coarser is not touched again.
    let (out, summary) = run(&job(Strategy::Generalize), &source).unwrap();
    assert_eq!(summary.findings["GPS_COORDINATES"], 7, "{summary:?}");
    let (again, summary) = run(&job(Strategy::Generalize), &out).unwrap();
    assert!(again == out && summary.findings.is_empty(), "{summary:?}");
}

#[test]
fn texts_in_bson_are_replaced() {
    use parquet::record::RowAccessor as _;

    let document = |text: &str| {
        let value = [&(text.len() as u32 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat();
        let body = [&b"\x02a\0"[..], &value, b"\x10dob\0\x07\0\0\0\0"].concat();
        ByteArray::from([&(body.len() as u32 + 4).to_le_bytes()[..], &body].concat())
    };
    let schema = "message m { optional binary a (BSON); required binary b (BSON); }";
    // A document that is cut cannot be edited.
    let cut = ByteArray::from(document("EMP-004711").as_ref()[..24].to_vec());
    let source = file(schema, WriterProperties::builder(), |group| {
        column::<ByteArrayType>(group, &[document("x"), document("by EMP-004711"), cut.clone()], &[1, 1, 1], &[]);
        column::<ByteArrayType>(group, &[document("x"), document("by EMP-004711"), cut], &[], &[]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!(summary.findings["BADGE"], 4, "{summary:?}");
    let rows: Vec<_> = reader(&out).get_row_iter(None).unwrap().map(Result::unwrap).collect();
    for (row, expected) in rows[..2].iter().zip([document("x"), document("by <BADGE>")]) {
        assert_eq!((row.get_bytes(0).unwrap(), row.get_bytes(1).unwrap()), (&expected, &expected));
    }
    assert_eq!(rows[2].get_bytes(1).unwrap().data(), table::bson::EMPTY);
    assert!(rows[2].get_bytes(0).is_err());
    assert!(run(&LABELS, &out).unwrap().0 == out);
}

/// As bytes in columns of their own are.
#[test]
fn binary_values_in_bson_are_counted() {
    let document = |elements: &[&[u8]]| {
        let body = [&elements.concat()[..], &[0]].concat();
        [&(body.len() as u32 + 4).to_le_bytes()[..], &body].concat()
    };
    let binary = |name: &str, subtype: u8, bytes: &[u8]| {
        let len = (bytes.len() as u32).to_le_bytes();
        [&[5], name.as_bytes(), &[0], &len, &[subtype], bytes].concat()
    };
    let inner = document(&[&binary("c", 0x80, b"EMP-004711\xFF\0\x01"), &binary("d", 0, b"a text")]);
    let nested = [&b"\x03b\0"[..], &inner].concat();
    // Of the old subtype, a UUID, and one of nothing.
    let old = binary("a", 2, b"\x03\0\0\0\xFF\0\x01");
    let value = document(&[&old, &nested, &binary("e", 4, &[0xAB; 16]), &binary("f", 0, b"")]);
    let source = file("message m { required binary a (BSON); }", WriterProperties::builder(), |group| {
        column::<ByteArrayType>(group, &[ByteArray::from(value.clone()), ByteArray::from(value)], &[], &[]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert!(out == source);
    assert_eq!(summary.passed, [("binary values", 4)].into());
}

#[test]
fn a_strategy_that_fits_keeps_the_type() {
    let schema = "message m { required int32 dob (DATE); required binary note (STRING); }";
    let source = file(schema, WriterProperties::builder(), |group| {
        column::<Int32Type>(group, &[7013], &[], &[]);
        column::<ByteArrayType>(group, &texts(&["by EMP-004711"]), &[], &[]);
    });
    let (out, _) = run(&job(Strategy::Mask), &source).unwrap();
    assert_eq!(rows(&out), ["{dob: 1970-01-01, note: \"by ***-**4711\"}"]);
    let (out, _) = run(&job(Strategy::Drop), &source).unwrap();
    assert_eq!(rows(&out), ["{dob: 1970-01-01, note: \"by \"}"]);
    assert!(matches!(run(&job(Strategy::Block), &source), Err(FormatError::Blocked(_))));
    let observer = Job { actor: None, ..LABELS.clone() };
    let (out, summary) = run(&observer, &source).unwrap();
    assert_eq!((out.len(), summary.findings["BADGE"]), (0, 1));
}

#[test]
fn nested_columns_keep_their_levels() {
    let schema = "message m {
        optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
        optional group old (LIST) { repeated binary array (STRING); }
        optional group map (MAP) { repeated group key_value { required binary key (STRING); optional binary value (STRING); } }
        optional group patient { optional binary ssn (STRING); required binary note (STRING); }
    }";
    let source = file(schema, WriterProperties::builder(), |group| {
        // [[a, EMP, null], null, [], [EMP]]
        let tags = texts(&["a", "EMP-004711", "EMP-004712"]);
        column::<ByteArrayType>(group, &tags, &[3, 3, 2, 0, 1, 3], &[0, 1, 1, 0, 0, 0]);
        column::<ByteArrayType>(group, &texts(&["x EMP-004711", "y"]), &[2, 2, 0, 1, 1], &[0, 1, 0, 0, 0]);
        column::<ByteArrayType>(group, &texts(&["k", "EMP-004711"]), &[2, 2, 0, 1, 1], &[0, 1, 0, 0, 0]);
        column::<ByteArrayType>(group, &texts(&["EMP-004711"]), &[2, 3, 0, 1, 1], &[0, 1, 0, 0, 0]);
        column::<ByteArrayType>(group, &texts(&["219-09-9999"]), &[2, 0, 1, 0], &[]);
        column::<ByteArrayType>(group, &texts(&["n", "EMP-004711"]), &[1, 0, 1, 0], &[]);
    });
    let (out, _) = run(&LABELS, &source).unwrap();
    let mut expected = rows(&source);
    for row in &mut expected {
        *row = row.replace("EMP-004711", "<BADGE>").replace("EMP-004712", "<BADGE>").replace("219-09-9999", "<US_SSN>");
    }
    assert_eq!(rows(&out), expected);
}

#[test]
fn json_stays_json() {
    let schema = "message m { required binary a (JSON); required binary b (STRING); }";
    let source = file(schema, WriterProperties::builder(), |group| {
        let document = "{\"ssn\": 219099999,\n \"s\": \"{\\\"n\\\": \\\"EMP-004711\\\"}\", \"EMP-004711\": [null]}";
        column::<ByteArrayType>(group, &texts(&[document, "\"EMP-004711\"", "1"]), &[], &[]);
        column::<ByteArrayType>(
            group,
            &texts(&["[\"EMP-004711\"]", "{broken EMP-004711}", "two\nlines \"EMP-004711\""]),
            &[],
            &[],
        );
    });
    let (out, _) = run(&LABELS, &source).unwrap();
    let values = |column: usize| -> Vec<String> {
        let reader = reader(&out);
        let rows =
            reader.get_row_iter(None).unwrap().map(|row| match row.unwrap().get_column_iter().nth(column).unwrap().1 {
                parquet::record::Field::Str(text) => text.clone(),
                parquet::record::Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).unwrap(),
                other => panic!("{other}"),
            });
        rows.collect()
    };
    let document: serde_json::Value = serde_json::from_str(&values(0)[0]).unwrap();
    assert_eq!(document["ssn"], serde_json::Value::Null);
    let inner: serde_json::Value = serde_json::from_str(document["s"].as_str().unwrap()).unwrap();
    assert_eq!((&inner["n"], &document["<BADGE>"][0]), (&"<BADGE>".into(), &serde_json::Value::Null));
    assert_eq!(values(0)[1..], ["\"<BADGE>\"", "1"]);
    assert_eq!(values(1), ["[\"<BADGE>\"]", "{broken <BADGE>}", "two\nlines \"<BADGE>\""]);
}

#[test]
fn neighbours_are_not_joined() {
    let schema = "message m { required binary A (STRING); }";
    let long = format!("{} EMP-004711 \u{e9}", "word ".repeat(8000));
    let source = file(schema, WriterProperties::builder(), |group| {
        let mut values = texts(&["left", "right", "left", &long]);
        values.push(ByteArray::from(&b"caf\xE9 EMP-004711"[..]));
        column::<ByteArrayType>(group, &values, &[], &[]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    let reader = reader(&out);
    let group = reader.get_row_group(0).unwrap();
    let reader = parquet::column::reader::get_column_reader(
        group.metadata().column(0).column_descr_ptr(),
        group.get_column_page_reader(0).unwrap(),
    );
    let mut reader = parquet::column::reader::get_typed_column_reader::<ByteArrayType>(reader);
    let mut values = Vec::new();
    reader.read_records(10, None, None, &mut values).unwrap();
    let values: Vec<_> = values.iter().map(ByteArray::data).collect();
    assert_eq!(values[..3], [&b"<PAIR>"[..], b"<PAIR>", b"<PAIR>"]);
    assert_eq!(values[4], b"caf\xE9 <BADGE>");
    assert!(values[3] == long.replace("EMP-004711", "<BADGE>").as_bytes());
    assert_eq!(summary.findings["BADGE"], 2);
}

#[derive(Clone, Debug)]
struct Item {
    name: Option<String>,
    number: Option<i64>,
}

fn items() -> impl proptest::strategy::Strategy<Value = Option<Vec<Option<Item>>>> {
    let name = prop_oneof![
        6 => "[a-z ]{0,12}",
        1 => Just("EMP-004711".to_owned()),
        1 => "[\"\\\\\n\u{e9}\u{1f600}\u{0}]{1,5}",
    ];
    let item = (proptest::option::of(name), proptest::option::of(any::<i64>()))
        .prop_map(|(name, number)| Item { name, number });
    proptest::option::of(proptest::collection::vec(proptest::option::of(item), 0..5))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What is found is replaced, and all else stays: to the last byte where nothing is found.
    #[test]
    fn nested_data_stays(lists in proptest::collection::vec(items(), 0..200), second in any::<bool>(), dictionary in any::<bool>(), clean in any::<bool>()) {
        let schema = "message m { optional group l (LIST) { repeated group list { optional group element { optional binary a (STRING); optional int64 b; } } } }";
        let (mut names, mut numbers) = (Vec::new(), Vec::new());
        let (mut definitions, mut others, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        for list in &lists {
            let (level, list) = match list {
                None => (0, &[][..]),
                Some(list) => (1, &list[..]),
            };
            if list.is_empty() {
                definitions.push(level);
                others.push(level);
                repetitions.push(0);
            }
            for (index, item) in list.iter().enumerate() {
                repetitions.push(i16::from(index > 0));
                let Some(Item { name, number }) = item else {
                    definitions.push(2);
                    others.push(2);
                    continue;
                };
                let name = name.as_ref().map(|name| if clean { name.replace("EMP-", "EMP ") } else { name.clone() });
                definitions.push(3 + i16::from(name.is_some()));
                others.push(3 + i16::from(number.is_some()));
                names.extend(name.map(|name| ByteArray::from(&*name)));
                numbers.extend(*number);
            }
        }
        let version = if second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_dictionary_enabled(dictionary)
            .set_encoding(if second { Encoding::DELTA_BINARY_PACKED } else { Encoding::PLAIN })
            .set_column_encoding(parquet::schema::types::ColumnPath::new(["l", "list", "element", "a"].map(str::to_owned).into()), if second { Encoding::DELTA_BYTE_ARRAY } else { Encoding::PLAIN })
            .set_data_page_row_count_limit(50)
            .set_write_batch_size(20);
        let source = file(schema, properties, |group| {
            column::<ByteArrayType>(group, &names, &definitions, &repetitions);
            column::<Int64Type>(group, &numbers, &others, &repetitions);
        });
        let (out, summary) = run(&LABELS, &source).unwrap();
        if clean {
            prop_assert!(summary.findings.is_empty(), "{:?}", summary);
            prop_assert!(out == source);
        }
        let expected: Vec<_> = rows(&source).iter().map(|row| row.replace("EMP-004711", "<BADGE>")).collect();
        prop_assert_eq!(rows(&out), expected);
        prop_assert!(memchr::memmem::find(&out, b"EMP-004711").is_none());
    }
}

#[test]
fn binary_values_are_looked_into() {
    let schema = "message m { optional binary a; required binary b; optional fixed_len_byte_array(16) c; optional int32 dob (DATE); optional int32 ssn (DATE); }";
    let (value, other) =
        (b"\x0A\x0AEMP-0047112\x01\0\x03".to_vec(), b"\x89\0\x01\xFE\x07EMP-\xFF\0\0\x08\x01\x02\x03".to_vec());
    assert_eq!((value.len(), other.len()), (16, 16));
    let rows = || [value.clone(), other.clone()];
    let write = |group: &mut Group<'_>| {
        column::<ByteArrayType>(group, &rows().map(ByteArray::from), &[1, 1], &[]);
        column::<ByteArrayType>(group, &rows().map(ByteArray::from), &[], &[]);
        column::<FixedLenByteArrayType>(group, &rows().map(Into::into), &[1, 1], &[]);
        column::<Int32Type>(group, &[219_099_999, 1], &[1, 1], &[]);
        column::<Int32Type>(group, &[219_099_999, 1], &[1, 1], &[]);
    };
    let (out, summary) = run(&LABELS, &file(schema, WriterProperties::builder(), write)).unwrap();
    let out = super::rows(&out);
    assert!(
        out[0].starts_with("{a: null, b: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], c: null, "),
        "{}",
        out[0]
    );
    assert!(out[0].ends_with(", ssn: null}"), "{}", out[0]);
    assert!(out[1].starts_with("{a: [137, 0, 1, 254, 7, "), "{}", out[1]);
    assert_eq!((summary.findings["BADGE"], summary.passed), (3, [("binary values", 6)].into()));
}
