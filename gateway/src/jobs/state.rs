//! What a job has done, in a file: a line of JSON for the job, then one for each object, for each write that is about to be made, and for each page of the
//! listing that is done with. Lines are added and never changed, so a job that was killed goes on from them; a last line that was cut off is dropped.
//!
//! They hold names of objects, counts and reasons, never a value.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::tally::{Seen, Tally};

/// Longer lines there are none: a key has at most 1,024 bytes, and reasons are sentences.
const LONGEST: u64 = 1 << 20;
/// Lines that one fsync makes durable, and how long they wait for it.
const BATCH: usize = 64;
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read or written.
    #[error("the state file {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A job works with it.
    #[error("the state file {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// It is something else, or damaged.
    #[error("{}: line {line} is none of a state file of this version: give the file of an earlier run, or one that does not exist", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
    },
    /// It is of a job that was asked for otherwise.
    #[error("{} is of another job ({was}), and this one is {is}: give another file, or ask for the same", path.display())]
    AnotherJob {
        /// The file.
        path: PathBuf,
        /// What its job was.
        was: Box<str>,
        /// What this one is.
        is: Box<str>,
    },
}

/// Which job it is: one that goes on must have been asked for in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Of this form: 1.
    pub v: u8,
    /// `scan`, `scrub in place`, `scrub to s3://…`.
    pub job: String,
    /// Over what.
    pub place: String,
    /// By which policy.
    pub policy: String,
    /// By which version of the engine.
    pub engine: String,
    /// What else was asked for.
    pub options: String,
    /// Objects whose key's hash is above it are left out.
    pub below: u64,
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { v: _, job, place, policy, engine, options, below } = self;
        write!(f, "{job} of {place} by {policy}, engine {engine}")?;
        if *below < u64::MAX {
            write!(f, ", a sample")?;
        }
        if options.is_empty() { Ok(()) } else { write!(f, ", {options}") }
    }
}

/// A line behind the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A write, or a deletion, that is about to be made.
    Begun(Begun),
    /// What became of an object.
    Object(Seen),
    /// All of the pages before are done with.
    Page(PageDone),
}

/// What is about to be done to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The id of the object that is about to be written; none: it is to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oid: Option<String>,
    /// What will have become of it.
    pub seen: Seen,
}

/// How far a walk is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageDone {
    /// The query of the next page; none: there is none.
    pub next: Option<String>,
    /// What the pages up to here listed.
    pub listed: u64,
    /// The last key, where its newest version was not treated as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spared: Option<String>,
}

/// Key and version.
pub type Name = (String, Option<String>);

/// What an earlier run of a job has done.
#[derive(Debug, Default)]
pub struct Resumed {
    /// How far it came; none: it has just begun.
    pub page: Option<PageDone>,
    /// Objects of the page that it was at.
    pub done: HashSet<Name>,
    /// Keys of that page whose older versions stay.
    pub spared: HashSet<String>,
    /// Versions that it wrote in the place of others, of the page that it was at.
    pub made: HashSet<Name>,
    /// What it was about to do when it was cut off, of the page that it was at.
    pub begun: HashMap<Name, Begun>,
}

/// The lines of a job, as they come. Without a file they are kept nowhere.
pub struct State {
    file: Option<(PathBuf, File)>,
    unsynced: usize,
    synced: Instant,
}

impl State {
    /// Of a job that nobody will go on with.
    pub fn nowhere() -> Self {
        Self { file: None, unsynced: 0, synced: Instant::now() }
    }

    /// Opens the file of a job, or makes it with mode 0600; `tally` gets what it holds. A file of an earlier run says which objects a sample of so many
    /// objects takes: `job.below` is set to that.
    pub fn open(path: &Path, job: &mut Job, tally: &mut Tally) -> Result<(Self, Resumed), StateError> {
        let failed = |e| StateError::Io(path.to_owned(), e);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let mut resumed = Resumed::default();
        let whole = read(path, &mut file, job, tally, &mut resumed)?;
        // The next line begins where the last whole one ends.
        file.set_len(whole).map_err(failed)?;
        let mut state = Self { file: Some((path.to_owned(), file)), unsynced: 0, synced: Instant::now() };
        if whole == 0 {
            state.write(job)?;
            state.sync()?;
        }
        Ok((state, resumed))
    }

    /// Where it is.
    pub fn path(&self) -> Option<&PathBuf> {
        self.file.as_ref().map(|(path, _)| path)
    }

    /// Adds a line. It is in the file when this returns, and durable with its batch.
    pub fn add(&mut self, line: &Line) -> Result<(), StateError> {
        self.write(line)?;
        self.unsynced += 1;
        if self.unsynced >= BATCH || self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes all lines durable.
    pub fn sync(&mut self) -> Result<(), StateError> {
        if let Some((path, file)) = &mut self.file {
            file.sync_data().map_err(|e| StateError::Io(path.clone(), e))?;
        }
        (self.unsynced, self.synced) = (0, Instant::now());
        Ok(())
    }

    fn write(&mut self, line: &impl Serialize) -> Result<(), StateError> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let failed = |e| StateError::Io(path.clone(), e);
        let mut text = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        file.write_all(&text).map_err(failed)
    }
}

