//! Overlapping findings become their union. Resolution chooses the label, never the extent.

use std::ops::Range;

use compact_str::CompactString;

use crate::act::Strategy;
use crate::detector::DetectorId;
use crate::finding::Kind;

/// Whether the end of a finding was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is where its range ends.
    Seen,
    /// It reached the end of what was seen of the stream, and goes on for as long as characters of a token follow.
    Token,
    /// It is a block that goes on in the next segment.
    Block,
}

/// A finding in the source with all that is needed to act on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Bytes from the start of the stream.
    pub range: Range<u64>,
    /// What it is.
    pub kind: Kind,
    /// Whose it is.
    pub detector: DetectorId,
    /// 0 to 1.
    pub score: f32,
    /// What is to be done with it.
    pub strategy: Strategy,
    /// What stands in its place when nothing else overlaps it, encoded for where it stands.
    pub replacement: CompactString,
    /// The label in its place, encoded likewise.
    pub label: CompactString,
    /// Whether its end was seen.
    pub end: End,
    /// It is the next part of the block that the segment before ended in.
    pub continued: bool,
}

impl Piece {
    /// Whether its label is to stand for a union with `other`.
    fn leads(&self, other: &Self) -> bool {
        let key = |piece: &Self| (piece.score, piece.range.end - piece.range.start);
        let (mine, others) = (key(self), key(other));
        mine.0.total_cmp(&others.0).then(mine.1.cmp(&others.1)).then(other.kind.cmp(&self.kind)).is_gt()
    }

    /// Becomes the union with `other`, which overlaps it and does not start before it.
    pub(crate) fn unite(&mut self, other: Self) {
        let union = self.range.start..self.range.end.max(other.range.end);
        // The next part of a block knows whether the block goes on.
        let end = if other.continued || other.range.end == union.end && other.end != End::Seen {
            other.end
        } else if self.range.end == union.end {
            self.end
        } else {
            other.end
        };
        let continued = self.continued || other.continued;
        let strictest =
            if other.strategy.strictness() > self.strategy.strictness() { other.strategy } else { self.strategy };
        let first = std::mem::replace(self, other);
        let (lead, follower) = if self.leads(&first) { (&*self, &first) } else { (&first, &*self) };
        // One that is as large as the union and has the strictest strategy is acted on as if it were alone, when it keeps nothing of the
        // value or both keep the same. What a replacement of a part says is not true of the whole, and what a mask or a generalization keeps
        // may be what the other covers: there stands the label.
        let same = lead.range == follower.range && lead.replacement == follower.replacement;
        let alone = [lead, follower]
            .into_iter()
            .find(|piece| piece.range == union && piece.strategy == strictest && (same || !strictest.keeps_some()));
        let (strategy, replacement) = match (strictest, alone) {
            (Strategy::Drop | Strategy::Block, _) => (strictest, CompactString::default()),
            (_, Some(piece)) => (strictest, piece.replacement.clone()),
            (_, None) => (Strategy::Label, lead.label.clone()),
        };
        *self = Self { range: union, strategy, replacement, end, continued, ..lead.clone() };
    }
}

