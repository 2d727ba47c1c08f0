//! Whole files, several at a time.

use std::collections::HashSet;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use indicatif::ProgressBar;
use scrub::charset::{Content, TextScrubber, sniff};
use scrub::report::{FileReport, Place};
use scrub::{Engine, Finding, Lines, Sink};

use super::keys::Keys;
use super::named;
use super::output::Target;

/// Bytes that are read at a time: few enough that what was read is still near when it is looked through.
const READ: usize = 64 * 1024;

/// One that is read.
pub struct Input {
    path: PathBuf,
    /// What it is called in an output folder.
    relative: PathBuf,
    len: u64,
}

impl Input {
    /// Bytes, as far as that is known before it is read.
    pub fn len(&self) -> u64 {
        self.len
    }
}

/// Where scrubbed texts go.
pub enum Writes {
    /// They are not wanted.
    Nothing,
    /// One after the other.
    Stdout,
    /// One.
    File(PathBuf),
    /// Each under its name.
    Folder(PathBuf),
}

/// What comes of the inputs.
pub struct Wanted {
    /// Where scrubbed texts go.
    pub writes: Writes,
    /// Where findings are is reported, not their numbers alone.
    pub places: bool,
}

/// The files that are named, and those in folders that are, in the order of their names. Symbolic links in folders are not followed.
pub fn expand(named_paths: &[PathBuf]) -> io::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in named_paths {
        if path == Path::new("-") {
            inputs.push(Input { path: path.clone(), relative: PathBuf::from("stdin"), len: 0 });
            continue;
        }
        let about = fs::metadata(path).map_err(|error| named(path, &error))?;
        if about.is_dir() {
            walk(path, path, &mut inputs)?;
        } else {
            let relative = path.file_name().map(PathBuf::from).unwrap_or_default();
            inputs.push(Input { path: path.clone(), relative, len: about.len() });
        }
    }
    Ok(inputs)
}

/// The name that two inputs have in an output folder.
pub fn twice(inputs: &[Input]) -> Option<&Path> {
    let mut names = HashSet::new();
    inputs.iter().map(|input| input.relative.as_path()).find(|name| !names.insert(*name))
}

fn walk(root: &Path, folder: &Path, inputs: &mut Vec<Input>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<io::Result<Vec<_>>>)
        .map_err(|error| named(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(root, &path, inputs)?;
        } else if kind.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
            let len = entry.metadata().map_err(|error| named(&path, &error))?.len();
            inputs.push(Input { path, relative, len });
        }
    }
    Ok(())
}

/// Treats every input; the reports are in their order. The first failure ends the work.
pub fn run(
    engine: &Arc<Engine>,
    keys: &Keys,
    inputs: &[Input],
    wanted: &Wanted,
    jobs: usize,
    bar: &ProgressBar,
) -> Result<Vec<FileReport>, Box<dyn Error>> {
    // What goes to one place goes there in order.
    let jobs =
        if matches!(wanted.writes, Writes::Stdout | Writes::File(_)) { 1 } else { jobs.min(inputs.len()).max(1) };
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<FileReport, String>)>> = Mutex::new(Vec::with_capacity(inputs.len()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(index) else { break };
                    let result = one(engine, keys, input, wanted, bar).map_err(|error| error.to_string());
                    if result.is_err() {
                        next.store(inputs.len(), Ordering::Relaxed);
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>, String>>()?)
}

/// Treats one input.
fn one(
    engine: &Arc<Engine>,
    keys: &Keys,
    input: &Input,
    wanted: &Wanted,
    bar: &ProgressBar,
) -> Result<FileReport, Box<dyn Error>> {
    let name = input.path.display().to_string();
    let mut source: Box<dyn Read> = if input.path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&input.path).map_err(|error| named(&input.path, &error))?)
    };
    let writes = &wanted.writes;
    let target = match writes {
        Writes::Nothing => Target::Nothing,
        Writes::Stdout => Target::of(None)?,
        Writes::File(path) => Target::of(Some(path))?,
        Writes::Folder(folder) => Target::of(Some(&folder.join(&input.relative)))?,
    };
    let (lines, report) = (Lines::default(), FileReport::of(&name));
    let mut results = Results { engine, target, failed: None, places: wanted.places, lines, report };
    // A text of which only the findings are wanted is not refused for them.
    let mut scrubber = match writes {
        Writes::Nothing => TextScrubber::observer(Arc::clone(engine)),
        _ => TextScrubber::new(Arc::clone(engine), keys.actor(engine, &name)?),
    };
    let mut buffer = vec![0; READ];
    let mut first = true;
    loop {
        let read = source.read(&mut buffer).map_err(|error| named(&input.path, &error))?;
        if read == 0 {
            break;
        }
        if std::mem::take(&mut first)
            && let Content::Binary(what) = sniff(&buffer[..read])
        {
            results.report.skipped = Some(format!("is no text but {what}: not looked into"));
            if !matches!(writes, Writes::Nothing) {
                return Err(format!("{name} is no text but {what}: not scrubbed, not written").into());
            }
            return Ok(results.report);
        }
        if results.keeps_places() {
            results.lines.push(&buffer[..read]);
        }
        scrubber.push(&buffer[..read], &mut results).map_err(|blocked| format!("{name}: {blocked}"))?;
        results.lines.forget(scrubber.settled());
        results.failed()?;
        results.report.bytes += read as u64;
        bar.inc(read as u64);
    }
    scrubber.finish(&mut results).map_err(|blocked| format!("{name}: {blocked}"))?;
    results.failed()?;
    results.target.finish()?;
    Ok(results.report)
}

/// Takes what a scrubber gives.
struct Results<'a> {
    engine: &'a Engine,
    target: Target,
    failed: Option<io::Error>,
    /// Where findings are is reported.
    places: bool,
    lines: Lines,
    report: FileReport,
}

impl Results<'_> {
    /// Whether the place of a finding that comes now is kept.
    fn keeps_places(&self) -> bool {
        self.places && !self.report.is_full()
    }

    fn failed(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

impl Sink for Results<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.target.write_all(bytes).err();
        }
    }

    fn finding(&mut self, finding: Finding) {
        let kind = self.engine.kinds().name(finding.kind);
        if !self.keeps_places() {
            self.report.count(kind);
            return;
        }
        let (line, column) = self.lines.place(finding.start);
        self.report.add(Place {
            line,
            column,
            start: finding.start,
            end: finding.end,
            kind: kind.to_owned(),
            detector: self.engine.detectors()[finding.detector.index()].name.clone(),
            score: finding.score,
        });
    }
}