/// Reads all whole lines; gives the length of them.
fn read(
    path: &Path,
    file: &mut File,
    job: &mut Job,
    tally: &mut Tally,
    resumed: &mut Resumed,
) -> Result<u64, StateError> {
    let failed = |e| StateError::Io(path.to_owned(), e);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let (mut whole, mut number, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        number += 1;
        let read = reader.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(failed)? as u64;
        let damaged = || StateError::Damaged { path: path.to_owned(), line: number };
        if line.last() != Some(&b'\n') {
            // The end, or a line that was cut off there.
            return if read < LONGEST { Ok(whole) } else { Err(damaged()) };
        }
        if number == 1 {
            let was: Job = serde_json::from_slice(&line).map_err(|_| damaged())?;
            if (Job { below: job.below, ..was.clone() }) != *job {
                let (was, is) = (was.to_string().into(), job.to_string().into());
                return Err(StateError::AnotherJob { path: path.to_owned(), was, is });
            }
            job.below = was.below;
        } else {
            match serde_json::from_slice(&line).map_err(|_| damaged())? {
                Line::Begun(begun) => {
                    resumed.begun.insert((begun.seen.key.clone(), begun.seen.version.clone()), begun);
                }
                Line::Object(seen) => {
                    tally.add(&seen);
                    resumed.begun.remove(&(seen.key.clone(), seen.version.clone()));
                    resumed.made.extend(seen.made.map(|made| (seen.key.clone(), Some(made))));
                    if seen.spares {
                        resumed.spared.insert(seen.key.clone());
                    }
                    resumed.done.insert((seen.key, seen.version));
                }
                Line::Page(page) => {
                    resumed.done.clear();
                    resumed.spared.clear();
                    resumed.made.clear();
                    resumed.begun.clear();
                    tally.listed = page.listed;
                    resumed.page = Some(page);
                }
            }
        }
        whole += read;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Outcome;
    use super::*;

    fn job() -> Job {
        Job {
            v: 1,
            job: "scan".into(),
            place: "s3://b/".into(),
            policy: "llm-training/1".into(),
            engine: "1".into(),
            options: String::new(),
            below: u64::MAX,
        }
    }

    fn open(path: &Path) -> Result<(State, Resumed, Tally), StateError> {
        let mut tally = Tally::new(10);
        State::open(path, &mut job(), &mut tally).map(|(state, resumed)| (state, resumed, tally))
    }

    fn seen(key: &str) -> Seen {
        Seen::of(key, None, Outcome::LookedInto)
    }

    fn name(key: &str) -> Name {
        (key.to_owned(), None)
    }

    #[test]
    fn a_job_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut state, resumed, _) = open(&path).unwrap();
        assert!(resumed.page.is_none() && resumed.done.is_empty());
        assert!(matches!(open(&path), Err(StateError::InUse(_))));
        let page = PageDone { next: Some("&marker=b".into()), listed: 3, spared: None };
        let begun = |key| Line::Begun(Begun { oid: Some("00".into()), seen: seen(key) });
        for line in [
            begun("a"),
            Line::Object(Seen { spares: true, ..seen("a") }),
            Line::Page(page.clone()),
            begun("c"),
            Line::Object(Seen { made: Some("v2".into()), version: Some("v1".into()), ..seen("c") }),
            Line::Object(Seen { spares: true, ..seen("d") }),
            begun("e"),
        ] {
            state.add(&line).unwrap();
        }
        drop(state);
        let (_, resumed, tally) = open(&path).unwrap();
        assert_eq!(resumed.page, Some(page));
        let version = |version: &str| ("c".to_owned(), Some(version.to_owned()));
        assert_eq!(resumed.done, HashSet::from([version("v1"), name("d")]));
        assert_eq!(resumed.made, HashSet::from([version("v2")]));
        assert_eq!(resumed.spared, HashSet::from(["d".to_owned()]));
        assert_eq!(resumed.begun.into_keys().collect::<HashSet<_>>(), HashSet::from([name("c"), name("e")]));
        assert_eq!((tally.all.objects, tally.listed), (3, 3));
    }

    /// Wherever a crash cuts it, what was whole counts, and what comes after is read again.
    #[test]
    fn a_torn_last_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (mut state, ..) = open(&path).unwrap();
        state.add(&Line::Object(seen("a"))).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        state.add(&Line::Object(seen("b"))).unwrap();
        drop(state);
        let all = std::fs::read(&path).unwrap();
        for cut in whole as usize..all.len() {
            std::fs::write(&path, &all[..cut]).unwrap();
            let (mut state, resumed, _) = open(&path).unwrap();
            assert_eq!(resumed.done, HashSet::from([name("a")]), "cut at {cut}");
            state.add(&Line::Object(seen("c"))).unwrap();
            drop(state);
            let (_, resumed, _) = open(&path).unwrap();
            assert_eq!(resumed.done, HashSet::from([name("a"), name("c")]), "cut at {cut}");
        }
    }

    #[test]
    fn other_files_and_other_jobs_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::write(&path, "something else\n").unwrap();
        assert!(matches!(open(&path), Err(StateError::Damaged { line: 1, .. })));
        std::fs::remove_file(&path).unwrap();
        drop(open(&path).unwrap());
        let other = |change: fn(&mut Job)| {
            let mut job = job();
            change(&mut job);
            State::open(&path, &mut job, &mut Tally::new(1)).map(|_| job.below)
        };
        assert!(matches!(other(|job| job.policy = "gdpr/1".into()), Err(StateError::AnotherJob { .. })));
        assert!(matches!(other(|job| job.place = "s3://c/".into()), Err(StateError::AnotherJob { .. })));
        assert_eq!(other(|job| job.below = 5).unwrap(), u64::MAX, "the sample is that of the file");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"object\":7}\n");
        std::fs::write(&path, text).unwrap();
        assert!(matches!(open(&path), Err(StateError::Damaged { line: 2, .. })));
    }
}
