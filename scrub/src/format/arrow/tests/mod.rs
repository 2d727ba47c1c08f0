mod damage;
mod tables;

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;
use crate::act::Strategy;
use crate::format::table::tests::job;
use crate::format::{Job, Limits};

static LABELS: LazyLock<Job> = LazyLock::new(|| job(Strategy::Label));

/// As a part of what the gateway reads.
fn run(job: &Job, mut file: &[u8]) -> Result<(Vec<u8>, Summary), FormatError> {
    let mut out = Vec::new();
    let summary = crate::format::scrub(&mut file, &mut out, job)?;
    Ok((out, summary))
}

const CODECS: [Option<CompressionType>; 3] = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

/// How a table is written.
#[derive(Clone, Copy, Debug)]
struct As {
    file: bool,
    codec: Option<CompressionType>,
    /// What buffers start at a multiple of.
    round: usize,
}

/// In every way.
fn ways() -> impl Iterator<Item = As> {
    let of = |file: bool, codec| [8, 64].map(|round| As { file, codec, round });
    [true, false].into_iter().flat_map(move |file| CODECS.into_iter().flat_map(move |codec| of(file, codec)))
}

fn write(batches: &[RecordBatch], way: As) -> Vec<u8> {
    let options = IpcWriteOptions::try_new(way.round, false, arrow_ipc::MetadataVersion::V5).unwrap();
    let options = options.try_with_compression(way.codec).unwrap();
    let schema = batches[0].schema();
    if way.file {
        let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.into_inner().unwrap()
    } else {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
        for batch in batches {
            writer.write(batch).unwrap();
        }
        writer.into_inner().unwrap()
    }
}

fn read(bytes: &[u8], way: As) -> Vec<RecordBatch> {
    if way.file {
        FileReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect()
    } else {
        StreamReader::try_new(bytes, None).unwrap().map(Result::unwrap).collect()
    }
}
