//! Formats of files: what a file is, by its content, and its text found and changed in it while everything else stays byte for byte.
//!
//! [`scrub`] reads a file of any kind. Text goes through the engine as it stands, whatever its format is, and what is found is fitted to the format
//! ([`fit`]): JSON stays JSON, a table keeps its columns. Around it may be compression, to a depth. What is not known is told, never passed on unseen.

mod arrow;
mod avro;
mod budget;
mod compressed;
mod control;
mod csv;
mod fields;
pub mod fit;
mod hash;
mod json;
mod mail;
mod markup;
mod narrow;
mod parquet;
mod places;
mod sniff;
pub mod stage;
mod stretch;
mod table;
mod tar;
mod utf16;
mod warc;
mod zip;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::ops::Deref;
use std::sync::Arc;

use crate::act::Actor;
use crate::charset::TextScrubber;
use crate::engine::Engine;
use crate::finding::Finding;
use crate::stream::{Blocked, Scrubber, Sink};
use budget::{Held, Share};
use fit::{Fit, Key, Lexer, Names, Spans};
use places::Places;
use stage::Stage;
use stretch::Stretches;

pub use budget::{Budget, Pause};
pub use compressed::Codec;
pub use control::Control;
pub use places::Placed;
pub use sniff::{Format, HEAD, sniff};

/// Bytes that are read at a time.
const READ: usize = 64 * 1024;
/// Bytes of a file that wait in memory where it is read from its end.
const IN_MEMORY: usize = 8 << 20;
/// Bytes that a file may give before they are compared with those it took.
const FREE: u64 = 64 << 20;
/// Bytes that a lexer is ahead of the engine.
const PIECE: usize = 4 * 1024;

/// What is done with a file, or a part of one, that cannot be looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// It is taken as it is, and counted.
    Pass,
    /// The whole is refused.
    #[default]
    Refuse,
    /// The whole is put aside.
    Quarantine,
}

/// Bounds on what one file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files within files: a compressed one is one more.
    pub depth: u32,
    /// Bytes that one compressed byte may stand for, once more than 64 MiB came out of a file.
    pub expansion: u64,
    /// Records that are no such, of a format that has records.
    pub bad_records: u64,
    /// Bytes of one column in one row group of Parquet or one batch of Arrow, or of one block of Avro, without compression.
    pub chunk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 8, expansion: 1000, bad_records: u64::MAX, chunk: 256 << 20 }
    }
}

/// How files are scrubbed.
#[derive(Clone)]
pub struct Job {
    /// What is looked for.
    pub engine: Arc<Engine>,
    /// What is done with it; none: only the findings are wanted, and nothing is written.
    pub actor: Option<Actor>,
    /// Media, PDF and documents of office programs.
    pub on_media: Rule,
    /// Other data that is no text, and what is broken.
    pub on_unknown: Rule,
    /// Bounds.
    pub limits: Limits,
    /// Memory for large buffers, shared with other jobs; none: no more is held than the bounds allow.
    pub memory: Option<Arc<Budget>>,
}

/// A job at one file, and how much it has asked for.
struct Work<'a> {
    job: &'a Job,
    /// Bytes that were read of the file itself.
    taken: Cell<u64>,
    /// Bytes that what is compressed in it gave, on every level.
    given: Cell<u64>,
    /// Where findings are is told, of the file itself.
    places: Option<&'a RefCell<Places>>,
    /// What it has of the memory.
    share: Arc<Share>,
    /// What is done while it waits for more.
    pause: Option<&'a dyn Pause>,
}

impl<'a> Work<'a> {
    fn new(job: &'a Job) -> Self {
        let share = Share::of(job.memory.as_ref());
        Self { job, taken: Cell::new(0), given: Cell::new(0), places: None, share, pause: None }
    }

    /// Takes memory for so many bytes, for which it may wait.
    fn hold(&self, bytes: u64) -> Result<Held, FormatError> {
        let mut held = Held::new(&self.share);
        held.grow(bytes, self.pause)?;
        Ok(held)
    }

    /// The same for more.
    fn grow(&self, held: &mut Held, by: u64) -> Result<(), FormatError> {
        held.grow(by, self.pause)
    }

