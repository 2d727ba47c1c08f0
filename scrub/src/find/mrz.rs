//! Machine-readable zones: lines of one length with `<<` in one of them.

use std::ops::Range;

use memchr::memmem;

use crate::detector::{Detector, DetectorId};

use super::{Candidate, Finder, Text};

/// Lengths of lines (ICAO Doc 9303) and how many of them make a zone.
const FORMS: [(usize, usize); 3] = [(44, 2), (36, 2), (30, 3)];

/// Makes the finder.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let detectors = detectors.iter().map(|(id, detector)| (*id, (*detector).clone())).collect();
    Ok(Box::new(Zones { detectors }))
}

struct Zones {
    detectors: Vec<(DetectorId, Detector)>,
}

impl Finder for Zones {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        let bytes = text.as_bytes();
        // The last line of a zone may be the first with `<<` in it.
        let to = (core.end + 2 * 46).min(bytes.len());
        let mut at = core.start;
        while let Some(offset) = memmem::find(&bytes[at..to], b"<<") {
            let line = line(bytes, at + offset);
            at = line.end.max(at + offset + 2).min(to);
            let Some((_, count)) = FORMS.iter().find(|(length, _)| *length == line.len()) else { continue };
            for before in 0..*count {
                let Some(zone) = zone(bytes, line.clone(), before, *count) else { continue };
                let valid = |(_, detector): &&(DetectorId, Detector)| {
                    detector.validator.is_none_or(|validator| validator(&text[zone.clone()]))
                };
                let mut any = false;
                for (id, detector) in self.detectors.iter().filter(valid) {
                    let (start, end, score) = (zone.start, zone.end, detector.score);
                    found.push(Candidate { start, end, detector: *id, score, evident: false });
                    any = true;
                }
                if any {
                    at = zone.end.max(at).min(to);
                    break;
                }
            }
        }
    }
}

const fn is_place(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}

/// The line that `at` is in, as far as it can belong to a zone; longer ones are cut.
fn line(bytes: &[u8], at: usize) -> Range<usize> {
    let before = bytes[..at].iter().rev().take(45).take_while(|byte| is_place(**byte)).count();
    let behind = bytes[at..].iter().take(45).take_while(|byte| is_place(**byte)).count();
    at - before..at + behind
}

/// `count` lines of the length of `line`, of which it is the one with `before` lines before it.
fn zone(bytes: &[u8], first: Range<usize>, before: usize, count: usize) -> Option<Range<usize>> {
    let length = first.len();
    let (mut start, mut end) = (first.start, first.end);
    for _ in 0..before {
        let gap = bytes[..start].iter().rev().take(3).take_while(|byte| byte.is_ascii_whitespace()).count();
        let previous = line(bytes, (start - gap).checked_sub(1)?);
        if gap == 0 || previous.len() != length {
            return None;
        }
        start = previous.start;
    }
    for _ in before + 1..count {
        let gap = bytes[end..].iter().take(3).take_while(|byte| byte.is_ascii_whitespace()).count();
        if gap == 0 || end + gap >= bytes.len() {
            return None;
        }
        let next = line(bytes, end + gap);
        if next.len() != length {
            return None;
        }
        end = next.end;
    }
    Some(start..end)
}
