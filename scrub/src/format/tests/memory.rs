//! Bodies that need much memory at a time, within one budget.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ::parquet::data_type::{ByteArray, ByteArrayType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;
use crate::format::budget::{Budget, Pause};

const MIB: u64 = 1 << 20;

/// A table of one column, of some six MiB.
fn table() -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message m { required binary note (STRING); }").unwrap());
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = file.next_row_group().unwrap();
    let notes: Vec<_> = (0..6000)
        .map(|row| {
            ByteArray::from(&*if row == 5000 {
                "by EMP-004711".to_owned()
            } else {
                format!("note {} ", row % 40).repeat(128)
            })
        })
        .collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&notes, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.into_inner().unwrap()
}

#[derive(Default)]
struct Pauses(AtomicUsize);

impl Pause for Pauses {
    fn pause(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn go_on(&self) -> io::Result<()> {
        Ok(())
    }
}

fn within(job: &Job, mut file: &[u8], pauses: &Pauses) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    scrub_as(&mut file, &mut out, job, None, Some(pauses))?;
    Ok(out)
}

#[test]
fn many_bodies_stay_within_one_budget() {
    let source = table();
    let alone = Arc::new(Budget::new(u64::MAX, Duration::ZERO));
    let expected =
        within(&Job { memory: Some(Arc::clone(&alone)), ..LABELS.clone() }, &source, &Pauses::default()).unwrap();
    assert!(memchr::memmem::find(&expected, b"EMP-004711").is_none());
    // The file, the chunk as it is stored and open, and the same again for the new one.
    let one = alone.most();
    assert!(one > 20 * MIB && one < 40 * MIB && alone.taken() == 0, "{one}");

    let budget = Arc::new(Budget::new(32 * MIB, Duration::from_mins(10)));
    let job = Job { memory: Some(Arc::clone(&budget)), ..LABELS.clone() };
    let pauses = Pauses::default();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(within(&job, &source, &pauses).unwrap() == expected));
        }
    });
    assert!(budget.most() <= 32 * MIB + one && budget.taken() == 0, "{}", budget.most());
}

#[test]
fn who_gets_no_memory_in_time_is_told_so() {
    let source = table();
    let budget = Arc::new(Budget::new(8 * MIB, Duration::ZERO));
    let other = Work::new(&LABELS);
    let job = Job { memory: Some(Arc::clone(&budget)), ..LABELS.clone() };
    let held = Work { share: Share::of(Some(&budget)), ..other }.hold(7 * MIB).unwrap();
    let pauses = Pauses::default();
    // What it staged is on the disk, so it holds nothing that it could go ahead with.
    let refused = within(&job, &source, &pauses);
    assert!(matches!(refused, Err(FormatError::Busy)), "{:?}", refused.err());
    assert_eq!((pauses.0.load(Ordering::Relaxed), budget.taken()), (1, 7 * MIB));
    // Text needs none.
    assert_eq!(within(&job, b"by EMP-004711", &pauses).unwrap(), b"by <BADGE>");
    drop(held);
    assert!(within(&job, &source, &pauses).is_ok() && budget.taken() == 0);
}

/// A frame may ask for more than those before it.
#[test]
fn windows_of_later_frames_are_counted() {
    let frame = |log: u32| {
        let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(b"by EMP-004711, ").unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    };
    let stream = |preset: u32| {
        let options = lzma_rust2::XzOptions::with_preset(preset);
        let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(b"by EMP-004711, ").unwrap();
        writer.finish().unwrap()
    };
    for (codec, file, window) in [
        (Codec::Zstd, [frame(10), frame(27)].concat(), 128 * MIB),
        (Codec::Xz, [stream(0), stream(9)].concat(), 64 * MIB),
    ] {
        let budget = Arc::new(Budget::new(u64::MAX, Duration::ZERO));
        let job = Job { memory: Some(Arc::clone(&budget)), ..LABELS.clone() };
        let out = within(&job, &file, &Pauses::default()).unwrap();
        assert_eq!(compressed::unpack(codec, &out), b"by <BADGE>, by <BADGE>, ");
        assert!(budget.most() >= window && budget.taken() == 0, "{codec:?} {}", budget.most());
    }
}

/// Every format gives back what it took, whatever becomes of it, and takes it before.
#[test]
fn what_is_taken_is_given_back_by_every_format() {
    let text = "by EMP-004711, ".repeat(200_000);
    for codec in [Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz, Codec::Lz4, Codec::Snappy] {
        let budget = Arc::new(Budget::new(0, Duration::ZERO));
        let job = Job { memory: Some(Arc::clone(&budget)), ..LABELS.clone() };
        let packed = compressed::pack(codec, text.as_bytes());
        let out = within(&job, &packed, &Pauses::default()).unwrap();
        assert!(compressed::unpack(codec, &out) == text.replace("EMP-004711", "<BADGE>").as_bytes());
        assert!(within(&job, &packed[..packed.len() / 2], &Pauses::default()).is_err());
        assert!(budget.taken() == 0 && budget.most() > MIB, "{codec:?} {}", budget.most());
    }
}
