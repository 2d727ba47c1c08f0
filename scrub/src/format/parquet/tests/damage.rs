use super::*;
use crate::format::table::tests::random;

#[test]
fn what_cannot_be_read_is_told() {
    let source = various(WriterVersion::PARQUET_1_0);
    let unknown = |file: &[u8]| match run(&LABELS, file) {
        Err(FormatError::Unknown { what, rule: Rule::Quarantine, .. }) => what,
        other => panic!("{other:?}"),
    };
    let mut encrypted = source.clone();
    let len = encrypted.len();
    encrypted[len - 4..].copy_from_slice(b"PARE");
    assert_eq!(unknown(&encrypted), "encrypted Parquet");
    let edited = |edit: &dyn Fn(&mut Structure<'_>)| {
        let size = u32::from_le_bytes(*source[len - 8..].first_chunk().unwrap()) as usize;
        let mut root = Structure::of(&source[len - 8 - size..len - 8]).unwrap();
        edit(&mut root);
        let mut file = source[..len - 8 - size].to_vec();
        let start = file.len();
        root.write(&mut file);
        let size = (file.len() - start) as u32;
        file.extend_from_slice(&size.to_le_bytes());
        file.extend_from_slice(b"PAR1");
        file
    };
    let in_chunk = |edit: &dyn Fn(&mut Structure<'_>)| {
        edited(&|root| {
            let mut groups: Vec<_> = root.list(4).unwrap().into_iter().map(Structure::into_owned).collect();
            let mut chunks: Vec<_> = groups[0].list(1).unwrap().into_iter().map(Structure::into_owned).collect();
            edit(&mut chunks[0]);
            groups[0].set_list(1, &chunks);
            root.set_list(4, &groups);
        })
    };
    let in_meta = |id: i16, kind: u8, value: i64| {
        in_chunk(&|chunk| {
            let mut meta = chunk.structure(3).unwrap().unwrap().into_owned();
            meta.set_int(id, kind, value);
            chunk.set_structure(3, &meta);
        })
    };
    assert!(edited(&|_| {}) == source);
    assert_eq!(
        unknown(&edited(&|root| root.set_structure(8, &Structure::default()))),
        "Parquet with encrypted columns"
    );
    assert_eq!(
        unknown(&in_chunk(&|chunk| chunk.set_structure(8, &Structure::default()))),
        "Parquet with encrypted columns"
    );
    assert_eq!(unknown(&in_chunk(&|chunk| chunk.set_binary(1, b"other.parquet"))), "Parquet in several files");
    assert_eq!(unknown(&in_meta(4, I32, 3)), "Parquet compressed by LZO");
    assert_eq!(unknown(&in_meta(4, I32, 77)), "Parquet of an unknown compression");
    for (id, kind, value) in
        [(9, I64, -1), (9, I64, i64::MAX), (7, I64, -1), (7, I64, 1 << 40), (5, I64, 4), (7, I64, 3)]
    {
        let file = in_meta(id, kind, value);
        assert!(matches!(run(&LABELS, &file), Err(FormatError::Broken { .. })), "{id} {value}");
    }
    let small = Job { limits: Limits { chunk: 10, ..Limits::default() }, ..LABELS.clone() };
    assert!(matches!(run(&small, &source), Err(FormatError::Limit(_))));
    for file in [&b""[..], b"PAR1", b"PAR1PAR1", b"PAR1\0\0\0\0PAR1", b"PAR1\xFF\xFF\xFF\xFFPAR1"] {
        assert!(matches!(run(&LABELS, file), Err(FormatError::Broken { .. })));
    }
    // A schema in which every group holds the next one.
    let deep = edited(&|root| {
        let mut group = Structure::default();
        group.set_binary(4, b"g");
        group.set_int(5, I32, 1);
        root.set_list(2, &vec![group; 100_000]);
    });
    assert!(matches!(run(&LABELS, &deep), Err(FormatError::Limit(_))));
}

#[test]
fn no_damage_makes_a_panic() {
    let mut state = 4711;
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let source = various(version);
        for cut in 0..source.len() {
            assert!(run(&LABELS, &source[..cut]).is_err());
        }
        for _ in 0..4000 {
            let mut file = source.clone();
            for _ in 0..=random(&mut state) % 3 {
                let at = random(&mut state) % file.len();
                file[at] ^= 1 << (random(&mut state) % 8);
            }
            let _ = run(&LABELS, &file);
        }
    }
}

/// Some bytes that stand for more rows than anybody has time for.
#[test]
fn bombs_are_bounded() {
    let rows = vec![0_i16; 1 << 20];
    let properties = WriterProperties::builder().set_data_page_row_count_limit(1 << 23);
    let source = file("message m { optional binary a (STRING); }", properties, |group| {
        let mut column = group.next_column().unwrap().unwrap();
        for _ in 0..80 {
            column.typed::<ByteArrayType>().write_batch(&[], Some(&rows), None).unwrap();
        }
        column.close().unwrap();
    });
    assert!(source.len() < 64 * 1024);
    assert!(matches!(run(&LABELS, &source), Err(FormatError::Limit(_))));
    let patient = Job { limits: Limits { expansion: 1 << 20, ..Limits::default() }, ..LABELS.clone() };
    assert!(run(&patient, &source).unwrap().0 == source);
}
