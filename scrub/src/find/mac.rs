//! MAC addresses (IEEE 802 EUI-48): `00:1A:2B:3C:4D:5E`, `00-1a-…`, `001a.2b3c.4d5e`.

use std::ops::Range;

use crate::detector::{Detector, DetectorId};

use super::scan::{Served, Sure, before, byte, is_word};
use super::{Candidate, Finder, Text};

/// All of its forms.
pub struct Mac(Served);

/// Makes it.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Mac(Served::new(detectors))))
}

impl Finder for Mac {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        let to = bytes.len().min(core.end + 4);
        let mut passed = 0;
        for at in memchr::memchr3_iter(b':', b'-', b'.', &bytes[core.start..to]).map(|at| at + core.start) {
            let (group, count) = if bytes[at] == b'.' { (4, 3) } else { (2, 6) };
            let Some(start) = at.checked_sub(group).filter(|start| *start >= passed) else { continue };
            let Some(end) = address(bytes, start, bytes[at], group, count) else { continue };
            passed = end;
            let range = start..end;
            let letter = bytes[range.clone()].iter().any(u8::is_ascii_alphabetic);
            let same =
                bytes[range.clone()].iter().filter(|byte| byte.is_ascii_hexdigit()).all(|byte| *byte == bytes[start]);
            // Digits alone with dashes or dots are numbers of other kinds too; all zeros and all ones name no one.
            let sure = if same || (!letter && bytes[at] != b':') { Sure::Weak(0.3) } else { Sure::Form };
            self.0.add(text, range, sure, found);
        }
    }
}

/// The end of `count` groups of `group` hexadecimal digits at `start`.
fn address(bytes: &[u8], start: usize, separator: u8, group: usize, count: usize) -> Option<usize> {
    let prior = before(bytes, start);
    if is_word(prior) || prior == separator {
        return None;
    }
    let end = start + count * (group + 1) - 1;
    let address = bytes.get(start..end)?;
    let formed = address
        .iter()
        .enumerate()
        .all(|(index, byte)| if index % (group + 1) == group { *byte == separator } else { byte.is_ascii_hexdigit() });
    let next = byte(bytes, end);
    let longer = is_word(next) || (next == separator && byte(bytes, end + 1).is_ascii_hexdigit());
    (formed && !longer).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::super::scan::tests::sure;

    #[test]
    fn forms() {
        for address in ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e", "00:11:22:33:44:55"] {
            assert_eq!(sure("mac", &format!("if {address}.")), [address]);
        }
        for text in [
            "00:1A:2B:3C:4D:5E:6F",
            "1234.5678.9012",
            "00:00:00:00:00:00",
            "12:34:56",
            "20-10-11-12-13-14",
            "x00:1A:2B:3C:4D:5E",
        ] {
            assert!(sure("mac", text).is_empty(), "{text}");
        }
    }
}
