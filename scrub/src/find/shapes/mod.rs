//! Identifiers of digits and letters, by their shape. One pass over the text stops at every digit, reads the groups of letters and digits from
//! there on with the single separators between them, and walks with their lengths down a tree of all shapes. What arrives at a shape whose
//! detector can be acted on (it needs no context, a context word is near, its separators say what it is) goes to the validator.
//!
//! Shapes of fewer than five characters, and those without a digit, are everywhere: they are looked for only beside a context word, first
//! behind it and then before it.
//!
//! A group ends where letters and digits end. An identifier is not part of something longer: no digits follow or precede it behind a hyphen,
//! a point or a plus, so not a decimal, a version, an UUID. Behind a space it may: three numbers stand in a row, and a card's expiry date
//! follows its number; but then its separators are no evidence.

mod group;
mod search;
mod shape;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::context::Evidence;
use crate::detector::{Detector, DetectorId, Find};
use crate::validate::Validator;

use super::{Candidate, Finder, Text};
pub(super) use group::{begins, ends, group_end};
use search::Search;
use shape::Shape;
use tree::{MOST, Set, Tree};

/// Shapes shorter than this are looked for only beside context words.
const SHORT: usize = 5;

/// Official separators of more types than this say nothing.
const SHARED: usize = 5;

/// Detectors of at most this score are known by the words beside them: their separators are no evidence.
const BY_CONTEXT: f32 = 0.1;

/// Makes the finder. Fails on a shape that cannot be read.
pub fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    Ok(Box::new(Shapes::new(detectors)?))
}

/// The finder.
pub struct Shapes {
    detectors: Vec<Compiled>,
    /// By [`DetectorId`]: the index in `detectors`, or none.
    by_id: Vec<Option<u16>>,
    /// Found at digits.
    tree: Tree,
    /// Found beside words.
    labelled: Tree,
    labels: Set,
}

struct Compiled {
    id: DetectorId,
    validator: Option<Validator>,
    score: f32,
}

impl Shapes {
    fn new(detectors: &[(DetectorId, &Detector)]) -> Result<Self, String> {
        if detectors.len() > MOST {
            return Err(format!("{} detectors with shapes, of which {MOST} are allowed", detectors.len()));
        }
        let mut finder = Self {
            detectors: Vec::new(),
            by_id: Vec::new(),
            tree: Tree::new(),
            labelled: Tree::new(),
            labels: Set::default(),
        };
        let mut read: Vec<(Vec<Shape>, u16)> = Vec::new();
        let mut types: BTreeMap<(Vec<u8>, Vec<u8>), BTreeSet<&str>> = BTreeMap::new();
        for (id, detector) in detectors {
            let Find::Shapes(shapes) = &detector.find else { continue };
            let index = finder.detectors.len() as u16;
            let mut all = Vec::new();
            for definition in shapes {
                all.extend(Shape::all(definition).map_err(|error| format!("{}: {error}", detector.name))?);
            }
            for shape in all.iter().filter(|shape| shape.official && detector.score > BY_CONTEXT) {
                types.entry((shape.groups.clone(), shape.separators.clone())).or_default().insert(&detector.kind);
            }
            read.push((all, index));
            finder.detectors.push(Compiled { id: *id, validator: detector.validator, score: detector.score });
            let slot = usize::from(id.0);
            if finder.by_id.len() <= slot {
                finder.by_id.resize(slot + 1, None);
            }
            finder.by_id[slot] = Some(index);
        }
        for (shapes, index) in read {
            let labelled = shapes.iter().any(|shape| shape.len() < SHORT || !shape.may_have_digit());
            let known_by_context = finder.detectors[usize::from(index)].score <= BY_CONTEXT;
            for shape in shapes {
                if labelled {
                    finder.labels.insert(index);
                    finder.labelled.add(&shape, index, false);
                } else {
                    let shared = types.get(&(shape.groups.clone(), shape.separators.clone())).map_or(0, BTreeSet::len);
                    let evident = shape.is_distinctive() && shared <= SHARED && !known_by_context;
                    finder.tree.add(&shape, index, evident);
                }
            }
        }
        Ok(finder)
    }

    fn search(
        &self,
        text: &Text<'_>,
        core: &Range<usize>,
        evidence: Option<&Evidence<'_>>,
        found: &mut Vec<Candidate>,
    ) {
        let mut alone = Set::default();
        for (index, detector) in self.detectors.iter().enumerate() {
            if evidence.is_none_or(|evidence| evidence.alone(detector.id)) {
                alone.insert(index as u16);
            }
        }
        let mut search = Search::new(self, text, alone, evidence, found);
        search.digits(core);
        if let Some(evidence) = evidence.filter(|_| !self.labels.is_empty()) {
            search.labelled(core, evidence);
        }
    }
}

impl Finder for Shapes {
    fn find(&self, text: &Text<'_>, core: Range<usize>, found: &mut Vec<Candidate>) {
        self.search(text, &core, None, found);
    }

    fn find_with(&self, text: &Text<'_>, core: Range<usize>, evidence: &Evidence<'_>, found: &mut Vec<Candidate>) {
        self.search(text, &core, Some(evidence), found);
    }
}
