//! The streaming core: bytes in, in any cut; findings and scrubbed bytes out.

use std::sync::Arc;

use crate::act::{Actor, Strategy};
use crate::block::Blocks;
use crate::engine::Engine;
use crate::find::{Header, is_of_token};
use crate::finding::{Finding, Kind};
use crate::merge::{End, Piece, merge};
use crate::segment::{self, MARGIN};

/// A union longer than this is labelled before its end is seen, so that it need not be held.
const HELD: u64 = 64 * 1024;

/// Where the results of a [`Scrubber`] go.
pub trait Sink {
    /// The next scrubbed bytes; unless [`Self::replaced`] is taken apart, those of replacements too.
    fn bytes(&mut self, bytes: &[u8]);
    /// In the place of the next bytes of the stream, `source`, stands `replacement`; none where they are further ones of what was replaced last.
    /// Together with [`Self::bytes`] this tells of every byte of the stream once, in order.
    fn replaced(&mut self, _source: &[u8], replacement: Option<&str>, _kind: Kind) {
        if let Some(replacement) = replacement {
            self.bytes(replacement.as_bytes());
        }
    }
    /// The next finding, in order of its place; its bytes came or come in the same call.
    fn finding(&mut self, finding: Finding);
}

/// Keeps all results in memory, for texts that are held anyway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// The scrubbed text.
    pub bytes: Vec<u8>,
    /// What was found in it, in order.
    pub findings: Vec<Finding>,
}

impl Sink for Collected {
    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The text holds a type that the policy blocks. What came out before is not to be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} was found, which the policy blocks")]
pub struct Blocked {
    /// The type.
    pub kind: String,
}

/// Takes one stream through an engine. Memory: a segment, its margins and what overlaps its end, about 200 KiB at the most; and while a segment
/// is treated its views and where their words and numbers are, at most 4 MiB where every second character is an escape.
pub struct Scrubber {
    engine: Arc<Engine>,
    actor: Actor,
    /// From the left margin of the next segment on, or from the start of the open union if that is before.
    buffer: Vec<u8>,
    /// Where the buffer starts in the stream.
    base: u64,
    /// Where the next segment starts in the stream.
    segment: u64,
    /// Up to where the stream was written or replaced.
    written: u64,
    open: Option<Open>,
    blocks: Blocks,
    /// The columns of the table that the stream is, by its first line.
    header: Option<Header>,
    /// Only the findings are wanted, so none of them blocks.
    observes: bool,
}

/// A union that what follows may still extend.
struct Open {
    piece: Piece,
    /// Its replacement was written: it is longer than is held.
    begun: bool,
}

impl Scrubber {
    /// At the start of a stream.
    pub fn new(engine: Arc<Engine>, actor: Actor) -> Self {
        Self {
            engine,
            actor,
            buffer: Vec::new(),
            base: 0,
            segment: 0,
            written: 0,
            open: None,
            blocks: Blocks::default(),
            header: None,
            observes: false,
        }
    }

    /// At the start of a stream of which only the findings are wanted: it never ends in [`Blocked`].
    pub fn observer(engine: Arc<Engine>) -> Self {
        Self { observes: true, ..Self::new(engine, Actor::observer()) }
    }

    /// From where on places of the stream may still be told, but for [`Self::open_from`].
    pub(crate) fn held_from(&self) -> u64 {
        self.base.min(self.written)
    }

    /// Where the finding starts that may still be extended.
    pub(crate) fn open_from(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.piece.range.start)
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Blocked> {
        // In pieces, so that the buffer stays small whatever is pushed.
        for piece in bytes.chunks(segment::HARD) {
            self.buffer.extend_from_slice(piece);
            self.advance(false, sink)?;
        }
        Ok(())
    }

    /// Up to where the stream is treated: no finding that is still to come starts before.
    pub fn settled(&self) -> u64 {
        self.open.as_ref().map_or(self.segment, |open| open.piece.range.start.min(self.segment))
    }

    /// Takes a whole text, for one that is held anyway.
    ///
    /// # Errors
    /// A type that the policy blocks was found.
    pub fn whole(mut self, text: &[u8]) -> Result<Collected, Blocked> {
        let mut collected = Collected::default();
        self.push(text, &mut collected)?;
        self.finish(&mut collected)?;
        Ok(collected)
    }

