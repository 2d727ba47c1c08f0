//! The values of a column on their way through the engine.
//!
//! A value alone says little: `078051120` is a number like any other, and an SSN in a column named so. So values go to the engine as lines of JSON,
//! `{"patient":{"ssn":"078051120"}}`, and what it is measured to find there it finds here. What covers two values is replaced in each.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::Fault;
use super::runs;
use super::scalar::Printed;
use crate::find::position::Half;
use crate::format::fit::{Fit, Lexer};
use crate::format::json::Json;
use crate::format::{Summary, Work};
use crate::stream::{Collected, Scrubber};

/// Bytes of lines that are treated at once.
const BATCH: usize = 256 * 1024;
/// A longer text is prose, in which the name of its column says little: it is read as it is.
const PROSE: usize = 16 * 1024;
/// Of fewer digits the engine takes none for a coordinate.
const DIGITS: usize = 3;
/// A longer value is not kept in the cache.
const KEPT: usize = 1024;
/// Bytes of values whose outcome is known, at most.
const CACHE: usize = 4 << 20;
/// What values that are no text are counted as.
const BINARY: &str = "binary values";
/// Types that are found by words alone, which chance makes too: they cost no binary value.
const BY_WORDS: [&str; 5] = ["PERSON", "LOCATION", "ORGANIZATION", "NRP", "MEDICAL_CODE"];
/// What a value in the cache takes beside its bytes.
const OVERHEAD: usize = 96;

/// Of one column.
pub struct Values<'a> {
    work: &'a Work<'a>,
    /// What stands before each value: the names of its column.
    head: Vec<u8>,
    /// The same, of a column that is one half of a position, where a value is such.
    position: Option<(Half, Vec<u8>)>,
    /// How many names those are.
    depth: usize,
    cache: HashMap<Vec<u8>, Outcome>,
    cached: usize,
    /// Bytes that it may take.
    most: usize,
    /// Findings by type.
    findings: Vec<u64>,
    unfit: u64,
    /// Values that are no text.
    binary: u64,
}

/// What becomes of a value.
#[derive(Clone, Debug, Default)]
struct Outcome {
    /// The types that were found in it.
    found: Vec<usize>,
    /// What stands in its place; none: it stays.
    instead: Option<Rc<[u8]>>,
}

impl<'a> Values<'a> {
    /// Of a column with these names, the outermost first; of none, where the name says nothing.
    pub fn new(work: &'a Work<'a>, names: &[&str]) -> Self {
        let (cache, findings) = (HashMap::new(), Vec::new());
        Self {
            work,
            head: head(names),
            position: None,
            depth: names.len(),
            cache,
            cached: 0,
            most: CACHE,
            findings,
            unfit: 0,
            binary: 0,
        }
    }

    /// Of a column that is one half of a position, as the name of the other one beside it says.
    pub fn of_half(work: &'a Work<'a>, names: &[&str], half: Option<Half>) -> Self {
        let mut values = Self::new(work, names);
        if let (Some(half), Some((_, around))) = (half, names.split_last()) {
            values.position = Some((half, head(&[around, &[half.name()]].concat())));
        }
        values
    }

    /// The same, where so many columns are open at a time.
    pub fn sharing(mut self, columns: usize) -> Self {
        self.most = CACHE / columns.max(1);
        self
    }

