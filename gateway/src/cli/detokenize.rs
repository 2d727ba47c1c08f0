//! `data-vault detokenize`: the tokens in texts turned back to what they stand for.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use scrub::act::{Detokenizer, Lookup, Scope, ScopeKey, VaultError};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::scrub::keys::read_key;
use super::scrub::named;
use super::scrub::output::Target;
use super::{ConfigArgs, chain, runtime};
use crate::app;
use crate::telemetry;
use crate::tokens::destroying;
use crate::tokens::opening::Opening;
use crate::vault::Vault;

/// Bytes that are read at a time.
const READ: usize = 256 * 1024;

/// Turn the tokens of `scrub` back, with the key that they were made under, and those of a bucket's vault, with that. All else stays as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 every token was opened, 1 failure, 2 wrong command line or key, 3 tokens of other keys, names or vaults were left."
)]
pub struct DetokenizeArgs {
    /// What is read; `-` is standard input. One after the other is written.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The key that was given to `scrub`: 64 hexadecimal digits. Opens tokens `t1_…`.
    #[arg(long, value_name = "FILE", required_unless_present = "vault")]
    key_file: Option<PathBuf>,
    /// The bucket whose vault is asked, by the configuration of its gateway. Opens tokens `v1_…`.
    #[arg(long, value_name = "BUCKET", requires = "by")]
    vault: Option<String>,
    /// Who opens the tokens: with --vault each is written down in the log under this name.
    #[arg(long, value_name = "NAME", requires = "vault")]
    by: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// The scope of the policy that made the tokens: object, prefix or bucket.
    #[arg(long, value_name = "SCOPE", default_value = "object", value_parser = scope)]
    scope: Scope,
    /// What was scrubbed, as it was named then: a path, or `-`. Can be given again; each is tried [default: of the scope object the file as it is
    /// named now, of others no name, as `scrub` has it].
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// The tenant, of tokens that were not made by `scrub`.
    #[arg(long, value_name = "TENANT", default_value = "")]
    tenant: String,
    /// Where the texts go [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn scope(name: &str) -> Result<Scope, String> {
    Scope::by_name(name).ok_or_else(|| "object, prefix or bucket is expected".to_owned())
}

impl DetokenizeArgs {
    /// Does what the command line says.
    pub fn run(mut self) -> Result<ExitCode, Box<dyn Error>> {
        let (Some(bucket), Some(by)) = (self.vault.take(), self.by.take()) else { return self.open(None) };
        let config = std::mem::take(&mut self.config).load()?;
        telemetry::start_log(&config.log)?;
        runtime()?.block_on(app::run_job(config, async |vault| {
            let opening = Arc::new(Mutex::new(Opening::new(vault.clone(), bucket, by)));
            // What is read and written blocks its thread.
            Ok(tokio::task::block_in_place(|| self.open(Some(&opening))))
        }))?
    }

    fn open(&self, opening: Option<&Arc<Mutex<Opening>>>) -> Result<ExitCode, Box<dyn Error>> {
        let root = self.key_file.as_deref().map(read_key).transpose()?;
        let mut out = Target::of(self.out.as_deref())?;
        let (mut opened, mut left) = (0, 0);
        for path in &self.files {
            let scopes = root.as_ref().map(|root| self.scopes(root, path)).transpose()?;
            let mut detokenizer = Detokenizer::new(scopes.unwrap_or_default());
            if let Some(opening) = opening {
                detokenizer = detokenizer.with_vault(lookup(opening.clone()));
            }
            let mut source: Box<dyn Read> = if path == Path::new("-") {
                Box::new(io::stdin())
            } else {
                Box::new(File::open(path).map_err(|error| named(path, &error))?)
            };
            let (mut buffer, mut text) = (vec![0; READ], Vec::new());
            loop {
                let read = source.read(&mut buffer).map_err(|error| named(path, &error))?;
                if read == 0 {
                    break;
                }
                detokenizer.push(&buffer[..read], &mut text)?;
                out.write_all(&text)?;
                text.clear();
            }
            let counts = detokenizer.finish(&mut text);
            out.write_all(&text)?;
            opened += counts.opened;
            left += counts.left();
        }
        out.finish()?;
        eprintln!("data-vault: {opened} tokens opened, {left} left");
        Ok(if left > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }

    /// The scopes that are tried for a file.
    fn scopes(&self, root: &Zeroizing<[u8; 32]>, path: &Path) -> Result<Vec<ScopeKey>, Box<dyn Error>> {
        let names = match (self.name.as_slice(), self.scope) {
            ([], Scope::Object) => vec![path.display().to_string()],
            ([], _) => vec![String::new()],
            (names, _) => names.to_vec(),
        };
        let scopes = names.iter().map(|name| ScopeKey::derive(root, &self.tenant, self.scope, name));
        Ok(scopes.collect::<Result<_, _>>()?)
    }
}

/// Destroy the vault of a bucket's short tokens: none of them stands for anything from then on.
#[derive(Debug, Args)]
pub struct DestroyTokensArgs {
    /// The bucket whose vault is destroyed.
    #[arg(long, value_name = "BUCKET")]
    vault: String,
    /// Who does that, for the log.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// The gateway is stopped: it would go on with tokens that it remembers.
    #[arg(long, required = true)]
    gateway_stopped: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl DestroyTokensArgs {
    /// Does what the command line says.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.config.load()?;
        telemetry::start_log(&config.log)?;
        let destroy = async |vault: &Arc<Vault>| Ok(destroying::destroy(vault, &self.vault, &self.by).await?);
        Ok(runtime()?.block_on(app::run_job(config, destroy))?)
    }
}

/// The vault as a stream asks it, on a thread that may wait.
fn lookup(opening: Arc<Mutex<Opening>>) -> Lookup {
    let handle = Handle::current();
    Box::new(move |token| {
        let mut opening = opening.lock().unwrap_or_else(PoisonError::into_inner);
        handle.block_on(opening.value(token)).map_err(|e| VaultError(chain(&e)))
    })
}
