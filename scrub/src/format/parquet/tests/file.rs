use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

fn with_indexes(file: &[u8]) -> parquet::file::metadata::ParquetMetaData {
    use parquet::file::metadata::PageIndexPolicy;
    ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Required)
        .parse_and_finish(&Bytes::copy_from_slice(file))
        .unwrap()
}

#[test]
fn indexes_stay_and_lead_to_the_pages() {
    let schema = "message m { required binary note (STRING); required int64 id; }";
    let properties = WriterProperties::builder()
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]));
    let source = file(schema, properties, |group| {
        let notes: Vec<_> = (0..1000).map(|row| ByteArray::from(&*format!("EMP-{row:06}"))).collect();
        column::<ByteArrayType>(group, &notes, &[], &[]);
        column::<Int64Type>(group, &(0..1000).collect::<Vec<_>>(), &[], &[]);
    });
    let (out, _) = run(&LABELS, &source).unwrap();
    assert!(reader(&source).metadata().row_group(0).sorting_columns().is_some());
    assert!(reader(&out).metadata().row_group(0).sorting_columns().is_none());
    let meta = with_indexes(&out);
    let index = meta.page_index().unwrap();
    for column in 0..2 {
        assert!(index.column_index(0, column).is_some());
        for page in index.page_locations(0, column).unwrap() {
            let (start, len) = meta.row_group(0).column(column).byte_range();
            assert!(
                page.offset.cast_unsigned() >= start
                    && page.offset.cast_unsigned() + u64::from(page.compressed_page_size.cast_unsigned())
                        <= start + len
            );
            let mut head = &out[page.offset.cast_unsigned() as usize..];
            let head = Structure::read(&mut head).unwrap();
            assert!(matches!(head.int(1), Ok(Some(0 | 3))));
        }
    }
    assert_eq!(index.page_locations(0, 1).unwrap().len(), 10);
}

#[test]
fn what_is_said_about_the_file_is_scrubbed() {
    let schema = "message m { required int64 a; required int64 EMP_004711; }";
    let said = vec![
        KeyValue::new("author".to_owned(), "EMP-004711".to_owned()),
        KeyValue::new("pandas".to_owned(), "{\"by\": \"EMP-004711\", \"ssn\": 219099999}".to_owned()),
        KeyValue::new("none".to_owned(), None),
    ];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(said));
    let source = file(schema, properties, |group| {
        column::<Int64Type>(group, &[1], &[], &[]);
        column::<Int64Type>(group, &[1], &[], &[]);
    });
    let (out, summary) = run(&LABELS, &source).unwrap();
    let reader = reader(&out);
    let said = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let said: Vec<_> = said.iter().map(|entry| entry.value.as_deref()).collect();
    assert_eq!(said, [Some("<BADGE>"), Some("{\"by\": \"<BADGE>\", \"ssn\": null}"), None]);
    assert_eq!((summary.unfit, summary.findings["BADGE"]), (0, 2));
    let schema = "message m { required int64 EMP-004711; }";
    let source = file(schema, WriterProperties::builder(), |group| column::<Int64Type>(group, &[1], &[], &[]));
    let (out, summary) = run(&LABELS, &source).unwrap();
    assert_eq!((out, summary.unfit), (source, 1));
}

#[test]
fn empty_groups_and_columns_stay() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let source = various(version);
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert_eq!(summary.findings, [("BADGE".to_owned(), 3)].into());
        let expected: Vec<_> = rows(&source).iter().map(|row| row.replace("EMP-004711", "<BADGE>")).collect();
        assert_eq!(rows(&out), expected);
        assert_eq!(reader(&out).metadata().num_row_groups(), 3);
        // What is clean stays as it is, to the last byte.
        let (again, summary) = run(&LABELS, &out).unwrap();
        assert!(again == out && summary.findings.is_empty(), "{summary:?}");
    }
}

