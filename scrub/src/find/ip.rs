//! IP addresses: version 4 (dotted quads) and version 6 (every form of RFC 4291, section 2.2, zones of RFC 4007), with a prefix length.

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, back, before, byte, holds, is_word, run, run_back, word_before};
use super::{Candidate, Finder, Text};

/// `192.0.2.1`, `192.0.2.0/24`.
pub struct V4(Served);

/// Makes it.
pub fn make_v4(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(V4(Served::new(detectors))))
}

impl Finder for V4 {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start;
        let mut numbers = text.numbers_apart(core);
        while let Some(Range { start, end: first }) = numbers.next(from) {
            if byte(bytes, first) != b'.' {
                from = first;
                continue;
            }
            // The whole of the digits and single dots: five numbers are no address.
            let mut end = start;
            let mut dots = 0;
            loop {
                end = run(bytes, end, bytes.len(), |byte| byte.is_ascii_digit());
                if byte(bytes, end) != b'.' || !byte(bytes, end + 1).is_ascii_digit() {
                    break;
                }
                dots += 1;
                end += 1;
            }
            from = end;
            if dots == 3
                && let Some(sure) = quad(text, start, end)
            {
                self.0.add(text, start..prefixed(bytes, end, 32), sure, found);
            }
        }
    }
}

fn quad(text: &str, start: usize, end: usize) -> Option<Sure> {
    let bytes = text.as_bytes();
    let mut address = [0; 4];
    let mut padded = false;
    for (part, value) in text[start..end].split('.').zip(&mut address) {
        if part.len() > 3 {
            return None;
        }
        *value = part.parse::<u8>().ok()?;
        padded |= part.len() > 1 && part.starts_with('0');
    }
    let (prior, next) = (before(bytes, start), byte(bytes, end));
    if is_word(prior) || is_word(next) || (prior == b'.' && before(bytes, start - 1).is_ascii_digit()) {
        return None;
    }
    // This host, all hosts and masks name no one, and logs are full of them.
    let nobody = matches!(address, [127 | 255, ..] | [0, 0, 0, 0]);
    // `==1.2.3.4`, `~> 1.2.3.4`, `^1.2.3.4` of package managers.
    let operator = before(bytes, start.saturating_sub(1));
    let requirement =
        matches!(prior, b'~' | b'^') || (prior == b'=' && matches!(operator, b'=' | b'>' | b'<' | b'~' | b'!'));
    let file = (next == b'.' || next == b'-') && byte(bytes, end + 1).is_ascii_alphabetic();
    let product = prior == b'/' && before(bytes, start - 1).is_ascii_alphabetic();
    if nobody || padded || requirement || file || product || is_versioned(text, start) {
        return Some(Sure::Weak(0.3));
    }
    Some(Sure::Form)
}

/// Whether what stands before `start` says that a number of a version or a section follows.
fn is_versioned(text: &str, start: usize) -> bool {
    let near = back(text, start, 20);
    let word = word_before(text, start, |byte| matches!(byte, b' ' | b':' | b'"' | b'='));
    holds(near, "version")
        || ["v", "ver", "release", "section", "chapter", "clause", "figure", "table", "appendix", "build", "oid", "rev"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
        || near.ends_with("§ ")
        || near.ends_with('§')
}

/// Behind the prefix length that follows at `end`, at most `most`.
fn prefixed(bytes: &[u8], end: usize, most: u32) -> usize {
    if byte(bytes, end) != b'/' {
        return end;
    }
    let to = run(bytes, end + 1, 4, |byte| byte.is_ascii_digit());
    let length = std::str::from_utf8(&bytes[end + 1..to]).ok().and_then(|digits| digits.parse::<u32>().ok());
    if length.is_some_and(|length| length <= most) && !is_word(byte(bytes, to)) { to } else { end }
}

/// `2001:db8::1`, `fe80::1%eth0`, `::ffff:192.0.2.1`, `2001:db8::/32`.
pub struct V6(Served);

/// Makes it.
pub fn make_v6(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(V6(Served::new(detectors))))
}

