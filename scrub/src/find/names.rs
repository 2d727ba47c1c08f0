//! Names of persons, places and organisations, by the [`crate::tagger`].

use std::ops::Range;

use super::{Candidate, Finder, Text};
use crate::detector::{Detector, DetectorId};
use crate::segment::MARGIN;
use crate::tagger::{Label, Tagger};

/// How far beyond a segment a sentence is followed, in bytes.
const SENTENCE: usize = 1024;

/// The longest rest of an address behind a name in its local part, in bytes.
const ADDRESS: usize = 64;

/// Units of what logs and code count.
const UNITS: &[&str] = &[
    "ns", "us", "µs", "ms", "s", "sec", "min", "h", "hr", "b", "B", "kb", "kB", "KB", "KiB", "mb", "MB", "MiB", "gb",
    "GB", "GiB", "tb", "TB", "TiB", "bit", "bits", "byte", "bytes", "px", "pt", "em", "fps", "rps", "Hz", "kHz", "MHz",
    "GHz", "mm", "cm", "m", "km", "mi", "ft", "g", "kg", "mg", "lb", "lbs", "oz", "ml", "l", "kW", "kWh", "rows",
];

/// The type of a place that is only a number.
const POSTCODE: &str = "POSTCODE";

struct Names {
    /// By label: whose it is.
    served: Vec<(Label, DetectorId)>,
    /// Whose a place without a letter is.
    postcode: Option<DetectorId>,
}

/// The finder of the labels that detectors ask for by their types.
pub(super) fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let postcode = detectors.iter().find(|(_, detector)| detector.kind == POSTCODE).map(|(id, _)| *id);
    let served = detectors
        .iter()
        .filter(|(_, detector)| detector.kind != POSTCODE)
        .map(|(id, detector)| {
            let label = Label::ALL.into_iter().find(|label| label.name() == detector.kind);
            label.map(|label| (label, *id)).ok_or_else(|| format!("{}: no name is a {}", detector.name, detector.kind))
        })
        .collect::<Result<_, _>>()?;
    Ok(Box::new(Names { served, postcode }))
}

impl Finder for Names {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        // A segment may end inside of a character.
        let core = text.floor_char_boundary(core.start)..text.ceil_char_boundary(core.end.min(text.len()));
        // From the start of the line in which the segment starts to the end of that in which it ends, as far as they are near.
        let from = text.floor_char_boundary(core.start.saturating_sub(SENTENCE));
        let from = text[from..core.start].rfind('\n').map_or(from, |at| from + at + 1);
        let to = text.ceil_char_boundary((core.end + SENTENCE).min(text.len()));
        let to = text[core.end..to].find('\n').map_or(to, |at| core.end + at);
        let mut tagged = Vec::new();
        Tagger::shipped().tag(&text[from..to], &mut tagged);
        for name in tagged {
            let (mut start, end) = (from + name.start, from + name.end);
            if is_of_code(text, start, end) {
                continue;
            }
            if name.label == Label::Location {
                let Some(behind) = behind_measures(&text[start..end]) else { continue };
                start += behind;
            }
            // A lone postcode keeps what its type keeps; as a part of a place it is treated with it.
            let number = name.label == Label::Location && !text[start..end].contains(char::is_alphabetic);
            let detector = self
                .postcode
                .filter(|_| number)
                .or_else(|| self.served.iter().find(|(label, _)| *label == name.label).map(|(_, detector)| *detector));
            let Some(detector) = detector else { continue };
            // What the tagger takes for a name is acted on; how sure it is ranks it among names, below what was validated.
            let score = 0.5 + name.score * 0.25;
            // Of an address, the words before its local part are no part.
            let near = text.floor_char_boundary((end + ADDRESS).min(to)).max(end);
            let word = text[end..near].find(char::is_whitespace).map_or(near, |at| end + at);
            if let Some(at) = text[start..word].find('@').map(|at| start + at) {
                start = text[start..at]
                    .rfind(char::is_whitespace)
                    .map_or(start, |gap| text.ceil_char_boundary(start + gap + 1));
            }
            start = start.min(text.floor_char_boundary(end - 1));
            // A name longer than any finding may be is found in parts.
            while start < end {
                let part = text.floor_char_boundary(end.min(start + MARGIN));
                found.push(Candidate { start, end: part, detector, score, evident: false });
                start = part;
            }
        }
    }

    /// Escapes are no letters: where they are undone every name can be read.
    fn only_innermost(&self) -> bool {
        true
    }
}

