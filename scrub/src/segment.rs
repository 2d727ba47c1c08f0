//! Where a stream is cut into segments: by its content alone, so that the result cannot depend on how its bytes arrived.

/// A segment ends behind the first line end at or after this many bytes.
pub const SOFT: usize = 16 * 1024;

/// A segment without a line end there ends here.
pub const HARD: usize = 64 * 1024;

/// Bytes on both sides of a segment that detection sees too. A finding belongs to the segment where it starts, and so is at most this long.
pub const MARGIN: usize = 4 * 1024;

/// The length of the segment at the start of `bytes`, or none when more bytes are needed to say so.
pub fn length(bytes: &[u8], last: bool) -> Option<usize> {
    if bytes.len() > SOFT {
        let reach = bytes.len().min(HARD);
        if let Some(at) = memchr::memchr(b'\n', &bytes[SOFT - 1..reach]) {
            return Some(SOFT + at);
        }
        if reach == HARD {
            return Some(HARD);
        }
    }
    (last && !bytes.is_empty()).then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_ends_at_a_line_end_or_at_the_hard_cut() {
        let mut bytes = vec![b'a'; HARD + 10];
        assert_eq!(length(&bytes, false), Some(HARD));
        bytes[SOFT - 2] = b'\n';
        assert_eq!(length(&bytes, false), Some(HARD));
        bytes[SOFT - 1] = b'\n';
        assert_eq!(length(&bytes, false), Some(SOFT));
        bytes[SOFT - 1] = b'a';
        bytes[SOFT + 5] = b'\n';
        assert_eq!(length(&bytes, false), Some(SOFT + 6));
        assert_eq!(length(&bytes[..SOFT + 5], false), None);
        assert_eq!(length(&bytes[..SOFT + 5], true), Some(SOFT + 5));
        assert_eq!(length(b"", true), None);
    }
}
