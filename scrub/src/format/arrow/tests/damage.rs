use arrow_array::builder::{MapBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Int32Array, Int64Array, LargeBinaryArray,
    LargeListArray, ListArray, ListViewArray, NullArray, RunArray, StringArray, StringViewArray, StructArray,
    Time64MicrosecondArray, UInt8Array, UnionArray,
};
use arrow_schema::{DataType, Field, Schema as Columns, UnionFields};

use super::tables::various;
use super::*;
use crate::format::budget::Budget;
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
    message(batch, STREAM, BATCH, |flat, header, _| edit(flat, header))
}

/// A stream whose first message of a kind is described otherwise, or has another body.
fn message(batch: &RecordBatch, way: As, kind: u8, edit: impl FnOnce(&mut Flat, usize, &mut [u8])) -> Vec<u8> {
    let source = write(std::slice::from_ref(batch), way);
    let mut rest = &source[..];
    loop {
        let start = source.len() - rest.len();
        let Ok(Next::Message(mut message)) = Message::read(&mut rest, &Work::new(&LABELS)) else {
            panic!("no such message")
        };
        if message.kind == kind {
            let (header, mut body) = (message.header, rest.to_vec());
            edit(&mut message.flat, header, &mut body);
            return [&source[..start + 8], &message.flat.bytes, &body].concat();
        }
        rest = &rest[usize::try_from(message.body).unwrap()..];
    }
}

/// Behind bits and offsets, and behind what is compressed, within their buffers.
#[test]
fn what_is_behind_values_in_their_buffer_goes() {
    const SKIPPED: &[u8] = b"\x50\x2A\x4D\x18\x0A\0\0\0EMP-004711";
    let flags = of(Arc::new(BooleanArray::from(vec![Some(true), None])));
    let empty = of(Arc::new(StringArray::from(Vec::<&str>::new())));
    let numbers = of(Arc::new(Int32Array::from(vec![7; 1000])));
    let way = |codec| As { codec, round: 64, ..STREAM };
    for (batch, buffer, codec) in [(&flags, 0, None), (&flags, 1, None), (&numbers, 1, Some(CompressionType::ZSTD))] {
        let source = message(batch, way(codec), BATCH, |flat, header, body| {
            let (start, _) = flat.list(header, 2, 16).unwrap();
            let at = usize::try_from(flat.long(start + 16 * buffer).unwrap()).unwrap();
            let len = usize::try_from(flat.long(start + 16 * buffer + 8).unwrap()).unwrap();
            assert!(len > 0 && len + SKIPPED.len() <= 64);
            body[at + len..][..SKIPPED.len()].copy_from_slice(SKIPPED);
            let len = i64::try_from(len + SKIPPED.len()).unwrap();
            flat.set_long(start + 16 * buffer + 8, len).unwrap();
        });
        let (out, _) = run(&LABELS, &source).unwrap();
        assert_eq!(read(&out, way(codec)), std::slice::from_ref(batch));
        assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    }
    // Of a column without rows nothing is read.
    let source = message(&of(Arc::new(StringArray::from(vec!["EMP-"]))), STREAM, BATCH, |flat, header, body| {
        let (nodes, _) = flat.list(header, 1, 16).unwrap();
        flat.set_long(nodes, 0).unwrap();
        let rows = flat.slot(header, 0).unwrap();
        flat.set_long(rows, 0).unwrap();
        body[..4].copy_from_slice(b"EMP-");
    });
    let (out, _) = run(&LABELS, &source).unwrap();
    assert!(memchr::memmem::find(&out, b"EMP-").is_none());
    assert!(run(&LABELS, &write(std::slice::from_ref(&empty), STREAM)).is_ok());
}

