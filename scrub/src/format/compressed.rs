//! Compressed files: opened, treated, and compressed again in the same format. Names and comments in their heads are not taken over.

use std::io::{self, BufRead, BufReader, Read, Write};

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use lzma_rust2::{XzOptions, XzReader, XzWriter};

use super::{FormatError, Summary, Work, file, warc};
use window::{Watched, Windows};

mod window;

/// What a decoder may keep of a file in memory, KiB: what the largest presets of the usual compressors ask for.
const WINDOW: u32 = 128 * 1024;
/// The binary logarithm of that in bytes.
const WINDOW_LOG: u32 = 27;
/// The same in bytes.
const LARGEST: u64 = 1 << WINDOW_LOG;
/// What a frame of Zstandard begins with that is not to be skipped.
const FRAME: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
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

    /// `take` is asked for the memory of each window before there is one.
    pub(super) fn decoder<'a>(
        self,
        source: impl Read + 'a,
        take: impl FnMut(u64) -> Result<(), FormatError> + 'a,
    ) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(source)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(Watched::new(self, source, take))?;
                decoder.window_log_max(WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(MultiBzDecoder::new(source)),
            Self::Xz => Box::new(XzReader::new_mem_limit(Watched::new(self, source, take), true, WINDOW)),
            Self::Lz4 => Box::new(Lz4::of(source)),
            Self::Snappy => Box::new(snap::read::FrameDecoder::new(source)),
        })
    }

    /// Bytes that opening a file takes, at least: what the usual presets ask for; and those of compressing it again.
    fn memory(self) -> (u64, u64) {
        match self {
            Self::Gzip | Self::Lz4 | Self::Snappy => (1 << 20, 1 << 20),
            Self::Bzip2 => (4 << 20, 8 << 20),
            Self::Zstd => (8 << 20, 8 << 20),
            // Matches are looked for in eleven times the window of the default preset.
            Self::Xz => (8 << 20, 96 << 20),
        }
    }

    /// Whether there may be more in it than what it gives: frames of Zstandard that are to be skipped hold anything.
    pub(super) fn hides(self, stored: &[u8]) -> bool {
        let mut rest = stored;
        while self == Self::Zstd && !rest.is_empty() {
            match zstd::zstd_safe::find_frame_compressed_size(rest) {
                Ok(len @ 1..) if len <= rest.len() && rest.starts_with(&FRAME) => rest = &rest[len..],
                _ => return true,
            }
        }
        false
    }

    /// Compresses bytes.
    pub(super) fn pack(self, bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
        let mut out = Vec::new();
        self.encode(&mut out, |out| out.write_all(bytes).map_err(FormatError::Write))?;
        Ok(out)
    }

    /// Compresses what `write` writes.
    pub fn encode(
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

/// Bytes at the start of a file that tell its first window.
const HEAD: u64 = 64;

/// Treats the file within a compressed one.
pub fn scrub(
    codec: Codec,
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let rule = job.on_unknown;
    let broken = |error: &io::Error| FormatError::Broken { format: codec.name(), why: error.to_string(), rule };
    let mut head = Vec::new();
    (&mut *source).take(HEAD).read_to_end(&mut head).map_err(super::read_error)?;
    let (opens, packs) = codec.memory();
    let packs = if job.actor.is_some() { packs } else { 0 };
    // What the first window takes is asked for at once with all else.
    let first = Windows::of(codec).push(&head).unwrap_or(0);
    let take = job.windows(job.hold(opens.max(first) + packs)?, packs);
    let source = &mut io::Cursor::new(head).chain(source);
    let decoder = codec.decoder(Apart(source), take).map_err(|error| broken(&error))?;
    let mut inner = Bounded::new(decoder, codec.name(), job);
    let mut head = Vec::new();
    (&mut inner).take(warc::MAGIC as u64).read_to_end(&mut head).map_err(super::read_error)?;
    let is_warc = warc::is_warc(&head);
    let mut inner = io::Cursor::new(head).chain(inner);
    // Each record is a member or a frame: so it can be read alone.
    if is_warc && matches!(codec, Codec::Gzip | Codec::Zstd) {
        return warc::scrub(Some(codec), &mut inner, out, job, depth + 1, summary);
    }
    if job.actor.is_none() {
        return file(&mut inner, out, job, depth, summary);
    }
    codec.encode(out, |out| file(&mut inner, out, job, depth, summary))
}

/// A source whose errors stay apart from those of the format, and are of a kind that no decoder takes for an end.
struct Apart<'a>(&'a mut dyn Read);

