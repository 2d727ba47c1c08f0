//! `data-vault scan` and `data-vault scrub s3://…`.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use scrub::policy::Policy;

use super::{ConfigArgs, runtime};
use crate::app;
use crate::config::{Config, Scrub as Mode};
use crate::jobs::report::{Format, Report};
use crate::jobs::scan::Scan;
use crate::jobs::scrub::{Scrub, To};
use crate::jobs::state::{Job, Resumed, State};
use crate::jobs::tally::Tally;
use crate::jobs::walk::{LARGEST_SAMPLE, Log, Treat, Walk, share};
use crate::jobs::{Chosen, JobError, Place, given, signer};
use crate::telemetry;
use crate::vault::Vault;

/// What a job may be asked for, whatever it does.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArgs,
    /// The policy, in TOML [default: the bucket's].
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// The policy, by the name of one that is built in: llm-training, gdpr, hipaa, pci-dss or secrets-only.
    #[arg(long, value_name = "NAME", conflicts_with = "policy")]
    preset: Option<String>,
    /// The form of the report.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "table")]
    report: Format,
    /// Where the report goes [default: standard output].
    #[arg(long, value_name = "FILE")]
    report_to: Option<PathBuf>,
    /// Objects that the report names at most [default: 20 in a table, else 10000].
    #[arg(long, value_name = "N")]
    top: Option<u32>,
    /// Objects at a time [default: the number of processors].
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Note in this file what is done, and go on from it where it is there: after a crash, too.
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// As which client the storage is asked [default: with the credential of `[backend]`].
    #[arg(long = "as", value_name = "ACCESS_KEY")]
    asking: Option<String>,
    /// No progress bar.
    #[arg(long, short)]
    quiet: bool,
}

/// Find personal data and secrets in the objects of a bucket, sealed or not.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 done, 1 failure, 2 wrong command line, configuration or policy, 3 a type of --fail-on was found, \
                  4 done but for objects that could not be read."
)]
pub struct ScanArgs {
    /// The bucket, or what in it begins with a prefix.
    #[arg(value_name = "s3://BUCKET[/PREFIX]")]
    place: Place,
    #[command(flatten)]
    common: Common,
    /// Look into a part of the objects, such as 5%: by the hash of their keys, the same on every run.
    #[arg(long, value_name = "N%", value_parser = percent)]
    sample: Option<f64>,
    /// Look into so many objects, by the hash of their keys.
    #[arg(long, value_name = "N", conflicts_with = "sample", value_parser = clap::value_parser!(u32).range(1..=LARGEST_SAMPLE as i64))]
    sample_objects: Option<u32>,
    /// Look into every version, not the newest of each key alone.
    #[arg(long)]
    all_versions: bool,
    /// Exit with 3 where a finding is of one of these types; `any` stands for all.
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    fail_on: Vec<String>,
}

/// Scrub what is in a bucket.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Debug, Args)]
#[command(
    override_usage = "data-vault scrub s3://BUCKET[/PREFIX] (--in-place | --to s3://OTHER[/PREFIX]) [OPTIONS]",
    after_help = "Exit status: 0 done, 1 failure, 2 wrong command line, configuration or policy, 4 done but for objects that are left."
)]
pub struct ScrubBucketArgs {
    /// The bucket, or what in it begins with a prefix.
    #[arg(value_name = "s3://BUCKET[/PREFIX]")]
    place: Place,
    /// Put scrubbed objects in the place of those with findings, and seal plaintext.
    #[arg(long, required_unless_present = "to", conflicts_with = "to")]
    in_place: bool,
    /// Put all objects, scrubbed, into another bucket. This prefix takes the place of the one that is read.
    #[arg(long, value_name = "s3://OTHER[/PREFIX]")]
    to: Option<Place>,
    #[command(flatten)]
    common: Common,
    /// With --in-place: delete older versions with findings for good, once the newest is scrubbed and read back.
    #[arg(long, conflicts_with = "to")]
    destroy_versions: bool,
    /// With --to: write over objects that have the name.
    #[arg(long, conflicts_with = "in_place")]
    overwrite: bool,
    /// The gateway is stopped and nobody else writes: needed with --in-place where the storage has no conditional writes.
    #[arg(long)]
    gateway_stopped: bool,
    /// Say what would be done; change nothing.
    #[arg(long)]
    dry_run: bool,
}

fn percent(text: &str) -> Result<f64, String> {
    let wrong = || "a share of more than 0% and at most 100% is expected".to_owned();
    let share: f64 = text.strip_suffix('%').unwrap_or(text).parse().map_err(|_| wrong())?;
    if share > 0.0 && share <= 100.0 { Ok(share) } else { Err(wrong()) }
}

