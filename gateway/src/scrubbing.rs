//! What the scrub engine does for which bucket. What holds at one time is a [`Table`], which is never changed: another one takes its place, and a request goes by
//! the one that it began with.

mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use keys::Oid;
use moka::sync::Cache;
use scrub::act::{Actor, KeyError, Scope, ScopeKey};
use scrub::format::{Budget, FormatError, Job, Limits, Rule, Summary};
use scrub::policy::{self, Policy};
use scrub::{Engine, EngineError, builtin};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Semaphore};
use zeroize::Zeroizing;

use http::HeaderMap;
use s3s::S3ErrorCode;

use crate::config::{Config, EtagOf, OnKeyFinding, OnUnscrubbed, PolicyName, Scrub, ScrubConfig, Tokens};
use crate::ops::tables;
use crate::s3::Error;
use crate::s3::address::tenant;
use crate::sidecar::ObjectAt;

pub use table::{Engines, Holds, Table};

/// Our own header, which is nobody's text, behind `x-amz-meta-`.
const OUR_NAME: &str = "dv1";

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Neither a preset nor a file that can be read.
    #[error("{0} is the name of no built-in policy ({1}), and of no file that can be read")]
    Missing(PathBuf, String, #[source] std::io::Error),
    /// It is not written as a policy.
    #[error("{0}")]
    Malformed(String),
    /// It cannot be compiled.
    #[error("the policy {0} cannot be used")]
    Unusable(String, #[source] EngineError),
    /// It was to be stored over REST, and is not.
    #[error("no policy {0} is stored")]
    NotStored(PolicyId),
    /// Two that are called the same.
    #[error(
        "the policy {0} is stored, and there is another of this id and version in the configuration or built in: which was meant could not be told"
    )]
    Twice(PolicyId),
    /// Tokens of a vault are named by a key.
    #[error("`tokens = \"vault\"` needs `keys.scrub_key`, by which tokens are named")]
    Unnamed,
    /// The file of the key cannot be read.
    #[error("keys.scrub_key: {0} cannot be read")]
    KeyFile(PathBuf, #[source] std::io::Error),
    /// It holds something else.
    #[error("keys.scrub_key: {0} does not hold 64 hexadecimal digits")]
    NoKey(PathBuf),
}

/// What holds now, and how many bodies may be treated at a time.
pub struct Scrubbing {
    held: RwLock<Held>,
    /// So long after that was last known to be the newest, nothing is done any more.
    age: Duration,
    /// Held by who looks for a newer one, or makes one.
    pub changing: Mutex<()>,
    /// A slot for each engine that may work at a time.
    pub slots: Arc<Semaphore>,
    /// A place for each body that may be under way.
    pub bodies: Arc<Semaphore>,
    /// What the large buffers of all of them are taken from.
    pub memory: Arc<Budget>,
    /// How fast they are.
    pub rate: Arc<Rate>,
    /// The longest that the scrub of one PUT may take.
    longest: Duration,
    /// Objects by which policy has seen them, and whether it changed what it found.
    pub seen: Cache<(String, Oid), (PolicyId, bool)>,
}

/// Objects that are remembered with what has seen them.
const SEEN: u64 = 100_000;

struct Held {
    table: Arc<Table>,
    /// When it was last known that there is no newer one; none: nobody looks, and it holds as long as this process.
    known: Option<Instant>,
}

/// Bytes that an engine reads in a second of work, as measured; the last bodies count most.
pub struct Rate(AtomicU64);

impl Default for Rate {
    /// Before anything was measured.
    fn default() -> Self {
        Self(AtomicU64::new(20_000_000))
    }
}

impl Rate {
    /// Shorter work measures little.
    const LEAST: Duration = Duration::from_millis(20);

    /// So many bytes took so long.
    pub fn measured(&self, bytes: u64, took: Duration) {
        if took < Self::LEAST {
            return;
        }
        let now = (u128::from(bytes) * 1_000_000 / took.as_micros().max(1)) as u64;
        // Two that come at once: one of them is lost, which changes little.
        let mean = self.0.load(Relaxed);
        self.0.store((mean - mean / 8 + now / 8).max(1), Relaxed);
    }

    /// How many bytes are read in this time.
    fn within(&self, time: Duration) -> u64 {
        (u128::from(self.0.load(Relaxed)) * time.as_millis() / 1000) as u64
    }
}

