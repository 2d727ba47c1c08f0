//! `data-vault scrub`: files and pipes through the scrub engine.

#![expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]

mod files;
mod jsonl;
pub(super) mod keys;
mod list;
pub(super) mod output;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use scrub::format::Rule;
use scrub::policy::{self, Policy};
use scrub::report::{FileReport, Format, Report};
use scrub::{Engine, builtin, detector};

/// Find personal data and secrets in texts, and take them out.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 done, 1 failure, 2 wrong command line or policy, 3 a type of --fail-on was found."
)]
pub struct ScrubArgs {
    /// What is read; `-` is standard input; of a folder, every file in it.
    #[arg(value_name = "FILE", required_unless_present = "list")]
    files: Vec<PathBuf>,
    /// The policy, in TOML [default: the preset llm-training].
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The policy, by the name of one that is built in: llm-training, gdpr, hipaa, pci-dss or secrets-only.
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    preset: Option<String>,
    /// The key of hashes, tokens and pseudonyms: 64 hexadecimal digits. Without it their findings are labelled.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Detectors of your own, in TOML, beside those built in.
    #[arg(long, value_name = "FILE")]
    detectors: Vec<PathBuf>,
    /// Print the findings in place of the scrubbed text: path, line, column, type, score.
    #[arg(long)]
    detect: bool,
    /// Every line is `{"id", "text"}`; with --detect, findings are printed as `{"id", "start", "end", "type", "score"}`, in code points.
    #[arg(long)]
    jsonl: bool,
    /// Where scrubbed texts go: a file for one that is read, else a folder [default: standard output].
    #[arg(long, value_name = "PATH", conflicts_with = "detect")]
    out: Option<PathBuf>,
    /// Write a report of counts and places: json, html or sarif. Without --out, scrubbed texts are then not written.
    #[arg(long, value_name = "FORMAT", conflicts_with = "jsonl")]
    report: Option<Format>,
    /// Where the report goes [default: standard output].
    #[arg(long, value_name = "FILE", requires = "report")]
    report_to: Option<PathBuf>,
    /// Exit with 3 where a finding is of one of these types; `any` stands for all.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    fail_on: Vec<String>,
    /// What is done with PDF, documents of office programs, images, sound and video: `pass` takes them as they are, `refuse` is a failure of the file
    /// [default: refuse; where no scrubbed texts are written they are named, and it is no failure].
    #[arg(long, value_name = "WHAT", conflicts_with = "jsonl")]
    on_media: Option<OnOther>,
    /// The same with other data that is no text.
    #[arg(long, value_name = "WHAT", conflicts_with = "jsonl")]
    on_unknown: Option<OnOther>,
    /// Files at a time [default: the number of processors].
    #[arg(long, short, value_name = "N")]
    jobs: Option<std::num::NonZeroUsize>,
    /// Show the detectors, each with an example and a counter-example.
    #[arg(long)]
    list: bool,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

/// What is done with what cannot be looked into.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnOther {
    Pass,
    Refuse,
}

/// A command that cannot be carried out as it was given: exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// A policy or a definition of detectors is not taken.
    #[error("{0}")]
    Definition(String),
    /// A key file that holds something else.
    #[error("{0}: 64 hexadecimal digits are expected")]
    NoKey(PathBuf),
    /// A name that `--fail-on` does not know.
    #[error("--fail-on {0}: no detector finds this type; `data-vault scrub --list` shows those that there are")]
    UnknownType(String),
    /// Several texts cannot go to one file.
    #[error("--out {0}: is a file, and several are read: give a folder")]
    OutIsAFile(PathBuf),
    /// One would take the place of the other.
    #[error("--out: two of the files that are read would be written to {0}: give a folder for each")]
    TwoOfAName(PathBuf),
}

