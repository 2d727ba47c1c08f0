//! Names of persons, places and organisations, by the [`crate::tagger`].

use std::ops::Range;

use super::{Candidate, Finder};
use crate::detector::{Detector, DetectorId};
use crate::segment::MARGIN;
use crate::tagger::{Label, Tagger};

/// How far beyond a segment a sentence is followed, in bytes.
const SENTENCE: usize = 1024;

struct Names {
    /// By label: whose it is.
    served: Vec<(Label, DetectorId)>,
}

/// The finder of the labels that detectors ask for by their types.
pub(super) fn make(detectors: &[(DetectorId, &Detector)]) -> Result<Box<dyn Finder>, String> {
    let served = detectors
        .iter()
        .map(|(id, detector)| {
            let label = Label::ALL.into_iter().find(|label| label.name() == detector.kind);
            label.map(|label| (label, *id)).ok_or_else(|| format!("{}: no name is a {}", detector.name, detector.kind))
        })
        .collect::<Result<_, _>>()?;
    Ok(Box::new(Names { served }))
}

impl Finder for Names {
    fn find(&self, text: &str, core: Range<usize>, found: &mut Vec<Candidate>) {
        // From the start of the line in which the segment starts to the end of that in which it ends, as far as they are near.
        let from = text.floor_char_boundary(core.start.saturating_sub(SENTENCE));
        let from = text[from..core.start].rfind('\n').map_or(from, |at| from + at + 1);
        let to = text.ceil_char_boundary((core.end + SENTENCE).min(text.len()));
        let to = text[core.end..to].find('\n').map_or(to, |at| core.end + at);
        let mut tagged = Vec::new();
        Tagger::shipped().tag(&text[from..to], &mut tagged);
        for name in tagged {
            let Some((_, detector)) = self.served.iter().find(|(label, _)| *label == name.label) else { continue };
            if name.end - name.start <= MARGIN {
                // What the tagger takes for a name is acted on; how sure it is ranks it among others.
                let score = 0.5 + name.score / 2.0;
                let (start, end) = (from + name.start, from + name.end);
                found.push(Candidate { start, end, detector: *detector, score, evident: false });
            }
        }
    }

    /// Escapes are no letters: where they are undone every name can be read.
    fn only_innermost(&self) -> bool {
        true
    }
}
