//! The command line.

pub mod decrypt;
pub mod detokenize;
pub mod jobs;
pub mod scrub;

use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::{self, AppError};
use crate::config::{BackendKind, Config, ConfigError, Scrub, Sources};
use crate::telemetry;
use decrypt::DecryptArgs;
use detokenize::{DestroyTokensArgs, DetokenizeArgs};
use jobs::{ScanArgs, ScrubBucketArgs};
use scrub::{ScrubArgs, ScrubError};

/// A transparent S3 gateway that seals every object before it reaches storage.
#[derive(Debug, Parser)]
#[command(name = "data-vault", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM or SIGINT.
    Serve(ConfigArgs),
    /// Read and check the configuration and the certificates and keys that it names, and say what it means.
    CheckConfig(ConfigArgs),
    /// Open a stored object offline, with its headers, its KEK record and a keyring.
    Decrypt(DecryptArgs),
    /// Find personal data and secrets in texts, and take them out.
    ///
    /// `data-vault scrub s3://bucket` scrubs what is in a bucket: see `data-vault scrub-bucket --help`.
    Scrub(ScrubArgs),
    /// Find personal data and secrets in the objects of a bucket, sealed or not.
    Scan(ScanArgs),
    /// Scrub what is in a bucket. `data-vault scrub s3://…` is the same.
    ScrubBucket(ScrubBucketArgs),
    /// Turn the tokens of `scrub` back, with the key that they were made under.
    Detokenize(DetokenizeArgs),
    /// Destroy the vault of a bucket's short tokens: none of them stands for anything from then on.
    DestroyTokens(DestroyTokensArgs),
    /// Work on the metadata database.
    #[command(subcommand)]
    Sidecar(SidecarCommand),
}

#[derive(Debug, Subcommand)]
enum SidecarCommand {
    /// Make the metadata database again from the backend.
    Rebuild(ConfigArgs),
    /// Remove what is kept beside objects and nobody needs any more, as the gateway does from time to time.
    Sweep(ConfigArgs),
}

/// Where the configuration comes from: the file, then `DATA_VAULT__SECTION__KEY`, then these flags.
#[derive(Debug, Default, Args)]
struct ConfigArgs {
    /// The configuration file [default: data-vault.toml, if there is one].
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One value, as `section.key=value`. Can be given again.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// `data_dir`
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// `server.listen`
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// `admin.listen`
    #[arg(long, value_name = "ADDR:PORT")]
    admin_listen: Option<SocketAddr>,
    /// `log.level`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// `log.format`
    #[arg(long, value_name = "text|json")]
    log_format: Option<String>,
}

/// A file that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Unfit(AppError);

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected `section.key=value`".to_owned()),
    }
}

impl ConfigArgs {
    fn load(self) -> Result<Config, ConfigError> {
        let set = self.set.into_iter().map(|(key, value)| {
            let flag = format!("--set {key}");
            (key, value, flag)
        });
        let named = [
            ("data_dir", self.data_dir, "--data-dir"),
            ("server.listen", self.listen.map(|a| a.to_string()), "--listen"),
            ("admin.listen", self.admin_listen.map(|a| a.to_string()), "--admin-listen"),
            ("log.level", self.log_level, "--log-level"),
            ("log.format", self.log_format, "--log-format"),
        ];
        let named = named.into_iter().filter_map(|(key, value, flag)| Some((key.to_owned(), value?, flag.to_owned())));
        Config::load(&Sources {
            file: self.config,
            // A name or value that is no Unicode cannot be one of ours.
            environment: std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
            flags: set.chain(named).collect(),
        })
    }
}

/// Runs the program: exit status 0, 1 for a failure, 2 for a wrong command line or configuration, 3 for a rebuild that is done but
/// for objects that cannot be opened, for a scan or scrub that found what it was to fail on,
/// and for tokens that were left; 4 for a job over a bucket that is done but for objects that are left.
pub fn main() -> ExitCode {
    telemetry::keep_data_out_of_panics();
    match run(Cli::parse_from(named(std::env::args_os().collect())).command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("data-vault: {}", chain(error.as_ref()));
            ExitCode::from(match error.downcast_ref() {
                Some(AppError::Skipped(_)) => 3,
                Some(AppError::Job(error)) if error.is_usage() => 2,
                _ if error.is::<ConfigError>() || error.is::<Unfit>() || error.is::<ScrubError>() => 2,
                _ => 1,
            })
        }
    }
}

/// With a bucket, `scrub` has other options than with files.
fn named(mut line: Vec<OsString>) -> Vec<OsString> {
    let of_a_bucket = line.iter().skip(2).any(|argument| argument.as_encoded_bytes().starts_with(b"s3://"));
    if of_a_bucket && let Some(command) = line.get_mut(1).filter(|command| *command == "scrub") {
        *command = "scrub-bucket".into();
    }
    line
}

