//! The codecs of blocks.

use std::io::{self, Read, Write as _};

use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::format::budget::Held;
use crate::format::compressed;
use crate::format::table::Fault;
use crate::format::{READ, Work};

/// What old writers of other things may leave behind the data of a deflated block, at most.
const BEHIND: usize = 4;

/// How the data of blocks is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Null,
    /// RFC 1951.
    Deflate,
    /// One block of Snappy, and a CRC-32 of the data.
    Snappy,
    Other(compressed::Codec),
}

/// The data of a block.
pub struct Opened {
    pub bytes: Vec<u8>,
    /// There was nothing else in the block.
    pub is_all: bool,
}

impl Codec {
    /// By what the header says.
    pub fn of(name: Option<&[u8]>) -> Result<Self, Fault> {
        Ok(match name {
            None | Some(b"" | b"null") => Self::Null,
            Some(b"deflate") => Self::Deflate,
            Some(b"snappy") => Self::Snappy,
            Some(b"zstandard") => Self::Other(compressed::Codec::Zstd),
            Some(b"bzip2") => Self::Other(compressed::Codec::Bzip2),
            Some(b"xz") => Self::Other(compressed::Codec::Xz),
            Some(_) => return Err(Fault::unknown("Avro of an unknown compression")),
        })
    }

    /// Opens the data of a block.
    pub fn open(self, stored: &[u8], work: &Work<'_>, held: &mut Held) -> Result<Opened, Fault> {
        match self {
            Self::Null => {
                work.take(stored.len() as u64)?;
                work.grow(held, stored.len() as u64)?;
                Ok(Opened { bytes: stored.to_vec(), is_all: true })
            }
            Self::Deflate => {
                let mut decoder = DeflateDecoder::new(stored);
                let bytes = bounded(&mut decoder, work, held)?;
                let behind = decoder.into_inner();
                if behind.len() > BEHIND {
                    return Err("there is something behind the data of a block".into());
                }
                // `fastavro` leaves the start of zlib's checksum there.
                let is_all = adler(&bytes).starts_with(behind);
                Ok(Opened { bytes, is_all })
            }
            Self::Snappy => {
                let (packed, sum) = stored.split_last_chunk::<4>().ok_or("a block is cut")?;
                let len = snap::raw::decompress_len(packed).map_err(|error| broken(&error))?;
                work.take(len as u64)?;
                if len as u64 > work.limits.chunk {
                    return Err(too_large(work));
                }
                work.grow(held, len as u64)?;
                let bytes = snap::raw::Decoder::new().decompress_vec(packed).map_err(|error| broken(&error))?;
                if crc(&bytes) != *sum {
                    return Err("the checksum of a block is wrong".into());
                }
                Ok(Opened { bytes, is_all: true })
            }
            Self::Other(codec) => {
                let take = work.windows(work.hold(0)?, 0);
                let mut decoder = codec.decoder(stored, take).map_err(|error| broken(&error))?;
                Ok(Opened { bytes: bounded(&mut decoder, work, held)?, is_all: !codec.hides(stored) })
            }
        }
    }

    /// The same, for a block that is written anew.
    pub fn pack(self, bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Null => Ok(bytes),
            Self::Deflate => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(Fault::write)
            }
            Self::Snappy => {
                let packed = snap::raw::Encoder::new().compress_vec(&bytes);
                let mut packed = packed.map_err(|error| Fault::write(io::Error::other(error)))?;
                packed.extend_from_slice(&crc(&bytes));
                Ok(packed)
            }
            Self::Other(codec) => codec.pack(&bytes).map_err(Fault::Other),
        }
    }
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// RFC 1950, section 8.
fn adler(bytes: &[u8]) -> [u8; 4] {
    let (mut a, mut b) = (1_u32, 0_u32);
    // As many as 32 bits can sum up.
    for part in bytes.chunks(5552) {
        for byte in part {
            a += u32::from(*byte);
            b += a;
        }
        (a, b) = (a % 65_521, b % 65_521);
    }
    (b << 16 | a).to_be_bytes()
}

fn broken(error: &impl std::fmt::Display) -> Fault {
    Fault::Broken(format!("a block cannot be opened: {error}"))
}

pub fn too_large(work: &Work<'_>) -> Fault {
    Fault::limit(format!("it has a block of more than {} bytes", work.limits.chunk))
}

/// All that a decoder gives.
fn bounded(decoder: &mut impl Read, work: &Work<'_>, held: &mut Held) -> Result<Vec<u8>, Fault> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; READ]);
    loop {
        let read = match decoder.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::decoder(error, "a block cannot be opened")),
        };
        work.take(read as u64)?;
        work.grow(held, read as u64)?;
        bytes.extend_from_slice(&buffer[..read]);
        if bytes.len() as u64 > work.limits.chunk {
            return Err(too_large(work));
        }
    }
}
