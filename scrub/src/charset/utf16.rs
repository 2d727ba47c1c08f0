//! UTF-16 through a scrubber of UTF-8 and back.
//!
//! A lone surrogate goes as the three bytes that UTF-8 would give it (WTF-8), which are no UTF-8: the scrubber passes them on as they are.

use std::collections::VecDeque;

use crate::finding::Finding;
use crate::stream::{Blocked, Scrubber, Sink};

/// Bytes of UTF-16 that are taken at once.
const CHUNK: usize = 32 * 1024;

/// Takes UTF-16 in and out. Memory: a chunk, and 24 bytes for each change of the characters' size in what the scrubber holds.
pub(super) struct Utf16 {
    little: bool,
    decoder: Decoder,
    decoded: Vec<u8>,
    places: Places,
    /// The end of what the scrubber put out, a part of a character.
    cut: Vec<u8>,
}

impl Utf16 {
    pub(super) fn new(little: bool) -> Self {
        Self { little, decoder: Decoder::new(little), decoded: Vec::new(), places: Places::default(), cut: Vec::new() }
    }

    pub(super) fn push(&mut self, scrubber: &mut Scrubber, bytes: &[u8], sink: &mut impl Sink) -> Result<(), Blocked> {
        for chunk in bytes.chunks(CHUNK) {
            let places = &mut self.places;
            self.decoder.decode(chunk, &mut self.decoded, |size, _| places.push(size));
            self.pass(sink, |sink, decoded| scrubber.push(decoded, sink))?;
            self.places.forget(scrubber.held_from(), scrubber.open_from());
        }
        Ok(())
    }

    pub(super) fn finish(mut self, scrubber: Scrubber, sink: &mut impl Sink) -> Result<(), Blocked> {
        let places = &mut self.places;
        self.decoder.end(&mut self.decoded, |size, _| places.push(size));
        let mut scrubber = scrubber;
        self.pass(sink, |sink, decoded| scrubber.push(decoded, sink))?;
        self.pass(sink, |sink, _| scrubber.finish(sink))?;
        let mut rest = Vec::new();
        encode(&self.cut, self.little, true, &mut rest);
        rest.extend(self.decoder.odd());
        sink.bytes(&rest);
        Ok(())
    }

    /// Gives what was decoded to `scrub`, whose results go to `sink` in UTF-16.
    fn pass<S: Sink>(
        &mut self,
        sink: &mut S,
        scrub: impl FnOnce(&mut Back<'_, S>, &[u8]) -> Result<(), Blocked>,
    ) -> Result<(), Blocked> {
        let mut back = Back { sink, little: self.little, cut: &mut self.cut, places: &self.places };
        let result = scrub(&mut back, &self.decoded);
        self.decoded.clear();
        result
    }
}

/// Turns UTF-16, in any cut, into WTF-8.
pub(crate) struct Decoder {
    little: bool,
    /// A byte that waits for its second one.
    odd: Option<u8>,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
}

impl Decoder {
    /// At the start of a text.
    pub(crate) fn new(little: bool) -> Self {
        Self { little, odd: None, high: None }
    }

    /// A byte that has no second one.
    pub(crate) fn odd(&self) -> Option<u8> {
        self.odd
    }

    /// Adds the characters of `bytes` to what is decoded; tells of each how many bytes it has, and whether it ends a line.
    pub(crate) fn decode(&mut self, bytes: &[u8], decoded: &mut Vec<u8>, mut tell: impl FnMut(usize, bool)) {
        for byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let pair = [first, *byte];
            let unit = if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
            match (self.high.take(), unit) {
                (Some(high), 0xDC00..=0xDFFF) => {
                    let code = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                    tell(character(code, decoded), false);
                    continue;
                }
                (Some(high), _) => tell(character(u32::from(high), decoded), false),
                (None, _) => {}
            }
            if (0xD800..=0xDBFF).contains(&unit) {
                self.high = Some(unit);
            } else {
                tell(character(u32::from(unit), decoded), unit == u16::from(b'\n'));
            }
        }
    }

    /// Adds what waited for more, as [`Self::decode`] does.
    pub(crate) fn end(&mut self, decoded: &mut Vec<u8>, mut tell: impl FnMut(usize, bool)) {
        if let Some(high) = self.high.take() {
            tell(character(u32::from(high), decoded), false);
        }
    }
}

/// Adds a character, or a lone surrogate; gives how many bytes that is.
fn character(code: u32, decoded: &mut Vec<u8>) -> usize {
    let before = decoded.len();
    if let Some(character) = char::from_u32(code) {
        decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        let byte = |shift: u32, mark: u32| (mark | code >> shift & 0x3F) as u8;
        decoded.extend_from_slice(&[(0xE0 | code >> 12) as u8, byte(6, 0x80), byte(0, 0x80)]);
    }
    decoded.len() - before
}