impl ScrubArgs {
    /// Does what the command line says.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let (engine, policy) = self.engine()?;
        let keys = keys::Keys::read(self.key_file.as_deref(), policy.scope)?;
        if self.list {
            list::write(engine.detectors(), &mut io::stdout().lock())?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(unknown) = self.fail_on.iter().find(|kind| *kind != "any" && engine.kinds().get(kind).is_none()) {
            return Err(ScrubError::UnknownType(unknown.clone()).into());
        }
        let jobs = self.jobs.or_else(|| available_parallelism().ok()).map_or(1, std::num::NonZeroUsize::get);
        if self.jsonl {
            let mut counts = jsonl::Counts::default();
            let mut out = output::Target::of(self.out.as_deref())?;
            for path in &self.files {
                jsonl::run(&engine, &keys, path, self.detect, jobs, &mut out, &mut counts)?;
            }
            out.finish()?;
            return Ok(self.exit(counts.keys().map(String::as_str)));
        }
        let inputs = files::expand(&self.files)?;
        let several = inputs.len() > 1 || self.files.iter().any(|path| path.is_dir());
        if let Some(out) = self.out.as_ref().filter(|out| several && out.is_file()) {
            return Err(ScrubError::OutIsAFile(out.clone()).into());
        }
        let writes = match (&self.out, self.detect, self.report) {
            // As `cp` does.
            (Some(out), ..) if several || out.is_dir() => {
                if let Some(twice) = files::twice(&inputs) {
                    return Err(ScrubError::TwoOfAName(out.join(twice)).into());
                }
                files::Writes::Folder(out.clone())
            }
            (Some(out), ..) => files::Writes::File(out.clone()),
            (None, true, _) | (None, _, Some(_)) => files::Writes::Nothing,
            (None, false, None) => files::Writes::Stdout,
        };
        let bar = self.bar(&inputs);
        let rule = |given: Option<OnOther>| match given {
            Some(OnOther::Pass) => Rule::Pass,
            None if matches!(writes, files::Writes::Nothing) => Rule::Pass,
            Some(OnOther::Refuse) | None => Rule::Refuse,
        };
        let (on_media, on_unknown) = (rule(self.on_media), rule(self.on_unknown));
        let wanted = files::Wanted { writes, places: self.detect || self.report.is_some(), on_media, on_unknown };
        let (reports, failed) = files::run(&engine, &keys, &inputs, &wanted, jobs, &bar);
        bar.finish_and_clear();
        if self.detect && self.report.is_none() {
            print_places(&reports)?;
        }
        let found: Vec<String> = reports.iter().flat_map(|file| file.counts.keys().cloned()).collect();
        for file in &reports {
            if let Some(why) = &file.skipped {
                eprintln!("data-vault: {}: {why}", file.path);
            }
        }
        if let Some(format) = self.report {
            let policy = format!("{} {}", policy.id, policy.version);
            let report = Report { engine: env!("CARGO_PKG_VERSION").to_owned(), policy, files: reports };
            let mut text = String::new();
            report.write(format, &mut text)?;
            match &self.report_to {
                Some(path) => std::fs::write(path, text).map_err(|error| named(path, &error))?,
                None => io::stdout().lock().write_all(text.as_bytes())?,
            }
        }
        if failed {
            return Ok(ExitCode::FAILURE);
        }
        Ok(self.exit(found.iter().map(String::as_str)))
    }

    /// The engine and its policy.
    fn engine(&self) -> Result<(Arc<Engine>, Policy), Box<dyn Error>> {
        let mut detectors = builtin::detectors();
        for path in &self.detectors {
            let toml = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
            detectors.extend(detector::read(&path.display().to_string(), &toml).map_err(|errors| lines(&errors))?);
        }
        let policy = match (&self.policy, &self.preset) {
            (Some(path), _) => {
                let toml = std::fs::read_to_string(path).map_err(|error| named(path, &error))?;
                policy::read(&path.display().to_string(), &toml).map_err(|errors| lines(&errors))?
            }
            (None, Some(name)) => Policy::preset(name).ok_or_else(|| {
                let known: Vec<_> = policy::PRESETS.iter().map(|(name, _)| *name).collect();
                ScrubError::Definition(format!("--preset {name}: one of {} is expected", known.join(", ")))
            })?,
            (None, None) => Policy::default(),
        };
        let engine = Engine::new(detectors, &policy).map_err(|error| ScrubError::Definition(error.to_string()))?;
        Ok((Arc::new(engine), policy))
    }

    fn exit<'a>(&self, mut found: impl Iterator<Item = &'a str>) -> ExitCode {
        let fails = |kind: &str| self.fail_on.iter().any(|on| on == "any" || on == kind);
        if found.any(fails) { ExitCode::from(3) } else { ExitCode::SUCCESS }
    }

    /// A bar on a terminal, hidden anywhere else.
    fn bar(&self, inputs: &[files::Input]) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}");
        let bar = ProgressBar::new(inputs.iter().map(files::Input::len).sum());
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

fn print_places(reports: &[FileReport]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for file in reports {
        for place in &file.places {
            writeln!(
                out,
                "{}:{}:{}: {} {:.2} {}",
                file.path, place.line, place.column, place.kind, place.score, place.detector
            )?;
        }
        let without_place = file.without_place();
        if file.places.is_empty() {
            for (kind, count) in without_place {
                writeln!(out, "{}: {count} of {kind}", file.path)?;
            }
        } else if !without_place.is_empty() {
            writeln!(out, "{}: {} more findings", file.path, without_place.values().sum::<u64>())?;
        }
    }
    out.flush()
}

fn lines<E: std::fmt::Display>(errors: &[E]) -> ScrubError {
    ScrubError::Definition(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// An error of a file with its name.
pub(super) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