#[test]
fn a_dictionary_of_values_in_no_row_is_written_anew() {
    let schema = "message m { required binary a (STRING); }";
    let write = |values: &[&str]| {
        file(schema, WriterProperties::builder(), |group| column::<ByteArrayType>(group, &texts(values), &[], &[]))
    };
    // The dictionary of one before the pages of the other, which refer to its first entry alone.
    let (source, other) = (write(&["a", "a", "a"]), write(&["a", "EMP-004711", "a"]));
    let dictionary = |file: &[u8]| {
        let meta = reader(file).metadata().row_group(0).column(0).clone();
        let start = meta.byte_range().0 as usize;
        let data = usize::try_from(meta.data_page_offset()).unwrap();
        file[start..data].to_vec()
    };
    let (short, long) = (dictionary(&source), dictionary(&other));
    let size = u32::from_le_bytes(*source[source.len() - 8..].first_chunk().unwrap()) as usize;
    let footer = source.len() - 8 - size;
    let mut root = Structure::of(&source[footer..footer + size]).unwrap();
    let grown = i64::try_from(long.len() - short.len()).unwrap();
    let mut groups: Vec<_> = root.list(4).unwrap().into_iter().map(Structure::into_owned).collect();
    let mut chunks: Vec<_> = groups[0].list(1).unwrap().into_iter().map(Structure::into_owned).collect();
    let mut meta = chunks[0].structure(3).unwrap().unwrap().into_owned();
    for id in [6, 7, 9] {
        meta.set_int(id, I64, meta.int(id).unwrap().unwrap() + grown);
    }
    chunks[0].set_structure(3, &meta);
    chunks[0].remove(4);
    chunks[0].remove(6);
    groups[0].set_list(1, &chunks);
    root.set_list(4, &groups);
    let data = 4 + short.len();
    let mut file = [b"PAR1", &long[..], &source[data..footer]].concat();
    let start = file.len();
    root.write(&mut file);
    file.extend_from_slice(&((file.len() - start) as u32).to_le_bytes());
    file.extend_from_slice(b"PAR1");
    assert_eq!(rows(&file), rows(&source));
    let (out, _) = run(&LABELS, &file).unwrap();
    assert_eq!(rows(&out), rows(&source));
    assert!(memchr::memmem::find(&out, b"EMP-").is_none());
}

/// What `PyArrow` 26 writes of a schema with metadata, of itself and of a field.
#[test]
fn the_schema_of_arrow_is_edited() {
    let value = include_str!("arrow_schema.txt").trim();
    let clean = |name: &str, _: &[u8]| Ok((name == "nothing").then(Vec::new));
    assert!(ipc::scrub(value.as_bytes(), clean).unwrap().is_none());
    let mut names = Vec::new();
    let longer = |name: &str, text: &[u8]| {
        names.push(format!("{name}={}", String::from_utf8_lossy(text)));
        Ok((!name.is_empty()).then(|| b"<EMAIL_ADDRESS>, and much more than there was before".to_vec()))
    };
    let new = ipc::scrub(value.as_bytes(), longer).unwrap().unwrap();
    assert_eq!(names, ["=by", "by=carol@example.com", "=note", "note=bob@example.com"]);
    let mut names = Vec::new();
    let read = |name: &str, text: &[u8]| {
        names.push(format!("{name}={}", String::from_utf8_lossy(text)));
        Ok(None)
    };
    assert!(ipc::scrub(&new, read).unwrap().is_none());
    let text = "<EMAIL_ADDRESS>, and much more than there was before";
    assert_eq!(names, ["=by".to_owned(), format!("by={text}"), "=note".to_owned(), format!("note={text}")]);
    // Any damage is no schema, or one with other texts.
    for at in 0..value.len() {
        for bit in [1, 4] {
            let mut damaged = value.as_bytes().to_vec();
            damaged[at] ^= bit;
            let _ = ipc::scrub(&damaged, |_, _| Ok(Some(b"x".to_vec())));
        }
    }
}