/// In what describes a table, where nothing leads to.
#[test]
fn what_nothing_leads_to_goes() {
    let more = |file: bool, text: &[u8; 16]| {
        let mut source = write(&[table()], As { file, ..STREAM });
        // Behind the schema of a stream, or the footer.
        let (len_at, end) = if file { (source.len() - 10, source.len() - 10) } else { (4, 0) };
        let len = u32::from_le_bytes(*source[len_at..].first_chunk().unwrap());
        source[len_at..len_at + 4].copy_from_slice(&(len + 16).to_le_bytes());
        let end = if file { end } else { 8 + len as usize };
        source.splice(end..end, *text);
        source
    };
    for file in [false, true] {
        let (out, _) = run(&LABELS, &more(file, b"EMP-004711 or so")).unwrap();
        let (other, _) = run(&LABELS, &more(file, &[0; 16])).unwrap();
        assert!(out == other && memchr::memmem::find(&out, b"EMP-").is_none());
        assert!(read(&out, As { file, ..STREAM }).len() == 1);
    }
}

#[test]
fn types_that_none_has_are_refused() {
    let times = of(Arc::new(Time64MicrosecondArray::from(vec![1])));
    broken(&message(&times, STREAM, SCHEMA, |flat, header, _| {
        let of = flat.follow(flat.slot(flat.tables(header, 1).unwrap()[0], 3).unwrap()).unwrap();
        flat.set_int(flat.slot(of, 1).unwrap(), 256).unwrap();
    }));
    // Two columns of one dictionary, which would be looked into as one of them is.
    let keys = || Int32Array::from(vec![0]);
    let one = DictionaryArray::new(keys(), Arc::new(Time64MicrosecondArray::from(vec![1])));
    let other = DictionaryArray::new(keys(), Arc::new(Int64Array::from(vec![219_099_999])));
    let schema = Columns::new(vec![
        Field::new("a", one.data_type().clone(), true),
        Field::new("ssn", other.data_type().clone(), true),
    ]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(one), Arc::new(other)]).unwrap();
    broken(&message(&batch, STREAM, SCHEMA, |flat, header, _| {
        let of = flat.follow(flat.slot(flat.tables(header, 1).unwrap()[1], 4).unwrap()).unwrap();
        flat.set_long(flat.slot(of, 0).unwrap(), 0).unwrap();
    }));
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

/// A stream whose first batch has other bytes in a buffer.
fn patched(batch: &RecordBatch, buffer: usize, at: usize, bytes: &[u8]) -> Vec<u8> {
    message(batch, STREAM, BATCH, |flat, header, body| {
        let (start, _) = flat.list(header, 2, 16).unwrap();
        let from = usize::try_from(flat.long(start + 16 * buffer).unwrap()).unwrap() + at;
        body[from..][..bytes.len()].copy_from_slice(bytes);
    })
}

