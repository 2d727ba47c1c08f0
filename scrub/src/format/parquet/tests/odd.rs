//! What writers have made of Parquet over the years.

use super::*;

fn schema_of(file: &[u8]) -> String {
    format!("{:?}", reader(file).metadata().file_metadata().schema())
}

/// Of a column of texts with so many levels: two in the first row, none in the second, one in the third.
fn lists(schema: &str, columns: &[i16]) -> Vec<u8> {
    file(&format!("message m {{ {schema} }}"), WriterProperties::builder(), |group| {
        for most in columns {
            let values = texts(&["EMP-004711", "b", "a note of EMP-004712"]);
            column::<ByteArrayType>(group, &values, &[*most, *most, 0, *most], &[0, 1, 0, 0]);
        }
    })
}

#[test]
fn lists_of_every_writer() {
    for (schema, columns) in [
        // Hive, and Spark 2 with `writeLegacyFormat`.
        ("optional group tags (LIST) { repeated group bag { optional binary array_element (STRING); } }", &[3][..]),
        ("optional group tags (LIST) { repeated group bag { optional binary array (STRING); } }", &[3]),
        // parquet-avro, parquet-thrift and parquet-protobuf of parquet-mr.
        ("optional group tags (LIST) { repeated binary array (UTF8); }", &[2]),
        ("optional group tags (LIST) { repeated binary tags_tuple (UTF8); }", &[2]),
        ("repeated binary tags (UTF8);", &[1]),
        // Lists of structs, old and new.
        (
            "optional group people (LIST) { repeated group array { required binary name (UTF8); optional binary mail (UTF8); } }",
            &[2, 3],
        ),
        ("optional group people (LIST) { repeated group people_tuple { required binary name (UTF8); } }", &[2]),
        ("repeated group people { required binary name (STRING); optional binary mail (STRING); }", &[1, 2]),
        (
            "optional group people (LIST) { repeated group list { optional group element { required binary name (STRING); optional binary mail (STRING); } } }",
            &[3, 4],
        ),
        // Maps, old and new.
        (
            "optional group map (MAP_KEY_VALUE) { repeated group map { required binary key (UTF8); optional binary value (UTF8); } }",
            &[2, 3],
        ),
        (
            "optional group map (MAP) { repeated group key_value { required binary key (STRING); optional binary value (STRING); } }",
            &[2, 3],
        ),
    ] {
        let source = lists(schema, columns);
        let (out, summary) = run(&LABELS, &source).unwrap_or_else(|error| panic!("{error}: {schema}"));
        assert_eq!(schema_of(&out), schema_of(&source));
        let expected: Vec<_> = rows(&source)
            .iter()
            .map(|row| row.replace("EMP-004711", "<BADGE>").replace("EMP-004712", "<BADGE>"))
            .collect();
        assert_eq!(rows(&out), expected, "{schema}");
        assert_eq!(summary.findings["BADGE"], 2 * columns.len() as u64, "{schema}");
    }
}

/// A dictionary that became too long: the first pages refer to it, the others hold their values.
#[test]
fn a_dictionary_that_was_given_up() {
    let values: Vec<_> = (0..2000).map(|index| format!("EMP-{index:06}")).collect();
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_dictionary_page_size_limit(4096)
            .set_write_batch_size(64)
            .set_data_page_row_count_limit(256);
        let source = file("message m { required binary note (STRING); }", properties, |group| {
            column::<ByteArrayType>(group, &texts(&values), &[], &[]);
        });
        let refer = |file: &[u8]| {
            let is_one = |page: &Page| matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
            let data = |page: &&Page| !matches!(page, Page::DictionaryPage { .. });
            pages(file, 0).iter().filter(data).map(is_one).collect::<Vec<_>>()
        };
        assert!(refer(&source).contains(&true) && refer(&source).contains(&false), "{:?}", refer(&source));
        let (out, summary) = run(&LABELS, &source).unwrap();
        assert_eq!(summary.findings["BADGE"], 2000);
        assert!(rows(&out).iter().all(|row| row == "{note: \"<BADGE>\"}"), "{:?}", &rows(&out)[..2]);
        assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    }
}

#[test]
fn nothing_in_a_column_a_group_or_a_file() {
    let schema = "message m { optional binary note (STRING); optional int96 time; }";
    let empty = |rows: usize| {
        file(schema, WriterProperties::builder(), |group| {
            column::<ByteArrayType>(group, &[], &vec![0; rows], &[]);
            column::<Int96Type>(group, &[], &vec![0; rows], &[]);
        })
    };
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let without = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap().into_inner().unwrap();
    for source in [empty(3), empty(0), without] {
        assert!(run(&LABELS, &source).unwrap().0 == source);
    }
}
