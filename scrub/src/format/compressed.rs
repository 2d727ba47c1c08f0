//! Compressed files: opened, treated, and compressed again in the same format. Names and comments in their heads are not taken over.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use lzma_rust2::{XzOptions, XzReader, XzWriter};

use super::{FormatError, Job, Rule, Summary, file};

/// What a decoder may keep of a file in memory, KiB: what the largest presets of the usual compressors ask for.
const WINDOW: u32 = 128 * 1024;
/// The binary logarithm of that in bytes.
const WINDOW_LOG: u32 = 27;
/// Bytes that a file may give before they are compared with those it took.
const FREE: u64 = 64 << 20;
/// The preset of `xz` by default.
const XZ_PRESET: u32 = 6;

/// A format of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// RFC 1952, one member or more.
    Gzip,
    /// RFC 8878, one frame or more.
    Zstd,
    /// One stream or more.
    Bzip2,
    /// One stream or more.
    Xz,
    /// Frames of LZ4.
    Lz4,
    /// Frames of Snappy.
    Snappy,
}

impl Codec {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// That of the file that begins so.
    pub fn sniff(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x1F, 0x8B, 8, ..] => Self::Gzip,
            // A frame, or one to be skipped.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Self::Zstd,
            // A block, or the end of a stream without any.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Self::Bzip2,
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [0x04, 0x22, 0x4D, 0x18, ..] => Self::Lz4,
            [0xFF, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Self::Snappy,
            _ => return None,
        })
    }

    fn decoder<'a>(self, source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(source)?;
                decoder.window_log_max(WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(MultiBzDecoder::new(source)),
            Self::Xz => Box::new(XzReader::new_mem_limit(source, true, WINDOW)),
            Self::Lz4 => Box::new(Lz4(FrameDecoder::new(BufReader::new(source)))),
            Self::Snappy => Box::new(snap::read::FrameDecoder::new(source)),
        })
    }

    /// Compresses what `write` writes.
    fn encode(
        self,
        out: &mut dyn Write,
        write: impl FnOnce(&mut dyn Write) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        let failed = FormatError::Write;
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::default());
                write(&mut encoder)?;
                encoder.finish().map_err(failed)?;
            }
            Self::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, 0).map_err(failed)?;
                encoder.include_checksum(true).map_err(failed)?;
                write(&mut encoder)?;
                encoder.finish().map_err(failed)?;
            }
            Self::Bzip2 => {
                let mut encoder = BzEncoder::new(out, bzip2::Compression::best());
                write(&mut encoder)?;
                encoder.finish().map_err(failed)?;
            }
            Self::Xz => {
                let mut encoder = XzWriter::new(out, XzOptions::with_preset(XZ_PRESET)).map_err(failed)?;
                write(&mut encoder)?;
                encoder.finish().map_err(failed)?;
            }
            Self::Lz4 => {
                let mut encoder = FrameEncoder::new(out);
                write(&mut encoder)?;
                encoder.finish().map_err(|error| failed(io::Error::other(error)))?;
            }
            Self::Snappy => {
                let mut encoder = snap::write::FrameEncoder::new(out);
                write(&mut encoder)?;
                encoder.into_inner().map_err(|error| failed(error.into_error()))?;
            }
        }
        Ok(())
    }
}

/// Treats the file within a compressed one.
pub fn scrub(
    codec: Codec,
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Job,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let (taken, given) = (Cell::new(0), Cell::new(0));
    let rule = job.on_unknown;
    let broken = |error: &io::Error| FormatError::Broken { format: codec.name(), why: error.to_string(), rule };
    let decoder = codec.decoder(Counted { source, taken: &taken }).map_err(|error| broken(&error))?;
    let mut inner = Bounded::new(decoder, codec.name(), &given, &taken, job);
    if job.actor.is_none() {
        return file(&mut inner, out, job, depth, summary);
    }
    codec.encode(out, |out| file(&mut inner, out, job, depth, summary))
}

/// Counts what is read. Its errors are those of the source, not of the format.
struct Counted<'a> {
    source: &'a mut dyn Read,
    taken: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => io::Error::new(kind, super::read_error(error)),
        })?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// What a decoder gives, as far as it is in proportion to what it takes.
pub struct Bounded<'a> {
    decoder: Box<dyn Read + 'a>,
    format: &'static str,
    given: &'a Cell<u64>,
    taken: &'a Cell<u64>,
    rule: Rule,
    expansion: u64,
}

impl<'a> Bounded<'a> {
    /// Of a decoder of this format; `given` and `taken` are the bytes so far.
    pub fn new(
        decoder: Box<dyn Read + 'a>,
        format: &'static str,
        given: &'a Cell<u64>,
        taken: &'a Cell<u64>,
        job: &Job,
    ) -> Self {
        Self { decoder, format, given, taken, rule: job.on_unknown, expansion: job.limits.expansion.max(1) }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted
                || matches!(error.get_ref(), Some(inner) if inner.is::<FormatError>())
            {
                return error;
            }
            let why = error.to_string();
            io::Error::other(FormatError::Broken { format: self.format, why, rule: self.rule })
        })?;
        self.given.set(self.given.get() + read as u64);
        if self.given.get() > FREE && self.given.get() / self.expansion > self.taken.get() {
            return Err(io::Error::other(FormatError::Limit(format!(
                "its {} gives more than {} times the bytes that it takes",
                self.format, self.expansion
            ))));
        }
        Ok(read)
    }
}

/// One frame after the other, as the command `lz4` reads them.
struct Lz4<R: Read>(FrameDecoder<BufReader<R>>);

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            if read > 0 || buffer.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
        }
    }
}

#[cfg(test)]
pub(super) fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(&mut out, |out| out.write_all(bytes).map_err(FormatError::Write)).unwrap();
    out
}

#[cfg(test)]
pub(super) fn unpack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.decoder(bytes).unwrap().read_to_end(&mut out).unwrap();
    out
}