/// The same with other integers of 32 bits.
fn numbered(batch: &RecordBatch, buffer: usize, numbers: &[i32]) -> Vec<u8> {
    patched(batch, buffer, 0, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
}

/// A stream one of whose columns has a value less than before.
fn shortened(batch: &RecordBatch, node: usize) -> Vec<u8> {
    edited(batch, |flat, header| {
        let (start, _) = flat.list(header, 1, 16).unwrap();
        let rows = flat.long(start + 16 * node).unwrap();
        flat.set_long(start + 16 * node, rows - 1).unwrap();
    })
}

fn stays(file: &[u8]) {
    let (out, summary) = run(&LABELS, file).unwrap();
    assert!(out == file && summary.findings.is_empty(), "{summary:?}");
}

#[test]
fn lists_lead_to_values_that_are_there() {
    let rows = || [[1, 2], [3, 4], [5, 6]].map(|row| Some(row.map(Some)));
    let lists = of(Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows())));
    stays(&numbered(&lists, 1, &[0, 2, 4, 6]));
    // Of a slice, and of one before others.
    for offsets in [[1, 2, 4, 6], [0, 2, 2, 3], [6, 6, 6, 6]] {
        stays(&numbered(&lists, 1, &offsets));
    }
    stays(&write(&[lists.slice(1, 2)], STREAM));
    for offsets in [[0, 2, 4, 7], [0, 2, 4, i32::MAX], [0, 4, 2, 6], [-1, 2, 4, 6], [7, 7, 7, 7]] {
        broken(&numbered(&lists, 1, &offsets));
    }
    broken(&shortened(&lists, 1));
    let large = of(Arc::new(LargeListArray::from_iter_primitive::<Int32Type, _, _>(rows())));
    stays(&patched(&large, 1, 24, &6_i64.to_le_bytes()));
    for last in [-1, 7, i64::MAX] {
        broken(&patched(&large, 1, 24, &i64::to_le_bytes(last)));
    }
    // In any order, over each other, and with gaps.
    let field = Arc::new(Field::new("item", DataType::Int32, true));
    let values = Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5, 6]));
    let views = ListViewArray::new(field.clone(), vec![4, 0, 1].into(), vec![2, 2, 2].into(), values, None);
    let views = of(Arc::new(views));
    stays(&numbered(&views, 1, &[4, 0, 1]));
    stays(&numbered(&views, 2, &[2, 6, 0]));
    for offsets in [[5, 0, 1], [4, -1, 1], [4, i32::MAX, 1]] {
        broken(&numbered(&views, 1, &offsets));
    }
    for sizes in [[3, 2, 2], [2, -1, 2], [2, i32::MAX, 2]] {
        broken(&numbered(&views, 2, &sizes));
    }
    let values = Arc::new(Int32Array::from(vec![1, 2, 3, 4]));
    let pairs = of(Arc::new(FixedSizeListArray::new(field, 2, values, None)));
    stays(&write(std::slice::from_ref(&pairs), STREAM));
    broken(&shortened(&pairs, 1));
}

#[test]
fn parts_of_structures_are_as_long() {
    let texts: Vec<_> = ["a", "b"].map(|text| Some(text.to_owned())).into();
    let table = various(&texts, &[Some(1), Some(2)]);
    let column = |name: &str| table.project(&[table.schema().index_of(name).unwrap()]).unwrap();
    let structure = column("structure");
    stays(&write(std::slice::from_ref(&structure), STREAM));
    broken(&shortened(&structure, 1));
    broken(&shortened(&structure, 2));
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for key in ["k", "l"] {
        map.keys().append_value(key);
        map.values().append_value("v");
        map.append(true).unwrap();
    }
    let map = of(Arc::new(map.finish()));
    stays(&numbered(&map, 1, &[0, 1, 2]));
    for offsets in [[0, 1, 3], [0, 1, -1], [2, 1, 2]] {
        broken(&numbered(&map, 1, &offsets));
    }
    for node in [1, 2, 3] {
        broken(&shortened(&map, node));
    }
}

#[test]
fn unions_lead_to_values_that_are_there() {
    let fields: UnionFields = [(5, DataType::Int32), (7, DataType::Utf8)]
        .into_iter()
        .map(|(kind, of)| (kind, Arc::new(Field::new(format!("of_{kind}"), of, true))))
        .collect();
    let children = |numbers: Vec<i32>, texts: Vec<&str>| -> Vec<ArrayRef> {
        vec![Arc::new(Int32Array::from(numbers)), Arc::new(StringArray::from(texts))]
    };
    let types = vec![5_i8, 7, 5];
    let dense = UnionArray::try_new(
        fields.clone(),
        types.clone().into(),
        Some(vec![0, 0, 1].into()),
        children(vec![1, 2], vec!["a"]),
    );
    let dense = of(Arc::new(dense.unwrap()));
    stays(&numbered(&dense, 1, &[0, 0, 1]));
    // What nothing leads to is looked into as well.
    stays(&numbered(&dense, 1, &[1, 0, 1]));
    // Some writers go back.
    stays(&numbered(&dense, 1, &[1, 0, 0]));
    for offsets in [[0, 0, 2], [0, 1, 1], [0, -1, 1], [0, 0, i32::MAX], [2, 0, 0]] {
        broken(&numbered(&dense, 1, &offsets));
    }
    broken(&shortened(&dense, 1));
    let sparse = UnionArray::try_new(fields, types.into(), None, children(vec![1, 2, 3], vec!["a", "b", "c"]));
    let sparse = of(Arc::new(sparse.unwrap()));
    stays(&patched(&sparse, 0, 0, &[7, 7, 5]));
    broken(&shortened(&sparse, 1));
    broken(&shortened(&sparse, 2));
    for union in [&dense, &sparse] {
        for kind in [0, 1, 6, 8, 0xFF] {
            broken(&patched(union, 0, 0, &[5, 7, kind]));
        }
    }
}