/// Where a place begins behind the measures that it is taken to begin with: `415 ms, 776531` is no house in a street. None where nothing but small
/// words is left.
fn behind_measures(words: &str) -> Option<usize> {
    let mut rest = words;
    loop {
        // `in 415 ms`
        let (small, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        let particle = small.len() <= 3 && small.bytes().all(|byte| byte.is_ascii_lowercase());
        let from = if particle { behind } else { rest };
        let number = from.trim_start_matches(|letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ','));
        let unit = number.trim_start_matches(' ');
        let end = unit.find(|letter: char| !letter.is_alphabetic()).unwrap_or(unit.len());
        if number.len() == from.len() || !UNITS.contains(&&unit[..end]) {
            break;
        }
        rest = unit[end..].trim_start_matches([' ', ',', ';', '/']);
    }
    let behind = words.len() - rest.len();
    (behind == 0 || rest.contains(char::is_uppercase)).then_some(behind)
}

/// Whether what stands there is a sign of a program or a formula: `S.Reals`, `from sympy import`.
fn is_of_code(text: &str, start: usize, end: usize) -> bool {
    if text[start..end].len() == 1 && text[end..].starts_with('.') && !text[end..].starts_with(". ") {
        return true;
    }
    // `>>> from`
    let begins = |word: &str| {
        text[..start].strip_suffix(word).is_some_and(|before| {
            let before = before.trim_end_matches([' ', '>', '.']);
            before.is_empty() || before.ends_with('\n')
        })
    };
    let imports = || {
        let mut words = text[end..].splitn(3, ' ');
        words.next().is_some_and(|rest| !rest.contains('\n')) && words.next() == Some("import")
    };
    begins("import ") || begins("from ") && imports()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::policy::Policy;
    use crate::segment::HARD;
    use crate::{Engine, builtin};

    /// All finders, where a hard cut falls inside of a character.
    #[test]
    fn segments_may_end_inside_a_character() {
        let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
        for shift in 0..4 {
            let text = format!("{}{} maria@example.com called.", "a".repeat(shift), "\u{4e2d}\u{e9}".repeat(HARD / 2));
            assert!(!engine.detect(text.as_bytes()).is_empty(), "{shift}");
        }
    }

    #[test]
    fn measures_are_no_places() {
        let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
        for text in [
            "took 415 ms, 776531 rows",
            "job 7 finished in 12 mi, 55 left",
            "job 31854779 finished in 415 ms, 776531 rows",
            "12.5 GB in 3 s",
        ] {
            assert_eq!(engine.detect(text.as_bytes()), [], "{text}");
        }
        for (place, behind) in
            [("415 ms, 77 rows", None), ("415 ms, 12 Main St", Some(8)), ("415 Main", Some(0)), ("77653", Some(0))]
        {
            assert_eq!(super::behind_measures(place), behind, "{place}");
        }
    }

    #[test]
    fn signs_of_programs_are_no_names() {
        for (text, name, is) in [
            ("    >>> 5 in S.Reals", "S", true),
            ("Dear S. Smith", "S", false),
            (">>> from paris import berlin", "paris", true),
            ("from paris.abc import x", "paris", true),
            ("import paris", "paris", true),
            ("They came from paris to import wine", "paris", false),
            ("from paris they import wine", "paris", false),
        ] {
            let start = text.find(name).unwrap();
            assert_eq!(super::is_of_code(text, start, start + name.len()), is, "{text}");
        }
    }

    /// A run of letters where a name stands is no shorter than a finding may be.
    #[test]
    fn names_longer_than_a_finding_are_found_in_parts() {
        let engine = Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap());
        let name = format!("Jo{}", "o".repeat(3 * crate::segment::MARGIN));
        let text = format!("Dear Mr {name} Smith,\n\nMr {name} Smith lives in Boston.");
        let found = engine.detect(text.as_bytes());
        let start = text.find(&name).unwrap() as u64;
        let covered = |at: u64| found.iter().any(|finding| finding.start <= at && at < finding.end);
        assert!((start..start + name.len() as u64).all(covered), "{found:?}");
    }
}