    /// Takes memory for windows of which one is open at a time, beside `other` bytes of what is held already.
    fn windows(&self, mut held: Held, other: u64) -> impl FnMut(u64) -> Result<(), FormatError> {
        move |window| {
            let more = (other + window).saturating_sub(held.bytes());
            self.grow(&mut held, more)
        }
    }

    /// An empty stage, in memory as far as there is any.
    fn stage(&self, in_memory: usize) -> Stage {
        Stage::sharing(in_memory, Held::new(&self.share))
    }

    /// The same, of all that `source` gives.
    fn staged(&self, source: &mut dyn Read, in_memory: usize) -> Result<Stage, FormatError> {
        let mut stage = self.stage(in_memory);
        stage.fill(source).map_err(read_error)?;
        Ok(stage)
    }

    /// An archive at this depth is about to be opened.
    fn archive(&self, depth: u32) -> Result<(), FormatError> {
        if depth > self.limits.depth {
            return Err(FormatError::Limit(format!("it holds archives within {} archives", self.limits.depth)));
        }
        Ok(())
    }

    /// So many bytes more are about to be treated: a few can stand for any number, and what they stand for is bounded over all levels together, since a
    /// bomb in a bomb gives little for what it takes itself.
    fn take(&self, bytes: u64) -> Result<(), FormatError> {
        let given = self.given.get().saturating_add(bytes);
        self.given.set(given);
        let expansion = self.limits.expansion.max(1);
        if given > FREE && given / expansion > self.taken.get() {
            return Err(FormatError::Limit(format!(
                "what it holds gives more than {expansion} times the bytes that it takes"
            )));
        }
        Ok(())
    }
}

impl Deref for Work<'_> {
    type Target = Job;

    fn deref(&self) -> &Job {
        self.job
    }
}

/// Counts what is read of the file itself.
struct Taken<'a> {
    source: &'a mut dyn Read,
    taken: &'a Cell<u64>,
}

impl Read for Taken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

/// What was found in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The format of the innermost text that was read first, such as `json` or `csv`.
    pub format: Option<Format>,
    /// Findings by type.
    pub findings: BTreeMap<String, u64>,
    /// Records that are not what their format says, treated as text.
    pub bad_records: u64,
    /// Findings in names that the format needs, such as those of elements, which stayed.
    pub unfit: u64,
    /// Files or parts that were passed on without being looked into, by what they are.
    pub passed: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Of a file that was not looked into, or not to its end.
    pub fn passed(what: &'static str) -> Self {
        Self { passed: [(what, 1)].into(), ..Self::default() }
    }
}

/// Why a file is not scrubbed. What was written before is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The source failed.
    #[error("reading failed: {0}")]
    Read(#[source] io::Error),
    /// The target failed.
    #[error("writing failed: {0}")]
    Write(#[source] io::Error),
    /// A type that the policy blocks was found.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// It is, or holds, what cannot be looked into.
    #[error("it {} {what}, which cannot be looked into", if *.nested { "holds" } else { "is" })]
    Unknown {
        /// What it is.
        what: &'static str,
        /// It is a part of the file.
        nested: bool,
        /// What is to be done: to refuse it or to put it aside.
        rule: Rule,
    },
    /// It is not what it begins as.
    #[error("it begins as {format}, and is broken: {why}")]
    Broken {
        /// What it begins as.
        format: &'static str,
        /// What is wrong with it.
        why: String,
        /// What is to be done: to refuse it or to put it aside.
        rule: Rule,
    },
    /// It asks for more than [`Limits`].
    #[error("{0}")]
    Limit(String),
    /// Others hold the memory that it needs, and did not give it back in time.
    #[error("the memory for files that are looked into is taken")]
    Busy,
}

impl FormatError {
    /// Of a part of a file, at this depth.
    fn within(self, depth: u32) -> Self {
        match self {
            Self::Unknown { what, rule, .. } => Self::Unknown { what, rule, nested: depth > 0 },
            other => other,
        }
    }

    /// What the file is that made it, in a word.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Unknown { what, .. } => what,
            Self::Broken { format, .. } => format,
            Self::Limit(_) => "too large or too deep",
            Self::Busy => "too much at a time",
            Self::Blocked(_) => "blocked",
            Self::Read(_) | Self::Write(_) => "cut off",
        }
    }
}

