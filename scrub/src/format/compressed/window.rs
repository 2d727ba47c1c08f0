//! How much memory each frame of Zstandard and each block of xz asks for, seen in what a decoder reads before it does: any of them may ask for more than the first.

use std::io::{self, Read};

use super::super::FormatError;
use super::{Codec, FRAME, LARGEST};

/// The first bytes of a stream of xz, of its head and of its end, both of as many bytes.
const XZ_MAGIC: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];
const XZ_HEAD: usize = 12;
/// What a field of the format of .xz files is a multiple of.
const ROUND: u64 = 4;
/// The number of LZMA2 among filters.
const LZMA2: u64 = 0x21;

/// A source of a decoder.
pub struct Watched<R, F> {
    source: R,
    windows: Windows,
    take: F,
}

impl<R, F> Watched<R, F> {
    /// `take` is asked for the bytes of a window before the decoder sees that it is to have one.
    pub fn new(codec: Codec, source: R, take: F) -> Self {
        Self { source, windows: Windows::of(codec), take }
    }
}

impl<R: Read, F: FnMut(u64) -> Result<(), FormatError>> Read for Watched<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if let Some(window) = self.windows.push(&buffer[..read]) {
            (self.take)(window).map_err(io::Error::other)?;
        }
        Ok(read)
    }
}

/// What stands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    // Zstandard: RFC 8878, section 3.1.
    Magic,
    Descriptor,
    Header,
    Block,
    Skipped,
    // The format of .xz files, sections 2 to 4.
    Start,
    Stream,
    BlockSize,
    BlockHeader,
    Chunk,
    Sizes,
    Index,
    /// No window is asked for, or it is no such format: the decoder finds that too.
    Nothing,
}

/// Follows a file from part to part.
#[derive(Debug)]
pub struct Windows {
    part: Part,
    /// The bytes of the part so far, and how many it has.
    bytes: Vec<u8>,
    need: usize,
    /// Bytes to go by before it.
    skip: u64,
    /// A checksum follows the last block of the frame; how long that of a block of xz is.
    check: u64,
    /// Bytes of the chunks of a block of xz so far, or of its index.
    len: u64,
    /// Numbers of the index that are still to come; none: that of its records is.
    numbers: Option<u64>,
}

impl Windows {
    /// Of a file that begins.
    pub fn of(codec: Codec) -> Self {
        let part = match codec {
            Codec::Zstd => Part::Magic,
            Codec::Xz => Part::Start,
            _ => Part::Nothing,
        };
        Self { part, bytes: Vec::new(), need: 4, skip: 0, check: 0, len: 0, numbers: None }
    }

    /// Takes the next bytes: the largest window that they ask for.
    pub fn push(&mut self, mut bytes: &[u8]) -> Option<u64> {
        let mut most = None;
        while !bytes.is_empty() && self.part != Part::Nothing {
            if self.skip > 0 {
                let by = self.skip.min(bytes.len() as u64);
                self.skip -= by;
                bytes = &bytes[by as usize..];
                continue;
            }
            self.bytes.push(bytes[0]);
            bytes = &bytes[1..];
            if self.bytes.len() < self.need {
                continue;
            }
            let part = std::mem::take(&mut self.bytes);
            match self.step(&part) {
                // What cannot be read may ask for anything.
                None => {
                    self.part = Part::Nothing;
                    most = Some(LARGEST);
                }
                Some(window) => most = most.max(window.map(|window| window.min(LARGEST))),
            }
        }
        most
    }

    /// The next part has so many bytes, behind those that are skipped.
    fn next(&mut self, part: Part, need: usize, skip: u64) {
        (self.part, self.need, self.skip) = (part, need, skip);
    }