/// A type is a byte, and two children of one would be told apart by nothing.
#[test]
fn types_of_unions_are_few() {
    let of_types = |types: &[i32]| {
        let fields: UnionFields = (0..types.len())
            .map(|number| (i8::try_from(number).unwrap(), Arc::new(Field::new("a", DataType::Int32, true))))
            .collect();
        let children: Vec<ArrayRef> = types.iter().map(|_| Arc::new(Int32Array::from(vec![1])) as ArrayRef).collect();
        let union = of(Arc::new(UnionArray::try_new(fields, vec![0_i8].into(), None, children).unwrap()));
        message(&union, STREAM, SCHEMA, |flat, header, _| {
            let field = flat.tables(header, 1).unwrap()[0];
            let of = flat.follow(flat.slot(field, 3).unwrap()).unwrap();
            let (list, _) = flat.list(of, 1, 4).unwrap();
            for (index, kind) in types.iter().enumerate() {
                flat.bytes[list + 4 * index..][..4].copy_from_slice(&kind.to_le_bytes());
            }
        })
    };
    stays(&of_types(&(0..128).collect::<Vec<_>>()));
    stays(&of_types(&[0, 127]));
    for types in [[0, 0], [0, -1], [0, 128], [0, 1 << 8]] {
        broken(&of_types(&types));
    }
}

/// What a list is in is not held while its values are looked into.
#[test]
fn lists_in_lists_hold_one_buffer_at_a_time() {
    const ROWS: usize = 1 << 18;
    const DEPTH: u64 = 24;
    let ones = ListArray::from_iter_primitive::<Int32Type, _, _>(std::iter::repeat_n(Some([Some(7)]), ROWS));
    let mut inner: ArrayRef = Arc::new(ones.clone());
    for _ in 1..DEPTH {
        let field = Arc::new(Field::new("item", inner.data_type().clone(), true));
        inner = Arc::new(ListArray::new(field, ones.offsets().clone(), inner, None));
    }
    let one = 4 * ROWS as u64 + 4;
    let budget = Arc::new(Budget::new(u64::MAX, std::time::Duration::ZERO));
    let job = Job { memory: Some(Arc::clone(&budget)), ..LABELS.clone() };
    let source = write(&[of(inner)], STREAM);
    assert!(run(&job, &source).unwrap().0 == source);
    let most = crate::format::IN_MEMORY as u64 + 4 * one;
    assert!(budget.most() < most && most < DEPTH * one && budget.taken() == 0, "{}", budget.most());
}

#[test]
fn runs_reach_to_the_last_row() {
    let values = StringArray::from(vec!["a", "b"]);
    let runs = of(Arc::new(RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &values).unwrap()));
    for ends in [[2, 3], [1, 9]] {
        stays(&numbered(&runs, 1, &ends));
    }
    for ends in [[3, 3], [3, 2], [0, 3], [-1, 3], [1, 2], [3, 4], [4, 5]] {
        broken(&numbered(&runs, 1, &ends));
    }
    broken(&shortened(&runs, 2));
}