    /// What stands in the place of each value; none where it stays.
    pub fn scrub(&mut self, values: &[Option<Printed<'_>>]) -> Result<Vec<Option<Rc<[u8]>>>, Fault> {
        let (outcomes, places) = self.outcomes(values)?;
        self.binary += values.iter().flatten().map(Printed::binaries).sum::<u64>();
        let of = |place: Option<usize>| {
            let outcome = &outcomes[place?];
            self.note(outcome);
            outcome.instead.clone()
        };
        Ok(places.into_iter().map(of).collect())
    }

    /// The same of values that may be looked into under other names too: those that are done are taken out.
    pub fn scrub_left(
        &mut self,
        values: &mut [Option<Printed<'_>>],
        instead: &mut [Option<Rc<[u8]>>],
    ) -> Result<(), Fault> {
        let (outcomes, places) = self.outcomes(values)?;
        for ((value, instead), place) in values.iter_mut().zip(instead).zip(places) {
            let Some(outcome) = place.map(|place| &outcomes[place]) else { continue };
            self.note(outcome);
            instead.clone_from(&outcome.instead);
            // The name of its column says nothing of one that is no text.
            let is_binary = value.as_ref().is_some_and(Printed::is_binary);
            self.binary += value.as_ref().map_or(0, Printed::binaries);
            if is_binary || !outcome.found.is_empty() || instead.is_some() {
                *value = None;
            }
        }
        Ok(())
    }

    /// Counts what was found in a value.
    fn note(&mut self, outcome: &Outcome) {
        for kind in &outcome.found {
            if self.findings.len() <= *kind {
                self.findings.resize(kind + 1, 0);
            }
            self.findings[*kind] += 1;
        }
    }

    /// Whether any of the values would change, which are not counted.
    pub fn change(&mut self, values: &[Option<Printed<'_>>]) -> Result<bool, Fault> {
        Ok(self.outcomes(values)?.0.iter().any(|outcome| outcome.instead.is_some()))
    }

    /// What becomes of the values that differ, and which of them each one is.
    fn outcomes(&mut self, values: &[Option<Printed<'_>>]) -> Result<(Vec<Outcome>, Vec<Option<usize>>), Fault> {
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        // One entry of a dictionary is the same bytes, which need not be looked at again.
        let mut same: HashMap<(usize, usize), usize> = HashMap::new();
        let mut new: Vec<(usize, Printed<'_>)> = Vec::new();
        let mut places = Vec::with_capacity(values.len());
        for value in values {
            let place = value.as_ref().map(|value| {
                let bytes = value.bytes();
                *same.entry((bytes.as_ptr().addr(), bytes.len())).or_insert_with(|| {
                    *known.entry(bytes).or_insert_with(|| {
                        let outcome = self.cache.get(bytes).cloned();
                        if outcome.is_none() {
                            let told = value.told();
                            if !matches!(&told, Printed::Binary(_, runs) if runs.is_empty()) {
                                new.push((outcomes.len(), told));
                            }
                        }
                        outcomes.push(outcome.unwrap_or_default());
                        outcomes.len() - 1
                    })
                })
            });
            places.push(place);
        }
        self.work.take(new.iter().map(|(_, value)| (value.bytes().len() + self.head.len()) as u64).sum())?;
        let mut new = &new[..];
        while let Some((_, first)) = new.first() {
            let mut size = first.bytes().len();
            let more = new[1..].iter().take_while(|(_, value)| {
                size += value.bytes().len() + self.head.len();
                size < BATCH && !value.is_prose() && !first.is_prose()
            });
            let (these, others) = new.split_at(1 + more.count());
            if let [(index, Printed::Text(text))] = these
                && first.is_prose()
            {
                outcomes[*index] = self.prose(text)?;
            } else {
                self.lines(these, &mut outcomes)?;
            }
            for (index, value) in these {
                self.keep(value.bytes(), &outcomes[*index]);
            }
            new = others;
        }
        Ok((outcomes, places))
    }

    /// How many findings there were.
    pub fn count(&self) -> u64 {
        self.findings.iter().sum()
    }

    /// At the end: tells what was found.
    pub fn finish(self, summary: &mut Summary) {
        summary.unfit += self.unfit;
        if self.binary > 0 {
            *summary.passed.entry(BINARY).or_default() += self.binary;
        }
        for ((_, name), count) in self.work.engine.kinds().iter().zip(self.findings) {
            if count > 0 {
                *summary.findings.entry(name.to_owned()).or_default() += count;
            }
        }
    }

    fn keep(&mut self, value: &[u8], outcome: &Outcome) {
        if value.len() > KEPT.min(self.most) {
            return;
        }
        self.cached += value.len() + OVERHEAD + outcome.instead.as_ref().map_or(0, |text| text.len());
        if self.cached > self.most {
            self.cache.clear();
            self.cached = 0;
        }
        self.cache.insert(value.to_vec(), outcome.clone());
    }

    fn scrubber(&self) -> Scrubber {
        match &self.work.actor {
            Some(actor) => Scrubber::new(Arc::clone(&self.work.engine), actor.clone()),
            None => Scrubber::observer(Arc::clone(&self.work.engine)),
        }
    }

    /// A text that is read as it is.
    fn prose(&self, text: &[u8]) -> Result<Outcome, Fault> {
        let Collected { bytes, findings } = self.scrubber().whole(text)?;
        let found = findings.iter().map(|finding| usize::from(finding.kind.index())).collect();
        let changed = self.work.actor.is_some() && bytes != text;
        Ok(Outcome { found, instead: changed.then(|| bytes.into()) })
    }

    /// Values as lines of JSON.
    fn lines(&mut self, values: &[(usize, Printed<'_>)], outcomes: &mut [Outcome]) -> Result<(), Fault> {
        let mut text = Vec::new();
        let mut places = Vec::with_capacity(values.len());
        // What is in one that is no text is of no column.
        let depth = |value: &Printed<'_>| if value.is_binary() { 0 } else { self.depth };
        for (_, value) in values {
            let position = self.position.as_ref().filter(|(half, _)| half.fits(value.bytes()) && !value.is_binary());
            if !value.is_binary() {
                text.extend_from_slice(position.map_or(&self.head, |(_, head)| head));
            }
            let start = text.len();
            value.put(&mut text);
            if position.is_some() && value.bytes().iter().filter(|byte| byte.is_ascii_digit()).count() < DIGITS {
                // One more, where it says nothing.
                let first = text[start..].iter().position(u8::is_ascii_digit).unwrap_or(0);
                text.insert(start + first, b'0');
            }
            places.push(start..text.len());
            text.resize(text.len() + depth(value), b'}');
            text.push(b'\n');
        }
        let (mut scrubber, mut lexer) = (self.scrubber(), Json::default());
        let labels = self.work.engine.kinds().iter().map(|(_, name)| name.to_owned()).collect();
        let mut fit = Fit::new(labels, Collected::default());
        lexer.push(&text, &mut fit.spans);
        scrubber.push(&text, &mut fit)?;
        lexer.finish(&mut fit.spans);
        scrubber.finish(&mut fit)?;
        self.unfit += fit.unfit();
        let Collected { bytes, findings } = fit.finish();
        for finding in findings {
            let first = places.partition_point(|place| place.end as u64 <= finding.start);
            // One in a name only is that of the name, and counted there.
            if let Some(place) = places.get(first)
                && (place.start as u64) < finding.end
            {
                outcomes[values[first].0].found.push(usize::from(finding.kind.index()));
            }
        }
        let by_words =
            |kind: &usize| self.work.engine.kinds().iter().nth(*kind).is_some_and(|(_, name)| BY_WORDS.contains(&name));
        for (index, _) in values.iter().filter(|(_, value)| value.is_binary()) {
            // A text that stands in two runs is one.
            outcomes[*index].found.sort_unstable();
            outcomes[*index].found.dedup();
            outcomes[*index].found.retain(|kind| !by_words(kind));
        }
        if self.work.actor.is_none() {
            return Ok(());
        }
        let mut rest = &bytes[..];
        for ((index, value), place) in values.iter().zip(places) {
            let lines = 1 + memchr::memchr_iter(b'\n', &text[place.clone()]).count();
            let written = take_value(&mut rest, depth(value), lines).ok_or("its values cannot be told apart")?;
            let is_chance = value.is_binary() && outcomes[*index].found.is_empty();
            if *written != text[place] && !is_chance {
                outcomes[*index].instead = Some(value.take(written));
            }
        }
        Ok(())
    }
}

impl Printed<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Json(text, _) => text,
            Self::Maybe(text, _) => text,
            Self::Number(text) => text.as_bytes(),
            Self::Binary(bytes, _) => bytes,
        }
    }

    fn is_binary(&self) -> bool {
        matches!(self, Self::Binary(..))
    }

    /// How many values in it are no text.
    fn binaries(&self) -> u64 {
        match self {
            Self::Binary(..) => 1,
            Self::Json(_, binaries) => *binaries,
            Self::Text(_) | Self::Maybe(..) | Self::Number(_) => 0,
        }
    }

    /// The value, and whether it is JSON that must stay so: all of a column that says so, and objects and arrays anywhere.
    fn told(&self) -> Printed<'_> {
        if let Self::Binary(bytes, _) = self {
            return Printed::Binary(bytes, runs::of(bytes));
        }
        let Self::Maybe(text, says) = self else { return self.clone() };
        let ends = (text.trim_ascii().first(), text.trim_ascii().last());
        let looks = *says || matches!(ends, (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')));
        if looks && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok() {
            Printed::Json(Cow::Borrowed(text), 0)
        } else {
            Printed::Text(Cow::Borrowed(text))
        }
    }

    /// It is long, or no UTF-8, which JSON has to be.
    fn is_prose(&self) -> bool {
        matches!(self, Self::Text(text) if text.len() > PROSE || std::str::from_utf8(text).is_err())
    }

    /// As JSON.
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => put_text(out, &String::from_utf8_lossy(text)),
            Self::Binary(_, runs) => {
                for (index, run) in runs.split(|byte| *byte == 0).skip(1).enumerate() {
                    out.extend_from_slice(if index == 0 { b"[" } else { b",\n" });
                    put_text(out, &String::from_utf8_lossy(run));
                }
                out.push(b']');
            }
            Self::Maybe(..) | Self::Json(..) | Self::Number(_) => out.extend_from_slice(self.bytes()),
        }
    }

    /// What stands in its place, of what was made of it as JSON.
    fn take(&self, written: &[u8]) -> Rc<[u8]> {
        match self {
            // What is no string, though it always is, must not stay.
            Self::Text(_) => serde_json::from_slice::<String>(written).unwrap_or_default().into_bytes().into(),
            Self::Maybe(..) | Self::Json(..) | Self::Number(_) => written.into(),
            // None can.
            Self::Binary(..) => Rc::default(),
        }
    }
}

/// What stands before a value in the innermost of these names.
fn head(names: &[&str]) -> Vec<u8> {
    let mut head = Vec::new();
    for name in names {
        head.push(b'{');
        put_text(&mut head, name);
        head.push(b':');
    }
    head
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

/// The next value, of so many lines, without the names around it, which may have changed.
fn take_value<'t>(rest: &mut &'t [u8], depth: usize, lines: usize) -> Option<&'t [u8]> {
    let mut value = *rest;
    for _ in 0..depth {
        value = value.strip_prefix(b"{\"")?;
        loop {
            let end = memchr::memchr2(b'"', b'\\', value)?;
            let quote = value[end] == b'"';
            value = value.get(end + if quote { 1 } else { 2 }..)?;
            if quote {
                break;
            }
        }
        value = value.strip_prefix(b":")?;
    }
    let end = memchr::memchr_iter(b'\n', value).nth(lines - 1)?;
    *rest = &value[end + 1..];
    let end = end.checked_sub(depth)?;
    value[end..end + depth].iter().all(|byte| *byte == b'}').then_some(&value[..end])
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::{Just, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy;

    use super::*;
    use crate::act::Actor;
    use crate::format::{Job, Limits, Rule};
    use crate::policy::Policy;
    use crate::{Engine, builtin};

    static JOB: LazyLock<Job> = LazyLock::new(|| Job {
        engine: Arc::new(Engine::new(builtin::detectors(), &Policy::default()).unwrap()),
        actor: Some(Actor::default()),
        on_media: Rule::Refuse,
        on_unknown: Rule::Refuse,
        limits: Limits::default(),
        memory: None,
    });

    fn words() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just(" john@example.com ".to_owned()),
            Just("219-09-9999".to_owned()),
            Just("ssn".to_owned()),
            Just("Mary Johnson".to_owned()),
            // No complete one stands in the repository.
            Just([" -----BEGIN RSA PRIVATE", " KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cn"].concat()),
            "[\"'\\\\{}:,\n\u{e9}\u{1f600}\u{0} ]{1,4}",
            "[a-z ]{1,9}",
        ];
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    /// Numbers of any kind, in the places of which nothing may come.
    #[test]
    fn nothing_is_found_in_numbers_by_chance() {
        let mut state = 4711;
        let mut any = |_| crate::format::table::tests::random(&mut state) >> 16;
        let bytes: Vec<_> = (0..1 << 20).map(|index| any(index) as u8).collect();
        let part = |index| f32::from((any(index) % 40_001) as u16) / 20_000.0 - 1.0;
        let floats: Vec<_> = (0..1 << 18).map(part).flat_map(f32::to_le_bytes).collect();
        let small: Vec<_> = (0..1 << 20).map(|index| (any(index) % 100 + any(index) % 100) as u8).collect();
        // The last ones are nearly all letters and signs.
        for (bytes, most) in [(bytes, 0), (floats, 0), (small, 2)] {
            let (work, mut summary) = (Work::new(&JOB), Summary::default());
            let mut values = Values::new(&work, &["secret token"]);
            for value in bytes.chunks(4096) {
                values.scrub(&[Some(Printed::Binary(value, Vec::new()))]).unwrap();
            }
            assert!(values.count() <= most, "{:?}", values.findings);
            values.finish(&mut summary);
            assert_eq!(summary.passed, [(BINARY, 256)].into());
        }
    }

    proptest! {
        /// Whatever the names are and whatever is found, each value gets what is its own.
        #[test]
        fn values_are_kept_apart(names in proptest::collection::vec(words(), 0..3), texts in proptest::collection::vec(words(), 1..20), number in 0_u32..4) {
            let work = Work::new(&JOB);
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let mut values = Values::new(&work, &names);
            let numbers = number.to_string();
            let document = format!("{{\"a\":\n\"john@example.com\", \"b\": [{numbers}]}}\n");
            let mut printed: Vec<_> = texts.iter().map(|text| Some(Printed::Maybe(text.as_bytes(), false))).collect();
            printed.push(Some(Printed::Maybe(document.as_bytes(), true)));
            printed.push(None);
            printed.push(Some(Printed::Number(numbers.clone())));
            let instead = values.scrub(&printed).unwrap();
            prop_assert_eq!(instead.len(), printed.len());
            for (text, instead) in texts.iter().zip(&instead) {
                let new = instead.as_deref().map_or(text.as_bytes(), |new| new);
                for found in ["john@example.com", "MIIBOgIBAAJ"] {
                    prop_assert!(memchr::memmem::find(new, found.as_bytes()).is_none(), "{}", String::from_utf8_lossy(new));
                }
                prop_assert!(std::str::from_utf8(new).is_ok());
            }
            let last = &instead[texts.len()..];
            let document: serde_json::Value = serde_json::from_slice(last[0].as_deref().unwrap()).unwrap();
            // A secret key without an end may go on in the next value, names too.
            prop_assert!(document.as_object().is_some_and(|members| members.len() == 2), "{}", document);
            prop_assert!(!document.to_string().contains("john@example.com"), "{}", document);
            prop_assert!(last[1].is_none());
            prop_assert!(last[2].as_deref().is_none_or(|new| new == b"null"), "{:?}", last[2]);
        }
    }
}