    /// Goes behind a part: the window that it asks for; an outer none: it is no such part.
    #[expect(clippy::option_option, reason = "what cannot be read is told from what asks for nothing")]
    fn step(&mut self, part: &[u8]) -> Option<Option<u64>> {
        match self.part {
            Part::Magic if part == FRAME => self.next(Part::Descriptor, 1, 0),
            Part::Magic if matches!(part, [0x50..=0x5F, 0x2A, 0x4D, 0x18]) => self.next(Part::Skipped, 4, 0),
            Part::Skipped => self.next(Part::Magic, 4, u32::from_le_bytes(*part.first_chunk()?).into()),
            Part::Descriptor => {
                self.check = if part[0] & 4 == 0 { 0 } else { 4 };
                self.next(Part::Header, header_len(part[0]), 0);
                // It is read as a whole.
                self.bytes.push(part[0]);
                self.need += 1;
            }
            Part::Header => {
                self.next(Part::Block, 3, 0);
                return Some(Some(zstd_window(part)?));
            }
            Part::Block => {
                let header = u32::from_le_bytes([part[0], part[1], part[2], 0]);
                let (is_last, kind, size) = (header & 1 == 1, header >> 1 & 3, u64::from(header >> 3));
                let size = match kind {
                    0 | 2 => size,
                    1 => 1,
                    _ => return None,
                };
                if is_last {
                    self.next(Part::Magic, 4, size + self.check);
                } else {
                    self.next(Part::Block, 3, size);
                }
            }
            // What fills up the end of a stream.
            Part::Start if part == [0; 4] => {}
            Part::Start => {
                self.next(Part::Stream, XZ_HEAD, 0);
                self.bytes.extend_from_slice(part);
            }
            Part::Stream if part.starts_with(&XZ_MAGIC) => {
                self.check = match part[7] & 0xF {
                    0 => 0,
                    kind => 4 << ((kind - 1) / 3),
                };
                self.next(Part::BlockSize, 1, 0);
            }
            Part::BlockSize if part == [0] => {
                (self.len, self.numbers) = (1, None);
                self.next(Part::Index, 1, 0);
            }
            Part::BlockSize => {
                self.next(Part::BlockHeader, (usize::from(part[0]) + 1) * 4, 0);
                self.bytes.extend_from_slice(part);
            }
            Part::BlockHeader => {
                self.len = 0;
                self.next(Part::Chunk, 1, 0);
                return Some(Some(xz_window(part)?));
            }
            Part::Chunk => {
                self.len += 1;
                match part[0] {
                    0 => self.next(Part::BlockSize, 1, self.len.next_multiple_of(ROUND) - self.len + self.check),
                    1 | 2 => self.next(Part::Sizes, 2, 0),
                    // With properties or without.
                    0xC0.. => self.next(Part::Sizes, 5, 0),
                    0x80.. => self.next(Part::Sizes, 4, 0),
                    _ => return None,
                }
            }
            Part::Sizes => {
                // The last one is what is stored.
                let size = u64::from(u16::from_be_bytes(*part[..part.len().min(4)].last_chunk()?)) + 1;
                self.len += part.len() as u64 + size;
                self.next(Part::Chunk, 1, size);
            }
            Part::Index => self.index(part)?,
            Part::Magic | Part::Stream | Part::Nothing => return None,
        }
        Some(None)
    }

    /// One number of the index: how many records there are, of two each, and those.
    fn index(&mut self, part: &[u8]) -> Option<()> {
        if part.last()? & 0x80 != 0 {
            self.need += 1;
            self.bytes.extend_from_slice(part);
            return (part.len() < 9).then_some(());
        }
        self.len += part.len() as u64;
        let left = match self.numbers {
            None => number(&mut &*part)?.checked_mul(2)?,
            Some(left) => left - 1,
        };
        self.numbers = Some(left);
        self.need = 1;
        if left == 0 {
            // Its checksum, and the end of the stream.
            let padding = self.len.next_multiple_of(ROUND) - self.len;
            self.next(Part::Start, 4, padding + 4 + XZ_HEAD as u64);
        }
        Some(())
    }
}

/// Bytes of a frame's header behind its descriptor.
fn header_len(descriptor: u8) -> usize {
    let single = descriptor & 0x20 != 0;
    let size = match descriptor >> 6 {
        0 => usize::from(single),
        log => 1 << log,
    };
    usize::from(!single) + [0, 1, 2, 4][usize::from(descriptor & 3)] + size
}