/// The unions of pieces, in order of their start.
pub fn merge(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.sort_by(|a, b| {
        (a.range.start, std::cmp::Reverse(a.range.end), a.detector).cmp(&(
            b.range.start,
            std::cmp::Reverse(b.range.end),
            b.detector,
        ))
    });
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if piece.range.start < last.range.end => last.unite(piece),
            _ => merged.push(piece),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy as _, any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// A text in which every character is another one, none of which stands in a label.
    fn text() -> String {
        ('\u{100}'..).take(60).collect()
    }

    /// What a strategy makes of a value, plainly: a mask leaves its end, a generalization its start.
    fn replacement(strategy: Strategy, value: &[char]) -> String {
        match strategy {
            Strategy::Mask => {
                let kept = if value.len() >= 8 { 4 } else { 0 };
                let covered = value.len() - kept;
                "*".repeat(covered) + &value[covered..].iter().collect::<String>()
            }
            Strategy::Generalize => value[..value.len() / 2].iter().collect(),
            Strategy::Drop | Strategy::Block => String::new(),
            other => format!("<{other}>"),
        }
    }

    fn piece(start: usize, len: usize, strategy: Strategy, score: f32, kind: u16) -> Piece {
        let value: Vec<_> = text().chars().skip(start).take(len).collect();
        Piece {
            range: start as u64..(start + len) as u64,
            kind: Kind(kind),
            detector: DetectorId(kind),
            score,
            strategy,
            replacement: replacement(strategy, &value).into(),
            label: format!("<label {kind}>").into(),
            end: End::Seen,
            continued: false,
        }
    }

    fn pieces() -> impl proptest::strategy::Strategy<Value = Vec<Piece>> {
        let piece = (0_usize..44, 1_usize..16, 0_usize..Strategy::ALL.len(), 0_u8..4, 0_u16..3).prop_map(
            |(start, len, strategy, score, kind)| {
                piece(start, len, Strategy::ALL[strategy], f32::from(score) / 4.0, kind)
            },
        );
        proptest::collection::vec(piece, 1..9)
    }

    proptest! {
        #[test]
        fn no_byte_survives_but_what_every_strategy_over_it_keeps(pieces in pieces()) {
            let text: Vec<_> = text().chars().collect();
            for union in merge(pieces.clone()) {
                for (at, character) in text.iter().enumerate() {
                    if !union.replacement.contains(*character) {
                        continue;
                    }
                    for piece in pieces.iter().filter(|piece| piece.range.contains(&(at as u64))) {
                        prop_assert!(piece.replacement.contains(*character), "{piece:?} in {union:?}");
                    }
                    prop_assert!(union.range.contains(&(at as u64)), "{union:?}");
                }
            }
        }

        #[test]
        fn unions_cover_all_and_nothing_else_and_take_the_strictest(pieces in pieces()) {
            let unions = merge(pieces.clone());
            prop_assert!(unions.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
            for at in 0..60 {
                let covered = pieces.iter().any(|piece| piece.range.contains(&at));
                prop_assert_eq!(unions.iter().any(|union| union.range.contains(&at)), covered);
            }
            for union in &unions {
                let within = || pieces.iter().filter(|piece| union.range.contains(&piece.range.start));
                let strictest = within().map(|piece| piece.strategy.strictness()).max().unwrap();
                prop_assert!(union.strategy.strictness() >= strictest);
                prop_assert!(union.strategy.strictness() == strictest || union.strategy == Strategy::Label);
                prop_assert!(within().any(|piece| (piece.kind, piece.detector, piece.score) == (union.kind, union.detector, union.score)));
            }
        }

        #[test]
        fn the_order_of_pieces_with_other_places_does_not_matter(pieces in pieces(), turn in any::<proptest::sample::Index>()) {
            let mut pieces = pieces;
            pieces.sort_by_key(|piece| (piece.range.start, piece.range.end, piece.detector));
            pieces.dedup_by_key(|piece| (piece.range.start, piece.range.end, piece.detector));
            let merged = merge(pieces.clone());
            let turn = turn.index(pieces.len());
            pieces.rotate_left(turn);
            prop_assert_eq!(merge(pieces), merged);
        }
    }

    #[test]
    fn overlapping_masks_are_a_label() {
        let merged = merge(vec![piece(0, 20, Strategy::Mask, 0.9, 0), piece(14, 6, Strategy::Mask, 0.5, 1)]);
        assert_eq!((merged.len(), merged[0].replacement.as_str()), (1, "<label 0>"));
        let same = merge(vec![piece(0, 20, Strategy::Mask, 0.9, 0), piece(0, 20, Strategy::Mask, 0.5, 1)]);
        assert_eq!(same[0].replacement, piece(0, 20, Strategy::Mask, 0.9, 0).replacement);
    }
}