    /// Ends the stream.
    pub fn finish(mut self, sink: &mut impl Sink) -> Result<(), Blocked> {
        self.advance(true, sink)
    }

    /// Treats the segments that are complete with their margins.
    fn advance(&mut self, last: bool, sink: &mut impl Sink) -> Result<(), Blocked> {
        loop {
            let start = (self.segment - self.base) as usize;
            let Some(len) = segment::length(&self.buffer[start..], last) else { return Ok(()) };
            let end = start + len;
            if !last && self.buffer.len() < end + MARGIN {
                return Ok(());
            }
            self.treat(start, end, last, sink)?;
        }
    }

    /// Treats the segment at `start..end` of the buffer.
    fn treat(&mut self, start: usize, end: usize, last: bool, sink: &mut impl Sink) -> Result<(), Blocked> {
        let to = self.buffer.len().min(end + MARGIN);
        let from = start.saturating_sub(MARGIN);
        let last = last && to == self.buffer.len();
        let window = &self.buffer[from..to];
        let core = start - from..end - from;
        let base = self.base + from as u64;
        if self.segment == 0 {
            self.header = self.engine.header(window);
        }
        let mut pieces = self.engine.pieces(&self.actor, window, &core, base, last, self.header.as_ref());
        pieces.extend(self.engine.blocks(&mut self.blocks, window, &core, base, last));
        let blocks = |piece: &&Piece| piece.strategy == Strategy::Block && !self.observes;
        if let Some(blocked) = pieces.iter().filter(blocks).min_by_key(|piece| piece.range.start) {
            return Err(Blocked { kind: self.engine.kinds().name(blocked.kind).to_owned() });
        }
        self.run_on(to, last);
        for piece in merge(pieces) {
            match &mut self.open {
                Some(open) if piece.range.start < open.piece.range.end || piece.continued => open.piece.unite(piece),
                _ => {
                    self.close(sink);
                    self.open = Some(Open { piece, begun: false });
                }
            }
        }
        self.segment = self.base + end as u64;
        let done = |piece: &Piece| last && end == to || piece.range.end <= self.segment && piece.end == End::Seen;
        if self.open.as_ref().is_some_and(|open| done(&open.piece)) {
            self.close(sink);
        } else if self
            .open
            .as_ref()
            .is_some_and(|Open { piece, .. }| piece.end != End::Seen || piece.range.end - piece.range.start > HELD)
        {
            self.begin(sink);
        }
        let free = match &self.open {
            Some(open) if !open.begun => open.piece.range.start,
            Some(_) => self.written,
            None => self.segment,
        };
        self.copy(free.min(self.segment), sink);
        let keep = self.segment.saturating_sub(MARGIN as u64).min(self.written).max(self.base);
        self.buffer.drain(..(keep - self.base) as usize);
        self.base = keep;
        Ok(())
    }

    /// Extends the open union over the characters of a token that follow it, up to `to` in the buffer.
    fn run_on(&mut self, to: usize, last: bool) {
        let Some(Open { piece, .. }) = self.open.as_mut().filter(|open| open.piece.end == End::Token) else { return };
        let from = (piece.range.end - self.base) as usize;
        let more = self.buffer[from..to].iter().take_while(|byte| is_of_token(**byte)).count();
        piece.range.end += more as u64;
        if from + more < to || last {
            piece.end = End::Seen;
        }
    }

    /// Writes the replacement of the open union, if it was not.
    fn begin(&mut self, sink: &mut impl Sink) {
        let Some(open) = &mut self.open else { return };
        let (start, end) = (open.piece.range.start, open.piece.range.end);
        let (replacement, kind) = (std::mem::take(&mut open.piece.replacement), open.piece.kind);
        let first = !std::mem::replace(&mut open.begun, true);
        if first {
            self.copy(start, sink);
        }
        let end = end.max(self.written);
        let source = &self.buffer[(self.written - self.base) as usize..(end - self.base) as usize];
        if first || !source.is_empty() {
            sink.replaced(source, first.then_some(&*replacement), kind);
        }
        self.written = end;
    }

