use arrow_array::{ArrayRef, LargeBinaryArray, NullArray, StringArray, StringViewArray};
use arrow_schema::{Field, Schema as Columns};

use super::tables::various;
use super::*;
use crate::format::table::flat::Flat;
use crate::format::table::tests::random;

const STREAM: As = As { file: false, codec: None, round: 8 };

fn of(array: ArrayRef) -> RecordBatch {
    let schema = Columns::new(vec![Field::new("a", array.data_type().clone(), true)]);
    RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap()
}

fn table() -> RecordBatch {
    let texts: Vec<_> =
        ["a note", "EMP-004711", "by EMP-004711, longer than a view"].map(|text| Some(text.to_owned())).into();
    various(&texts, &[Some(1), None, Some(219_099_999)])
}

/// A stream whose first batch is described otherwise.
fn edited(batch: &RecordBatch, edit: impl FnOnce(&mut Flat, usize)) -> Vec<u8> {
    let source = write(std::slice::from_ref(batch), STREAM);
    let mut rest = &source[..];
    assert!(matches!(Message::read(&mut rest, &Work::new(&LABELS)), Ok(Next::Message(_))));
    let start = source.len() - rest.len();
    let Ok(Next::Message(mut message)) = Message::read(&mut rest, &Work::new(&LABELS)) else { panic!("no batch") };
    assert_eq!(message.kind, BATCH);
    let header = message.header;
    edit(&mut message.flat, header);
    let end = source.len() - rest.len();
    [&source[..start + 8], &message.flat.bytes, &source[end..]].concat()
}

fn broken(file: &[u8]) {
    let done = run(&LABELS, file);
    assert!(matches!(done, Err(FormatError::Broken { format: "Arrow", .. })), "{done:?}");
}

#[test]
fn what_lies_is_refused() {
    let strings = of(Arc::new(StringArray::from(vec!["ab", "EMP-004711", "cd"])));
    let set = |list: usize, element: usize, at: usize, value: i64| {
        edited(&strings, |flat, header| {
            let (start, _) = flat.list(header, list, 16).unwrap();
            flat.set_long(start + 16 * element + at, value).unwrap();
        })
    };
    assert!(run(&LABELS, &set(1, 0, 0, 3)).is_ok());
    // Lengths of the column, and places and lengths of its offsets and data.
    for rows in [-1, 4, 1 << 40, i64::MAX] {
        broken(&set(1, 0, 0, rows));
    }
    for element in [1, 2] {
        for (at, value) in [(0, -1), (0, i64::MAX), (0, 1 << 40), (8, -1), (8, i64::MAX), (8, 1 << 40)] {
            broken(&set(2, element, at, value));
        }
    }
    // The data before the offsets.
    broken(&set(2, 2, 0, 0));
    let offsets = |offsets: [i32; 4]| {
        let source = write(std::slice::from_ref(&strings), STREAM);
        let old: Vec<u8> = [0_i32, 2, 12, 14].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        let at = memchr::memmem::find(&source, &old).unwrap();
        let mut file = source.clone();
        file[at..at + 16].copy_from_slice(&offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect::<Vec<_>>());
        file
    };
    assert!(run(&LABELS, &offsets([0, 2, 12, 14])).is_ok());
    for wrong in [[0, 12, 2, 14], [0, 2, 12, 15], [-1, 2, 12, 14], [0, 2, 12, i32::MAX]] {
        broken(&offsets(wrong));
    }
    // Lists that reach over the end of what describes them.
    let list = |list: usize, count: u32| {
        edited(&strings, |flat, header| {
            let (start, _) = flat.list(header, list, 16).unwrap();
            flat.bytes[start - 4..start].copy_from_slice(&count.to_le_bytes());
        })
    };
    for count in [0, 2, 1000, u32::MAX] {
        broken(&list(1, count));
        broken(&list(2, count));
    }
    let text = "a text that is longer than a view";
    let (views, len) = (of(Arc::new(StringViewArray::from_iter_values([text]))), i32::try_from(text.len()).unwrap());
    let source = write(std::slice::from_ref(&views), STREAM);
    let view = [&len.to_le_bytes()[..], b"a te", &[0; 8]].concat();
    let at = memchr::memmem::find(&source, &view).unwrap();
    for (within, value) in [(0, -1), (0, len + 1), (0, i32::MAX), (8, 1), (8, -1), (12, 1), (12, -1), (12, i32::MAX)] {
        let mut file = source.clone();
        file[at + within..at + within + 4].copy_from_slice(&i32::to_le_bytes(value));
        broken(&file);
    }
    let good = write(&[strings], STREAM);
    broken(&[&good[..], &good].concat());
    broken(&[&good[..], b"EMP-004711"].concat());
    assert!(matches!(run(&LABELS, b"FEA1\0\0\0\0"), Err(FormatError::Unknown { .. })));
    for file in [&b"ARROW1"[..], b"ARROW1\0\0ARROW1", b"ARROW1\0\0\0\0\0\0ARROW1", b"ARROW1\0\0\xFF\xFF\xFF\xFFARROW1"]
    {
        assert!(run(&LABELS, file).is_err());
    }
}

#[test]
fn what_is_endless_is_bounded() {
    // A column of null takes no byte, however long it is.
    let nothing = write(&[of(Arc::new(NullArray::new(1 << 50)))], STREAM);
    assert!(run(&LABELS, &nothing).unwrap().0 == nothing);
    let zeros = vec![0; 100 << 20];
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let bomb =
            write(&[of(Arc::new(LargeBinaryArray::from_vec(vec![&zeros])))], As { codec: Some(codec), ..STREAM });
        let strict = Job { limits: Limits { expansion: 100, ..Limits::default() }, ..LABELS.clone() };
        assert!(matches!(run(&strict, &bomb), Err(FormatError::Limit(_))), "{codec:?}");
        let narrow = Job { limits: Limits { chunk: 50 << 20, ..Limits::default() }, ..LABELS.clone() };
        assert!(matches!(run(&narrow, &bomb), Err(FormatError::Limit(_))), "{codec:?}");
    }
    let mut head = message::CONTINUES.to_vec();
    head.extend_from_slice(&u32::MAX.to_le_bytes());
    let done = stream(&mut &head[..], &mut Vec::new(), &Work::new(&LABELS), &mut Summary::default());
    assert!(matches!(done, Err(FormatError::Limit(_))), "{done:?}");
    // Lists in lists.
    let mut field = Field::new("a", arrow_schema::DataType::Int32, true);
    for _ in 0..200 {
        field = Field::new("a", arrow_schema::DataType::List(Arc::new(field)), true);
    }
    let deep = write(&[RecordBatch::new_empty(Arc::new(Columns::new(vec![field])))], STREAM);
    assert!(matches!(run(&LABELS, &deep), Err(FormatError::Limit(_) | FormatError::Broken { .. })));
}

#[test]
fn no_damage_makes_a_panic() {
    let mut state = 4711;
    for way in ways() {
        let source = write(&[table(), table()], way);
        let ends = run(&LABELS, &source).unwrap();
        for _ in 0..700 {
            // Less is of no format.
            let cut = 64 + random(&mut state) % (source.len() - 64);
            // Between two messages nothing says that there are more.
            if let Ok((out, _)) = run(&LABELS, &source[..cut]) {
                assert!(!way.file && ends.0.starts_with(&out), "{way:?} {cut}");
            }
            let mut file = source.clone();
            for _ in 0..=random(&mut state) % 3 {
                let at = random(&mut state) % file.len();
                file[at] ^= 1 << (random(&mut state) % 8);
            }
            let _ = run(&LABELS, &file);
        }
    }
}