/// The way from places in UTF-8 to those in UTF-16.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Runs of characters of one size.
    runs: VecDeque<Run>,
    /// Where the open finding starts, which may be long before the runs.
    open: Option<(u64, u64)>,
    /// The end of all that was seen.
    utf8: u64,
    utf16: u64,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    utf8: u64,
    utf16: u64,
    /// Bytes of a character in UTF-8.
    size: u8,
}

impl Run {
    /// The place in UTF-16 of `at` in UTF-8; one within a character is that of its start.
    fn place(self, at: u64) -> u64 {
        let size = u64::from(self.size);
        self.utf16 + (at - self.utf8) / size * if size == 4 { 4 } else { 2 }
    }
}

impl Places {
    /// Of a text whose byte order mark was taken off.
    pub(crate) fn behind_mark() -> Self {
        Self { utf16: 2, ..Self::default() }
    }

    /// The next character has so many bytes.
    pub(crate) fn push(&mut self, size: usize) {
        let size = size as u8;
        if self.runs.back().is_none_or(|run| run.size != size) {
            self.runs.push_back(Run { utf8: self.utf8, utf16: self.utf16, size });
        }
        self.utf8 += u64::from(size);
        self.utf16 += if size == 4 { 4 } else { 2 };
    }

    /// Bytes of UTF-16 that were seen.
    pub(crate) fn seen(&self) -> u64 {
        self.utf16
    }

    /// The place in UTF-16 of `at` in UTF-8. `end` of a range: one within a character is that of its end.
    pub(crate) fn place(&self, at: u64, end: bool) -> u64 {
        if let Some((_, utf16)) = self.open.filter(|(utf8, _)| *utf8 == at) {
            return utf16;
        }
        let index = self.runs.partition_point(|run| run.utf8 <= at).saturating_sub(1);
        let Some(run) = self.runs.get(index) else { return self.utf16 };
        let within = end && !(at - run.utf8.min(at)).is_multiple_of(u64::from(run.size));
        run.place(at) + if within { if run.size == 4 { 4 } else { 2 } } else { 0 }
    }

    /// Forgets what is before `from`, but not where the open finding starts.
    pub(crate) fn forget(&mut self, from: u64, open: Option<u64>) {
        self.open = open.map(|at| (at, self.place(at, false)));
        while self.runs.get(1).is_some_and(|run| run.utf8 <= from) {
            self.runs.pop_front();
        }
    }
}

/// A sink of UTF-8 that gives UTF-16 to another.
struct Back<'a, S> {
    sink: &'a mut S,
    little: bool,
    cut: &'a mut Vec<u8>,
    places: &'a Places,
}

impl<S: Sink> Sink for Back<'_, S> {
    fn bytes(&mut self, bytes: &[u8]) {
        let mut encoded = Vec::with_capacity(2 * bytes.len() + 2);
        let bytes = [&self.cut[..], bytes].concat();
        let taken = encode(&bytes, self.little, false, &mut encoded);
        self.cut.clear();
        self.cut.extend_from_slice(&bytes[taken..]);
        self.sink.bytes(&encoded);
    }

    fn finding(&mut self, finding: Finding) {
        let (start, end) = (self.places.place(finding.start, false), self.places.place(finding.end, true));
        self.sink.finding(Finding { start, end, ..finding });
    }
}

/// Adds WTF-8 as UTF-16; returns how much was taken. A part of a character at the end is left, unless it is the `last`.
pub(crate) fn encode(bytes: &[u8], little: bool, last: bool, encoded: &mut Vec<u8>) -> usize {
    let mut push = |unit: u16| encoded.extend(if little { unit.to_le_bytes() } else { unit.to_be_bytes() });
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        valid.encode_utf16().for_each(&mut push);
        at += valid.len();
        match bytes[at..] {
            [] => {}
            [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ..] => {
                push(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F));
                at += 3;
            }
            _ if !last && bytes.len() - at < 4 && is_cut(&bytes[at..]) => break,
            // A part of a lone surrogate, of which a finding took the rest.
            _ => {
                push(0xFFFD);
                at += 1;
            }
        }
    }
    at
}

