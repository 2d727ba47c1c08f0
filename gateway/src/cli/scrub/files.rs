//! Whole files, several at a time.

use std::collections::HashSet;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use indicatif::ProgressBar;
use scrub::Engine;
use scrub::format::{self, Job, Limits, Placed, Rule, Summary};
use scrub::report::{self, FileReport, Place};

use super::keys::Keys;
use super::named;
use super::output::Target;

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
    /// What is done with media, and documents in binary.
    pub on_media: Rule,
    /// What is done with other data that is no text.
    pub on_unknown: Rule,
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

/// Treats every input; the reports are in their order, and whether one of them failed. Failures are told in the reports.
pub fn run(
    engine: &Arc<Engine>,
    keys: &Keys,
    inputs: &[Input],
    wanted: &Wanted,
    jobs: usize,
    bar: &ProgressBar,
) -> (Vec<FileReport>, bool) {
    // What goes to one place goes there in order.
    let jobs =
        if matches!(wanted.writes, Writes::Stdout | Writes::File(_)) { 1 } else { jobs.min(inputs.len()).max(1) };
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, FileReport)>> = Mutex::new(Vec::with_capacity(inputs.len()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(index) else { break };
                    let name = input.path.display().to_string();
                    let mut written = 0;
                    let report = one(engine, keys, input, &name, wanted, bar, &mut written).unwrap_or_else(|error| {
                        failed.store(true, Ordering::Relaxed);
                        // Behind a part of a file nothing else is to follow.
                        if written > 0 && matches!(wanted.writes, Writes::Stdout) {
                            next.store(inputs.len(), Ordering::Relaxed);
                        }
                        FileReport { skipped: Some(error.to_string()), ..FileReport::of(&name) }
                    });
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, report));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    (done.into_iter().map(|(_, report)| report).collect(), failed.into_inner())
}

/// Treats one input.
fn one(
    engine: &Arc<Engine>,
    keys: &Keys,
    input: &Input,
    name: &str,
    wanted: &Wanted,
    bar: &ProgressBar,
    written: &mut u64,
) -> Result<FileReport, Box<dyn Error>> {
    let source: Box<dyn Read> =
        if input.path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(&input.path)?) };
    let mut source = Counted { source, read: 0, bar };
    let writes = &wanted.writes;
    let mut target = match writes {
        Writes::Nothing => Target::Nothing,
        Writes::Stdout => Target::of(None)?,
        Writes::File(path) => Target::of(Some(path))?,
        Writes::Folder(folder) => Target::of(Some(&folder.join(&input.relative)))?,
    };
    let job = Job {
        engine: Arc::clone(engine),
        // A file of which only the findings are wanted is not refused for them.
        actor: match writes {
            Writes::Nothing => None,
            _ => Some(keys.actor(engine, name)?),
        },
        on_media: wanted.on_media,
        on_unknown: wanted.on_unknown,
        limits: Limits::default(),
        memory: None,
    };
    let most = if wanted.places { report::PLACES } else { 0 };
    let mut out = Written { target: &mut target, bytes: written };
    let (summary, found) = format::scrub_with_places(&mut source, &mut out, &job, most)?;
    target.finish()?;
    let places = found.iter().map(|Placed { finding, line, column }| Place {
        line: *line,
        column: *column,
        start: finding.start,
        end: finding.end,
        kind: engine.kinds().name(finding.kind).to_owned(),
        detector: engine.detectors()[finding.detector.index()].name.clone(),
        score: finding.score,
    });
    Ok(FileReport {
        path: name.to_owned(),
        bytes: source.read,
        skipped: passed(&summary),
        places: places.collect(),
        counts: summary.findings,
    })
}

/// What was passed on without being looked into.
fn passed(summary: &Summary) -> Option<String> {
    let parts: Vec<_> = summary.passed.iter().map(|(what, count)| format!("{count} of {what}")).collect();
    (!parts.is_empty()).then(|| format!("not looked into: {}", parts.join(", ")))
}

/// Counts what is read.
struct Counted<'a> {
    source: Box<dyn Read>,
    read: u64,
    bar: &'a ProgressBar,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.read += read as u64;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

/// Counts what is written.
struct Written<'a> {
    target: &'a mut Target,
    bytes: &'a mut u64,
}

impl Write for Written<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.bytes += bytes.len() as u64;
        self.target.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