/// Scrubs a file: from `source`, which is read to its end, to `out`. Memory: some 300 KiB, up to 3 MiB where nearly every byte is another token, and what
/// the codecs of its compression need.
pub fn scrub(source: &mut dyn Read, out: &mut dyn Write, job: &Job) -> Result<Summary, FormatError> {
    whole(source, out, job, None, None, None)
}

/// Scrubs a file which by its name may be one that programs read back to know what to do. Up to 16 MiB of such are held. `pause`: what the thread does while it
/// waits for memory.
pub fn scrub_as(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Job,
    control: Option<Control>,
    pause: Option<&dyn Pause>,
) -> Result<Summary, FormatError> {
    whole(source, out, job, control, None, pause)
}

/// As [`scrub`], and where the first `most` findings are, in order: of a file whose own bytes are text, whatever its format is. Findings in what is compressed,
/// archived or in a table of Parquet are in the summary alone.
pub fn scrub_with_places(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Job,
    most: usize,
) -> Result<(Summary, Vec<Placed>), FormatError> {
    let places = RefCell::new(Places::new(most));
    let summary = whole(source, out, job, None, Some(&places), None)?;
    Ok((summary, places.into_inner().into_placed()))
}

fn whole(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Job,
    control: Option<Control>,
    places: Option<&RefCell<Places>>,
    pause: Option<&dyn Pause>,
) -> Result<Summary, FormatError> {
    let mut summary = Summary::default();
    let work = Work { places, pause, ..Work::new(job) };
    let mut begun = Vec::new();
    if let Some(control) = control.filter(|_| job.actor.is_some()) {
        (&mut *source).take(control::LONGEST as u64 + 1).read_to_end(&mut begun).map_err(read_error)?;
        if begun.len() <= control::LONGEST
            && let Some(changed) = control::scrub(control, &begun, &work, &mut summary)?
        {
            out.write_all(&changed).map_err(FormatError::Write)?;
            return Ok(summary);
        }
    }
    let source = &mut io::Cursor::new(begun).chain(source);
    file(&mut Taken { source, taken: &work.taken }, out, &work, 0, &mut summary)?;
    if summary.bad_records > job.limits.bad_records {
        let (bad, format) = (summary.bad_records, summary.format.map_or("text", Format::name));
        return Err(FormatError::Limit(format!(
            "{bad} of its records are no {format}, and at most {} may be",
            job.limits.bad_records
        )));
    }
    Ok(summary)
}

/// Scrubs a file that may be a part of another one.
fn file(
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Work<'_>,
    depth: u32,
    summary: &mut Summary,
) -> Result<(), FormatError> {
    let mut head = Vec::with_capacity(HEAD);
    source.take(HEAD as u64).read_to_end(&mut head).map_err(read_error)?;
    let whole = head.len() < HEAD;
    let format = sniff(&head, whole);
    let mut source = io::Cursor::new(head).chain(source);
    if let Format::Compressed(codec) = format {
        if depth >= job.limits.depth {
            return Err(FormatError::Limit(format!("it is compressed more than {} times", job.limits.depth)));
        }
        return compressed::scrub(codec, &mut source, out, job, depth + 1, summary);
    }
    if format == Format::Warc {
        return warc::scrub(None, &mut source, out, job, depth + 1, summary);
    }
    if let Format::Mail { mbox } = format {
        return mail::scrub(mbox, &mut source, out, job, depth + 1, summary);
    }
    if matches!(format, Format::Tar | Format::Zip) {
        job.archive(depth + 1)?;
        let scrub = if format == Format::Tar { tar::scrub } else { zip::scrub };
        return scrub(&mut source, out, job, depth + 1, summary);
    }
    if format == Format::Parquet {
        summary.format.get_or_insert(format);
        let mut stage = job.staged(&mut source, IN_MEMORY)?;
        let len = stage.len();
        return parquet::scrub(&mut stage, len, out, job, summary).map_err(|error| error.within(depth));
    }
    if let Format::Arrow { file } = format {
        summary.format.get_or_insert(format);
        let scrub = if file { arrow::file } else { arrow::stream };
        return scrub(&mut source, out, job, summary).map_err(|error| error.within(depth));
    }
    if format == Format::Avro {
        summary.format.get_or_insert(format);
        return avro::scrub(&mut source, out, job, summary).map_err(|error| error.within(depth));
    }
    let places = job.places.filter(|_| depth == 0);
    if format == Format::Utf16 {
        return utf16::scrub(&mut source, out, job, summary, places);
    }
    let rule = match format {
        Format::Media(_) => job.on_media,
        Format::Unknown(_) => job.on_unknown,
        _ => {
            summary.format.get_or_insert(format);
            let mut source = Stretches::new(&mut source, job.on_unknown);
            text(format, &mut source, out, job, summary, places)?;
            if let Some(what) = source.found() {
                *summary.passed.entry(what).or_default() += 1;
            }
            return Ok(());
        }
    };
    let what = format.name();
    if rule != Rule::Pass {
        return Err(FormatError::Unknown { what, nested: depth > 0, rule });
    }
    *summary.passed.entry(what).or_default() += 1;
    copy(&mut source, out, job)
}

