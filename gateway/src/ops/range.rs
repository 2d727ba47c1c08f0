//! `Range` as S3 reads it (RFC 9110 section 14, one range only).

use std::ops::Range;

/// What a `Range` header asks of a body of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// These bytes, never empty.
    Part(Range<u64>),
    /// Bytes that do not exist: 416.
    Unsatisfiable,
}

/// A parsed `Range` header, before the length is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spec {
    /// `bytes=a-` and `bytes=a-b`.
    From(u64, Option<u64>),
    /// `bytes=-n`.
    Last(u64),
}

impl Spec {
    /// Parses the header; none where S3 would ignore it.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, set) = header.trim().split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = set.trim().split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            // A number past u64 is past every object: as good as the largest.
            (digits && !text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.trim(), last.trim()) {
            ("", last) => number(last).map(Self::Last),
            (first, "") => number(first).map(|a| Self::From(a, None)),
            (first, last) => {
                let (a, b) = (number(first)?, number(last)?);
                (a <= b).then_some(Self::From(a, Some(b)))
            }
        }
    }

    /// Applies it to a body of `length` bytes.
    pub fn of(self, length: u64) -> Asked {
        match self {
            Self::From(a, _) if a >= length => Asked::Unsatisfiable,
            Self::From(a, b) => Asked::Part(a..b.map_or(length, |b| b.saturating_add(1).min(length))),
            Self::Last(0) => Asked::Unsatisfiable,
            Self::Last(_) if length == 0 => Asked::Unsatisfiable,
            Self::Last(n) => Asked::Part(length.saturating_sub(n)..length),
        }
    }
}

/// A range header of our own, for the bytes `range` (not empty).
pub fn header(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end.saturating_sub(1))
}

/// The total of a `Content-Range: bytes a-b/total`, and the first byte.
pub fn parse_content_range(value: &str) -> Option<(Range<u64>, u64)> {
    let (span, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let ((first, last), total) = (bounds(span)?, digits(total)?);
    (last < total).then(|| (first..last + 1, total))
}

/// First and last byte of `x-amz-copy-source-range: bytes=first-last`, which has no other form.
pub fn parse_copy_range(value: &str) -> Option<(u64, u64)> {
    bounds(value.strip_prefix("bytes=")?)
}

/// `first-last`, in order.
fn bounds(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (digits(first)?, digits(last)?);
    (first <= last).then_some((first, last))
}

/// Digits alone: `u64` would take a sign too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        assert_eq!(Spec::parse("bytes=0-4").map(|s| s.of(10)), Some(Asked::Part(0..5)));
        assert_eq!(Spec::parse("bytes=4-").map(|s| s.of(10)), Some(Asked::Part(4..10)));
        assert_eq!(Spec::parse("bytes=-3").map(|s| s.of(10)), Some(Asked::Part(7..10)));
        assert_eq!(Spec::parse("bytes=-30").map(|s| s.of(10)), Some(Asked::Part(0..10)));
        assert_eq!(Spec::parse("bytes=5-99999999999999999999999").map(|s| s.of(10)), Some(Asked::Part(5..10)));
    }

    #[test]
    fn nothing_there() {
        for (header, length) in
            [("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10), ("bytes=0-0", 0), ("bytes=-5", 0)]
        {
            assert_eq!(Spec::parse(header).map(|s| s.of(length)), Some(Asked::Unsatisfiable), "{header} of {length}");
        }
    }

    #[test]
    fn ignored() {
        for header in
            ["bytes=5-4", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=+1-2"]
        {
            assert_eq!(Spec::parse(header), None, "{header}");
        }
    }

    #[test]
    fn content_range() {
        assert_eq!(parse_content_range("bytes 0-4/10"), Some((0..5, 10)));
        for bad in [
            "bytes */10",
            "bytes 5-4/10",
            "bytes 0-10/10",
            "0-4/10",
            "bytes 0-18446744073709551615/0",
            "bytes +0-4/10",
            "bytes 0-4/+10",
        ] {
            assert_eq!(parse_content_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn copy_range() {
        assert_eq!(parse_copy_range("bytes=0-4"), Some((0, 4)));
        for bad in
            ["bytes=0-", "bytes=-4", "bytes=5-4", "bytes=+0-4", "bytes=0-+4", "bytes=0 - 4", "0-4", "bytes=0-4,6-7"]
        {
            assert_eq!(parse_copy_range(bad), None, "{bad}");
        }
    }
}