/// Readers go by these: some writers wrote statistics that are not to be believed.
/// Behind the message, and in it.
#[test]
fn what_nothing_leads_to_in_the_schema_of_arrow_goes() {
    let bytes = BASE64_STANDARD.decode(include_str!("arrow_schema.txt").trim()).unwrap();
    let scrubbed = |bytes: &[u8]| {
        let value = BASE64_STANDARD.encode(bytes).into_bytes();
        BASE64_STANDARD.decode(ipc::scrub(&value, |_, _| Ok(None)).unwrap().unwrap()).unwrap()
    };
    assert!(scrubbed(&[&bytes[..], b"EMP-004711"].concat()) == bytes);
    let mut within = [&bytes[..], b"EMP-004711 or so"].concat();
    let len = u32::from_le_bytes(*bytes[4..].first_chunk().unwrap()) + 16;
    within[4..8].copy_from_slice(&len.to_le_bytes());
    let out = scrubbed(&within);
    assert!(out[8..bytes.len()] == bytes[8..] && out[bytes.len()..] == [0; 16]);
}

#[test]
fn zones_in_the_schema_of_arrow_are_told() {
    let zone = Some("EMP-004711".into());
    let time = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Second, zone);
    let columns = arrow_schema::Schema::new(vec![arrow_schema::Field::new("id", time, true)]);
    let stream = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &columns).unwrap().into_inner().unwrap();
    let value = KeyValue::new(ipc::KEY.to_owned(), BASE64_STANDARD.encode(stream));
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![value]));
    let source = file("message m { required int64 id; }", properties, |group| {
        column::<Int64Type>(group, &[1], &[], &[]);
    });
    let (_, summary) = run(&LABELS, &source).unwrap();
    assert_eq!((summary.unfit, summary.findings["BADGE"]), (1, 1));
}

#[test]
fn names_of_writers_stay() {
    let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
    let job = Job { engine, ..LABELS.clone() };
    for writer in [
        "parquet-mr version 1.12.3 (build f8dced182c4c1fbdec6ccb3185537b5a01e6ed6b)",
        "parquet-cpp-arrow version 26.0.1",
        "parquet-rs version 60.1.0",
        "impala version 4.1.0-RELEASE (build 1d7b63102ed46b4a6a6ee0ea0e1a5b5e5e5d8a71)",
        "DuckDB version v1.4.1 (build b390a7c376)",
        "fastparquet-python version 2024.11.0 (build 0)",
        "Polars",
        "Trino version 475",
    ] {
        let properties = WriterProperties::builder().set_created_by(writer.to_owned());
        let source = file("message m { required int64 a; }", properties, |group| {
            column::<Int64Type>(group, &[1], &[], &[]);
        });
        assert!(run(&job, &source).unwrap().0 == source, "{writer}");
    }
    let properties = WriterProperties::builder().set_created_by("a script of john@example.com".to_owned());
    let source = file("message m { required int64 a; }", properties, |group| {
        column::<Int64Type>(group, &[1], &[], &[]);
    });
    let (out, _) = run(&job, &source).unwrap();
    assert_eq!(reader(&out).metadata().file_metadata().created_by(), Some("a script of <EMAIL_ADDRESS>"));
}

/// With all detectors, a column of a name finds what a field of this name in JSON does.
#[test]
fn the_names_of_columns_are_evidence() {
    let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
    let job = Job { engine, ..LABELS.clone() };
    let schema = "message m {
        required group patient { required binary first_name (STRING); required binary surname (STRING); }
        required binary name (STRING); required int64 phone; required int64 number; required double lat; required int64 dob (TIMESTAMP(MICROS, false));
    }";
    let source = file(schema, WriterProperties::builder(), |group| {
        column::<ByteArrayType>(group, &texts(&["john"]), &[], &[]);
        column::<ByteArrayType>(group, &texts(&["smith"]), &[], &[]);
        column::<ByteArrayType>(group, &texts(&["smith"]), &[], &[]);
        column::<Int64Type>(group, &[2_125_551_234], &[], &[]);
        column::<Int64Type>(group, &[2_125_551_234], &[], &[]);
        column::<DoubleType>(group, &[48.8584], &[], &[]);
        column::<Int64Type>(group, &[606_000_000_123_456], &[], &[]);
    });
    let (out, _) = run(&job, &source).unwrap();
    assert_eq!(
        rows(&out),
        [
            "{patient: {first_name: \"<PERSON>\", surname: \"<PERSON>\"}, name: \"smith\", phone: 0, number: 2125551234, \
          lat: 0E0, dob: 1970-01-01 00:00:00.000000 +00:00}"
        ]
    );
}