/// The name of a part after the engine saw it. With `names`, those that were changed before, it stays unique.
fn rename(
    name: &[u8],
    names: Option<&mut Names>,
    job: &Work<'_>,
    summary: &mut Summary,
) -> Result<Vec<u8>, FormatError> {
    let Some(actor) = &job.actor else {
        count(&job.engine, &job.engine.detect(name), summary);
        return Ok(name.to_vec());
    };
    let scrubbed = Scrubber::new(Arc::clone(&job.engine), actor.clone()).whole(name)?;
    count(&job.engine, &scrubbed.findings, summary);
    let mut changed = scrubbed.bytes;
    if let Some(names) = names.filter(|_| changed != name) {
        names.make_unique(Key { depth: 0, object: 0 }, &mut changed);
    }
    Ok(changed)
}

/// Counts findings by their types.
fn count(engine: &Engine, findings: &[Finding], summary: &mut Summary) {
    for finding in findings {
        *summary.findings.entry(engine.kinds().name(finding.kind).to_owned()).or_default() += 1;
    }
}

/// Passes on what is not looked into.
fn copy(source: &mut dyn Read, out: &mut dyn Write, job: &Job) -> Result<(), FormatError> {
    let mut buffer = vec![0; READ];
    loop {
        let read = source.read(&mut buffer).map_err(read_error)?;
        if read == 0 {
            return Ok(());
        }
        if job.actor.is_some() {
            out.write_all(&buffer[..read]).map_err(FormatError::Write)?;
        }
    }
}

/// Scrubs a text of a format, of which may be told where findings are.
fn text(
    format: Format,
    source: &mut dyn Read,
    out: &mut dyn Write,
    job: &Job,
    summary: &mut Summary,
    places: Option<&RefCell<Places>>,
) -> Result<(), FormatError> {
    let mut reader = TextReader::new(format, job);
    reader.collected().found = places.map(|_| Vec::new());
    let mut buffer = vec![0; READ];
    loop {
        let read = source.read(&mut buffer).map_err(read_error)?;
        if read == 0 {
            break;
        }
        if let Some(places) = places {
            places.borrow_mut().push(&buffer[..read]);
        }
        reader.push(&buffer[..read])?;
        if let Some((places, found)) = places.zip(reader.collected().found.as_mut()) {
            places.borrow_mut().found(found);
            places.borrow_mut().forget(reader.scrubber());
        }
        reader.write(out, job)?;
    }
    let mut collected = reader.finish(job, summary)?;
    if let Some((places, found)) = places.zip(collected.found.as_mut()) {
        places.borrow_mut().found(found);
    }
    collected.write(out, job)
}

/// Scrubs a short text, of which is known what is what.
fn fitted(text: &[u8], spans: Spans, job: &Job, summary: &mut Summary) -> Result<Vec<u8>, FormatError> {
    let (mut scrubber, mut fit) = fit(job);
    fit.spans = spans;
    scrubber.push(text, &mut fit)?;
    scrubber.finish(&mut fit)?;
    summary.unfit += fit.unfit();
    let collected = fit.finish();
    collected.count(job, summary);
    Ok(if job.actor.is_some() { collected.bytes } else { text.to_vec() })
}