/// What is done with the objects of a bucket.
pub struct BucketPolicy {
    /// Never [`Scrub::Off`].
    pub mode: Scrub,
    /// Name and version of the policy.
    pub id: PolicyId,
    /// How its files are treated.
    pub job: Job,
    /// What is done about findings beside the content.
    on_key_finding: OnKeyFinding,
    /// What is done with what the policy blocks.
    pub on_block: Rule,
    /// What becomes of reads of what it has not seen.
    pub on_unscrubbed: OnUnscrubbed,
    /// Of which bytes the `ETag` is.
    pub etag_of: EtagOf,
    /// What its tokens are.
    tokens: Tokens,
    /// How far a keyed replacement is the same.
    scope: Scope,
    /// That of hashes, tokens and pseudonyms.
    key: Option<Key>,
    /// What it stores was let through by a security officer.
    released: bool,
}

/// A root key, and for which prefix of keys it is used.
#[derive(Clone)]
struct Key {
    root: Arc<Zeroizing<[u8; 32]>>,
    prefix: String,
}

/// Findings by type.
pub type Findings = BTreeMap<String, u64>;

/// Which policy, in which version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyId {
    /// Its `id`.
    pub id: String,
    /// Its `version`.
    pub version: u32,
}

/// As it is written in the settings of a bucket: `id/version`.
impl FromStr for PolicyId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, version) = text.rsplit_once('/').ok_or(())?;
        let plain = version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0');
        let version = Some(version).filter(|_| plain).and_then(|version| version.parse().ok()).ok_or(())?;
        Ok(Self { id: id.to_owned(), version })
    }
}

impl std::fmt::Display for PolicyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.id, self.version)
    }
}

impl Scrubbing {
    /// Reads and compiles what the configuration names.
    pub fn load(config: &Config) -> Result<Self, PolicyError> {
        let memory = memory(config);
        Ok(Self {
            held: RwLock::new(Held { table: Arc::new(Table::configured(config, &memory)?), known: None }),
            age: config.limits.policies_age,
            changing: Mutex::default(),
            slots: Arc::new(Semaphore::new(config.limits.scrub_threads)),
            bodies: Arc::new(Semaphore::new(config.limits.scrub_bodies)),
            memory,
            rate: Arc::default(),
            longest: config.limits.scrub_put_time,
            seen: Cache::new(SEEN),
        })
    }

    /// What holds for a request that begins now, to its end. Error: that is not known, since a newer one could not be looked for.
    pub fn now(&self) -> Result<Arc<Table>, Error> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        match held.known {
            Some(known) if known.elapsed() > self.age => Err(Error::PoliciesUnknown),
            _ => Ok(held.table.clone()),
        }
    }

    /// The newest that is known, however long ago that was.
    pub fn newest(&self) -> Arc<Table> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).table.clone()
    }

    /// From now on another one holds.
    pub fn hold(&self, table: Arc<Table>) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).table = table;
    }

    /// There was no newer one at this time.
    pub fn known(&self, at: Instant) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).known = Some(at);
    }

    /// The longest body that one PUT may have now: a client waits for its answer in silence, and gives up.
    pub fn longest_put(&self) -> u64 {
        self.rate.within(self.longest)
    }
}

/// A policy with its engine, as it was written.
#[derive(Clone)]
pub struct Compiled {
    /// Name and version.
    pub id: PolicyId,
    /// What was compiled.
    pub text: Arc<str>,
    engine: Arc<Engine>,
    scope: Scope,
}

impl Compiled {
    /// Of a policy that was read from `text`; `name`: for errors.
    pub fn new(name: &str, policy: &Policy, text: &str) -> Result<Self, PolicyError> {
        let engine =
            Engine::new(builtin::detectors(), policy).map_err(|e| PolicyError::Unusable(name.to_owned(), e))?;
        let id = PolicyId { id: policy.id.clone(), version: policy.version };
        Ok(Self { id, text: text.into(), engine: Arc::new(engine), scope: policy.scope })
    }