/// Whether the bytes are the start of a character or of a lone surrogate.
fn is_cut(bytes: &[u8]) -> bool {
    let surrogate = matches!(bytes, [0xED] | [0xED, 0xA0..=0xBF]);
    surrogate || std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::{Just, any, prop, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy as _;

    use crate::act::Actor;
    use crate::charset::TextScrubber;
    use crate::detector;
    use crate::policy::Policy;
    use crate::{Collected, Engine};

    fn places(collected: &Collected) -> Vec<(u64, u64)> {
        collected.findings.iter().map(|finding| (finding.start, finding.end)).collect()
    }

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
        "#;
        Arc::new(Engine::new(detector::read("test", toml).unwrap(), &Policy::default()).unwrap())
    }

    fn scrub(chunks: &[&[u8]]) -> Collected {
        let mut result = Collected::default();
        let mut scrubber = TextScrubber::new(engine(), Actor::default());
        for chunk in chunks {
            scrubber.push(chunk, &mut result).unwrap();
        }
        scrubber.finish(&mut result).unwrap();
        result
    }

    /// UTF-16 with its mark.
    fn utf16(units: impl IntoIterator<Item = u16>, little: bool) -> Vec<u8> {
        [0xFEFF]
            .into_iter()
            .chain(units)
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    #[test]
    fn utf_16_is_scrubbed_as_such() {
        for little in [true, false] {
            let source = utf16("Zoë 😀 EMP-004711 東京".encode_utf16(), little);
            let result = scrub(&[&source]);
            assert_eq!(result.bytes, utf16("Zoë 😀 <BADGE> 東京".encode_utf16(), little));
            // Behind the mark and seven units.
            assert_eq!(places(&result), [(16, 36)]);
        }
    }

    #[test]
    fn utf_8_and_short_streams_pass() {
        for source in
            [&b""[..], b"a", b"\xFF", b"\xFF\xFE", b"\xFE\xFF\0", b"\xEF\xBB\xBFabc", b"abcd", b"\xFF\xFE\0\0a"]
        {
            assert_eq!(scrub(&[source]).bytes, source);
        }
        assert_eq!(scrub(&[b"\xEF\xBB\xBFEMP-004711"]).bytes, b"\xEF\xBB\xBF<BADGE>");
        assert_eq!(scrub(&[b"\xE9 EMP-004711"]).bytes, b"\xE9 <BADGE>");
    }

    #[test]
    fn the_start_of_a_long_finding_is_known() {
        let text = format!("é😀 sk_{} end", "ab".repeat(400_000));
        let result = scrub(&[&utf16(text.encode_utf16(), true)]);
        assert_eq!(result.bytes, utf16("é😀 <TOKEN> end".encode_utf16(), true));
        assert_eq!(places(&result), [(10, 10 + 2 * 800_003)]);
    }

    fn units() -> impl proptest::strategy::Strategy<Value = Vec<u16>> {
        let piece = prop_oneof![
            3 => Just("EMP-004711 ".encode_utf16().collect()),
            2 => Just(" é東😀\u{7ff}\n".encode_utf16().collect()),
            1 => Just(vec![0xD83D]),
            1 => Just(vec![0xDE00, 0x20]),
            1 => (1_usize..30_000).prop_map(|len| " é".encode_utf16().cycle().take(len).collect()),
            1 => (1_usize..30_000).prop_map(|len| "sk_".encode_utf16().chain("a7".encode_utf16().cycle().take(len)).collect()),
        ];
        proptest::collection::vec(piece, 0..14).prop_map(|pieces: Vec<Vec<u16>>| pieces.concat())
    }

    proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, ..Default::default() })]

        #[test]
        fn what_is_no_finding_stays(
            units in units(),
            little in any::<bool>(),
            odd in any::<Option<u8>>(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9),
        ) {
            let mut source = utf16(units, little);
            source.extend(odd);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(source.len() + 1)).collect();
            cuts.extend([0, source.len()]);
            cuts.sort_unstable();
            let chunks: Vec<_> = cuts.windows(2).map(|cut| &source[cut[0]..cut[1]]).collect();
            let result = scrub(&chunks);
            let mut expected = Vec::new();
            let mut at = 0;
            for (start, end) in &places(&result) {
                let (start, end) = (*start as usize, *end as usize);
                let value: String = char::decode_utf16(source[start..end].chunks(2).map(|pair| {
                    let pair = [pair[0], pair[1]];
                    if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
                }))
                .map(|character| character.unwrap_or('\u{FFFD}'))
                .collect();
                let label = if value.starts_with("EMP-004711") { "<BADGE>" } else { "<TOKEN>" };
                prop_assert_eq!(label == "<TOKEN>", value.starts_with("sk_"), "{}", value);
                expected.extend_from_slice(&source[at..start]);
                expected.extend_from_slice(&utf16(label.encode_utf16(), little)[2..]);
                at = end;
            }
            expected.extend_from_slice(&source[at..]);
            prop_assert_eq!(result.bytes, expected);
        }
    }
}