impl ScanArgs {
    /// Does what the command line says.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let Self { place, common, sample, sample_objects, all_versions, fail_on } = self;
        let (config, common) = common.begin()?;
        let tally = runtime()?.block_on(app::run_job(config, async |vault| {
            let signer = signer(vault, common.asking.as_deref())?;
            let place = place.identified(vault, &signer)?;
            let policy = common.chosen(vault, &place.bucket, Mode::Detect)?;
            let otherwise = match given(vault, &place.bucket, &Policy::default().id, Mode::Detect)? {
                Chosen::Given(policy) => policy,
                Chosen::Configured => return Err(JobError::Usage("no policy".to_owned())),
            };
            let named = policy.of(vault, &place.bucket, &place.prefix).unwrap_or_else(|| otherwise.clone());
            let kinds = named.job.engine.kinds();
            if let Some(unknown) = fail_on.iter().find(|kind| *kind != "any" && kinds.get(kind).is_none()) {
                return Err(JobError::Usage(format!("--fail-on {unknown}: the policy looks for no such type")));
            }
            let mut options = Vec::new();
            options.extend(all_versions.then(|| "all versions".to_owned()));
            options.extend(sample.map(|share| format!("sample of {share}%")));
            options.extend(sample_objects.map(|count| format!("sample of {count} objects")));
            let mut walk = common.walk(vault, place, signer.clone(), all_versions);
            walk.below = sample.map_or(u64::MAX, share);
            let job = job("scan", &walk, named.id.to_string(), &options);
            let treat = Scan { vault: vault.clone(), signer, policy, otherwise };
            common.run(walk, job, sample_objects, &treat).await
        }))?;
        let fails = |kind: &str| fail_on.iter().any(|on| on == "any" || on == kind);
        Ok(ExitCode::from(if tally.kinds().any(fails) {
            3
        } else if tally.left() > 0 {
            4
        } else {
            0
        }))
    }
}

impl ScrubBucketArgs {
    /// Does what the command line says.
    pub fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let Self { place, in_place: _, to, common, destroy_versions, overwrite, gateway_stopped, dry_run } = self;
        let (config, common) = common.begin()?;
        let tally = runtime()?.block_on(app::run_job(config, async |vault| {
            let signer = signer(vault, common.asking.as_deref())?;
            let place = place.identified(vault, &signer)?;
            let to = to.map(|to| to.identified(vault, &signer)).transpose()?;
            if to.is_none() && !dry_run && !gateway_stopped && !vault.honoured.writes() {
                return Err(JobError::Usage(
                    "the storage has no conditional writes, so nothing would keep this from undoing a write of a client: stop the gateway, and \
                     give --gateway-stopped"
                        .to_owned(),
                ));
            }
            if let Some(to) = to.as_ref().filter(|to| overlap(&place, to)) {
                return Err(JobError::Usage(format!("{to} and {place} overlap: what is written would be read again")));
            }
            // What is written keeps to the policy of where it goes; where there is none, of where it comes from.
            let target = to.as_ref().unwrap_or(&place);
            let mut policy = common.chosen(vault, &target.bucket, Mode::Enforce)?;
            if let (Chosen::Configured, None) = (&policy, enforcing(&policy, vault, target)) {
                policy = Chosen::Given(enforcing(&policy, vault, &place).ok_or_else(|| {
                    JobError::Usage(format!("{target} has no policy with scrub = \"enforce\": give --policy or --preset"))
                })?);
            }
            let named = policy.of(vault, &target.bucket, &target.prefix).map(|policy| policy.id.to_string()).unwrap_or_default();
            let mut options = Vec::new();
            for (given, name) in [(destroy_versions, "older versions destroyed"), (overwrite, "written over"), (dry_run, "dry run")] {
                options.extend(given.then(|| name.to_owned()));
            }
            let walk = common.walk(vault, place.clone(), signer.clone(), to.is_none());
            let what = to.as_ref().map_or_else(|| "scrub in place".to_owned(), |to| format!("scrub to {to}"));
            let job = job(&what, &walk, named, &options);
            let to = match to {
                None => None,
                Some(to) => Some(To::new(vault, &signer, to, place.prefix, overwrite).await?),
            };
            let treat = Scrub { vault: vault.clone(), signer, policy, to, destroy_versions, dry_run };
            common.run(walk, job, None, &treat).await
        }))?;
        Ok(ExitCode::from(if tally.left() > 0 { 4 } else { 0 }))
    }
}