    /// Every mistake in a policy, with its place, is the error. `name`: of what it was read from.
    pub fn read(name: &str, text: &str) -> Result<Self, PolicyError> {
        let policy = policy::read(name, text).map_err(|errors| {
            PolicyError::Malformed(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        Self::new(name, &policy, text)
    }
}

impl BucketPolicy {
    /// What is found in an object's key, its metadata and its tags, none of which is ever changed: a client could not find the object again. Error: the policy
    /// refuses that.
    pub fn look_at_names(&self, key: &str, headers: &HeaderMap) -> Result<Findings, Error> {
        if let Some(format) = tables::format_of(key).filter(|_| self.enforces()) {
            return Err(Error::client(
                S3ErrorCode::InvalidRequest,
                format!(
                    "This would be the log or the metadata of a {format} table, which names sizes and values of files as they were before the policy of this bucket changed them. \
                     Scrub the files into another bucket first, and build the table there"
                ),
            ));
        }
        let mut text = format!("{key}\n");
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            if let Some(name) = name.as_str().strip_prefix("x-amz-meta-").filter(|name| *name != OUR_NAME) {
                text.extend([name, ": ", &*value, "\n"]);
            } else if name == "x-amz-tagging" {
                let tags = value.replace('+', " ").replace('&', "\n").replace('=', ": ");
                text += &percent_encoding::percent_decode_str(&tags).decode_utf8_lossy();
                text.push('\n');
            }
        }
        let kinds = self.job.engine.kinds();
        let mut findings = Findings::new();
        for finding in self.job.engine.detect(text.as_bytes()) {
            *findings.entry(kinds.name(finding.kind).to_owned()).or_default() += 1;
        }
        if self.on_key_finding == OnKeyFinding::Refuse && !findings.is_empty() {
            let found = findings.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Error::client(
                S3ErrorCode::InvalidRequest,
                format!(
                    "The key, metadata or tags hold {found}, which the policy of this bucket refuses: they are never changed, so name the object otherwise"
                ),
            ));
        }
        Ok(findings)
    }

    /// The same, which changes and refuses nothing.
    #[must_use]
    pub fn observing(&self) -> Self {
        let limits = Limits { bad_records: u64::MAX, ..self.job.limits };
        let job = Job { actor: None, on_media: Rule::Pass, on_unknown: Rule::Pass, limits, ..self.job.clone() };
        Self { mode: Scrub::Detect, job, ..self.again() }
    }

    /// For what a security officer lets through as it is.
    #[must_use]
    pub fn releasing(&self) -> Self {
        Self { released: true, ..self.observing() }
    }

    /// For what a security officer lets through scrubbed: what cannot be looked into passes.
    #[must_use]
    pub fn passing(&self) -> Self {
        let job = Job { on_media: Rule::Pass, on_unknown: Rule::Pass, ..self.job.clone() };
        Self { job, on_block: Rule::Refuse, ..self.again() }
    }

    fn again(&self) -> Self {
        Self { id: self.id.clone(), job: self.job.clone(), key: self.key.clone(), ..*self }
    }

    /// How an object is treated: with the key of hashes, tokens and pseudonyms that is its own, its prefix's or its bucket's.
    pub fn job_of(&self, at: &ObjectAt) -> Result<Job, KeyError> {
        let Some(key) = self.key.as_ref().filter(|_| self.job.actor.is_some()) else { return Ok(self.job.clone()) };
        let (tenant, bucket) = tenant::split(&at.bucket);
        let name = match self.scope {
            Scope::Object => format!("{bucket}/{}", at.key),
            Scope::Prefix => format!("{bucket}/{}", key.prefix),
            Scope::Bucket => bucket.to_owned(),
        };
        let scope = ScopeKey::derive(&key.root, tenant, self.scope, &name)?;
        Ok(Job { actor: Some(Actor::keyed(&scope, &self.job.engine)?), ..self.job.clone() })
    }

    /// One that a job is given in the place of what the configuration says.
    pub fn given(config: &Config, scrub: &ScrubConfig) -> Result<Option<Arc<Self>>, PolicyError> {
        let root = config.keys.scrub_key.as_deref().map(read_key).transpose()?;
        let key = root.map(|root| Key { root, prefix: String::new() });
        Self::of(scrub, limits(config), &memory(config), key, &mut Engines::new())
    }

    /// The same for objects that are there: what they are called stays, whatever it holds, and what cannot be scrubbed stays where it is, with no need of another copy
    /// in quarantine.
    #[must_use]
    pub fn for_what_is_there(&self) -> Self {
        let stays = |rule| if rule == Rule::Quarantine { Rule::Refuse } else { rule };
        let (on_media, on_unknown) = (stays(self.job.on_media), stays(self.job.on_unknown));
        let job = Job { on_media, on_unknown, ..self.job.clone() };
        Self { on_key_finding: OnKeyFinding::Record, on_block: stays(self.on_block), job, ..self.again() }
    }

    /// Whether its tokens are short, and a vault has what they stand for.
    pub fn has_vault(&self) -> bool {
        self.tokens == Tokens::Vault && self.key.is_some() && self.job.actor.is_some()
    }

    /// Whether it changes what is stored.
    pub fn enforces(&self) -> bool {
        self.mode != Scrub::Detect
    }

    /// Whether what came is kept beside what is made of it.
    pub fn keeps_originals(&self) -> bool {
        self.mode == Scrub::Dual
    }

    /// Whether anything may be put aside.
    pub fn has_quarantine(&self) -> bool {
        [self.job.on_media, self.job.on_unknown, self.on_block].contains(&Rule::Quarantine)
    }

    /// Whether a file that could not be scrubbed is put aside, rather than refused.
    pub fn puts_aside(&self, error: &FormatError) -> bool {
        match error {
            FormatError::Unknown { rule, .. } | FormatError::Broken { rule, .. } => *rule == Rule::Quarantine,
            FormatError::Blocked(_) => self.on_block == Rule::Quarantine,
            FormatError::Limit(_) | FormatError::Busy | FormatError::Read(_) | FormatError::Write(_) => false,
        }
    }

    fn of(
        config: &ScrubConfig,
        limits: Limits,
        memory: &Arc<Budget>,
        key: Option<Key>,
        engines: &mut Engines,
    ) -> Result<Option<Arc<Self>>, PolicyError> {
        if config.tokens == Tokens::Vault && key.is_none() {
            return Err(PolicyError::Unnamed);
        }
        if config.mode == Scrub::Off {
            return Ok(None);
        }
        let Compiled { id, engine, scope, .. } = match (engines.get(&config.policy), &config.policy) {
            (Some(known), _) => known.clone(),
            (None, PolicyName::Stored(id)) => return Err(PolicyError::NotStored(id.clone())),
            (None, PolicyName::Configured(name)) => {
                engines.entry(config.policy.clone()).or_insert(compile(name)?).clone()
            }
        };
        let enforces = config.mode != Scrub::Detect;
        // Nothing is refused where nothing is enforced.
        let rule = |rule| if enforces { rule } else { Rule::Pass };
        Ok(Some(Arc::new(Self {
            mode: config.mode,
            id,
            on_key_finding: config.on_key_finding,
            on_block: rule(config.on_block),
            on_unscrubbed: config.on_unscrubbed,
            etag_of: config.etag_of,
            tokens: config.tokens,
            scope,
            key,
            released: false,
            job: Job {
                engine,
                // What needs a key is a label where there is none.
                actor: enforces.then(Actor::default),
                on_media: rule(config.on_media),
                on_unknown: rule(config.on_unknown),
                limits: Limits { bad_records: if enforces { config.max_bad_records } else { u64::MAX }, ..limits },
                memory: Some(Arc::clone(memory)),
            },
        })))
    }
}

/// The bounds on what one file may ask for.
fn limits(config: &Config) -> Limits {
    Limits {
        depth: config.limits.scrub_depth,
        expansion: config.limits.scrub_expansion,
        chunk: config.limits.scrub_chunk,
        ..Limits::default()
    }
}

/// That of all bodies together. Nobody waits longer for it than a PUT may take.
fn memory(config: &Config) -> Arc<Budget> {
    Arc::new(Budget::new(config.limits.scrub_memory, config.limits.scrub_put_time))
}

fn compile(name: &str) -> Result<Compiled, PolicyError> {
    if let (Some(preset), Some((_, text))) = (Policy::preset(name), policy::PRESETS.iter().find(|(n, _)| *n == name)) {
        return Compiled::new(name, &preset, text);
    }
    let text = std::fs::read_to_string(name).map_err(|e| {
        let presets: Vec<_> = policy::PRESETS.iter().map(|(name, _)| *name).collect();
        PolicyError::Missing(name.into(), presets.join(", "), e)
    })?;
    Compiled::read(name, &text)
}

fn read_key(path: &Path) -> Result<Arc<Zeroizing<[u8; 32]>>, PolicyError> {
    let text = std::fs::read_to_string(path).map_err(|e| PolicyError::KeyFile(path.to_owned(), e))?;
    let (text, mut root) = (Zeroizing::new(text), Zeroizing::new([0; 32]));
    hex::decode_to_slice(text.trim(), &mut *root).map_err(|_| PolicyError::NoKey(path.to_owned()))?;
    Ok(Arc::new(root))
}

/// What was done to an object, kept sealed beside it: never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Of this form: 1.
    pub v: u8,
    /// `detect`, `enforce` or `dual`, or `released` from quarantine as it came.
    pub mode: String,
    /// The object's key: where to look whether there still is such an object.
    #[serde(default)]
    pub key: String,
    /// By which policy.
    pub policy: PolicyId,
    /// By which version of the engine.
    pub engine: String,
    /// What the object is.
    pub format: Option<String>,
    /// Findings by type.
    pub findings: Findings,
    /// Records that were no records of the format.
    #[serde(default)]
    pub bad_records: u64,
    /// Findings in what the format needs as it is, which stayed.
    #[serde(default)]
    pub unfit: u64,
    /// Findings in key, metadata and tags, which are as they were sent.
    #[serde(default)]
    pub names: Findings,
    /// Files within that were not looked into, by what they are.
    #[serde(default)]
    pub passed: Findings,
}

