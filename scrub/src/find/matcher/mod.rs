//! Where literals stand in a text: the step before expressions and parsers, behind one trait, so that a faster engine can take it over.

#[cfg(any(test, not(feature = "vectorscan")))]
mod portable;
#[cfg(feature = "vectorscan")]
mod vectorscan;

use std::ops::Range;

/// A text that is looked for. Not empty, at most [`LONGEST`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// UTF-8, compared byte for byte.
    pub text: String,
    /// Compared without the case of ASCII.
    pub fold: bool,
}

/// The longest literal, in bytes.
pub const LONGEST: usize = 128;

/// A literal that stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Its index in the list from which the matcher was made.
    pub literal: u32,
    /// Offset of its first byte.
    pub start: u32,
}

/// Finds literals. Time is linear in the text; every implementation gives the same hits.
pub trait Literals: Send + Sync {
    /// Adds every place in `text` where a literal starts within `starts`, overlapping ones too, in any order. Texts are below 4 GiB.
    fn hits(&self, text: &[u8], starts: Range<usize>, hits: &mut Vec<Hit>);
}

/// Which implementation this build uses.
pub const IN_USE: &str = if cfg!(feature = "vectorscan") { "vectorscan" } else { "portable" };

/// A matcher of this build.
pub fn new(literals: &[Literal]) -> Result<Box<dyn Literals>, String> {
    if let Some(wrong) = literals.iter().find(|literal| !(1..=LONGEST).contains(&literal.text.len())) {
        return Err(format!("literal {:?}: 1 to {LONGEST} bytes are expected", wrong.text));
    }
    #[cfg(feature = "vectorscan")]
    return Ok(Box::new(vectorscan::Database::new(literals)?));
    #[cfg(not(feature = "vectorscan"))]
    Ok(Box::new(portable::Table::new(literals)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    use super::*;
    use crate::detector::Find;

    /// By definition: every literal is compared at every place.
    fn naive(literals: &[Literal], text: &[u8], starts: Range<usize>) -> Vec<Hit> {
        let mut hits = Vec::new();
        for start in starts {
            for (index, literal) in literals.iter().enumerate() {
                let same = text.get(start..start + literal.text.len()).is_some_and(|found| {
                    if literal.fold {
                        found.eq_ignore_ascii_case(literal.text.as_bytes())
                    } else {
                        found == literal.text.as_bytes()
                    }
                });
                if same {
                    hits.push(Hit { literal: index as u32, start: start as u32 });
                }
            }
        }
        hits.sort_unstable();
        hits
    }

    fn found(matcher: &dyn Literals, text: &[u8], starts: Range<usize>) -> Vec<Hit> {
        let mut hits = Vec::new();
        matcher.hits(text, starts, &mut hits);
        hits.sort_unstable();
        hits
    }

    fn literals() -> impl Strategy<Value = Vec<Literal>> {
        let text = prop_oneof!["[abAB_]{1,6}", "[a-z]{3,12}", Just("aaaa".to_owned()), Just("://".to_owned())];
        proptest::collection::vec((text, any::<bool>()).prop_map(|(text, fold)| Literal { text, fold }), 0..12)
    }

    proptest! {
        #[test]
        fn every_implementation_finds_what_is_there(
            literals in literals(),
            text in "[abAB_:/]{0,40}|[a-z]{0,60}|\\PC{0,40}",
            picks in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
            cut in any::<(proptest::sample::Index, proptest::sample::Index)>(),
        ) {
            let mut text = text.into_bytes();
            if !literals.is_empty() {
                for pick in picks {
                    text.extend_from_slice(literals[pick.index(literals.len())].text.as_bytes());
                }
            }
            let (a, b) = (cut.0.index(text.len() + 1), cut.1.index(text.len() + 1));
            for starts in [0..text.len(), a.min(b)..a.max(b)] {
                let expected = naive(&literals, &text, starts.clone());
                prop_assert_eq!(&found(&portable::Table::new(&literals), &text, starts.clone()), &expected);
                prop_assert_eq!(&found(&*new(&literals).unwrap(), &text, starts), &expected);
            }
        }
    }

    #[test]
    fn the_literals_of_the_built_in_detectors_are_found_in_their_examples() {
        let detectors = crate::builtin::detectors();
        let text: String = detectors.iter().flat_map(|detector| &detector.examples).map(String::as_str).collect();
        let literals: Vec<_> = detectors
            .iter()
            .filter_map(|detector| match &detector.find {
                Find::Pattern { pattern, literals } => Some((pattern.starts_with("(?i)"), literals)),
                _ => None,
            })
            .flat_map(|(fold, literals)| literals.iter().map(move |text| Literal { text: text.clone(), fold }))
            .collect();
        let hits = found(&portable::Table::new(&literals), text.as_bytes(), 0..text.len());
        assert_eq!(hits, naive(&literals, text.as_bytes(), 0..text.len()));
        assert_eq!(hits, found(&*new(&literals).unwrap(), text.as_bytes(), 0..text.len()));
    }

    #[test]
    fn a_literal_that_is_empty_or_too_long_is_refused() {
        for text in [String::new(), "a".repeat(LONGEST + 1)] {
            assert!(new(&[Literal { text, fold: false }]).is_err());
        }
    }
}