/// The policy of a bucket, where it changes what is stored.
fn enforcing(policy: &Chosen, vault: &Vault, place: &Place) -> Option<Arc<crate::scrubbing::BucketPolicy>> {
    policy.of(vault, &place.bucket, &place.prefix).filter(|policy| policy.enforces())
}

/// Whether what is written to the one is listed in the other.
fn overlap(from: &Place, to: &Place) -> bool {
    from.bucket == to.bucket && (to.prefix.starts_with(&from.prefix) || from.prefix.starts_with(&to.prefix))
}

fn job(what: &str, walk: &Walk, policy: String, options: &[String]) -> Job {
    Job {
        v: 1,
        job: what.to_owned(),
        place: walk.place.to_string(),
        policy,
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        options: options.join(", "),
        below: walk.below,
    }
}

impl Common {
    /// Reads the configuration, and leaves to the engine what the command line gives it.
    fn begin(mut self) -> Result<(Config, Self), Box<dyn Error>> {
        let mut config = std::mem::take(&mut self.config).load()?;
        telemetry::start_log(&config.log)?;
        config.limits.scrub_threads = self.jobs();
        config.limits.scrub_bodies = config.limits.scrub_bodies.max(self.jobs());
        Ok((config, self))
    }

    fn jobs(&self) -> usize {
        self.jobs.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get).min(256)
    }

    fn chosen(&self, vault: &Vault, bucket: &str, mode: Mode) -> Result<Chosen, JobError> {
        if let Some(preset) = self.preset.as_ref().filter(|preset| Policy::preset(preset).is_none()) {
            return Err(JobError::Usage(format!("--preset {preset}: there is no built-in policy of this name")));
        }
        match self.policy.as_ref().or(self.preset.as_ref()) {
            Some(name) => given(vault, bucket, name, mode),
            None => Ok(Chosen::Configured),
        }
    }

    fn walk(&self, vault: &Arc<Vault>, place: Place, signer: crate::backend::Signer, versions: bool) -> Walk {
        Walk { vault: vault.clone(), place, signer, versions, jobs: self.jobs(), below: u64::MAX }
    }

    /// Walks, and reports.
    async fn run(
        &self,
        mut walk: Walk,
        mut job: Job,
        sample: Option<u32>,
        treat: &dyn Treat,
    ) -> Result<Tally, JobError> {
        let most = self.top.unwrap_or(if self.report == Format::Table { 20 } else { 10_000 });
        let mut tally = Tally::new(most as usize);
        let known = self.resume.as_ref().is_some_and(|path| path.metadata().is_ok_and(|file| file.len() > 0));
        if let Some(count) = sample.filter(|_| !known) {
            job.below = walk.sample(count as usize).await?;
        }
        let (state, resumed) = match &self.resume {
            Some(path) => State::open(path, &mut job, &mut tally)?,
            None => (State::nowhere(), Resumed::default()),
        };
        walk.below = job.below;
        let log = Log::new(state, tally, self.bar());
        {
            let page = resumed.page.clone();
            let measured = async {
                if !log.bar.is_hidden() {
                    walk.measure(page.as_ref(), &log.bar).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                done = walk.run(treat, resumed, &log) => done?,
                () = measured => {}
            }
        }
        log.bar.finish_and_clear();
        let tally = log.into_tally();
        let text = Report { job: &job, tally: &tally }.write(self.report);
        match &self.report_to {
            Some(path) => std::fs::write(path, text).map_err(|e| super::scrub::named(path, &e)),
            None => io::stdout().lock().write_all(text.as_bytes()),
        }
        .map_err(JobError::Report)?;
        Ok(tally)
    }

    /// A bar on a terminal, hidden anywhere else.
    fn bar(&self) -> ProgressBar {
        if self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            ProgressStyle::with_template("{bar:20} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left, {msg}");
        let bar = ProgressBar::new(0);
        match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(percent("5%"), Ok(5.0));
        assert_eq!(percent("0.5"), Ok(0.5));
        assert_eq!(percent("100%"), Ok(100.0));
        for wrong in ["", "0", "101%", "-1", "NaN", "x%"] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scrub_does_not_read_what_it_writes() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        for (from, to, does) in [
            ("s3://a", "s3://b", false),
            ("s3://a/x/", "s3://a/y/", false),
            ("s3://a/x/", "s3://a/x/y", true),
            ("s3://a/x/", "s3://a", true),
            ("s3://a", "s3://a", true),
        ] {
            assert_eq!(overlap(&place(from), &place(to)), does, "{from} to {to}");
        }
    }
}