impl Finder for V6 {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let mut from = core.start;
        // An address that starts in the core has a colon within four digits of its start.
        let to = bytes.len().min(core.end + 4);
        while let Some(colon) = memchr::memchr(b':', &bytes[from.min(to)..to]).map(|at| from + at) {
            let start = run_back(text, colon, 5, |byte| byte.is_ascii_hexdigit()).max(from.min(colon));
            let end = run(bytes, colon, 64, |byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            from = end.max(colon + 1);
            // The end of a sentence or of a key is no part of it.
            let trimmed = text[start..end].trim_end_matches('.');
            let address = if trimmed.ends_with("::") { trimmed } else { trimmed.trim_end_matches(':') };
            let prior = before(bytes, start);
            let end = start + address.len();
            if address.len() < 2 || is_word(prior) || matches!(prior, b':' | b'.') || is_word(byte(bytes, end)) {
                continue;
            }
            let Some(value) =
                address.parse::<Ipv6Addr>().ok().filter(|_| address.len() > 2 || byte(bytes, end) == b'/')
            else {
                continue;
            };
            let zoned = if byte(bytes, end) == b'%' {
                let to =
                    run(bytes, end + 1, 16, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
                if to > end + 1 { to } else { end }
            } else {
                end
            };
            let whole = prefixed(bytes, zoned, 128);
            self.0.add(text, start..whole, likely(address, value, whole > end), found);
        }
    }
}

/// `a::b` of source code and `::` are addresses too.
fn likely(address: &str, value: Ipv6Addr, more: bool) -> Sure {
    if value.is_loopback() || value.is_unspecified() {
        return Sure::Weak(if more { 0.4 } else { 0.3 });
    }
    let groups = address.split(':').filter(|group| !group.is_empty());
    let count = groups.clone().count();
    let full = !address.contains("::");
    // 00:11:22:33:44:55:66:77 is an EUI-64 or a fingerprint.
    if full && groups.clone().all(|group| group.len() == 2) {
        return Sure::Weak(0.3);
    }
    let digits = address.bytes().any(|byte| byte.is_ascii_digit());
    let first = value.segments()[0];
    let allocated = matches!(first, 0x2000..=0x3FFF | 0xFC00..=0xFDFF | 0xFE80..=0xFEBF | 0xFF00..=0xFFFF)
        && groups.clone().next().is_some_and(|group| group.len() == 4);
    let mapped = address.contains('.');
    if full || more || mapped || (allocated && (digits || count >= 3)) || (count >= 4 && digits) {
        Sure::Form
    } else {
        Sure::Weak(0.4)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::{found, sure};

    #[test]
    fn version_4() {
        for (text, address) in [
            ("from 192.0.2.1.", "192.0.2.1"),
            ("198.51.100.7:8080", "198.51.100.7"),
            ("net 10.0.0.0/8,", "10.0.0.0/8"),
            ("ip=203.0.113.9", "203.0.113.9"),
            ("8.8.8.8", "8.8.8.8"),
            ("http://203.0.113.9/x", "203.0.113.9"),
        ] {
            assert_eq!(sure("ipv4", text), [address], "{text}");
        }
        for text in [
            "1.2.3.4.5",
            "256.1.1.1",
            "version 1.2.3.4",
            "v1.2.3.4",
            "AssemblyVersion(\"1.0.0.0\")",
            "x==1.2.3.4",
            "255.255.255.0",
            "127.0.0.1",
            "1.2.3",
            "OID 1.3.6.1.4.1",
            "a-1.2.3.4.jar",
            "Section 2.1.3.4",
            "Foo/1.2.3.4",
            "1.2.3.4b1",
            "1234.1.1.1",
        ] {
            assert!(sure("ipv4", text).is_empty(), "{text}: {:?}", found("ipv4", text));
        }
    }

    /// RFC 4291, section 2.2.
    #[test]
    fn version_6() {
        for address in [
            "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
            "2001:DB8:0:0:8:800:200C:417A",
            "2001:DB8::8:800:200C:417A",
            "FF01::101",
            "0:0:0:0:0:0:13.1.68.3",
            "::FFFF:129.144.52.38",
            "2001:0DB8:0:CD30::/60",
            "fe80::1%eth0",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert_eq!(sure("ipv6", &format!("at [{address}], ok")), [address], "{address}");
        }
        for text in [
            "std::fmt",
            "f32::EPSILON",
            "12:34:56",
            "ab::cd",
            "00:11:22:33:44:55",
            "::",
            "a::b::c",
            "x::1",
            "00:11:22:33:44:55:66:77",
            "::1",
            "0xab:1",
        ] {
            assert!(sure("ipv6", text).is_empty(), "{text}: {:?}", found("ipv6", text));
        }
    }
}
