//! How well a model finds the names of texts that it was not trained on.

use scrub::tagger::{Tagged, Tagger};

use crate::doc::Doc;

/// Counts for one kind of name.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Names in the texts.
    pub names: usize,
    /// Names all of whose letters and digits are covered by findings of any kind.
    pub covered: usize,
    /// Findings of this kind.
    pub found: usize,
    /// Findings that touch a name of any kind.
    pub right: usize,
}

/// Counts for persons, places, organisations.
pub fn judge(tagger: &Tagger, docs: &[Doc], mut missed: impl FnMut(&str, &str)) -> [Kind; 3] {
    let mut kinds = [Kind::default(); 3];
    let mut found = Vec::new();
    for doc in docs {
        let text = doc.text();
        found.clear();
        tagger.tag(&text, &mut found);
        let names = doc.names();
        for &(start, end, kind, _) in &names {
            let counts = &mut kinds[usize::from(kind) - 1];
            counts.names += 1;
            if covered(&text, start, end, &found) {
                counts.covered += 1;
            } else {
                missed(&text[start..end], &text);
            }
        }
        for finding in &found {
            let Some(counts) = kinds.get_mut(finding.label as usize) else { continue };
            counts.found += 1;
            counts.right += usize::from(names.iter().any(|name| name.0 < finding.end && finding.start < name.1));
        }
    }
    kinds
}

fn covered(text: &str, start: usize, end: usize, found: &[Tagged]) -> bool {
    text[start..end].char_indices().filter(|(_, c)| c.is_alphanumeric()).all(|(at, _)| {
        let at = start + at;
        found.iter().any(|finding| finding.start <= at && at < finding.end)
    })
}

/// A line a kind.
pub fn print(title: &str, kinds: &[Kind; 3]) {
    for (kind, name) in kinds.iter().zip(["persons", "places", "organisations"]) {
        if kind.names > 0 || kind.found > 0 {
            println!(
                "{title:28} {name:14} n {:6}  R_cov {:6.2}  P_any {:6.2}",
                kind.names,
                100.0 * kind.covered as f64 / kind.names.max(1) as f64,
                100.0 * kind.right as f64 / kind.found.max(1) as f64
            );
        }
    }
}