#[test]
fn indices_lead_to_entries_that_are_there() {
    let entries = || Arc::new(StringArray::from(vec!["a", "b"]));
    let table =
        of(Arc::new(DictionaryArray::new(Int32Array::from(vec![Some(0), Some(1), Some(0), None, Some(1)]), entries())));
    stays(&numbered(&table, 1, &[1, 1, 0, 0, 1]));
    // Null is null, whatever it leads to; a number that is no index, zero or -1 may say something.
    stays(&numbered(&table, 1, &[0, 1, 0, -1, 1]));
    for hidden in [2, 99, i32::MAX, i32::MIN, -2, i32::from_le_bytes(*b"4711")] {
        let (out, _) = run(&LABELS, &numbered(&table, 1, &[0, 1, 0, hidden, 1])).unwrap();
        assert!(out == numbered(&table, 1, &[0, 1, 0, 0, 1]), "{hidden}");
    }
    for indices in [[0, 2, 0, 0, 1], [0, -1, 0, 0, 1], [0, 1, 0, 0, i32::MAX]] {
        broken(&numbered(&table, 1, &indices));
    }
    let letters: Vec<_> = (0..=255).map(|number| format!("of {number}")).collect();
    let all = UInt8Array::from((0..=255).collect::<Vec<u8>>());
    stays(&write(&[of(Arc::new(DictionaryArray::new(all, Arc::new(StringArray::from(letters)))))], STREAM));
    // In a file a dictionary may stand anywhere.
    let old: Vec<u8> = [1, 0, 1, 1, 0, 0, 1_i32].iter().flat_map(|index| index.to_le_bytes()).collect();
    let keys = Int32Array::from(vec![1, 0, 1, 1, 0, 0, 1]);
    for file in [false, true] {
        let source = write(&[of(Arc::new(DictionaryArray::new(keys.clone(), entries())))], As { file, ..STREAM });
        stays(&source);
        let at = memchr::memmem::find(&source, &old).unwrap();
        let mut wrong = source;
        wrong[at] = 2;
        broken(&wrong);
    }
}

/// What is counted is there.
#[test]
fn counts_of_rows_and_nulls_hold() {
    let table = of(Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])));
    let nulls = |count: i64| {
        edited(&table, |flat, header| {
            let (start, _) = flat.list(header, 1, 16).unwrap();
            flat.set_long(start + 8, count).unwrap();
        })
    };
    let rows = |count: i64| {
        edited(&table, |flat, header| {
            let at = flat.slot(header, 0).unwrap();
            flat.set_long(at, count).unwrap();
        })
    };
    for count in [-1, 0, 1, 3] {
        stays(&nulls(count));
    }
    for count in [-2, 4, i64::MAX, i64::MIN] {
        broken(&nulls(count));
    }
    stays(&rows(3));
    for count in [-1, 2, 4, i64::MAX] {
        broken(&rows(count));
    }
}

#[test]
fn what_is_endless_is_bounded() {
    // A column of null takes no byte, however long it is.
    stays(&write(&[of(Arc::new(NullArray::new(1 << 20)))], STREAM));
    let endless = write(&[of(Arc::new(NullArray::new(1 << 50)))], STREAM);
    assert!(matches!(run(&LABELS, &endless), Err(FormatError::Limit(_))));
    // In a list that leads to them in any order.
    let item = Arc::new(Field::new("item", DataType::Null, true));
    let nothing = |len: usize| Arc::new(NullArray::new(len));
    let lists = ListViewArray::new(item, vec![0, 1].into(), vec![1, 1].into(), nothing(2), None);
    let lists = of(Arc::new(lists));
    let longer = |len: i64| {
        edited(&lists, |flat, header| {
            let (start, _) = flat.list(header, 1, 16).unwrap();
            flat.set_long(start + 16, len).unwrap();
        })
    };
    stays(&longer(3));
    assert!(matches!(run(&LABELS, &longer(1 << 50)), Err(FormatError::Limit(_))));
    // Structures of nothing, in as many rows as the batch says.
    let none = of(Arc::new(StructArray::new_empty_fields(3, None)));
    stays(&write(std::slice::from_ref(&none), STREAM));
    let counted = |len: i64| {
        edited(&none, |flat, header| {
            let (start, _) = flat.list(header, 1, 16).unwrap();
            flat.set_long(start, len).unwrap();
            let at = flat.slot(header, 0).unwrap();
            flat.set_long(at, len).unwrap();
        })
    };
    stays(&counted(4));
    assert!(matches!(run(&LABELS, &counted(1 << 50)), Err(FormatError::Limit(_))));
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