impl Read for Apart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(super::read_error(error)),
        })
    }
}

/// What a decoder gives, as far as it is in proportion to what it takes.
pub struct Bounded<'a> {
    decoder: Box<dyn Read + 'a>,
    format: &'static str,
    job: &'a Work<'a>,
}

impl<'a> Bounded<'a> {
    /// Of a decoder of this format.
    pub fn new(decoder: Box<dyn Read + 'a>, format: &'static str, job: &'a Work<'a>) -> Self {
        Self { decoder, format, job }
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
            io::Error::other(FormatError::Broken { format: self.format, why, rule: self.job.on_unknown })
        })?;
        self.job.take(read as u64).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// One frame after the other, as the command `lz4` reads them. The decoder takes an end of the source for the end of a frame, and goes on into a frame of other
/// blocks: so each has a decoder of its own, and its last bytes are looked at.
struct Lz4<R: Read>(Option<FrameDecoder<Frame<R>>>);

/// What is read of a frame.
struct Frame<R: Read> {
    /// What was read to know that there is one.
    begun: io::Cursor<Vec<u8>>,
    source: BufReader<R>,
    /// Its first bytes: the magic number and the flags.
    head: Vec<u8>,
    /// Its last eight.
    tail: [u8; 8],
}

/// Where the flags are, and which says that a checksum follows the mark of the end.
const FLAGS: usize = 4;
const CHECKSUM: u8 = 1 << 2;
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];

impl<R: Read> Read for Frame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match self.begun.read(buffer)? {
            0 => self.source.read(buffer)?,
            read => read,
        };
        for byte in &buffer[..read] {
            if self.head.len() <= FLAGS {
                self.head.push(*byte);
            }
            self.tail.rotate_left(1);
            self.tail[7] = *byte;
        }
        Ok(read)
    }
}

impl<R: Read> Lz4<R> {
    fn of(source: R) -> Self {
        Self::again(Vec::new(), BufReader::new(source))
    }

    fn again(begun: Vec<u8>, source: BufReader<R>) -> Self {
        let frame = Frame { begun: io::Cursor::new(begun), source, head: Vec::new(), tail: [0xFF; 8] };
        Self(Some(FrameDecoder::new(frame)))
    }
}

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = |why: &str| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        loop {
            let Some(decoder) = &mut self.0 else { return Ok(0) };
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut frame) = self.0.take().map(FrameDecoder::into_inner) else { return Ok(0) };
            let Some(flags) = frame.head.get(FLAGS) else { return broken("it ends in the head of a frame") };
            let mark = if flags & CHECKSUM == 0 { &frame.tail[4..] } else { &frame.tail[..4] };
            if mark != [0; 4] {
                return broken("it ends within a frame");
            }
            let mut next = [0; LZ4_MAGIC.len()];
            let ahead = frame.source.fill_buf()?;
            if ahead.is_empty() {
                return Ok(0);
            }
            // A frame's magic number may be cut by what is read ahead.
            let mut len = 0;
            while len < next.len() {
                match frame.source.read(&mut next[len..])? {
                    0 => return broken("there is something behind its last frame"),
                    read => len += read,
                }
            }
            if next != LZ4_MAGIC {
                return broken("there is something behind its last frame");
            }
            *self = Self::again(next.to_vec(), frame.source);
        }
    }
}

#[cfg(test)]
pub(super) fn pack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    codec.pack(bytes).unwrap()
}

#[cfg(test)]
pub(super) fn unpack(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.decoder(bytes, |_| Ok(())).unwrap().read_to_end(&mut out).unwrap();
    out
}