/// The window that a frame asks for, of its descriptor and what follows: RFC 8878, section 3.1.1.1.
fn zstd_window(header: &[u8]) -> Option<u64> {
    let descriptor = *header.first()?;
    if descriptor & 0x20 == 0 {
        let window = *header.get(1)?;
        let base = 1_u64 << (10 + u32::from(window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The whole is one segment, of a length that is told behind the number of a dictionary.
    let at = 1 + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let len = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..len].copy_from_slice(header.get(at..)?.get(..len)?);
    Some(u64::from_le_bytes(size).saturating_add(if len == 2 { 256 } else { 0 }))
}

/// The dictionary that LZMA2 asks for in a block, of its header: the format of .xz files, sections 3.1 and 5.3.1.
fn xz_window(header: &[u8]) -> Option<u64> {
    let flags = *header.get(1)?;
    // Behind are the sizes that it may tell, and the filters.
    let mut rest = header.get(2..)?;
    for _ in 0..(flags >> 6).count_ones() {
        number(&mut rest)?;
    }
    let mut window = 0_u64;
    for _ in 0..=flags & 3 {
        let (filter, size) = (number(&mut rest)?, number(&mut rest)?);
        let (properties, behind) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        rest = behind;
        if filter == LZMA2 {
            let bits = u64::from(*properties.first()?);
            window += if bits < 40 { (2 | bits & 1) << (bits / 2 + 11) } else { u64::from(u32::MAX) };
        }
    }
    Some(window)
}

/// A number of seven bits a byte.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7F) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::num::NonZeroU64;

    use lzma_rust2::{XzOptions, XzWriter};

    use super::super::pack;
    use super::*;

    /// Windows that a file asks for, seen in pieces of so many bytes.
    fn windows(codec: Codec, bytes: &[u8], piece: usize) -> Vec<u64> {
        let mut windows = Windows::of(codec);
        bytes.chunks(piece).filter_map(|piece| windows.push(piece)).collect()
    }

    fn xz(preset: u32, block: Option<u64>, text: &[u8]) -> Vec<u8> {
        let mut options = XzOptions::with_preset(preset);
        options.set_block_size(block.and_then(NonZeroU64::new));
        let mut writer = XzWriter::new(Vec::new(), options).unwrap();
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn zstd(log: u32, text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.include_checksum(log.is_multiple_of(2)).unwrap();
        encoder.write_all(text).unwrap();
        encoder.flush().unwrap();
        encoder.finish().unwrap()
    }

    /// What does not compress, and what does.
    fn text() -> Vec<u8> {
        let mut state = 1;
        let chance = (0..100_000).map(|_| crate::format::table::tests::random(&mut state) as u8);
        chance.chain(std::iter::repeat_n(7, 300_000)).chain(*b"a text").collect()
    }

    #[test]
    fn every_frame_tells_its_window() {
        let text = text();
        let frames = [
            zstd(20, &text),
            [&[0x51, 0x2A, 0x4D, 0x18, 5, 0, 0, 0][..], b"\x28\xB5\x2F\xFD\0"].concat(),
            zstd(11, b"x"),
            zstd::bulk::compress(&vec![7; 70_000], 3).unwrap(),
            zstd(27, &text),
            zstd::bulk::compress(b"short", 3).unwrap(),
        ];
        let expected = [1 << 20, 1 << 11, 70_000, 1 << 27, 5];
        assert_eq!(windows(Codec::Zstd, &frames.concat(), 1), expected);
        assert_eq!(windows(Codec::Zstd, &frames.concat(), usize::MAX), [1 << 27]);
        // What nobody may ask for is not taken either: the decoder refuses it.
        assert_eq!(windows(Codec::Zstd, &[0x28, 0xB5, 0x2F, 0xFD, 0, 0xFF], 1), [LARGEST]);
    }

    #[test]
    fn every_block_of_xz_tells_its_window() {
        let text = text();
        // Blocks are not smaller than the dictionary.
        let block = 1 << 18;
        let streams = [xz(1, None, &text), xz(0, Some(block), &text), vec![0; 8], xz(1, None, b""), xz(9, None, &text)];
        let blocks = text.len().div_ceil(block as usize);
        assert!(blocks > 1);
        let expected = [&[1 << 20][..], &vec![block; blocks], &[64 << 20]].concat();
        let windows = windows(Codec::Xz, &streams.concat(), 1);
        assert_eq!(windows, expected);
    }

    #[test]
    fn other_formats_ask_for_nothing_more() {
        for codec in [Codec::Gzip, Codec::Bzip2, Codec::Lz4, Codec::Snappy] {
            assert!(windows(codec, &pack(codec, b"a text"), 1).is_empty(), "{codec:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), at in 0_usize..60) {
            for (codec, source) in [(Codec::Zstd, zstd(12, b"a text")), (Codec::Xz, xz(0, None, b"a text"))] {
                let source = [&source[..at.min(source.len())], &bytes].concat();
                for window in windows(codec, &source, 7) {
                    assert!(window <= LARGEST);
                }
            }
        }
    }
}