/// What fits the findings of a text to its format.
fn fit(job: &Job) -> (Scrubber, Fit<Collected>) {
    let scrubber = match &job.actor {
        Some(actor) => Scrubber::new(Arc::clone(&job.engine), actor.clone()),
        None => Scrubber::observer(Arc::clone(&job.engine)),
    };
    let labels = job.engine.kinds().iter().map(|(_, name)| name.to_owned()).collect();
    (scrubber, Fit::new(labels, Collected::default()))
}

/// A text on its way through the engine and the format.
enum TextReader {
    Plain(TextScrubber, Collected),
    Fitted(Scrubber, Box<dyn Lexer>, Fit<Collected>),
}

/// What came out and was not yet written, and how often each type was found.
#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    findings: Vec<u64>,
    /// What was found and not yet told, if it is to be.
    found: Option<Vec<Finding>>,
}

impl Sink for Collected {
    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn finding(&mut self, finding: Finding) {
        let index = usize::from(finding.kind.index());
        if self.findings.len() <= index {
            self.findings.resize(index + 1, 0);
        }
        self.findings[index] += 1;
        if let Some(found) = &mut self.found {
            found.push(finding);
        }
    }
}

impl TextReader {
    fn new(format: Format, job: &Job) -> Self {
        let lexer: Box<dyn Lexer> = match format {
            Format::Json => Box::new(json::Json::default()),
            Format::Csv(delimiter) => Box::new(csv::Csv::new(delimiter)),
            Format::Markup { html } => Box::new(markup::Markup::new(html)),
            _ => {
                let scrubber = match &job.actor {
                    Some(actor) => TextScrubber::new(Arc::clone(&job.engine), actor.clone()),
                    None => TextScrubber::observer(Arc::clone(&job.engine)),
                };
                return Self::Plain(scrubber, Collected::default());
            }
        };
        let (scrubber, fit) = fit(job);
        Self::Fitted(scrubber, lexer, fit)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Blocked> {
        match self {
            Self::Plain(scrubber, sink) => scrubber.push(bytes, sink),
            // In pieces, so that little is to be known of the bytes on their way.
            Self::Fitted(scrubber, lexer, fit) => bytes.chunks(PIECE).try_for_each(|piece| {
                lexer.push(piece, &mut fit.spans);
                scrubber.push(piece, fit)
            }),
        }
    }

    /// What came of it so far.
    fn collected(&mut self) -> &mut Collected {
        match self {
            Self::Plain(_, collected) => collected,
            Self::Fitted(_, _, fit) => fit.sink(),
        }
    }

    fn scrubber(&self) -> &Scrubber {
        match self {
            Self::Plain(scrubber, _) => scrubber.scrubber(),
            Self::Fitted(scrubber, ..) => scrubber,
        }
    }

    /// Writes what is done.
    fn write(&mut self, out: &mut dyn Write, job: &Job) -> Result<(), FormatError> {
        self.collected().write(out, job)
    }

    /// Ends the text, and counts what was found in it.
    fn finish(self, job: &Job, summary: &mut Summary) -> Result<Collected, Blocked> {
        let collected = match self {
            Self::Plain(scrubber, mut sink) => {
                scrubber.finish(&mut sink)?;
                sink
            }
            Self::Fitted(scrubber, mut lexer, mut fit) => {
                summary.bad_records += lexer.finish(&mut fit.spans);
                scrubber.finish(&mut fit)?;
                summary.unfit += fit.unfit();
                fit.finish()
            }
        };
        collected.count(job, summary);
        Ok(collected)
    }
}

impl Collected {
    /// Counts what was found.
    fn count(&self, job: &Job, summary: &mut Summary) {
        for (kind, name) in job.engine.kinds().iter() {
            let count = self.findings.get(usize::from(kind.index())).copied().unwrap_or(0);
            if count > 0 {
                *summary.findings.entry(name.to_owned()).or_default() += count;
            }
        }
    }

    fn write(&mut self, out: &mut dyn Write, job: &Job) -> Result<(), FormatError> {
        if job.actor.is_some() {
            out.write_all(&self.bytes).map_err(FormatError::Write)?;
        }
        self.bytes.clear();
        Ok(())
    }
}

/// An error of a source, which may be the layer of another format.
fn read_error(error: io::Error) -> FormatError {
    match error.downcast::<FormatError>() {
        Ok(inner) => inner,
        Err(error) => FormatError::Read(error),
    }
}

#[cfg(test)]
mod tests;