    /// Ends the open union.
    fn close(&mut self, sink: &mut impl Sink) {
        self.begin(sink);
        if let Some(Open { piece, .. }) = self.open.take() {
            let Piece { range, kind, detector, score, .. } = piece;
            sink.finding(Finding { start: range.start, end: range.end, kind, detector, score });
        }
    }

    /// Writes the stream as it is, up to `end`.
    fn copy(&mut self, end: u64, sink: &mut impl Sink) {
        if end > self.written {
            let range = (self.written - self.base) as usize..(end - self.base) as usize;
            sink.bytes(&self.buffer[range]);
            self.written = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy as _;

    use super::*;
    use crate::policy::Policy;
    use crate::segment::{HARD, SOFT};
    use crate::{builtin, detector};

    fn engine() -> Arc<Engine> {
        let toml = r#"
            [[detector]]
            name = "badge"
            type = "BADGE"
            pattern = 'EMP-[0-9]{6}'
            literals = ["EMP-"]
            score = 0.6
            max_length = 10
            examples = ["EMP-004711"]
            counter_examples = ["EMP-47"]
            [[detector]]
            name = "token"
            type = "TOKEN"
            pattern = 'sk_[a-z0-9-]{4,}'
            literals = ["sk_"]
            score = 0.9
            max_length = 4096
            examples = ["sk_abcd"]
            counter_examples = ["sk_a"]
            [[detector]]
            name = "weak"
            type = "WEAK"
            pattern = '[0-9]{6}'
            context = ["badge"]
            score = 0.2
            max_length = 6
            strategy = "mask"
            examples = ["badge 123456"]
            counter_examples = ["123456"]
        "#;
        Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap())
    }

    fn scrub(engine: &Arc<Engine>, chunks: &[&[u8]]) -> Collected {
        let mut result = Collected::default();
        let mut scrubber = Scrubber::new(Arc::clone(engine), Actor::default());
        for chunk in chunks {
            scrubber.push(chunk, &mut result).unwrap();
        }
        scrubber.finish(&mut result).unwrap();
        result
    }

    #[test]
    fn findings_are_replaced() {
        let result = scrub(&engine(), &[b"He is EMP-004711, badge 123456, not 123456 or sk_", b"abcdef."]);
        assert_eq!(String::from_utf8_lossy(&result.bytes), "He is <BADGE>, badge ******, not ****** or <TOKEN>.");
        assert_eq!(result.findings.len(), 4);
        assert_eq!((result.findings[0].start, result.findings[0].end), (6, 16));
    }

    #[test]
    fn context_reaches_thirty_characters() {
        let near = format!("badge{}123456", " ".repeat(30));
        assert_eq!(scrub(&engine(), &[near.as_bytes()]).findings.len(), 1);
        let far = format!("badge{}123456", " ".repeat(31));
        assert_eq!(scrub(&engine(), &[far.as_bytes()]).findings.len(), 0);
    }

    #[test]
    fn a_token_longer_than_any_window_is_replaced_to_its_end() {
        for length in [100, MARGIN, HARD, 5 * HARD] {
            for before in [0, SOFT - 50, HARD - 3] {
                let text = format!("{}sk_{} tail", "x ".repeat(before / 2), "ab".repeat(length / 2));
                let result = scrub(&engine(), &[text.as_bytes()]);
                let text = String::from_utf8(result.bytes).unwrap();
                assert!(
                    text.ends_with("<TOKEN> tail"),
                    "{length} {before}: {}",
                    &text[text.len().saturating_sub(60)..]
                );
                assert_eq!(result.findings.len(), 1);
            }
        }
    }

    /// The names of columns are in the first line, rows in every segment.
    #[test]
    fn the_columns_of_a_table_hold_to_its_end() {
        let detectors = builtin::detectors().into_iter().filter(|detector| detector.name == "field_person").collect();
        let engine = Arc::new(Engine::new(detectors, &Policy::default()).unwrap());
        let row = |index: usize| format!("{index},john,{}\n", "x".repeat(index % 50));
        let text = format!("id,first_name,note\n{}", (0..6000).map(row).collect::<String>());
        let whole = scrub(&engine, &[text.as_bytes()]);
        assert_eq!(whole.findings.len(), 6000);
        for size in [1, 7, SOFT, HARD + 1] {
            assert_eq!(scrub(&engine, &text.as_bytes().chunks(size).collect::<Vec<_>>()), whole);
        }
    }

    /// A column whose name is a context word speaks for what is in it, as the word would beside it.
    #[test]
    fn the_names_of_columns_are_context() {
        let far = "x".repeat(40);
        let row = |index: usize| format!("{index},{far},123456,{far},123456\n");
        for (names, count) in [("id,a,Badge,b,c", 3000), ("id,a,badgeNumber,b,other_badge", 6000), ("id,a,b,c,d", 0)] {
            let text = format!("{names}\n{}odd,{far},123456\n", (0..3000).map(row).collect::<String>());
            let whole = scrub(&engine(), &[text.as_bytes()]);
            assert_eq!(whole.findings.len(), count, "{names}");
            for size in [1, 7, SOFT, HARD + 1] {
                assert_eq!(scrub(&engine(), &text.as_bytes().chunks(size).collect::<Vec<_>>()), whole);
            }
        }
    }

    fn texts() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => Just("EMP-004711".to_owned()),
            3 => Just("badge 123456".to_owned()),
            1 => Just("\n".to_owned()),
            2 => (1_usize..9000).prop_map(|n| format!("sk_{}", "a7-".repeat(n / 3))),
            2 => (1_usize..20_000).prop_map(|n| "word ".repeat(n / 5)),
            1 => (1_usize..70_000).prop_map(|n| "y".repeat(n)),
            1 => Just("\u{e9}\u{4e2d}".to_owned()),
        ];
        (proptest::collection::vec(piece, 1..24), any::<bool>()).prop_map(|(pieces, invalid)| {
            let mut bytes = pieces.concat().into_bytes();
            if invalid {
                bytes.push(0xE9);
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// With every detector that is built in, over a table and prose.
        #[test]
        fn findings_do_not_depend_on_the_cut(rows in proptest::collection::vec(0_usize..6, 1..400), cut in any::<prop::sample::Index>()) {
            const ROWS: [&str; 6] = [
                "1,Ann,078051120,call 781 5991\n", "2,,,\"He was born on 5/10/1963, a 45-year-old Swede\"\n", "plain words without anything\n",
                "see https://example.com/a and john@example.com from 192.0.2.1 or +49 30 1234567\n", "\"patient_name\": \"Bob\", ssn: 078-05-1120\n", "word word word ",
            ];
            static ENGINE: std::sync::LazyLock<Arc<Engine>> =
                std::sync::LazyLock::new(|| Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap()));
            let text: String = "id,first_name,ssn,note\n".to_owned() + &rows.iter().map(|row| ROWS[*row].repeat(9)).collect::<String>();
            let whole = scrub(&ENGINE, &[text.as_bytes()]);
            let (head, tail) = text.as_bytes().split_at(cut.index(text.len()));
            prop_assert_eq!(scrub(&ENGINE, &[head, tail]), whole);
        }

        #[test]
        fn the_result_does_not_depend_on_the_cut(text in texts(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
            let engine = engine();
            let whole = scrub(&engine, &[&text]);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.insert(0, 0);
            cuts.push(text.len());
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&scrub(&engine, &chunks), &whole);
            // What is outside of findings stays, byte for byte; findings are in order and do not overlap.
            let mut at = 0;
            let mut out = &whole.bytes[..];
            for finding in &whole.findings {
                prop_assert!(finding.start >= at && finding.end > finding.start);
                let between = &text[at as usize..finding.start as usize];
                prop_assert_eq!(&out[..between.len()], between);
                out = &out[between.len()..];
                let replaced = [&b"<BADGE>"[..], b"<TOKEN>", b"******"].into_iter().find(|label| out.starts_with(label));
                prop_assert!(replaced.is_some());
                out = &out[replaced.unwrap().len()..];
                at = finding.end;
            }
            prop_assert_eq!(out, &text[at as usize..]);
        }
    }
}