fn run(command: Command) -> Result<ExitCode, Box<dyn Error>> {
    match command {
        Command::Serve(args) => {
            let config = args.load()?;
            telemetry::start_log(&config.log)?;
            runtime()?.block_on(app::serve(config))?;
        }
        Command::CheckConfig(args) => {
            let config = args.load()?;
            app::check_files(&config).map_err(Unfit)?;
            print!("{}", summary(&config));
        }
        Command::Decrypt(args) => {
            let facts = args.run()?;
            eprintln!("{} bytes, authenticated, ETag {}", facts.length, facts.etag_string());
        }
        Command::Sidecar(SidecarCommand::Rebuild(args)) => {
            let config = args.load()?;
            telemetry::start_log(&config.log)?;
            runtime()?.block_on(app::rebuild_sidecar(config, |at, e| {
                let version = at.version_id.as_deref().filter(|id| *id != "null");
                let version = version.map(|id| format!(" version {id}")).unwrap_or_default();
                eprintln!("data-vault: skipped {}/{}{version}: {}", at.bucket, at.key.escape_debug(), chain(e));
            }))?;
        }
        Command::Sidecar(SidecarCommand::Sweep(args)) => {
            let config = args.load()?;
            telemetry::start_log(&config.log)?;
            let (gone, undecided) = runtime()?.block_on(app::sweep(config))?;
            eprintln!("{gone} removed, {undecided} left since it cannot be decided whether they are needed");
        }
        Command::Scrub(args) => return args.run(),
        Command::Scan(args) => return args.run(),
        Command::ScrubBucket(args) => return args.run(),
        Command::Detokenize(args) => return args.run(),
        Command::DestroyTokens(args) => args.run()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// An error and its causes, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&said) {
            text += ": ";
            text += &said;
        }
        cause = error.source();
    }
    text
}

/// What a configuration means, for a person. No secret.
fn summary(config: &Config) -> String {
    let mut out = String::from("the configuration is right\n");
    let backend = match &config.backend.kind {
        BackendKind::Local => format!("local, in {}", config.data_dir.display()),
        BackendKind::S3(s3) => format!("{}://{} as {}", s3.scheme, s3.authority, s3.credential.access_key),
    };
    let credentials = match config.credentials.as_slice() {
        [] => "none given: one is generated at the first start".to_owned(),
        some => some.iter().map(|c| c.access_key.as_str()).collect::<Vec<_>>().join(", "),
    };
    for (name, value) in [
        ("S3", config.server.listen.to_string()),
        ("admin", config.admin.listen.to_string()),
        ("backend", backend),
        ("keyring", config.keys.keyring.display().to_string()),
        ("sidecar", config.sidecar.url.clone()),
        ("credentials", credentials),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {name:<12}{value}");
    }
    for (bucket, of) in config.buckets.all().filter(|(_, of)| of.scrub.mode != Scrub::Off) {
        let (bucket, mode, policy) = (bucket.unwrap_or("all others"), of.scrub.mode.name(), &of.scrub.policy);
        let _ = writeln!(out, "  {:<12}{bucket}: {mode} by {policy}", "scrub");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_scrub_of_a_bucket_is_told_from_one_of_files() {
        let command = |line: &[&str]| Cli::parse_from(named(line.iter().map(OsString::from).collect())).command;
        assert!(matches!(command(&["data-vault", "scrub", "s3://b/x", "--in-place"]), Command::ScrubBucket(_)));
        assert!(matches!(
            command(&["data-vault", "scrub", "--dry-run", "--in-place", "s3://b"]),
            Command::ScrubBucket(_)
        ));
        assert!(matches!(command(&["data-vault", "scrub", "file"]), Command::Scrub(_)));
        assert!(matches!(command(&["data-vault", "scan", "s3://b"]), Command::Scan(_)));
        for wrong in [
            &["scrub-bucket", "s3://b"][..],
            &["scan", "b"],
            &["scrub-bucket", "s3://b", "--in-place", "--to", "s3://c"],
        ] {
            assert!(Cli::try_parse_from([&["data-vault"], wrong].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn flags_reach_the_configuration() {
        let line = ["data-vault", "check-config", "--listen", "127.0.0.1:1", "--set", "backend.retries=9=9"];
        let Command::CheckConfig(args) = Cli::parse_from(line).command else { panic!("another command") };
        assert_eq!(args.listen.unwrap().port(), 1);
        assert_eq!(args.set, [("backend.retries".to_owned(), "9=9".to_owned())]);
        assert!(args.load().unwrap_err().to_string().contains("--set backend.retries"));
        assert!(Cli::try_parse_from(["data-vault", "serve", "--set", "novalue"]).is_err());
    }

    #[test]
    fn what_is_scrubbed_is_told() {
        let text = "[buckets.default]\nscrub = \"detect\"\n[buckets.a]\nscrub = \"enforce\"\nscrub_policy = \"gdpr\"\n[buckets.b]\nscrub = \"off\"\n";
        let told = summary(&Config::parse("f".as_ref(), text.to_owned()).unwrap());
        assert!(
            told.contains("scrub       all others: detect by llm-training\n  scrub       a: enforce by gdpr\n"),
            "{told}"
        );
        assert!(!told.contains("b: "), "{told}");
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        let inner = std::io::Error::other("inner");
        let error = ConfigError::Read { path: "f".into(), source: inner };
        assert_eq!(chain(&error), "f: inner");
    }
}