impl Record {
    /// Of what the engine said.
    pub fn of(policy: &BucketPolicy, key: &str, seen: &Summary, names: Findings) -> Self {
        Self {
            v: 1,
            mode: if policy.released { "released" } else { policy.mode.name() }.to_owned(),
            key: key.to_owned(),
            policy: policy.id.clone(),
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            format: seen.format.map(|format| format.name().to_owned()),
            findings: seen.findings.clone(),
            bad_records: seen.bad_records,
            unfit: seen.unfit,
            names,
            passed: seen.passed.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect(),
        }
    }

    /// Whether what was found was dealt with, and not only told.
    pub fn changed(&self) -> bool {
        self.mode != Scrub::Detect.name()
    }

    /// Mode and policy, as the record of an object has them: `enforce llm-training/1`.
    pub fn state(&self) -> String {
        format!("{} {}", self.mode, self.policy)
    }

    /// As a header shows it: `EMAIL_ADDRESS=3,PERSON=1`.
    pub fn findings_header(&self) -> String {
        self.findings.iter().map(|(kind, count)| format!("{kind}={count}")).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = |id: &str, version| PolicyId { id: id.to_owned(), version };
        assert_eq!("own/3".parse(), Ok(id("own", 3)));
        assert_eq!("a/b/10".parse(), Ok(id("a/b", 10)));
        for wrong in ["own", "own/", "own/0", "own/03", "own/+3", "own/-1", "own/4294967296"] {
            assert!(wrong.parse::<PolicyId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_have_been_changed_long_ago_does_not_hold() {
        let toml = "[limits]\npolicies_every = \"1s\"\npolicies_age = \"10s\"\n";
        let scrubbing = Scrubbing::load(&Config::parse("f".as_ref(), toml.to_owned()).unwrap()).unwrap();
        assert!(scrubbing.now().is_ok(), "nobody looks for another");
        let now = Instant::now();
        scrubbing.known(now.checked_sub(Duration::from_secs(9)).unwrap());
        assert!(scrubbing.now().is_ok());
        scrubbing.known(now.checked_sub(Duration::from_secs(11)).unwrap());
        assert!(matches!(scrubbing.now(), Err(Error::PoliciesUnknown)));
        scrubbing.known(now);
        assert!(scrubbing.now().is_ok());
    }

    #[test]
    fn the_rate_follows_what_is_measured() {
        let rate = Rate::default();
        rate.measured(1, Duration::from_millis(1));
        assert_eq!(rate.within(Duration::from_secs(30)), 600_000_000);
        for _ in 0..100 {
            rate.measured(5_000_000, Duration::from_secs(1));
        }
        let bytes = rate.within(Duration::from_secs(2));
        assert!((9_999_000..10_100_000).contains(&bytes), "{bytes}");
    }
}
